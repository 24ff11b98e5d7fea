/* SPDX-License-Identifier: MIT
 *
 * The timer heap.  Each timer knows its place, so that cancelling needs no
 * search.  With four children per node the heap is half as deep as a binary
 * one and the children of a node share a cache line.
 */
#include "util/timerq.h"

#include "util/mem.h"

#define CHILDREN  4
#define FIRST_CAP 16

void timerq_init(struct timerq *q)
{
	*q = (struct timerq){.heap = NULL};
}

void timerq_fini(struct timerq *q)
{
	/* The timers may be gone already: they are not touched. */
	mem_free(q->heap);
	timerq_init(q);
}

static void place(struct timerq *q, size_t i, struct timer *t)
{
	q->heap[i] = t;
	t->index = i + 1;
}

static void sift_up(struct timerq *q, size_t i, struct timer *t)
{
	while (i > 0) {
		size_t parent = (i - 1) / CHILDREN;

		if (q->heap[parent]->due <= t->due)
			break;
		place(q, i, q->heap[parent]);
		i = parent;
	}
	place(q, i, t);
}

static void sift_down(struct timerq *q, size_t i, struct timer *t)
{
	for (;;) {
		size_t first = i * CHILDREN + 1, least = first;

		if (first >= q->count)
			break;
		for (size_t c = first + 1; c < first + CHILDREN && c < q->count; c++) {
			if (q->heap[c]->due < q->heap[least]->due)
				least = c;
		}
		if (t->due <= q->heap[least]->due)
			break;
		place(q, i, q->heap[least]);
		i = least;
	}
	place(q, i, t);
}

/* Puts t, which may be out of order in either direction, right from place i. */
static void settle(struct timerq *q, size_t i, struct timer *t)
{
	if (i > 0 && t->due < q->heap[(i - 1) / CHILDREN]->due)
		sift_up(q, i, t);
	else
		sift_down(q, i, t);
}

static bool holds(const struct timerq *q, const struct timer *t)
{
	return t->index != 0 && t->index <= q->count && q->heap[t->index - 1] == t;
}

void timerq_arm(struct timerq *q, struct timer *t, jd_usec due_mono, void (*fn)(struct timer *))
{
	t->due = due_mono;
	t->fn = fn;
	if (holds(q, t)) {
		settle(q, t->index - 1, t);
		return;
	}
	if (q->count == q->cap) {
		q->cap = q->cap ? q->cap * 2 : FIRST_CAP;
		q->heap = mem_realloc(q->heap, q->cap * sizeof(struct timer *));
	}
	sift_up(q, q->count++, t);
}

void timerq_cancel(struct timerq *q, struct timer *t)
{
	size_t i = t->index - 1;
	struct timer *last;

	if (holds(q, t)) {
		last = q->heap[--q->count];
		if (last != t)
			settle(q, i, last);
	}
	t->index = 0;
}

jd_usec timerq_next(const struct timerq *q)
{
	return q->count ? q->heap[0]->due : UINT64_MAX;
}

size_t timerq_run(struct timerq *q, jd_usec now_mono, size_t budget)
{
	size_t ran = 0;
	struct timer *t;

	/* A timer that arms itself again for now does not make this endless. */
	if (budget > q->count)
		budget = q->count;
	while (ran < budget && timerq_next(q) <= now_mono) {
		t = q->heap[0];
		timerq_cancel(q, t);
		t->fn(t);
		ran++;
	}
	return ran;
}
