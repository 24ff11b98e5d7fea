/* SPDX-License-Identifier: MIT
 *
 * Components and rooms, by a module that makes a room of whoever sends presence to it:
 * what reaches it, its number and its second life, how long it stays in memory, posts
 * and notices, and the end of the server in the middle of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/erase.h"
#include "replay/world.h"

#define CONF "conference.localhost"

/* -- modules of the test --------------------------------------------------------------------- */

struct room {
	unsigned seen; /* stanzas, by room_in */
	bool held;
};

static unsigned rooms_freed, leavings, notices, posts_run, posts_lost, gone_rows;
static uint64_t last_made;

static void on_change(void *arg, int result)
{
	struct jd_call *call = arg;

	assert_int_equal(result, 0);
	jd_resume(call, JD_PASS);
}

static enum jd_verdict make(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct room *r = jd_account_data(mi, ev->account);

	r->seen++;
	if (ev->st->kind == JD_MESSAGE && ev->st->to.resource_len)
		return JD_PASS;
	if (ev->st->kind == JD_PRESENCE && ev->st->type == JD_TYPE_NONE &&
	    !jd_account_owner(ev->account)) {
		jd_account_hold(ev->account);
		r->held = true;
		assert_int_equal(
			jd_room_make(jd_call_pending(ev->call), ev->account, on_change, ev->call),
			0);
		return JD_WAIT;
	}
	if (ev->st->kind == JD_MESSAGE && jd_account_owner(ev->account)) {
		assert_int_equal(
			jd_room_erase(jd_call_pending(ev->call), ev->account, on_change, ev->call),
			0);
		return JD_WAIT;
	}
	return JD_PASS;
}

static enum jd_verdict answer(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct room *r = jd_account_data(mi, ev->account);

	leavings += ev->st->type == JD_TYPE_UNAVAILABLE;
	if (ev->st->kind == JD_MESSAGE && !ev->st->to.resource_len && r->held) {
		jd_account_release(ev->account);
		r->held = false;
		return JD_DONE;
	}
	if (ev->st->kind != JD_PRESENCE || ev->st->type != JD_TYPE_NONE)
		return JD_PASS;
	last_made = jd_account_owner(ev->account);
	jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_NONE, ev->st->to, ev->st->from, JD_STR_NULL));
	return JD_DONE;
}

static enum jd_verdict on_query(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_xml *x = jd_iq_result(iq);
	char number[32];

	(void)mi;
	(void)snprintf(number, sizeof(number), "%llu",
		       (unsigned long long)jd_account_owner(iq->account));
	jd_xml_start(x, "urn:test", "number");
	jd_xml_attr(x, "n", jd_cstr(number));
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static void on_erase(struct jd_instance *mi, struct jd_erasure *e)
{
	(void)mi;
	gone_rows++;
	jd_erase_done(e, true);
}

static void room_free(struct jd_instance *mi, void *data)
{
	struct room *r = data;

	(void)mi;
	rooms_freed++;
	r->held = false;
}

static int muc_start(struct jd_instance *mi)
{
	int r = jd_on(mi, room_in, JD_PRIO_NORMAL, make);

	assert_true(jd_host_is_component(jd_instance_host(mi)));
	jd_identity(mi, JD_TO_HOST, "conference", "text", "Rooms");
	if (r == 0)
		r = jd_on(mi, room_in, JD_PRIO_LATE, answer);
	if (r == 0)
		r = jd_on_erase(mi, on_erase);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ROOM, "urn:test", "number", on_query);
	return r;
}

static const struct jd_module muc = {
	.abi = JD_ABI,
	.name = "muc",
	.scope = JD_PER_COMPONENT,
	.account_size = sizeof(struct room),
	.account_free = room_free,
	.start = muc_start,
};

static void on_notice(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	(void)mi;
	assert_true(jd_account_owner(ev->account) != 0);
	assert_int_equal(ev->st->kind, JD_MESSAGE);
	notices++;
}

static int watch_start(struct jd_instance *mi)
{
	assert_false(jd_host_is_component(jd_instance_host(mi)));
	return jd_on(mi, account_notice, JD_PRIO_NORMAL, on_notice);
}

static const struct jd_module watch = {.abi = JD_ABI, .name = "watch", .start = watch_start};
static const struct jd_module *const extras[] = {&muc, &watch, NULL};

/* -- helpers --------------------------------------------------------------------------------- */

static struct fake_link *begin(void)
{
	const struct world_settings s = {.modules = "roster presence message disco watch",
					 .extras = extras};
	struct fake_link *f;

	world_start(&s);
	rooms_freed = leavings = notices = posts_run = posts_lost = gone_rows = 0;
	(void)world_user("localhost", "al");
	f = world_login("localhost", "al", "x");
	assert_non_null(f);
	return f;
}

/* Sends it, and looks whether something that has all of `a` and `b` comes back. */
static bool says(struct fake_link *f, const char *xml, const char *a, const char *b)
{
	struct output *o;
	bool found = false;

	fake_send(f, jd_cstr(xml));
	world_settle();
	while ((o = fake_take(f)) != NULL) {
		found |= strstr(o->text, a) && strstr(o->text, b);
		mem_free(o);
	}
	return found;
}

static void enter(struct fake_link *f)
{
	assert_true(
		says(f, "<presence to='r@" CONF "/al'/>", "<presence ", "from='r@" CONF "/al'"));
}

static int64_t rows(void)
{
	static struct jd_stmt count = {.name = "test.count_rooms",
				       .lane = JD_LANE_READ,
				       .sql = "SELECT count(*) FROM account WHERE kind = 1"};

	return world_number(&count, JD_NO_PARAMS);
}

/* -- tests ----------------------------------------------------------------------------------- */

static void test_addressed(void **state)
{
	struct fake_link *f = begin();

	(void)state;
	assert_true(says(f,
			 "<iq type='get' id='1' to='" CONF "'><query xmlns='"
			 "http://jabber.org/protocol/disco#info'/></iq>",
			 "category='conference'", "type='result'"));
	assert_false(says(f,
			  "<iq type='get' id='1' to='" CONF "'><query xmlns='"
			  "http://jabber.org/protocol/disco#info'/></iq>",
			  "category='server'", "type='result'"));
	assert_true(says(f,
			 "<iq type='get' id='2' to='localhost'><query xmlns='"
			 "http://jabber.org/protocol/disco#items'/></iq>",
			 "<item jid='" CONF "'/>", "type='result'"));
	/* It answers without a row, and has one after the first presence. */
	assert_true(says(f, "<iq type='get' id='3' to='r@" CONF "'><number xmlns='urn:test'/></iq>",
			 "n='0'", "id='3'"));
	enter(f);
	assert_true(last_made != 0);
	assert_int_equal(rows(), 1);
	assert_int_equal(world_owner(CONF, "r"), last_made);
	assert_false(says(f,
			  "<iq type='get' id='4' to='r@" CONF "'><number xmlns='urn:test'/></iq>",
			  "n='0'", "id='4'"));
	assert_true(says(f, "<iq type='get' id='5' to='r@" CONF "'><other xmlns='urn:test'/></iq>",
			 "service-unavailable", "id='5'"));
	assert_true(says(f, "<iq type='get' id='6' to='r@" CONF "/x'><n xmlns='urn:test'/></iq>",
			 "service-unavailable", "id='6'"));
	assert_true(says(f, "<message id='7' to='r@" CONF "/x'><body>b</body></message>",
			 "service-unavailable", "id='7'"));
	fake_close(f);
	world_settle();
	assert_int_equal(leavings, 1);
	world_stop();
}

static void test_second_life(void **state)
{
	struct fake_link *f = begin();
	uint64_t first;

	(void)state;
	enter(f);
	first = last_made;
	assert_false(says(f, "<message to='r@" CONF "'/>", "error", "error"));
	while (erase_count())
		world_advance(JD_USEC_PER_SEC);
	assert_int_equal(gone_rows, 1);
	assert_int_equal(rows(), 0);
	assert_int_equal(world_owner(CONF, "r"), 0);
	enter(f);
	assert_true(last_made > first);
	assert_int_equal(rows(), 1);
	world_stop();
}

static void test_memory(void **state)
{
	struct fake_link *f = begin();

	(void)state;
	enter(f);
	world_advance(120 * JD_USEC_PER_SEC);
	assert_int_equal(rooms_freed, 0); /* it is held */
	assert_false(says(f, "<message to='r@" CONF "'/>", "error", "error"));
	world_advance(120 * JD_USEC_PER_SEC);
	assert_int_equal(rooms_freed, 1);
	world_stop();
}

static void on_post(void *arg, struct jd_account *a)
{
	uint64_t *ret_owner = arg;

	if (!a) {
		posts_lost++;
		return;
	}
	posts_run++;
	*ret_owner = jd_account_owner(a);
}

static void test_posts(void **state)
{
	struct fake_link *f = begin();
	uint64_t there = 0, nowhere = 99;

	(void)state;
	enter(f);
	jd_account_post(world_host(CONF), JD_STR("r"), on_post, &there);
	jd_account_post(world_host(CONF), JD_STR("nobody"), on_post, &nowhere);
	assert_int_equal(posts_run, 0);
	world_settle();
	assert_int_equal(posts_run, 2);
	assert_int_equal(there, last_made);
	assert_int_equal(nowhere, 0);
	jd_account_post(world_host(CONF), JD_STR("late"), on_post, &nowhere);
	world_stop();
	assert_int_equal(posts_run + posts_lost, 3);
}

static void test_notices(void **state)
{
	struct jd_stanza *st;
	struct jd_arena arena;
	struct jd_jid to;

	(void)state;
	(void)begin();
	arena_init(&arena, NULL, 0);
	st = jd_built(jd_stanza_new(JD_MESSAGE, JD_TYPE_GROUPCHAT, world_host(CONF)->jid,
				    world_host("localhost")->jid, JD_STR_NULL));
	(void)world_user("localhost", "bob");
	assert_int_equal(jd_jid_parse(&arena, JD_STR("bob@localhost"), &to), 0);
	jd_notice(to, st);
	assert_int_equal(jd_jid_parse(&arena, JD_STR("nobody@localhost"), &to), 0);
	jd_notice(to, st);
	assert_int_equal(jd_jid_parse(&arena, JD_STR("r@" CONF), &to), 0);
	jd_notice(to, st);
	assert_int_equal(jd_jid_parse(&arena, JD_STR("far@away.example"), &to), 0);
	jd_notice(to, st);
	world_settle();
	assert_int_equal(notices, 1);
	/* At most so many wait. */
	assert_int_equal(jd_jid_parse(&arena, JD_STR("bob@localhost"), &to), 0);
	for (int i = 0; i < 1000; i++)
		jd_notice(to, st);
	world_settle();
	assert_int_equal(notices, 257);
	jd_notice(to, st);
	jd_stanza_unref(st);
	arena_fini(&arena);
	world_stop();
}

/* The database fails: nothing is made, and the next one tries again. */
static void test_faults(void **state)
{
	struct fake_link *f = begin();

	(void)state;
	assert_true(says(f, "<presence/>", "presence", "localhost"));
	db_test_fail_every(server.db, 1);
	assert_true(says(f, "<presence to='r@" CONF "/al'/>", "error", "resource-constraint"));
	db_test_fail_every(server.db, 0);
	assert_true(world_announced(1));
	world_advance(JD_USEC_PER_SEC);
	enter(f);
	world_stop();
}

/* A component of its own has the name: none is made; who has no module for rooms has none. */
static void test_configured(void **state)
{
	const struct world_settings own = {
		.modules = "roster presence message disco",
		.conf = "component \"" CONF "\" { modules = {\"disco\"} }\n"
			"component \"x.other.example\" { modules = {\"muc\"} }",
		.extras = extras,
	};
	const struct world_settings none = {.modules = "roster presence message disco",
					    .host_conf = "rooms = \"\"",
					    .extras = extras};

	(void)state;
	world_start(&own);
	assert_true(jd_host_is_component(world_host(CONF)));
	assert_int_equal(world_host(CONF)->chains[JD_HOOK_room_in].count, 0);
	assert_non_null(world_host("conference.other.example"));
	assert_ptr_equal(host_above(world_host("x.other.example")), world_host("other.example"));
	world_stop();
	world_start(&none);
	assert_null(world_host(CONF));
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addressed),  cmocka_unit_test(test_second_life),
		cmocka_unit_test(test_memory),     cmocka_unit_test(test_posts),
		cmocka_unit_test(test_notices),    cmocka_unit_test(test_faults),
		cmocka_unit_test(test_configured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
