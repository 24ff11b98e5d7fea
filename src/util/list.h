/* SPDX-License-Identifier: MIT
 *
 * Intrusive doubly linked lists: a head and members of the same type.  An
 * unlinked node is zeroed or points to itself; list_linked() tells.
 *
 *     struct list head = LIST_INIT(head);
 *     list_append(&head, &item->node);
 *     for (struct list *n = head.next; n != &head; n = n->next)
 *             use(container_of(n, struct item, node));
 *
 * To remove while walking, fetch next first.
 */
#pragma once

#include <jackdaw/types.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(head)                                                                            \
	{                                                                                          \
		&(head), &(head)                                                                   \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *n)
{
	return n->next && n->next != n;
}

static inline void list_append(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

static inline void list_prepend(struct list *head, struct list *n)
{
	list_append(head->next, n);
}

/* Removing an unlinked node is allowed. */
static inline void list_remove(struct list *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = n;
}

/* Moves everything in from behind the last of to; from is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}
