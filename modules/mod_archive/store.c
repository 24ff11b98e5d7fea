/* SPDX-License-Identifier: MIT
 *
 * Stored first, then sent.  On its way in a message waits in its mailbox until its row
 * is committed to the log of the account that it is for; from then on it carries
 * the row, and nobody behind here may return it to its sender, whether somebody is there or not.
 * So whoever sees one of our ids can ask for what it names.
 *
 * On its way out it is the log of the sender that gets a row.  What the addressee sees
 * carries nothing of that, so the message goes on at once, and both homes commit at
 * the same time; what waits is the receipt, and with it the acknowledgement.  If the
 * row cannot be written in the end, the session ends, so that it is never acknowledged and
 * its client sends the message again.  Only where other devices get a copy, which
 * names the row, the message waits here, too.
 *
 * What cannot be stored and has not gone on is refused, and the sender hears so.
 */
#include "archive.h"

/* Before mod_carbons, which is at JD_PRIO_LAST - 10 and JD_PRIO_LAST. */
#define PRIO_STORE (JD_PRIO_LAST - 50)
/* Behind it: what only the account itself may see is taken out again. */
#define PRIO_STRIP (JD_PRIO_LAST + 10)

#define DEADLINE      (25 * JD_USEC_PER_SEC) /* sooner than the core's */
#define ROSTER_LISTED 32                     /* as mod_roster stores it */
#define AHEAD_MAX     64                     /* of a sender's rows while its messages go on */

static const char not_now[] = "The message could not be stored.";

static struct jd_stmt is_listed = {
	.name = "archive.is_listed",
	.lane = JD_LANE_READ,
	.sql = "SELECT state FROM roster_item WHERE owner = $1 AND jid = $2",
};

/* A message that is being stored: data of the call, which holds its receipt while it waits. */
struct storing {
	struct jd_instance *mi;
	struct jd_stanza_event ev;
	bool in;     /* it comes in */
	bool hidden; /* only until it is delivered */
	enum kept kept;
	int flags;
	unsigned changes; /* of the preferences, when they were asked for */
	bool one_of_many; /* it may come for other devices, too */
	struct copied copied;
	bool waiting, ended; /* the handler has returned WAIT; there is a verdict */
	enum jd_verdict verdict;
};

static struct home *home_of(struct storing *s)
{
	return jd_account_data(s->mi, s->ev.account);
}

static uint64_t owner_of(const struct storing *s)
{
	return jd_account_owner(s->ev.account);
}

static struct jd_jid peer_of(const struct storing *s)
{
	return s->in ? s->ev.st->from : s->ev.st->to;
}

/* -- the end -------------------------------------------------------------------------- */

static void end(struct storing *s, enum jd_verdict verdict)
{
	s->ended = true;
	s->verdict = verdict;
	if (s->waiting)
		jd_resume(s->ev.call, verdict);
}

static void refuse(struct storing *s)
{
	jd_bounce(s->ev.st, JD_RESOURCE_CONSTRAINT, not_now);
	end(s, JD_DROP);
}

static void on_late(void *arg)
{
	refuse(arg);
}

/* -- it waits ------------------------------------------------------------------------- */

/* What was taken back is gone from where it waits for a client to come back, too. */
static void forget_row(const struct storing *s, uint64_t id)
{
	struct jd_session *next;

	for (struct jd_session *p = jd_session_next(s->ev.account, NULL); p; p = next) {
		next = jd_session_next(s->ev.account, p);
		jd_session_forget_row(p, id);
	}
}

static void on_taken_back(void *arg, int result, uint64_t id, jd_usec at)
{
	struct storing *s = arg;

	(void)at;
	if (result == 0 && s->in)
		forget_row(s, id);
	end(s, JD_PASS);
}

static void name_row(struct storing *s, uint64_t id)
{
	if (!s->hidden)
		archive_tell_id(s->ev.st, jd_account_jid(s->ev.account), owner_of(s), id);
	if (s->in)
		jd_stanza_set_row(s->ev.st, owner_of(s), id);
}

static void on_stored(void *arg, int result, uint64_t id, jd_usec at)
{
	struct storing *s = arg;
	struct jd_stanza *st = s->ev.st;

	(void)at;
	if (result == -JD_ENOENT) { /* of nobody, or of who is being erased, nothing is kept */
		end(s, JD_PASS);
		return;
	}
	if (result == -JD_ELIMIT) {
		jd_bounce(st, JD_SERVICE_UNAVAILABLE, "Too many messages wait there already.");
		end(s, JD_DROP);
		return;
	}
	if (result < 0) {
		refuse(s);
		return;
	}
	if (s->one_of_many) {
		home_of(s)->copied = s->copied;
		home_of(s)->copied.id = id;
	}
	name_row(s, id);
	/* What is taken back is gone before anybody hears of it. */
	if (!archive_retract_by(s->mi, owner_of(s), st, !s->in, jd_call_pending(s->ev.call),
				on_taken_back, s))
		end(s, JD_PASS);
}

static struct jd_archive_put row_of(const struct storing *s)
{
	return (struct jd_archive_put){.owner = owner_of(s),
				       .peer = peer_of(s),
				       .out = !s->in,
				       .hidden = s->hidden,
				       .st = s->ev.st};
}

static void store_waiting(struct storing *s)
{
	struct jd_archive_put row = row_of(s);

	if (archive_put(s->mi, jd_call_pending(s->ev.call), &row, s->flags, false, on_stored, s) <
	    0)
		refuse(s);
}

/* -- it goes on ------------------------------------------------------------------------- */

/* A message that has gone on, while its sender's row is written. */
struct ahead {
	struct jd_receipt *receipt;
	struct jd_session *session; /* NULL: it has ended */
	struct jd_promise *promise; /* of the session */
};

static void on_session_gone(void *arg)
{
	struct ahead *a = arg;

	a->session = NULL;
	a->promise = NULL;
}

static void on_ahead(void *arg, int result, uint64_t id, jd_usec at)
{
	struct ahead *a = arg;
	struct jd_session *session = a->session;

	(void)id;
	(void)at;
	jd_promise_end(a->promise);
	if (result < 0 && result != -JD_ENOENT && session)
		jd_session_end(session, not_now);
	jd_receipt_drop(a->receipt); /* now that nobody would count it */
	jd_free(a);
}

static void store_ahead(struct storing *s)
{
	struct jd_archive_put row = row_of(s);
	struct ahead *a = jd_alloc(sizeof(*a));

	a->receipt = jd_receipt_take(s->ev.st);
	a->session = s->ev.session;
	a->promise = jd_promise_new(jd_session_pending(a->session), (void (*)(void))on_ahead,
				    on_session_gone, a);
	if (archive_put(s->mi, NULL, &row, s->flags, true, on_ahead, a) == 0) {
		(void)archive_retract_by(s->mi, owner_of(s), s->ev.st, true, NULL, NULL, NULL);
		end(s, JD_PASS);
		return;
	}
	jd_promise_end(a->promise);
	jd_receipt_drop(a->receipt);
	jd_free(a);
	refuse(s);
}

/* Others would get a copy, or too much of it is on its way already. */
static bool must_wait(struct storing *s)
{
	const struct log *log = archive_log_find(s->mi, owner_of(s));

	return s->in || (log && log->n_ops >= AHEAD_MAX) ||
	       jd_session_next(s->ev.account, jd_session_next(s->ev.account, NULL)) != NULL;
}

/* It has been stored, on its way to another device. */
static bool is_there(struct storing *s)
{
	uint64_t id;

	s->one_of_many = s->in && !s->hidden && archive_copied_read(s->ev.st, &s->copied);
	id = s->one_of_many ? archive_copied_row(home_of(s), &s->copied) : 0;
	if (!id)
		return false;
	name_row(s, id);
	end(s, JD_PASS);
	return true;
}

/* -- is it wanted? -------------------------------------------------------------------- */

static void store(struct storing *s, bool wanted)
{
	const struct archive *a = jd_data(s->mi);

	s->hidden = !wanted || s->kept == KEPT_UNTIL_DELIVERED;
	if (s->hidden && (!s->in || !a->deliver))
		end(s, JD_PASS);
	else if (is_there(s))
		return;
	else if (must_wait(s))
		store_waiting(s);
	else
		store_ahead(s);
}

static void on_listed(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	if (status != JD_DB_OK)
		refuse(s);
	else
		store(s, jd_rows_count(rows) && (jd_row_int(rows, 0, 0) & ROSTER_LISTED));
}

static void judge(struct storing *s)
{
	struct jd_jid peer = peer_of(s);
	enum keep keep = archive_home_keep(jd_data(s->mi), home_of(s), peer);

	if (keep != KEEP_ROSTER)
		store(s, keep == KEEP_ALWAYS);
	else if (jd_db_query(
			 jd_call_pending(s->ev.call), &is_listed,
			 JD_PARAMS(jd_int((int64_t)owner_of(s)), jd_text(jd_jid_bare_str(peer))),
			 on_listed, s) < 0)
		refuse(s);
}

static void load_home(struct storing *s);

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	if (status != JD_DB_OK) {
		refuse(s);
	} else if (home_of(s)->changes != s->changes) {
		load_home(s);
	} else {
		archive_home_fill(home_of(s), rows);
		judge(s);
	}
}

static void load_home(struct storing *s)
{
	s->changes = home_of(s)->changes;
	if (archive_home_load(jd_call_pending(s->ev.call), owner_of(s), on_loaded, s) < 0)
		refuse(s);
}

/* -- messages ------------------------------------------------------------------------- */

/* Before its message has gone anywhere. */
static bool in_trouble(const struct storing *s)
{
	const struct log *log = archive_log_find(s->mi, owner_of(s));

	return !s->in && log && log->failures;
}

static enum jd_verdict take(struct jd_instance *mi, struct jd_stanza_event *ev, bool in)
{
	const struct archive *a = jd_data(mi);
	int flags;
	enum kept kept = archive_rules(ev->st, &flags);
	struct storing *s;

	if (kept == KEPT_NO || (kept == KEPT_UNTIL_DELIVERED && (!in || !a->deliver)))
		return JD_PASS;
	s = jd_call_data(ev->call, sizeof(*s));
	s->mi = mi;
	s->ev = *ev;
	s->in = in;
	s->kept = kept;
	s->flags = flags;
	if (in_trouble(s))
		refuse(s);
	else if (home_of(s)->loaded)
		judge(s);
	else
		load_home(s);
	if (s->ended)
		return s->verdict;
	s->waiting = true;
	(void)jd_timer_start(jd_call_pending(ev->call), DEADLINE, on_late, s);
	return JD_WAIT;
}

/* What goes to the own account is stored when it comes in. */
static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind != JD_MESSAGE || !jd_account_owner(ev->account))
		return JD_PASS;
	jd_stanza_strip_ids(ev->st, jd_account_jid(ev->account));
	if (jd_jid_bare_eq(ev->st->to, ev->st->from))
		return JD_PASS;
	return take(mi, ev, false);
}

static enum jd_verdict on_session_last(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	if (ev->st->kind == JD_MESSAGE)
		jd_stanza_strip_ids(ev->st, jd_account_jid(ev->account));
	return JD_PASS;
}

/* What mod_message is going to return to its sender is not kept (RFC 6121 8.5.3.2.1). */
static bool is_for_nobody(const struct jd_stanza_event *ev)
{
	return ev->st->to.resource_len && !ev->session && !ev->again &&
	       ev->st->type != JD_TYPE_CHAT;
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	uint64_t owner = jd_account_owner(ev->account);

	/* One that has a row comes for a second time, from a session that has ended. */
	if (ev->st->kind != JD_MESSAGE || !owner || ev->st->row.owner == owner)
		return JD_PASS;
	jd_stanza_strip_ids(ev->st, jd_account_jid(ev->account));
	if (is_for_nobody(ev))
		return JD_PASS;
	return take(mi, ev, true);
}

int archive_store_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&is_listed};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on(mi, session_in, PRIO_STORE, on_session);
	if (r == 0)
		r = jd_on(mi, session_in, PRIO_STRIP, on_session_last);
	if (r == 0)
		r = jd_on(mi, account_in, PRIO_STORE, on_account);
	return r;
}
