/* SPDX-License-Identifier: MIT
 *
 * What the files of net/ share: the I/O thread's insides.
 *
 * A link's way through its thread: link_alloc() takes a slot, doorbells bring its
 * outbox, notices carry IO_DRAINED and IO_CLOSED to logic even while the inward
 * ring is full, and a doorbell that finds `released` set frees the slot.
 */
#pragma once

#include <pthread.h>

#include "net/io.h"
#include "util/slab.h"

#define IO_WHEEL         8 /* every connection is looked at once in a round of these */
#define IO_TICK          (JD_USEC_PER_SEC / IO_WHEEL)
#define IO_READ_SCRATCH  ((size_t)64 << 10)
#define IO_WRITE_SCRATCH ((size_t)16 << 10) /* the most that fits into one TLS record */

/* One io_each() under way. */
struct io_call {
	struct io_call *next; /* in `waiting` or `finished` */
	struct io *io;
	void (*fn)(struct io_thread *t, void *arg);
	void *arg;
	void (*done)(void *arg);
	_Atomic unsigned left; /* threads that have not run it */
};

/* An entry of the doorbell ring: one of the two is set. */
struct doorbell {
	struct link *link;
	struct io_call *call;
};

#define LINK_CHUNK 256 /* links allocated at a time */

/* Counters with one writer, read by logic for statistics. */
struct io_counters {
	_Atomic uint64_t accepted, bytes_in, bytes_out, reads, writes;
	_Atomic size_t links;
};

static inline void count_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

struct io_thread {
	struct io *io;
	struct loop *loop;
	struct ring *inward; /* struct io_msg */
	struct ring *doors;  /* struct doorbell */
	unsigned index;
	pthread_t thread;

	/* logic thread */
	struct io_thread *unpublished_next;
	bool unpublished;
	unsigned staged_doors;
	bool joined;

	/* I/O thread: links */
	struct link **chunks;
	size_t n_chunks, n_slots, in_use;
	struct link *free;
	struct link *notices, **notices_end;

	/* I/O thread: connections */
	struct slab *conns;
	size_t live;
	struct list dirty;     /* to be flushed, read or ended at the end of the turn */
	struct list strangers; /* nobody has vouched for them; the oldest first */
	size_t n_strangers;
	struct list starved; /* stopped, because the inward ring was full */
	struct list wheel[IO_WHEEL];
	unsigned hand;
	struct timer tick;
	struct defer flush;
	struct defer publish;
	unsigned staged;
	struct source source;
	struct list listening; /* struct accepting of listener.c */
	char *read_scratch;
	char *write_scratch;
	void *user;
	bool stopping;

	_Alignas(64) struct io_counters counters;
	_Atomic bool finished; /* nothing is left on this thread */
};

struct io {
	struct loop *logic;
	size_t max_links;
	size_t max_strangers;
	bool threaded;
	bool stopping;
	unsigned n_threads;
	struct io_thread *threads;
	io_receive_fn receive;
	void *arg;
	struct source source;
	unsigned turn; /* whose ring is looked at first */
	struct defer doorbells;
	struct io_call *waiting, **waiting_end; /* io_each() calls that were too many */
	unsigned calls;                         /* in the doorbell rings */
	jd_usec trimmed;

	_Alignas(64) _Atomic(struct io_call *) finished;
};

/* -- link.c ------------------------------------------------------------------------ */

struct link *link_alloc(struct io_thread *t); /* NULL: the table is full */
/* I/O thread, the connection has gone: IO_CLOSED will be posted as soon as there is room. */
void link_closed(struct link *link, int why);
/* Takes the doorbell's chain, in the order of sending. */
struct piece *link_take(struct link *link, bool *ret_released);
void link_drop_chain(struct link *link, struct piece *chain);
void link_free_slot(struct link *link);
/* n bytes of the outbox are the kernel's now, or were dropped. */
void link_uncount(struct link *link, size_t n);
void link_check_drain(struct link *link);
/* A piece of the I/O thread's own. */
struct piece *piece_new_local(size_t text_size);
size_t piece_cost(const struct piece *p);
/* Logic thread. */
void link_ring(struct link *link);
bool link_push_door(struct io_thread *t, const struct doorbell *d) JD_MUST_USE;
void link_trim(void);
void link_fini_slabs(void);

/* -- inward.c ---------------------------------------------------------------------- */

enum { NOTICE_DRAINED = 1, NOTICE_CLOSED = 2, NOTICE_LISTED = 4 };

void inward_notice(struct link *link, unsigned notice);
/* The I/O thread's source: doorbells, and what waits for room in the inward ring. */
bool io_source_drain(struct source *s);
bool io_source_pending(struct source *s);
/* Ends the thread once nothing is left of it. */
void io_check_finished(struct io_thread *t);
