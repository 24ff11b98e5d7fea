/* SPDX-License-Identifier: MIT
 *
 * The contract, part two: in which order and when things happen, what is
 * cancelled, where the bounds are, and how long a statement is known.
 */
#include "db_contract.h"

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

/* In order: all of them have the same key. */
static void submit_with_key(struct jd_stmt *stmt, int64_t k, struct jd_owner *owner, jd_db_fn fn,
			    void *arg)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_add(unit, stmt, JD_PARAMS(jd_int(k)));
	jd_unit_key(unit, 7);
	assert_int_equal(jd_unit_submit(unit, owner, fn, arg), 0);
}

static void no_callback_is_fine(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	submit_with_key(&put_key, 1, NULL, NULL, NULL);
	submit_with_key(&put_key, 2, &f->owner, on_answer, &a);
	fixture_wait(f, &a);
	assert_int_equal(number(f, &count), 2);
}

static void owner_cancels_callbacks(void **state)
{
	struct fixture *f = *state;
	struct jd_owner going;
	struct answer cancelled[3] = {0};
	struct answer last = {0};

	owner_init(&going);
	for (int i = 0; i < 3; i++)
		submit_with_key(&put_key, i, &going, on_answer, &cancelled[i]);
	owner_cancel_all(&going);
	submit_with_key(&put_key, 50, &f->owner, on_answer, &last);
	fixture_wait(f, &last);
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
	struct answer last = {0};
	struct answer a = {0};

	owner_init(&going);
	submit_with_key(&put_key, 1, NULL, on_cancel_other, &going);
	submit_with_key(&put_key, 2, &going, on_answer, &a);
	submit_with_key(&put_key, 3, &f->owner, on_answer, &last);
	fixture_wait(f, &last);
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
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
	};

	return run_variants(tests);
}
