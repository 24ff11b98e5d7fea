/* SPDX-License-Identifier: MIT
 *
 * The stream of a client, shared by the files c2s*.c and features.c.
 *
 * One struct c2s per connection, TCP or WebSocket.  Its state says what may come
 * next; `stops` says why nothing may come now:
 *
 *     OPENING ---header---> FEATURES --<starttls/>--> TLS --handshake--> OPENING
 *                               |
 *                            <auth/> <--> SASL, ASKING (logic is asked)
 *                               |
 *                            success -> OPENING ---header---> BIND <--> BINDING -> BOUND
 *
 * SASL2 needs no second header: <authenticate/> <--> SASL, ASKING, perhaps TASK,
 * then BINDING, and from there BOUND or BIND.
 *
 * and from everywhere to CLOSED: our last words are said, nothing is listened to.
 *
 * Stopping.  A barrier or a full ring stops scanner and socket together.  What
 * was read already stays in the scanner (WebSocket: what is behind the present
 * frame stays in the framing).  When the last reason to stop has gone, c2s_settle()
 * goes on as `then` says, always from a call of its own and never beneath the
 * scanner.
 */
#pragma once

#include <jackdaw/log.h>

#include "rt/loop.h"
#include "stream/ask.h"
#include "stream/sasl/sasl.h"
#include "util/list.h"
#include "util/mem.h"

enum c2s_state {
	AT_OPENING,     /* a stream header must come */
	AT_HANDSHAKE,   /* of a component: its handshake must come */
	AT_FEATURES,    /* <starttls/> or <auth/> may come */
	AT_TLS,         /* the handshake runs */
	AT_SASL,        /* a challenge is out */
	AT_ASKING,      /* logic has been asked for keys, or to check a password */
	AT_TASK,        /* SASL2: a task is offered, or under way */
	AT_REGISTERING, /* logic has been asked to register somebody */
	AT_BIND,        /* logged in; the request to bind must come */
	AT_BINDING,     /* logic has been asked to bind, or to complete a login by SASL2 */
	AT_BOUND,       /* a session: everything goes to logic */
	AT_CLOSED,
};

enum c2s_stop {
	STOP_ASK = 1,   /* until logic has answered */
	STOP_FULL = 2,  /* until the ring has room for `unsent` */
	STOP_HOLD = 4,  /* until logic says GO */
	STOP_SHARE = 8, /* until the others had their turn */
	STOP_RATE = 16, /* until it is within its rate again */
};

/* How it goes on behind a barrier. */
enum c2s_then { THEN_CONTINUE, THEN_RESTART, THEN_TLS };

/* What one I/O thread's streams share (thread.c). */
struct stream_thread {
	struct io_thread *io;
	struct loop *loop;
	struct wire_pool *wires;
	struct scan_pool *scans;
	struct stream_settings *settings;
	size_t streams;
	struct list flush; /* scanners that hold back what may be a whole stanza */
	struct list turn;  /* streams that have had their share */
	struct list slow;  /* streams that were faster than they may */
	struct timer flush_timer;
	struct timer slow_timer;
	struct timer trim_timer;
	struct defer next;
};

struct c2s;

/* How an exchange is wrapped: SASL as in RFC 6120, or SASL2 (XEP-0388). */
struct auth_profile {
	void (*challenge)(struct c2s *c);
	void (*succeeded)(struct c2s *c);
	/* text: a sentence, or NULL */
	void (*failed)(struct c2s *c, enum sasl_condition condition, const char *text);
};
extern const struct auth_profile sasl1_profile, sasl2_profile;

#define DEVICE_ID_LEN 36 /* of a UUID */

/* What an <authenticate/> of SASL2 asks for besides the login. */
struct sasl2 {
	char device[DEVICE_ID_LEN]; /* id of the user agent */
	bool has_device;
	char *software, *device_name;
	bool wants_bind;
	char *tag; /* prepared; NULL: none */
	struct jd_wire *request;
	struct sasl_token_use use; /* <fast/> */
	bool has_use;
	const char *wants_token; /* static: <request-token/> for this mechanism */
	/* Of the exchange, when it has succeeded. */
	char *extra; /* what goes with <success/> or the first <continue/> */
	size_t extra_len;
	struct login_proof proof;
	/* Tasks (c2s_tasks.c): bits of enum crypto_hash. */
	unsigned upgrades; /* still to be done */
	enum crypto_hash hash;
	bool salted; /* the salt is out */
	uint8_t salt[16];
};

/* What is needed until the session is bound, and freed then. */
struct login {
	struct stream_settings *settings;         /* the same ones throughout */
	const struct stream_host *host;           /* of the present header; NULL before it */
	const struct stream_component *component; /* of the header; NULL before it */
	struct sasl *sasl;                        /* the exchange under way */
	const struct auth_profile *profile;       /* of the exchange */
	struct sasl2 *two;                        /* while a login by SASL2 is under way */
	char *from;     /* bare address in the client's header, prepared; NULL: none */
	bool continued; /* a <continue/> was sent: there is no second try */
	char *name;     /* prepared local part, once logged in; else NULL */
	uint64_t owner;
	const char *mechanism;
	jd_usec deadline; /* monotonic */
	unsigned failures, mismatches;
	bool over;    /* too many of them */
	bool managed; /* XEP-0198 has been switched on with the login */
	uint8_t registrations;
	uint8_t lang_len, device_len;
	char lang[64];
	char id[28];                /* of a component's stream */
	char device[DEVICE_ID_LEN]; /* id of the user agent that has logged in by SASL2 */
};

struct c2s {
	struct conn *conn;
	struct ws *ws; /* NULL: TCP */
	struct stream_thread *thread;
	struct scan *scan;
	struct login *login;  /* NULL once bound */
	struct list node;     /* in one of the thread's lists: flush, turn, slow */
	jd_usec bytes_due;    /* c2s_pace.c: when what came would be due ... */
	jd_usec elements_due; /* ... at the rate that is allowed */
	void *unsent;         /* a message to logic that found the ring full ... */
	uint16_t unsent_kind; /* ... of this kind; 0: none */
	uint8_t state;
	uint8_t stops;
	uint8_t then;
	uint8_t share;  /* elements given to logic in one turn */
	uint16_t drips; /* seconds in which a stanza had begun and none ended */
	uint32_t turn;  /* `share` is of this turn of the loop */
	bool scanning : 1;
	bool component : 1;  /* see component.c */
	bool header_out : 1; /* our own header is out in the present document */
	bool known : 1;      /* a session: become_known() has run */
	bool end_said : 1;   /* <close/> is out */
	bool end_told : 1;   /* logic has been sent C2S_END */
	bool lost : 1;       /* it ends without having been ended by the client */
	bool asked : 1;      /* whether it is still there */
	bool excused : 1;    /* it could not be heard: the next silence does not count */
};

/* Elements of one stream in one turn, so that one sender neither holds up the others nor
 * floods its mailbox before logic can say HOLD. */
#define C2S_SHARE 32

/* -- thread.c ---------------------------------------------------------------------------- */

void thread_join(struct c2s *c);
void thread_leave(struct c2s *c);
/* Its scanner is flushed in a few milliseconds. */
void thread_flush_soon(struct c2s *c);
/* Stops it until the next turn of the loop. */
void thread_next_turn(struct c2s *c);
/* Stops it until it is within its rate. */
void thread_slow_down(struct c2s *c);

/* -- c2s.c: life, stopping, logic ---------------------------------------------------------- */

struct c2s *c2s_new(struct conn *conn, struct ws *ws, bool component);
/* Bytes, or one frame, that have arrived. */
void c2s_feed(struct c2s *c, const char *p, size_t n);
void c2s_flush(struct c2s *c);
void c2s_control(struct c2s *c, struct piece *piece);
/* The client sends no more, and has not ended its stream. */
void c2s_input_ended(struct c2s *c);
/* The connection is being closed from below or by link_close(): the server stops. */
void c2s_goodbye(struct c2s *c);
void c2s_space(struct c2s *c);
void c2s_tick(struct c2s *c, jd_usec now);
void c2s_free(struct c2s *c);

void c2s_stop(struct c2s *c, enum c2s_stop why);
void c2s_go(struct c2s *c, enum c2s_stop why);
/* Nothing more of this document: what follows is for `then`. */
void c2s_barrier(struct c2s *c, enum c2s_then then);
/* Takes over p. What finds the ring full stops the stream and is posted when there is room. */
void c2s_post(struct c2s *c, enum stream_msg kind, void *p);

bool c2s_secure(const struct c2s *c);
const char *c2s_transport(const struct c2s *c);
/* Passwords may be asked for. */
bool c2s_may_login(const struct c2s *c);

/* -- c2s_binding.c: what the stream is to a login ------------------------------------------------
 */

/* The data of a channel binding; 0: this stream has none of that type. */
size_t c2s_binding(const struct c2s *c, enum sasl_binding type, uint8_t out[64]);
void c2s_bindings(const struct c2s *c, struct sasl_bindings *ret_bindings);
/* The mechanisms that this stream offers: bits of enum sasl_mechanism. */
unsigned c2s_mechanisms(const struct c2s *c);
/* For sasl_new(); `offered` is c2s_mechanisms(). */
void c2s_sasl_env(const struct c2s *c, struct sasl_env *ret_env);

/* -- c2s_register.c: in-band registration ---------------------------------------------------- */

bool c2s_may_register(const struct c2s *c);
/* True when it was such a request. */
bool c2s_register(struct c2s *c, struct wire_builder *b);
void c2s_registered(struct c2s *c);

/* -- c2s_pace.c: rates, silence -------------------------------------------------------------- */

void pace_bytes(struct c2s *c, size_t n);
void pace_element(struct c2s *c);
void pace_reset(struct c2s *c);
bool pace_too_fast(const struct c2s *c);
/* Once a second. True when the stream has ended. */
bool pace_check(struct c2s *c, jd_usec now);

/* -- component.c: streams of external components --------------------------------------------- */

void component_say_header(struct c2s *c);
void component_open(struct c2s *c, const struct scan_open *open);
void component_handshake(struct c2s *c, struct wire_builder *b);
void component_bound(struct c2s *c);

/* -- c2s_say.c: what we say ------------------------------------------------------------------ */

/* Text under construction. What goes in is ours, or bounded by a tag of a client. */
struct say {
	char *p;
	size_t len, cap;
};

void say_bytes(struct say *s, const void *data, size_t n);
void say_str(struct say *s, const char *text);
void say_uint(struct say *s, uint64_t n);
/* ` name='value'`, escaped; nothing when value.p is NULL. */
void say_attr(struct say *s, const char *name, struct jd_str value);
void say_base64(struct say *s, const void *data, size_t n);
/* <mechanism/>s of those bits, the best first (features.c). */
void say_mechanism_names(struct say *s, unsigned bits);
/* <sasl-channel-binding/>, if there is any (features.c). */
void say_bindings(struct c2s *c, struct say *s);
/* One frame, or so many bytes; s is wiped and freed. */
void say_done(struct c2s *c, struct say *s);
void c2s_say(struct c2s *c, const char *text);

/* from: of the client's header; p NULL: none. */
void c2s_say_header(struct c2s *c, struct jd_str from);
/* A stream error, the end of the stream, and the connection is closed. */
void c2s_error(struct c2s *c, enum stream_condition condition, const char *text);
void c2s_error_detail(struct c2s *c, enum stream_condition condition, const char *text,
		      const char *detail);
/* The end of the stream, and the connection is closed. */
void c2s_end_stream(struct c2s *c);
/* Logic hears of the end, if there is a session and it has not heard yet. */
void c2s_tell_end(struct c2s *c);
/* The end of the stream in words only. */
void c2s_say_error(struct c2s *c, const char *condition, const char *text, const char *detail);
void c2s_say_end(struct c2s *c);

/* -- events ------------------------------------------------------------------------------------ */

extern const struct scan_events c2s_events;

void c2s_open(struct c2s *c, const struct scan_open *open);       /* c2s_open.c */
void c2s_framing(struct c2s *c, struct wire_builder *b);          /* c2s_ws.c: <open/>, <close/> */
void c2s_features(struct c2s *c);                                 /* features.c */
void c2s_negotiate(struct c2s *c, struct wire_builder *b);        /* c2s_auth.c */
void c2s_answered(struct c2s *c, const struct auth_answer *a);    /* c2s_auth.c */
void c2s_upgraded(struct c2s *c, const struct upgrade_answer *a); /* c2s_tasks.c */
void c2s_logged_in(struct c2s *c, const struct login_answer *a);  /* c2s_bind2.c */
void c2s_bind(struct c2s *c, struct wire_builder *b);             /* c2s_bind.c */
void c2s_bind_answered(struct c2s *c, bool bound);                /* c2s_bind.c */
void c2s_too_early(struct c2s *c);                                /* c2s_bind.c */
void c2s_pass(struct c2s *c, struct wire_builder *b); /* c2s_bind.c: a session's element */
void login_free(struct login *login);                 /* c2s_auth.c */
void c2s_refuse(struct c2s *c);                       /* c2s_auth.c */

/* -- c2s_auth.c: what both profiles of SASL share ------------------------------------------------
 */

void c2s_sasl1(struct c2s *c, struct jd_el el); /* c2s_sasl1.c: an element of that namespace */
void c2s_sasl2(struct c2s *c, struct jd_el el); /* c2s_sasl2.c */

/* Begins an exchange; the first message comes next. */
void auth_begin(struct c2s *c, enum sasl_mechanism m, const struct auth_profile *profile);
/* A message: the base64 text of el, "=" standing for no bytes if the profile has that; el none:
 * the client gave no initial response. */
void auth_message(struct c2s *c, struct jd_el el, bool equals);
/* The exchange has succeeded: who it is, is noted. */
void auth_established(struct c2s *c);
void exchange_end(struct c2s *c);
/* The exchange, or what was to come behind it, fails: said, counted, forgotten. */
void auth_fail(struct c2s *c, enum sasl_condition condition, const char *text);
/* After a success: what may come is larger now. */
void auth_raise_limits(struct c2s *c);
/* Counts at logic. */
void auth_post_result(struct c2s *c, bool good);

/* -- c2s_tasks.c, c2s_bind2.c: behind a success of SASL2 ------------------------------------------
 */

/* Hashes that can be upgraded to: bits of enum crypto_hash. */
unsigned tasks_offered(const struct c2s *c);
void tasks_say_offered(struct c2s *c, struct say *s);
/* The bit of a task by its name; 0: unknown, or not offered. */
unsigned tasks_find(const struct c2s *c, struct jd_str name);
/* Begins with the first task that is asked for, or goes on at once. */
void tasks_begin(struct c2s *c);
void tasks_element(struct c2s *c, struct jd_el el);
/* Asks logic to do the rest. */
void bind2_complete(struct c2s *c);
void sasl2_free(struct sasl2 *two); /* c2s_sasl2.c */

/* Those that take tokens on this stream (c2s_sasl2.c). */
unsigned c2s_token_mechanisms(const struct c2s *c);
/* <authentication/> (features2.c). */
void say_authentication(struct c2s *c, struct say *s);

/* error.c */
enum stream_condition stream_condition_of(enum scan_error e);
