/* SPDX-License-Identifier: MIT
 *
 * Handlers of requests that take their time: WAIT and ASYNC, answered late or
 * never, and that everything asked is answered exactly once.
 */
#include "slow_fixture.h"

/* -- IQs ------------------------------------------------------------------------------------------
 */

static void test_iq_answers(void **state)
{
	static const char *const targets[] = {"localhost", "bob@localhost", "alice@localhost"};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(targets); i++) {
		request("now", targets[i]);
		gets(a, "id='now'", "type='result'", targets[i], NULL);
		request("now-async", targets[i]);
		gets(a, "id='now-async'", "type='result'", NULL);
		request("pass", targets[i]);
		gets(a, "id='pass'", "service-unavailable", NULL);
		request("nothing", targets[i]);
		gets(a, "id='nothing'", "internal-server-error", NULL);
		gets_nothing(a);
	}
	gets_nothing(b);
}

static void test_iq_own(void **state)
{
	(void)state;
	request("async", "alice@localhost");
	assert_true(asking->own && asking->session == world_session(a) && asking->account);
	jd_iq_ok(asking);
	request("async", "bob@localhost");
	assert_true(!asking->own && !asking->session && asking->account);
	jd_iq_ok(asking);
	request("async", "localhost");
	assert_true(!asking->own && asking->session == world_session(a) && !asking->account);
	jd_iq_ok(asking);
	world_settle();
	gets(a, "type='result'", NULL);
	gets(a, "type='result'", NULL);
	gets(a, "type='result'", NULL);
	gets_nothing(a);
}

/* WAIT holds the home up, ASYNC does not. */
static void test_iq_wait_and_async(void **state)
{
	struct jd_iq *async;

	(void)state;
	request("async", "bob@localhost");
	async = asking;
	message("1");
	gets(b, "id='1'", NULL);
	request("wait", "bob@localhost");
	message("2");
	gets_nothing(b);
	jd_iq_ok(async);
	world_settle();
	gets(a, "id='async'", "type='result'", NULL);
	jd_iq_ok(asking);
	resume(JD_DONE);
	gets(a, "id='wait'", "type='result'", NULL);
	gets(b, "id='2'", NULL);
	gets_nothing(a);
	assert_int_equal(world_session(a)->handled, 4);
}

static void test_iq_never(void **state)
{
	(void)state;
	request("async", "bob@localhost");
	world_advance(JD_USEC_PER_SEC);
	request("wait", "bob@localhost");
	message("1");
	world_advance(28 * JD_USEC_PER_SEC);
	gets_nothing(a);
	world_advance(3 * JD_USEC_PER_SEC);
	assert_true(world_announced(2));
	gets(a, "id='async'", "internal-server-error", NULL);
	gets(a, "id='wait'", "internal-server-error", NULL);
	gets_nothing(a);
	gets(b, "id='1'", NULL);
}

/* Answered, but its call never resumed: no second answer. */
static void test_iq_forgets_to_resume(void **state)
{
	(void)state;
	request("forget", "bob@localhost");
	jd_iq_ok(asking);
	world_settle();
	gets(a, "id='forget'", "type='result'", NULL);
	message("1");
	gets_nothing(b);
	world_advance(31 * JD_USEC_PER_SEC);
	assert_true(world_announced(1));
	gets_nothing(a);
	gets(b, "id='1'", NULL);
}

static void test_iq_module_goes(void **state)
{
	(void)state;
	request("async", "bob@localhost");
	request("wait", "bob@localhost");
	calls_abandon(slow_mi);
	iq_handlers_remove(slow_mi);
	world_settle();
	gets(a, "id='wait'", "service-unavailable", NULL);
	gets(a, "id='async'", "service-unavailable", NULL);
	request("now", "bob@localhost");
	gets(a, "id='now'", "service-unavailable", NULL);
	gets_nothing(a);
}

/* The asker goes before the answer comes. */
static void test_iq_asker_goes(void **state)
{
	(void)state;
	request("async", "alice@localhost");
	fake_close(a);
	world_settle();
	jd_iq_ok(asking);
	world_advance(60 * JD_USEC_PER_SEC);
	gets_nothing(a);
	assert_null(account_peek(world_host("localhost"), JD_STR("alice")));
}

/* Until then the session may be asked for its data and made an owner: they end with its memory. */
static void test_iq_asker_is_used(void **state)
{
	(void)state;
	request("async", "alice@localhost");
	fake_close(a);
	world_settle();
	assert_non_null(asking->session);
	*(int *)jd_session_data(slow_mi, asking->session) = 7;
	(void)jd_timer_start(jd_session_pending(asking->session), 5 * JD_USEC_PER_SEC, on_timer,
			     NULL);
	jd_iq_ok(asking);
	world_advance(60 * JD_USEC_PER_SEC);
	assert_int_equal(cancelled, 0);
	assert_int_equal(freed, 1);
}

/* A home with an IQ to be answered stays. */
static void test_iq_keeps_the_home(void **state)
{
	(void)state;
	fake_close(b);
	request("async", "bob@localhost");
	world_advance(29 * JD_USEC_PER_SEC);
	assert_non_null(account_peek(world_host("localhost"), JD_STR("bob")));
	jd_iq_ok(asking);
	world_advance(31 * JD_USEC_PER_SEC);
	gets(a, "type='result'", NULL);
	assert_null(account_peek(world_host("localhost"), JD_STR("bob")));
}

static void test_iq_handlers_clash(void **state)
{
	(void)state;
	request("now", "localhost");
	mem_free(fake_take(a));
	message("1");
	assert_int_equal(jd_on_iq(second_mi, JD_TYPE_GET, JD_TO_HOST, NS, "q", on_iq), -JD_EEXIST);
	assert_int_equal(jd_on_iq(second_mi, JD_TYPE_SET, JD_TO_HOST, NS, "q", on_iq), 0);
	assert_int_equal(jd_on_iq(second_mi, JD_TYPE_GET, JD_TO_HOST, NS, "r", on_iq), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_iq_answers),           T(test_iq_own),
		T(test_iq_wait_and_async),    T(test_iq_never),
		T(test_iq_forgets_to_resume), T(test_iq_module_goes),
		T(test_iq_asker_goes),        T(test_iq_asker_is_used),
		T(test_iq_keeps_the_home),    T(test_iq_handlers_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
