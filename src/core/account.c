/* SPDX-License-Identifier: MIT
 *
 * Accounts in memory: the homes.
 *
 * An account object exists while somebody needs it: it has sessions, posts,
 * waiting calls or pending queries, or had some a moment ago.  It is made by the
 * first stanza or login that asks for it; its mailbox is held until the database
 * has said whether there is such an account.  What comes for a name that does
 * not exist is answered by the same object, which is forgotten right afterwards.
 */
#include "core/core.h"

/* Beyond so many, unused accounts are forgotten at once. */
#define ACCOUNTS_KEPT 50000

/* Deleted, and somebody still holds them. */
static struct list gone = LIST_INIT(gone);

static struct jd_stmt find_account = {
	.name = "core.find_account",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2 AND kind = $3",
};

/* -- what comes in ----------------------------------------------------------------------- */

static void deliver_full(struct jd_call *call)
{
	struct jd_stanza *st = call->ev.st;

	if (call->ev.session && jd_session_send(call->ev.session, st))
		return;
	if (st->kind != JD_PRESENCE)
		jd_bounce(st, JD_SERVICE_UNAVAILABLE, NULL);
}

/* RFC 6121 8.5.1: what comes for a name that does not exist is answered as if nobody
 * were there at the moment, so that names cannot be guessed. */
static bool is_silent(const struct jd_stanza *st)
{
	return st->kind == JD_PRESENCE || (st->kind == JD_MESSAGE && st->type == JD_TYPE_HEADLINE);
}

static void nobody_there(struct jd_stanza *st)
{
	if (st->kind == JD_PRESENCE && st->type == JD_TYPE_PROBE)
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBED, jd_jid_bare(st->to),
				      jd_jid_bare(st->from), JD_STR_NULL));
	else if (!is_silent(st))
		jd_bounce(st, JD_SERVICE_UNAVAILABLE, NULL);
}

/* Whatever no module took. */
static void account_in_end(struct jd_call *call, enum jd_verdict verdict)
{
	struct jd_stanza *st = call->ev.st;

	if (verdict != JD_PASS)
		return;
	if (call->ev.account->state == ACCOUNT_DELETED) /* while the stanza waited */
		nobody_there(st);
	else if (st->to.resource_len)
		deliver_full(call);
	else if (st->kind == JD_IQ && (st->type == JD_TYPE_GET || st->type == JD_TYPE_SET))
		iq_dispatch(call->mailbox, &call->ev, JD_TO_ACCOUNT);
	else if (st->kind == JD_MESSAGE)
		jd_bounce(st, JD_SERVICE_UNAVAILABLE, NULL);
}

static void account_handle(struct mailbox *m, struct jd_stanza *st)
{
	struct jd_account *a = container_of(m, struct jd_account, mailbox);
	struct jd_stanza_event ev = {
		.st = st, .host = a->host, .account = a, .again = stanza_of(st)->again};

	account_pin(a);
	if (a->host->component) {
		room_handle(a, st);
	} else if (a->state == ACCOUNT_READY) {
		if (st->to.resource_len)
			ev.session = jd_session_find(a, jd_jid_resource(st->to));
		call_run(m, JD_HOOK_account_in, &ev, account_in_end);
	} else if (a->state == ACCOUNT_FAILED) {
		jd_bounce(st, JD_RESOURCE_CONSTRAINT, "The database does not answer.");
	} else {
		nobody_there(st);
	}
	account_unpin(a);
}

/* -- loading --------------------------------------------------------------------------------- */

static void on_found(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_account *a = arg;

	if (a->state == ACCOUNT_DELETED)
		; /* forgotten meanwhile: what waits here is answered, what comes finds another */
	else if (status != JD_DB_OK)
		a->state = ACCOUNT_FAILED;
	else if (jd_rows_count(rows) == 0)
		a->state = ACCOUNT_ABSENT;
	else
		a->state = ACCOUNT_READY;
	if (a->state == ACCOUNT_READY)
		a->number = (uint64_t)jd_row_int(rows, 0, 0);
	share_leave(&a->charged);
	mailbox_unhold(&a->mailbox);
	account_unpin(a);
}

static void account_load(struct jd_account *a)
{
	struct jd_params params =
		JD_PARAMS(jd_text(jd_jid_domain(a->jid)), jd_text(jd_jid_local(a->jid)),
			  jd_int(a->host->component ? ACCOUNT_ROOM : ACCOUNT_USER));

	a->state = ACCOUNT_LOADING;
	a->charged = share_enter(a->mailbox.share);
	account_pin(a);
	mailbox_hold(&a->mailbox);
	if (jd_db_query(&a->owner, &find_account, params, on_found, a) < 0)
		on_found(a, JD_DB_FAILED, NULL);
}

static bool account_prepare(struct mailbox *m)
{
	struct jd_account *a = container_of(m, struct jd_account, mailbox);

	if (a->state != ACCOUNT_NEW)
		return true;
	account_load(a);
	return false;
}

static bool name_eq(const struct hash_node *node, const void *key)
{
	const struct jd_account *a = container_of(node, struct jd_account, node);

	return jd_str_eq(jd_jid_local(a->jid), *(const struct jd_str *)key);
}

struct jd_account *account_peek(struct jd_host *host, struct jd_str local)
{
	struct hash_node *n = hash_find(&host->accounts, hash_str(local), name_eq, &local);

	return n ? container_of(n, struct jd_account, node) : NULL;
}

struct jd_account *account_get(struct jd_host *host, struct jd_str local)
{
	static const struct mailbox_kind mailbox = {
		.max_posts = MAILBOX_HOME_POSTS,
		.max_bytes = MAILBOX_HOME_BYTES,
		.handle = account_handle,
		.prepare = account_prepare,
	};
	struct jd_account *a = account_peek(host, local);
	struct jd_str domain = jd_jid_domain(host->jid);

	if (a)
		return a;
	a = mem_alloc(sizeof(*a) + local.len + 1 + domain.len);
	memcpy(a->text, local.p, local.len);
	a->text[local.len] = '@';
	memcpy(a->text + local.len + 1, domain.p, domain.len);
	a->jid = (struct jd_jid){a->text, (uint16_t)local.len, (uint16_t)domain.len, 0};
	a->host = host;
	list_init(&a->sessions);
	owner_init(&a->owner);
	mailbox_init(&a->mailbox, &mailbox);
	hash_insert(&host->accounts, &a->node, hash_str(local));
	server.n_accounts++;
	return a;
}

/* -- unloading -----------------------------------------------------------------------------------
 */

static bool account_unused(const struct jd_account *a)
{
	return !a->pins && mailbox_idle(&a->mailbox) && list_empty(&a->owner.pending);
}

static void account_remove(struct jd_account *a)
{
	if (a->state == ACCOUNT_DELETED)
		return;
	hash_remove(&a->host->accounts, &a->node);
	if (server.last_sender == a)
		server.last_sender = NULL;
	server.n_accounts--;
	a->state = ACCOUNT_DELETED;
	list_append(&gone, &a->gone);
}

static void account_free(struct jd_account *a)
{
	account_remove(a);
	list_remove(&a->gone);
	owner_cancel_all(&a->owner);
	share_leave(&a->charged);
	mailbox_fini(&a->mailbox);
	share_unref(a->share);
	slots_free_account(&a->slots, a->host);
	loop_timer_cancel(server.loop, &a->idle); /* who let go of it just now may have armed it */
	mem_free(a);
}

static void on_idle(struct timer *t)
{
	struct jd_account *a = container_of(t, struct jd_account, idle);

	if (account_unused(a))
		account_free(a);
	else if (!a->pins) /* a query or a post will settle it, or the next look does */
		loop_timer(server.loop, &a->idle, ACCOUNT_IDLE_USEC, on_idle);
}

void account_settle(struct jd_account *a)
{
	bool keep = a->state == ACCOUNT_READY && server.n_accounts < ACCOUNTS_KEPT;

	if (!a->pins && !timer_armed(&a->idle))
		loop_timer(server.loop, &a->idle, keep ? ACCOUNT_IDLE_USEC : 0, on_idle);
}

void account_pin(struct jd_account *a)
{
	if (a->pins++ == 0)
		loop_timer_cancel(server.loop, &a->idle);
}

void account_unpin(struct jd_account *a)
{
	JD_ASSERT(a->pins > 0);
	if (--a->pins == 0)
		account_settle(a);
}

void account_end_sessions(struct jd_host *host, struct jd_str local, enum stream_condition why)
{
	struct jd_account *a = account_peek(host, local);
	struct jd_session *s;

	auth_revoke(host, local);
	if (!a)
		return;
	account_pin(a);
	while ((s = jd_session_next(a, NULL)) != NULL)
		session_end(s, why, NULL);
	account_unpin(a);
}

void account_end_others(struct jd_host *host, struct jd_str local, struct jd_str resource,
			enum stream_condition why)
{
	struct jd_account *a = account_peek(host, local);
	struct jd_session *s;

	auth_revoke(host, local);
	if (!a)
		return;
	account_pin(a);
	do { /* from the beginning: who is told of an end may end others */
		s = jd_session_next(a, NULL);
		while (s && jd_str_eq(jd_jid_resource(s->jid), resource))
			s = jd_session_next(a, s);
		if (s)
			session_end(s, why, NULL);
	} while (s);
	account_unpin(a);
}

void account_forget(struct jd_host *host, struct jd_str local, enum stream_condition why)
{
	struct jd_account *a = account_peek(host, local);

	account_end_sessions(host, local, why);
	if (!a)
		return;
	account_pin(a);
	account_remove(a);
	account_unpin(a);
}

struct share *account_share(struct jd_account *a)
{
	if (!a->share)
		a->share = share_new();
	return a->share;
}

/* At the end of the server: everything goes, used or not. */
void accounts_free_all(struct jd_host *host)
{
	struct hash_iter it = {0};
	struct hash_node *n;

	while ((n = hash_each(&host->accounts, &it)) != NULL)
		account_free(container_of(n, struct jd_account, node));
}

void accounts_each(const struct jd_host *host, void (*fn)(struct jd_account *a, void *arg),
		   void *arg)
{
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *h = container_of(n, struct jd_host, node);
		struct hash_iter it = {0};
		struct hash_node *node;

		while ((!host || h == host) && (node = hash_each(&h->accounts, &it)) != NULL)
			fn(container_of(node, struct jd_account, node), arg);
	}
	for (struct list *n = gone.next; n != &gone; n = n->next) {
		struct jd_account *a = container_of(n, struct jd_account, gone);

		if (!host || a->host == host)
			fn(a, arg);
	}
}

/* -- asked by modules
 * -------------------------------------------------------------------------------- */

struct jd_jid jd_account_jid(const struct jd_account *a)
{
	return a->jid;
}

uint64_t jd_account_owner(const struct jd_account *a)
{
	return a->state == ACCOUNT_READY ? a->number : 0;
}

struct jd_host *jd_account_host(const struct jd_account *a)
{
	return a->host;
}

struct jd_owner *jd_account_pending(struct jd_account *a)
{
	return &a->owner;
}
