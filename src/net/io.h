/* SPDX-License-Identifier: MIT
 *
 * I/O threads: each has a loop, a table of links, an inward ring to logic, a
 * doorbell ring from logic, one scratch buffer for reading, and a coarse wheel
 * that looks at idle connections and deadlines once a second (no timer is armed
 * per message).
 *
 * With zero I/O threads one struct io_thread runs on the logic thread's own loop:
 * the same rings, drained by sources of the same loop, so callbacks come in the
 * same order.
 */
#pragma once

#include "net/link.h"
#include "rt/ring.h"

/* What an I/O thread tells logic. The upper layers number their kinds from IO_USER. */
enum io_kind {
	IO_CLOSED = 1, /* last message of a link; n: enum conn_why */
	IO_DRAINED,    /* asked for by link_want_drain() */
	IO_USER = 16,
};

struct io_msg {
	uint32_t kind;
	uint32_t generation; /* of the link, when it was posted */
	struct link *link;
	void *p; /* ownership goes with the message */
	uint64_t n;
};

struct io_settings {
	unsigned threads;     /* 0: on the logic loop */
	size_t max_links;     /* per thread; connections beyond are accepted and closed */
	size_t max_strangers; /* connections per thread that nobody has called conn_known() for:
				 past it the oldest is ended; 0: no bound */
	size_t ring_size;     /* inward entries; power of two; 0: 8192 */
};

/* Called on the logic thread for every message, in the order of each thread's ring;
 * round-robin over threads with a budget. Must free or keep msg->p. */
typedef void (*io_receive_fn)(const struct io_msg *msg, void *arg);

struct io;

/* Starts the threads. Logic thread. */
struct io *io_start(const struct io_settings *settings, struct loop *logic, io_receive_fn receive,
		    void *arg);
/* Listeners are closed; each protocol says good-bye, connections are flushed and closed,
 * messages delivered, threads joined. Runs turns of the logic loop, so it is not for a
 * callback of that loop. Every link must be released by the receiver, or it never returns. */
void io_stop(struct io *io);

unsigned io_count(const struct io *io); /* >= 1 */
struct io_thread *io_thread_at(struct io *io, unsigned i);

/* Runs fn on each I/O thread's loop soon, in order with doorbells (as long as no more than
 * 64 such calls are under way: later ones wait for those); arg is shared.
 * For handing out new configuration. done (may be NULL) runs on logic after the last. */
void io_each(struct io *io, void (*fn)(struct io_thread *t, void *arg), void *arg,
	     void (*done)(void *arg));

struct io_stats {
	size_t links;
	uint64_t accepted, bytes_in, bytes_out, reads, writes;
};
void io_stats(struct io *io, struct io_stats *ret_stats); /* logic thread; relaxed counters */

/* -- on the I/O thread ------------------------------------------------------------- */

struct loop *io_loop(struct io_thread *t);
struct io_thread *io_current(void);
struct slab_stats;
void io_conn_stats(struct io_thread *t, struct slab_stats *sum); /* adds this thread's */
/* A pointer that the stream layer keeps per thread (parser pools). */
void io_set_user(struct io_thread *t, void *user);
void *io_user(struct io_thread *t);

/*
 * Posts to logic; the batch is published at the end of the turn (or when the
 * loop is about to sleep).  False when the ring is full: nothing was posted, the
 * connection stops reading and is called back by `conn_proto.space` when there
 * is room.  Room for IO_CLOSED of every link is kept aside, so it never fails.
 */
bool io_post(struct link *link, uint32_t kind, void *p, uint64_t n) JD_MUST_USE;
