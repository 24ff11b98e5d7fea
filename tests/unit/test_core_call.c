/* SPDX-License-Identifier: MIT
 *
 * Handlers of chains that take their time: WAIT, resumed late, never, or not at
 * all because their module goes; order, deadlines, and who waits for what.
 */
#include "slow_fixture.h"

/* -- chains ----------------------------------------------------------------------------------- */

static void test_order_is_kept(void **state)
{
	(void)state;
	message("1");
	message("wait");
	message("2");
	message("3");
	gets(b, "id='1'", NULL);
	gets_nothing(b);
	assert_int_equal(*(int *)jd_call_data(waiting, sizeof(int)), 7);
	/* nobody else stands still */
	fake_send(b, JD_STR("<message id='other' to='alice@localhost/r'/>"));
	world_settle();
	gets(a, "id='other'", NULL);
	resume(JD_PASS);
	gets(b, "id='wait'", NULL);
	gets(b, "id='2'", NULL);
	gets(b, "id='3'", NULL);
	assert_int_equal(second_calls, 5);
	assert_int_equal(world_session(a)->handled, 4);
}

static void test_resumed_with_an_end(void **state)
{
	static const enum jd_verdict ends[] = {JD_DONE, JD_DROP};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(ends); i++) {
		second_calls = 0;
		message("wait");
		message("next");
		resume(ends[i]);
		gets(b, "id='next'", NULL);
		gets_nothing(b);
		gets_nothing(a);
		assert_int_equal(second_calls, 1);
	}
}

/* What one handler keeps in the call is not what the next one finds, whether it waited or not. */
static void test_data_is_ones_own(void **state)
{
	(void)state;
	message("data");
	gets(b, "id='data'", NULL);
	assert_int_equal(second_calls, 1);
	assert_int_equal(dirty, 0);
}

/* Nor does what it had pending outlive its waiting: it would resume another's. */
static void test_pending_is_ones_own(void **state)
{
	(void)state;
	message("both");
	resume(JD_PASS);
	assert_non_null(waiting); /* the second one waits */
	world_advance(2 * JD_USEC_PER_SEC);
	assert_int_equal(cancelled, 0);
	resume(JD_PASS);
	gets(b, "id='both'", NULL);
}

static void test_never_resumed(void **state)
{
	(void)state;
	message("wait");
	message("next");
	(void)jd_timer_start(jd_call_pending(waiting), 60 * JD_USEC_PER_SEC, on_timer, NULL);
	world_advance(29 * JD_USEC_PER_SEC);
	gets_nothing(a);
	gets_nothing(b);
	world_advance(JD_USEC_PER_SEC);
	assert_true(world_announced(1));
	gets(a, "id='wait'", "type='error'", "internal-server-error", NULL);
	gets(b, "id='next'", NULL);
	world_advance(60 * JD_USEC_PER_SEC);
	assert_int_equal(cancelled, 0);
	assert_int_equal(world_session(a)->handled, 2);
}

static void test_module_goes(void **state)
{
	(void)state;
	message("wait");
	message("next");
	hooks_remove(slow_mi);
	world_settle();
	gets(a, "id='wait'", "type='error'", "service-unavailable", NULL);
	gets(b, "id='next'", NULL);
	message("wait"); /* nobody waits any more */
	gets(b, "id='wait'", NULL);
}

static void test_other_module_goes(void **state)
{
	(void)state;
	message("wait");
	message("1");
	assert_int_equal(second_calls, 0);
	fake_send(b, JD_STR("<message to='alice@localhost/r'/>")); /* so that it is known */
	world_settle();
	hooks_remove(second_mi);
	second_calls = 0;
	resume(JD_PASS);
	gets(b, "id='wait'", NULL);
	gets(b, "id='1'", NULL);
	assert_int_equal(second_calls, 0);
}

static unsigned early_calls;

static enum jd_verdict on_early(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	(void)ev;
	early_calls++;
	return JD_PASS;
}

/* What comes in front of the waiting one is not called for it; what comes behind it is. */
static void test_module_comes(void **state)
{
	(void)state;
	early_calls = 0;
	message("wait");
	fake_send(b, JD_STR("<message to='alice@localhost/r'/>"));
	world_settle();
	second_calls = 0;
	assert_int_equal(jd_on(second_mi, account_in, JD_PRIO_FIRST, on_early), 0);
	assert_int_equal(jd_on(second_mi, account_in, JD_PRIO_LATE, on_second), 0);
	resume(JD_PASS);
	gets(b, "id='wait'", NULL);
	assert_int_equal(early_calls, 0);
	assert_int_equal(second_calls, 2);
}

/* The receiver goes while its stanza waits: as if it had not been there. */
static void test_receiver_goes(void **state)
{
	(void)state;
	message("wait");
	fake_close(b);
	world_settle();
	resume(JD_PASS);
	gets(a, "id='wait'", "type='error'", "service-unavailable", NULL);
}

static void test_sender_goes(void **state)
{
	(void)state;
	message("wait");
	fake_close(a);
	world_settle();
	resume(JD_PASS);
	gets(b, "id='wait'", NULL);
}

/* The server stops while handlers wait: world_stop() finds nothing left. */
static void test_server_stops(void **state)
{
	(void)state;
	message("wait");
	message("next");
	request("async", "bob@localhost");
	request("async", "localhost");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order_is_kept),       T(test_resumed_with_an_end), T(test_data_is_ones_own),
		T(test_pending_is_ones_own), T(test_never_resumed),       T(test_module_goes),
		T(test_other_module_goes),   T(test_module_comes),        T(test_receiver_goes),
		T(test_sender_goes),         T(test_server_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
