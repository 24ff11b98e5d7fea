/* SPDX-License-Identifier: MIT
 *
 * From an I/O thread to logic.  Messages are staged in the ring and published
 * together at the end of the turn.
 *
 * When the ring is full, io_post() refuses; the connection stops reading and is
 * called back.  What must not be refused, IO_DRAINED and IO_CLOSED, are marks on
 * the link, and links with marks are chained: nothing is allocated and nothing
 * can be lost, it only comes later.  While the chain is not empty nothing else is
 * posted, so a busy thread cannot keep a closed link waiting for ever.
 */
#include "net/conn_priv.h"

/* Messages are published before the end of the turn when so many wait. */
#define STAGED_AT_ONCE 128
#define DOORS_A_TURN   512

static void publish(struct io_thread *t)
{
	t->staged = 0;
	ring_publish(t->inward);
}

static void publish_deferred(struct defer *d)
{
	publish(container_of(d, struct io_thread, publish));
}

static bool stage(struct link *link, uint32_t kind, void *p, uint64_t n)
{
	struct io_thread *t = link->io;
	struct io_msg msg = {kind, link->generation, link, p, n};

	if (!ring_push(t->inward, &msg)) {
		ring_want_space(t->inward, loop_waker(t->loop));
		return false;
	}
	/* On one thread logic's source comes next anyhow, and without another poll. */
	if (++t->staged >= STAGED_AT_ONCE || !t->io->threaded)
		publish(t);
	else
		loop_defer(t->loop, &t->publish, publish_deferred);
	return true;
}

/* -- what must not be lost ----------------------------------------------------------- */

static bool post_notices_of(struct link *link)
{
	if (link->notices & NOTICE_DRAINED) {
		if (!stage(link, IO_DRAINED, NULL, 0))
			return false;
		link->notices &= (uint8_t)~NOTICE_DRAINED;
	}
	if (link->notices & NOTICE_CLOSED) {
		if (!stage(link, IO_CLOSED, NULL, link->why))
			return false;
		link->notices &= (uint8_t)~NOTICE_CLOSED;
	}
	return true;
}

/* False when the ring is full and some are left. */
static bool post_notices(struct io_thread *t)
{
	while (t->notices) {
		struct link *link = t->notices;

		if (!post_notices_of(link))
			return false;
		t->notices = link->next;
		if (!t->notices)
			t->notices_end = &t->notices;
		link->next = NULL;
		link->notices = 0;
	}
	return true;
}

void inward_notice(struct link *link, unsigned notice)
{
	struct io_thread *t = link->io;

	if (!link->notices) {
		link->next = NULL;
		*t->notices_end = link;
		t->notices_end = &link->next;
	}
	link->notices |= (uint8_t)(notice | NOTICE_LISTED);
	(void)post_notices(t);
}

bool io_post(struct link *link, uint32_t kind, void *p, uint64_t n)
{
	struct io_thread *t = link->io;

	ROLE_ASSERT(ROLE_IO);
	if (post_notices(t) && stage(link, kind, p, n))
		return true;
	if (link->conn)
		conn_starve(link->conn);
	return false;
}

/* -- the I/O thread's source ------------------------------------------------------------ */

static void answer_call(struct io_thread *t, struct io_call *call)
{
	struct io *io = t->io;

	call->fn(t, call->arg);
	/* acq_rel: the last thread has everybody's work behind it. */
	if (atomic_fetch_sub_explicit(&call->left, 1, memory_order_acq_rel) > 1)
		return;
	call->next = atomic_load_explicit(&io->finished, memory_order_relaxed);
	/* seq_cst: the waker's protocol (loop.h). */
	while (!atomic_compare_exchange_weak(&io->finished, &call->next, call))
		;
	waker_wake(loop_waker(io->logic));
}

static void answer_link(struct link *link)
{
	bool released;
	struct piece *chain = link_take(link, &released);

	if (link->conn)
		conn_take(link->conn, chain);
	else
		link_drop_chain(link, chain);
	if (released) {
		link_free_slot(link);
		io_check_finished(link->io);
	} else if (link->conn) {
		link_check_drain(link);
	}
}

static bool drain_doors(struct io_thread *t)
{
	struct doorbell d;

	for (unsigned n = 0; n < DOORS_A_TURN; n++) {
		if (!ring_pop(t->doors, &d))
			return false;
		if (d.call)
			answer_call(t, d.call);
		else
			answer_link(d.link);
	}
	return ring_pending(t->doors);
}

static bool wants_room(const struct io_thread *t)
{
	return t->notices || !list_empty(&t->starved);
}

/* Those that are refused again go to the end of the list, behind `last`. */
static void feed_starved(struct io_thread *t)
{
	struct list *last = t->starved.prev;

	while (!list_empty(&t->starved)) {
		struct list *n = t->starved.next;

		if (!post_notices(t) || ring_space(t->inward) == 0) {
			ring_want_space(t->inward, loop_waker(t->loop));
			return;
		}
		conn_feed(container_of(n, struct conn, starved));
		if (n == last)
			return;
	}
}

bool io_source_drain(struct source *s)
{
	struct io_thread *t = container_of(s, struct io_thread, source);
	bool more = drain_doors(t);

	if (wants_room(t) && post_notices(t))
		feed_starved(t);
	return more;
}

bool io_source_pending(struct source *s)
{
	struct io_thread *t = container_of(s, struct io_thread, source);

	return ring_pending(t->doors);
}
