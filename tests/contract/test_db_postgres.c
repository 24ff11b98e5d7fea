/* SPDX-License-Identifier: MIT
 *
 * What only a database on the other end of a wire can do: go away, come back,
 * answer late or not at all, say half of it.  A relay in front of PostgreSQL has
 * the accidents (tests/integration/pgproxy.py).
 */
#include "db_contract.h"

static const struct variant postgres = {"pgsql", true};

/* A wait that ends a test soon; long enough for a database that is started again. */
#define PATIENT   (30 * JD_USEC_PER_SEC)
#define IMPATIENT (200 * JD_USEC_PER_MSEC)

static void open_patient(struct fixture *f, jd_usec wait_limit)
{
	open_with(f, (struct db_settings){.connections = 2, .wait_limit = wait_limit});
}

static int setup_direct(void **state)
{
	struct fixture *f = fixture_new(&postgres);

	open_patient(f, PATIENT);
	*state = f;
	return 0;
}

static int setup_proxied(void **state)
{
	struct fixture *f = fixture_new(&postgres);

	pg_tell("proxy", "test", f->conninfo, sizeof(f->conninfo));
	open_patient(f, PATIENT);
	*state = f;
	return 0;
}

static int setup_unopened(void **state)
{
	*state = fixture_new(&postgres);
	return 0;
}

static void submit_as(struct fixture *f, uint64_t key, struct jd_stmt *stmt,
		      struct jd_params params, struct answer *a)
{
	struct jd_unit *unit = jd_unit_new();

	answer_free(a);
	jd_unit_add(unit, stmt, params);
	jd_unit_key(unit, key);
	assert_int_equal(jd_unit_submit(unit, &f->owner, on_answer, a), 0);
	loop_turn(f->loop, false); /* at its end what was submitted goes to the driver's thread */
}

/* One statement under the key that most tests here use: all of it on one connection. */
static void submit(struct fixture *f, struct jd_stmt *stmt, struct jd_params params,
		   struct answer *a)
{
	submit_as(f, 1, stmt, params, a);
}

static enum jd_db_status ask_keyed(struct fixture *f, struct jd_stmt *stmt, struct jd_params params,
				   struct answer *a)
{
	submit(f, stmt, params, a);
	fixture_wait(f, a);
	return a->status;
}

/* So that the connection knows the statements, and an answer is that of a unit. */
static void warm_up(struct fixture *f)
{
	struct answer a = {0};

	assert_int_equal(ask_keyed(f, &put_key, JD_PARAMS(jd_int(1)), &a), JD_DB_OK);
	assert_int_equal(
		ask_keyed(f, &rename_one, JD_PARAMS(jd_int(1), jd_text(JD_STR("first"))), &a),
		JD_DB_OK);
	assert_int_equal(ask_keyed(f, &get, JD_PARAMS(jd_int(1)), &a), JD_DB_OK);
	answer_free(&a);
}

static bool is_named(struct fixture *f, int64_t k, const char *name)
{
	struct answer a = {0};
	bool yes;

	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(k)), &a), JD_DB_OK);
	yes = a.rows == 1 && jd_str_is(a.str[1], name);
	answer_free(&a);
	return yes;
}

/* -- a connection that breaks -------------------------------------------------------------- */

static void committed_but_not_told(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	warm_up(f);
	pg_do("hold", "");
	submit(f, &put_key, JD_PARAMS(jd_int(2)), &a);
	pg_do("held", "");
	pg_do("cut", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_UNCERTAIN);
	assert_true(present(f, 2));
}

static void asked_but_not_heard(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	warm_up(f);
	pg_do("block", "");
	submit(f, &put_key, JD_PARAMS(jd_int(2)), &a);
	pg_do("held", "");
	pg_do("cut", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_UNCERTAIN);
	assert_false(present(f, 2));
}

/* Its COMMIT was not sent: it is done again, and once. */
static void guarded_is_repeated(void **state)
{
	struct jd_params params = JD_PARAMS(jd_int(1), jd_text(JD_STR("second")));
	struct fixture *f = *state;
	struct answer a = {0};

	warm_up(f);
	pg_do("hold", "");
	submit(f, &rename_one, params, &a);
	pg_do("held", "");
	pg_do("cut", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_OK);
	assert_true(is_named(f, 1, "second"));
}

static void guarded_committed_but_not_told(void **state)
{
	struct jd_params params = JD_PARAMS(jd_int(1), jd_text(JD_STR("second")));
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	warm_up(f);
	pg_do("hold", "COMMIT");
	submit(f, &rename_one, params, &a);
	pg_do("held", "");
	pg_do("cut", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_UNCERTAIN);
	assert_true(is_named(f, 1, "second"));
}

static void reads_are_repeated(void **state)
{
	struct fixture *f = *state;
	struct answer keyed = {0};
	struct answer a[20] = {0};

	warm_up(f);
	pg_do("hold", "");
	for (int i = 0; i < 20; i++)
		assert_int_equal(
			jd_db_query(&f->owner, &get, JD_PARAMS(jd_int(1)), on_answer, &a[i]), 0);
	submit(f, &get, JD_PARAMS(jd_int(1)), &keyed);
	pg_do("held", "");
	pg_do("cut", "");
	for (int i = 0; i < 20; i++) {
		fixture_wait(f, &a[i]);
		assert_int_equal(a[i].status, JD_DB_OK);
		assert_int_equal(a[i].rows, 1);
		answer_free(&a[i]);
	}
	fixture_wait(f, &keyed);
	assert_int_equal(keyed.status, JD_DB_OK);
	answer_free(&keyed);
}

/* Only the first of a key is on its way; the others wait, and go on in order. */
static void what_waits_behind_goes_on(void **state)
{
	struct fixture *f = *state;
	struct answer a[9] = {0};
	struct answer counted = {0};

	f->errors_announced = true;
	warm_up(f);
	pg_do("block", "");
	submit(f, &put_key, JD_PARAMS(jd_int(100)), &a[0]);
	pg_do("held", "");
	for (int i = 1; i < 9; i++)
		submit(f, &put_key, JD_PARAMS(jd_int(100 + i)), &a[i]);
	submit(f, &count, JD_NO_PARAMS, &counted);
	pg_do("cut", "");
	fixture_wait(f, &counted);
	assert_int_equal(a[0].status, JD_DB_UNCERTAIN);
	for (int i = 1; i < 9; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].status, JD_DB_OK);
	}
	assert_int_equal(counted.num[0], 9);
	answer_free(&counted);
}

/* Who waits for a connection that takes long goes to another one, but not past what has the same
 * key. */
static void others_help_a_slow_one(void **state)
{
	struct fixture *f = *state;
	struct answer slow = {0}, behind = {0}, other = {0};

	f->errors_announced = true;
	warm_up(f);
	pg_do("hold", "taken-long");
	submit(f, &put, JD_PARAMS(jd_int(2), jd_text(JD_STR("taken-long")), jd_null()), &slow);
	pg_do("held", "");
	submit(f, &put_key, JD_PARAMS(jd_int(3)), &behind);
	submit_as(f, 2, &put_key, JD_PARAMS(jd_int(4)), &other);
	fixture_wait(f, &other);
	assert_int_equal(other.status, JD_DB_OK);
	assert_int_equal(slow.calls + behind.calls, 0);
	assert_true(present(f, 4));
	assert_false(present(f, 3));
	pg_do("cut", "");
	fixture_wait(f, &behind);
	assert_int_equal(slow.status, JD_DB_UNCERTAIN);
	assert_int_equal(behind.status, JD_DB_OK);
	assert_true(present(f, 2));
}

static void terminate_all(void)
{
	pg_do("sql", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
		     " WHERE usename = 'jackdaw'");
}

static void terminated_connections_come_back(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		struct answer a = {0};

		terminate_all();
		assert_int_equal(ask_keyed(f, &put_key, JD_PARAMS(jd_int(i)), &a), JD_DB_OK);
		assert_int_equal(ask_keyed(f, &get, JD_PARAMS(jd_int(i)), &a), JD_DB_OK);
		answer_free(&a);
	}
}

/* The server says goodbye in the middle of a statement: it is undone, and begun again. */
static void told_to_go_is_not_uncertain(void **state)
{
	static struct jd_stmt slow_put = {
		.name = "t.slow_put",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO item (k) SELECT $1 FROM (SELECT pg_sleep(CASE"
		       " WHEN EXISTS (SELECT 1 FROM pg_stat_activity WHERE usename <> 'jackdaw'"
		       " AND query LIKE '%terminate%') THEN 0 ELSE 1 END)) AS s",
	};
	struct fixture *f = *state;
	struct answer a = {0};

	warm_up(f);
	submit(f, &slow_put, JD_PARAMS(jd_int(2)), &a);
	/* Waits until it sleeps, then ends it. */
	pg_do("sql", "DO $$ DECLARE n integer := 0; BEGIN WHILE n = 0 LOOP"
		     " PERFORM pg_stat_clear_snapshot();"
		     " SELECT count(pg_terminate_backend(pid)) INTO n FROM pg_stat_activity"
		     " WHERE wait_event = 'PgSleep' AND usename = 'jackdaw'; END LOOP; END $$");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_OK);
	assert_true(present(f, 2));
}

/* -- a database that goes -------------------------------------------------------------------- */

static void restart_with(struct fixture *f, const char *how)
{
	struct answer a[6] = {0};
	struct answer counted = {0};

	warm_up(f);
	pg_do(how, "");
	for (int i = 0; i < 6; i++)
		submit(f, &put_key, JD_PARAMS(jd_int(100 + i)), &a[i]);
	submit(f, &count, JD_NO_PARAMS, &counted);
	pg_do("start", "");
	fixture_wait(f, &counted);
	for (int i = 0; i < 6; i++)
		assert_int_equal(a[i].status, JD_DB_OK);
	assert_int_equal(counted.num[0], 7);
	assert_int_equal(number(f, &count), 7);
	answer_free(&counted);
}

static void stopped_and_started(void **state)
{
	restart_with(*state, "stop");
}

static void crashed_and_started(void **state)
{
	restart_with(*state, "crash");
}

/* A write that was answered is there after a crash, whatever was in flight. */
static void crash_loses_nothing(void **state)
{
	enum { N = 400 };
	static struct answer a[N];
	struct fixture *f = *state;
	size_t fine = 0;

	f->errors_announced = true;
	memset(a, 0, sizeof(a));
	for (int i = 0; i < N; i++)
		assert_int_equal(
			jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(i)), on_answer, &a[i]),
			0);
	fixture_wait(f, &a[0]);
	pg_do("crash", "");
	pg_do("start", "");
	for (int i = 0; i < N; i++) {
		fixture_wait(f, &a[i]);
		assert_true(a[i].status == JD_DB_OK || a[i].status == JD_DB_UNCERTAIN);
	}
	for (int i = 0; i < N; i++) {
		if (a[i].status != JD_DB_OK)
			continue;
		assert_true(present(f, i));
		fine++;
	}
	assert_true(fine > 0);
}

static void gone_too_long(void **state)
{
	struct fixture *f = *state;
	struct answer write = {0};
	struct answer read = {0};
	struct answer keyed = {0};
	struct answer search = {0};
	static struct jd_stmt find = {
		.name = "t.find", .lane = JD_LANE_LONG, .sql = "SELECT k FROM item"};

	f->errors_announced = true;
	open_patient(f, IMPATIENT);
	warm_up(f);
	pg_do("stop", "");
	assert_int_equal(ask(f, &put_key, JD_PARAMS(jd_int(2)), &write), JD_DB_FAILED);
	assert_int_equal(ask(f, &get, JD_PARAMS(jd_int(1)), &read), JD_DB_FAILED);
	assert_int_equal(ask(f, &find, JD_NO_PARAMS, &search), JD_DB_FAILED);
	assert_int_equal(ask_keyed(f, &put_key, JD_PARAMS(jd_int(3)), &keyed), JD_DB_FAILED);
	pg_do("start", "");
	while (ask(f, &put_key, JD_PARAMS(jd_int(4)), &write) != JD_DB_OK)
		;
	assert_false(present(f, 2));
	assert_false(present(f, 3));
	assert_true(present(f, 4));
}

static void gone_and_closed(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	pg_do("stop", "");
	submit(f, &put_key, JD_PARAMS(jd_int(1)), &a);
	fixture_close(f);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.status, JD_DB_FAILED);
	pg_do("start", "");
}

static void bounded_while_gone(void **state)
{
	struct fixture *f = *state;
	struct answer a[4] = {0};

	f->errors_announced = true;
	open_with(f, (struct db_settings){.max_units = 4, .wait_limit = PATIENT});
	pg_do("stop", "");
	for (int i = 0; i < 4; i++)
		submit(f, &put_key, JD_PARAMS(jd_int(i)), &a[i]);
	assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(9)), NULL, NULL),
			 -JD_ELIMIT);
	pg_do("start", "");
	for (int i = 0; i < 4; i++) {
		fixture_wait(f, &a[i]);
		assert_int_equal(a[i].status, JD_DB_OK);
	}
}

static void nobody_is_let_in(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	warm_up(f);
	pg_do("refuse", "");
	submit(f, &put_key, JD_PARAMS(jd_int(2)), &a);
	pg_do("accept", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_OK);
}

static void it_sleeps_and_wakes(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	warm_up(f);
	pg_do("pause", "");
	submit(f, &put_key, JD_PARAMS(jd_int(2)), &a);
	loop_turn(f->loop, false);
	assert_int_equal(a.calls, 0);
	pg_do("resume", "");
	fixture_wait(f, &a);
	assert_int_equal(a.status, JD_DB_OK);
}

/* -- many in one transaction ------------------------------------------------------------------ */

enum { MANY = 128, BAD = 70 };

/* A reader that counts after each of them: rows of one key appear in their order. */
static void one_among_many(struct fixture *f, struct jd_stmt *bad, enum jd_db_status expected)
{
	static struct answer a[MANY];
	struct answer end = {0};

	memset(a, 0, sizeof(a));
	warm_up(f);
	for (int i = 0; i < MANY; i++)
		submit(f, i == BAD ? bad : &put_key, JD_PARAMS(jd_int(i == BAD ? 1 : 1000 + i)),
		       &a[i]);
	submit(f, &count, JD_NO_PARAMS, &end);
	fixture_wait(f, &end);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(a[i].calls, 1);
		assert_int_equal(a[i].status, i == BAD ? expected : JD_DB_OK);
	}
	assert_int_equal(end.num[0], MANY);
	answer_free(&end);
}

static void bad_one_among_many(void **state)
{
	one_among_many(*state, &put_key, JD_DB_CONFLICT);
}

static void wrong_one_among_many(void **state)
{
	struct fixture *f = *state;

	f->errors_announced = true;
	one_among_many(f, &broken, JD_DB_FAILED);
}

/* Found when COMMIT says no, which doesn't say whose it is. */
static void late_one_among_many(void **state)
{
	static struct jd_stmt late = {
		.name = "t.late",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO child (item) VALUES ($1 + 5)",
	};

	one_among_many(*state, &late, JD_DB_CONFLICT);
}

/* Ids of one owner come in order, whatever fails between: who pages by id misses nothing. */
static void pages_miss_nothing(void **state)
{
	enum { N = 400 };
	static struct answer a[N];
	static struct jd_stmt behind = {
		.name = "t.behind",
		.lane = JD_LANE_READ,
		.sql = "SELECT count(*), coalesce(max(k), $1) FROM item WHERE k > $1 AND k < 5000",
	};
	struct fixture *f = *state;
	int64_t last = 999, seen = 0;

	memset(a, 0, sizeof(a));
	warm_up(f);
	for (int i = 0; i < N; i++)
		submit(f, &put_key, JD_PARAMS(jd_int(i % 37 == 5 ? 1 : 1000 + i)), &a[i]);
	while (!a[N - 1].calls || last < 1000 + N - 1) {
		struct answer page = {0};

		assert_int_equal(ask(f, &behind, JD_PARAMS(jd_int(last)), &page), JD_DB_OK);
		seen += page.num[0];
		last = page.num[1];
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(a[i].status, i % 37 == 5 ? JD_DB_CONFLICT : JD_DB_OK);
	assert_int_equal(seen, N - (N + 31) / 37);
}

/* What waits together is committed together. */
static void waiting_writes_share_a_commit(void **state)
{
	struct answer a[100] = {0};
	struct fixture *f = *state;
	struct db_stats before, after;

	warm_up(f);
	db_stats(f->db, &before);
	for (int i = 0; i < 100; i++)
		submit(f, &put_key, JD_PARAMS(jd_int(1000 + i)), &a[i]);
	for (int i = 0; i < 100; i++)
		fixture_wait(f, &a[i]);
	db_stats(f->db, &after);
	assert_in_range(after.commits - before.commits, 1, 50);
}

/* -- two that want the same ------------------------------------------------------------------- */

static struct jd_stmt touch = {
	.name = "t.touch", .lane = JD_LANE_WRITE, .sql = "UPDATE item SET t = 'x' WHERE k = $1"};
static struct jd_stmt wait_a_bit = {
	.name = "t.wait", .lane = JD_LANE_WRITE, .sql = "SELECT pg_sleep(0.05)"};

static void submit_crossing(struct fixture *f, uint64_t key, int64_t one, int64_t other,
			    struct answer *a)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_add(unit, &touch, JD_PARAMS(jd_int(one)));
	jd_unit_add(unit, &wait_a_bit, JD_NO_PARAMS);
	jd_unit_add(unit, &touch, JD_PARAMS(jd_int(other)));
	jd_unit_key(unit, key);
	assert_int_equal(jd_unit_submit(unit, &f->owner, on_answer, a), 0);
}

static void deadlocks_are_tried_again(void **state)
{
	struct fixture *f = *state;

	add(f, 1);
	add(f, 2);
	for (uint64_t i = 1; i <= 5; i++) {
		struct answer a = {0};
		struct answer b = {0};

		submit_crossing(f, i, 1, 2, &a);
		submit_crossing(f, i + 1, 2, 1, &b);
		fixture_wait(f, &a);
		fixture_wait(f, &b);
		assert_int_equal(a.status, JD_DB_OK);
		assert_int_equal(b.status, JD_DB_OK);
	}
}

static int open_second(struct fixture *f, struct db **ret_db, struct db_error *error)
{
	struct db_settings settings = {.driver = "pgsql",
				       .conninfo = f->conninfo,
				       .module_dir = getenv("JACKDAW_MODULE_DIR"),
				       .wait_limit = IMPATIENT};

	return db_open(&settings, f->loop, ret_db, error);
}

static void second_server_is_refused(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	struct db *second;
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "jackdaw %ld@", (long)getpid());
	assert_int_equal(open_second(f, &second, &error), -JD_EDB);
	assert_non_null(strstr(error.text, "in use by another Jackdaw"));
	assert_non_null(strstr(error.text, pid));
	fixture_close(f);
	assert_int_equal(open_second(f, &second, &error), 0);
	db_close(second);
}

/* Its guard alone is cut off, and doesn't get the lock before somebody else asks. */
static void lock_outlives_the_guard(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	struct db *second;

	warm_up(f);
	for (int i = 0; i < 20; i++) {
		pg_do("sql", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
			     " WHERE application_name LIKE '%guard'");
		assert_int_equal(open_second(f, &second, &error), -JD_EDB);
		assert_non_null(strstr(error.text, "in use by another Jackdaw"));
		add(f, 100 + i);
	}
}

/* -- a database that isn't fit ------------------------------------------------------------------
 */

static void refused_with(struct fixture *f, const char *words)
{
	struct db_error error = {""};

	assert_int_equal(fixture_open(f, (struct db_settings){.wait_limit = IMPATIENT}, &error),
			 strstr(words, "'connection'") ? -JD_ECONF : -JD_EDB);
	if (!strstr(error.text, words))
		print_error("\"%s\" doesn't say \"%s\"\n", error.text, words);
	assert_non_null(strstr(error.text, words));
}

static void unfit_databases_are_refused(void **state)
{
	struct fixture *f = *state;
	char fit[sizeof(f->conninfo)];

	memcpy(fit, f->conninfo, sizeof(fit));
	pg_tell("latin1", "latin", f->conninfo, sizeof(f->conninfo));
	refused_with(f, "is encoded in LATIN1");
	pg_do("drop", "latin");
	(void)snprintf(f->conninfo, sizeof(f->conninfo), "host=/nowhere dbname=test");
	refused_with(f, "cannot connect to PostgreSQL");
	(void)snprintf(f->conninfo, sizeof(f->conninfo), "hots=/nowhere");
	refused_with(f, "the 'connection' of the database is wrong");
	f->conninfo[0] = '\0';
	refused_with(f, "PostgreSQL needs a 'connection'");
	(void)snprintf(f->conninfo, sizeof(f->conninfo), "%.400s options='-c search_path=nothing'",
		       fit);
	refused_with(f, "has no schema to put tables into");
	(void)snprintf(f->conninfo, sizeof(f->conninfo),
		       "%.400s options='-c default_transaction_read_only=on'", fit);
	refused_with(f, "can only be read");
	pg_do("sql", "REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO"
		     " CURRENT_USER; GRANT USAGE ON SCHEMA public TO jackdaw");
	memcpy(f->conninfo, fit, sizeof(fit));
	refused_with(f, "may not create tables in schema \"public\"");
}

static void newer_tables_are_refused(void **state)
{
	struct fixture *f = *state;
	struct db_error error = {""};

	open_patient(f, PATIENT);
	assert_int_equal(db_migrate(f->db, "t", tables, 0, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "was written by a newer Jackdaw"));
}

static void bad_migrations_leave_nothing(void **state)
{
	static const struct jd_migration bad[] = {
		{1, "", "CREATE TABLE half (k BIGINT); CREATE TABLE half (k BIGINT)"},
	};
	static const struct jd_migration own_end[] = {
		{1, "", "CREATE TABLE half (k BIGINT); COMMIT"},
	};
	static struct jd_stmt half = {
		.name = "t.half",
		.lane = JD_LANE_READ,
		.sql = "SELECT count(*) FROM pg_class WHERE relname = 'half'",
	};
	struct fixture *f = *state;
	struct db_error error = {""};

	open_patient(f, PATIENT);
	assert_int_equal(db_migrate(f->db, "bad", bad, 1, &error), -JD_EDB);
	assert_non_null(strstr(error.text, "failed: relation \"half\" already exists"));
	assert_int_equal(number(f, &half), 0);
	assert_int_equal(db_migrate(f->db, "end", own_end, 1, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "ends its own transaction"));
}

/* -- values --------------------------------------------------------------------------------------
 */

static void numbers_of_all_kinds(void **state)
{
	static const struct {
		const char *sql;
		int64_t expected;
	} cases[] = {
		{"SELECT 1::smallint", 1},
		{"SELECT (-2)::smallint", -2},
		{"SELECT -3", -3},
		{"SELECT true", 1},
		{"SELECT sum(x) FROM (VALUES (9007199254740993::bigint), (1)) AS v (x)",
		 9007199254740994},
		{"SELECT 123456789012.99", 123456789012},
		{"SELECT -20000::numeric", -20000},
		{"SELECT 0::numeric", 0},
		{"SELECT 0.5::numeric", 0},
		{"SELECT 1e30::numeric", INT64_MAX},
		{"SELECT -9223372036854775807::numeric", -INT64_MAX},
		{"SELECT 'NaN'::numeric", 0},
		{"SELECT 2.75::float8", 2},
		{"SELECT -2.5::float4", -2},
		{"SELECT 1e300::float8", INT64_MAX},
	};
	struct jd_stmt stmts[JD_ARRAY_SIZE(cases)];

	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		stmts[i] = (struct jd_stmt){
			.name = "t.number", .lane = JD_LANE_READ, .sql = cases[i].sql};
		if (number(*state, &stmts[i]) != cases[i].expected)
			print_error("%s\n", cases[i].sql);
		assert_true(number(*state, &stmts[i]) == cases[i].expected);
	}
}

static void strange_columns_fail(void **state)
{
	static struct jd_stmt now = {.name = "t.now", .lane = JD_LANE_READ, .sql = "SELECT now()"};
	static struct jd_stmt put_now = {
		.name = "t.put_now",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO item (k) VALUES (77) RETURNING now()",
	};
	struct fixture *f = *state;
	struct answer a = {0};

	f->errors_announced = true;
	assert_int_equal(ask(f, &now, JD_NO_PARAMS, &a), JD_DB_FAILED);
	assert_int_equal(ask(f, &put_now, JD_NO_PARAMS, &a), JD_DB_FAILED);
	assert_false(present(f, 77));
}

/* A parameter that was NULL at first, and one that changes its kind. */
static void kinds_are_learned(void **state)
{
	static struct jd_stmt put_any = {
		.name = "t.put_any",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO item (k, t) VALUES ($1, $2)",
	};
	static struct jd_stmt echo = {
		.name = "t.echo", .lane = JD_LANE_READ, .sql = "SELECT $1, $1"};
	struct fixture *f = *state;
	struct answer a = {0};

	assert_int_equal(ask(f, &put_any, JD_PARAMS(jd_null(), jd_null()), &a), JD_DB_OK);
	assert_int_equal(ask(f, &put_any, JD_PARAMS(jd_int(1), jd_null()), &a), JD_DB_OK);
	assert_int_equal(ask(f, &put_any, JD_PARAMS(jd_int(2), jd_text(JD_STR("b"))), &a),
			 JD_DB_OK);
	assert_int_equal(ask(f, &put_any, JD_PARAMS(jd_null(), jd_text(JD_STR("c"))), &a),
			 JD_DB_OK);
	assert_true(is_named(f, 2, "b"));
	assert_int_equal(ask(f, &echo, JD_PARAMS(jd_int(-5)), &a), JD_DB_OK);
	assert_int_equal(a.num[1], -5);
	assert_int_equal(ask(f, &echo, JD_PARAMS(jd_text(JD_STR("five"))), &a), JD_DB_OK);
	assert_true(jd_str_is(a.str[1], "five"));
	assert_int_equal(ask(f, &echo, JD_PARAMS(jd_blob(JD_STR("\x01"))), &a), JD_DB_OK);
	assert_int_equal(a.str[1].len, 1);
	answer_free(&a);
}

/* Somebody changes a table beneath statements that are prepared. */
static void tables_change_beneath(void **state)
{
	static struct jd_stmt all = {
		.name = "t.star", .lane = JD_LANE_READ, .sql = "SELECT * FROM item"};
	struct fixture *f = *state;
	struct answer a = {0};

	for (int i = 0; i < 4; i++)
		assert_int_equal(ask(f, &all, JD_NO_PARAMS, &a), JD_DB_OK);
	pg_do("sql", "ALTER TABLE item ADD COLUMN more BIGINT");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ask(f, &all, JD_NO_PARAMS, &a), JD_DB_OK);
		assert_int_equal(a.cols, 5);
	}
	answer_free(&a);
}

#define DIRECT(test)   cmocka_unit_test_setup_teardown(test, setup_direct, teardown)
#define PROXIED(test)  cmocka_unit_test_setup_teardown(test, setup_proxied, teardown)
#define UNOPENED(test) cmocka_unit_test_setup_teardown(test, setup_unopened, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PROXIED(committed_but_not_told),
		PROXIED(asked_but_not_heard),
		PROXIED(guarded_is_repeated),
		PROXIED(guarded_committed_but_not_told),
		PROXIED(reads_are_repeated),
		PROXIED(what_waits_behind_goes_on),
		PROXIED(others_help_a_slow_one),
		DIRECT(terminated_connections_come_back),
		DIRECT(told_to_go_is_not_uncertain),
		DIRECT(stopped_and_started),
		DIRECT(crashed_and_started),
		DIRECT(crash_loses_nothing),
		UNOPENED(gone_too_long),
		DIRECT(gone_and_closed),
		UNOPENED(bounded_while_gone),
		PROXIED(nobody_is_let_in),
		DIRECT(it_sleeps_and_wakes),
		DIRECT(bad_one_among_many),
		DIRECT(wrong_one_among_many),
		DIRECT(late_one_among_many),
		DIRECT(pages_miss_nothing),
		DIRECT(waiting_writes_share_a_commit),
		DIRECT(deadlocks_are_tried_again),
		DIRECT(second_server_is_refused),
		DIRECT(lock_outlives_the_guard),
		UNOPENED(unfit_databases_are_refused),
		UNOPENED(newer_tables_are_refused),
		UNOPENED(bad_migrations_leave_nothing),
		DIRECT(numbers_of_all_kinds),
		DIRECT(strange_columns_fail),
		DIRECT(kinds_are_learned),
		DIRECT(tables_change_beneath),
	};

	if (!pg_helper_start())
		return cmocka_run_group_tests_name("pgsql", without, NULL, NULL);
	return cmocka_run_group_tests_name("pgsql", tests, NULL, NULL);
}
