/* SPDX-License-Identifier: MIT
 *
 * Receipts: a stream's count of handled stanzas covers the unbroken run only.
 * And questions of ours (jd_ask): who may answer them, and when nobody does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

#define MAX 8

static struct jd_receipt *taken[MAX];
static unsigned n_taken;
static struct jd_instance *keeper_mi;

/* Takes the receipt of every message that says so. */
static enum jd_verdict on_message(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	keeper_mi = mi;
	if (ev->st->kind == JD_MESSAGE && jd_str_is(ev->st->id, "keep") && n_taken < MAX)
		taken[n_taken++] = jd_receipt_take(ev->st);
	return JD_PASS;
}

static int keeper_start(struct jd_instance *mi)
{
	return jd_on(mi, account_in, JD_PRIO_EARLY, on_message);
}

static const struct jd_module keeper = {.abi = JD_ABI, .name = "keeper", .start = keeper_start};
static const struct jd_module *const extras[] = {&keeper, NULL};
static const struct world_settings settings = {.modules = "keeper message", .extras = extras};

static struct fake_link *a, *b;

static int setup(void **state)
{
	(void)state;
	world_start(&settings);
	n_taken = 0;
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	a = world_login("localhost", "alice", "r");
	b = world_login("localhost", "bob", "r");
	fake_send(a, JD_STR("<message to='bob@localhost/r'/>")); /* the instance is known now */
	world_settle();
	world_session(a)->handled = 0;
	mem_free(fake_take(b));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

static void say(const char *id)
{
	char xml[128];

	(void)snprintf(xml, sizeof(xml), "<message id='%s' to='bob@localhost/r'/>", id);
	fake_send(a, jd_cstr(xml));
	world_settle();
}

static unsigned handled(void)
{
	return world_session(a)->handled;
}

static void test_unbroken(void **state)
{
	(void)state;
	say("x");
	assert_int_equal(handled(), 1);
	say("keep");
	say("x");
	say("keep");
	say("x");
	assert_int_equal(n_taken, 2);
	assert_int_equal(handled(), 1);
	jd_receipt_drop(taken[1]);
	assert_int_equal(handled(), 1);
	jd_receipt_drop(taken[0]);
	assert_int_equal(handled(), 5);
	jd_receipt_drop(NULL);
}

static void test_session_goes(void **state)
{
	(void)state;
	say("keep");
	say("x");
	fake_close(a);
	world_settle();
	assert_int_equal(server.n_sessions, 1);
	jd_receipt_drop(taken[0]); /* nobody counts any more */
}

/* What the server itself makes has none. */
static void test_none(void **state)
{
	struct jd_stanza *st =
		jd_built(jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, world_host("localhost")->jid,
				       world_session(b)->jid, JD_STR("keep")));

	(void)state;
	assert_null(jd_receipt_take(st));
	jd_route(st);
	jd_stanza_unref(st);
	world_settle();
	assert_null(taken[0]);
	n_taken = 0;
}

/* -- questions ------------------------------------------------------------------------------- */

static unsigned answers;
static enum jd_type answer_type;

static void on_answer(void *arg, struct jd_stanza *st)
{
	(void)arg;
	answers++;
	answer_type = st ? st->type : JD_TYPE_NONE;
}

static struct jd_owner asker;

static void ask(struct jd_jid to)
{
	struct jd_xml *x =
		jd_stanza_new(JD_IQ, JD_TYPE_GET, world_host("localhost")->jid, to, JD_STR_NULL);

	jd_xml_start(x, "urn:xmpp:ping", "ping");
	jd_xml_end(x);
	owner_init(&asker);
	answers = 0;
	assert_int_equal(jd_ask(&asker, x, 10 * JD_USEC_PER_SEC, on_answer, NULL), 0);
	assert_int_equal(answers, 0);
	world_settle();
}

/* The id of what was sent to f; in a buffer of its own. */
static const char *asked_id(struct fake_link *f)
{
	static char id[64];
	struct output *o = fake_take(f);
	const char *at;

	assert_non_null(o);
	at = strstr(o->text, " id='");
	assert_non_null(at);
	(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 5, "'"), at + 5);
	mem_free(o);
	return id;
}

static void answer(struct fake_link *f, const char *type, const char *id)
{
	char xml[160];

	(void)snprintf(xml, sizeof(xml), "<iq type='%s' id='%s' to='localhost'/>", type, id);
	fake_send(f, jd_cstr(xml));
	world_settle();
}

static void test_answered(void **state)
{
	const char *id;

	(void)state;
	ask(world_session(b)->jid);
	id = asked_id(b);
	answer(a, "result", id); /* somebody else */
	answer(b, "result", "x");
	assert_int_equal(answers, 0);
	answer(b, "result", id);
	assert_int_equal(answers, 1);
	assert_int_equal(answer_type, JD_TYPE_RESULT);
	answer(b, "result", id);
	assert_int_equal(answers, 1);
	ask(world_session(b)->jid);
	answer(b, "error", asked_id(b));
	assert_int_equal(answers, 1);
	assert_int_equal(answer_type, JD_TYPE_ERROR);
}

static void test_not_answered(void **state)
{
	const char *id;

	(void)state;
	ask(world_session(b)->jid);
	id = asked_id(b);
	world_advance(11 * JD_USEC_PER_SEC);
	assert_int_equal(answers, 1);
	assert_int_equal(answer_type, JD_TYPE_NONE);
	answer(b, "result", id);
	assert_int_equal(answers, 1);
}

static void test_cancelled(void **state)
{
	(void)state;
	ask(world_session(b)->jid);
	owner_cancel_all(&asker);
	answer(b, "result", asked_id(b));
	world_advance(11 * JD_USEC_PER_SEC);
	assert_int_equal(answers, 0);
}

static void test_unreachable(void **state)
{
	static const char there[] = "elsewhere.example", gone[] = "bob@localhost/none";

	(void)state;
	ask((struct jd_jid){there, 0, sizeof(there) - 1, 0});
	assert_int_equal(answers, 1);
	assert_int_equal(answer_type, JD_TYPE_ERROR);
	ask((struct jd_jid){gone, 3, 9, 4});
	assert_int_equal(answers, 1);
	assert_int_equal(answer_type, JD_TYPE_ERROR);
}

/* An answer comes through while the home of the one who asks stands still. */
static void test_passes_a_full_home(void **state)
{
	struct jd_account *home = world_session(a)->account;
	struct jd_xml *x =
		jd_stanza_new(JD_IQ, JD_TYPE_GET, home->jid, world_session(b)->jid, JD_STR_NULL);
	char xml[160];

	(void)state;
	jd_xml_start(x, "urn:xmpp:ping", "ping");
	jd_xml_end(x);
	owner_init(&asker);
	answers = 0;
	mailbox_hold(&home->mailbox);
	assert_int_equal(jd_ask(&asker, x, 10 * JD_USEC_PER_SEC, on_answer, NULL), 0);
	world_settle();
	(void)snprintf(xml, sizeof(xml), "<iq type='result' id='%s' to='alice@localhost'/>",
		       asked_id(b));
	fake_send(b, jd_cstr(xml));
	world_settle();
	assert_int_equal(answers, 1);
	mailbox_unhold(&home->mailbox);
}

/* The server stops while a question is open: the callback is not run. */
static void test_stop(void **state)
{
	(void)state;
	ask(world_session(b)->jid);
	mem_free(fake_take(b));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unbroken),    T(test_session_goes),       T(test_none),
		T(test_answered),    T(test_not_answered),       T(test_cancelled),
		T(test_unreachable), T(test_passes_a_full_home), T(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
