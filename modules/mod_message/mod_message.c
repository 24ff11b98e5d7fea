/* SPDX-License-Identifier: MIT
 *
 * Delivering messages to an account (RFC 6121 section 8.5), as one table:
 *
 *   addressed to          type               somebody there        nobody there
 *   ------------------    ----------------   -------------------   ---------------------
 *   bare address          normal, chat       every session with    service-unavailable
 *                                            priority >= 0
 *                         headline           the same              nothing
 *                         groupchat          service-unavailable   service-unavailable
 *                         error              nothing               nothing
 *   full address, there   any                that session          -
 *   full address, gone    chat               as to the bare address
 *                         normal, groupchat  -                     service-unavailable
 *                         headline, error    -                     nothing
 *
 * Section 8.5.2.1.1 lets a server choose between the most available session and
 * all of them; we choose all, because people have several devices.  What the account's log
 * has (its row is set) goes to whoever comes later, and is never returned.
 */
#include <jackdaw/module.h>
#include <jackdaw/stanza_id.h>

/* How many sessions it was given to. */
static unsigned deliver_all(const struct jd_stanza_event *ev)
{
	struct jd_session *s, *next;
	unsigned n = 0;

	for (s = jd_session_next(ev->account, NULL); s; s = next) {
		next = jd_session_next(ev->account, s);
		if (jd_session_presence(s) && jd_session_priority(s) >= 0)
			n += jd_session_send(s, ev->st);
	}
	return n;
}

/* In the account's log, where whoever comes finds it: it is no error that nobody is there. */
static bool is_stored(const struct jd_stanza_event *ev)
{
	return ev->st->row.owner && ev->st->row.owner == jd_account_owner(ev->account);
}

static enum jd_verdict to_bare(struct jd_stanza_event *ev)
{
	enum jd_type type = ev->st->type;

	if (type == JD_TYPE_ERROR)
		return JD_DONE;
	if (type == JD_TYPE_GROUPCHAT ||
	    (!deliver_all(ev) && type != JD_TYPE_HEADLINE && !is_stored(ev)))
		jd_bounce(ev->st, JD_SERVICE_UNAVAILABLE, NULL);
	return JD_DONE;
}

static enum jd_verdict to_full(struct jd_stanza_event *ev)
{
	switch (ev->st->type) {
	case JD_TYPE_CHAT:
		return to_bare(ev);
	case JD_TYPE_HEADLINE:
	case JD_TYPE_ERROR:
		return JD_DONE;
	default:
		if (!is_stored(ev))
			jd_bounce(ev->st, JD_SERVICE_UNAVAILABLE, NULL);
		return JD_DONE;
	}
}

static enum jd_verdict on_account_first(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	if (ev->st->kind == JD_MESSAGE && !is_stored(ev))
		jd_stanza_strip_ids(ev->st, jd_account_jid(ev->account));
	return JD_PASS;
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	if (ev->st->kind != JD_MESSAGE)
		return JD_PASS;
	if (!ev->st->to.resource_len || ev->again)
		return to_bare(ev);
	if (ev->session && jd_session_send(ev->session, ev->st))
		return JD_DONE;
	return to_full(ev);
}

static int start(struct jd_instance *mi)
{
	int r = jd_on(mi, account_in, JD_PRIO_FIRST, on_account_first);

	if (r < 0)
		return r;
	return jd_on(mi, account_in, JD_PRIO_LAST, on_account);
}

JD_MODULE(message, .summary = "Delivers messages to the sessions of an account (RFC 6121 8.5)",
	  .start = start);
