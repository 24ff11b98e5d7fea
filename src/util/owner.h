/* SPDX-License-Identifier: MIT
 *
 * Owners and what they wait for.  An account, a session, an IQ, a module
 * instance is an owner; a database query or a timer that will call back is
 * pending on it.  When the owner goes, everything still pending is cancelled:
 * the callback is never run.  Header only; one thread (logic).
 */
#pragma once

#include "util/list.h"
#include "util/mem.h"

struct jd_owner {
	struct list pending;
};

struct pending {
	struct list node;
	void (*cancel)(struct pending *self); /* the node has been removed already */
	void (*code)(void);                   /* what will be called back, to know whose it is */
};

static inline void owner_init(struct jd_owner *o)
{
	list_init(&o->pending);
}

static inline void owner_add(struct jd_owner *o, struct pending *p)
{
	list_append(&o->pending, &p->node);
}

/* Only that whose callback is said to be there. */
static inline void owner_cancel_code(struct jd_owner *o,
				     bool (*there)(const void *arg, void (*code)(void)),
				     const void *arg)
{
	struct list *next;

	for (struct list *n = o->pending.next; n != &o->pending; n = next) {
		struct pending *p = container_of(n, struct pending, node);

		next = n->next;
		if (!there(arg, p->code))
			continue;
		list_remove(&p->node);
		p->cancel(p);
	}
}

static inline void owner_cancel_all(struct jd_owner *o)
{
	while (!list_empty(&o->pending)) {
		struct pending *p = container_of(o->pending.next, struct pending, node);

		list_remove(&p->node);
		p->cancel(p);
	}
}
