/* SPDX-License-Identifier: MIT
 *
 * The driver for tests: scripted outcomes, units held back, regular failures.
 * And, with a file system that fails on demand, the real outcome that a script
 * otherwise stands for: UNCERTAIN.
 */
#include <sqlite3.h>

#include "../contract/db_fixture.h"

static const struct variant playing = {"test", false};
static const struct variant on_file = {"sqlite", true};

static const struct jd_migration tables[] = {
	{1, "CREATE TABLE a (k BIGINT UNIQUE)", "CREATE TABLE a (k BIGINT UNIQUE)"},
};

static struct jd_stmt put = {
	.name = "t.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO a VALUES ($1)",
};
static struct jd_stmt put_other = {
	.name = "t.put_other",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO a VALUES ($1)",
};
static struct jd_stmt count = {
	.name = "t.count",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM a",
};

static void *open_variant(const struct variant *variant)
{
	struct fixture *f = fixture_new(variant);
	struct db_error error;

	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
	assert_int_equal(db_migrate(f->db, "t", tables, 1, &error), 0);
	return f;
}

static int setup(void **state)
{
	*state = open_variant(&playing);
	return 0;
}

static int setup_file(void **state)
{
	*state = open_variant(&on_file);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static enum jd_db_status try_put(struct fixture *f, struct jd_stmt *stmt, int64_t k)
{
	struct answer a = {0};
	enum jd_db_status status = ask(f, stmt, JD_PARAMS(jd_int(k)), &a);

	answer_free(&a);
	return status;
}

/* -- outcomes ------------------------------------------------------------------------- */

static void scripted_outcomes(void **state)
{
	static const struct {
		struct db_test_step step;
		int64_t rows; /* added */
	} cases[] = {
		{{.status = JD_DB_FAILED}, 0},
		{{.status = JD_DB_CONFLICT}, 0},
		{{.status = JD_DB_UNCERTAIN}, 0},
		{{.status = JD_DB_UNCERTAIN, .done_but_uncertain = true}, 1},
		{{.status = JD_DB_OK}, 1},
	};
	struct fixture *f = *state;
	int64_t rows = 0;

	f->errors_announced = true;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		db_test_script(f->db, &cases[i].step, 1);
		assert_int_equal(try_put(f, &put, (int64_t)i), cases[i].step.status);
		rows += cases[i].rows;
		assert_int_equal(number(f, &count), rows);
	}
	assert_true(f->errors > 0); /* what failed is in the log */
}

/* A step waits for its statement; what isn't meant is executed. */
static void steps_are_met_by_name(void **state)
{
	static const struct db_test_step steps[] = {
		{.stmt = "t.put_other", .status = JD_DB_CONFLICT},
		{.stmt = "t.put", .status = JD_DB_CONFLICT},
		{.stmt = NULL, .status = JD_DB_CONFLICT},
	};
	struct fixture *f = *state;

	db_test_script(f->db, steps, JD_ARRAY_SIZE(steps));
	assert_int_equal(try_put(f, &put, 1), JD_DB_OK);
	assert_int_equal(try_put(f, &put_other, 2), JD_DB_CONFLICT);
	assert_int_equal(try_put(f, &put_other, 3), JD_DB_OK);
	assert_int_equal(try_put(f, &put, 4), JD_DB_CONFLICT);
	assert_int_equal(try_put(f, &put_other, 5), JD_DB_CONFLICT);
	assert_int_equal(try_put(f, &put, 6), JD_DB_OK);
	assert_int_equal(number(f, &count), 3);
}

static void every_third_fails(void **state)
{
	struct fixture *f = *state;

	f->errors_announced = true;
	db_test_fail_every(f->db, 3);
	for (int i = 1; i <= 9; i++)
		assert_int_equal(try_put(f, &put, i), i % 3 ? JD_DB_OK : JD_DB_FAILED);
	db_test_fail_every(f->db, 0);
	for (int i = 11; i <= 16; i++)
		assert_int_equal(try_put(f, &put, i), JD_DB_OK);
	assert_int_equal(number(f, &count), 12);
}

/* -- holding -------------------------------------------------------------------------- */

static void submit_keyed(struct fixture *f, int64_t k, uint64_t key, struct answer *a)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_add(unit, &put, JD_PARAMS(jd_int(k)));
	jd_unit_key(unit, key);
	assert_int_equal(jd_unit_submit(unit, &f->owner, on_answer, a), 0);
}

static void held_units_wait(void **state)
{
	static const struct db_test_step steps[] = {
		{.hold = true},
		{.hold = true, .status = JD_DB_CONFLICT},
	};
	struct answer held[2] = {0}, same = {0}, other = {0};
	struct fixture *f = *state;

	db_test_script(f->db, steps, 2);
	submit_keyed(f, 1, 7, &held[0]);
	submit_keyed(f, 2, 8, &held[1]);
	submit_keyed(f, 3, 7, &same);
	submit_keyed(f, 4, 9, &other);
	fixture_wait(f, &other);
	assert_int_equal(number(f, &count), 1);
	assert_int_equal(held[0].calls + held[1].calls + same.calls, 0);
	db_test_release(f->db);
	assert_int_equal(held[0].calls + held[1].calls + same.calls, 0);
	fixture_wait(f, &held[0]);
	fixture_wait(f, &held[1]);
	fixture_wait(f, &same);
	assert_int_equal(held[0].status, JD_DB_OK);
	assert_int_equal(held[1].status, JD_DB_CONFLICT);
	assert_int_equal(same.status, JD_DB_OK);
	assert_int_equal(number(f, &count), 3);
}

static void close_releases(void **state)
{
	static const struct db_test_step step = {.hold = true};
	struct fixture *f = *state;
	struct answer a = {0};

	db_test_script(f->db, &step, 1);
	db_test_script(f->db, &step, 1); /* one that is never met */
	submit_keyed(f, 1, 0, &a);
	fixture_close(f);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.status, JD_DB_OK);
}

/* -- a file system that fails ----------------------------------------------------------- */

/* SQLite's own, but the syncing of the log fails while `broken` is set. */
static _Atomic bool broken;
static sqlite3_vfs vfs;
static sqlite3_io_methods methods;
static const sqlite3_io_methods *real_methods;
static int (*real_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);

static int failing_sync(sqlite3_file *file, int flags)
{
	return broken ? SQLITE_IOERR_FSYNC : real_methods->xSync(file, flags);
}

static int failing_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags,
			int *ret_flags)
{
	int rc = real_open(self, name, file, flags, ret_flags);

	if (rc || !(flags & SQLITE_OPEN_WAL))
		return rc;
	if (!real_methods) {
		real_methods = file->pMethods;
		methods = *real_methods;
		methods.xSync = failing_sync;
	}
	file->pMethods = &methods;
	return rc;
}

static void vfs_install(void)
{
	vfs = *sqlite3_vfs_find(NULL);
	real_open = vfs.xOpen;
	vfs.xOpen = failing_open;
	vfs.zName = "failing";
	assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

/* The record is written, but nobody knows whether the disk has it. */
static void failed_sync_is_uncertain(void **state)
{
	struct fixture *f = *state;
	struct answer a[3] = {0};

	f->errors_announced = true;
	assert_int_equal(try_put(f, &put, 1), JD_DB_OK);
	broken = true;
	for (int i = 0; i < 3; i++)
		submit_keyed(f, 10 + i, 0, &a[i]);
	for (int i = 0; i < 3; i++) {
		fixture_wait(f, &a[i]);
		assert_int_equal(a[i].status, JD_DB_UNCERTAIN);
	}
	broken = false;
	/* Resolved by doing it again, in a way that may meet itself. */
	for (int i = 0; i < 3; i++) {
		enum jd_db_status status = try_put(f, &put, 10 + i);

		assert_true(status == JD_DB_OK || status == JD_DB_CONFLICT);
	}
	assert_int_equal(number(f, &count), 4);
}

#define PLAY(test)  cmocka_unit_test_setup_teardown(test, setup, teardown)
#define FILE_(test) cmocka_unit_test_setup_teardown(test, setup_file, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PLAY(scripted_outcomes), PLAY(steps_are_met_by_name),
		PLAY(every_third_fails), PLAY(held_units_wait),
		PLAY(close_releases),    FILE_(failed_sync_is_uncertain),
	};

	vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
