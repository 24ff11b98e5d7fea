/* SPDX-License-Identifier: MIT
 *
 * Stream management (XEP-0198) inside the core: what a managed session has
 * besides, shared by
 *
 *   sm.c       its elements: enable, r, a; when we ask and when we answer
 *   unacked.c  the queue of what the client has not confirmed, and what becomes
 *              of it when the session dies
 *   resume.c   sessions without a connection, and their way back to one
 *
 * Every stanza for a managed session goes through its queue and stays there, by
 * reference, until the client has confirmed it.  `written` says how much of the queue
 * is on the present connection: the rest is written as the connection takes it, or,
 * while there is none, when there is one again.
 */
#pragma once

#include "core/core.h"

#define SM_ID_BYTES 24
#define SM_ID_LEN   32
/* A late <a/> is better than none: XEP-0198 knows no reason to withhold it. */
#define SM_ANSWER_AFTER (500 * JD_USEC_PER_MSEC)
/* So long a client that resumes waits until what it has sent before is handled. */
#define SM_RESUME_WAIT (5 * JD_USEC_PER_SEC)

struct unacked {
	struct jd_stanza *st; /* as it was sent; kept */
	jd_usec at;           /* since the epoch */
	uint32_t bytes;
	bool late; /* there was no connection to write it to */
};

struct resume;

struct sm {
	struct jd_session *session;
	char id[SM_ID_LEN + 1]; /* "": cannot be resumed */
	jd_usec keep;           /* so long it may be without a connection */
	jd_usec lost_at;        /* when that went; by the monotonic clock */
	struct unacked *queue;  /* a ring; cap is a power of two */
	unsigned head, count, cap;
	unsigned written; /* so many of count are on the present connection ... */
	unsigned sent;    /* ... and so many have ever been on one */
	size_t bytes;
	uint32_t acked;        /* number of the last stanza that has left the queue */
	unsigned unasked;      /* written since the last <r/> */
	bool asked;            /* an <r/> is not answered yet */
	struct timer ask;      /* armed while there is something to ask about, some time */
	struct timer answer;   /* some <r/> of the client waits for its answer */
	struct timer expiry;   /* while there is no connection */
	struct resume *resume; /* who waits to have it */
	char peer[64];         /* of the connection that it was resumed by; "": the first one */
};

/* -- sm.c ---------------------------------------------------------------------------------- */

/* <enable/>: the answer, <enabled/> or <failed/>, is written into x. */
void sm_enable(struct jd_session *s, struct jd_el request, struct jd_xml *x);
/* An element of XEP-0198. */
void sm_element(struct jd_session *s, struct jd_el el);
/* The present h, n times. */
void sm_answer(struct jd_session *s, unsigned n);
/* <r/>, now. */
void sm_request(struct jd_session *s);
/* A stanza was written: an <r/> may be due, which leaves in the same write. */
void sm_note_written(struct sm *sm);
/* After an acknowledgement, or on a new connection. */
void sm_ask_soon(struct sm *sm);
/* Text that is no stanza. */
void sm_say(struct jd_session *s, struct jd_str text);
/* The content of what was written into x, which ends. The caller frees it; NULL: too large. */
char *sm_text(struct jd_xml *x, size_t *ret_len);
void sm_write_failed(struct jd_xml *x, const char *condition, bool has_h, uint32_t h);
/* h is more than was ever sent to the session: the client's stream ends. */
void sm_too_high(struct client *c, const struct sm *sm, uint32_t h);

/* -- unacked.c ------------------------------------------------------------------------------ */

/* Puts st behind what waits and writes what can be written. False: its bound is reached. */
bool unacked_add(struct jd_session *s, struct jd_stanza *st);
/* Writes on, as far as the connection takes it. */
void unacked_pump(struct jd_session *s);
/* Less than half of what it may hold. */
bool unacked_has_room(const struct sm *sm);
/* False: h is more than was sent. Tells what the client has. */
bool unacked_confirm(struct jd_session *s, uint32_t h);
bool unacked_is_sent(const struct sm *sm, uint32_t h);
/* The session has ended: tells what the client has not shown to have, and finds another way for
 * what can have one. */
void unacked_end(struct jd_session *s);

/* -- resume.c ------------------------------------------------------------------------------ */

/* The connection has gone. True: the session stays without one for a while. */
bool sm_lost(struct jd_session *s);
/* Of session_unbind(): all of it goes. */
void sm_end(struct jd_session *s);
/* Every stanza that has come is handled. */
void sm_caught_up(struct jd_session *s);

struct resume_result {
	struct jd_session *session; /* c is its connection now; NULL: refused */
	bool over;                  /* c is being closed, or has been: nothing can be said */
	const char *condition;      /* of <failed/> */
	bool has_h;
	uint32_t h; /* that we have handled */
};
typedef void (*resume_fn)(void *arg, const struct resume_result *result);
/*
 * The client c, logged in as ask says, wants the session previd back, of which it
 * has handled h stanzas.  fn is called once, later; it tells the client, and then,
 * with a session, says sm_resumed().  c is held by the caller.
 */
void sm_resume(struct client *c, const struct bind_ask *ask, struct jd_str previd, uint32_t h,
	       resume_fn fn, void *arg);
void sm_resumed(struct jd_session *s);
/* <resumed/> or <failed/>. */
void sm_write_result(struct jd_xml *x, const struct resume_result *result);
void client_resume(struct client *c, struct resume_ask *ask); /* takes over ask */
void sm_fini(void);
