/* SPDX-License-Identifier: MIT
 *
 * The gate of a session: what others write to it while it is being told what
 * waited.  A message of the log is not let through, because the session is going to
 * read it from there; one that is not in the log waits, because it may not overtake
 * those of the same sender that are.  What rooms say, headlines, presence and IQs
 * belong to nothing that could wait here and go through.  And nobody gets a row
 * twice: what a session has been given is remembered, whatever way it came.
 */
#include "offline.h"

/* More than this goes back to its sender: what is not stored may come again. */
#define HELD_MOST 128
#define HELD_SIZE ((size_t)256 << 10)

static bool is_from_account(const struct jd_stanza_event *ev)
{
	return jd_jid_eq(ev->st->from, jd_account_jid(ev->account));
}

/* -- messages that are not in the log -------------------------------------------------------- */

/* A page of a room's archive has rows of that, and its end would not wait for it. */
static bool must_wait(const struct jd_stanza_event *ev)
{
	const struct jd_stanza *st = ev->st;

	return st->kind == JD_MESSAGE && !st->row.owner && st->type != JD_TYPE_GROUPCHAT &&
	       st->type != JD_TYPE_HEADLINE && !is_from_account(ev);
}

/* Others of the account get it, too. */
static bool is_shared(const struct jd_stanza_event *ev)
{
	if (jd_jid_eq(ev->st->to, jd_session_jid(ev->session)))
		return false;
	for (struct jd_session *s = jd_session_next(ev->account, NULL); s;
	     s = jd_session_next(ev->account, s))
		if (s != ev->session && jd_session_presence(s) && jd_session_priority(s) >= 0)
			return true;
	return false;
}

static void refuse(const struct jd_stanza_event *ev)
{
	static const struct jd_error full = {
		.condition = JD_RESOURCE_CONSTRAINT,
		.type = JD_ERRTYPE_WAIT,
		.text = "Too much is waiting for this session.",
	};

	jd_log_peer(JD_LOG_INFO, "message refused: too many wait for offline messages",
		    jd_kv_str("jid", jd_jid_str(jd_session_jid(ev->session))));
	if (!is_shared(ev))
		jd_bounce_error(ev->st, &full);
}

static void hold(struct drain *d, const struct jd_stanza_event *ev)
{
	struct jd_stanza *st = ev->st;
	struct held *h;
	size_t size = jd_stanza_size(st);

	if (d->n_held >= HELD_MOST || d->held_size + size > HELD_SIZE) {
		refuse(ev);
		return;
	}
	h = jd_alloc(sizeof(*h));
	h->st = jd_stanza_keep(st);
	*d->end = h;
	d->end = &h->next;
	d->n_held++;
	d->held_size += jd_stanza_size(h->st);
}

static struct jd_stanza *take(struct drain *d)
{
	struct held *h = d->first;
	struct jd_stanza *st = h->st;

	d->first = h->next;
	if (!d->first)
		d->end = &d->first;
	d->n_held--;
	d->held_size -= jd_stanza_size(st);
	jd_free(h);
	return st;
}

void gate_open(struct drain *d)
{
	while (d->first && !drain_runs(d)) {
		struct jd_stanza *st = take(d);

		(void)jd_session_send(d->session, st);
		jd_stanza_unref(st);
	}
}

void gate_drop(struct drain *d)
{
	while (d->first)
		jd_stanza_unref(take(d));
}

/* -- rows ------------------------------------------------------------------------------------ */

static void note(struct drain *d, const struct home *h, uint64_t id)
{
	if (d->given.n > IDSET_RANGES / 4)
		idset_prune(&d->given, &h->taken);
	idset_add(&d->given, id, id);
}

/* The archive's mark is on what it shows. */
static bool is_hidden(const struct jd_stanza_event *ev)
{
	struct jd_str bare = jd_jid_str(jd_account_jid(ev->account));

	JD_EL_EACH_IS(el, jd_stanza_root(ev->st), JD_NS_SID, "stanza-id")
	{
		if (jd_str_eq(jd_el_attr(el, "by"), bare))
			return false;
	}
	return true;
}

/* True: it is not written. Copies and pages of the archive go through whenever they come. */
static bool on_row(struct drain *d, struct home *h, const struct jd_stanza_event *ev)
{
	uint64_t id = ev->st->row.id;
	bool mine = d->writing || is_from_account(ev);

	if (!mine && idset_has(&d->given, id))
		return true;
	if (!mine && drain_runs(d)) {
		if (id > d->missed)
			d->missed = id;
		if (!d->live)
			d->live = id;
		return true;
	}
	d->passed |= d->writing;
	note(d, h, id);
	if (!mine && is_hidden(ev))
		idset_add(&h->hidden, id, id);
	return false;
}

/* The last of all: what gets so far is written. */
static bool on_write(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct drain *d = offline_drain(mi, ev->session);

	if (ev->st->row.owner && ev->st->row.owner == jd_account_owner(ev->account))
		return on_row(d, offline_home(mi, ev->account), ev);
	if (!drain_runs(d) || d->writing || !must_wait(ev))
		return false;
	hold(d, ev);
	return true;
}

int offline_gate_start(struct jd_instance *mi)
{
	return jd_on(mi, session_out, JD_PRIO_LAST, on_write);
}
