/* SPDX-License-Identifier: MIT
 *
 * Blocking (XEP-0191): an account has a list of addresses that it has nothing to
 * do with.
 *
 *   in     messages and requests are refused as if nobody were there, presence and
 *          answers vanish
 *   out    what a client sends is refused; presence that the server sends on its
 *          behalf (broadcast, probes) is held back
 *
 *   list.c    lists in memory and in the database
 *   query.c   what clients ask and are told
 *
 * Never blocked are the account itself and the server that it is on.
 */
#include "blocking.h"

/* Behind the loading of the roster, before anything that acts on a stanza. */
#define PRIO_BLOCK (JD_PRIO_FIRST + 100)

static const struct jd_option options[] = {
	JD_OPT_INT("max_items", struct options, max_items, "1000", 1, 100000,
		   "Addresses that one account may block."),
	JD_OPT_END,
};

static bool is_blocked(struct jd_instance *mi, struct jd_account *a, struct jd_jid peer)
{
	return jd_jid_ok(peer) && blocklist_blocks(jd_account_data(mi, a), peer) &&
	       !jd_jid_bare_eq(peer, jd_account_jid(a)) &&
	       !jd_jid_eq(peer, jd_host_jid(jd_account_host(a)));
}

/* -- in ------------------------------------------------------------------------------ */

static enum jd_verdict on_account_first(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	return blocklist_load(mi, ev->account, ev->call);
}

/* Headlines are never answered, and a room takes an error for leaving it. */
static bool is_answered(const struct jd_stanza *st)
{
	switch (st->type) {
	case JD_TYPE_NONE:
	case JD_TYPE_CHAT:
		return st->kind == JD_MESSAGE;
	case JD_TYPE_GET:
	case JD_TYPE_SET:
		return true;
	default:
		return false;
	}
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (!is_blocked(mi, ev->account, ev->st->from))
		return JD_PASS;
	if (is_answered(ev->st))
		jd_bounce(ev->st, JD_SERVICE_UNAVAILABLE, NULL);
	return JD_DROP;
}

/* Requests to subscribe, and messages, that were stored before. */
static bool on_write(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	const struct jd_stanza *st = ev->st;
	bool stored = st->kind == JD_PRESENCE ? st->type == JD_TYPE_SUBSCRIBE
					      : st->kind == JD_MESSAGE && st->row.owner;

	return stored && is_blocked(mi, ev->account, st->from);
}

/* -- out ----------------------------------------------------------------------------- */

static enum jd_verdict on_session_first(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	return blocklist_load(mi, ev->account, ev->call);
}

static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	static const struct jd_error blocked = {
		.condition = JD_NOT_ACCEPTABLE,
		.type = JD_ERRTYPE_CANCEL,
		.text = "You have blocked this address.",
		.app_ns = "urn:xmpp:blocking:errors",
		.app_name = "blocked",
	};

	if (!is_blocked(mi, ev->account, ev->st->to))
		return JD_PASS;
	jd_bounce_error(ev->st, &blocked);
	return JD_DROP;
}

/* Everybody who could see the user heard that he has gone when he blocked them, and hears no more.
 * Only the end of a subscription is told to them, too: both sides must agree about it. */
static bool on_presence_out(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	enum jd_type type = ev->st->type;

	return (type == JD_TYPE_NONE || type == JD_TYPE_PROBE || type == JD_TYPE_UNAVAILABLE) &&
	       is_blocked(mi, ev->account, ev->st->to) &&
	       !((const struct blocklist *)jd_account_data(mi, ev->account))->telling;
}

/* -- the module ---------------------------------------------------------------------- */

static void account_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	blocklist_clear(data);
}

static int start(struct jd_instance *mi)
{
	int r = blocklist_start(mi);

	if (r == 0)
		r = jd_on(mi, session_in, JD_PRIO_FIRST, on_session_first);
	if (r == 0)
		r = jd_on(mi, session_in, PRIO_BLOCK, on_session);
	if (r == 0)
		r = jd_on(mi, account_in, JD_PRIO_FIRST, on_account_first);
	if (r == 0)
		r = jd_on(mi, account_in, PRIO_BLOCK, on_account);
	if (r == 0)
		r = jd_on(mi, session_out, JD_PRIO_FIRST, on_write);
	if (r == 0)
		r = jd_on(mi, presence_out, JD_PRIO_FIRST, on_presence_out);
	if (r == 0)
		r = blocking_query_start(mi);
	return r;
}

JD_MODULE(blocking, .summary = "Blocking of addresses (XEP-0191)", .after = "roster",
	  .data_size = sizeof(struct options), .account_size = sizeof(struct blocklist),
	  .session_size = sizeof(struct interest), .options = options, .account_free = account_free,
	  .start = start);
