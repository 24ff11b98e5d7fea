/* SPDX-License-Identifier: MIT
 *
 * What waits for a session, from the log to its connection.  It begins when the
 * session becomes available to messages and goes, in order, through every row that
 * is to be delivered, above the position of the account, page by page as the
 * connection takes them.  Rows that somebody has, or this session has got in
 * another way, are passed over.  What is stored meanwhile is not written to the
 * session at once (gate.c): it is read from the log in its turn.  When there is
 * nothing behind what was read, the session goes over to live.
 */
#include "offline.h"

#define RETRY_AFTER (5 * JD_USEC_PER_SEC)
#define LIVE_FOR    (5 * JD_USEC_PER_SEC)

struct home *drain_home(struct drain *d)
{
	return offline_home(d->mi, jd_session_account(d->session));
}

struct drain *offline_drain(struct jd_instance *mi, struct jd_session *session)
{
	struct drain *d = jd_session_data(mi, session);

	if (!d->session) {
		d->mi = mi;
		d->session = session;
		d->given.keeps_new = true;
		d->end = &d->first;
	}
	return d;
}

void offline_drain_free(struct jd_instance *mi, void *data)
{
	struct drain *d = data;

	(void)mi;
	gate_drop(d);
	jd_free(d->hidden);
	idset_fini(&d->given);
}

/* -- steps ----------------------------------------------------------------------------------- */

/* What was asked for has come. False: it is of no use any more. */
bool drain_wanted(struct drain *d)
{
	bool stale = d->stale;

	d->busy = d->stale = false;
	if (stale)
		drain_step(d);
	return !stale;
}

static void on_time(void *arg)
{
	struct drain *d = arg;

	d->busy = d->stale = false;
	drain_step(d);
}

/* The database does not answer: what waits goes on waiting. */
void drain_retry(struct drain *d)
{
	d->busy = true;
	(void)jd_timer_start(jd_session_pending(d->session), RETRY_AFTER, on_time, d);
}

void drain_next_page(struct drain *d)
{
	d->busy = true;
	jd_session_when_drained(d->session, jd_session_pending(d->session), on_time, d);
}

/* -- writing a row --------------------------------------------------------------------------- */

static bool is_waited_for(struct drain *d, uint64_t id)
{
	return !idset_has(&drain_home(d)->taken, id) && !idset_has(&d->given, id);
}

/* It came while others were read, and has not waited to speak of. */
static bool is_live(const struct drain *d, const struct jd_archived *row)
{
	return d->live && row->id >= d->live && jd_now() < row->at + LIVE_FOR;
}

static struct jd_stanza *copy(struct drain *d, const struct jd_archived *row)
{
	struct jd_stanza *st = jd_stanza_clone(row->st);
	struct home *h = drain_home(d);

	if (!is_live(d, row)) {
		struct jd_xml *x = jd_stanza_add(st);

		jd_delay_write(x, jd_host_jid(jd_account_host(h->account)), row->at);
		jd_stanza_added(st, x);
	}
	jd_stanza_set_row(st, h->owner, row->id);
	return st;
}

/* False: the session takes nothing any more. What others refuse in its name (the sender has been
 * blocked since) nobody waits for. */
bool drain_write(struct drain *d, const struct jd_archived *row)
{
	struct jd_stanza *st;
	bool good;

	if (row->hidden)
		idset_add(&drain_home(d)->hidden, row->id, row->id);
	if (!row->st || !is_waited_for(d, row->id))
		return true;
	st = copy(d, row);
	d->writing = true;
	d->passed = false;
	good = jd_session_send(d->session, st);
	d->writing = false;
	jd_stanza_unref(st);
	if (good && !d->passed)
		offline_home_taken(drain_home(d), &row->id, 1);
	return good;
}

int drain_read(struct drain *d, uint64_t after, uint64_t before, jd_archive_read_fn fn)
{
	const struct offline *o = jd_data(d->mi);
	struct jd_archive_read what = {
		.owner = drain_home(d)->owner,
		.after = after,
		.before = before,
		.limit = DRAIN_PAGE,
		.deliver = true,
	};

	return o->archive->read(o->archive_mi, jd_session_pending(d->session), &what, fn, d);
}

/* -- all rows from where it begins ----------------------------------------------------------- */

static void pass(struct drain *d, uint64_t to)
{
	offline_home_gap(drain_home(d), d->at + 1, to);
	if (to > d->at)
		d->at = to;
}

void drain_end(struct drain *d)
{
	if (d->missed > d->at) {
		drain_next_page(d);
		return;
	}
	if (drain_home(d)->seen < d->at)
		drain_home(d)->seen = d->at;
	d->phase = PHASE_LIVE;
	gate_open(d);
}

static void on_rows(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct drain *d = arg;

	if (!drain_wanted(d))
		return;
	if (result < 0) {
		drain_retry(d);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!drain_write(d, &rows[i])) {
			drain_retry(d);
			return;
		}
		pass(d, rows[i].id);
	}
	/* it was there when this page was asked for, and is no more */
	if (!more && d->asked > d->at)
		d->at = d->asked;
	if (more)
		drain_next_page(d);
	else
		drain_end(d);
}

void drain_rows(struct drain *d)
{
	d->asked = d->missed;
	d->busy = true;
	if (drain_read(d, d->at, 0, on_rows) < 0)
		drain_retry(d);
}

void drain_step(struct drain *d)
{
	if (d->busy)
		return;
	switch (d->phase) {
	case PHASE_START:
		begin_step(d);
		break;
	case PHASE_HIDDEN:
		begin_hidden(d);
		break;
	case PHASE_ROWS:
		drain_rows(d);
		break;
	case PHASE_AWAY:
	case PHASE_LIVE:
		break;
	}
}

/* -- from outside ---------------------------------------------------------------------------- */

void drain_loaded(struct drain *d, bool good)
{
	if (d->phase != PHASE_START || d->busy)
		return;
	if (good)
		drain_step(d);
	else
		drain_retry(d);
}

void drain_begin(struct drain *d)
{
	d->missed = d->live = 0;
	d->phase = PHASE_START;
	drain_step(d);
}

void drain_stop(struct drain *d)
{
	d->phase = PHASE_AWAY;
	d->stale = d->busy;
	gate_open(d);
}

void drain_rewind(struct drain *d, uint64_t from)
{
	switch (d->phase) {
	case PHASE_AWAY:
		return;
	case PHASE_START:
		if (d->bound_at >= from)
			d->bound_at = from - 1;
		if (!d->bound_first || d->bound_first > from)
			d->bound_first = from;
		return;
	case PHASE_HIDDEN:
		break;
	case PHASE_ROWS:
		d->stale |= d->busy && d->at >= from;
		break;
	case PHASE_LIVE:
		d->phase = PHASE_ROWS;
		d->live = 0;
		break;
	}
	if (d->at >= from)
		d->at = from - 1;
	drain_step(d);
}
