/* SPDX-License-Identifier: MIT
 *
 * The contract of <jackdaw/db.h> is run over every driver.  Here is what the
 * programs of the suite share: the drivers, a few tables and statements.  A new
 * driver is a new line in `variants`; what a test asks of durable storage is left
 * out for databases in memory.
 */
#pragma once

#include "db_fixture.h"

/* Not every program uses all of it. */
#define SHARED static __attribute__((unused))

static const struct variant variants[] = {
	{"sqlite", true}, {"sqlite", false}, {"test", true}, {"test", false}, {"pgsql", true},
};

static const struct jd_migration tables[] = {
	{1,
	 "CREATE TABLE item (id INTEGER PRIMARY KEY, k BIGINT UNIQUE, t TEXT, b BLOB);"
	 "CREATE TABLE child (id INTEGER PRIMARY KEY,"
	 " item BIGINT NOT NULL REFERENCES item (k) DEFERRABLE INITIALLY DEFERRED);"
	 "CREATE TABLE strict_child (item BIGINT NOT NULL REFERENCES item (k))",
	 "CREATE TABLE item (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
	 " k BIGINT UNIQUE, t TEXT, b BYTEA);"
	 "CREATE TABLE child (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
	 " item BIGINT NOT NULL REFERENCES item (k) DEFERRABLE INITIALLY DEFERRED);"
	 "CREATE TABLE strict_child (item BIGINT NOT NULL REFERENCES item (k))"},
};

SHARED struct jd_stmt put = {
	.name = "t.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k, t, b) VALUES ($1, $2, $3)",
};
SHARED struct jd_stmt put_key = {
	.name = "t.put_key",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k) VALUES ($1)",
};
SHARED struct jd_stmt put_returning = {
	.name = "t.put_returning",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k, t) VALUES ($1, $2) RETURNING k, t",
};
SHARED struct jd_stmt get = {
	.name = "t.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT k, t, b FROM item WHERE k = $1",
};
SHARED struct jd_stmt count = {
	.name = "t.count",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM item",
};
SHARED struct jd_stmt rename_one = {
	.name = "t.rename_one",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE item SET t = $2 WHERE k = $1",
	.expect = 1,
};
SHARED struct jd_stmt put_child = {
	.name = "t.put_child",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO child (item) VALUES ($1)",
};
SHARED struct jd_stmt put_strict = {
	.name = "t.put_strict",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO strict_child (item) VALUES ($1)",
};
SHARED struct jd_stmt broken = {
	.name = "t.broken",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO nowhere (k) VALUES ($1)",
};

/* -- setting up --------------------------------------------------------------------- */

SHARED const struct variant *variant; /* of the run */

SHARED void open_with(struct fixture *f, struct db_settings settings)
{
	struct db_error error;

	assert_int_equal(fixture_open(f, settings, &error), 0);
	assert_int_equal(db_migrate(f->db, "t", tables, JD_ARRAY_SIZE(tables), &error), 0);
}

SHARED int setup(void **state)
{
	struct fixture *f = fixture_new(variant);

	open_with(f, (struct db_settings){.max_units = 0});
	*state = f;
	return 0;
}

/* For tests that fork: no thread runs yet, nothing is open. */
SHARED int setup_closed(void **state)
{
	*state = fixture_new(variant);
	return 0;
}

SHARED int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

SHARED void add(struct fixture *f, int64_t k)
{
	struct answer a = {0};

	assert_int_equal(ask(f, &put_key, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	assert_int_equal(a.affected, 1);
	answer_free(&a);
}

SHARED bool present(struct fixture *f, int64_t k)
{
	struct answer a = {0};
	size_t rows;

	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	rows = a.rows;
	answer_free(&a);
	return rows == 1;
}

/* -- running ------------------------------------------------------------------------------- */

#define OPEN(test)   cmocka_unit_test_setup_teardown(test, setup, teardown)
#define CLOSED(test) cmocka_unit_test_setup_teardown(test, setup_closed, teardown)

/* The exit status. */
#define run_variants(tests) run_variants_(tests, JD_ARRAY_SIZE(tests))

static void no_postgresql(void **state)
{
	(void)state;
	skip();
}

/* In its place, where PostgreSQL isn't installed or the driver wasn't built. */
SHARED const struct CMUnitTest without[] = {cmocka_unit_test(no_postgresql)};

SHARED int run_variants_(const struct CMUnitTest *tests, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(variants); i++) {
		char name[64];

		variant = &variants[i];
		(void)snprintf(name, sizeof(name), "%s, %s", variant->driver,
			       variant->file ? "file" : "memory");
		if (is_pgsql(variant) && !pg_helper_start())
			failed += _cmocka_run_group_tests(name, without, 1, NULL, NULL);
		else
			failed += _cmocka_run_group_tests(name, tests, n, NULL, NULL);
	}
	return failed != 0;
}
