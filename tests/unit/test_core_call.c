/* SPDX-License-Identifier: MIT
 *
 * Handlers that take their time: WAIT and ASYNC, resumed late, never, or not at
 * all because their module goes; order, deadlines, and that everything asked is
 * answered exactly once.
 *
 * The module "slow" does with a stanza what its id says; "second" stands behind it
 * in the chain and counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

#define NS "urn:example:slow"

static struct jd_instance *slow_mi, *second_mi;
static struct jd_call *waiting;
static struct jd_iq *asking;
static unsigned second_calls, cancelled, dirty, freed;
static struct fake_link *a, *b;

static bool id_is(const struct jd_stanza *st, const char *id)
{
	return st->id.p && jd_str_is(st->id, id);
}

static void on_timer(void *arg)
{
	(void)arg;
	cancelled += 100;
}

static enum jd_verdict on_message(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (!jd_instance_host(mi) || ev->st->kind != JD_MESSAGE)
		return JD_PASS;
	slow_mi = mi;
	if (id_is(ev->st, "data"))
		*(int *)jd_call_data(ev->call, sizeof(int)) = 7;
	if (id_is(ev->st, "both"))
		(void)jd_timer_start(jd_call_pending(ev->call), JD_USEC_PER_SEC, on_timer, NULL);
	else if (!id_is(ev->st, "wait"))
		return JD_PASS;
	assert_null(waiting);
	waiting = ev->call;
	*(int *)jd_call_data(ev->call, sizeof(int)) = 7;
	return JD_WAIT;
}

static enum jd_verdict on_iq(struct jd_instance *mi, struct jd_iq *iq)
{
	slow_mi = mi;
	asking = iq;
	if (id_is(iq->st, "wait") || id_is(iq->st, "forget")) {
		waiting = iq->call;
		return JD_WAIT;
	}
	if (id_is(iq->st, "async"))
		return JD_ASYNC;
	if (id_is(iq->st, "now-async")) {
		jd_iq_ok(iq);
		return JD_ASYNC;
	}
	if (id_is(iq->st, "pass"))
		return JD_PASS;
	if (id_is(iq->st, "now"))
		jd_iq_ok(iq);
	return JD_DONE; /* "nothing": without an answer */
}

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	freed += *(int *)data == 7;
}

static int slow_start(struct jd_instance *mi)
{
	int r = jd_on(mi, account_in, JD_PRIO_EARLY, on_message);

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT | JD_TO_HOST, NS, "q", on_iq);
	return r;
}

static enum jd_verdict on_second(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	second_mi = mi;
	if (ev->st->kind == JD_MESSAGE)
		second_calls++;
	if (id_is(ev->st, "data")) {
		const char *data = jd_call_data(ev->call, 4096);

		for (unsigned i = 0; i < 4096; i++)
			dirty += data[i] != 0;
	}
	if (!id_is(ev->st, "both"))
		return JD_PASS;
	waiting = ev->call;
	return JD_WAIT;
}

static int second_start(struct jd_instance *mi)
{
	return jd_on(mi, account_in, JD_PRIO_NORMAL, on_second);
}

static const struct jd_module slow = {.abi = JD_ABI,
				      .name = "slow",
				      .start = slow_start,
				      .session_size = sizeof(int),
				      .session_free = session_free};
static const struct jd_module second = {.abi = JD_ABI, .name = "second", .start = second_start};
static const struct jd_module *const extras[] = {&slow, &second, NULL};
static const struct world_settings settings = {.modules = "slow second message", .extras = extras};

static int setup(void **state)
{
	(void)state;
	world_start(&settings);
	waiting = NULL;
	asking = NULL;
	second_calls = cancelled = dirty = freed = 0;
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	a = world_login("localhost", "alice", "r");
	b = world_login("localhost", "bob", "r");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

/* -- helpers ------------------------------------------------------------------------------- */

static void send(const char *xml)
{
	fake_send(a, jd_cstr(xml));
	world_settle();
}

static void message(const char *id)
{
	char xml[128];

	(void)snprintf(xml, sizeof(xml), "<message id='%s' to='bob@localhost/r'/>", id);
	send(xml);
}

static void request(const char *id, const char *to)
{
	char xml[160];

	(void)snprintf(xml, sizeof(xml), "<iq type='get' id='%s' to='%s'><q xmlns='" NS "'/></iq>",
		       id, to);
	send(xml);
}

/* The next thing sent to f has all of these in it; the last is NULL. */
static void gets(struct fake_link *f, ...)
{
	struct output *o = fake_take(f);
	const char *part;
	va_list ap;

	assert_non_null(o);
	va_start(ap, f);
	while ((part = va_arg(ap, const char *)) != NULL)
		if (!strstr(o->text, part))
			fail_msg("no %s in %s", part, o->text);
	va_end(ap);
	mem_free(o);
}

static void gets_nothing(struct fake_link *f)
{
	struct output *o = fake_take(f);

	if (o)
		fail_msg("got %s", o->text);
}

static void resume(enum jd_verdict verdict)
{
	struct jd_call *call = waiting;

	waiting = NULL;
	jd_resume(call, verdict);
	world_settle();
}

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
	request("wait", "bob@localhost");
	message("1");
	world_advance(29 * JD_USEC_PER_SEC);
	gets_nothing(a);
	world_advance(2 * JD_USEC_PER_SEC);
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
		T(test_order_is_kept),
		T(test_resumed_with_an_end),
		T(test_data_is_ones_own),
		T(test_pending_is_ones_own),
		T(test_never_resumed),
		T(test_module_goes),
		T(test_other_module_goes),
		T(test_module_comes),
		T(test_receiver_goes),
		T(test_sender_goes),
		T(test_server_stops),
		T(test_iq_answers),
		T(test_iq_own),
		T(test_iq_wait_and_async),
		T(test_iq_never),
		T(test_iq_forgets_to_resume),
		T(test_iq_module_goes),
		T(test_iq_asker_goes),
		T(test_iq_asker_is_used),
		T(test_iq_keeps_the_home),
		T(test_iq_handlers_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
