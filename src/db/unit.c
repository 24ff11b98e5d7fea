/* SPDX-License-Identifier: MIT
 *
 * Units before they are submitted, the statements in them, and the rows that
 * come back.  A unit is one block of 1 KiB, the size that malloc keeps at hand
 * per thread; parameters and rows of a point read fit into what the struct
 * leaves of it, so that the usual unit costs one allocation.
 */
#include <stdio.h>

#include "db/db.h"

#define UNIT_BLOCK ((size_t)1000)
#define UNIT_HEAD  ((sizeof(struct jd_unit) + 15) & ~(size_t)15)
#define MAX_PARAMS 32

_Static_assert(UNIT_HEAD + 256 <= UNIT_BLOCK, "a unit needs room for a few parameters");

/* -- statements ----------------------------------------------------------------- */

/* Few hundred, found by name once per object: a walk is good enough. They stay for
 * the life of the process, since a driver may hold one after its module has gone. */
static struct {
	struct statement **all;
	unsigned count;
} known;

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* A module that was loaded anew may bring another text under the old name. */
static bool same_statement(const struct jd_stmt *a, const struct jd_stmt *b)
{
	return same_text(a->name, b->name) && a->lane == b->lane && a->expect == b->expect &&
	       same_text(a->sql, b->sql) && same_text(a->sqlite, b->sqlite) &&
	       same_text(a->pgsql, b->pgsql);
}

static char *copy_text(const char *s)
{
	return s ? jd_strdup(jd_cstr(s)) : NULL;
}

static struct statement *statement_new(const struct jd_stmt *stmt)
{
	struct statement *s = mem_new(struct statement);

	s->stmt = *stmt;
	s->stmt.name = copy_text(stmt->name);
	s->stmt.sql = copy_text(stmt->sql);
	s->stmt.sqlite = copy_text(stmt->sqlite);
	s->stmt.pgsql = copy_text(stmt->pgsql);
	s->stmt.prepared = NULL;
	s->id = known.count;
	return s;
}

const struct statement *stmt_intern(struct jd_stmt *stmt)
{
	unsigned i = 0;

	if (stmt->prepared)
		return stmt->prepared;
	JD_ASSERT(stmt->name);
	while (i < known.count && !same_statement(&known.all[i]->stmt, stmt))
		i++;
	if (i == known.count) {
		known.all = mem_realloc(known.all, (i + 1) * sizeof(*known.all));
		known.all[i] = statement_new(stmt);
		known.count++;
	}
	stmt->prepared = known.all[i];
	return known.all[i];
}

const char *stmt_sql(const struct jd_stmt *stmt, const char *dialect)
{
	const char *own = strcmp(dialect, "pgsql") ? stmt->sqlite : stmt->pgsql;

	return own ? own : stmt->sql;
}

/* -- units ---------------------------------------------------------------------- */

struct jd_unit *jd_unit_new(void)
{
	struct jd_unit *unit = mem_alloc_raw(UNIT_BLOCK);

	memset(unit, 0, sizeof(*unit));
	arena_init(&unit->arena, (char *)unit + UNIT_HEAD, UNIT_BLOCK - UNIT_HEAD);
	unit->rows.arena = &unit->arena;
	return unit;
}

static struct jd_param copy_param(struct jd_unit *unit, struct jd_param p)
{
	if (p.kind != JD_PARAM_TEXT && p.kind != JD_PARAM_BLOB)
		return p;
	if (p.kind == JD_PARAM_TEXT && p.str.len && memchr(p.str.p, '\0', p.str.len))
		unit->invalid = true; /* the databases disagree on what it would mean */
	unit->bytes += p.str.len;
	p.str = jd_arena_str(&unit->arena, p.str);
	return p;
}

static void take_lane(struct jd_unit *unit, enum jd_lane lane)
{
	if (unit->lane == JD_LANE_WRITE || lane == JD_LANE_READ)
		return;
	unit->lane = lane;
}

void jd_unit_add(struct jd_unit *unit, struct jd_stmt *stmt, struct jd_params params)
{
	struct unit_step *step = jd_arena_new(&unit->arena, struct unit_step);

	JD_ASSERT(params.n <= MAX_PARAMS);
	step->statement = stmt_intern(stmt);
	step->n_params = params.n;
	step->params = jd_arena_alloc(&unit->arena, params.n * sizeof(*step->params));
	for (size_t i = 0; i < params.n; i++)
		step->params[i] = copy_param(unit, params.p[i]);
	unit->bytes += sizeof(*step) + params.n * sizeof(*step->params);
	if (unit->last)
		unit->last->next = step;
	else
		unit->first = step;
	unit->last = step;
	unit->count++;
	take_lane(unit, stmt->lane);
}

void jd_unit_key(struct jd_unit *unit, uint64_t key)
{
	unit->key = key;
}

void jd_unit_free(struct jd_unit *unit)
{
	if (!unit)
		return;
	arena_fini(&unit->arena);
	mem_free(unit);
}

void unit_outcome(struct jd_unit *unit, enum jd_db_status status, const char *reason)
{
	unit->status = status;
	unit->reason[0] = '\0';
	if (reason)
		(void)snprintf(unit->reason, sizeof(unit->reason), "%s", reason);
}

/* -- rows ----------------------------------------------------------------------- */

size_t jd_rows_count(const struct jd_rows *rows)
{
	return rows->count;
}

int64_t jd_rows_affected(const struct jd_rows *rows)
{
	return rows->affected;
}

static const struct jd_param *cell(const struct jd_rows *rows, size_t row, unsigned col)
{
	JD_ASSERT(row < rows->count && col < rows->cols);
	return &rows->cells[row * rows->cols + col];
}

bool jd_row_null(const struct jd_rows *rows, size_t row, unsigned col)
{
	return cell(rows, row, col)->kind == JD_PARAM_NULL;
}

int64_t jd_row_int(const struct jd_rows *rows, size_t row, unsigned col)
{
	return cell(rows, row, col)->num;
}

struct jd_str jd_row_str(const struct jd_rows *rows, size_t row, unsigned col)
{
	return cell(rows, row, col)->str;
}
