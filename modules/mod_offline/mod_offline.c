/* SPDX-License-Identifier: MIT
 *
 * Messages for those who are away (XEP-0160).  Nothing is stored here: the log of
 * the account has every message already (mod_archive), and being offline is a
 * position in it.  The parts are listed in offline.h; here is what happens to
 * sessions and to messages that changes the position or what a session is told.
 */
#include "offline.h"

#define NS_CHAT_STATES "http://jabber.org/protocol/chatstates"

/* Behind what is in the log and whoever pushes it, before mod_carbons, which is at
 * JD_PRIO_LAST - 10, and mod_message, at JD_PRIO_LAST. */
#define PRIO_ACCOUNT (JD_PRIO_LAST - 20)
/* Right behind mod_archive. */
#define PRIO_STORED (JD_PRIO_LAST - 49)

static bool is_receiving(const struct jd_session *s)
{
	return jd_session_presence(s) && jd_session_priority(s) >= 0;
}

/* -- sessions -------------------------------------------------------------------------------- */

static void on_bound(struct jd_instance *mi, struct jd_session_event *ev)
{
	drain_bound(offline_drain(mi, ev->session));
}

static void on_presence(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct drain *d = offline_drain(mi, ev->session);

	if (!jd_account_owner(ev->account))
		return;
	if (is_receiving(ev->session) && d->phase == PHASE_AWAY)
		drain_begin(d);
	else if (!is_receiving(ev->session) && d->phase != PHASE_AWAY)
		drain_stop(d);
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	if (!jd_session_next(ev->account, NULL))
		offline_home_leave(offline_home(mi, ev->account));
}

/* -- rows ------------------------------------------------------------------------------------ */

static void on_taken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	offline_home_taken(offline_home(mi, ev->account), ev->rows, ev->n);
}

/* The first of the rows that nobody has and this session was not given; 0: none. */
static uint64_t first_missed(const struct home *h, const struct drain *d, struct jd_taken_event *ev)
{
	uint64_t first = 0;

	for (size_t i = 0; i < ev->n; i++) {
		uint64_t id = ev->rows[i];

		if ((!first || id < first) && !idset_has(&h->taken, id) &&
		    !idset_has(&d->given, id))
			first = id;
	}
	return first;
}

/* Who else is there reads them from the log. */
static void on_untaken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	struct home *h = offline_home(mi, ev->account);
	struct jd_session *next;

	for (struct jd_session *s = jd_session_next(ev->account, NULL); s; s = next) {
		struct drain *d = offline_drain(mi, s);
		uint64_t from = s != ev->session ? first_missed(h, d, ev) : 0;

		next = jd_session_next(ev->account, s);
		if (from)
			drain_rewind(d, from);
	}
}

/* -- messages for the account ---------------------------------------------------------------- */

/* It has a chat state, and nothing that anybody would miss. */
static bool is_typing(struct jd_stanza *st)
{
	bool any = false;

	JD_EL_EACH(el, jd_stanza_root(st))
	{
		if (jd_el_is(el, NS_CHAT_STATES, NULL))
			any = true;
		else if (!jd_el_is(el, JD_NS_STANZA, "thread") &&
			 !jd_el_is(el, "urn:xmpp:hints", NULL) && !jd_el_is(el, JD_NS_SID, NULL))
			return false;
	}
	return any;
}

static bool somebody_there(const struct jd_stanza_event *ev)
{
	if (ev->session)
		return true;
	for (struct jd_session *s = jd_session_next(ev->account, NULL); s;
	     s = jd_session_next(ev->account, s))
		if (is_receiving(s))
			return true;
	return false;
}

static bool is_stored(const struct jd_stanza_event *ev)
{
	return ev->st->kind == JD_MESSAGE && ev->st->row.owner &&
	       ev->st->row.owner == jd_account_owner(ev->account);
}

/* Sessions that have been bound are told of this row, whatever the database says later. */
static void note_first(struct jd_instance *mi, const struct jd_account *a, uint64_t id)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		struct drain *d = offline_drain(mi, s);

		if (!d->bound_first)
			d->bound_first = id;
	}
}

static enum jd_verdict on_stored(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (is_stored(ev) && !ev->again) {
		offline_home_see(offline_home(mi, ev->account), ev->st->row.id);
		note_first(mi, ev->account, ev->st->row.id);
	}
	return JD_PASS;
}

/* A message that a session had when it died is in the log, where the others of the account find
 * it: it need not come once more. A chat state for nobody is no reason for an error. */
static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_stanza *st = ev->st;

	(void)mi;
	if (is_stored(ev))
		return ev->again ? JD_DONE : JD_PASS;
	if (st->kind == JD_MESSAGE && (st->type == JD_TYPE_CHAT || st->type == JD_TYPE_NONE) &&
	    is_typing(st) && !somebody_there(ev))
		return JD_DONE;
	return JD_PASS;
}

/* -- the module ------------------------------------------------------------------------------ */

static int start_hooks(struct jd_instance *mi)
{
	int r = jd_on(mi, session_bound, JD_PRIO_NORMAL, on_bound);

	if (r == 0)
		r = jd_on(mi, session_presence, JD_PRIO_LATE, on_presence);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	if (r == 0)
		r = jd_on(mi, session_taken, JD_PRIO_NORMAL, on_taken);
	if (r == 0)
		r = jd_on(mi, session_untaken, JD_PRIO_NORMAL, on_untaken);
	if (r == 0)
		r = jd_on(mi, account_in, PRIO_STORED, on_stored);
	if (r == 0)
		r = jd_on(mi, account_in, PRIO_ACCOUNT, on_account);
	return r;
}

static int start(struct jd_instance *mi)
{
	struct offline *o = jd_data(mi);
	int r;

	o->archive = jd_service(mi, "archive", &o->archive_mi);
	if (!o->archive)
		return -JD_ENOENT;
	r = offline_position_start(mi);
	if (r == 0)
		r = offline_begin_start(mi);
	if (r == 0)
		r = offline_status_start(mi);
	if (r == 0)
		r = offline_gate_start(mi);
	if (r == 0)
		r = start_hooks(mi);
	if (r == 0)
		o->archive->deliver(o->archive_mi, true);
	jd_feature(mi, JD_TO_HOST, "msgoffline");
	return r;
}

static void stop(struct jd_instance *mi)
{
	struct offline *o = jd_data(mi);

	if (o->archive)
		o->archive->deliver(o->archive_mi, false);
}

JD_MODULE(offline, .summary = "Messages for those who are away (XEP-0160)", .needs = "archive",
	  .after = "message", .data_size = sizeof(struct offline),
	  .account_size = sizeof(struct home), .session_size = sizeof(struct drain),
	  .account_free = offline_home_free, .session_free = offline_drain_free, .start = start,
	  .stop = stop);
