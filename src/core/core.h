/* SPDX-License-Identifier: MIT
 *
 * The inside of the core: the structs that its files share.  All of it belongs
 * to the logic thread.
 *
 * A stanza's way: client.c takes it from the I/O thread's ring and posts it to
 * the mailbox of its session; session.c checks it and runs session_in; route.c
 * finds the home of its addressee and posts it there; account.c runs account_in
 * and does what is left to do by default; output.c writes it to a session.
 * Mailboxes are run by mailbox.c, chains and waiting calls by call.c.
 */
#pragma once

#include <jackdaw/module.h>

#include "db/db.h"
#include "net/listener.h"
#include "rt/worker.h"
#include "stream/stream.h"
#include "util/hash.h"
#include "util/owner.h"
#include "util/slab.h"
#include "xmpp/stanza.h"

struct conf;
struct registry;

/* -- mailboxes (mailbox.c) ------------------------------------------------------------- */

/*
 * A queue of posts for one home or session, handled one after the other.  A
 * handler that waits pauses the mailbox.  The run list gives each runnable
 * mailbox a few posts per turn.
 */
struct mailbox {
	const struct mailbox_kind *kind;
	struct list posts;
	struct list waiters; /* mailboxes that stand still until this one has room */
	struct list place;   /* in the one list that `at` says */
	struct share *share; /* whom its work is charged to; NULL: nobody */
	unsigned count;
	uint32_t bytes;
	unsigned holds; /* waiting calls and loads; > 0: paused */
	enum {
		MAILBOX_NOWHERE,
		MAILBOX_RUN,     /* in the server's run list: runnable */
		MAILBOX_PARKED,  /* in the share's homes or senders: paused until there is room */
		MAILBOX_WAITING, /* in the waiters of another, and held */
	} at;
};

/* What mailboxes of one kind have in common: every session and account pays for what they
 * have each. */
struct mailbox_kind {
	unsigned max_posts;
	uint32_t max_bytes;
	bool sender; /* a session's: its share is that of its account */
	bool open;   /* serves too many to be charged to one: a host's */
	void (*handle)(struct mailbox *self, struct jd_stanza *st);
	bool (*prepare)(struct mailbox *self); /* before a post is handled; false: not yet, and
						  it is held now. NULL: always ready */
};

/* Bounds: of an account's (a room's, a stream's) mailbox as protocol.md 10 says; a
 * host serves everybody, and a session's is bounded by its socket being held. */
#define MAILBOX_HOME_POSTS 256
#define MAILBOX_HOME_BYTES (4u << 20)
#define MAILBOX_WIDE_POSTS 65536
#define MAILBOX_WIDE_BYTES (64u << 20)

#define POST_SIZE ((size_t)64) /* in a mailbox, not counting the stanza */

void mailbox_init(struct mailbox *m, const struct mailbox_kind *kind);
/* Posts that are left are dropped. */
void mailbox_fini(struct mailbox *m);
/* Takes a reference to st (and its receipt). -JD_ELIMIT at the bound: nothing posted. */
int mailbox_post(struct mailbox *m, struct jd_stanza *st) JD_MUST_USE;
/* A copy of st, which nobody edits from now on, to the address of the mailbox's account, or of that
 * session of it. */
int mailbox_post_copy(struct mailbox *m, struct jd_stanza *st, struct jd_jid to,
		      struct jd_session *ref) JD_MUST_USE;
/* The same beyond any bound, for what has been accepted before. */
void mailbox_repost(struct mailbox *m, struct jd_stanza *st);
/* A function in its place in the queue; not bounded; fn is always called once, with
 * dropped = true when the mailbox ends first. */
void mailbox_post_fn(struct mailbox *m, void (*fn)(void *arg, bool dropped), void *arg);
void mailbox_hold(struct mailbox *m);
void mailbox_unhold(struct mailbox *m);
void mailbox_unpark(struct mailbox *m); /* share.c */
/* Holds `waiter` until m has room again; nothing if it has. For a session whose own account
 * is the busy one: its socket is stopped instead of its requests being refused. */
void mailbox_wait_room(struct mailbox *m, struct mailbox *waiter);
bool mailbox_idle(const struct mailbox *m); /* empty and not held */
/* Puts the run list into server.loop. */
void mailboxes_start(void);
/* Replaces a queued availability presence from the same sender, if there is one. */
bool mailbox_coalesce(struct mailbox *m, struct jd_stanza *st);

/* -- shares (share.c) --------------------------------------------------------------------- */

/* How many calls, loads and IQs to be answered later may wait at a time for one account. */
#define SHARE_MAX 64

struct share {
	unsigned refs;
	unsigned busy;       /* how many wait */
	struct list homes;   /* mailboxes that stand still meanwhile ... */
	struct list senders; /* ... and the sessions' own, which go on behind all of those */
};

struct share *share_new(void);
struct share *share_ref(struct share *sh); /* NULL is fine, here and below */
void share_unref(struct share *sh);
bool share_full(const struct share *sh);
void share_next(struct share *sh);
struct share *share_enter(struct share *sh); /* one more waits; for share_leave() */
void share_leave(struct share **sh);         /* which becomes NULL */
struct share *share_of(const struct jd_stanza *st);

/* -- chains and calls (hooks.c, call.c) ---------------------------------------------------- */

struct handler {
	struct jd_instance *mi;
	int prio;
	void (*fn)(void);
};

/* The handlers of one hook on one host, sorted. */
struct chain {
	struct handler *items;
	unsigned count, cap;
	unsigned epoch; /* grows with every change */
	uint64_t calls;
};

/* What a call does when its chain has ended with this verdict (never WAIT). */
typedef void (*call_end_fn)(struct jd_call *call, enum jd_verdict verdict);

struct jd_call {
	struct jd_stanza_event ev;
	struct mailbox *mailbox; /* whose standing still is this call's waiting */
	enum jd_hook hook;       /* JD_HOOK_COUNT: an IQ handler's call */
	struct handler at;       /* the handler that is running or waiting */
	unsigned next;           /* place in the chain, good while epoch is */
	unsigned epoch;
	call_end_fn end;
	struct jd_owner owner;
	struct jd_iq *iq;
	struct jd_receipt *receipt; /* held while the call lives */
	struct share *charged;      /* while it waits */
	void *data;
	bool waiting;
	struct list waits; /* in server.waits while waiting */
};

/* Runs the chain `hook` of ev->host for ev from the mailbox's handler; end() is called
 * beneath, or later if a handler waits.  The call lives in the stanza's arena and
 * holds the stanza until end() has returned. */
void call_run(struct mailbox *mailbox, enum jd_hook hook, const struct jd_stanza_event *ev,
	      call_end_fn end);
/* A call around an IQ handler; used by iq.c. */
struct jd_call *call_new(struct mailbox *mailbox, const struct jd_stanza_event *ev,
			 call_end_fn end);
/* Ends calls that wait in a handler of mi (NULL: all) with an error to the sender. */
void calls_abandon(const struct jd_instance *mi);
/* What the handler returned; ends the call or lets it wait. */
void call_verdict(struct jd_call *call, enum jd_verdict verdict);

/* Where a call goes on behind `at` in a chain that may have changed. */
unsigned chain_after(const struct chain *c, const struct handler *at);
void hook_notify_session(enum jd_hook hook, struct jd_session *session);
bool hook_ask(struct jd_host *host, enum jd_hook hook, struct jd_stanza_event *ev);
void hook_notify_taken(enum jd_hook hook, struct jd_taken_event *ev);
bool hook_ask_nonza(enum jd_hook hook, struct jd_nonza_event *ev);
void hook_notify_stanza(enum jd_hook hook, struct jd_stanza_event *ev);
void hook_notify_account(enum jd_hook hook, struct jd_account_event *ev);
void hook_notify_host(enum jd_hook hook, struct jd_host *host);
/* Takes every handler of mi out of the chains; calls that wait for it are ended. */
void hooks_remove(struct jd_instance *mi);
/* Tells an instance that came late of the sessions that are there. */
void hooks_catch_up(const struct jd_instance *mi);

/* -- data of modules in accounts and sessions (slots.c) --------------------------------------- */

/* One pointer per instance that has data here; instances have small fixed slot numbers, one for
 * accounts and one for sessions. */
struct slots {
	void **p;
	unsigned count;
};
void *slots_get(struct slots *s, unsigned slot, size_t size);
bool slots_has(const struct slots *s, unsigned slot);
/* What one instance has there; it may begin anew. */
void slots_drop(struct slots *s, struct jd_instance *mi, bool account);
void slots_free_account(struct slots *s, struct jd_host *host);
void slots_free_session(struct slots *s, struct jd_host *host);

/* -- hosts
 * ----------------------------------------------------------------------------------------- */

struct jd_host {
	struct list node;
	struct hash_node by_name;
	struct jd_jid jid; /* domain only */
	char *name;
	const struct conf_host *conf;
	bool component;
	struct component *external; /* component.c; NULL: its addresses live here */
	struct hash accounts;       /* struct jd_account by local part */
	struct chain chains[JD_HOOK_COUNT];
	struct hash iqs;        /* iq.c */
	struct mailbox mailbox; /* what is addressed to the host itself */
	struct list instances;  /* struct jd_instance.node, in the order of their start */
	struct list services;   /* registry.c */
	struct list disco;      /* registry.c */
	struct list disco_nodes;
	struct jd_instance *register_mi; /* register.c */
	jd_register_fn register_fn;
	struct list stream_features;
	struct list bind_features;    /* registry.c */
	struct jd_instance *bound_mi; /* login.c */
	const struct jd_bound_ops *bound_ops;
	size_t sessions;
};

struct jd_host *host_find(struct jd_str domain); /* prepared; NULL: not ours */
/* The account in memory that a stanza says to be from; NULL: none. */
struct jd_account *route_sender(const struct jd_stanza *st);
/* The host with users that a component belongs to: the one with the longest name that its own
 * ends with; NULL: none. */
struct jd_host *host_above(const struct jd_host *component);

struct jd_instance {
	struct list node; /* in host->instances (JD_GLOBAL: in server.globals) */
	const struct jd_module *module;
	struct loaded *loaded; /* module.c: the shared object */
	struct jd_host *host;
	void *data;
	void *options;     /* data as it was before start(), to start it once more */
	struct conf *conf; /* whose texts are in the options; NULL: server.conf */
	unsigned account_slot, session_slot;
	bool started, draining;
	struct jd_owner owner;
	struct list registered; /* registry.c: what must be undone */
	struct list services;   /* registry.c: of others that it has asked for */
};

/* -- accounts (account.c)
 * ----------------------------------------------------------------------------- */

enum account_state {
	ACCOUNT_NEW, /* nothing has been asked yet */
	ACCOUNT_LOADING,
	ACCOUNT_READY,
	ACCOUNT_ABSENT,
	ACCOUNT_FAILED,
	ACCOUNT_DELETED
};

/* What a row of `account` stands for. */
enum account_kind { ACCOUNT_USER, ACCOUNT_ROOM };

struct jd_account {
	struct hash_node node;
	struct jd_host *host;
	struct jd_jid jid; /* bare; text in `text` */
	uint64_t number;   /* owner in the database; 0 while unknown or absent */
	enum account_state state;
	struct mailbox mailbox;
	struct list sessions; /* struct jd_session.node */
	unsigned n_sessions;
	bool anonymous;        /* it ends with its session */
	bool changing;         /* a room that is being made or erased */
	unsigned notices;      /* that wait in its mailbox */
	unsigned held;         /* pins of modules */
	unsigned pins;         /* reasons to stay loaded besides sessions, posts and pending */
	struct share *share;   /* NULL: it has sent nothing yet */
	struct share *charged; /* while it is loaded */
	struct slots slots;
	struct jd_owner owner;
	struct timer idle; /* unloads */
	struct list gone;  /* once it is deleted: in account.c's list of such */
	char text[];
};

#define ACCOUNT_MAX_SESSIONS 64
#define ACCOUNT_IDLE_USEC    (30 * JD_USEC_PER_SEC)

/* The account object of a name, in memory or made; its first post has it loaded. Never NULL. */
struct jd_account *account_get(struct jd_host *host, struct jd_str local);
struct jd_account *account_peek(struct jd_host *host,
				struct jd_str local); /* NULL: not in memory */
/* Unloads it soon if nothing holds it. Call after anything that may have been the last. */
void account_settle(struct jd_account *a);
void account_end_sessions(struct jd_host *host, struct jd_str local, enum stream_condition why);
void account_end_others(struct jd_host *host, struct jd_str local, struct jd_str resource,
			enum stream_condition why);
/* The row has been erased or made: forget what is known. Ends sessions of a deleted one. */
void account_forget(struct jd_host *host, struct jd_str local, enum stream_condition why);
void accounts_free_all(struct jd_host *host);
/* fn for every account in memory of a host (NULL: of all), deleted ones that are still held too. */
void accounts_each(const struct jd_host *host, void (*fn)(struct jd_account *a, void *arg),
		   void *arg);
void account_pin(struct jd_account *a);
void account_unpin(struct jd_account *a);
struct share *account_share(struct jd_account *a);

/* -- rooms (room.c), posts of modules (account_post.c)
 * ---------------------------------------------------------------------------------- */

/* A stanza for a name on a component, from its mailbox. */
void room_handle(struct jd_account *a, struct jd_stanza *st);
typedef void (*account_done_fn)(void *arg, int result);
/* jd_room_make() and jd_room_erase(); done runs once, later. */
int room_make(struct jd_account *room, account_done_fn done, void *arg) JD_MUST_USE;
int room_erase(struct jd_account *room, account_done_fn done, void *arg) JD_MUST_USE;
void rooms_fini(void); /* who waits for a change is told that there is no more of the server */
/* What mi has posted and has not come yet: it is told so. */
void account_posts_drop(const struct jd_instance *mi);

/* -- clients and sessions (client.c, session.c)
 * ------------------------------------------------------------ */

/*
 * The logic side of a link, from its first question on.  The link is released
 * when it has closed and no question of it is being answered any more.
 */
struct client {
	struct list node;
	struct link *link;
	unsigned asks;      /* answers that will still come */
	bool closed;        /* IO_CLOSED came */
	bool ended;         /* C2S_END came: nothing is bound to it any more */
	char *login;        /* name@host that it asked about last, until it is bound; or NULL */
	uint64_t anonymous; /* the account that was made for it, until it is bound; or 0 */
	struct question *delayed; /* auth.c: its answer waits for its time */
	struct jd_session *session;
	struct component *component; /* that is connected by it; NULL: a client */
};

struct jd_session {
	struct list node; /* in account->sessions */
	struct list all;  /* in server.sessions */
	struct jd_account *account;
	struct jd_host *host;
	struct client *client; /* NULL once the connection has gone */
	struct jd_jid jid;     /* full */
	struct mailbox mailbox;
	struct list receipts; /* not yet handled, oldest first */
	unsigned n_receipts;
	enum { PACE_FREE, PACE_WAITS, PACE_GIVEN_UP } pace;
	struct timer pace_timer;
	uint32_t handled; /* unbroken run of handled stanzas, counted (XEP-0198 h) */
	unsigned refs;
	bool bound, framed, secure, held, failing, bind2, inactive;
	int8_t priority;
	struct jd_stanza *presence;
	struct slots slots;
	struct jd_owner owner;
	struct defer fail; /* output.c: closing after an overfull outbox */
	jd_usec since;
	struct ledger *ledger; /* ledger.c: rows that the client has not shown to have; or NULL */
	struct drain *drains;  /* drain.c: who waits for room in its output */
	struct sm *sm;         /* sm.h; NULL: XEP-0198 is off */
	uint64_t id;           /* never used again while the server runs; for ctl and logs */
	const char *transport, *mechanism; /* static */
	uint8_t peer_len, device_len;
	char text[]; /* full JID, peer address, device */
};

struct jd_str session_peer(const struct jd_session *s);
/* Id of its user agent (XEP-0388); len 0: unknown. */
static inline struct jd_str session_device(const struct jd_session *s)
{
	return (struct jd_str){s->text + jd_jid_str(s->jid).len + s->peer_len, s->device_len};
}

#define SESSION_HOLD_POSTS 64 /* its client is not read beyond this */
/* So many that it has sent may be on their way through the homes of others, which have room for
 * some such senders. Who is faster than they commit waits, but only so long: a home that is stuck
 * answers when it is full, and others are not held up by it. */
#define SESSION_AHEAD     64
#define SESSION_PACE_USEC JD_USEC_PER_SEC

/* -- external components (component.c) ------------------------------------------------------- */

void component_add(struct jd_host *host);
void component_free(struct jd_host *host);
void component_bind(struct client *c, struct component_ask *ask); /* takes over ask */
void component_gone(struct client *c);
void component_receive(struct component *x, struct jd_wire *wire); /* takes over wire */
/* To its stream; or back. */
void component_send(struct component *x, struct jd_stanza *st);

void client_receive(const struct io_msg *msg, void *arg); /* the io_receive_fn */
struct client *client_of(struct link *link);
void client_ask_done(struct client *c); /* one of asks has been answered */

/* Makes, binds and announces; the connection gets its answers. */
void session_bind(struct client *c, const struct bind_ask *ask, struct jd_account *a);
/*
 * The two halves of that: a session in its account's list, those that it replaces
 * ended (NULL: the account has too many); and, when the client has been told, the
 * news for everybody.
 */
struct jd_session *session_admit(struct client *c, const struct bind_ask *ask,
				 struct jd_account *a);
void session_announce(struct jd_session *s);
/* Makes st say that s sent it, as long as both live. */
void stanza_set_origin(struct jd_stanza *st, struct jd_session *s);
struct jd_session *session_ref(struct jd_session *s);
void session_unref(struct jd_session *s);
/* Out of its account, told to everybody; queued stanzas of it are dropped. Idempotent. */
void session_ping(struct jd_session *s); /* ping.c */
void session_unbind(struct jd_session *s);
/* Stream error to the client, then session_unbind(). */
void session_end(struct jd_session *s, enum stream_condition condition, const char *text);
void session_receive(struct jd_session *s, struct jd_wire *wire);
void session_mailbox(struct jd_session *s); /* readies its mailbox */
struct piece *stanza_piece(struct jd_stanza *st, enum stanza_framing framing); /* session.c */
/* Writes without asking session_out. */
bool session_write(struct jd_session *s, struct jd_stanza *st);
/* -JD_ELIMIT: its outbox is full. */
int link_stanza(struct link *link, struct jd_stanza *st, enum stanza_framing framing) JD_MUST_USE;
/* To the connection, which is there; false: it is full. */
bool session_put(struct jd_session *s, struct jd_stanza *st);
/* It ends soon, not now: somebody may be walking the list it is in. */
void session_fail(struct jd_session *s);

/* Less than LINK_SOFT_BYTES may be queued for it now (drain.c). */
void session_drained(struct jd_session *s);
/* Its end: who waits is called. */
void drains_end(struct jd_session *s);
/* st has been written to s, which is not managed: it is asked soon whether it got it (ledger.c). */
void ledger_note(struct jd_session *s, const struct jd_stanza *st);
/* Its end: what it has not shown to have is told. */
void ledger_end(struct jd_session *s);
/* Its rows: how many, and a copy of them. */
size_t ledger_count(const struct jd_session *s);
size_t ledger_copy(const struct jd_session *s, uint64_t *out);
/* session_taken or session_untaken, if there are any rows. */
void ledger_tell(enum jd_hook hook, struct jd_session *s, const uint64_t *rows, size_t n);

/* An answer to a question of the stream layer, then the control piece that lets it go on. */
void client_tell(struct client *c, struct jd_stanza *answer, bool framed, enum stream_control then);
/* register.c; takes over ask. */
void client_register(struct client *c, struct register_ask *ask);
/* Nobody is asked by mi any more; what it was asked is refused. */
void registers_remove(struct jd_instance *mi);
void bound_remove(struct jd_instance *mi); /* login.c */

/* -- receipts (receipt.c)
 * ------------------------------------------------------------------------------------- */

struct jd_receipt {
	struct list node;           /* in session->receipts while that lives */
	struct jd_session *session; /* NULL when it has gone */
	struct jd_stanza *st;       /* whose .receipt points here; NULL when that is gone */
	unsigned refs;
	uint8_t asked; /* so many <r/> came right behind it */
	bool late;     /* such were answered too early: one <a/> more */
	bool uncounted;
};
/* One reference, for the caller. */
/* session.c: one of its receipts has gone. */
void session_pace(struct jd_session *s);
struct jd_receipt *receipt_new(struct jd_session *s, struct jd_stanza *st);
static inline struct jd_receipt *receipt_ref(struct jd_receipt *r)
{
	if (r)
		r->refs++;
	return r;
}
void receipts_abandon(struct jd_session *s);

/* -- IQs (iq.c, ask.c)
 * -------------------------------------------------------------------------------------------- */

/* Handles a get or set addressed to ev->host (account NULL) or ev->account. */
void iq_dispatch(struct mailbox *mailbox, const struct jd_stanza_event *ev, enum jd_target target);
int iq_handler_add(struct jd_host *host, struct jd_instance *mi, enum jd_type type,
		   unsigned targets, const char *ns, const char *name, jd_iq_fn fn) JD_MUST_USE;
void iq_handlers_remove(struct jd_instance *mi);
/* jd_iq_fail(), unless it has been answered. */
void iq_refuse(struct jd_iq *iq, enum jd_condition condition, const char *text);
/* Answers the IQs that handlers of mi (NULL: all) have left for later. */
void iqs_abandon(const struct jd_instance *mi);
void iq_host_fini(struct jd_host *host);
/* The core's own handlers (session establishment) for every host. */
void iq_builtin(struct jd_host *host);
/* True when st answers a question of ours: it has been delivered to it. */
bool ask_answered(struct jd_stanza *st);
void ask_fini(void); /* nobody is asked any more; callbacks are not run */

void http_ask_fini(void); /* the client's thread ends; nobody is told */
void pack_fini(void);     /* pack.c: what it keeps for the next call goes */

/* -- authentication (auth.c)
 * ---------------------------------------------------------------------------------------- */

void auth_ask(struct client *c, struct auth_ask *ask); /* takes over ask */
void auth_result(const struct auth_result *result);
/* The client has gone: nothing waits for it any more. */
void auth_closed(struct client *c);
/* Nothing is asked for it any more: it is about to be freed. */
void auth_end(struct client *c);
/* The account's password or the account itself is another one: streams that asked about it and
 * are not bound yet must log in anew. */
void auth_revoke(struct jd_host *host, struct jd_str local);
/* Whom the client asks about, for auth_revoke(). */
void auth_note_login(struct client *c, const struct auth_ask *ask);
/* The end of a question: to the client, if it is still there; counts down c->asks. */
void auth_answer_send(struct client *c, struct auth_answer *answer);
/* A value that only this installation can compute (SHA-256), the same for ever. */
void auth_secret_mac(const char *purpose, const void *data, size_t n,
		     uint8_t ret_mac[CRYPTO_MAX_DIGEST]);
/* Loads or makes the secret for salts of unknown names; blocks by turning the loop; at start. */
int auth_init(void) JD_MUST_USE;
void auth_fini(void);
/* The key of stanza_id.c; when the secret is there. */
void stanza_id_init(void);
void stanza_id_fini(void);
/*
 * Derives all SCRAM keys on a worker and writes account rows: create = a new
 * account (-JD_EEXIST in result if the name is taken or has a tombstone and
 * !force), else a new password. done runs once, later.
 */
int account_set_password(struct jd_host *host, struct jd_jid jid, struct jd_str password,
			 bool create, bool force, account_done_fn done, void *arg) JD_MUST_USE;
/* The same for an account that exists, by its owner: its session with this resource goes on. */
int account_change_password(struct jd_host *host, struct jd_jid jid, struct jd_str password,
			    struct jd_str resource, account_done_fn done, void *arg) JD_MUST_USE;
/* Ends sessions, tells account_deleting, leaves the tombstone, erases rows in steps; done comes
 * when nothing is left. */
int account_delete(struct jd_host *host, struct jd_jid jid, account_done_fn done,
		   void *arg) JD_MUST_USE;
/* Adds what takes its name away from an owner and notes that it is to be erased. */
void account_add_leave(struct jd_unit *unit, uint64_t owner);

/* -- the server
 * ----------------------------------------------------------------------------------------------------------
 */

struct server {
	struct loop *loop;
	struct io *io;
	struct db *db;
	struct worker_pool *workers;
	struct stanza_pool *stanzas;
	struct wire_pool *wires; /* with scans: for stanzas read back from the database */
	struct scan_pool *scans;
	const struct conf *conf;
	struct list hosts;
	struct list globals; /* instances of JD_GLOBAL modules */
	struct list sessions;
	struct list clients;
	struct list run;         /* runnable mailboxes */
	struct mailbox *running; /* whose post is being handled; NULL once it is gone */
	struct list waits;       /* waiting calls */
	struct list asyncs;      /* IQs to be answered later */
	struct hash host_names;
	struct source run_source;
	struct slab *receipts, *posts;
	struct share *others; /* of whoever is no account in memory */
	/* Found last: one stanza is looked up more than once, and may go to many. */
	struct jd_host *last_host;
	struct jd_account *last_sender;
	size_t n_sessions, n_accounts;
	uint64_t stanzas_in, stanzas_out, next_session;
	unsigned scram_iterations;
	unsigned scram_hashes; /* bits of enum crypto_hash: keys are derived for these */
	jd_usec started;       /* since the epoch */
	bool stopping;
};

extern struct server server;

/* Pools, tables and sources on server.loop (server.loop, .conf and .hosts are set). */
int core_init(void) JD_MUST_USE;
/* After the sessions and io_stop(): waiting calls and IQs end, accounts are unloaded. Modules
 * are stopped after this. */
void core_unload(void);
/* After the modules have been stopped and the database is closed. */
void core_fini(void);
/* Graceful stop, first half: no stanza is taken any more; streams get system-shutdown. */
/* Modules have something to tell sessions before these end. */
void core_say_farewell(void);
void core_shutdown_sessions(void);
void host_mailbox(struct jd_host *host); /* readies its mailbox */
struct jd_host *host_add(const char *name, const struct conf_host *conf);
