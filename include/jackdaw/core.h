/* SPDX-License-Identifier: MIT
 *
 * What the core shows of the server's state: hosts, accounts, sessions; and the
 * three ways in which a handler may take its time: calls (WAIT), IQs answered
 * later (ASYNC), receipts.
 *
 * THE HOME RULE.  An account has one home: its mailbox on the logic thread, which
 * handles everything addressed to it, one stanza after the other.  A handler
 * touches only the state of the address that it is handling.  Everybody else's it
 * reaches by routing a stanza.  Never keep a pointer to another account.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/db.h>
#include <jackdaw/log.h>
#include <jackdaw/stanza.h>

struct jd_instance; /* a module at work for one host: module.h */
struct jd_host;
struct jd_account;
struct jd_session;

/* What a handler tells its caller. */
enum jd_verdict {
	JD_PASS,  /* not mine, or done with it: the next handler goes on */
	JD_DONE,  /* handled; nobody else needs to see it */
	JD_DROP,  /* refused, and the sender has been told if that is due */
	JD_WAIT,  /* jd_resume() will say; this mailbox stands still until then */
	JD_ASYNC, /* IQ handlers: the answer comes later, nothing stands still */
};

struct jd_register; /* module.h */
typedef void (*jd_register_fn)(struct jd_instance *mi, struct jd_register *r);

/* -- hosts ------------------------------------------------------------------------------------ */

JD_EXPORT struct jd_str jd_host_name(const struct jd_host *host);
JD_EXPORT struct jd_jid jd_host_jid(const struct jd_host *host);
/* Whether the bare address of jid may administer the host (host NULL: the whole server, which
 * includes every host). */
JD_EXPORT bool jd_is_admin(const struct jd_host *host, struct jd_jid jid);
/* A component is a host without users, such as conference.example.org. */
JD_EXPORT bool jd_host_is_component(const struct jd_host *host);
/* The host or component of this server with this name; NULL: another server's. */
JD_EXPORT struct jd_host *jd_host_find(struct jd_str name);

/* -- accounts --------------------------------------------------------------------------------- */

JD_EXPORT struct jd_jid jd_account_jid(const struct jd_account *account); /* bare */
/* The number that stands for the account in every table; 0: there is no such account. */
JD_EXPORT uint64_t jd_account_owner(const struct jd_account *account);
JD_EXPORT struct jd_host *jd_account_host(const struct jd_account *account);
/* For database queries and timers: what is pending is cancelled when the account
 * is unloaded; an account with something pending is not unloaded. */
JD_EXPORT struct jd_owner *jd_account_pending(struct jd_account *account);
/* This instance's data of the account: .account_size bytes, zeroed at first use,
 * freed (after .account_free) when the account is unloaded, which happens some
 * time after its last session has gone and its mailbox is empty. */
JD_EXPORT void *jd_account_data(struct jd_instance *mi, struct jd_account *account);

/*
 * Changes to accounts of this server.  fn is called once, later, unless the owner
 * goes first; the change happens all the same.  Its result: -JD_EEXIST (making one:
 * the name is taken, or was a deleted account's), -JD_ENOENT, -JD_EINVAL (this
 * cannot be a password), or another failure.
 */
typedef void (*jd_account_fn)(void *arg, int result);
JD_EXPORT int jd_account_make(struct jd_owner *owner, struct jd_host *host, struct jd_jid jid,
			      struct jd_str password, jd_account_fn fn, void *arg) JD_MUST_USE;
/* Its sessions end, but for `keep` (NULL: all of them). */
JD_EXPORT int jd_account_password(struct jd_owner *owner, struct jd_account *account,
				  struct jd_str password, struct jd_session *keep, jd_account_fn fn,
				  void *arg) JD_MUST_USE;
/* All its sessions end at once. */
JD_EXPORT int jd_account_delete(struct jd_owner *owner, struct jd_account *account,
				jd_account_fn fn, void *arg) JD_MUST_USE;

/*
 * The account object of a prepared name, in memory or made: fn runs in its place in the
 * mailbox of it, when the database has said whether there is a row. account NULL: that
 * is not known, or the server or the module ends.
 */
typedef void (*jd_account_post_fn)(void *arg, struct jd_account *account);
JD_EXPORT void jd_account_post(struct jd_host *host, struct jd_str local, jd_account_post_fn fn,
			       void *arg);
/* Keeps it in memory, whoever else needs it; as often as it is released. .account_free() may
 * release it. */
JD_EXPORT void jd_account_hold(struct jd_account *account);
JD_EXPORT void jd_account_release(struct jd_account *account);

/* Tells the local account `to`, in its mailbox, of a stanza that it was not sent: as
 * account_notice, with .st. Nothing if there is no such account, or if too much waits there. */
JD_EXPORT void jd_notice(struct jd_jid to, struct jd_stanza *st);

/* -- rooms ------------------------------------------------------------------------------------ */

/*
 * A name on a component has an account object like that of a user: a mailbox, data of modules,
 * a number once it is made. What is addressed to it goes through room_in, whether or not
 * it has a number (jd_account_owner()); IQs to its bare address go to handlers for JD_TO_ROOM.
 * Nobody logs in as it.
 */

/* It gets a number and a row; a name that is made again gets a new number. fn is called once,
 * later, unless the owner goes first. -JD_EEXIST: it has one; -JD_EAGAIN: another change is on
 * its way. */
JD_EXPORT int jd_room_make(struct jd_owner *owner, struct jd_account *room, jd_account_fn fn,
			   void *arg) JD_MUST_USE;
/* Its number is taken away, and what belongs to that is erased in steps behind fn (see
 * jd_on_erase()); the object stays, and can be made again. -JD_ENOENT: it has none. */
JD_EXPORT int jd_room_erase(struct jd_owner *owner, struct jd_account *room, jd_account_fn fn,
			    void *arg) JD_MUST_USE;

/* -- sessions --------------------------------------------------------------------------------- */

JD_EXPORT struct jd_jid jd_session_jid(const struct jd_session *session); /* full */
JD_EXPORT struct jd_account *jd_session_account(const struct jd_session *session);
JD_EXPORT struct jd_str jd_session_peer(const struct jd_session *session);
JD_EXPORT struct jd_owner *jd_session_pending(struct jd_session *session);
/* Whether it was bound by Bind 2 (XEP-0386): such a client asks the archive for what it missed. */
JD_EXPORT bool jd_session_bind2(const struct jd_session *session);
JD_EXPORT void *jd_session_data(struct jd_instance *mi, struct jd_session *session);

/* Walks the sessions of an account in the order of their binding; NULL starts and ends. */
JD_EXPORT struct jd_session *jd_session_next(const struct jd_account *account,
					     const struct jd_session *after);
/* The session with this resource; NULL. */
JD_EXPORT struct jd_session *jd_session_find(const struct jd_account *account,
					     struct jd_str resource);

/* Presence of the session itself (RFC 6121 4): NULL while it is not available. */
JD_EXPORT struct jd_stanza *jd_session_presence(const struct jd_session *session);
JD_EXPORT int jd_session_priority(const struct jd_session *session);
/* Keeps a reference to an available presence stanza (NULL: unavailable), tells session_presence. */
JD_EXPORT void jd_session_set_presence(struct jd_session *session, struct jd_stanza *presence,
				       int priority);
/* A stream error: what it has sent and was not told that we have is its client's to send again. Not
 * from a handler of something that it has sent. */
JD_EXPORT void jd_session_end(struct jd_session *session, const char *text);
/* Tells session_caps: for the module that finds out what clients can do. */
JD_EXPORT void jd_session_tell_caps(struct jd_session *session);

/* XEP-0198 is on for the session; its connection is gone and it may be resumed: it is a session
 * like others meanwhile, and what is sent to it waits. */
JD_EXPORT bool jd_session_managed(const struct jd_session *session);
JD_EXPORT bool jd_session_hibernates(const struct jd_session *session);
/* The client says that nobody looks at it (XEP-0352); tells session_activity. */
JD_EXPORT void jd_session_set_inactive(struct jd_session *session, bool inactive);
JD_EXPORT bool jd_session_inactive(const struct jd_session *session);
/*
 * Calls fn once, from the loop, when less than 256 KiB are queued for the session, which may be
 * so already; not while it hibernates. For what is produced as the connection takes it. When the
 * session ends, fn is called as well, and finds that nothing can be sent to it.
 */
JD_EXPORT void jd_session_when_drained(struct jd_session *session, struct jd_owner *owner,
				       void (*fn)(void *arg), void *arg);

/*
 * Writes the stanza to the session as it is (addresses are not changed), after
 * session_out was asked; a handler there that takes it counts as written.  False
 * when it could not be queued: the session has ended, or its output is past its
 * bound and it is being closed.
 */
JD_EXPORT bool jd_session_send(struct jd_session *session, struct jd_stanza *st);
/* This row of the account's log is nobody's business any more: if it waits for a session without a
 * connection, and was never sent, it is not sent, and counts as taken. */
JD_EXPORT void jd_session_forget_row(struct jd_session *session, uint64_t row);

/* -- sending ---------------------------------------------------------------------------------- */

/* Starts a stanza of ours. id.p NULL: none, but for an IQ, which gets one. */
JD_EXPORT struct jd_xml *jd_stanza_new(enum jd_kind kind, enum jd_type type, struct jd_jid from,
				       struct jd_jid to, struct jd_str id);
/* Ends it and gives it to the home of its `to`. Never runs a handler beneath this call. */
JD_EXPORT void jd_send(struct jd_xml *x);
/* Ends it without sending; the caller owns the reference. NULL: it had grown past the bound. */
JD_EXPORT struct jd_stanza *jd_built(struct jd_xml *x);
/* Gives a stanza to the home of its `to`; takes a reference of its own. */
JD_EXPORT void jd_route(struct jd_stanza *st);
/* A copy of a message or presence to another address. For many receivers: the copies share st,
 * which must not be edited any more. */
JD_EXPORT void jd_send_copy(struct jd_stanza *st, struct jd_jid to);
/* A second stanza with the same content, to be edited apart, without origin and receipt; the
 * caller owns the reference. */
JD_EXPORT struct jd_stanza *jd_stanza_clone(struct jd_stanza *st);
/* The same in less memory: for what is kept for a while. */
JD_EXPORT struct jd_stanza *jd_stanza_keep(struct jd_stanza *st);

/* The stanza as text, edits included, as it would be stored; in the arena. */
JD_EXPORT struct jd_str jd_stanza_bytes(struct jd_stanza *st, struct jd_arena *arena);
/* An element as the text of a message that holds it and nothing else, for storing; p NULL: it
 * had grown past the bound of a stanza. In the arena. */
JD_EXPORT struct jd_str jd_element_bytes(struct jd_el el, struct jd_arena *arena);
/* And back: text that one of the two made. NULL if it is not a stanza; the caller owns it. */
JD_EXPORT struct jd_stanza *jd_stanza_parse(struct jd_str bytes);

/* Answers st with an error to its sender, unless errors to it are forbidden. */
JD_EXPORT void jd_bounce(struct jd_stanza *st, enum jd_condition condition, const char *text);
JD_EXPORT void jd_bounce_error(struct jd_stanza *st, const struct jd_error *error);

/* -- calls: WAIT ------------------------------------------------------------------------------ */

/*
 * A call is one stanza on its way through one chain.  A handler that must wait
 * puts what it needs afterwards into the call's data, starts what it waits for
 * with the call as argument, and returns JD_WAIT.  The callback ends with
 * jd_resume(call, verdict), exactly once.  The mailbox pauses meanwhile, so order
 * is kept.  After 30 s the core answers the stanza with an error and goes on; a
 * later jd_resume() is then harmless, because the pending callback is cancelled.
 *
 * Never wait for a stanza or for another home: send an IQ with a callback.
 */
struct jd_call;
/* Zeroed, one per handler, in the stanza's arena; the size counts when first asked for. */
JD_EXPORT void *jd_call_data(struct jd_call *call, size_t size);
/* What is pending there is cancelled by jd_resume(): all that one waits for hangs on it. */
JD_EXPORT struct jd_owner *jd_call_pending(struct jd_call *call);
JD_EXPORT struct jd_stanza *jd_call_stanza(struct jd_call *call);
JD_EXPORT void jd_resume(struct jd_call *call, enum jd_verdict verdict);

/* -- receipts --------------------------------------------------------------------------------- */

/*
 * Every stanza of a stream has a receipt.  A home that must store something takes
 * it before its handler returns and drops it when the rows are committed, or when
 * an error has gone back.  When nobody holds it any more the stanza counts as
 * handled; acknowledgements cover only the unbroken run of handled stanzas.
 */
JD_EXPORT struct jd_receipt *jd_receipt_take(struct jd_stanza *st); /* NULL if st has none */
JD_EXPORT void jd_receipt_drop(struct jd_receipt *receipt);         /* NULL is fine */

/* -- events ----------------------------------------------------------------------------------- */

struct jd_stanza_event {
	struct jd_stanza *st;
	struct jd_call *call; /* filters only */
	struct jd_host *host;
	/* session_in, presence_out: the sender's; account_in, account_notice, room_in: the
	 * addressee's; session_out: the receiver's; host_in: NULL */
	struct jd_account *account;
	/* session_in: the sender; account_in: the session whose full JID is addressed, if it is
	 * there; session_out: the receiver */
	struct jd_session *session;
	/* account_in: a message that had been accepted for a session which has ended without
	 * having shown that it got it; now it is as if addressed to the bare address */
	bool again;
};

struct jd_session_event {
	struct jd_session *session;
	struct jd_account *account;
	struct jd_host *host;
};

struct jd_host_event {
	struct jd_host *host;
};

/* An element of a session's stream that is no stanza, as it came. */
struct jd_nonza_event {
	struct jd_session *session;
	struct jd_account *account;
	struct jd_host *host;
	struct jd_el el;
};

/* Numbers of rows in the log of the session's account (jackdaw/archive.h). */
struct jd_taken_event {
	struct jd_session *session;
	struct jd_account *account;
	struct jd_host *host;
	const uint64_t *rows;
	size_t n;
};

struct jd_account_event {
	struct jd_host *host;
	struct jd_jid jid; /* bare */
	uint64_t owner;
	/* Takes the name away; add your DELETE statements to it if they touch few rows, else
	 * see jd_on_erase(). */
	struct jd_unit *unit;
};

/* -- IQs -------------------------------------------------------------------------------------- */

enum jd_target {
	JD_TO_HOST = 1,    /* to='example.org' */
	JD_TO_ACCOUNT = 2, /* to='user@example.org', or no 'to' */
	JD_TO_ROOM = 4,    /* to='room@conference.example.org' */
};

/*
 * A request being handled.  Exactly one of the answers below ends it; the core
 * answers service-unavailable for what nobody handles and internal-server-error
 * for a handler that returns JD_DONE without an answer.
 */
struct jd_iq {
	struct jd_stanza *st;
	struct jd_el query; /* the one child */
	struct jd_host *host;
	struct jd_account *account; /* JD_TO_ACCOUNT, JD_TO_ROOM: the addressed one; else NULL */
	struct jd_session *session; /* the asking session if it belongs to that account (or, for
				       JD_TO_HOST, to this server); NULL otherwise.
				       It may have ended by the time of a later answer */
	bool own;                   /* asked by a session of the addressed account itself */
	struct jd_call *call;       /* for JD_WAIT */
	void *data;                 /* the handler's, across JD_ASYNC; from the stanza's arena */
};

JD_EXPORT struct jd_owner *jd_iq_pending(struct jd_iq *iq);
/* A result with content: write into it, then jd_iq_reply(). */
JD_EXPORT struct jd_xml *jd_iq_result(struct jd_iq *iq);
JD_EXPORT void jd_iq_reply(struct jd_iq *iq, struct jd_xml *x);
JD_EXPORT void jd_iq_ok(struct jd_iq *iq); /* an empty result */
JD_EXPORT void jd_iq_fail(struct jd_iq *iq, enum jd_condition condition, const char *text);
JD_EXPORT void jd_iq_error(struct jd_iq *iq, const struct jd_error *error);

/* st is the answer: a result, or an error, which may be the server's own for an address that
 * cannot be reached; NULL: none came in time. */
typedef void (*jd_answer_fn)(void *arg, struct jd_stanza *st);
/* Sends a get or set of ours, from jd_stanza_new() with an address as `from` and JD_STR_NULL as
 * id, and waits for its answer, at most `timeout`. -JD_ELIMIT: too many are waited for, or the
 * stanza is too large; nothing was sent. */
JD_EXPORT int jd_ask(struct jd_owner *owner, struct jd_xml *x, jd_usec timeout, jd_answer_fn fn,
		     void *arg) JD_MUST_USE;

/* -- timers ----------------------------------------------------------------------------------- */

struct jd_timer;
typedef void (*jd_timer_fn)(void *arg);
/* Once, after `after`; belongs to the owner. */
JD_EXPORT struct jd_timer *jd_timer_start(struct jd_owner *owner, jd_usec after, jd_timer_fn fn,
					  void *arg);
/* Before it ran; *timer becomes NULL. NULL inside is fine. */
JD_EXPORT void jd_timer_stop(struct jd_timer **timer);

/*
 * What a service has promised to call back.  It belongs to the owner that the caller named;
 * when that goes, or the module that `code` is in, broken() is called and the promise is gone.
 * Who keeps it says jd_promise_end() and then calls back.
 */
struct jd_promise;
JD_EXPORT struct jd_promise *jd_promise_new(struct jd_owner *owner, void (*code)(void),
					    void (*broken)(void *arg), void *arg);
JD_EXPORT void jd_promise_end(struct jd_promise *promise); /* NULL is fine */

JD_EXPORT jd_usec jd_now(void); /* since the epoch */
JD_EXPORT jd_usec jd_now_mono(void);
/* bytes random bytes as text in the arena. */
JD_EXPORT struct jd_str jd_random_id(struct jd_arena *arena, size_t bytes);
/* XEP-0082: 2026-11-22T04:45:00.123Z */
JD_EXPORT struct jd_str jd_time_text(struct jd_arena *arena, jd_usec t);
