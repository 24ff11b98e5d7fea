/* SPDX-License-Identifier: MIT
 *
 * What the tests of the database share: a folder that is removed afterwards, a
 * loop, an open database, and a way to ask and wait.  Static functions in a
 * header, since each test is a program of one file.  A line of level error that
 * the test hasn't announced fails it.
 */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/db.h"
#include "pg_helper.h"
#include "util/log.h"

/* A way to open a database: the suite runs over several. */
struct variant {
	const char *driver;
	bool file; /* it outlives the process, else it is in memory */
};

static inline bool is_pgsql(const struct variant *variant)
{
	return !strcmp(variant->driver, "pgsql");
}

struct fixture {
	const struct variant *variant;
	struct loop *loop;
	struct db *db;
	struct jd_owner owner;
	char dir[256];
	char path[280];
	char conninfo[512]; /* of a PostgreSQL database of the test's own */
	bool errors_announced;
	unsigned errors;
};

/* A turn of the loop sleeps after it has called back, unless a callback stops it:
 * every callback of a test ends with fixture_wake(). */
static struct loop *fixture_loop;

static inline void fixture_wake(void)
{
	loop_stop(fixture_loop);
}

/* What a callback left behind. */
struct answer {
	unsigned calls;
	enum jd_db_status status;
	size_t rows;
	unsigned cols;
	int64_t affected;
	int64_t num[4]; /* of the first row */
	bool null[4];
	struct jd_str str[4]; /* allocated */
};

static inline void answer_free(struct answer *a)
{
	for (int i = 0; i < 4; i++)
		jd_free((void *)(uintptr_t)a->str[i].p);
	memset(a, 0, sizeof(*a));
}

static inline void on_answer(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct answer *a = arg;

	a->calls++;
	a->status = status;
	fixture_wake();
	assert_true((status == JD_DB_OK) == (rows != NULL));
	if (!rows)
		return;
	a->rows = jd_rows_count(rows);
	a->cols = rows->cols;
	a->affected = jd_rows_affected(rows);
	for (unsigned i = 0; a->rows && i < a->cols && i < 4; i++) {
		struct jd_str s = jd_row_str(rows, 0, i);

		a->num[i] = jd_row_int(rows, 0, i);
		a->null[i] = jd_row_null(rows, 0, i);
		a->str[i] = JD_STR_NULL;
		if (s.p) {
			char *copy = jd_alloc(s.len + 1);

			memcpy(copy, s.p, s.len);
			a->str[i] = (struct jd_str){copy, s.len};
		}
	}
}

static inline void fixture_wait(struct fixture *f, const struct answer *a)
{
	while (!a->calls)
		loop_run(f->loop);
	assert_int_equal(a->calls, 1);
}

/* Submits one statement and waits; the answer's last content is dropped. */
static inline enum jd_db_status ask(struct fixture *f, struct jd_stmt *stmt,
				    struct jd_params params, struct answer *a)
{
	answer_free(a);
	assert_int_equal(jd_db_query(&f->owner, stmt, params, on_answer, a), 0);
	assert_int_equal(a->calls, 0); /* never beneath the call */
	fixture_wait(f, a);
	return a->status;
}

static inline enum jd_db_status ask_unit(struct fixture *f, struct jd_unit *unit, struct answer *a)
{
	answer_free(a);
	assert_int_equal(jd_unit_submit(unit, &f->owner, on_answer, a), 0);
	assert_int_equal(a->calls, 0);
	fixture_wait(f, a);
	return a->status;
}

/* The first number that a statement without parameters returns. */
static inline int64_t number(struct fixture *f, struct jd_stmt *stmt)
{
	struct answer a = {0};
	int64_t n;

	assert_int_equal(ask(f, stmt, JD_NO_PARAMS, &a), JD_DB_OK);
	assert_true(a.rows >= 1);
	n = a.num[0];
	answer_free(&a);
	return n;
}

/* -- opening and closing ------------------------------------------------------------ */

static inline void fixture_log(enum jd_log_level level, const char *line, void *arg)
{
	struct fixture *f = arg;

	if (level != JD_LOG_ERROR)
		return;
	f->errors++;
	if (!f->errors_announced)
		(void)fprintf(stderr, "not announced: %s\n", line);
}

static inline int fixture_open(struct fixture *f, struct db_settings settings,
			       struct db_error *ret_error)
{
	int err;

	settings.driver = f->variant->driver;
	settings.path = f->variant->file ? f->path : ":memory:";
	if (!settings.conninfo)
		settings.conninfo = f->conninfo;
	settings.module_dir = getenv("JACKDAW_MODULE_DIR");
	err = db_open(&settings, f->loop, &f->db, ret_error);
	if (!err)
		db_use(f->db);
	return err;
}

static inline void fixture_close(struct fixture *f)
{
	db_close(f->db);
	f->db = NULL;
}

static inline int fixture_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* The database as it was before the test. */
static inline void fixture_wipe(struct fixture *f)
{
	if (!is_pgsql(f->variant)) {
		assert_int_equal(unlink(f->path), 0);
		return;
	}
	pg_tell("create", "test", f->conninfo, sizeof(f->conninfo));
}

static inline struct fixture *fixture_new(const struct variant *variant)
{
	struct fixture *f = jd_alloc(sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	role_take(ROLE_LOGIC);
	f->variant = variant;
	f->loop = fixture_loop = loop_new("test");
	owner_init(&f->owner);
	(void)snprintf(f->dir, sizeof(f->dir), "%s/jackdaw-db.XXXXXX", tmp ? tmp : P_tmpdir);
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/test.db", f->dir);
	log_capture(fixture_log, f);
	if (is_pgsql(variant)) {
		assert_true(pg_helper_start());
		pg_tell("create", "test", f->conninfo, sizeof(f->conninfo));
	}
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	bool unexpected = f->errors && !f->errors_announced;

	owner_cancel_all(&f->owner);
	db_close(f->db);
	loop_free(f->loop);
	log_capture(NULL, NULL);
	(void)nftw(f->dir, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
	jd_free(f);
	assert_false(unexpected);
}
