/* SPDX-License-Identifier: MIT
 *
 * WebSocket framing (RFC 6455), server side.  Messages are put together from
 * their fragments within a bound and handed up whole; pings are answered; the
 * closing handshake is done here.
 *
 * 1002 for unmasked frames, reserved bits, unknown opcodes, bad fragments, control
 * frames that are long or fragmented; 1003 for binary; 1007 for text that is not
 * UTF-8; 1009 for a message past the bound (checked before memory is spent).
 * At most 10 control frames a second, then 1008.  No permessage-deflate.
 */
#pragma once

#include "net/conn.h"

struct ws;

/* How the user of a WebSocket is called; p is its own pointer. */
struct ws_user {
	/* A whole text message; valid UTF-8. To get no more (also when io_post() refuses, and
	 * before closing the connection by itself): ws_pause(). What is left of the bytes read is
	 * kept, and comes after ws_resume(). */
	void (*message)(void *p, char *text, size_t n);
	void (*control)(void *p, struct piece *piece);
	void (*goodbye)(void *p); /* before our close frame 1000 goes out */
	void (*space)(void *p);
	void (*tick)(void *p, jd_usec now);
	void (*ended)(void *p); /* the peer sends no more and has not said so by a close frame */
	void (*closed)(void *p, enum conn_why why);
};

void ws_set_user(struct ws *w, const struct ws_user *user, void *p);
void ws_limit(struct ws *w, size_t message_bytes); /* default 10 000 */

/* For conn_pause() and conn_resume(): first the messages that were kept, then the socket; from
 * a deferred call, never beneath. */
void ws_pause(struct ws *w);
void ws_resume(struct ws *w);

/* Our close frame with a code; the peer has 5 s to answer. No message comes any more, also if
 * the connection was paused. Once only: later calls do nothing. */
void ws_close(struct ws *w, uint16_t code, const char *reason);
void ws_ping(struct ws *w);
/* A frame or a message has begun, and waits for more bytes to end. */
bool ws_unfinished(const struct ws *w);

/* One text message of our own (I/O thread); DATA pieces are framed by themselves. */
void ws_write(struct ws *w, const void *text, size_t n);

/* -- for http.c ----------------------------------------------------------------------- */

/* Takes over the protocol of c. */
struct ws *ws_new(struct conn *c);
/* Once, behind ws_open: what the client has sent behind its handshake. */
void ws_begin(struct ws *w, char *bytes, size_t n);
