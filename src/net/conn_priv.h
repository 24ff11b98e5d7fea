/* SPDX-License-Identifier: MIT
 *
 * A connection's insides, shared by conn.c (life), conn_in.c (reading),
 * conn_out.c (writing), listener.c and inward.c.
 *
 * States.  SHAKING: the TLS handshake runs, nothing else is read or written.
 * OPEN.  CLOSING: nothing comes in any more; the queue is flushed, then our end
 * is shut and the peer's end of file awaited for a moment, since closing at once
 * on unread bytes makes the kernel send a reset that can overtake our last words.
 * DEAD: waits for the end of the turn, when conn_settle() ends it.
 */
#pragma once

#include <sys/socket.h>

#include "net/conn.h"
#include "net/io_priv.h"
#include "net/tls_priv.h"

enum conn_state { CONN_SHAKING, CONN_OPEN, CONN_CLOSING, CONN_DEAD };

/* Kinds that exist only in a connection's queue. */
enum {
	PIECE_LOCAL = 0x80, /* the I/O thread's own words; op: room left in text */
	PIECE_TLS,          /* everything before it is plain, the handshake comes here */
};

struct peer_slot;

struct conn {
	struct link *link;
	const struct conn_proto *proto;
	void *p;
	struct watch watch;
	struct tls_session *tls;
	struct tls_store *store;
	char *tls_host; /* whose certificate it is by default; NULL: the store's default */
	struct list dirty;
	struct list wheel;
	struct list starved;
	struct list stranger;
	struct piece *out, **out_end;
	size_t out_off; /* bytes of the first piece that are gone */
	size_t unsent;
	jd_usec last_read;
	jd_usec last_write;
	jd_usec deadline; /* of the handshake or the closing; 0: none */
	struct peer_slot *slot;
	uint8_t state;
	uint8_t why;
	uint8_t alpn;
	bool paused : 1;
	bool tls_wanted : 1; /* a PIECE_TLS is in the queue */
	bool blocked : 1;    /* the socket takes no more: wait for LOOP_WRITE */
	bool read_waits : 1; /* TLS must write before it can read on */
	bool again : 1;      /* read in conn_settle(): TLS may hold decrypted bytes */
	bool eof : 1;
	bool shut : 1; /* our end is shut */
	bool local : 1;
	uint8_t peer_len;
	char peer[46];
};

static inline struct io_thread *conn_thread(const struct conn *c)
{
	return c->link->io;
}

/* -- conn.c -------------------------------------------------------------------------- */

struct conn *conn_new_from(struct io_thread *t, int fd, struct tls_store *tls, bool direct_tls,
			   const struct sockaddr_storage *peer);
/* Has conn_settle() run at the end of this turn. */
void conn_touch(struct conn *c);
void conn_die(struct conn *c, enum conn_why why);
void conn_shutdown_all(struct io_thread *t);
/* The queue has come to the place of the handshake. */
void conn_shake(struct conn *c);

/* libssl has given up; its alert is on the way. */
void conn_tls_failed(struct conn *c);
bool conn_readable(const struct conn *c);

/* -- conn_in.c ------------------------------------------------------------------------- */

void conn_read(struct conn *c);
/* The ring to logic is full: nothing is read until conn_feed(). */
void conn_starve(struct conn *c);
void conn_feed(struct conn *c);

/* -- conn_out.c ------------------------------------------------------------------------ */

/* A chain from logic, in order. */
void conn_take(struct conn *c, struct piece *chain);
void conn_queue(struct conn *c, struct piece *p);
void conn_flush(struct conn *c);
void conn_drop_out(struct conn *c);
