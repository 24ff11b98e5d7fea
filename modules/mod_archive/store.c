/* SPDX-License-Identifier: MIT
 *
 * Stored first, then sent.  A message waits in its mailbox until its row is
 * committed: on its way in, that of the account that it is for; on its way out, that
 * of the account that sends it.  So the order of an account's rows is the order of
 * its messages, and whoever sees one of our ids can ask for what it names.
 *
 * The number of a row is given by the database, in the unit that writes it: the
 * counter of the owner is locked until the commit, so rows become visible in
 * the order of their numbers, and a client that pages with "after" misses none.
 * Its time is given here, and never twice: by it a row is found again when the
 * connection broke at its COMMIT and nobody knows whether it is there.  The unit
 * is refused when the time is not later than the last one, which happens only when
 * what is remembered here is out of date; then it is loaded again.
 *
 * If it cannot be stored, nobody gets it and the sender hears so.
 */
#include "archive.h"

/* Before mod_carbons, which is at JD_PRIO_LAST - 10 and JD_PRIO_LAST. */
#define PRIO_STORE (JD_PRIO_LAST - 50)
/* Behind it: what only the account itself may see is taken out again. */
#define PRIO_STRIP (JD_PRIO_LAST + 10)

#define DEADLINE      (25 * JD_USEC_PER_SEC) /* sooner than the core's */
#define LOOK_AGAIN    JD_USEC_PER_SEC
#define ORIGIN_ID_MAX 1024
#define ROSTER_LISTED 32 /* as mod_roster stores it */
#define MAX_ATTEMPTS  3

static const char not_now[] = "The message could not be stored.";

static struct jd_stmt load = {
	.name = "archive.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT o.last_at, p.jid, p.keep FROM archive_owner o"
	       " LEFT JOIN archive_pref p ON p.owner = o.owner WHERE o.owner = $1 LIMIT 1001",
};

/* Not for an account that is being erased. */
static struct jd_stmt make_owner = {
	.name = "archive.make_owner",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_owner (owner, next_id, total, last_at)"
	       " SELECT owner, 1, 0, 0 FROM account WHERE owner = $1 AND NOT EXISTS"
	       " (SELECT 1 FROM account_leaving WHERE owner = $1) ON CONFLICT (owner) DO NOTHING",
};

/* The same, as the end of that unit. */
static struct jd_stmt load_made = {
	.name = "archive.load_made",
	.lane = JD_LANE_WRITE,
	.sql = "SELECT o.last_at, p.jid, p.keep FROM archive_owner o"
	       " LEFT JOIN archive_pref p ON p.owner = o.owner WHERE o.owner = $1 LIMIT 1001",
};

static struct jd_stmt is_listed = {
	.name = "archive.is_listed",
	.lane = JD_LANE_READ,
	.sql = "SELECT state FROM roster_item WHERE owner = $1 AND jid = $2",
};

static struct jd_stmt count_up = {
	.name = "archive.count_up",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive_owner SET next_id = next_id + 1, total = total + 1, last_at = $2"
	       " WHERE owner = $1 AND last_at < $2",
	.expect = 1,
};

static struct jd_stmt put = {
	.name = "archive.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive (owner, id, at, peer, resource, direction, type, origin_id,"
	       " flags, format, stanza)"
	       " VALUES ($1, (SELECT next_id - 1 FROM archive_owner WHERE owner = $1), $2, $3, $4,"
	       " $5, $6, $7, $8, 0, $9) RETURNING id",
};

static struct jd_stmt find = {
	.name = "archive.find",
	.lane = JD_LANE_READ,
	.sql = "SELECT id FROM archive WHERE owner = $1 AND at = $2",
};

/* A message that is being stored: data of the call. */
struct storing {
	struct jd_instance *mi;
	struct jd_stanza_event ev;
	struct jd_receipt *receipt;
	bool in; /* it comes in */
	int flags;
	int64_t at;
	unsigned attempts;
	unsigned changes;    /* of the preferences, when they were asked for */
	bool waiting, ended; /* the handler has returned WAIT; there is a verdict */
	enum jd_verdict verdict;
};

static void write_row(struct storing *s);

static struct home *home_of(struct storing *s)
{
	return jd_account_data(s->mi, s->ev.account);
}

static int64_t owner_of(const struct storing *s)
{
	return (int64_t)jd_account_owner(s->ev.account);
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
	jd_receipt_drop(s->receipt);
	s->receipt = NULL;
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

/* Whoever comes later finds it in the archive: it is no error that nobody is there. */
static bool somebody_there(const struct storing *s)
{
	struct jd_stanza *st = s->ev.st;

	if (st->to.resource_len && jd_session_find(s->ev.account, jd_jid_resource(st->to)))
		return true;
	if (st->to.resource_len && st->type != JD_TYPE_CHAT)
		return false;
	for (struct jd_session *i = jd_session_next(s->ev.account, NULL); i;
	     i = jd_session_next(s->ev.account, i))
		if (jd_session_presence(i) && jd_session_priority(i) >= 0)
			return true;
	return false;
}

static bool has_siblings(const struct storing *s)
{
	return jd_session_next(s->ev.account, jd_session_next(s->ev.account, NULL)) != NULL;
}

static void tell_id(struct storing *s, uint64_t id)
{
	struct jd_stanza *st = s->ev.st;
	struct jd_xml *x = jd_stanza_add(st);

	jd_xml_start(x, JD_NS_SID, "stanza-id");
	jd_xml_attr(x, "by", jd_jid_str(jd_account_jid(s->ev.account)));
	jd_xml_attr(x, "id", jd_stanza_id_encode(st->arena, (uint64_t)owner_of(s), id));
	jd_xml_end(x);
	jd_stanza_added(st, x);
}

static void stored(struct storing *s, uint64_t id)
{
	if (s->in ? somebody_there(s) : has_siblings(s))
		tell_id(s, id);
	end(s, s->in && !somebody_there(s) ? JD_DONE : JD_PASS);
}

/* -- writing -------------------------------------------------------------------------- */

static void load_home(struct storing *s);
static void look(void *arg);

/* Memory was behind the database, or the account is going. */
static void conflict(struct storing *s)
{
	home_of(s)->loaded = false;
	if (++s->attempts >= MAX_ATTEMPTS)
		refuse(s);
	else
		load_home(s);
}

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	switch (status) {
	case JD_DB_OK:
		stored(s, (uint64_t)jd_row_int(rows, 0, 0));
		return;
	case JD_DB_UNCERTAIN:
		look(s);
		return;
	case JD_DB_CONFLICT:
		conflict(s);
		return;
	case JD_DB_FAILED:
		refuse(s);
	}
}

/* Later ones may have been written since, so a second attempt has a time of its own. */
static void on_looked(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	if (status != JD_DB_OK)
		(void)jd_timer_start(jd_call_pending(s->ev.call), LOOK_AGAIN, look, s);
	else if (jd_rows_count(rows))
		stored(s, (uint64_t)jd_row_int(rows, 0, 0));
	else if (++s->attempts >= MAX_ATTEMPTS)
		refuse(s);
	else
		write_row(s);
}

static void look(void *arg)
{
	struct storing *s = arg;

	if (jd_db_query(jd_call_pending(s->ev.call), &find,
			JD_PARAMS(jd_int(owner_of(s)), jd_int(s->at)), on_looked, s) < 0)
		(void)jd_timer_start(jd_call_pending(s->ev.call), LOOK_AGAIN, look, s);
}

/* Times grow, whatever the clock does. */
static int64_t next_time(struct home *h)
{
	int64_t now = (int64_t)jd_now();

	h->last_at = now > h->last_at ? now : h->last_at + 1;
	return h->last_at;
}

static struct jd_str origin_id(const struct storing *s)
{
	struct jd_el el = jd_el_child(jd_stanza_root(s->ev.st), JD_NS_SID, "origin-id");
	struct jd_str id = jd_el_attr(el, "id");

	return id.len > ORIGIN_ID_MAX ? JD_STR_NULL : id;
}

static void write_row(struct storing *s)
{
	struct jd_stanza *st = s->ev.st;
	struct jd_unit *unit = jd_unit_new();
	struct jd_param owner = jd_int(owner_of(s)), at;

	s->at = next_time(home_of(s));
	at = jd_int(s->at);
	jd_unit_key(unit, (uint64_t)owner.num);
	jd_unit_add(unit, &count_up, JD_PARAMS(owner, at));
	jd_unit_add(unit, &put,
		    JD_PARAMS(owner, at, jd_text(jd_jid_bare_str(peer_of(s))),
			      jd_text(jd_jid_resource(peer_of(s))), jd_int(!s->in),
			      jd_int(st->type == JD_TYPE_CHAT), jd_text(origin_id(s)),
			      jd_int(s->flags), jd_blob(jd_stanza_bytes(st, st->arena))));
	if (jd_unit_submit(unit, jd_call_pending(s->ev.call), on_written, s) < 0)
		refuse(s);
}

/* -- is it wanted? -------------------------------------------------------------------- */

static void on_listed(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	if (status != JD_DB_OK)
		refuse(s);
	else if (jd_rows_count(rows) && (jd_row_int(rows, 0, 0) & ROSTER_LISTED))
		write_row(s);
	else
		end(s, JD_PASS);
}

static void judge(struct storing *s)
{
	struct jd_jid peer = peer_of(s);

	switch (archive_home_keep(jd_data(s->mi), home_of(s), peer)) {
	case KEEP_NEVER:
		end(s, JD_PASS);
		return;
	case KEEP_ALWAYS:
		write_row(s);
		return;
	case KEEP_ROSTER:
		if (jd_db_query(jd_call_pending(s->ev.call), &is_listed,
				JD_PARAMS(jd_int(owner_of(s)), jd_text(jd_jid_bare_str(peer))),
				on_listed, s) < 0)
			refuse(s);
	}
}

/* -- loading -------------------------------------------------------------------------- */

static void on_made(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;

	if (status != JD_DB_OK || !jd_rows_count(rows)) {
		refuse(s);
		return;
	}
	if (home_of(s)->changes != s->changes) {
		load_home(s);
		return;
	}
	archive_home_fill(home_of(s), rows);
	judge(s);
}

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct storing *s = arg;
	struct jd_unit *unit;

	if (status != JD_DB_OK || jd_rows_count(rows)) {
		on_made(s, status, rows);
		return;
	}
	unit = jd_unit_new();
	jd_unit_key(unit, (uint64_t)owner_of(s));
	jd_unit_add(unit, &make_owner, JD_PARAMS(jd_int(owner_of(s))));
	jd_unit_add(unit, &load_made, JD_PARAMS(jd_int(owner_of(s))));
	if (jd_unit_submit(unit, jd_call_pending(s->ev.call), on_made, s) < 0)
		refuse(s);
}

static void load_home(struct storing *s)
{
	s->changes = home_of(s)->changes;
	if (jd_db_query(jd_call_pending(s->ev.call), &load, JD_PARAMS(jd_int(owner_of(s))),
			on_loaded, s) < 0)
		refuse(s);
}

/* -- messages ------------------------------------------------------------------------- */

static enum jd_verdict store(struct jd_instance *mi, struct jd_stanza_event *ev, bool in, int flags)
{
	struct storing *s = jd_call_data(ev->call, sizeof(*s));

	s->mi = mi;
	s->ev = *ev;
	s->in = in;
	s->flags = flags;
	s->receipt = jd_receipt_take(ev->st);
	if (home_of(s)->loaded)
		judge(s);
	else
		load_home(s);
	if (s->ended)
		return s->verdict;
	s->waiting = true;
	(void)jd_timer_start(jd_call_pending(ev->call), DEADLINE, on_late, s);
	return JD_WAIT;
}

/* Only the account itself may say what its archive calls a message (XEP-0359 section 5). */
static bool is_own_id(struct jd_el child, const void *arg)
{
	const struct jd_stanza_event *ev = arg;
	struct jd_jid by;

	return jd_el_is(child, JD_NS_SID, "stanza-id") &&
	       jd_jid_parse(ev->st->arena, jd_el_attr(child, "by"), &by) == 0 &&
	       jd_jid_eq(by, jd_account_jid(ev->account));
}

/* What goes to the own account is stored when it comes in. */
static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	int flags;

	if (ev->st->kind != JD_MESSAGE || !jd_account_owner(ev->account))
		return JD_PASS;
	(void)jd_stanza_remove(ev->st, is_own_id, ev);
	if (jd_jid_bare_eq(ev->st->to, ev->st->from) || !archive_rules_keep(ev->st, &flags))
		return JD_PASS;
	return store(mi, ev, false, flags);
}

static enum jd_verdict on_session_last(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	if (ev->st->kind == JD_MESSAGE)
		(void)jd_stanza_remove(ev->st, is_own_id, ev);
	return JD_PASS;
}

/* What mod_message is going to return to its sender is not kept (RFC 6121 8.5.3.2.1). */
static bool is_for_nobody(const struct jd_stanza_event *ev)
{
	return ev->st->to.resource_len && !ev->session && ev->st->type != JD_TYPE_CHAT;
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	int flags;

	if (ev->st->kind != JD_MESSAGE || !jd_account_owner(ev->account))
		return JD_PASS;
	(void)jd_stanza_remove(ev->st, is_own_id, ev);
	if (is_for_nobody(ev) || !archive_rules_keep(ev->st, &flags))
		return JD_PASS;
	return store(mi, ev, true, flags);
}

int archive_store_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load,     &make_owner, &load_made, &is_listed,
					      &count_up, &put,        &find};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on(mi, session_in, PRIO_STORE, on_session);
	if (r == 0)
		r = jd_on(mi, session_in, PRIO_STRIP, on_session_last);
	if (r == 0)
		r = jd_on(mi, account_in, PRIO_STORE, on_account);
	return r;
}
