/* SPDX-License-Identifier: MIT
 *
 * A connection: socket, TLS, reading with back-pressure, writing without
 * copying what is shared.  It knows bytes; what they mean is known by its
 * protocol (struct conn_proto), which can be exchanged while it runs (HTTP to
 * WebSocket).
 *
 * Reading: one read per event into the thread's scratch buffer, again only if
 * it was filled or TLS has decrypted bytes pending.  Writing: first try, then
 * wait for EV_WRITE only on EAGAIN; head, body and tail of the queued pieces
 * leave with one writev (TLS: gathered into records of up to 16 KiB).
 *
 * Everything here is for the connection's own I/O thread.
 */
#pragma once

#include "net/io.h"
#include "net/tls.h"

struct conn;

#define CONN_UNSENT_MAX (2 * LINK_HARD_BYTES)
#define CONN_NO_FRAME   SIZE_MAX

enum conn_why {
	CONN_PEER_CLOSED = 1, /* end of file */
	CONN_RESET,           /* error on the socket */
	CONN_TLS_FAILED,
	CONN_TIMEOUT,   /* a deadline of ours */
	CONN_WE_CLOSED, /* the protocol or logic closed it */
	CONN_SHUTDOWN,  /* the server stops */
};

/*
 * Callbacks of a protocol.  Any of them may close the connection; the conn
 * stays valid until the callback returns and `closed` has been called.
 * p is the protocol's own pointer, given to conn_set_proto().
 */
struct conn_proto {
	const char *name;
	/* Bytes have arrived, decrypted. All must be taken; to take no more, conn_pause(). */
	void (*data)(void *p, char *bytes, size_t n);
	/* A control piece from logic; takes over piece->arg (sets it NULL) or leaves it to be
	 * dropped. */
	void (*control)(void *p, struct piece *piece);
	/*
	 * The bytes that go in front of one DATA piece of n bytes on the wire
	 * (WebSocket); written to out[14], returns their number. CONN_NO_FRAME: the
	 * piece must not go out any more and is dropped. NULL: none.
	 */
	size_t (*frame)(void *p, uint64_t n, char out[14]);
	/* A CLOSE piece was met: say good-bye on the protocol level by conn_write(); the
	 * connection flushes and closes afterwards. NULL: nothing to say. */
	void (*goodbye)(void *p);
	/* The peer sends no more: an end of file, not a reset. What it sent before has been handed
	 * over; the connection is being closed. NULL: nothing to do. */
	void (*ended)(void *p);
	/* After io_post() had failed: there is room again. */
	void (*space)(void *p);
	/* The TLS handshake is done (also for direct TLS, before the first data). */
	void (*secured)(void *p);
	/* Once a second, while the connection lives; now is monotonic. */
	void (*tick)(void *p, jd_usec now);
	/* The last call; p must be freed here. */
	void (*closed)(void *p, enum conn_why why);
};

/* Makes a connection of an accepted, non-blocking socket. NULL when the table is
 * full (the fd is closed). direct_tls: the handshake begins at once. */
struct conn *conn_new(struct io_thread *t, int fd, struct tls_store *tls, bool direct_tls);

/* What is offered by ALPN; TLS_ALPN_XMPP_CLIENT unless set before the handshake's first bytes. */
void conn_set_alpn(struct conn *c, enum tls_alpn alpn);

void conn_set_proto(struct conn *c, const struct conn_proto *proto, void *p);

/* The peer has logged in: this connection is not one of those that make room for newer ones. */
void conn_known(struct conn *c);

struct link *conn_link(struct conn *c);
struct jd_str conn_peer(const struct conn *c); /* numeric address, without port */
bool conn_is_local(const struct conn *c);      /* the peer is on loopback */
jd_usec conn_last_read(const struct conn *c);  /* monotonic */
jd_usec conn_last_write(const struct conn *c); /* monotonic; last time the kernel took bytes */
size_t conn_unsent(const struct conn *c);

/* Copies and sends what the I/O thread itself says, in one write at the end of the turn. Not
 * framed. More than CONN_UNSENT_MAX that the peer does not take ends the connection. */
void conn_write(struct conn *c, const void *data, size_t n);
/* The same, as one message: with proto->frame in front. */
void conn_write_message(struct conn *c, const void *data, size_t n);

/* No data callback until resumed. Resuming runs proto->data for what TLS has
 * decrypted, then the socket, from a deferred call, never beneath. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
bool conn_paused(const struct conn *c);

/* After the bytes queued so far, starts the server side of a handshake. Nothing
 * that was read before is ever seen again. The connection must be paused or in data(); the
 * pause ends, and reading goes on by itself behind secured(). */
void conn_start_tls(struct conn *c);
/* Before conn_start_tls(): the host (A-labels, lower case) whose certificate is shown to a client
 * that sends no server name of its own. */
void conn_tls_host(struct conn *c, const char *name);
bool conn_can_tls(const struct conn *c); /* there are certificates, and it is not secured yet */
struct tls_session *conn_tls(struct conn *c); /* NULL without TLS */

/* What was queued is flushed, 5 s at most, then the connection ends. Nothing is read any more,
 * and what logic sends from now on is dropped. */
void conn_close(struct conn *c, enum conn_why why);
/* At once; unsent bytes are dropped. */
void conn_abort(struct conn *c, enum conn_why why);
