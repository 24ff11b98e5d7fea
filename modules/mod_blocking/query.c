/* SPDX-License-Identifier: MIT
 *
 * What clients ask of their block list, and are told.
 *
 * A change is answered and pushed when it is committed.  Whoever becomes blocked
 * by it and may see the user hears that the user has gone; whoever is not blocked
 * any more sees the user again.
 */
#include "blocking.h"

/* A change on its way; in the stanza's arena. */
struct setting {
	struct change change;
	struct jids asked; /* all that the client named; the change has what is new */
	struct jd_instance *mi;
	struct jd_iq *iq;
};

/* -- what clients are told ----------------------------------------------------------- */

static void write_items(struct jd_xml *x, const char *name, struct jids jids)
{
	jd_xml_start(x, NS_BLOCKING, name);
	for (size_t i = 0; i < jids.n; i++) {
		jd_xml_start(x, NULL, "item");
		jd_xml_attr(x, "jid", jids.p[i]);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

/* To every session that has asked for the list. */
static void push(const struct setting *set)
{
	struct jd_account *a = set->iq->account;
	struct jd_session *s, *next;

	for (s = jd_session_next(a, NULL); s; s = next) {
		const struct interest *i = jd_session_data(set->mi, s);
		struct jd_stanza *st;
		struct jd_xml *x;

		next = jd_session_next(a, s);
		if (!i->interested)
			continue;
		x = jd_stanza_new(JD_IQ, JD_TYPE_SET, JD_JID_NULL, jd_session_jid(s), JD_STR_NULL);
		write_items(x, set->change.block ? "block" : "unblock", set->asked);
		st = jd_built(x);
		if (st)
			(void)jd_session_send(s, st);
		jd_stanza_unref(st);
	}
}

/* -- what contacts are told ---------------------------------------------------------- */

static void show(struct jd_account *a, struct jd_jid to, bool available)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		struct jd_stanza *copy;

		if (!jd_session_presence(s))
			continue;
		if (!available) {
			jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, jd_session_jid(s),
					      to, JD_STR_NULL));
			continue;
		}
		copy = jd_stanza_clone(jd_session_presence(s));
		jd_stanza_set_to(copy, to);
		jd_route(copy);
		jd_stanza_unref(copy);
	}
}

/* By the list as it is without the addresses of the change. */
static bool is_blocked(const struct setting *set, struct jd_jid jid)
{
	return blocklist_blocks(jd_account_data(set->mi, set->iq->account), jid);
}

/* Who is available is what a contact may see of it; unblocked, the user sees the contact, too. */
static void tell_contact(const struct jd_contact *contact, void *arg)
{
	const struct setting *set = arg;
	struct jd_account *a = set->iq->account;
	struct jd_jid to = contact->jid;

	if (!jd_jid_ok(to) || is_blocked(set, to) ||
	    !(blocking_have(set->change.jids, jd_jid_str(to)) ||
	      blocking_have(set->change.jids, jd_jid_domain(to))))
		return;
	if (contact->subscription & JD_SUB_FROM)
		show(a, to, !set->change.block);
	if (contact->subscription & JD_SUB_TO && !set->change.block)
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_PROBE, jd_account_jid(a), to,
				      JD_STR_NULL));
}

/* One device of a contact: only that one is told. */
static void tell_device(const struct setting *set, const struct jd_roster_ops *ops,
			struct jd_instance *roster, struct jd_str jid)
{
	struct jd_account *a = set->iq->account;
	struct jd_contact contact;
	struct jd_jid to;

	if (jd_jid_parse(set->iq->st->arena, jid, &to) < 0 || !to.resource_len ||
	    is_blocked(set, to) || blocking_have(set->change.jids, jd_jid_bare_str(to)) ||
	    blocking_have(set->change.jids, jd_jid_domain(to)))
		return;
	if (ops->find(roster, a, jd_jid_bare_str(to), &contact) &&
	    contact.subscription & JD_SUB_FROM)
		show(a, to, !set->change.block);
}

/* Becomes blocked by this change. */
static bool is_new(struct jd_jid who, void *arg)
{
	const struct setting *set = arg;
	struct jids jids = set->change.jids;

	return (blocking_have(jids, jd_jid_str(who)) || blocking_have(jids, jd_jid_bare_str(who)) ||
		blocking_have(jids, jd_jid_domain(who))) &&
	       !is_blocked(set, who);
}

/* Rooms, and whoever else was told of a session by directed presence. */
static void withdraw(struct setting *set)
{
	struct jd_instance *presence;
	const struct jd_presence_ops *ops = jd_service(set->mi, "presence", &presence);

	if (ops && set->change.block)
		ops->withdraw(presence, set->iq->account, is_new, set);
}

static void tell_all(struct setting *set)
{
	struct blocklist *l = jd_account_data(set->mi, set->iq->account);
	struct jd_instance *roster;
	const struct jd_roster_ops *ops = jd_service(set->mi, "roster", &roster);

	if (!ops)
		return;
	l->telling = true;
	ops->each(roster, set->iq->account, JD_SUB_BOTH, tell_contact, set);
	for (size_t i = 0; i < set->change.jids.n; i++)
		tell_device(set, ops, roster, set->change.jids.p[i]);
	withdraw(set);
	l->telling = false;
}

/* -- get ----------------------------------------------------------------------------- */

/* As if there were no such account. */
static bool is_foreign(struct jd_iq *iq)
{
	if (!iq->own)
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	return !iq->own;
}

static struct jids whole_list(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct blocklist *l = jd_account_data(mi, iq->account);
	struct jids all = {jd_arena_alloc(iq->st->arena, (l->count + 1) * sizeof(struct jd_str)),
			   l->count};

	for (size_t i = 0; i < l->count; i++)
		all.p[i] = jd_arena_str(iq->st->arena, jd_cstr(l->jids[i]));
	return all;
}

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_xml *x;

	if (is_foreign(iq))
		return JD_DONE;
	((struct interest *)jd_session_data(mi, iq->session))->interested = true;
	x = jd_iq_result(iq);
	write_items(x, "blocklist", whole_list(mi, iq));
	jd_iq_reply(iq, x);
	return JD_DONE;
}

/* -- set ----------------------------------------------------------------------------- */

static enum jd_verdict refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

/* 0, or the condition that the request is refused with, plus 1. */
static int read_items(struct jd_iq *iq, struct jids *ret_jids)
{
	struct jids jids = {NULL, 0};
	size_t n = 0;

	JD_EL_EACH_IS(el, iq->query, NS_BLOCKING, "item")
	n++;
	jids.p = jd_arena_alloc(iq->st->arena, (n + 1) * sizeof(jids.p[0]));
	JD_EL_EACH_IS(item, iq->query, NS_BLOCKING, "item")
	{
		struct jd_jid jid;

		if (!jd_el_attr(item, "jid").p)
			return JD_BAD_REQUEST + 1;
		if (jd_jid_parse(iq->st->arena, jd_el_attr(item, "jid"), &jid) < 0)
			return JD_JID_MALFORMED + 1;
		if (jd_jid_bare_eq(jid, jd_account_jid(iq->account)))
			return JD_NOT_ALLOWED + 1;
		jids.p[jids.n++] = jd_jid_str(jid);
	}
	blocking_sort(&jids);
	*ret_jids = jids;
	return 0;
}

/* Of those that were asked for, what is not as wished already. */
static struct jids changing(struct jd_iq *iq, const struct blocklist *l, struct jids asked,
			    bool block)
{
	struct jids out = {jd_arena_alloc(iq->st->arena, (asked.n + 1) * sizeof(out.p[0])), 0};

	for (size_t i = 0; i < asked.n; i++)
		if (blocklist_has(l, asked.p[i]) != block)
			out.p[out.n++] = asked.p[i];
	return out;
}

static bool has_room(struct jd_instance *mi, const struct blocklist *l, struct jids more)
{
	const struct options *o = jd_data(mi);
	size_t bytes = l->bytes;

	for (size_t i = 0; i < more.n; i++)
		bytes += more.p[i].len;
	return (int64_t)(l->count + more.n) <= o->max_items && bytes <= LIST_MAX_BYTES;
}

/* Contacts are told while memory has the list without the addresses: they are blocked by the
 * last of what names them, and free when nothing does any more. */
static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct setting *set = arg;
	struct jd_call *call = set->iq->call;
	struct blocklist *l = jd_account_data(set->mi, set->iq->account);

	(void)rows;
	if (status != JD_DB_OK) {
		jd_iq_fail(set->iq, JD_INTERNAL_SERVER_ERROR,
			   "The block list could not be written.");
		jd_resume(call, JD_DONE);
		return;
	}
	if (set->change.block)
		tell_all(set);
	blocklist_written(l, &set->change);
	if (!set->change.block)
		tell_all(set);
	jd_iq_ok(set->iq);
	push(set);
	jd_resume(call, JD_DONE);
}

static enum jd_verdict set_list(struct jd_instance *mi, struct jd_iq *iq, bool block,
				struct jids asked, struct jids jids)
{
	struct setting *set = jd_arena_new(iq->st->arena, struct setting);

	*set = (struct setting){{block, jids, 0}, asked, mi, iq};
	if (!jids.n) {
		jd_iq_ok(iq);
		push(set);
		return JD_DONE;
	}
	if (blocklist_write(mi, iq, &set->change, on_written, set) < 0)
		return refuse(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

static enum jd_verdict on_block(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct blocklist *l = jd_account_data(mi, iq->account);
	struct jids asked, jids;
	int bad;

	if (is_foreign(iq))
		return JD_DONE;
	bad = read_items(iq, &asked);
	if (bad)
		return refuse(iq, (enum jd_condition)(bad - 1), NULL);
	if (!asked.n)
		return refuse(iq, JD_BAD_REQUEST, "There is no item.");
	jids = changing(iq, l, asked, true);
	if (!has_room(mi, l, jids))
		return refuse(iq, JD_RESOURCE_CONSTRAINT, "The block list is full.");
	return set_list(mi, iq, true, asked, jids);
}

static enum jd_verdict on_unblock(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct blocklist *l = jd_account_data(mi, iq->account);
	struct jids asked;
	int bad;

	if (is_foreign(iq))
		return JD_DONE;
	bad = read_items(iq, &asked);
	if (bad)
		return refuse(iq, (enum jd_condition)(bad - 1), NULL);
	if (asked.n)
		return set_list(mi, iq, false, asked, changing(iq, l, asked, false));
	if (jd_el_ok(jd_el_first(iq->query))) /* not what somebody meant who named something */
		return refuse(iq, JD_BAD_REQUEST, "There is no item.");
	return set_list(mi, iq, false, asked, whole_list(mi, iq));
}

int blocking_query_start(struct jd_instance *mi)
{
	int r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_BLOCKING, "blocklist", on_get);

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_BLOCKING, "block", on_block);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_BLOCKING, "unblock", on_unblock);
	jd_feature(mi, JD_TO_HOST, NS_BLOCKING);
	return r;
}
