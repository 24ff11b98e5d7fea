/* SPDX-License-Identifier: MIT
 *
 * Roster get, set and push (RFC 6121 sections 2.1 to 2.6).
 *
 * A set is answered when it is committed, and pushed to every session that has
 * asked for the roster.  With versioning, a client that has the current version
 * gets an empty answer; any other gets the whole roster, which 2.6.3 allows
 * and which needs no history.
 */
#include "roster.h"

#define NAME_MAX_BYTES   1023
#define GROUPS_MAX       64
#define GROUPS_MAX_BYTES 8192

/* -- writing ---------------------------------------------------------------------------- */

static const char *subscription_name(unsigned state)
{
	static const char *const names[] = {"none", "to", "from", "both"};

	return names[state & (ITEM_TO | ITEM_FROM)];
}

static void write_groups(struct jd_xml *x, const char *groups)
{
	for (const char *end; (end = strchr(groups, '\n')) != NULL; groups = end + 1)
		jd_xml_leaf(x, NULL, "group", (struct jd_str){groups, (size_t)(end - groups)});
}

static void write_item(struct jd_xml *x, const struct item *item)
{
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "jid", jd_cstr(item->jid));
	jd_xml_attr(x, "name", jd_cstr(item->name));
	jd_xml_attr(x, "subscription", jd_cstr(subscription_name(item->state)));
	if (item->state & ITEM_OUT)
		jd_xml_attr(x, "ask", JD_STR("subscribe"));
	if (item->state & ITEM_APPROVED)
		jd_xml_attr(x, "approved", JD_STR("true"));
	write_groups(x, item->groups);
	jd_xml_end(x);
}

static void write_removed(struct jd_xml *x, struct jd_str jid)
{
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "jid", jid);
	jd_xml_attr(x, "subscription", JD_STR("remove"));
	jd_xml_end(x);
}

static void start_query(struct jd_instance *mi, struct jd_xml *x, const struct roster *r)
{
	const struct options *o = jd_data(mi);

	jd_xml_start(x, NS_ROSTER, "query");
	if (o->versioning)
		jd_xml_attr_int(x, "ver", r->version);
}

void roster_push(struct jd_instance *mi, struct jd_account *a, const struct item *item,
		 struct jd_str jid)
{
	const struct roster *r = jd_account_data(mi, a);

	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		const struct interest *i = jd_session_data(mi, s);
		struct jd_stanza *push;
		struct jd_xml *x;

		if (!i->interested)
			continue;
		x = jd_stanza_new(JD_IQ, JD_TYPE_SET, JD_JID_NULL, jd_session_jid(s), JD_STR_NULL);
		start_query(mi, x, r);
		if (item)
			write_item(x, item);
		else
			write_removed(x, jid);
		jd_xml_end(x);
		push = jd_built(x);
		if (push)
			(void)jd_session_send(s, push);
		jd_stanza_unref(push);
	}
}

/* -- get ---------------------------------------------------------------------------------- */

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct options *o = jd_data(mi);
	struct roster *r;
	struct jd_str ver = jd_el_attr(iq->query, "ver");
	struct jd_xml *x;

	if (!iq->own) { /* as if there were no such account */
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
		return JD_DONE;
	}
	r = jd_account_data(mi, iq->account);
	if (iq->session)
		((struct interest *)jd_session_data(mi, iq->session))->interested = true;
	x = jd_iq_result(iq);
	if (!o->versioning || !ver.len ||
	    !jd_str_eq(ver, jd_arena_printf(iq->st->arena, "%lld", (long long)r->version))) {
		start_query(mi, x, r);
		for (size_t i = 0; i < r->count; i++)
			if (r->items[i]->state & ITEM_LISTED)
				write_item(x, r->items[i]);
		jd_xml_end(x);
	}
	jd_iq_reply(iq, x);
	return JD_DONE;
}

/* -- set ------------------------------------------------------------------------------------ */

/* What a set asks for, checked. */
struct wish {
	struct jd_jid jid;
	struct jd_str name;   /* p NULL: none */
	struct jd_str groups; /* one a line */
	bool remove;
};

static bool group_known(struct jd_str groups, struct jd_str group)
{
	const char *p = groups.p, *end = groups.p + groups.len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (jd_str_eq((struct jd_str){p, (size_t)(nl - p)}, group))
			return true;
		p = nl + 1;
	}
	return false;
}

/* 0, or the condition that RFC 6121 2.3.3 names (as a positive number + 1). */
static int read_groups(struct jd_iq *iq, struct jd_el item, struct jd_str *ret_groups)
{
	struct jd_arena *arena = iq->st->arena;
	struct jd_str all = JD_STR("");
	unsigned n = 0;

	JD_EL_EACH_IS(el, item, NS_ROSTER, "group")
	{
		struct jd_str g = jd_el_text(el, arena);

		if (!g.len || g.len > NAME_MAX_BYTES || memchr(g.p, '\n', g.len) ||
		    ++n > GROUPS_MAX || all.len + g.len > GROUPS_MAX_BYTES)
			return JD_NOT_ACCEPTABLE + 1;
		if (group_known(all, g))
			return JD_BAD_REQUEST + 1;
		all = jd_arena_printf(arena, "%.*s%.*s\n", JD_FMT(all), JD_FMT(g));
	}
	*ret_groups = all;
	return 0;
}

static int read_wish(struct jd_iq *iq, struct wish *w)
{
	struct jd_el item = jd_el_child(iq->query, NS_ROSTER, "item");

	if (!jd_el_ok(item) || jd_el_ok(jd_el_next_is(item, NS_ROSTER, "item")) ||
	    !jd_el_attr(item, "jid").p)
		return JD_BAD_REQUEST + 1;
	if (jd_jid_parse(iq->st->arena, jd_el_attr(item, "jid"), &w->jid) < 0)
		return JD_JID_MALFORMED + 1;
	w->jid = jd_jid_bare(w->jid);
	if (jd_jid_eq(w->jid, jd_account_jid(iq->account)))
		return JD_NOT_ALLOWED + 1;
	w->remove = jd_str_is(jd_el_attr(item, "subscription"), "remove");
	w->name = jd_el_attr(item, "name");
	if (w->name.len > NAME_MAX_BYTES)
		return JD_NOT_ACCEPTABLE + 1;
	if (!w->name.len)
		w->name = JD_STR_NULL;
	return read_groups(iq, item, &w->groups);
}

struct setting {
	struct change change; /* first */
	struct jd_iq *iq;
	struct jd_str jid; /* in the stanza's arena */
	unsigned state;    /* of a removed item, as it was */
	bool remove;
};

/* The contact hears of a removal (RFC 6121 2.5.2). */
static void tell_removed(struct setting *s)
{
	struct jd_account *a = s->change.account;
	struct jd_jid bare = jd_account_jid(a), to;

	if (jd_jid_parse(s->iq->st->arena, s->jid, &to) < 0)
		return;
	if (s->state & (ITEM_TO | ITEM_OUT))
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBE, bare, to, JD_STR_NULL));
	if (s->state & ITEM_FROM)
		send_presence(a, to, false);
	if (s->state & (ITEM_FROM | ITEM_IN))
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBED, bare, to, JD_STR_NULL));
}

static void on_set_written(void *arg, bool written)
{
	struct setting *s = arg;
	struct jd_account *a = s->change.account;
	struct roster *r = jd_account_data(s->change.mi, a);
	struct jd_call *call = s->iq->call;

	if (!written) {
		jd_iq_fail(s->iq, JD_INTERNAL_SERVER_ERROR, "The roster could not be written.");
	} else {
		roster_push(s->change.mi, a, s->remove ? NULL : roster_find(r, s->jid), s->jid);
		jd_iq_ok(s->iq);
		if (s->remove)
			tell_removed(s);
	}
	jd_resume(call, JD_DONE);
}

static size_t listed(const struct roster *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		n += (r->items[i]->state & ITEM_LISTED) != 0;
	return n;
}

/* Changes the roster in memory; 0 or a condition + 1. */
static int apply(struct jd_instance *mi, struct roster *r, const struct wish *w, struct setting *s)
{
	const struct options *o = jd_data(mi);
	struct item *item = roster_find(r, s->jid);

	if (w->remove) {
		if (!item || !(item->state & ITEM_LISTED))
			return JD_ITEM_NOT_FOUND + 1;
		s->state = item->state;
		roster_remove(r, item);
		return 0;
	}
	if (!item || !(item->state & ITEM_LISTED)) {
		if ((int64_t)listed(r) >= o->max_items)
			return JD_RESOURCE_CONSTRAINT + 1;
		if (!item)
			item = roster_add(r, s->jid);
	}
	item->state |= ITEM_LISTED;
	item_set(&item->name, w->name);
	item_set(&item->groups, w->groups);
	return 0;
}

static enum jd_verdict refuse(struct jd_iq *iq, int condition)
{
	jd_iq_fail(iq, (enum jd_condition)(condition - 1), NULL);
	return JD_DONE;
}

static enum jd_verdict on_set(struct jd_instance *mi, struct jd_iq *iq)
{
	struct setting *s = jd_arena_new(iq->st->arena, struct setting);
	struct roster *r;
	struct wish w = {0};
	int bad;

	if (!iq->own)
		return refuse(iq, JD_FORBIDDEN + 1);
	bad = read_wish(iq, &w);
	if (bad)
		return refuse(iq, bad);
	r = jd_account_data(mi, iq->account);
	s->jid = jd_jid_str(w.jid);
	s->remove = w.remove;
	bad = apply(mi, r, &w, s);
	if (bad)
		return refuse(iq, bad);
	s->iq = iq;
	s->change = (struct change){mi, iq->account, on_set_written, s, 0};
	if (roster_write(&s->change, jd_call_pending(iq->call),
			 w.remove ? NULL : roster_find(r, s->jid), s->jid) < 0)
		return refuse(iq, JD_RESOURCE_CONSTRAINT + 1);
	return JD_WAIT;
}

int query_start(struct jd_instance *mi)
{
	const struct options *o = jd_data(mi);
	int r;

	if (o->versioning)
		jd_stream_feature(mi, JD_NS_ROSTERVER, "ver");
	jd_stream_feature(mi, NS_PRE_APPROVAL, "sub");
	jd_feature(mi, JD_TO_HOST, NS_ROSTER);
	r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_ROSTER, "query", on_get);
	if (r < 0)
		return r;
	return jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_ROSTER, "query", on_set);
}
