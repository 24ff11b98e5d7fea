/* SPDX-License-Identifier: MIT
 *
 * The index of what was there before it was wanted.
 *
 * While the option is on, what is stored is indexed with it.  Everything older is gone through in
 * the background, account by account and some rows at a time; how far, is kept in the
 * database with the rows that it is true of.  An account that is through is never looked at
 * again, unless the option was off in between: where it is off, the marks are taken away, and rows
 * that the index has stay correct, because what is erased is erased there, too.
 */
#include "archive.h"

#define ROWS        100
#define OWNERS      100
#define STEP_AFTER  (10 * JD_USEC_PER_SEC / 1000) /* others want the database, too */
#define AGAIN_AFTER (10 * JD_USEC_PER_SEC)

/* Those that are not through. */
static struct jd_stmt owners = {
	.name = "archive.index_owners",
	.lane = JD_LANE_LONG,
	.sql = "SELECT o.owner, COALESCE(i.seen, 0) FROM archive_owner o"
	       " JOIN account a ON a.owner = o.owner"
	       " LEFT JOIN archive_indexed i ON i.owner = o.owner"
	       " WHERE a.host = $1 AND o.owner > $2 AND COALESCE(i.whole, 0) = 0"
	       " ORDER BY o.owner LIMIT 100",
};

static struct jd_stmt mark = {
	.name = "archive.index_mark",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_indexed (owner, seen, whole) SELECT $1, $2, $3"
	       " FROM archive_owner WHERE owner = $1 ON CONFLICT (owner) DO UPDATE"
	       " SET seen = excluded.seen, whole = excluded.whole",
};

static struct jd_stmt unmark = {
	.name = "archive.index_unmark",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive_indexed WHERE owner IN (SELECT i.owner FROM archive_indexed i"
	       " JOIN account a ON a.owner = i.owner WHERE a.host = $1 LIMIT 500)",
};

static struct jd_stmt indexed_owner = {
	.name = "archive.indexed_owner",
	.lane = JD_LANE_LONG,
	.sql = "SELECT o.owner FROM archive_owner o JOIN account a ON a.owner = o.owner"
	       " WHERE a.host = $1 AND o.owner >= $2"
	       " AND EXISTS (SELECT 1 FROM archive_text WHERE owner = o.owner)"
	       " ORDER BY o.owner LIMIT 1",
};

static struct jd_stmt unindex = {
	.name = "archive.unindex",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive_text WHERE owner = $1 AND id IN"
	       " (SELECT id FROM archive_text WHERE owner = $1 LIMIT 500)",
};

/* Behind archive.indexing. */
struct indexing {
	struct jd_instance *mi;
	uint64_t last; /* owner that was found */
	struct {
		uint64_t owner, seen;
	} found[OWNERS]; /* to be gone through, the last one first */
	size_t n;
	uint64_t seen; /* of the one whose turn it is, when this step is committed */
	bool through;  /* it is, then */
	bool whole;    /* all are */
	bool again;    /* from the beginning, when this step is over */
	int64_t owners, messages;
};

static struct jd_param host_param(struct jd_instance *mi)
{
	return jd_text(jd_host_name(jd_instance_host(mi)));
}

bool archive_indexed(struct jd_instance *mi)
{
	const struct archive *a = jd_data(mi);

	return a->indexing && a->indexing->whole;
}

/* -- an account --------------------------------------------------------------------------- */

static void look(void *arg);
static void step(void *arg);
static void begin(void *arg);

static void later(struct indexing *x, jd_usec after, void (*fn)(void *arg))
{
	(void)jd_timer_start(jd_instance_pending(x->mi), after, fn, x);
}

static void on_committed(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct indexing *x = arg;

	(void)rows;
	if (x->again) {
		begin(x);
		return;
	}
	if (status != JD_DB_OK) {
		later(x, AGAIN_AFTER, step);
		return;
	}
	x->found[x->n - 1].seen = x->seen;
	if (x->through) {
		x->owners++;
		x->n--;
	}
	later(x, STEP_AFTER, step);
}

static void on_rows(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct indexing *x = arg;
	uint64_t owner = x->found[x->n - 1].owner;
	char terms[TERMS_BYTES];
	struct jd_unit *unit;

	if (result < 0) {
		later(x, AGAIN_AFTER, step);
		return;
	}
	unit = jd_unit_new();
	jd_unit_key(unit, owner);
	x->seen = n ? rows[n - 1].id : x->found[x->n - 1].seen;
	x->through = !more || !n;
	for (size_t i = 0; i < n; i++) {
		struct jd_str found =
			rows[i].st ? archive_terms(x->mi, owner, rows[i].st, terms) : JD_STR_NULL;

		if (found.p)
			archive_terms_put(unit, owner, rows[i].id, found, false);
		x->messages += found.p != NULL;
	}
	jd_unit_add(
		unit, &mark,
		JD_PARAMS(jd_int((int64_t)owner), jd_int((int64_t)x->seen), jd_int(x->through)));
	if (jd_unit_submit(unit, jd_instance_pending(x->mi), on_committed, x) < 0)
		later(x, AGAIN_AFTER, step);
}

static void step(void *arg)
{
	struct indexing *x = arg;
	struct jd_archive_read read = {.limit = ROWS};

	if (x->again || !x->n) {
		(x->again ? begin : look)(x);
		return;
	}
	read.owner = x->found[x->n - 1].owner;
	read.after = x->found[x->n - 1].seen;
	if (archive_read(x->mi, jd_instance_pending(x->mi), &read, on_rows, x) < 0)
		later(x, AGAIN_AFTER, step);
}

/* -- all of them -------------------------------------------------------------------------- */

static void on_owners(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct indexing *x = arg;

	if (status != JD_DB_OK) {
		later(x, AGAIN_AFTER, look);
		return;
	}
	x->n = jd_rows_count(rows);
	x->whole = !x->n && !x->again;
	if (x->whole) {
		jd_log(JD_LOG_INFO, "the archives are indexed",
		       jd_kv_str("host", jd_host_name(jd_instance_host(x->mi))),
		       jd_kv_int("messages", x->messages));
		return;
	}
	for (size_t i = 0; i < x->n; i++) {
		x->last = (uint64_t)jd_row_int(rows, i, 0);
		x->found[x->n - 1 - i].owner = x->last;
		x->found[x->n - 1 - i].seen = (uint64_t)jd_row_int(rows, i, 1);
	}
	step(x);
}

static void look(void *arg)
{
	struct indexing *x = arg;

	if (jd_db_query(jd_instance_pending(x->mi), &owners,
			JD_PARAMS(host_param(x->mi), jd_int((int64_t)x->last)), on_owners, x) < 0)
		later(x, AGAIN_AFTER, look);
}

/* -- marks -------------------------------------------------------------------------------- */

/* They go; then, where it is on, all is gone through. */
static void on_unmarked(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct indexing *x = arg;
	const struct archive *a = jd_data(x->mi);

	if (status != JD_DB_OK)
		later(x, AGAIN_AFTER, begin);
	else if (jd_rows_affected(rows))
		begin(x);
	else if (a->search)
		look(x);
}

static void begin(void *arg)
{
	struct indexing *x = arg;

	x->again = x->whole = false;
	x->n = 0;
	x->last = 0;
	x->owners = x->messages = 0;
	if (jd_db_query(jd_instance_pending(x->mi), &unmark, JD_PARAMS(host_param(x->mi)),
			on_unmarked, x) < 0)
		later(x, AGAIN_AFTER, begin);
}

/* -- commands ----------------------------------------------------------------------------- */

static const char busy[] = "The database has too much to do; try again.";

static void cmd_index(struct jd_command *c)
{
	const struct archive *a = jd_data(jd_command_instance(c));
	struct indexing *x = a->indexing;

	if (!a->search) {
		jd_command_fail(c, "The option \"search\" of mod_archive is off here.");
		return;
	}
	if (jd_arg_flag(c, 1)) {
		bool idle = x->whole;

		x->again = true;
		x->whole = false;
		if (idle)
			begin(x);
	}
	jd_out_bool(c, "whole", x->whole);
	jd_out_int(c, "accounts", x->owners);
	jd_out_int(c, "messages", x->messages);
	jd_command_done(c);
}

/* Data of a command. */
struct removing {
	struct jd_command *c;
	uint64_t owner;
	int64_t n;
};

static void find_indexed(struct removing *r);

static void on_unindexed(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct removing *r = arg;

	if (status != JD_DB_OK) {
		jd_command_fail(r->c, "The database does not answer.");
		return;
	}
	r->n += jd_rows_affected(rows);
	find_indexed(r);
}

static void on_indexed_owner(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct removing *r = arg;
	struct jd_unit *unit;

	if (status != JD_DB_OK) {
		jd_command_fail(r->c, "The database does not answer.");
		return;
	}
	if (!jd_rows_count(rows)) {
		jd_out_int(r->c, "erased", r->n);
		jd_command_done(r->c);
		return;
	}
	r->owner = (uint64_t)jd_row_int(rows, 0, 0);
	unit = jd_unit_new();
	jd_unit_key(unit, r->owner);
	jd_unit_add(unit, &unindex, JD_PARAMS(jd_int((int64_t)r->owner)));
	if (jd_unit_submit(unit, jd_command_pending(r->c), on_unindexed, r) < 0)
		jd_command_fail(r->c, busy);
}

static void find_indexed(struct removing *r)
{
	if (jd_db_query(jd_command_pending(r->c), &indexed_owner,
			JD_PARAMS(jd_text(jd_arg_text(r->c, 0)), jd_int((int64_t)r->owner)),
			on_indexed_owner, r) < 0)
		jd_command_fail(r->c, busy);
}

static void cmd_unindex(struct jd_command *c)
{
	const struct archive *a = jd_data(jd_command_instance(c));
	struct removing *r = jd_command_data(c, sizeof(*r));

	if (a->search) {
		jd_command_fail(c, "The option \"search\" of mod_archive is on here.");
		return;
	}
	r->c = c;
	find_indexed(r);
}

static const struct jd_arg index_args[] = {
	{JD_ARG_HOST, "HOST", false, "The host, or a component with rooms."},
	{JD_ARG_FLAG, "again", false, "Goes through all archives again, from the beginning."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg unindex_args[] = {
	{JD_ARG_HOST, "HOST", false, "The host, or a component with rooms."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def commands[] = {
	{"archive index", "Shows how far the archives of a host are indexed for searching.",
	 index_args, cmd_index},
	{"archive unindex", "Erases what is indexed of a host where searching is off.",
	 unindex_args, cmd_unindex},
	{NULL, NULL, NULL, NULL},
};

/* -- the instance ------------------------------------------------------------------------- */

int archive_index_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&owners, &mark, &unmark, &indexed_owner, &unindex};
	struct archive *a = jd_data(mi);
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r < 0)
		return r;
	a->indexing = jd_alloc(sizeof(*a->indexing));
	a->indexing->mi = mi;
	later(a->indexing, 0, a->search ? look : begin);
	return jd_commands(mi, commands);
}

void archive_index_stop(struct jd_instance *mi)
{
	struct archive *a = jd_data(mi);

	jd_free(a->indexing);
	a->indexing = NULL;
}
