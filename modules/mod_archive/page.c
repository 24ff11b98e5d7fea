/* SPDX-License-Identifier: MIT
 *
 * A page of an archive: one statement, whose cost does not depend on how much
 * there is.
 *
 * A condition looks whether the ids are there that the client has named; if one is
 * not, there are no rows at all, and only what comes back empty has to be asked
 * about again.
 */
#include "archive.h"
#include "sql.h"

/* $6..$9 ids to look for, $10 how many of them, $11 rows at most. */
#define CHECKED                                                                                    \
	" AND " VISIBLE                                                                            \
	" AND (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN ($6, $7, $8, $9)) = $10"
#define WITH_PEER " AND peer = $12"
#define WITH_FULL WITH_PEER " AND resource = $13"
/* $12 ids as JSON, $13 how many, $14 peer or NULL, $15 resource or NULL. The ids lead to their
 * rows; "+id" keeps the range from being walked through instead. */
#define LISTED_SQLITE "(SELECT value FROM json_each($12))"
#define LISTED_PGSQL                                                                               \
	"(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($12 AS JSON)))"
#define WITH_IDS(listed)                                                                           \
	" AND id IN " listed                                                                       \
	" AND (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN " listed                    \
	") = $13 AND (CAST($14 AS TEXT) IS NULL OR peer = $14)"                                    \
	" AND (CAST($15 AS TEXT) IS NULL OR resource = $15)"

/* What stands behind "FROM archive". SQLite, which knows nothing of sizes, is told the index. */
#define PLACE_SQLITE " WHERE " RANGE_SQLITE CHECKED
#define PLACE_PGSQL  " WHERE " RANGE_PGSQL CHECKED
#define PEER_SQLITE  " INDEXED BY archive_peer WHERE " RANGE_SQLITE CHECKED WITH_PEER
#define PEER_PGSQL   " WHERE " RANGE_PGSQL CHECKED WITH_PEER
#define FULL_SQLITE  " INDEXED BY archive_peer WHERE " RANGE_SQLITE CHECKED WITH_FULL
#define FULL_PGSQL   " WHERE " RANGE_PGSQL CHECKED WITH_FULL
#define IDS_SQLITE   " WHERE " RANGE("+id", "MAX", "MIN") CHECKED WITH_IDS(LISTED_SQLITE)
#define IDS_PGSQL    " WHERE " RANGE("+id", "GREATEST", "LEAST") CHECKED WITH_IDS(LISTED_PGSQL)

#define PAGE(nm, ln, where_sqlite, where_pgsql, dir)                                               \
	{                                                                                          \
		.name = "archive.page_" nm, .lane = (ln),                                          \
		.sql = ROWS_SQLITE(where_sqlite, dir, "$11"),                                      \
		.pgsql = ROWS_PGSQL(where_pgsql, dir, "$11"),                                      \
	}
#define COUNT(nm, ln, where_sqlite, where_pgsql)                                                   \
	{                                                                                          \
		.name = "archive.count_" nm, .lane = (ln),                                         \
		.sql = "SELECT COUNT(*) FROM (SELECT 1 FROM archive" where_sqlite                  \
		       " LIMIT $11) AS found",                                                     \
		.pgsql = "SELECT COUNT(*) FROM (SELECT 1 FROM archive" where_pgsql                 \
			 " LIMIT $11) AS found",                                                   \
	}

/* By words. */
#define TEXT_PAGE(nm, dir)                                                                         \
	{                                                                                          \
		.name = "archive.page_" nm, .lane = JD_LANE_LONG,                                  \
		.sql = ROWS_OF_SQLITE(                                                             \
			"SELECT a.id AS id, length(a.stanza) AS bytes" TEXT_SQLITE CHECKED         \
			" ORDER BY w.rowid " dir " LIMIT $11",                                     \
			dir),                                                                      \
		.pgsql = ROWS_OF_PGSQL("SELECT a.*, length(a.stanza) AS bytes" TEXT_PGSQL(dir)     \
					       CHECKED " ORDER BY f.found " dir " LIMIT $11",      \
				       dir),                                                       \
	}

enum filter { BY_PLACE, BY_PEER, BY_FULL, BY_IDS, BY_TEXT };

/* One device of one address has no index of its own: it may take time. */
static struct jd_stmt forwards[] = {
	[BY_PLACE] = PAGE("forwards", JD_LANE_READ, PLACE_SQLITE, PLACE_PGSQL, "ASC"),
	[BY_PEER] = PAGE("peer_forwards", JD_LANE_READ, PEER_SQLITE, PEER_PGSQL, "ASC"),
	[BY_FULL] = PAGE("full_forwards", JD_LANE_LONG, FULL_SQLITE, FULL_PGSQL, "ASC"),
	[BY_IDS] = PAGE("ids_forwards", JD_LANE_READ, IDS_SQLITE, IDS_PGSQL, "ASC"),
	[BY_TEXT] = TEXT_PAGE("text_forwards", "ASC"),
};
static struct jd_stmt backwards[] = {
	[BY_PLACE] = PAGE("backwards", JD_LANE_READ, PLACE_SQLITE, PLACE_PGSQL, "DESC"),
	[BY_PEER] = PAGE("peer_backwards", JD_LANE_READ, PEER_SQLITE, PEER_PGSQL, "DESC"),
	[BY_FULL] = PAGE("full_backwards", JD_LANE_LONG, FULL_SQLITE, FULL_PGSQL, "DESC"),
	[BY_IDS] = PAGE("ids_backwards", JD_LANE_READ, IDS_SQLITE, IDS_PGSQL, "DESC"),
	[BY_TEXT] = TEXT_PAGE("text_backwards", "DESC"),
};
static struct jd_stmt counts[] = {
	[BY_PLACE] = COUNT("place", JD_LANE_READ, PLACE_SQLITE, PLACE_PGSQL),
	[BY_PEER] = COUNT("peer", JD_LANE_READ, PEER_SQLITE, PEER_PGSQL),
	[BY_FULL] = COUNT("full", JD_LANE_LONG, FULL_SQLITE, FULL_PGSQL),
	[BY_IDS] = COUNT("ids", JD_LANE_READ, IDS_SQLITE, IDS_PGSQL),
	[BY_TEXT] =
		{
			.name = "archive.count_text",
			.lane = JD_LANE_LONG,
			.sql = "SELECT COUNT(*) FROM (SELECT 1" TEXT_SQLITE CHECKED
			       " LIMIT $11) AS found",
			.pgsql = "SELECT COUNT(*) FROM (SELECT 1" TEXT_PGSQL("ASC") CHECKED
			" LIMIT $11) AS found",
		},
};

/* Why there are no rows: how many of the ids are there, of the listed ones, and of all. */
static struct jd_stmt look = {
	.name = "archive.look",
	.lane = JD_LANE_READ,
	.sql = "SELECT (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN"
	       " ($2, $3, $4, $5)), (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN"
	       " (SELECT value FROM json_each($6)))",
	.pgsql = "SELECT (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN"
		 " ($2, $3, $4, $5)), (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN"
		 " (SELECT CAST(value AS BIGINT)"
		 " FROM json_array_elements_text(CAST($6 AS JSON))))",
};

/* -- asking --------------------------------------------------------------------------- */

#define PARAMS_MAX 17
#define DEADLINE   (25 * JD_USEC_PER_SEC) /* sooner than the core's */

static enum filter filter_of(const struct query *q)
{
	if (q->words.p)
		return BY_TEXT;
	if (q->ids.p)
		return BY_IDS;
	if (!jd_jid_ok(q->with))
		return BY_PLACE;
	return q->with.resource_len ? BY_FULL : BY_PEER;
}

static struct jd_param peer_param(const struct query *q)
{
	return jd_jid_ok(q->with) ? jd_text(jd_jid_bare_str(q->with)) : jd_null();
}

static struct jd_param resource_param(const struct query *q)
{
	return jd_jid_ok(q->with) ? jd_text(jd_jid_resource(q->with)) : jd_null();
}

/* Times beyond all that databases know are the end of time. */
static struct jd_param time_param(jd_usec at)
{
	return jd_int(at > INT64_MAX ? INT64_MAX : (int64_t)at);
}

static int ask(struct query *q, struct jd_stmt *stmts, unsigned limit, jd_db_fn fn)
{
	enum filter filter = filter_of(q);
	struct jd_param p[PARAMS_MAX] = {
		jd_int((int64_t)q->owner),
		jd_int((int64_t)q->after),
		jd_int((int64_t)q->before),
		time_param(q->start),
		time_param(q->end),
		jd_int((int64_t)q->checks[0]),
		jd_int((int64_t)q->checks[1]),
		jd_int((int64_t)q->checks[2]),
		jd_int((int64_t)q->checks[3]),
		jd_int(q->n_checks),
		jd_int(limit),
	};
	size_t n = 11;

	if (filter == BY_TEXT) {
		p[n++] = jd_text(q->words);
		p[n++] = jd_text(q->phrases);
	}
	if (filter == BY_IDS) {
		p[n++] = jd_text(q->ids);
		p[n++] = jd_int(q->n_ids);
	}
	if (filter != BY_PLACE)
		p[n++] = peer_param(q);
	if (filter == BY_FULL || filter == BY_IDS || filter == BY_TEXT)
		p[n++] = resource_param(q);
	if (filter == BY_TEXT) {
		p[n++] = jd_text(q->ids);
		p[n++] = jd_int(q->n_ids);
	}
	return jd_db_query(jd_iq_pending(q->iq), &stmts[filter], (struct jd_params){p, n}, fn, q);
}

/* -- results -------------------------------------------------------------------------- */

static struct jd_str wire_id(const struct query *q, const struct jd_rows *rows, size_t row)
{
	return jd_stanza_id_encode(q->iq->st->arena, q->owner,
				   (uint64_t)jd_row_int(rows, row, ROW_ID));
}

static struct jd_xml *result_start(const struct query *q, const struct jd_rows *rows, size_t row)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, q->iq->st->to, q->iq->st->from,
					 JD_STR_NULL);

	jd_xml_start(x, NS_MAM, "result");
	jd_xml_attr(x, "queryid", q->id);
	jd_xml_attr(x, "id", wire_id(q, rows, row));
	jd_xml_start(x, NS_FORWARD, "forwarded");
	jd_delay_write(x, JD_JID_NULL, (jd_usec)jd_row_int(rows, row, ROW_AT));
	return x;
}

/* What is stored is canonical already, and nobody on its way looks into it: it goes on as it is.
 * False: nobody is there to be told any more. */
static bool send_result(const struct query *q, const struct jd_rows *rows, size_t row)
{
	struct jd_session *to = q->iq->own ? q->iq->st->origin : NULL;
	struct jd_str stored = archive_text(rows, row, ROW_FORMAT);
	struct jd_stanza *st;
	struct jd_xml *x;
	bool sent = true;

	if (!stored.p) {
		archive_unreadable(q->owner, (uint64_t)jd_row_int(rows, row, ROW_ID));
		return true;
	}
	x = result_start(q, rows, row);
	jd_xml_stored(x, stored);
	jd_xml_end(x);
	jd_xml_end(x);
	st = jd_built(x);
	if (st)
		jd_stanza_set_row(st, q->owner, (uint64_t)jd_row_int(rows, row, ROW_ID));
	if (q->iq->own)
		sent = to && (!st || jd_session_send(to, st));
	else if (st)
		jd_route(st); /* somebody else's home, or another server */
	jd_stanza_unref(st);
	return sent;
}

static void finish(struct query *q, bool complete, const struct jd_rsm_page *page)
{
	struct jd_xml *x = jd_iq_result(q->iq);

	jd_xml_start(x, NS_MAM, "fin");
	if (complete)
		jd_xml_attr(x, "complete", JD_STR("true"));
	if (q->words.p && !archive_indexed(q->mi)) /* others may be found later */
		jd_xml_attr(x, "stable", JD_STR("false"));
	jd_rsm_write(x, page);
	jd_xml_end(x);
	jd_iq_reply(q->iq, x);
}

/* -- an empty page -------------------------------------------------------------------- */

static void on_looked(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct query *q = arg;
	struct jd_rsm_page page = {.index = -1, .count = -1};

	if (status != JD_DB_OK || jd_rows_count(rows) != 1) {
		jd_iq_fail(q->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (jd_row_int(rows, 0, 0) != q->n_checks || jd_row_int(rows, 0, 1) != q->n_ids) {
		jd_iq_fail(q->iq, JD_ITEM_NOT_FOUND, NULL);
		return;
	}
	if (!q->filtered)
		page.count = (int64_t)q->total;
	else if (q->count_only)
		page.count = 0;
	finish(q, !q->count_only || page.count == 0, &page);
}

static void look_why(struct query *q)
{
	struct jd_str ids = q->ids.p ? q->ids : JD_STR("[]");

	if (jd_db_query(jd_iq_pending(q->iq), &look,
			JD_PARAMS(jd_int((int64_t)q->owner), jd_int((int64_t)q->checks[0]),
				  jd_int((int64_t)q->checks[1]), jd_int((int64_t)q->checks[2]),
				  jd_int((int64_t)q->checks[3]), jd_text(ids)),
			on_looked, q) < 0)
		jd_iq_fail(q->iq, JD_RESOURCE_CONSTRAINT, NULL);
}

/* -- a page --------------------------------------------------------------------------- */

static void send_page(struct query *q, const struct jd_rows *rows, size_t n)
{
	/* as they are to be sent, not as they were found */
	bool turn = q->backwards != q->flip;

	for (size_t i = 0; i < n; i++)
		if (!send_result(q, rows, turn ? n - 1 - i : i))
			return;
}

static void ask_now(void *arg);

static void on_fetched(void *arg, int result)
{
	const struct query *q = arg;

	if (result < 0)
		jd_iq_fail(q->iq, JD_INTERNAL_SERVER_ERROR, NULL);
	else
		ask_now(arg);
}

/* A dictionary first; then the page again. */
static void fetch(struct query *q)
{
	q->fetch.fn = on_fetched;
	q->fetch.arg = q;
	if (archive_fetch(jd_iq_pending(q->iq), &q->fetch) < 0)
		jd_iq_fail(q->iq, JD_RESOURCE_CONSTRAINT, NULL);
}

static void on_page(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct query *q = arg;
	struct jd_rsm_page page = {.index = -1, .count = -1};
	size_t n = rows ? jd_rows_count(rows) : 0;
	int64_t found;

	if (status != JD_DB_OK) {
		jd_iq_fail(q->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (!n) {
		look_why(q);
		return;
	}
	q->fetch.number = archive_needs(rows, ROW_FORMAT);
	if (q->fetch.number) {
		fetch(q);
		return;
	}
	found = jd_row_int(rows, 0, ROW_FOUND);
	if (n > q->limit)
		n = q->limit;
	n = archive_fit(rows, n, ROW_FORMAT);
	send_page(q, rows, n);
	page.first = wire_id(q, rows, q->backwards ? n - 1 : 0);
	page.last = wire_id(q, rows, q->backwards ? 0 : n - 1);
	if (!q->filtered)
		page.count = (int64_t)q->total;
	finish(q, found <= (int64_t)n, &page);
}

/* -- only how many -------------------------------------------------------------------- */

static void on_count(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct query *q = arg;
	struct jd_rsm_page page = {.index = -1};

	if (status != JD_DB_OK || jd_rows_count(rows) != 1) {
		jd_iq_fail(q->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	page.count = jd_row_int(rows, 0, 0);
	if (page.count)
		finish(q, false, &page);
	else
		look_why(q);
}

/* -- when there is room --------------------------------------------------------------- */

/* A session has one page at a time, and the next when its connection has taken enough of
 * that (protocol.md 10): however many queries it sends, they wait, not their results. */

static void next_of(struct asker *a)
{
	struct query *q = a->first;

	if (q)
		jd_session_when_drained(q->iq->st->origin, jd_iq_pending(q->iq), ask_now, q);
}

/* It has been answered, or nobody is going to. */
static void on_gone(void *arg)
{
	struct query *q = arg, **p;
	bool first;

	if (!q->asker)
		return;
	first = q->asker->first == q;
	for (p = &q->asker->first; *p != q; p = &(*p)->next)
		;
	*p = q->next;
	if (first)
		next_of(q->asker);
}

static void on_late(void *arg)
{
	const struct query *q = arg;

	jd_iq_fail(q->iq, JD_RESOURCE_CONSTRAINT, "The connection takes too little.");
}

static void ask_now(void *arg)
{
	struct query *q = arg;
	int r = 0;

	if (q->iq->own && !q->asker) { /* the session has ended */
		jd_iq_fail(q->iq, JD_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	if (!q->count_only)
		r = ask(q, q->backwards ? backwards : forwards, q->limit + 1, on_page);
	else if (q->filtered)
		r = ask(q, counts, COUNT_MOST, on_count);
	else
		look_why(q);
	if (r < 0)
		jd_iq_fail(q->iq, JD_RESOURCE_CONSTRAINT, NULL);
}

void archive_page_get(struct query *q)
{
	struct query **end;

	struct jd_session *s;

	if (!q->iq->own) {
		ask_now(q);
		return;
	}
	s = jd_session_find(q->iq->account, jd_jid_resource(q->iq->st->from));
	if (!s || s != q->iq->st->origin) { /* it has ended meanwhile */
		jd_iq_fail(q->iq, JD_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	q->asker = jd_session_data(q->mi, s);
	(void)jd_promise_new(jd_iq_pending(q->iq), (void (*)(void))on_gone, on_gone, q);
	(void)jd_timer_start(jd_iq_pending(q->iq), DEADLINE, on_late, q);
	for (end = &q->asker->first; *end; end = &(*end)->next)
		;
	*end = q;
	if (q->asker->first == q)
		next_of(q->asker);
}

/* The first one is at work and finds out; the others would wait for it in vain. */
void archive_asker_free(struct jd_instance *mi, void *data)
{
	struct asker *a = data;
	struct query *q = a->first;

	(void)mi;
	a->first = NULL;
	if (q)
		q->asker = NULL;
	q = q ? q->next : NULL;
	while (q) {
		struct query *next = q->next;

		q->asker = NULL;
		jd_iq_fail(q->iq, JD_SERVICE_UNAVAILABLE, NULL);
		q = next;
	}
}

int archive_page_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {
		&forwards[BY_PLACE], &forwards[BY_PEER],   &forwards[BY_FULL],  &forwards[BY_IDS],
		&forwards[BY_TEXT],  &backwards[BY_PLACE], &backwards[BY_PEER], &backwards[BY_FULL],
		&backwards[BY_IDS],  &backwards[BY_TEXT],  &counts[BY_PLACE],   &counts[BY_PEER],
		&counts[BY_FULL],    &counts[BY_IDS],      &counts[BY_TEXT],    &look,
	};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
