/* SPDX-License-Identifier: MIT
 *
 * Rows as stanzas, for those who deliver them: what came in behind a place, or the
 * last ones there are.
 */
#include "archive.h"
#include "sql.h"

#define ROWS_MOST 100

#define SHOWN_SQLITE   " WHERE " RANGE_SQLITE " AND " VISIBLE
#define SHOWN_PGSQL    " WHERE " RANGE_PGSQL " AND " VISIBLE
#define DELIVER_SQLITE " WHERE " RANGE_SQLITE " AND direction = 0 AND flags & 4 = 0"
#define DELIVER_PGSQL  " WHERE " RANGE_PGSQL " AND direction = 0 AND flags & 4 = 0"

#define READ(nm, where_sqlite, where_pgsql, dir)                                                   \
	{                                                                                          \
		.name = "archive.read_" nm, .lane = JD_LANE_READ,                                  \
		.sql = ROWS_SQLITE(where_sqlite, dir, "$6"),                                       \
		.pgsql = ROWS_PGSQL(where_pgsql, dir, "$6"),                                       \
	}

/* By `deliver`, and by `newest`. */
static struct jd_stmt reads[2][2] = {
	{READ("first", SHOWN_SQLITE, SHOWN_PGSQL, "ASC"),
	 READ("last", SHOWN_SQLITE, SHOWN_PGSQL, "DESC")},
	{READ("deliver_first", DELIVER_SQLITE, DELIVER_PGSQL, "ASC"),
	 READ("deliver_last", DELIVER_SQLITE, DELIVER_PGSQL, "DESC")},
};

/* -- stanzas ------------------------------------------------------------------------------ */

struct jd_str archive_text(const struct jd_rows *rows, size_t row, unsigned col)
{
	struct jd_str text =
		archive_unpack(jd_row_int(rows, row, col), jd_row_str(rows, row, col + 1));

	return text.len ? text : JD_STR_NULL;
}

struct jd_stanza *archive_stanza(const struct jd_rows *rows, size_t row, unsigned col)
{
	struct jd_str text = archive_text(rows, row, col);

	return text.p ? jd_stanza_parse(text) : NULL;
}

void archive_tell_id(struct jd_stanza *st, struct jd_jid by, uint64_t owner, uint64_t id)
{
	struct jd_xml *x = jd_stanza_add(st);

	jd_xml_start(x, JD_NS_SID, "stanza-id");
	jd_xml_attr(x, "by", jd_jid_bare_str(by));
	jd_xml_attr(x, "id", jd_stanza_id_encode(st->arena, owner, id));
	jd_xml_end(x);
	jd_stanza_added(st, x);
}

/* -- reading ------------------------------------------------------------------------------ */

struct reading {
	struct reading *next, **at; /* in those of the instance */
	struct jd_instance *mi;
	struct jd_promise *promise; /* NULL: nobody waits any more */
	struct jd_archive_read what;
	struct fetch fetch;
	jd_archive_read_fn fn;
	void *arg;
};

static void on_broken(void *arg)
{
	struct reading *r = arg;

	r->promise = NULL;
}

static void add(struct reading *r)
{
	struct archive *a = jd_data(r->mi);

	r->next = a->readings;
	r->at = &a->readings;
	if (r->next)
		r->next->at = &r->next;
	a->readings = r;
}

static void end(struct reading *r)
{
	*r->at = r->next;
	if (r->next)
		r->next->at = r->at;
	jd_promise_end(r->promise);
	jd_free(r);
}

void archive_read_stop(struct jd_instance *mi)
{
	struct archive *a = jd_data(mi);

	while (a->readings)
		end(a->readings);
}

static struct jd_archived archived(const struct reading *r, const struct jd_rows *rows, size_t row)
{
	struct jd_archived out = {
		.id = (uint64_t)jd_row_int(rows, row, ROW_ID),
		.at = (jd_usec)jd_row_int(rows, row, ROW_AT),
		.hidden = jd_row_int(rows, row, ROW_FLAGS) & FLAG_HIDDEN,
		.st = archive_stanza(rows, row, ROW_FORMAT),
	};
	/* What a room has reflected comes from it. */
	bool from = jd_row_int(rows, row, ROW_OUT) != 0 ||
		    jd_host_is_component(jd_instance_host(r->mi));

	if (!out.st) {
		archive_unreadable(r->what.owner, out.id);
		return out;
	}
	jd_stanza_set_row(out.st, r->what.owner, out.id);
	if (!out.hidden)
		archive_tell_id(out.st, from ? out.st->from : out.st->to, r->what.owner, out.id);
	return out;
}

static void give(struct reading *r, const struct jd_rows *rows)
{
	struct jd_archived out[ROWS_MOST];
	size_t n = jd_rows_count(rows), fit;
	bool more = n && jd_row_int(rows, 0, ROW_FOUND) > (int64_t)n;

	if (n > r->what.limit) {
		n = r->what.limit;
		more = true;
	}
	fit = archive_fit(rows, n, ROW_FORMAT);
	more |= fit < n;
	n = fit;
	for (size_t i = 0; i < n; i++)
		out[i] = archived(r, rows, r->what.newest ? n - 1 - i : i);
	r->fn(r->arg, 0, out, n, more);
	for (size_t i = 0; i < n; i++)
		jd_stanza_unref(out[i].st);
}

static int ask(struct reading *r);

static void refuse(struct reading *r)
{
	jd_archive_read_fn fn = r->promise ? r->fn : NULL;
	void *arg = r->arg;

	end(r);
	if (fn)
		fn(arg, -JD_EDB, NULL, 0, false);
}

static void on_fetched(void *arg, int result)
{
	struct reading *r = arg;

	if (result < 0 || ask(r) < 0)
		refuse(r);
}

static void on_read(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct reading *r = arg;

	if (status != JD_DB_OK) {
		refuse(r);
		return;
	}
	r->fetch = (struct fetch){archive_needs(rows, ROW_FORMAT), on_fetched, r};
	if (r->fetch.number) {
		if (archive_fetch(jd_instance_pending(r->mi), &r->fetch) < 0)
			refuse(r);
		return;
	}
	if (r->promise) {
		jd_promise_end(r->promise);
		r->promise = NULL;
		give(r, rows);
	}
	end(r);
}

static int ask(struct reading *r)
{
	const struct jd_archive_read *what = &r->what;
	uint64_t before = what->before ? what->before : INT64_MAX;

	return jd_db_query(jd_instance_pending(r->mi), &reads[what->deliver][what->newest],
			   JD_PARAMS(jd_int((int64_t)what->owner), jd_int((int64_t)what->after),
				     jd_int((int64_t)before), jd_int((int64_t)what->since),
				     jd_int(INT64_MAX), jd_int(what->limit + 1)),
			   on_read, r);
}

int archive_read(struct jd_instance *mi, struct jd_owner *owner, const struct jd_archive_read *what,
		 jd_archive_read_fn fn, void *arg)
{
	struct reading *r = jd_alloc(sizeof(*r));
	int err;

	*r = (struct reading){.mi = mi, .what = *what, .fn = fn, .arg = arg};
	if (r->what.limit < 1)
		r->what.limit = 1;
	if (r->what.limit > ROWS_MOST)
		r->what.limit = ROWS_MOST;
	err = ask(r);
	if (err) {
		jd_free(r);
		return err;
	}
	r->promise = jd_promise_new(owner, (void (*)(void))fn, on_broken, r);
	add(r);
	return 0;
}

int archive_read_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&reads[0][0], &reads[0][1], &reads[1][0],
					      &reads[1][1]};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
