/* SPDX-License-Identifier: MIT
 *
 * The database: SQL, asynchronous, the same for SQLite and PostgreSQL.
 *
 * A module declares its statements as static objects, registers them once in
 * start() and runs them by reference:
 *
 *     static struct jd_stmt get_item = {
 *             .name = "roster.get_item", .lane = JD_LANE_READ,
 *             .sql = "SELECT name FROM roster WHERE owner = $1 AND jid = $2",
 *     };
 *     jd_db_query(owner, &get_item, JD_PARAMS(jd_int(no), jd_text(jid)), on_item, item);
 *
 * UNITS.  What is submitted together commits together or not at all: one
 * statement, or a list (jd_unit_*).  There is no BEGIN ... callback ... COMMIT: a
 * unit is unconditional; conditions are SQL, or `expect` rows.
 *
 * PROMISES.  A callback runs on the logic thread, exactly once, never beneath the
 * call that submitted; OK means committed and durable.  Units with the same key
 * are executed in the order of their submission (those of the LONG lane excepted:
 * they keep no order).  A read submitted after a write's callback ran sees that
 * write.  When the owner goes, the callback is cancelled; the statement still runs.
 *
 * BOUNDS.  Past the bound on waiting units the submit functions return
 * -JD_ELIMIT, and nothing was submitted: answer resource-constraint (wait).
 * -JD_EINVAL: a text had a NUL in it.  -JD_ECLOSED: the server is stopping.
 * A result of more than 16 MiB is FAILED: give lists a LIMIT.
 *
 * SQL for both databases: text in single quotes only, ON CONFLICT, RETURNING; one
 * statement each; never INSERT OR ..., never text made at run time.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/types.h>

struct jd_owner; /* whose going cancels the callback: see module.h for how to get one */

enum jd_lane {
	JD_LANE_READ,  /* short reads by index */
	JD_LANE_WRITE, /* anything that changes data */
	JD_LANE_LONG,  /* searches and reports: apart from the others, with a time limit */
};

struct jd_stmt {
	const char *name; /* unique: "module.what" */
	enum jd_lane lane;
	const char *sql;    /* for every driver; parameters $1 .. $32, in any order */
	const char *sqlite; /* where one must differ; NULL: sql */
	const char *pgsql;
	int expect;     /* > 0: exactly so many rows must be affected, else the unit is
			   undone and its outcome is JD_DB_CONFLICT. 0: any number */
	void *prepared; /* the database's; leave it NULL */
};

enum jd_db_status {
	JD_DB_OK,
	JD_DB_CONFLICT,  /* a constraint (unique, foreign key, check) or an expectation: undone */
	JD_DB_FAILED,    /* not done; the reason has been logged */
	JD_DB_UNCERTAIN, /* the connection broke at COMMIT: done or not done */
};

struct jd_param {
	enum { JD_PARAM_NULL, JD_PARAM_INT, JD_PARAM_TEXT, JD_PARAM_BLOB } kind;
	int64_t num;
	struct jd_str str;
};

static inline struct jd_param jd_null(void)
{
	return (struct jd_param){JD_PARAM_NULL, 0, JD_STR_NULL};
}

static inline struct jd_param jd_int(int64_t n)
{
	return (struct jd_param){JD_PARAM_INT, n, JD_STR_NULL};
}

/* Valid UTF-8 without NUL. p == NULL: SQL NULL. */
static inline struct jd_param jd_text(struct jd_str s)
{
	return (struct jd_param){s.p ? JD_PARAM_TEXT : JD_PARAM_NULL, 0, s};
}

static inline struct jd_param jd_blob(struct jd_str s)
{
	return (struct jd_param){s.p ? JD_PARAM_BLOB : JD_PARAM_NULL, 0, s};
}

struct jd_params {
	const struct jd_param *p;
	size_t n;
};

/* Values are copied when the unit is submitted. */
#define JD_PARAMS(...)                                                                             \
	((struct jd_params){(const struct jd_param[]){__VA_ARGS__},                                \
			    JD_ARRAY_SIZE(((const struct jd_param[]){__VA_ARGS__}))})
#define JD_NO_PARAMS ((struct jd_params){NULL, 0})

/* A result: valid until the callback returns. For a unit: that of its last statement. */
struct jd_rows;
JD_EXPORT size_t jd_rows_count(const struct jd_rows *rows); /* rows returned */
/* Rows written; for a SELECT, rows returned. */
JD_EXPORT int64_t jd_rows_affected(const struct jd_rows *rows);
/* A number read as text, or text as a number, is NULL, that is JD_STR_NULL or 0. */
JD_EXPORT bool jd_row_null(const struct jd_rows *rows, size_t row, unsigned col);
JD_EXPORT int64_t jd_row_int(const struct jd_rows *rows, size_t row, unsigned col); /* NULL: 0 */
JD_EXPORT struct jd_str jd_row_str(const struct jd_rows *rows, size_t row, unsigned col);

/* rows is NULL unless status is JD_DB_OK. */
typedef void (*jd_db_fn)(void *arg, enum jd_db_status status, const struct jd_rows *rows);

/* One statement as a unit of its own. */
JD_EXPORT int jd_db_query(struct jd_owner *owner, struct jd_stmt *stmt, struct jd_params params,
			  jd_db_fn fn, void *arg) JD_MUST_USE;

struct jd_unit;
JD_EXPORT struct jd_unit *jd_unit_new(void);
JD_EXPORT void jd_unit_add(struct jd_unit *unit, struct jd_stmt *stmt, struct jd_params params);
/* Units with equal keys keep their order; use the owner's number. 0: no order wanted. */
JD_EXPORT void jd_unit_key(struct jd_unit *unit, uint64_t key);
/* Consumes the unit, also when it fails. fn may be NULL. */
JD_EXPORT int jd_unit_submit(struct jd_unit *unit, struct jd_owner *owner, jd_db_fn fn,
			     void *arg) JD_MUST_USE;
JD_EXPORT void jd_unit_free(struct jd_unit *unit); /* one that is not going to be submitted */

/* A module's tables: numbered from 1 without gaps, never changed once released. */
struct jd_migration {
	unsigned version;
	const char *sqlite;
	const char *pgsql;
};
