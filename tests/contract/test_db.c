/* SPDX-License-Identifier: MIT
 *
 * The contract, part one: values that come back as they were, units that are done
 * whole or not at all, and failures that are nobody else's.
 */
#include "db_contract.h"

/* -- values ------------------------------------------------------------------------- */

static void round_trip(struct fixture *f, int64_t k, struct jd_param t, struct jd_param b)
{
	struct answer a = {0};

	assert_int_equal(ask(f, &put, JD_PARAMS(jd_int(k), t, b), &a), JD_DB_OK);
	assert_int_equal(a.rows, 0);
	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	assert_int_equal(a.rows, 1);
	assert_int_equal(a.affected, 1);
	assert_true(a.num[0] == k);
	assert_int_equal(a.null[1], t.kind == JD_PARAM_NULL);
	assert_int_equal(a.null[2], b.kind == JD_PARAM_NULL);
	assert_int_equal(a.str[1].p == NULL, t.kind == JD_PARAM_NULL);
	assert_int_equal(a.str[2].p == NULL, b.kind == JD_PARAM_NULL);
	assert_true(jd_str_eq(a.str[1], t.str));
	assert_true(jd_str_eq(a.str[2], b.str));
	answer_free(&a);
}

static void values_come_back(void **state)
{
	static const char with_nul[] = "a\0b\0\0c";
	struct jd_str blob = {with_nul, sizeof(with_nul)};

	round_trip(*state, 1, jd_null(), jd_null());
	round_trip(*state, 2, jd_text(JD_STR_NULL), jd_blob(JD_STR_NULL));
	round_trip(*state, 3, jd_text(JD_STR("")), jd_blob(JD_STR("")));
	round_trip(*state, 4, jd_text(JD_STR("it's \"quoted\"; -- $1 ?")), jd_blob(blob));
	round_trip(*state, INT64_MAX, jd_text(JD_STR("\xc3\xa4")), jd_null());
	round_trip(*state, INT64_MIN, jd_text(JD_STR("x")), jd_null());
	round_trip(*state, 0, jd_text(JD_STR("x")), jd_null());
	round_trip(*state, -1, jd_text(JD_STR("x")), jd_null());
}

static void large_text_comes_back(void **state)
{
	size_t len = (size_t)99999 * 4;
	char *text = jd_alloc(len);

	for (size_t i = 0; i < len; i += 4)
		memcpy(text + i, "\xf0\x9f\x90\xa6", 4);
	round_trip(*state, 7, jd_text((struct jd_str){text, len}), jd_null());
	for (size_t i = 0; i < len; i++)
		text[i] = (char)i;
	round_trip(*state, 8, jd_null(), jd_blob((struct jd_str){text, len}));
	jd_free(text);
}

static void many_rows_come_back(void **state)
{
	static struct jd_stmt all = {
		.name = "t.all",
		.lane = JD_LANE_READ,
		.sql = "SELECT k FROM item ORDER BY k",
	};
	struct fixture *f = *state;
	struct jd_unit *unit = jd_unit_new();
	struct answer a = {0};

	for (int i = 0; i < 300; i++)
		jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(i)));
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_OK);
	assert_int_equal(ask(f, &all, JD_NO_PARAMS, &a), JD_DB_OK);
	assert_int_equal(a.rows, 300);
	assert_int_equal(a.affected, 300);
	assert_int_equal(a.num[0], 0);
	answer_free(&a);
}

static void parameters_go_by_number(void **state)
{
	static struct jd_stmt mixed = {
		.name = "t.mixed",
		.lane = JD_LANE_READ,
		.sql = "SELECT CAST($3 AS BIGINT), CAST($1 AS BIGINT), CAST($3 AS BIGINT),"
		       " CAST($2 AS BIGINT)",
	};
	struct answer a = {0};

	assert_int_equal(ask(*state, &mixed, JD_PARAMS(jd_int(11), jd_int(22), jd_int(33)), &a),
			 JD_DB_OK);
	assert_int_equal(a.num[0], 33);
	assert_int_equal(a.num[1], 11);
	assert_int_equal(a.num[2], 33);
	assert_int_equal(a.num[3], 22);
	answer_free(&a);
}

static void parameters_are_copied(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	char text[] = "before";

	assert_int_equal(jd_db_query(&f->owner, &put,
				     JD_PARAMS(jd_int(1), jd_text(jd_cstr(text)), jd_null()),
				     on_answer, &a),
			 0);
	memset(text, 'x', sizeof(text) - 1);
	fixture_wait(f, &a);
	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(1)), &a), JD_DB_OK);
	assert_true(jd_str_is(a.str[1], "before"));
	answer_free(&a);
}

static void returning_gives_rows(void **state)
{
	struct answer a = {0};

	assert_int_equal(
		ask(*state, &put_returning, JD_PARAMS(jd_int(5), jd_text(JD_STR("five"))), &a),
		JD_DB_OK);
	assert_int_equal(a.rows, 1);
	assert_int_equal(a.affected, 1);
	assert_int_equal(a.num[0], 5);
	assert_true(jd_str_is(a.str[1], "five"));
	answer_free(&a);
}

static void text_with_nul_is_refused(void **state)
{
	struct fixture *f = *state;
	struct jd_str bad = {"a\0b", 3};

	assert_int_equal(jd_db_query(&f->owner, &put, JD_PARAMS(jd_int(1), jd_text(bad), jd_null()),
				     NULL, NULL),
			 -JD_EINVAL);
	assert_int_equal(number(f, &count), 0);
}

/* -- units -------------------------------------------------------------------------- */

static void unit_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct jd_unit *unit = jd_unit_new();
	struct answer a = {0};

	add(f, 1);
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(2)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(3)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(1)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(4)));
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_CONFLICT);
	assert_int_equal(number(f, &count), 1);
	unit = jd_unit_new();
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(2)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(3)));
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_OK);
	assert_int_equal(number(f, &count), 3);
	answer_free(&a);
}

static void unit_returns_last_rows(void **state)
{
	struct jd_unit *unit = jd_unit_new();
	struct answer a = {0};

	jd_unit_add(unit, &put_returning, JD_PARAMS(jd_int(1), jd_text(JD_STR("one"))));
	jd_unit_add(unit, &count, JD_NO_PARAMS);
	assert_int_equal(ask_unit(*state, unit, &a), JD_DB_OK);
	assert_int_equal(a.rows, 1);
	assert_int_equal(a.cols, 1);
	assert_int_equal(a.num[0], 1); /* it sees what its unit wrote */
	unit = jd_unit_new();
	jd_unit_add(unit, &get, JD_PARAMS(jd_int(1)));
	jd_unit_add(unit, &get, JD_PARAMS(jd_int(99)));
	assert_int_equal(ask_unit(*state, unit, &a), JD_DB_OK);
	assert_int_equal(a.rows, 0);
	answer_free(&a);
}

static void empty_unit_is_fine(void **state)
{
	struct answer a = {0};

	assert_int_equal(ask_unit(*state, jd_unit_new(), &a), JD_DB_OK);
	assert_int_equal(a.rows, 0);
	jd_unit_free(jd_unit_new());
	jd_unit_free(NULL);
}

static void expectation(void **state)
{
	struct fixture *f = *state;
	struct jd_unit *unit = jd_unit_new();
	struct jd_params hit = JD_PARAMS(jd_int(1), jd_text(JD_STR("a")));
	struct jd_params miss = JD_PARAMS(jd_int(77), jd_text(JD_STR("b")));
	struct answer a = {0};

	add(f, 1);
	assert_int_equal(ask(f, &rename_one, hit, &a), JD_DB_OK);
	assert_int_equal(ask(f, &rename_one, miss, &a), JD_DB_CONFLICT);
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(2)));
	jd_unit_add(unit, &rename_one, miss);
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_CONFLICT);
	assert_false(present(f, 2));
	answer_free(&a);
}

static void expectation_of_a_read(void **state)
{
	static struct jd_stmt exists = {
		.name = "t.exists",
		.lane = JD_LANE_READ,
		.sql = "SELECT k FROM item WHERE k = $1",
		.expect = 1,
	};
	struct fixture *f = *state;
	struct jd_unit *unit = jd_unit_new();
	struct answer a = {0};

	jd_unit_add(unit, &exists, JD_PARAMS(jd_int(1)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(2)));
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_CONFLICT);
	add(f, 1);
	unit = jd_unit_new();
	jd_unit_add(unit, &exists, JD_PARAMS(jd_int(1)));
	jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(2)));
	assert_int_equal(ask_unit(f, unit, &a), JD_DB_OK);
	assert_int_equal(number(f, &count), 2);
	answer_free(&a);
}

/* -- what fails, fails alone ---------------------------------------------------------- */

/* Submits the k-th good one with every other kind of bad one between, in one go. */
static void one_bad_among_good(struct fixture *f, struct jd_stmt *bad, enum jd_db_status expected)
{
	struct answer good[8] = {0};
	struct answer wrong = {0};

	add(f, 100);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(101 + i)),
					     on_answer, &good[i]),
				 0);
		if (i == 3)
			assert_int_equal(jd_db_query(&f->owner, bad, JD_PARAMS(jd_int(100)),
						     on_answer, &wrong),
					 0);
	}
	for (int i = 0; i < 8; i++) {
		fixture_wait(f, &good[i]);
		assert_int_equal(good[i].status, JD_DB_OK);
	}
	fixture_wait(f, &wrong);
	assert_int_equal(wrong.status, expected);
	assert_int_equal(number(f, &count), 9);
}

static void unique_fails_alone(void **state)
{
	one_bad_among_good(*state, &put_key, JD_DB_CONFLICT);
}

static void bad_sql_fails_alone(void **state)
{
	struct fixture *f = *state;

	f->errors_announced = true;
	one_bad_among_good(f, &broken, JD_DB_FAILED);
}

static void missing_parameter_fails_alone(void **state)
{
	struct fixture *f = *state;

	f->errors_announced = true;
	one_bad_among_good(f, &put, JD_DB_FAILED); /* wants three, gets one */
}

static void two_statements_fail_alone(void **state)
{
	static struct jd_stmt two = {
		.name = "t.two",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO item (k) VALUES ($1 + 1000); DELETE FROM item",
	};
	struct fixture *f = *state;

	f->errors_announced = true;
	one_bad_among_good(f, &two, JD_DB_FAILED);
}

/* Reads that come together may share more than they should. */
static void bad_read_fails_alone(void **state)
{
	static struct jd_stmt bad = {
		.name = "t.bad_read",
		.lane = JD_LANE_READ,
		.sql = "SELECT abs(k) FROM item WHERE k = $1 AND abs(-9223372036854775807 - 1) = 0",
	};
	struct fixture *f = *state;
	struct answer good[6] = {0};
	struct answer wrong[6] = {0};

	f->errors_announced = true;
	add(f, 1);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(jd_db_query(NULL, &get, JD_PARAMS(jd_int(1)), on_answer, &good[i]),
				 0);
		assert_int_equal(
			jd_db_query(NULL, &bad, JD_PARAMS(jd_int(1)), on_answer, &wrong[i]), 0);
	}
	for (int i = 0; i < 6; i++) {
		fixture_wait(f, &good[i]);
		fixture_wait(f, &wrong[i]);
		assert_int_equal(good[i].status, JD_DB_OK);
		assert_int_equal(good[i].rows, 1);
		assert_int_equal(wrong[i].status, JD_DB_FAILED);
		answer_free(&good[i]);
	}
	add(f, 2);
	assert_int_equal(number(f, &count), 2);
}

static void foreign_key_conflicts(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	assert_int_equal(ask(f, &put_strict, JD_PARAMS(jd_int(1)), &a), JD_DB_CONFLICT);
	add(f, 1);
	assert_int_equal(ask(f, &put_strict, JD_PARAMS(jd_int(1)), &a), JD_DB_OK);
	answer_free(&a);
}

/* A deferred constraint is looked at by COMMIT, which fails for everybody in it. */
static void deferred_constraint_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct answer good[3] = {0};
	struct answer wrong = {0};

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(i)), on_answer, &good[i]), 0);
		if (i == 1)
			assert_int_equal(jd_db_query(NULL, &put_child, JD_PARAMS(jd_int(55)),
						     on_answer, &wrong),
					 0);
	}
	for (int i = 0; i < 3; i++) {
		fixture_wait(f, &good[i]);
		assert_int_equal(good[i].status, JD_DB_OK);
	}
	fixture_wait(f, &wrong);
	assert_int_equal(wrong.status, JD_DB_CONFLICT);
	assert_int_equal(number(f, &count), 3);
}

static void write_in_the_wrong_lane_is_refused(void **state)
{
	static struct jd_stmt sly[] = {
		{.name = "t.sly_read",
		 .lane = JD_LANE_READ,
		 .sql = "INSERT INTO item (k) VALUES ($1)"},
		{.name = "t.sly_long",
		 .lane = JD_LANE_LONG,
		 .sql = "INSERT INTO item (k) VALUES ($1)"},
	};
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	for (size_t i = 0; i < JD_ARRAY_SIZE(sly); i++)
		assert_int_equal(ask(f, &sly[i], JD_PARAMS(jd_int(1)), &a), JD_DB_FAILED);
	assert_int_equal(number(f, &count), 0);
}

/* FAILED is not done, also where the statement itself was fine but its rows too many. */
static void too_large_result_undoes(void **state)
{
	static struct jd_stmt put_large = {
		.name = "t.put_large",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO item (k) VALUES ($1) RETURNING repeat('x', 18000000)",
		.sqlite = "INSERT INTO item (k) VALUES ($1) RETURNING hex(zeroblob(9000000))",
	};
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	assert_int_equal(ask(f, &put_large, JD_PARAMS(jd_int(1)), &a), JD_DB_FAILED);
	assert_int_equal(number(f, &count), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		OPEN(values_come_back),
		OPEN(large_text_comes_back),
		OPEN(many_rows_come_back),
		OPEN(parameters_go_by_number),
		OPEN(parameters_are_copied),
		OPEN(returning_gives_rows),
		OPEN(text_with_nul_is_refused),
		OPEN(unit_is_all_or_nothing),
		OPEN(unit_returns_last_rows),
		OPEN(empty_unit_is_fine),
		OPEN(expectation),
		OPEN(expectation_of_a_read),
		OPEN(unique_fails_alone),
		OPEN(bad_sql_fails_alone),
		OPEN(missing_parameter_fails_alone),
		OPEN(two_statements_fail_alone),
		OPEN(bad_read_fails_alone),
		OPEN(foreign_key_conflicts),
		OPEN(deferred_constraint_fails_alone),
		OPEN(write_in_the_wrong_lane_is_refused),
		OPEN(too_large_result_undoes),
	};

	return run_variants(tests);
}
