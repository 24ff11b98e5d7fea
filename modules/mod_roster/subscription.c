/* SPDX-License-Identifier: MIT
 *
 * Subscriptions (RFC 6121 section 3): the four requests, from our user to a
 * contact (outbound) and from a contact to our user (inbound).
 *
 * The state tables of appendix A, and the approval in advance of section 3.4, are
 * one table here: a request meets some bits of an item's state, clears some and
 * sets some.  What no row meets changes nothing.  A change is written before anybody
 * hears of it.
 *
 * An approval in advance stays, for the next time that they ask, until the user
 * takes it back by "unsubscribed" or removes the contact.
 */
#include "roster.h"

/* Some cells of appendix A. The first one that is met counts. */
struct rule {
	enum jd_type type;
	unsigned any;  /* applies if the state has one of these (0: always) ... */
	unsigned none; /* ... and none of these */
	unsigned clear, set;
	bool always_on; /* goes on to the other side even if nothing changes */
	bool kept;      /* does not go on even if something changes */
};

static const struct rule outbound[] = {
	{JD_TYPE_SUBSCRIBE, 0, ITEM_TO, 0, ITEM_OUT | ITEM_LISTED, true, false},
	{JD_TYPE_UNSUBSCRIBE, ITEM_TO | ITEM_OUT, 0, ITEM_TO | ITEM_OUT, 0, true, false},
	{JD_TYPE_SUBSCRIBED, ITEM_IN, 0, ITEM_IN, ITEM_FROM | ITEM_LISTED, false, false},
	{JD_TYPE_SUBSCRIBED, 0, ITEM_FROM | ITEM_APPROVED, 0, ITEM_APPROVED | ITEM_LISTED, false,
	 true},
	{JD_TYPE_UNSUBSCRIBED, ITEM_IN | ITEM_FROM, 0, ITEM_IN | ITEM_FROM | ITEM_APPROVED, 0,
	 false, false},
	{JD_TYPE_UNSUBSCRIBED, ITEM_APPROVED, 0, ITEM_APPROVED, 0, false, true},
};

static const struct rule inbound[] = {
	{JD_TYPE_SUBSCRIBE, ITEM_APPROVED, ITEM_FROM | ITEM_IN, 0, ITEM_FROM, false, true},
	{JD_TYPE_SUBSCRIBE, 0, ITEM_FROM | ITEM_IN, 0, ITEM_IN, false, false},
	{JD_TYPE_UNSUBSCRIBE, ITEM_IN | ITEM_FROM, 0, ITEM_IN | ITEM_FROM, 0, false, false},
	{JD_TYPE_SUBSCRIBED, ITEM_OUT, 0, ITEM_OUT, ITEM_TO | ITEM_LISTED, false, false},
	{JD_TYPE_UNSUBSCRIBED, ITEM_TO | ITEM_OUT, 0, ITEM_TO | ITEM_OUT, 0, false, false},
};

#define ITEM_SHOWN           (ITEM_TO | ITEM_FROM | ITEM_OUT | ITEM_APPROVED | ITEM_LISTED)
#define PENDING_REQUESTS_MAX 1000
#define REQUEST_MAX_BYTES    4096

static bool rule_meets(const struct rule *rule, unsigned state)
{
	return (!rule->any || state & rule->any) && !(state & rule->none);
}

/* NULL: nothing changes. */
static const struct rule *find_rule(const struct rule *rules, size_t n, enum jd_type type,
				    unsigned state)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].type == type && rule_meets(&rules[i], state))
			return &rules[i];
	return NULL;
}

static bool is_request(const struct jd_stanza *st)
{
	return st->kind == JD_PRESENCE &&
	       (st->type == JD_TYPE_SUBSCRIBE || st->type == JD_TYPE_SUBSCRIBED ||
		st->type == JD_TYPE_UNSUBSCRIBE || st->type == JD_TYPE_UNSUBSCRIBED);
}

/* -- a change on its way ------------------------------------------------------------------------
 */

struct step {
	struct change change; /* first */
	struct jd_call *call;
	struct jd_stanza *st;
	struct jd_jid contact; /* bare */
	const struct rule *rule;
	unsigned before, after;
	void (*done)(struct step *s);
};

void send_presence(struct jd_account *a, struct jd_jid to, bool available)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		struct jd_stanza *p = jd_session_presence(s), *copy;

		if (!p)
			continue;
		if (!available) {
			jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, jd_session_jid(s),
					      to, JD_STR_NULL));
			continue;
		}
		copy = jd_stanza_clone(p);
		jd_stanza_set_to(copy, to);
		jd_route(copy);
		jd_stanza_unref(copy);
	}
}

/* Changes the item in memory; NULL when the item has gone. */
static struct item *item_apply(struct roster *r, struct step *s)
{
	struct jd_str jid = jd_jid_str(s->contact);
	struct item *item = roster_find(r, jid);

	if (!s->after) {
		if (item)
			roster_remove(r, item);
		return NULL;
	}
	if (!item)
		item = roster_add(r, jid);
	item->state = s->after;
	if (!(s->after & ITEM_IN))
		item_set(&item->request, JD_STR_NULL);
	else if (!(s->before & ITEM_IN))
		item_set(&item->request, jd_stanza_bytes(s->st, s->st->arena));
	return item;
}

static void on_step_written(void *arg, bool written)
{
	struct step *s = arg;
	struct roster *r = jd_account_data(s->change.mi, s->change.account);

	if (!written) {
		jd_bounce(s->st, JD_INTERNAL_SERVER_ERROR, "The roster could not be written.");
		jd_resume(s->call, JD_DROP);
		return;
	}
	if ((s->before ^ s->after) & ITEM_SHOWN)
		roster_push(s->change.mi, s->change.account, roster_find(r, jd_jid_str(s->contact)),
			    jd_jid_str(s->contact));
	s->done(s);
}

static enum jd_verdict step_start(struct jd_instance *mi, struct jd_stanza_event *ev,
				  struct step *s)
{
	struct roster *r = jd_account_data(mi, ev->account);
	struct item *item;

	s->after = (s->before & ~s->rule->clear) | s->rule->set;
	s->change = (struct change){mi, ev->account, on_step_written, s, 0};
	s->call = ev->call;
	s->st = ev->st;
	item = item_apply(r, s);
	if (roster_write(&s->change, jd_call_pending(ev->call), item, jd_jid_str(s->contact)) < 0) {
		jd_bounce(ev->st, JD_RESOURCE_CONSTRAINT, NULL);
		return JD_DROP;
	}
	return JD_WAIT;
}

static unsigned state_of(const struct roster *r, struct jd_jid contact)
{
	const struct item *item = roster_find(r, jd_jid_str(contact));

	return item ? item->state : 0;
}

/* -- outbound
 * --------------------------------------------------------------------------------------- */

/* The request goes on to the contact; presence follows an approval and precedes a refusal. */
static void outbound_done(struct step *s)
{
	struct jd_account *a = s->change.account;
	bool had_from = s->before & ITEM_FROM, has_from = s->after & ITEM_FROM;

	if (had_from && !has_from)
		send_presence(a, s->contact, false);
	if (!s->rule->kept)
		jd_route(s->st);
	if (has_from && !had_from)
		send_presence(a, s->contact, true);
	jd_resume(s->call, JD_DONE);
}

/* What the other side may need to hear in whatever state we are (3.1.2, 3.3.2). */
static bool goes_on_unchanged(enum jd_type type)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(outbound); i++)
		if (outbound[i].type == type && outbound[i].always_on)
			return true;
	return false;
}

static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	const struct options *o = jd_data(mi);
	struct roster *r = jd_account_data(mi, ev->account);
	const struct rule *rule;
	struct step *s;

	if (!is_request(ev->st))
		return JD_PASS;
	jd_stanza_set_from(ev->st, jd_account_jid(ev->account));
	jd_stanza_set_to(ev->st, jd_jid_bare(ev->st->to));
	if (jd_jid_eq(ev->st->to, ev->st->from)) /* one sees oneself already */
		return JD_DROP;
	s = jd_arena_new(ev->st->arena, struct step);
	s->contact = ev->st->to;
	s->before = state_of(r, s->contact);
	s->done = outbound_done;
	s->rule = rule = find_rule(outbound, JD_ARRAY_SIZE(outbound), ev->st->type, s->before);
	if (!rule)
		return goes_on_unchanged(ev->st->type) ? JD_PASS : JD_DROP;
	if ((s->before | rule->set) == s->before && !(s->before & rule->clear))
		return JD_PASS; /* asked before: it goes out again */
	if (!s->before && (int64_t)r->count >= o->max_items) {
		jd_bounce(ev->st, JD_RESOURCE_CONSTRAINT, NULL);
		return JD_DROP;
	}
	return step_start(mi, ev, s);
}

/* -- inbound
 * ------------------------------------------------------------------------------------------ */

/* Requests go to everybody who is available, news of a contact's decision to those who
 * asked for the roster. */
static void deliver(struct step *s)
{
	bool request = s->st->type == JD_TYPE_SUBSCRIBE;

	for (struct jd_session *to = jd_session_next(s->change.account, NULL); to;
	     to = jd_session_next(s->change.account, to)) {
		const struct interest *i = jd_session_data(s->change.mi, to);

		if (request ? jd_session_presence(to) != NULL : i->interested)
			(void)jd_session_send(to, s->st);
	}
}

/* Who may see us, or had been approved before he asked, is told so at once (3.1.3, 3.4.2). */
static void answer_subscribed(struct jd_account *a, struct jd_stanza *st)
{
	jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_SUBSCRIBED, jd_account_jid(a),
			      jd_jid_bare(st->from), st->id));
}

static void inbound_done(struct step *s)
{
	if (s->rule->kept) {
		answer_subscribed(s->change.account, s->st);
		send_presence(s->change.account, s->contact, true);
		jd_resume(s->call, JD_DONE);
		return;
	}
	if (s->before & ITEM_FROM && !(s->after & ITEM_FROM))
		send_presence(s->change.account, s->contact, false);
	deliver(s);
	jd_resume(s->call, JD_DONE);
}

static size_t requests(const struct roster *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		n += (r->items[i]->state & ITEM_IN) != 0;
	return n;
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct roster *r = jd_account_data(mi, ev->account);
	struct step *s;

	if (!is_request(ev->st))
		return JD_PASS;
	/* Subscriptions are between accounts, whatever addresses a server has put there. */
	jd_stanza_set_from(ev->st, jd_jid_bare(ev->st->from));
	jd_stanza_set_to(ev->st, jd_account_jid(ev->account));
	s = jd_arena_new(ev->st->arena, struct step);
	s->contact = ev->st->from;
	s->before = state_of(r, s->contact);
	s->done = inbound_done;
	s->rule = find_rule(inbound, JD_ARRAY_SIZE(inbound), ev->st->type, s->before);
	if (!s->rule) {
		if (ev->st->type == JD_TYPE_SUBSCRIBE && s->before & ITEM_FROM)
			answer_subscribed(ev->account, ev->st);
		return JD_DONE;
	}
	if (s->rule->set & ITEM_IN &&
	    (requests(r) >= PENDING_REQUESTS_MAX ||
	     jd_stanza_bytes(ev->st, ev->st->arena).len > REQUEST_MAX_BYTES)) {
		jd_bounce(ev->st, JD_RESOURCE_CONSTRAINT, NULL);
		return JD_DROP;
	}
	return step_start(mi, ev, s);
}

int subscription_start(struct jd_instance *mi)
{
	int r = jd_on(mi, session_in, JD_PRIO_EARLY, on_session);

	if (r < 0)
		return r;
	return jd_on(mi, account_in, JD_PRIO_EARLY, on_account);
}
