/* SPDX-License-Identifier: MIT
 *
 * One unit on one connection.  Parameters are bound where they lie in the unit;
 * rows are copied into its arena, since SQLite's own memory goes with the next
 * step.  What SQLite answers is sorted into three: fine; this unit failed and
 * can be undone alone; the transaction is lost with everybody in it.
 */
#include <stdio.h>

#include "db/sqlite/sqlite.h"
#include "util/clock.h"

#define MAX_RESULT ((size_t)16 * 1024 * 1024)
#define LOOK_EVERY 2000 /* virtual machine steps between two looks at the clock */

/* -- what went wrong -------------------------------------------------------------- */

void lite_reason(struct lite *c, int rc, char *ret_reason, size_t size)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		(void)snprintf(ret_reason, size, "the disk is full");
		break;
	case SQLITE_INTERRUPT:
		(void)snprintf(ret_reason, size, "%s",
			       atomic_load(c->closing) ? "the database is being closed"
						       : "it took longer than a long query may");
		break;
	case SQLITE_IOERR:
		(void)snprintf(ret_reason, size, "the disk failed (SQLite error %d, system %d)", rc,
			       sqlite3_system_errno(c->db));
		break;
	case SQLITE_MISUSE:
		(void)snprintf(ret_reason, size,
			       "it isn't one statement for SQLite, or ends the transaction");
		break;
	case SQLITE_TOOBIG:
		(void)snprintf(ret_reason, size, "its result is larger than 16 MiB");
		break;
	case SQLITE_READONLY:
		(void)snprintf(ret_reason, size, "it writes, but not in the lane for writes");
		break;
	case SQLITE_RANGE:
		(void)snprintf(ret_reason, size, "its parameters aren't $1 to $32, all given");
		break;
	default:
		(void)snprintf(ret_reason, size, "%s (SQLite error %d)", sqlite3_errmsg(c->db), rc);
	}
}

/* After these the connection's transaction is void or not to be trusted. */
static bool is_fatal(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_NOMEM:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return true;
	default:
		return false;
	}
}

static enum exec_result failed(struct lite *c, struct jd_unit *unit, int rc, bool in_transaction)
{
	char reason[sizeof(unit->reason)];

	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		unit_outcome(unit, JD_DB_CONFLICT, NULL);
	} else {
		lite_reason(c, rc, reason, sizeof(reason));
		unit_outcome(unit, JD_DB_FAILED, reason);
	}
	if (is_fatal(rc) || (in_transaction && !lite_in_transaction(c)))
		return EXEC_LOST;
	return EXEC_UNDO;
}

/* -- parameters and rows ---------------------------------------------------------- */

static int bind_one(sqlite3_stmt *stmt, int i, const struct jd_param *p)
{
	switch (p->kind) {
	case JD_PARAM_INT:
		return sqlite3_bind_int64(stmt, i, p->num);
	case JD_PARAM_TEXT:
		return sqlite3_bind_text64(stmt, i, p->str.p, p->str.len, SQLITE_STATIC,
					   SQLITE_UTF8);
	case JD_PARAM_BLOB:
		return sqlite3_bind_blob64(stmt, i, p->str.p, p->str.len, SQLITE_STATIC);
	case JD_PARAM_NULL:
		break;
	}
	return sqlite3_bind_null(stmt, i);
}

static int bind_all(const struct prepared *p, const struct unit_step *step)
{
	if (p->n_params > step->n_params)
		return SQLITE_RANGE;
	for (unsigned i = 0; i < p->n_slots; i++) {
		int rc = bind_one(p->stmt, (int)i + 1, &step->params[p->slot[i]]);

		if (rc)
			return rc;
	}
	return SQLITE_OK;
}

/* The bytes end in a NUL that doesn't count, for whoever prints them. */
static struct jd_str copy_bytes(struct jd_arena *arena, const void *p, int n)
{
	return jd_arena_str(arena, (struct jd_str){p ? p : "", (size_t)n});
}

static void take_cell(struct jd_arena *arena, sqlite3_stmt *stmt, int col, struct jd_param *cell)
{
	*cell = jd_null();
	switch (sqlite3_column_type(stmt, col)) {
	case SQLITE_INTEGER:
	case SQLITE_FLOAT: /* we store none; sum() and avg() may make some */
		*cell = jd_int(sqlite3_column_int64(stmt, col));
		break;
	case SQLITE_TEXT:
		*cell = jd_text(copy_bytes(arena, sqlite3_column_text(stmt, col),
					   sqlite3_column_bytes(stmt, col)));
		break;
	case SQLITE_BLOB:
		*cell = jd_blob(copy_bytes(arena, sqlite3_column_blob(stmt, col),
					   sqlite3_column_bytes(stmt, col)));
		break;
	default:
		break;
	}
}

/* Room for one row more: the table doubles, the arena keeps the smaller ones. */
static struct jd_param *row_new(struct jd_rows *rows, size_t *capacity)
{
	struct jd_param *larger;

	if (rows->count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 1;
		larger = jd_arena_alloc(rows->arena, *capacity * rows->cols * sizeof(*larger));
		if (rows->count)
			memcpy(larger, rows->cells, rows->count * rows->cols * sizeof(*larger));
		rows->cells = larger;
	}
	return &rows->cells[rows->count++ * rows->cols];
}

static size_t row_bytes(sqlite3_stmt *stmt, unsigned cols)
{
	size_t n = cols * sizeof(struct jd_param);

	for (unsigned i = 0; i < cols; i++) {
		int type = sqlite3_column_type(stmt, (int)i);

		if (type == SQLITE_TEXT || type == SQLITE_BLOB)
			n += (size_t)sqlite3_column_bytes(stmt, (int)i);
	}
	return n;
}

/* Steps to the end; the rows of a last step are kept, those of others dropped. */
static int collect(struct jd_unit *unit, sqlite3_stmt *stmt, bool keep)
{
	struct jd_rows *rows = &unit->rows;
	size_t capacity = 0;
	size_t bytes = 0;
	int rc;

	*rows = (struct jd_rows){.arena = &unit->arena,
				 .cols = (unsigned)sqlite3_column_count(stmt)};
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct jd_param *row;

		if (!keep) {
			rows->affected++; /* `expect` counts them */
			continue;
		}
		bytes += row_bytes(stmt, rows->cols);
		if (bytes > MAX_RESULT)
			return SQLITE_TOOBIG;
		row = row_new(rows, &capacity);
		for (unsigned i = 0; i < rows->cols; i++)
			take_cell(rows->arena, stmt, (int)i, &row[i]);
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* -- steps ------------------------------------------------------------------------ */

static int64_t affected(const struct lite *c, const struct prepared *p, const struct jd_rows *rows)
{
	if (!p->read_only)
		return sqlite3_changes64(c->db);
	return rows->count ? (int64_t)rows->count : rows->affected;
}

/* An SQLITE_ code; a broken expectation counts as a broken constraint. */
static int run_step(struct lite *c, struct jd_unit *unit, const struct unit_step *step)
{
	int expect = step->statement->stmt.expect;
	struct prepared *p;
	int rc = lite_prepare(c, step->statement, &p);

	if (rc)
		return rc;
	/* Readers are opened so; a single connection in memory has to be told. */
	if (step->statement->stmt.lane != JD_LANE_WRITE && !p->read_only)
		return SQLITE_READONLY;
	rc = bind_all(p, step);
	if (!rc)
		rc = collect(unit, p->stmt, step == unit->last);
	if (!rc)
		unit->rows.affected = affected(c, p, &unit->rows);
	sqlite3_reset(p->stmt);
	if (!rc && expect > 0 && unit->rows.affected != expect)
		rc = SQLITE_CONSTRAINT;
	return rc;
}

static int too_long(void *arg)
{
	const struct lite *c = arg;

	return atomic_load_explicit(c->closing, memory_order_relaxed) || clock_mono() > c->deadline;
}

static int run_steps(struct lite *c, struct jd_unit *unit)
{
	int rc = SQLITE_OK;

	for (const struct unit_step *s = unit->first; s && !rc; s = s->next)
		rc = run_step(c, unit, s);
	return rc;
}

enum exec_result lite_exec(struct lite *c, struct jd_unit *unit)
{
	bool in_transaction = lite_in_transaction(c);
	int rc;

	if (unit->lane == JD_LANE_LONG) {
		c->deadline = clock_mono() + c->long_limit;
		sqlite3_progress_handler(c->db, LOOK_EVERY, too_long, c);
	}
	rc = run_steps(c, unit);
	if (unit->lane == JD_LANE_LONG)
		sqlite3_progress_handler(c->db, 0, NULL, NULL);
	if (!rc && in_transaction != lite_in_transaction(c))
		rc = SQLITE_MISUSE;
	if (rc)
		return failed(c, unit, rc, in_transaction);
	unit_outcome(unit, JD_DB_OK, NULL);
	return EXEC_OK;
}
