/* SPDX-License-Identifier: MIT
 *
 * The stream layer: XML streams of clients (RFC 6120, RFC 7395) from the first
 * byte to the bound session, on the I/O thread that owns the connection.
 *
 * Negotiation runs here as one state machine without any module code.  It asks
 * the logic thread for two things only: the keys of an account (or the check of
 * a password), and the binding of a resource; a third, in-band registration, where a host offers
 * it. Nothing that comes from a peer that has not logged in reaches logic but in those questions.
 * After binding, every first-level element goes to logic as a wire block.
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
#include "util/slab.h"
#include "xml/scan.h"

/* -- inward: io_msg.kind ----------------------------------------------------------- */

enum stream_msg {
	C2S_AUTH = IO_USER, /* p: struct auth_ask */
	C2S_AUTH_RESULT,    /* p: struct auth_result: what came of it, for counting and delays */
	C2S_BIND,           /* p: struct bind_ask */
	C2S_UPGRADE,        /* p: struct upgrade_ask */
	C2S_LOGIN,          /* p: struct login_ask */
	C2S_REGISTER,       /* p: struct register_ask */
	C2S_COMPONENT,      /* p: struct component_ask; the answer is that to a C2S_BIND */
	C2S_RESUME,         /* p: struct resume_ask; answered like C2S_BIND */
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
		AUTH_TOKEN,
		AUTH_EXISTS,    /* whose name has been proved already */
		AUTH_ANONYMOUS, /* no name is given: one is made */
	} what;
	enum crypto_hash hash; /* AUTH_KEYS: which SCRAM hash */
	struct jd_str host;    /* prepared */
	struct jd_str name;    /* prepared local part */
	/* AUTH_PASSWORD: prepared; AUTH_TOKEN: what proves the token; wiped by auth_ask_free() */
	struct jd_str password;
	struct jd_str peer;
	/* AUTH_TOKEN (XEP-0484) */
	struct jd_str device;  /* id of the user agent */
	struct jd_str binding; /* data of the channel binding; len 0: a mechanism without one */
	const char *mechanism; /* static */
	int64_t count;         /* -1: none was given */
	bool invalidate;       /* this is the token's last use */
};
void auth_ask_free(struct auth_ask *ask);

struct auth_result {
	bool good;
	struct jd_str host, name, peer;
	const char *mechanism; /* static */
};

#define AUTH_SALT_MAX 64
#define TOKEN_NONCE   16

/*
 * What the credentials of a login were, from logic's answer back to it, so that
 * what is asked for in the name of this login is refused when they have been
 * changed meanwhile.
 */
struct login_proof {
	size_t salt_len; /* 0: it was neither a password nor a token */
	uint8_t salt[AUTH_SALT_MAX];
	bool token;      /* it was a token, ... */
	bool token_gone; /* ... which is valid no more, as was wanted; */
	bool token_old;  /* ... which is to be replaced */
	uint8_t nonce[TOKEN_NONCE];
};

/* XEP-0480: which keys an account lacks, or one more set of keys for it. */
struct upgrade_ask {
	uint64_t owner;
	struct login_proof proof;
	bool keys; /* what follows is there */
	enum crypto_hash hash;
	size_t salt_len;
	uint8_t salt[AUTH_SALT_MAX];
	unsigned iterations;
	uint8_t stored_key[CRYPTO_MAX_DIGEST];
	uint8_t server_key[CRYPTO_MAX_DIGEST];
};

void upgrade_ask_free(struct upgrade_ask *ask); /* wipes */

/* An external component (XEP-0114) has shown that it knows its secret. */
struct component_ask {
	struct jd_str name, peer;
};

struct bind_ask {
	struct jd_str host, name;
	uint64_t owner;         /* the account's number, from the auth_answer */
	struct jd_str resource; /* prepared; len 0: the server chooses */
	struct jd_str iq_id;
	struct jd_str lang; /* of the stream; len 0: none */
	struct jd_str peer;
	struct jd_str device; /* id of the user agent (XEP-0388); len 0: unknown */
	bool framed;          /* WebSocket: stanzas carry their xmlns */
	bool secure;
	const char *transport; /* static: "tcp", "tls", "ws", "wss" */
	const char *mechanism; /* static */
};

/* A session that has lost its connection is wanted back (XEP-0198). */
struct resume_ask {
	struct bind_ask bind; /* first; without resource and iq_id */
	struct jd_str previd;
	uint32_t h;
};

/*
 * A login by SASL2 that has proved who it is: what was to be done at once is
 * done, and C2S_CTL_LOGIN says what came of it.  request is <authenticate/>
 * without the messages of SASL; the ask holds a reference.
 */
struct login_ask {
	struct bind_ask bind; /* first; without resource and iq_id */
	struct jd_wire *request;
	bool wants_bind;           /* there is a <bind/> of Bind 2 ... */
	struct jd_str tag;         /* ... with this prepared <tag/>; len 0: none */
	const char *wants_token;   /* static: for this mechanism; NULL: no token */
	struct jd_str software;    /* as the user agent calls itself; len 0: not at all */
	struct jd_str device_name; /* what it runs on */
	struct login_proof proof;
};
void login_ask_free(struct login_ask *ask);

/* An IQ of in-band registration (XEP-0077), a get or set, before the login and only under TLS. */
struct register_ask {
	struct jd_str host, peer;
	bool framed;
	struct jd_wire *wire;
};
void register_ask_free(struct register_ask *ask);

/* -- outward: piece.op of control pieces --------------------------------------------- */

enum stream_control {
	C2S_CTL_AUTH = 1,   /* arg: struct auth_answer */
	C2S_CTL_BOUND,      /* CONTINUE as a session; the bind result was sent as DATA before */
	C2S_CTL_REFUSED,    /* CONTINUE: bind was refused (the error was sent as DATA before) */
	C2S_CTL_ERROR,      /* arg: struct stream_error; say it and close */
	C2S_CTL_HOLD,       /* read no more from this client (its mailbox is full) ... */
	C2S_CTL_GO,         /* ... until this */
	C2S_CTL_UPGRADE,    /* arg: struct upgrade_answer */
	C2S_CTL_LOGIN,      /* arg: struct login_answer */
	C2S_CTL_REGISTERED, /* CONTINUE before the login (the answer was sent as DATA before) */
};

struct auth_answer {
	enum {
		AUTH_GIVEN,     /* KEYS: here they are (made-up ones for an unknown name, owner 0);
				   PASSWORD: it is right; EXISTS: there is such an account */
		AUTH_REFUSED,   /* PASSWORD: wrong, or no such account */
		AUTH_TEMPORARY, /* the database does not answer: temporary-auth-failure */
		AUTH_EXPIRED,   /* TOKEN: it was the right one once: credentials-expired */
	} status;
	char name[32];  /* ANONYMOUS */
	uint64_t owner; /* 0: nobody; SCRAM then fails at its end */
	bool banned;    /* whoever proves to be it is told account-disabled */
	unsigned iterations;
	size_t salt_len;
	uint8_t salt[AUTH_SALT_MAX];
	uint8_t stored_key[CRYPTO_MAX_DIGEST];
	uint8_t server_key[CRYPTO_MAX_DIGEST]; /* TOKEN: what proves it to the client */
	struct login_proof proof;
};
void auth_answer_free(void *answer); /* wipes */

struct upgrade_answer {
	bool failed;
	unsigned lacks; /* bits of enum crypto_hash */
};

struct login_answer {
	enum {
		LOGIN_RESUMED, /* an earlier session; text as below */
		LOGIN_BOUND,   /* a session; text is what <success/> says of all that was done */
		LOGIN_DONE,    /* no session was wanted; text as above */
		LOGIN_FAILED,  /* temporary-auth-failure; text is a sentence, or empty */
	} status;
	bool managed; /* XEP-0198 is on: it is not offered any more */
	size_t text_len;
	char text[];
};
void login_answer_free(void *answer); /* wipes */

struct stream_error {
	enum stream_condition condition;
	const char *text; /* static; or NULL */
	char detail[128]; /* an element of another namespace; or "" */
};

/* -- settings: an immutable snapshot ---------------------------------------------------- */

struct stream_host {
	struct jd_str name; /* prepared */
	struct jd_str
		features; /* canonical XML of what modules advertise after login (rosterver...) */
	bool anonymous;   /* ANONYMOUS is offered */
	bool no_scram;    /* passwords are known, keys are not */
	struct jd_str bind_features; /* the same for what Bind 2 can do: <feature/>s */
	bool registration;           /* accounts can be made in-band */
};

struct stream_component {
	struct jd_str name;   /* prepared */
	struct jd_str secret; /* wiped with the settings */
};

/* A second; 0: no bound. */
struct stream_rate {
	uint64_t bytes, elements;
};

struct stream_settings {
	struct shared shared; /* first */
	const struct stream_host *hosts;
	size_t n_hosts;
	const struct stream_component *components;
	size_t n_components;
	bool allow_plaintext; /* login without TLS */
	unsigned mechanisms;  /* bits of enum sasl_mechanism that the operator allows */
	bool fast;            /* tokens (XEP-0484) are given out and taken */
	unsigned iterations;  /* of new SCRAM keys */
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

/* What the I/O threads know of their memory. */
struct stream_memory {
	struct slab_stats connections, wires;
	size_t streams, stream_bytes;
	size_t parsers, parser_bytes;
};
/* Asks each of them, and calls back with the sum; logic thread. */
void stream_memory(struct io *io, void (*fn)(void *arg, const struct stream_memory *memory),
		   void *arg);
/* After io_stop(). */
void stream_fini(struct io *io);

/* `accepted` functions for listeners of clients; arg is unused. */
void c2s_accepted(struct conn *c, void *arg);
/* The same for listeners of external components. */
void component_accepted(struct conn *c, void *arg);
/* A route for HTTP listeners: path /xmpp-websocket, protocol "xmpp". */
extern const struct http_route c2s_ws_route;

/* A number of XEP-0198: xs:unsignedInt. Any thread. */
bool c2s_read_h(struct jd_str text, uint32_t *ret_h);

/* Logic thread: ends a client's stream with an error. */
void c2s_end(struct link *link, enum stream_condition condition, const char *text);
/* The same with an element of another specification, which is short. */
void c2s_end_detail(struct link *link, enum stream_condition condition, const char *text,
		    const char *detail);
