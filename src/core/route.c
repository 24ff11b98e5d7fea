/* SPDX-License-Identifier: MIT
 *
 * The router: from an address to the mailbox of its home.  It runs no handler; a
 * full mailbox answers for the home.  Also everything by which modules send.
 */
#include "core/core.h"
#include "xmpp/delay.h"

static bool host_eq(const struct hash_node *node, const void *key)
{
	const struct jd_host *h = container_of(node, struct jd_host, by_name);

	return jd_str_eq(jd_jid_str(h->jid), *(const struct jd_str *)key);
}

struct jd_host *host_find(struct jd_str domain)
{
	struct jd_host *last = server.last_host;
	struct hash_node *n;

	if (last && jd_str_eq(jd_jid_str(last->jid), domain))
		return last;
	n = hash_find(&server.host_names, hash_str(domain), host_eq, &domain);
	if (n)
		server.last_host = container_of(n, struct jd_host, by_name);
	return n ? server.last_host : NULL;
}

struct jd_account *route_sender(const struct jd_stanza *st)
{
	struct jd_account *last = server.last_sender;
	struct jd_host *host;

	if (!st->from.local_len)
		return NULL;
	if (last && jd_jid_bare_eq(last->jid, st->from))
		return last;
	host = host_find(jd_jid_domain(st->from));
	last = host ? account_peek(host, jd_jid_local(st->from)) : NULL;
	if (last)
		server.last_sender = last;
	return last;
}

static bool is_answer(const struct jd_stanza *st)
{
	return st->kind == JD_IQ && (st->type == JD_TYPE_RESULT || st->type == JD_TYPE_ERROR);
}

/* Nobody could be told that an answer was lost, so it goes past the queue to the session
 * that has asked. */
static void answer_past(struct jd_account *a, struct jd_stanza *st)
{
	struct jd_session *s = a ? jd_session_find(a, jd_jid_resource(st->to)) : NULL;

	if (s)
		(void)jd_session_send(s, st);
}

/* The home, an account's if it is one, has too much to do (protocol.md 10). */
static void home_full(struct jd_account *a, struct mailbox *m, struct jd_stanza *st)
{
	static const struct jd_error full = {
		.condition = JD_RESOURCE_CONSTRAINT,
		.type = JD_ERRTYPE_WAIT,
		.text = "Too much is waiting for this address.",
	};

	if (is_answer(st))
		answer_past(a, st);
	else if (st->kind != JD_PRESENCE ||
		 (st->type != JD_TYPE_NONE && st->type != JD_TYPE_UNAVAILABLE))
		jd_bounce_error(st, &full);
	else if (!mailbox_coalesce(m, st))
		jd_log_peer(JD_LOG_INFO, "presence dropped: mailbox full",
			    jd_kv_str("to", jd_jid_str(st->to)));
}

/* Presence of a local account, whoever of the server sends it on the account's behalf: not every
 * such stanza has come through a filter. */
static bool is_held_back(struct jd_stanza *st)
{
	struct jd_stanza_event ev = {.st = st};

	if (st->kind != JD_PRESENCE || jd_jid_bare_eq(st->from, st->to))
		return false;
	ev.account = route_sender(st);
	if (!ev.account || ev.account->state != ACCOUNT_READY)
		return false;
	ev.host = ev.account->host;
	return hook_ask(ev.host, JD_HOOK_presence_out, &ev);
}

void jd_route(struct jd_stanza *st)
{
	struct jd_account *a = NULL;
	struct mailbox *m;
	struct jd_host *host;

	ROLE_ASSERT(ROLE_LOGIC);
	if ((is_answer(st) && ask_answered(st)) || is_held_back(st))
		return;
	host = host_find(jd_jid_domain(st->to));
	if (!host) {
		jd_bounce(st, JD_REMOTE_SERVER_NOT_FOUND, NULL);
		return;
	}
	if (host->external) {
		component_send(host->external, st);
		return;
	}
	if (st->to.local_len)
		a = account_get(host, jd_jid_local(st->to));
	m = a ? &a->mailbox : &host->mailbox;
	if (mailbox_post(m, st) < 0)
		home_full(a, m, st);
}

static void route_clone(struct jd_stanza *st, struct jd_jid to)
{
	struct jd_stanza *copy = stanza_clone_to(st, to);

	jd_route(copy);
	jd_stanza_unref(copy);
}

/* The account of ours that has this address and takes copies of presence and messages, and the
 * session if it is a full one; NULL: none such is in memory, or it has too much to do. */
static struct jd_account *near_account(struct jd_jid to, struct jd_session **ret_session)
{
	struct jd_host *host = host_find(jd_jid_domain(to));
	struct jd_account *a = host && !host->component && to.local_len
				       ? account_peek(host, jd_jid_local(to))
				       : NULL;

	if (!a || a->state != ACCOUNT_READY)
		return NULL;
	*ret_session = to.resource_len ? jd_session_find(a, jd_jid_resource(to)) : NULL;
	return !to.resource_len || *ret_session ? a : NULL;
}

void jd_send_copy(struct jd_stanza *st, struct jd_jid to)
{
	struct jd_jid old = st->to;
	struct jd_session *s;
	struct jd_account *a;
	bool held;

	ROLE_ASSERT(ROLE_LOGIC);
	JD_ASSERT(st->kind != JD_IQ);
	a = near_account(to, &s);
	if (!a) {
		route_clone(st, to);
		return;
	}
	st->to = to;
	held = is_held_back(st);
	st->to = old;
	if (!held && mailbox_post_copy(&a->mailbox, st, s ? s->jid : a->jid, s) < 0)
		route_clone(st, to);
}

/* -- hosts as homes ------------------------------------------------------------------------- */

static void host_in_end(struct jd_call *call, enum jd_verdict verdict)
{
	if (verdict == JD_PASS && call->ev.st->kind == JD_MESSAGE)
		jd_bounce(call->ev.st, JD_SERVICE_UNAVAILABLE, NULL);
}

static void host_handle(struct mailbox *m, struct jd_stanza *st)
{
	struct jd_host *host = container_of(m, struct jd_host, mailbox);
	struct jd_stanza_event ev = {.st = st, .host = host};

	if (st->kind != JD_IQ)
		call_run(m, JD_HOOK_host_in, &ev, host_in_end);
	else if (!is_answer(st))
		iq_dispatch(m, &ev, JD_TO_HOST);
}

void host_mailbox(struct jd_host *host)
{
	static const struct mailbox_kind kind = {
		.max_posts = MAILBOX_WIDE_POSTS,
		.max_bytes = MAILBOX_WIDE_BYTES,
		.open = true,
		.handle = host_handle,
	};

	mailbox_init(&host->mailbox, &kind);
}

struct jd_host *host_above(const struct jd_host *component)
{
	struct jd_str rest = jd_jid_str(component->jid);
	const char *dot;

	while ((dot = memchr(rest.p, '.', rest.len)) != NULL) {
		struct jd_host *host;

		rest = (struct jd_str){dot + 1, rest.len - (size_t)(dot + 1 - rest.p)};
		host = host_find(rest);
		if (host && !host->component)
			return host;
	}
	return NULL;
}

struct jd_host *jd_host_find(struct jd_str name)
{
	return host_find(name);
}

bool jd_host_is_component(const struct jd_host *host)
{
	return host->component;
}

struct jd_str jd_host_name(const struct jd_host *host)
{
	return jd_jid_str(host->jid);
}

struct jd_jid jd_host_jid(const struct jd_host *host)
{
	return host->jid;
}

/* -- sending ------------------------------------------------------------------------------------
 */

struct jd_xml *jd_stanza_new(enum jd_kind kind, enum jd_type type, struct jd_jid from,
			     struct jd_jid to, struct jd_str id)
{
	char random[17];

	if (kind == JD_IQ && !id.p) {
		crypto_random_id(random, 12);
		id = (struct jd_str){random, 16};
	}
	return stanza_build(server.stanzas, kind, type, from, to, id);
}

struct jd_stanza *jd_built(struct jd_xml *x)
{
	return stanza_built(x);
}

void jd_send(struct jd_xml *x)
{
	struct jd_stanza *st = stanza_built(x);

	if (!st) {
		jd_log(JD_LOG_WARNING, "a stanza of ours grew past the bound and was not sent");
		return;
	}
	jd_route(st);
	jd_stanza_unref(st);
}

struct jd_stanza *jd_stanza_clone(struct jd_stanza *st)
{
	return stanza_clone(st);
}

struct jd_stanza *jd_stanza_keep(struct jd_stanza *st)
{
	return stanza_keep(st);
}

/* An error goes back to who sent it. A session of ours is told directly: its home
 * would only pass it on, or, as for a subscription request that speaks for the whole
 * account, not know to whom. */
void jd_bounce_error(struct jd_stanza *st, const struct jd_error *error)
{
	struct jd_stanza *reply = stanza_error(server.stanzas, st, error);

	if (!reply)
		return;
	if (!jd_jid_ok(reply->to))
		jd_log(JD_LOG_WARNING, "nobody to return an error to");
	else if (st->origin && st->origin->bound && jd_jid_bare_eq(reply->to, st->origin->jid))
		(void)session_write(st->origin, reply);
	else
		jd_route(reply);
	jd_stanza_unref(reply);
}

void jd_bounce(struct jd_stanza *st, enum jd_condition condition, const char *text)
{
	struct jd_error error = {.condition = condition, .text = text};

	jd_bounce_error(st, &error);
}

/* -- text
 * ------------------------------------------------------------------------------------------ */

struct jd_str jd_stanza_bytes(struct jd_stanza *st, struct jd_arena *arena)
{
	size_t own = stanza_out_size(st, STANZA_FRAMED);
	char *head = jd_arena_bytes(arena, own);
	struct stanza_out out;
	char *all;

	stanza_out(st, STANZA_FRAMED, head, &out);
	all = jd_arena_bytes(arena, own + out.body.len);
	memcpy(all, out.head.p, out.head.len);
	if (out.body.len)
		memcpy(all + out.head.len, out.body.p, out.body.len);
	if (out.tail.len)
		memcpy(all + out.head.len + out.body.len, out.tail.p, out.tail.len);
	return (struct jd_str){all, out.head.len + out.body.len + out.tail.len};
}

struct jd_str jd_element_bytes(struct jd_el el, struct jd_arena *arena)
{
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	struct jd_str text = JD_STR_NULL;
	struct jd_stanza *st;

	jd_xml_copy(x, el);
	st = jd_built(x);
	if (st)
		text = jd_stanza_bytes(st, arena);
	jd_stanza_unref(st);
	return text;
}

static void on_parsed(void *arg, struct wire_builder *b)
{
	struct stanza_rules rules = {.body_chars = SIZE_MAX};
	struct stanza_scratch *scratch = mem_new(struct stanza_scratch);
	struct jd_wire **ret_wire = arg;
	struct wire_meta meta;

	if (stanza_meta(b, &rules, scratch, &meta) != 0 || wire_finish(b, &meta, ret_wire) < 0)
		*ret_wire = NULL;
	mem_free(scratch);
}

struct jd_stanza *jd_stanza_parse(struct jd_str bytes)
{
	static const struct scan_events events = {.element = on_parsed};
	struct jd_wire *wire = NULL;
	struct scan *scan = scan_new(server.scans, SCAN_FRAMED, JD_NS_STANZA, &events, &wire);

	scan_limits(scan, &scan_limits_after);
	if (scan_feed(scan, bytes.p, bytes.len) != SCAN_OK) {
		wire_unref(wire);
		wire = NULL;
	}
	scan_free(scan);
	return wire ? stanza_from_wire(server.stanzas, wire) : NULL;
}

struct jd_str jd_random_id(struct jd_arena *arena, size_t bytes)
{
	size_t len = (bytes * 4 + 2) / 3;
	char *p = jd_arena_bytes(arena, len + 1);

	crypto_random_id(p, bytes);
	return (struct jd_str){p, len};
}

struct jd_str jd_time_text(struct jd_arena *arena, jd_usec t)
{
	char *p = jd_arena_bytes(arena, DELAY_STAMP_LEN);

	return delay_format(t, p);
}
