/* SPDX-License-Identifier: MIT
 *
 * The message of the day: told to each account once, to the session that becomes
 * available next.
 *
 * It is in memory and in a row of the host; of an account only the number of the
 * last one that it was told is kept.  So an old one costs nothing, and a new one
 * is one read and one write for each account that comes.
 */
#include "announce.h"

static struct jd_stmt load = {
	.name = "announce.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT id, subject, body FROM motd WHERE host = $1",
};

static struct jd_stmt put = {
	.name = "announce.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO motd (host, id, subject, body) VALUES ($1, $2, $3, $4)"
	       " ON CONFLICT (host) DO UPDATE SET id = excluded.id, subject = excluded.subject,"
	       " body = excluded.body",
};

static struct jd_stmt drop = {
	.name = "announce.drop",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM motd WHERE host = $1",
};

static struct jd_stmt get_seen = {
	.name = "announce.get_seen",
	.lane = JD_LANE_READ,
	.sql = "SELECT motd FROM motd_seen WHERE owner = $1",
};

static struct jd_stmt put_seen = {
	.name = "announce.put_seen",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO motd_seen (owner, motd)"
	       " SELECT owner, CAST($2 AS BIGINT) FROM account WHERE owner = $1"
	       " ON CONFLICT (owner) DO UPDATE SET motd = excluded.motd",
};

static struct jd_stmt drop_seen = {
	.name = "announce.drop_seen",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM motd_seen WHERE owner = $1",
};

static struct motd *motd_of(struct jd_instance *mi)
{
	return &((struct announce *)jd_data(mi))->motd;
}

static void motd_be(struct motd *m, int64_t id, struct text text)
{
	jd_free(m->subject);
	jd_free(m->body);
	m->latest = id;
	m->id = text.body.p ? id : 0;
	m->subject = text.subject.p ? jd_strdup(text.subject) : NULL;
	m->body = text.body.p ? jd_strdup(text.body) : NULL;
}

/* -- telling ------------------------------------------------------------------------------ */

static void tell(struct jd_instance *mi, struct jd_session *s, struct seen *seen)
{
	int64_t owner = (int64_t)jd_account_owner(jd_session_account(s));
	const struct motd *m = motd_of(mi);
	struct jd_unit *unit = jd_unit_new();

	seen->id = m->id;
	send_text(mi, jd_session_jid(s), (struct text){jd_cstr(m->subject), jd_cstr(m->body)});
	jd_unit_key(unit, (uint64_t)owner);
	jd_unit_add(unit, &put_seen, JD_PARAMS(jd_int(owner), jd_int(m->id)));
	if (jd_unit_submit(unit, jd_instance_pending(mi), NULL, NULL) < 0)
		jd_log(JD_LOG_WARNING, "the database is busy: somebody is told the message of the "
				       "day again");
}

static struct jd_session *first_available(const struct jd_account *a)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		if (jd_session_presence(s) && jd_session_priority(s) >= 0)
			return s;
	return NULL;
}

/* Pending with the account, so that is there; the session that came may have gone. */
static void on_seen(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct seen *seen = arg;
	struct jd_session *s = first_available(seen->account);
	const struct motd *m = motd_of(seen->mi);

	seen->asking = false;
	if (status != JD_DB_OK || !s || !m->id)
		return;
	seen->id = jd_rows_count(rows) ? jd_row_int(rows, 0, 0) : 0;
	if (seen->id != m->id)
		tell(seen->mi, s, seen);
}

static void on_presence(struct jd_instance *mi, struct jd_session_event *ev)
{
	const struct motd *m = motd_of(mi);
	int64_t owner = (int64_t)jd_account_owner(ev->account);
	struct seen *seen;

	if (!jd_session_presence(ev->session) || jd_session_priority(ev->session) < 0 || !m->id ||
	    !owner)
		return;
	seen = jd_account_data(mi, ev->account); /* mostly there is nothing to be seen */
	if (seen->id == m->id || seen->asking)
		return;
	if (seen->id) {
		tell(mi, ev->session, seen);
		return;
	}
	seen->mi = mi;
	seen->account = ev->account;
	/* Not now? Then at the next presence. */
	seen->asking = jd_db_query(jd_account_pending(ev->account), &get_seen,
				   JD_PARAMS(jd_int(owner)), on_seen, seen) == 0;
}

/* -- setting ------------------------------------------------------------------------------ */

/* It holds from now on, written or not: who has set it is told what became of that. */
int motd_set(struct jd_instance *mi, struct jd_owner *owner, struct text text, jd_db_fn fn,
	     void *arg)
{
	struct jd_str host = jd_host_name(jd_instance_host(mi));
	struct motd *m = motd_of(mi);
	struct jd_unit *unit = jd_unit_new();
	int64_t id = (int64_t)jd_now();
	int r;

	if (id <= m->latest)
		id = m->latest + 1;
	if (text.body.p)
		jd_unit_add(unit, &put,
			    JD_PARAMS(jd_text(host), jd_int(id), jd_text(text.subject),
				      jd_text(text.body)));
	else
		jd_unit_add(unit, &drop, JD_PARAMS(jd_text(host)));
	r = jd_unit_submit(unit, owner, fn, arg);
	if (r == 0)
		motd_be(m, id, text);
	return r;
}

/* -- starting ----------------------------------------------------------------------------- */

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct motd *m = motd_of(arg);

	if (status == JD_DB_OK && jd_rows_count(rows) && !m->latest)
		motd_be(m, jd_row_int(rows, 0, 0),
			(struct text){jd_row_null(rows, 0, 1) ? JD_STR_NULL
							      : jd_row_str(rows, 0, 1),
				      jd_row_str(rows, 0, 2)});
}

static void on_deleting(struct jd_instance *mi, struct jd_account_event *ev)
{
	(void)mi;
	jd_unit_add(ev->unit, &drop_seen, JD_PARAMS(jd_int((int64_t)ev->owner)));
}

int motd_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load, &put, &drop, &get_seen, &put_seen, &drop_seen};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on(mi, session_presence, JD_PRIO_LATE, on_presence);
	if (r == 0)
		r = jd_on(mi, account_deleting, JD_PRIO_NORMAL, on_deleting);
	if (r == 0)
		r = jd_db_query(jd_instance_pending(mi), &load,
				JD_PARAMS(jd_text(jd_host_name(jd_instance_host(mi)))), on_loaded,
				mi);
	return r;
}

void motd_stop(struct jd_instance *mi)
{
	motd_be(motd_of(mi), 0, (struct text){JD_STR_NULL, JD_STR_NULL});
}
