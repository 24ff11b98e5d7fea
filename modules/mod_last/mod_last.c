/* SPDX-License-Identifier: MIT
 *
 * Last activity (XEP-0012): since when nobody has been there, and since when the
 * host has been at work.
 *
 * Somebody is there while one session is available; who is connected but
 * invisible stays so.  When the last one goes, time and status are remembered
 * with the account and written some seconds later, many in one unit, since
 * nobody waits for it: a crash may lose what is not written yet, and no more.
 * Only who may see the account's presence is told.  XEP-0012 wants others to hear
 * `forbidden`; that would tell them which accounts there are, so they hear what
 * they would if there were none (RFC 6120 8.3.3.19, RFC 6121 8.5.1).
 */
#include <jackdaw/roster.h>

#define NS_LAST "jabber:iq:last"

#define STATUS_MAX_BYTES 1024
#define WRITE_AFTER      (5 * JD_USEC_PER_SEC)
#define WRITE_MAX        256

/* A departure that is not written yet; the status stands behind it. */
struct departure {
	struct departure *next;
	uint64_t owner;
	jd_usec at;
	struct jd_str status; /* p NULL: none */
};

struct last {
	bool show_status;
	/* not options: */
	jd_usec since; /* by jd_now_mono() */
	struct departure *waiting, **end;
	unsigned n_waiting;
	struct jd_timer *timer;
};

/* Data of an account: of the last departure, if that was while it is in memory. */
struct seen {
	jd_usec at; /* 0: unknown */
	char *status;
};

/* Data of a session: what it says while it goes. */
struct farewell {
	char *status;
};

static const struct jd_option options[] = {
	JD_OPT_BOOL("show_status", struct last, show_status, "true",
		    "Tell the status text with which somebody went, too."),
	JD_OPT_END,
};

static struct jd_stmt put = {
	.name = "last.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO last_seen (owner, at, status)"
	       " SELECT owner, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM account WHERE owner = $1"
	       " ON CONFLICT (owner) DO UPDATE SET at = excluded.at, status = excluded.status",
};

static struct jd_stmt get = {
	.name = "last.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT at, status FROM last_seen WHERE owner = $1",
};

/* -- writing, later --------------------------------------------------------------------------- */

static struct departure *departure_take(struct last *l)
{
	struct departure *d = l->waiting;

	l->waiting = d->next;
	if (!l->waiting)
		l->end = &l->waiting;
	l->n_waiting--;
	return d;
}

static void write_some(struct jd_instance *mi)
{
	struct last *l = jd_data(mi);
	struct jd_unit *unit = jd_unit_new();

	/* All in one order: two of them at once could have the same accounts. */
	jd_unit_key(unit, UINT64_MAX);
	for (unsigned i = 0; l->waiting && i < WRITE_MAX; i++) {
		struct departure *d = departure_take(l);

		jd_unit_add(unit, &put,
			    JD_PARAMS(jd_int((int64_t)d->owner), jd_int((int64_t)d->at),
				      jd_text(d->status)));
		jd_free(d);
	}
	if (jd_unit_submit(unit, jd_instance_pending(mi), NULL, NULL) < 0)
		jd_log(JD_LOG_WARNING, "the database is busy: times of departure are lost");
}

static void on_time(void *arg)
{
	struct jd_instance *mi = arg;
	struct last *l = jd_data(mi);

	l->timer = NULL;
	while (l->waiting)
		write_some(mi);
}

static void departure_add(struct jd_instance *mi, uint64_t owner, jd_usec at, struct jd_str status)
{
	struct last *l = jd_data(mi);
	struct departure *d = jd_alloc(sizeof(*d) + status.len);

	d->owner = owner;
	d->at = at;
	if (status.p) {
		memcpy(d + 1, status.p, status.len);
		d->status = (struct jd_str){(const char *)(d + 1), status.len};
	}
	*l->end = d;
	l->end = &d->next;
	if (++l->n_waiting >= WRITE_MAX)
		write_some(mi);
	else if (!l->timer)
		l->timer = jd_timer_start(jd_instance_pending(mi), WRITE_AFTER, on_time, mi);
}

/* -- going ------------------------------------------------------------------------------------ */

static bool somebody_there(const struct jd_account *a)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		if (jd_session_presence(s))
			return true;
	return false;
}

static void depart(struct jd_instance *mi, struct jd_account *a, struct jd_session *s)
{
	struct farewell *f = jd_session_data(mi, s);
	struct seen *seen = jd_account_data(mi, a);

	if (somebody_there(a) || !jd_account_owner(a))
		return;
	jd_free(seen->status);
	seen->at = jd_now();
	seen->status = f->status;
	f->status = NULL;
	departure_add(mi, jd_account_owner(a), seen->at, jd_cstr(seen->status));
}

/* At most so many bytes, and whole characters. */
static struct jd_str cut(struct jd_str s)
{
	if (s.len <= STATUS_MAX_BYTES)
		return s;
	s.len = STATUS_MAX_BYTES;
	while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

/* Before mod_presence makes the session unavailable. */
static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_el root = jd_stanza_root(ev->st), status;
	struct farewell *f;

	if (ev->st->kind != JD_PRESENCE || ev->st->type != JD_TYPE_UNAVAILABLE ||
	    jd_el_attr(root, "to").p)
		return JD_PASS;
	f = jd_session_data(mi, ev->session);
	jd_free(f->status);
	f->status = NULL;
	status = jd_el_child(root, JD_NS_STANZA, "status");
	if (jd_el_text_chars(status))
		f->status = jd_strdup(cut(jd_el_text(status, ev->st->arena)));
	return JD_PASS;
}

static void on_presence(struct jd_instance *mi, struct jd_session_event *ev)
{
	if (!jd_session_presence(ev->session))
		depart(mi, ev->account, ev->session);
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	if (jd_session_presence(ev->session))
		depart(mi, ev->account, ev->session);
}

/* -- asking ----------------------------------------------------------------------------------- */

static bool may_see(struct jd_instance *mi, struct jd_account *a, struct jd_jid who)
{
	struct jd_instance *roster;
	const struct jd_roster_ops *ops = jd_service(mi, "roster", &roster);
	struct jd_contact contact;

	if (jd_jid_bare_eq(who, jd_account_jid(a)))
		return true;
	return ops && ops->find(roster, a, jd_jid_bare_str(who), &contact) &&
	       contact.subscription & JD_SUB_FROM;
}

static void answer(struct jd_iq *iq, jd_usec seconds, struct jd_str status)
{
	struct jd_xml *x = jd_iq_result(iq);

	jd_xml_start(x, NS_LAST, "query");
	jd_xml_attr_int(x, "seconds", (int64_t)seconds);
	if (status.len)
		jd_xml_text(x, status);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

/* A clock that was set back makes nobody's departure lie in the future. */
static void answer_seen(const struct last *l, struct jd_iq *iq, jd_usec at, struct jd_str status)
{
	jd_usec now = jd_now();

	answer(iq, now > at ? (now - at) / JD_USEC_PER_SEC : 0,
	       l->show_status ? status : JD_STR_NULL);
}

static void on_got(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_iq *iq = arg;

	if (status != JD_DB_OK)
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, NULL);
	else if (!jd_rows_count(rows))
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, "Nobody has been there yet.");
	else
		answer_seen(iq->data, iq, (jd_usec)jd_row_int(rows, 0, 0),
			    jd_row_null(rows, 0, 1) ? JD_STR_NULL : jd_row_str(rows, 0, 1));
}

static enum jd_verdict on_account_get(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct seen *seen = jd_account_data(mi, iq->account);
	int64_t owner = (int64_t)jd_account_owner(iq->account);

	iq->data = jd_data(mi);
	if (!may_see(mi, iq->account, iq->st->from))
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	else if (somebody_there(iq->account))
		answer(iq, 0, JD_STR_NULL);
	else if (seen->at)
		answer_seen(iq->data, iq, seen->at, jd_cstr(seen->status));
	else if (jd_db_query(jd_iq_pending(iq), &get, JD_PARAMS(jd_int(owner)), on_got, iq) < 0)
		jd_iq_fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	else
		return JD_ASYNC;
	return JD_DONE;
}

static enum jd_verdict on_host_get(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct last *l = jd_data(mi);

	answer(iq, (jd_now_mono() - l->since) / JD_USEC_PER_SEC, JD_STR_NULL);
	return JD_DONE;
}

/* A device answers for itself, but only to whom its account would. */
static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind != JD_IQ || ev->st->type != JD_TYPE_GET || !ev->st->to.resource_len ||
	    !jd_el_is(jd_el_first(jd_stanza_root(ev->st)), NS_LAST, "query") ||
	    may_see(mi, ev->account, ev->st->from))
		return JD_PASS;
	jd_bounce(ev->st, JD_SERVICE_UNAVAILABLE, NULL);
	return JD_DROP;
}

/* -- the module ------------------------------------------------------------------------------- */

static void account_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	jd_free(((struct seen *)data)->status);
}

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	jd_free(((struct farewell *)data)->status);
}

static int start_hooks(struct jd_instance *mi)
{
	int r = jd_on(mi, session_in, JD_PRIO_EARLY, on_session);

	if (r == 0)
		r = jd_on(mi, session_presence, JD_PRIO_NORMAL, on_presence);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	if (r == 0)
		r = jd_on(mi, account_in, JD_PRIO_NORMAL, on_account);
	return r;
}

static int start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&put, &get};
	struct last *l = jd_data(mi);
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	l->since = jd_now_mono();
	l->end = &l->waiting;
	if (r == 0)
		r = start_hooks(mi);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_LAST, "query", on_account_get);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, NS_LAST, "query", on_host_get);
	jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT, NS_LAST);
	return r;
}

static void stop(struct jd_instance *mi)
{
	const struct last *l = jd_data(mi);

	while (l->waiting)
		write_some(mi);
}

JD_MODULE(last, .summary = "Last activity (XEP-0012)", .after = "roster",
	  .data_size = sizeof(struct last), .account_size = sizeof(struct seen),
	  .session_size = sizeof(struct farewell), .options = options, .account_free = account_free,
	  .session_free = session_free, .start = start, .stop = stop);
