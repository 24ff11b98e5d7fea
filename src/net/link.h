/* SPDX-License-Identifier: MIT
 *
 * A link is where the two sides of a connection meet: the I/O thread that owns
 * the socket and the logic thread that owns what it means.
 *
 * OUTWARD.  The logic thread pushes pieces onto the link's outbox, a lock-free
 * stack that only it pushes to, and rings once: the link's flag "rung" keeps it
 * in the doorbell ring at most once, and that ring is as large as the thread's
 * table of links, so it never fills.  The I/O thread takes the whole chain with
 * one atomic exchange and turns it round.  Bytes stay counted in `queued` until
 * the kernel has them.  The outbox is bounded: link_send() refuses past the hard
 * bound (the caller detaches or closes the session), link_queued() lets producers
 * of long answers pause, and link_want_drain() tells them when to go on.
 *
 * Control pieces travel in the same chain, so they are in order with the data.
 *
 * LIFE.  A slot is index + generation in its thread's table.  Closing has two
 * phases: the I/O thread stops reading, frees socket and TLS and posts IO_CLOSED
 * as its last message; logic drops its references and calls link_release(); only
 * then the slot is used again.  Pushing to a closed link is harmless: the pieces
 * are dropped by the I/O thread.  What was received before the end is handled
 * before IO_CLOSED, since both go through one ring.
 */
#pragma once

#include <stdatomic.h>

#include "util/shared.h"

struct conn;
struct io_thread;

enum piece_kind {
	PIECE_DATA,    /* one stanza or other top-level element: head, body, tail */
	PIECE_CONTROL, /* for the protocol of the connection: see its header */
	PIECE_CLOSE,   /* flush what is before it (5 s at most), then close */
};

/* From link_piece(); consumed by link_send(). text[] holds head, then tail. */
struct piece {
	struct piece *next;
	uint8_t kind;
	uint8_t home; /* where its memory came from: link.c's own */
	uint16_t op;  /* control: which */
	uint32_t head_len;
	uint32_t tail_len;
	uint32_t body_len;
	const char *body;
	struct shared *body_ref; /* keeps body alive; NULL when there is none */
	void *arg;               /* control: its value; owned by the piece */
	void (*drop)(void *arg); /* frees arg if the piece is never handled; may be NULL */
	uint8_t frame_len;       /* I/O thread: what proto->frame put in front */
	char frame[14];
	char text[];
};

/* What a piece counts in an outbox besides its bytes, so that many tiny ones are bounded too. */
#define PIECE_COST 128

#define LINK_HARD_BYTES (4u << 20) /* default bound of an outbox */
#define LINK_SOFT_BYTES (256u << 10)

struct link {
	/* fixed while the slot is in use */
	struct io_thread *io;
	uint32_t index;
	uint32_t generation;

	struct conn *conn; /* I/O thread only; NULL once closed */
	void *user;        /* logic thread only; NULL in a new link */
	struct link *next; /* I/O thread only: free slots, or links with something to tell */
	uint8_t notices;   /* I/O thread only: what could not be posted yet */
	uint8_t why;       /* I/O thread only: enum conn_why of IO_CLOSED */

	_Alignas(64) _Atomic(struct piece *) outbox; /* pushed by logic, taken by I/O */
	_Atomic size_t queued;                       /* bytes not yet given to the kernel */
	_Atomic size_t drain_below; /* 0: nobody waits; else IO_DRAINED once queued < this */
	_Atomic bool rung;
	_Atomic bool released;
};

/* -- logic thread ----------------------------------------------------------------- */

/* A piece with room for text_size bytes, from a slab of the logic thread (up to 1 KiB, larger
 * by malloc). All fields zero but text. */
struct piece *link_piece(size_t text_size);
void piece_free(struct piece *p); /* any thread: drops arg and body */

/*
 * Queues a piece; takes ownership in every case. -JD_ELIMIT when a DATA piece
 * would take the outbox past its hard bound (the piece is freed). CONTROL and
 * CLOSE always pass. A piece counts its bytes and PIECE_COST.
 */
int link_send(struct link *link, struct piece *p) JD_MUST_USE;
int link_control(struct link *link, uint16_t op, void *arg, void (*drop)(void *)) JD_MUST_USE;

/* Doorbells of this turn are published to the I/O threads. This happens by itself at the
 * end of each turn of the logic loop; call it after anything that should not wait so long. */
struct slab_stats;
void link_piece_stats(struct slab_stats *sum); /* adds what is on its way to clients; logic */
void link_flush_doorbells(void);

static inline size_t link_queued(struct link *link)
{
	return atomic_load_explicit(&link->queued, memory_order_relaxed);
}

/* Ask for one IO_DRAINED once at most `below` bytes are queued (also if that is so already). */
void link_want_drain(struct link *link, size_t below);

void link_close(struct link *link); /* PIECE_CLOSE */

/* The answer to IO_CLOSED, for every link (also one that said nothing before, whose user is
 * still NULL): the slot may be used again. */
void link_release(struct link *link);
