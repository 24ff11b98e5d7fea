/* SPDX-License-Identifier: MIT
 *
 * Moving to another database: SQLite to PostgreSQL when a server grows, or back.
 *
 * Table after table, page after page in the order of the key, each page one unit in
 * the target that leaves alone what is there already.  So a copy that was broken off is
 * simply made again; a row in database_copy marks the target until it is whole, and
 * a server does not start on a marked one.  In the end both sides are read as they
 * are now, and numbers of rows and a sum over their contents are compared: a sum that
 * doesn't depend on the order, since databases sort texts differently.
 *
 * Owners keep their numbers, and the target goes on counting where the source was:
 * also behind accounts that were deleted, whose tombstones hold their numbers.
 */
#include "core/db_copy.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/tables.h"
#include "util/clock.h"
#include "util/hash.h"

#define MAX_COLUMNS 16

static struct jd_stmt find_mark = {
	.name = "core.find_copy_mark",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM database_copy",
};

static struct jd_stmt set_mark = {
	.name = "core.set_copy_mark",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO database_copy (started_at) VALUES ($1)",
};

static struct jd_stmt drop_mark = {
	.name = "core.drop_copy_mark",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM database_copy",
};

/* Secrets that the target made for itself when it was opened once are worth nothing. */
static struct jd_stmt drop_secrets = {
	.name = "core.drop_secrets",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM secret",
};

static struct jd_stmt last_owner = {
	.name = "core.last_owner",
	.lane = JD_LANE_READ,
	.sql = "SELECT COALESCE(max(owner), 0) FROM (SELECT max(owner) AS owner FROM account"
	       " UNION ALL SELECT max(owner) FROM account_tombstone) AS owners",
};

static struct jd_stmt count_on_first = {
	.name = "core.count_on_first",
	.lane = JD_LANE_WRITE,
	.sqlite = "INSERT INTO sqlite_sequence (name, seq) SELECT 'account', 0 WHERE NOT EXISTS"
		  " (SELECT 1 FROM sqlite_sequence WHERE name = 'account')",
	.pgsql = "SELECT 1",
};

static struct jd_stmt count_on = {
	.name = "core.count_on",
	.lane = JD_LANE_WRITE,
	.sqlite = "UPDATE sqlite_sequence SET seq = $1 WHERE name = 'account' AND seq < $1",
	.pgsql = "SELECT setval(pg_get_serial_sequence('account', 'owner'), $1::bigint)",
};

struct sum {
	uint64_t rows, contents;
};

struct copy {
	struct loop *loop;
	struct jd_owner owner;
	struct db *from, *to;
	struct db_error *error;
	const struct table *table;
	bool writing;   /* to the target; else only reading, to compare */
	struct sum sum; /* of what has been read of the table */
	int64_t number; /* the answer to a simple question */
	int result;     /* of the step under way */
	char *text;     /* holds the key of the last row, between two pages */
};

/* -- one step at a time -------------------------------------------------------------------- */

static void step_end(struct copy *c, int result)
{
	c->result = result;
	loop_stop(c->loop);
}

static int failed(struct copy *c, const char *where, const char *what)
{
	return db_fail(c->error, -JD_EDB, "the %s database failed at %s: see the log above", where,
		       what);
}

static void on_number(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct copy *c = arg;

	if (status == JD_DB_OK)
		c->number = jd_rows_count(rows) ? jd_row_int(rows, 0, 0) : 0;
	step_end(c, status == JD_DB_OK ? 0 : -JD_EDB);
}

/* Runs one statement to its end; its number is in c->number. */
static int run(struct copy *c, struct db *db, struct jd_stmt *stmt, struct jd_params params)
{
	db_use(db);
	if (jd_db_query(&c->owner, stmt, params, on_number, c) < 0)
		return -JD_EDB;
	loop_run(c->loop);
	return c->result;
}

/* -- pages ---------------------------------------------------------------------------------- */

static void add(struct sum *sum, const struct jd_param *row, const char *kinds)
{
	uint64_t h = 1469598103934665603ull;

	for (unsigned i = 0; kinds[i]; i++) {
		const char *p =
			row[i].kind == JD_PARAM_INT ? (const char *)&row[i].num : row[i].str.p;
		size_t n = row[i].kind == JD_PARAM_INT    ? sizeof(row[i].num)
			   : row[i].kind == JD_PARAM_NULL ? 0
							  : row[i].str.len;

		h = (h ^ (row[i].kind == JD_PARAM_NULL)) * 1099511628211ull;
		for (size_t k = 0; k < n; k++)
			h = (h ^ (uint8_t)p[k]) * 1099511628211ull;
		h = (h ^ n) * 1099511628211ull;
	}
	sum->rows++;
	sum->contents += h;
}

static void read_row(const struct table *t, const struct jd_rows *rows, size_t i,
		     struct jd_param row[MAX_COLUMNS])
{
	for (unsigned k = 0; t->kinds[k]; k++) {
		JD_ASSERT(k < MAX_COLUMNS);
		if (jd_row_null(rows, i, k))
			row[k] = jd_null();
		else if (t->kinds[k] == 'i')
			row[k] = jd_int(jd_row_int(rows, i, k));
		else if (t->kinds[k] == 't')
			row[k] = jd_text(jd_row_str(rows, i, k));
		else
			row[k] = jd_blob(jd_row_str(rows, i, k));
	}
}

static void ask_page(struct copy *c, const struct jd_param *behind);

/* The key of the last row of a page, kept over the callback that the rows live in. */
static void keep_key(struct copy *c, struct jd_param row[MAX_COLUMNS])
{
	size_t size = 1;
	char *at;

	for (unsigned k = 0; k < c->table->n_key; k++)
		size += row[k].str.len;
	mem_free(c->text);
	at = c->text = mem_alloc(size);
	for (unsigned k = 0; k < c->table->n_key; k++) {
		if (row[k].kind == JD_PARAM_INT)
			continue;
		memcpy(at, row[k].str.p, row[k].str.len);
		row[k].str.p = at;
		at += row[k].str.len;
	}
}

static struct jd_param last_row[MAX_COLUMNS]; /* the step's; one copy runs at a time */

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct copy *c = arg;

	(void)rows;
	if (status == JD_DB_OK)
		ask_page(c, last_row);
	else
		step_end(c, failed(c, "target", c->table->name));
}

static void on_page(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct copy *c = arg;
	struct jd_unit *unit;

	if (status != JD_DB_OK || !jd_rows_count(rows)) {
		step_end(c, status == JD_DB_OK
				    ? 0
				    : failed(c, c->writing ? "source" : "copied", c->table->name));
		return;
	}
	unit = c->writing ? jd_unit_new() : NULL;
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		struct jd_params params = {last_row, strlen(c->table->kinds)};

		read_row(c->table, rows, i, last_row);
		add(&c->sum, last_row, c->table->kinds);
		if (unit)
			jd_unit_add(unit, c->table->put, params);
	}
	keep_key(c, last_row);
	if (!unit) {
		ask_page(c, last_row);
		return;
	}
	db_use(c->to);
	if (jd_unit_submit(unit, &c->owner, on_written, c) < 0)
		step_end(c, failed(c, "target", c->table->name));
}

static void ask_page(struct copy *c, const struct jd_param *behind)
{
	const struct table *t = c->table;
	struct jd_params params = {behind, behind ? t->n_key : 0};

	db_use(c->writing ? c->from : c->to);
	if (jd_db_query(&c->owner, behind ? t->next : t->first, params, on_page, c) < 0)
		step_end(c, failed(c, "source", t->name));
}

/* Reads a table to its end, writing or comparing. */
static int walk(struct copy *c, const struct table *t, bool writing)
{
	c->table = t;
	c->writing = writing;
	c->sum = (struct sum){0, 0};
	ask_page(c, NULL);
	loop_run(c->loop);
	return c->result;
}

/* -- the whole ------------------------------------------------------------------------------- */

/* An empty target is marked; one that is marked already is gone on with. */
static int begin(struct copy *c)
{
	if (run(c, c->from, &find_mark, JD_NO_PARAMS))
		return failed(c, "source", "its start");
	if (c->number)
		return db_fail(c->error, -JD_EDB,
			       "the source is itself a copy that was broken off");
	if (run(c, c->to, &find_mark, JD_NO_PARAMS))
		return failed(c, "target", "its start");
	if (c->number) {
		(void)puts("going on with a copy that was broken off");
		return 0;
	}
	for (size_t i = 0; i < n_tables; i++) {
		if (!strcmp(tables[i].name, "secret"))
			continue;
		if (run(c, c->to, tables[i].count, JD_NO_PARAMS))
			return failed(c, "target", tables[i].name);
		if (c->number)
			return db_fail(c->error, -JD_EEXIST,
				       "the target is not empty: its table %s has %" PRId64
				       " rows; give an empty database",
				       tables[i].name, c->number);
	}
	if (run(c, c->to, &drop_secrets, JD_NO_PARAMS) ||
	    run(c, c->to, &set_mark, JD_PARAMS(jd_int((int64_t)clock_real()))))
		return failed(c, "target", "its start");
	return 0;
}

static int copy_tables(struct copy *c, struct sum *sums)
{
	for (size_t i = 0; i < n_tables; i++) {
		int e = walk(c, &tables[i], true);

		if (e)
			return e;
		sums[i] = c->sum;
		(void)printf("%-20s %12" PRIu64 " rows copied\n", tables[i].name, c->sum.rows);
		(void)fflush(stdout);
	}
	return 0;
}

static int compare_tables(struct copy *c, const struct sum *sums)
{
	for (size_t i = 0; i < n_tables; i++) {
		int e = walk(c, &tables[i], false);

		if (e)
			return e;
		if (c->sum.rows != sums[i].rows || c->sum.contents != sums[i].contents)
			return db_fail(c->error, -JD_EDB,
				       "the copy differs in the table %s (%" PRIu64
				       " rows, %" PRIu64
				       " in the source): the source has changed since the copy was "
				       "begun, or something wrote into the target; make the target "
				       "empty and copy again",
				       tables[i].name, c->sum.rows, sums[i].rows);
	}
	(void)puts("rows and contents are the same on both sides");
	return 0;
}

static int finish(struct copy *c)
{
	int64_t owner;

	if (run(c, c->to, &last_owner, JD_NO_PARAMS))
		return failed(c, "target", "its end");
	owner = c->number;
	if (owner && (run(c, c->to, &count_on_first, JD_NO_PARAMS) ||
		      run(c, c->to, &count_on, JD_PARAMS(jd_int(owner)))))
		return failed(c, "target", "the counter of accounts");
	return run(c, c->to, &drop_mark, JD_NO_PARAMS) ? failed(c, "target", "its end") : 0;
}

static int copy_all(struct copy *c)
{
	struct sum *sums = mem_alloc(n_tables * sizeof(*sums));
	int e = begin(c);

	if (!e)
		e = copy_tables(c, sums);
	if (!e)
		e = compare_tables(c, sums);
	if (!e)
		e = finish(c);
	mem_free(sums);
	return e;
}

int db_copy(const struct db_settings *from, const struct db_settings *to,
	    struct db_error *ret_error)
{
	struct copy c = {.error = ret_error, .loop = loop_new("copy")};
	int e;

	owner_init(&c.owner);
	e = db_open(from, c.loop, &c.from, ret_error);
	if (!e)
		e = db_open(to, c.loop, &c.to, ret_error);
	if (!e)
		e = copy_all(&c);
	db_close(c.to);
	db_close(c.from);
	db_use(NULL);
	mem_free(c.text);
	loop_free(c.loop);
	return e;
}

int db_copy_unfinished(struct loop *loop)
{
	struct copy c = {.loop = loop};
	int e;

	owner_init(&c.owner);
	if (jd_db_query(&c.owner, &find_mark, JD_NO_PARAMS, on_number, &c) < 0)
		return -JD_EDB;
	loop_run(loop);
	e = c.result;
	if (e)
		return e;
	return c.number ? -JD_EEXIST : 0;
}
