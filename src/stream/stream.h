/* SPDX-License-Identifier: MIT
 *
 * The stream layer: XML streams of clients (RFC 6120, RFC 7395) from the first
 * byte to the bound session, on the I/O thread that owns the connection.
 *
 * Negotiation runs here as one state machine without any module code.  It asks
 * the logic thread for two things only: the keys of an account (or the check of
 * a password), and the binding of a resource.  Nothing that comes from a peer
 * that has not logged in reaches logic but in those two questions.  After
 * binding, every first-level element goes to logic as a wire block.
 *
 * BARRIERS.  <starttls/>, <auth/>, <response/>, a bind request: the scanner is
 * paused right behind the element, and goes on by what the answer says: CONTINUE
 * (scan_resume), RESTART (new parser), TLS (the rest is discarded).
 *
 * This header is the contract between the I/O threads (stream/) and the logic
 * thread (core/): messages inward, control pieces outward.
 */
#pragma once

#include "net/http.h"
#include "net/listener.h"
#include "stream/error.h"
#include "util/crypto.h"
#include "xml/scan.h"

/* -- inward: io_msg.kind ----------------------------------------------------------- */

enum stream_msg {
	C2S_AUTH = IO_USER, /* p: struct auth_ask */
	C2S_AUTH_RESULT,    /* p: struct auth_result: what came of it, for counting and delays */
	C2S_BIND,           /* p: struct bind_ask */
	C2S_ELEMENT,        /* p: struct jd_wire; a stanza, or meta.flags has WIRE_NO_STANZA */
	C2S_IDLE,           /* nothing has come for a while: ask whether it is there */
	/* n: enum stream_end. The stream of a session, or of one being bound, has ended, by
	 * either side; IO_CLOSED follows. */
	C2S_END,
};

enum stream_end {
	STREAM_ENDED, /* by the client's word or by an error of it */
	STREAM_LOST,  /* its input stopped, or it did not answer: it may come back */
};

/* Strings stand behind the struct, in its own allocation (mem_free frees all). */
struct auth_ask {
	enum {
		AUTH_KEYS,
		AUTH_PASSWORD,
		AUTH_EXISTS,    /* whose name has been proved already */
		AUTH_ANONYMOUS, /* no name is given: one is made */
	} what;
	enum crypto_hash hash;  /* AUTH_KEYS: which SCRAM hash */
	struct jd_str host;     /* prepared */
	struct jd_str name;     /* prepared local part */
	struct jd_str password; /* AUTH_PASSWORD; prepared; wiped by auth_ask_free() */
	struct jd_str peer;
};
void auth_ask_free(struct auth_ask *ask);

struct auth_result {
	bool good;
	struct jd_str host, name, peer;
	const char *mechanism; /* static */
};

struct bind_ask {
	struct jd_str host, name;
	uint64_t owner;         /* the account's number, from the auth_answer */
	struct jd_str resource; /* prepared; len 0: the server chooses */
	struct jd_str iq_id;
	struct jd_str lang; /* of the stream; len 0: none */
	struct jd_str peer;
	bool framed; /* WebSocket: stanzas carry their xmlns */
	bool secure;
	const char *transport; /* static: "tcp", "tls", "ws", "wss" */
	const char *mechanism; /* static */
};

/* -- outward: piece.op of control pieces --------------------------------------------- */

enum stream_control {
	C2S_CTL_AUTH = 1, /* arg: struct auth_answer */
	C2S_CTL_BOUND,    /* CONTINUE as a session; the bind result was sent as DATA before */
	C2S_CTL_REFUSED,  /* CONTINUE: bind was refused (the error was sent as DATA before) */
	C2S_CTL_ERROR,    /* arg: struct stream_error; say it and close */
	C2S_CTL_HOLD,     /* read no more from this client (its mailbox is full) ... */
	C2S_CTL_GO,       /* ... until this */
};

#define AUTH_SALT_MAX 64

struct auth_answer {
	enum {
		AUTH_GIVEN,     /* KEYS: here they are (made-up ones for an unknown name, owner 0);
				   PASSWORD: it is right; EXISTS: there is such an account */
		AUTH_REFUSED,   /* PASSWORD: wrong, or no such account */
		AUTH_TEMPORARY, /* the database does not answer: temporary-auth-failure */
	} status;
	char name[32];  /* ANONYMOUS */
	uint64_t owner; /* 0: nobody; SCRAM then fails at its end */
	unsigned iterations;
	size_t salt_len;
	uint8_t salt[AUTH_SALT_MAX];
	uint8_t stored_key[CRYPTO_MAX_DIGEST];
	uint8_t server_key[CRYPTO_MAX_DIGEST];
};
void auth_answer_free(void *answer); /* wipes */

struct stream_error {
	enum stream_condition condition;
	const char *text; /* static; or NULL */
};

/* -- settings: an immutable snapshot ---------------------------------------------------- */

struct stream_host {
	struct jd_str name; /* prepared */
	struct jd_str
		features; /* canonical XML of what modules advertise after login (rosterver...) */
	bool anonymous;   /* ANONYMOUS is offered */
};

/* A second; 0: no bound. */
struct stream_rate {
	uint64_t bytes, elements;
};

struct stream_settings {
	struct shared shared; /* first */
	const struct stream_host *hosts;
	size_t n_hosts;
	bool allow_plaintext; /* login without TLS */
	unsigned mechanisms;  /* bits of enum sasl_mechanism that the operator allows */
	struct scan_limits before, after;
	size_t body_chars;
	jd_usec login_deadline; /* absolute, from accept to bind; default 30 s */
	unsigned max_auth_failures;
	jd_usec park_after; /* idle this long: the parser goes; 0: never */
	/* Sessions; 0: never. */
	jd_usec idle_ping;       /* silent this long: it is asked */
	jd_usec idle_timeout;    /* silent this long: it has gone */
	jd_usec stanza_deadline; /* from the first byte of an element to its last */
	struct stream_rate rate_before, rate_after;
	jd_usec rate_burst; /* how far one may be ahead of the rate */
	/* Where clients find another server when this one stops; NULL: nowhere. */
	const char *see_other;     /* "host" or "host:port" */
	const char *see_other_uri; /* of a WebSocket */
};

/* NULL when not served. Any thread. */
const struct stream_host *stream_host_find(const struct stream_settings *s, struct jd_str name);

/* -- entry points -------------------------------------------------------------------------- */

/* Every I/O thread gets its pools and the settings; logic thread, before the
 * listeners start, and again with new settings at a reload. Takes a reference. */
void stream_configure(struct io *io, struct stream_settings *settings);
/* After io_stop(). */
void stream_fini(struct io *io);

/* `accepted` functions for listeners of clients; arg is unused. */
void c2s_accepted(struct conn *c, void *arg);
/* A route for HTTP listeners: path /xmpp-websocket, protocol "xmpp". */
extern const struct http_route c2s_ws_route;

/* Logic thread: ends a client's stream with an error. */
void c2s_end(struct link *link, enum stream_condition condition, const char *text);
