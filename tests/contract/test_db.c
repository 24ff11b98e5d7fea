/* SPDX-License-Identifier: MIT
 *
 * The contract of <jackdaw/db.h>, run over every driver.  A new driver is a new
 * line in `variants`; what a test asks of durable storage is left out for
 * databases in memory.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "db_fixture.h"

static const struct variant variants[] = {
	{"sqlite", true},
	{"sqlite", false},
	{"test", true},
	{"test", false},
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

static struct jd_stmt put = {
	.name = "t.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k, t, b) VALUES ($1, $2, $3)",
};
static struct jd_stmt put_key = {
	.name = "t.put_key",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k) VALUES ($1)",
};
static struct jd_stmt put_returning = {
	.name = "t.put_returning",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO item (k, t) VALUES ($1, $2) RETURNING k, t",
};
static struct jd_stmt get = {
	.name = "t.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT k, t, b FROM item WHERE k = $1",
};
static struct jd_stmt count = {
	.name = "t.count",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM item",
};
static struct jd_stmt rename_one = {
	.name = "t.rename_one",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE item SET t = $2 WHERE k = $1",
	.expect = 1,
};
static struct jd_stmt put_child = {
	.name = "t.put_child",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO child (item) VALUES ($1)",
};
static struct jd_stmt put_strict = {
	.name = "t.put_strict",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO strict_child (item) VALUES ($1)",
};
static struct jd_stmt broken = {
	.name = "t.broken",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO nowhere (k) VALUES ($1)",
};

/* -- setting up --------------------------------------------------------------------- */

static const struct variant *variant; /* of the run */

static void open_with(struct fixture *f, struct db_settings settings)
{
	struct db_error error;

	assert_int_equal(fixture_open(f, settings, &error), 0);
	assert_int_equal(db_migrate(f->db, "t", tables, JD_ARRAY_SIZE(tables), &error), 0);
}

static int setup(void **state)
{
	struct fixture *f = fixture_new(variant);

	open_with(f, (struct db_settings){.max_units = 0});
	*state = f;
	return 0;
}

/* For tests that fork: no thread runs yet, nothing is open. */
static int setup_closed(void **state)
{
	*state = fixture_new(variant);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static void add(struct fixture *f, int64_t k)
{
	struct answer a = {0};

	assert_int_equal(ask(f, &put_key, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	assert_int_equal(a.affected, 1);
	answer_free(&a);
}

static bool present(struct fixture *f, int64_t k)
{
	struct answer a = {0};
	size_t rows;

	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	rows = a.rows;
	answer_free(&a);
	return rows == 1;
}

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

	for (int i = 0; i < 8; i++) {
		assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(100 + i)),
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
	assert_int_equal(number(f, &count), 8);
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

/* -- order --------------------------------------------------------------------------- */

struct sequence {
	unsigned next; /* the callback that is due */
	unsigned total;
};

struct expected {
	struct sequence *sequence;
	unsigned place;
	int64_t count; /* what a read shall see; -1: a write */
};

static void on_sequence(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct expected *e = arg;

	assert_int_equal(status, JD_DB_OK);
	assert_int_equal(e->place, e->sequence->next);
	e->sequence->next++;
	fixture_wake();
	if (e->count >= 0)
		assert_int_equal(jd_row_int(rows, 0, 0), e->count);
}

/* Every third unit is a read with the key: it sees exactly the writes before it. */
static void keys_keep_order(void **state)
{
	enum { N = 900 };
	static struct expected expected[N];
	struct sequence sequence = {0, N};
	struct fixture *f = *state;
	int64_t writes = 0;

	for (unsigned i = 0; i < N; i++) {
		struct jd_unit *unit = jd_unit_new();

		if (i % 3 == 2)
			jd_unit_add(unit, &count, JD_NO_PARAMS);
		else
			jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(writes++)));
		expected[i] = (struct expected){&sequence, i, i % 3 == 2 ? writes : -1};
		jd_unit_key(unit, 42);
		assert_int_equal(jd_unit_submit(unit, &f->owner, on_sequence, &expected[i]), 0);
	}
	while (sequence.next < N)
		loop_run(f->loop);
	assert_int_equal(number(f, &count), writes);
}

static void reads_see_own_writes(void **state)
{
	for (int64_t i = 1; i <= 100; i++) {
		add(*state, i);
		assert_int_equal(number(*state, &count), i);
		assert_true(present(*state, i));
	}
}

/* -- callbacks ------------------------------------------------------------------------ */

static void callbacks_come_once(void **state)
{
	enum { N = 500 };
	static struct answer answers[N];
	struct fixture *f = *state;
	struct db_stats stats;

	memset(answers, 0, sizeof(answers));
	for (int i = 0; i < N; i++) {
		struct jd_stmt *stmt = i % 2 ? &get : &put_key;

		assert_int_equal(
			jd_db_query(&f->owner, stmt, JD_PARAMS(jd_int(i)), on_answer, &answers[i]),
			0);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(answers[i].calls, 0);
	db_stats(f->db, &stats);
	assert_int_equal(stats.waiting, N);
	for (int i = 0; i < N; i++)
		fixture_wait(f, &answers[i]);
	for (int i = 0; i < 10; i++)
		loop_turn(f->loop, false);
	for (int i = 0; i < N; i++) {
		assert_int_equal(answers[i].calls, 1);
		answer_free(&answers[i]);
	}
	db_stats(f->db, &stats);
	assert_int_equal(stats.waiting, 0);
	assert_int_equal(stats.waiting_bytes, 0);
	assert_int_equal(stats.failures, 0);
	assert_int_equal(stats.units, N);
	assert_true(stats.commits >= 1);
	assert_true(list_empty(&f->owner.pending));
}

static void no_callback_is_fine(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(1)), NULL, NULL), 0);
	add(f, 2);
	assert_int_equal(number(f, &count), 2);
}

static void owner_cancels_callbacks(void **state)
{
	struct fixture *f = *state;
	struct jd_owner going;
	struct answer cancelled[3] = {0};

	owner_init(&going);
	for (int i = 0; i < 3; i++)
		assert_int_equal(jd_db_query(&going, &put_key, JD_PARAMS(jd_int(i)), on_answer,
					     &cancelled[i]),
				 0);
	owner_cancel_all(&going);
	add(f, 50);
	assert_int_equal(number(f, &count), 4); /* they were executed all the same */
	for (int i = 0; i < 3; i++)
		assert_int_equal(cancelled[i].calls, 0);
}

static void on_cancel_other(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)rows;
	assert_int_equal(status, JD_DB_OK);
	owner_cancel_all(arg);
}

/* The second one is back already, perhaps, when the callback of the first cancels it. */
static void callback_cancels_another(void **state)
{
	struct fixture *f = *state;
	struct jd_owner going;
	struct answer a = {0};

	owner_init(&going);
	assert_int_equal(jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(1)), on_cancel_other, &going),
			 0);
	assert_int_equal(jd_db_query(&going, &put_key, JD_PARAMS(jd_int(2)), on_answer, &a), 0);
	add(f, 3);
	assert_int_equal(number(f, &count), 3);
	assert_int_equal(a.calls, 0);
}

struct chain {
	struct fixture *f;
	int64_t left;
	bool inside;
};

/* A callback submits the next one: that isn't called beneath it either. */
static void on_chain(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct chain *c = arg;

	(void)rows;
	assert_int_equal(status, JD_DB_OK);
	assert_false(c->inside);
	c->inside = true;
	fixture_wake();
	if (--c->left > 0)
		assert_int_equal(jd_db_query(&c->f->owner, &put_key, JD_PARAMS(jd_int(c->left)),
					     on_chain, c),
				 0);
	c->inside = false;
}

static void callbacks_submit(void **state)
{
	struct chain c = {*state, 50, false};

	assert_int_equal(
		jd_db_query(&c.f->owner, &put_key, JD_PARAMS(jd_int(c.left)), on_chain, &c), 0);
	while (c.left)
		loop_run(c.f->loop);
	assert_int_equal(number(c.f, &count), 50);
}

/* -- bounds --------------------------------------------------------------------------- */

static void waiting_units_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct answer a[5] = {0};

	open_with(f, (struct db_settings){.max_units = 4});
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(i)), on_answer, &a[i]),
			0);
	assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(4)), on_answer, &a[4]),
			 -JD_ELIMIT);
	for (int i = 0; i < 4; i++)
		fixture_wait(f, &a[i]);
	assert_int_equal(a[4].calls, 0);
	assert_false(present(f, 4));
	add(f, 4);
}

static void waiting_bytes_are_bounded(void **state)
{
	struct fixture *f = *state;
	char *text = jd_alloc(100000);
	struct jd_param large = jd_blob((struct jd_str){text, 60000});
	struct jd_param huge = jd_blob((struct jd_str){text, 100000});
	struct answer a = {0};

	open_with(f, (struct db_settings){.max_bytes = 100000});
	assert_int_equal(
		jd_db_query(&f->owner, &put, JD_PARAMS(jd_int(1), jd_null(), huge), NULL, NULL),
		-JD_ELIMIT);
	assert_int_equal(
		jd_db_query(&f->owner, &put, JD_PARAMS(jd_int(2), jd_null(), large), on_answer, &a),
		0);
	assert_int_equal(
		jd_db_query(&f->owner, &put, JD_PARAMS(jd_int(3), jd_null(), large), NULL, NULL),
		-JD_ELIMIT);
	fixture_wait(f, &a);
	assert_int_equal(ask(f, &put, JD_PARAMS(jd_int(3), jd_null(), large), &a), JD_DB_OK);
	assert_int_equal(number(f, &count), 2);
	jd_free(text);
	answer_free(&a);
}

static void results_are_bounded(void **state)
{
	static struct jd_stmt endless = {
		.name = "t.endless",
		.lane = JD_LANE_READ,
		.sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
		       " SELECT i, 'some text to fill the result with' FROM n",
	};
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	assert_int_equal(ask(f, &endless, JD_NO_PARAMS, &a), JD_DB_FAILED);
	add(f, 1);
}

static struct jd_stmt spin = {
	.name = "t.spin",
	.lane = JD_LANE_LONG,
	.sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
	       " SELECT count(*) FROM n",
};

static void long_query_is_ended(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	open_with(f, (struct db_settings){.long_limit = 20 * JD_USEC_PER_MSEC});
	assert_int_equal(ask(f, &spin, JD_NO_PARAMS, &a), JD_DB_FAILED);
	assert_int_equal(number(f, &count), 0);
	add(f, 1);
}

/* The search never ends by itself; what is short comes back meanwhile. */
static void long_query_delays_nobody(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	if (!f->variant->file)
		return; /* one connection */
	f->errors_announced = true;
	assert_int_equal(jd_db_query(&f->owner, &spin, JD_NO_PARAMS, on_answer, &a), 0);
	add(f, 1);
	assert_true(present(f, 1));
	assert_int_equal(a.calls, 0);
	fixture_close(f); /* doesn't wait for it either */
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.status, JD_DB_FAILED);
}

/* -- statements ----------------------------------------------------------------------- */

/* A module that is loaded anew has a fresh object, perhaps with another text. */
static void new_text_under_old_name(void **state)
{
	struct jd_stmt before = {.name = "t.x", .lane = JD_LANE_READ, .sql = "SELECT 1"};
	struct jd_stmt after = {.name = "t.x", .lane = JD_LANE_READ, .sql = "SELECT 2"};
	struct jd_stmt again = {.name = "t.x", .lane = JD_LANE_READ, .sql = "SELECT 1"};

	assert_int_equal(number(*state, &before), 1);
	assert_int_equal(number(*state, &after), 2);
	assert_int_equal(number(*state, &again), 1);
	assert_int_equal(number(*state, &before), 1);
	assert_ptr_equal(before.prepared, again.prepared);
}

/* The statement's object may be gone, with its module, before it is executed. */
static void statement_may_go(void **state)
{
	struct fixture *f = *state;
	struct jd_stmt *stmt = jd_alloc(sizeof(*stmt));
	struct answer a = {0};

	*stmt = put_key;
	stmt->name = "t.going";
	stmt->prepared = NULL;
	assert_int_equal(jd_db_query(&f->owner, stmt, JD_PARAMS(jd_int(1)), on_answer, &a), 0);
	jd_free(stmt);
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_OK);
}

static void double_quotes_are_not_text(void **state)
{
	static struct jd_stmt quoted = {
		.name = "t.quoted",
		.lane = JD_LANE_READ,
		.sql = "SELECT k FROM item WHERE t = \"nothing\"",
	};
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	assert_int_equal(ask(f, &quoted, JD_NO_PARAMS, &a), JD_DB_FAILED);
}

/* -- the end, and after it -------------------------------------------------------------- */

static void on_refused(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)rows;
	assert_int_equal(status, JD_DB_OK);
	*(int *)arg = jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(999)), NULL, NULL);
}

static void close_finishes_everything(void **state)
{
	static struct answer answers[600];
	struct fixture *f = *state;
	int refused = 0;

	memset(answers, 0, sizeof(answers));
	assert_int_equal(jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(1000)), on_refused, &refused),
			 0);
	for (int i = 0; i < 600; i++)
		assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(i)), on_answer,
					     &answers[i]),
				 0);
	fixture_close(f);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_int_equal(answers[i].status, JD_DB_OK);
	}
	assert_int_equal(refused, -JD_ECLOSED);
	assert_int_equal(jd_db_query(NULL, &count, JD_NO_PARAMS, NULL, NULL), -JD_ECLOSED);
}

static void reopening_keeps_everything(void **state)
{
	struct fixture *f = *state;

	if (!f->variant->file)
		return;
	for (int i = 0; i < 20; i++)
		add(f, i);
	fixture_close(f);
	open_with(f, (struct db_settings){.max_units = 0});
	assert_int_equal(number(f, &count), 20);
}

/* -- accidents ---------------------------------------------------------------------------- */

struct writer {
	struct fixture *f;
	int fd;
	int64_t next;
};

struct reported {
	struct writer *w;
	int64_t k;
};

static void on_report(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct reported *r = arg;

	(void)rows;
	if (status == JD_DB_OK && write(r->w->fd, &r->k, sizeof(r->k)) != sizeof(r->k))
		_exit(2);
	jd_free(r);
	fixture_wake();
}

/* Writes with some in flight, in units of two rows, and reports what was committed. */
static _Noreturn void write_until_killed(struct fixture *f, int fd)
{
	struct writer w = {f, fd, 0};
	struct db_stats stats;

	open_with(f, (struct db_settings){.max_units = 64});
	for (;;) {
		struct reported *r = jd_alloc(sizeof(*r));
		struct jd_unit *unit = jd_unit_new();

		*r = (struct reported){&w, w.next};
		jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(w.next)));
		jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(w.next + 1)));
		w.next += 2;
		if (jd_unit_submit(unit, NULL, on_report, r))
			_exit(3);
		for (db_stats(f->db, &stats); stats.waiting >= 32; db_stats(f->db, &stats))
			loop_run(f->loop);
	}
}

/* The other end of the pipe: the numbers that were reported, after the kill. */
static size_t read_reports(int fd, pid_t child, int64_t *ret_numbers, size_t max, size_t kill_at)
{
	size_t n = 0;
	int64_t k;

	while (read(fd, &k, sizeof(k)) == (ssize_t)sizeof(k)) {
		if (n < max)
			ret_numbers[n++] = k;
		if (n == kill_at)
			kill(child, SIGKILL);
	}
	return n;
}

static void killed_at(struct fixture *f, size_t reports)
{
	static int64_t numbers[100000];
	int status;
	int fds[2];
	size_t n;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(fds[0]);
		write_until_killed(f, fds[1]);
	}
	close(fds[1]);
	n = read_reports(fds[0], child, numbers, JD_ARRAY_SIZE(numbers), reports);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(n >= reports);
	open_with(f, (struct db_settings){.max_units = 0});
	for (size_t i = 0; i < n; i++) {
		assert_true(present(f, numbers[i]));
		assert_true(present(f, numbers[i] + 1));
	}
	assert_int_equal(number(f, &count) % 2, 0); /* no half unit */
	fixture_close(f);
}

static void killed_process_loses_nothing(void **state)
{
	static const size_t at[] = {1, 40, 700};
	struct fixture *f = *state;

	if (!f->variant->file)
		return;
	for (size_t i = 0; i < JD_ARRAY_SIZE(at); i++) {
		killed_at(f, at[i]);
		assert_int_equal(unlink(f->path), 0);
	}
}

static struct jd_stmt few_pages = {
	.name = "t.few_pages",
	.lane = JD_LANE_WRITE,
	.sql = "PRAGMA max_page_count = 1", /* that is: no more than there are */
};
static struct jd_stmt many_pages = {
	.name = "t.many_pages",
	.lane = JD_LANE_WRITE,
	.sql = "PRAGMA max_page_count = 1000000",
};

/* Fills it with rows of 8 KiB until one is refused, some at a time; returns the rows. */
static int64_t fill(struct fixture *f, int64_t from)
{
	char *text = jd_alloc(8192);
	bool full = false;
	int64_t k = from;

	while (!full) {
		struct answer a[4] = {0};

		for (int i = 0; i < 4; i++)
			assert_int_equal(
				jd_db_query(NULL, &put,
					    JD_PARAMS(jd_int(from + 1000000 + 4 * k + i), jd_null(),
						      jd_blob((struct jd_str){text, 8192})),
					    on_answer, &a[i]),
				0);
		for (int i = 0; i < 4; i++) {
			fixture_wait(f, &a[i]);
			assert_true(a[i].status == JD_DB_OK || a[i].status == JD_DB_FAILED);
			full |= a[i].status == JD_DB_FAILED;
			k += a[i].status == JD_DB_OK;
		}
		assert_true(k - from < 100000);
	}
	jd_free(text);
	return k - from;
}

static void full_database_fails_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	int64_t before, filled;

	f->errors_announced = true;
	add(f, 1);
	assert_int_equal(ask(f, &few_pages, JD_NO_PARAMS, &a), JD_DB_OK);
	before = number(f, &count);
	filled = fill(f, 10);
	assert_int_equal(number(f, &count), before + filled);
	assert_int_equal(ask(f, &many_pages, JD_NO_PARAMS, &a), JD_DB_OK);
	for (int i = 2; i < 10; i++)
		add(f, i);
	assert_int_equal(number(f, &count), before + filled + 8);
	answer_free(&a);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Writing to the disk itself fails; every FAILED unit must really be absent. */
static void write_against_limit(struct fixture *f)
{
	int64_t rows;

	signal(SIGXFSZ, SIG_IGN);
	f->errors_announced = true;
	open_with(f, (struct db_settings){.max_units = 0});
	add(f, 1);
	set_file_limit(400000);
	rows = 1 + fill(f, 10);
	assert_int_equal(number(f, &count), rows);
	set_file_limit(RLIM_INFINITY);
	add(f, 2);
	fixture_close(f);
	open_with(f, (struct db_settings){.max_units = 0});
	assert_int_equal(number(f, &count), rows + 1);
	fixture_close(f);
}

static void failing_disk_fails_and_recovers(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	if (!f->variant->file)
		return;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		write_against_limit(f);
		_exit(7); /* an assertion that failed ends the child otherwise */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

/* -- running ------------------------------------------------------------------------------- */

#define OPEN(test)   cmocka_unit_test_setup_teardown(test, setup, teardown)
#define CLOSED(test) cmocka_unit_test_setup_teardown(test, setup_closed, teardown)

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
		OPEN(keys_keep_order),
		OPEN(reads_see_own_writes),
		OPEN(callbacks_come_once),
		OPEN(no_callback_is_fine),
		OPEN(owner_cancels_callbacks),
		OPEN(callback_cancels_another),
		OPEN(callbacks_submit),
		CLOSED(waiting_units_are_bounded),
		CLOSED(waiting_bytes_are_bounded),
		OPEN(results_are_bounded),
		CLOSED(long_query_is_ended),
		OPEN(long_query_delays_nobody),
		OPEN(new_text_under_old_name),
		OPEN(statement_may_go),
		OPEN(double_quotes_are_not_text),
		OPEN(close_finishes_everything),
		OPEN(reopening_keeps_everything),
		CLOSED(killed_process_loses_nothing),
		OPEN(full_database_fails_and_recovers),
		CLOSED(failing_disk_fails_and_recovers),
	};
	int failed = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(variants); i++) {
		char name[64];

		variant = &variants[i];
		(void)snprintf(name, sizeof(name), "%s, %s", variant->driver,
			       variant->file ? "file" : "memory");
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	}
	return failed != 0;
}
