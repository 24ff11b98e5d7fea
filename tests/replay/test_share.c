/* SPDX-License-Identifier: MIT
 *
 * Shares: what one client can make the database do at a time, whatever it sends,
 * and that others don't notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

#define NAMES 1000

static struct fake_link *a, *b;

/* The next n units that begin with this statement are kept. */
static void hold(const char *stmt, unsigned n)
{
	struct db_test_step step = {.stmt = stmt, .hold = true};

	for (unsigned i = 0; i < n; i++)
		db_test_script(server.db, &step, 1);
}

static size_t waiting(void)
{
	struct db_stats stats;

	world_settle();
	db_stats(server.db, &stats);
	return stats.waiting;
}

static void say(struct fake_link *f, const char *fmt, ...) JD_PRINTF(2, 3);
static void say(struct fake_link *f, const char *fmt, ...)
{
	char xml[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(xml, sizeof(xml), fmt, ap);
	va_end(ap);
	assert_in_range(n, 1, sizeof(xml) - 1);
	fake_send(f, (struct jd_str){xml, (size_t)n});
}

/* How much of what was sent to f has this in it; everything is taken. */
static unsigned count(struct fake_link *f, const char *text)
{
	struct output *o;
	unsigned n = 0;

	world_settle();
	while ((o = fake_take(f)) != NULL) {
		n += strstr(o->text, text) != NULL;
		mem_free(o);
	}
	return n;
}

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	a = world_login("localhost", "alice", "phone");
	b = world_login("localhost", "bob", "desk");
	return a && b ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

/* Bob writes to a name that nobody has, and is told so: the database works for him. */
static void assert_served(const char *name)
{
	say(b, "<message id='b' to='%s@localhost'/>", name);
	assert_int_equal(count(b, "service-unavailable"), 1);
}

static void write_to_names(struct fake_link *f)
{
	for (unsigned i = 0; i < NAMES; i++)
		say(f, "<message id='%u' to='u%u@localhost'/>", i, i);
}

/* Names that nobody has, one after the other. */
static void test_names(void **state)
{
	(void)state;
	hold("core.find_account", SHARE_MAX);
	write_to_names(a);
	assert_int_equal(waiting(), SHARE_MAX);
	assert_int_equal(count(a, "service-unavailable"), 0);
	assert_true(a->held);
	assert_false(b->held);
	assert_served("nobody");
	db_test_release(server.db);
	assert_int_equal(count(a, "service-unavailable"), NAMES);
	assert_false(a->held);
	assert_int_equal(waiting(), 0);
}

/* Two sessions of an account have one share. */
static void test_sessions(void **state)
{
	struct fake_link *a2 = world_login("localhost", "alice", "tablet");

	(void)state;
	hold("core.find_account", SHARE_MAX);
	write_to_names(a);
	for (unsigned i = 0; i < NAMES; i++)
		say(a2, "<message id='%u' to='v%u@localhost'/>", i, i);
	assert_int_equal(waiting(), SHARE_MAX);
	assert_true(a2->held);
	db_test_release(server.db);
	assert_int_equal(count(a, "service-unavailable"), NAMES);
	assert_int_equal(count(a2, "service-unavailable"), NAMES);
}

/* Two who have too much waiting don't help each other. */
static void test_two(void **state)
{
	(void)state;
	hold("core.find_account", 2 * SHARE_MAX);
	write_to_names(a);
	assert_int_equal(waiting(), SHARE_MAX);
	for (unsigned i = NAMES; i-- > 0;)
		say(b, "<message id='%u' to='u%u@localhost'/>", i, i);
	assert_int_equal(waiting(), 2 * SHARE_MAX);
	db_test_release(server.db);
	assert_int_equal(count(a, "service-unavailable"), NAMES);
	assert_int_equal(count(b, "service-unavailable"), NAMES);
}

/* Its sender ends while it stands still: what was taken from it is worked off, nothing stays. */
static void test_ends(void **state)
{
	(void)state;
	hold("core.find_account", SHARE_MAX);
	write_to_names(a);
	assert_int_equal(waiting(), SHARE_MAX);
	fake_close(a);
	world_settle();
	assert_served("nobody");
	db_test_release(server.db);
	assert_int_equal(waiting(), 0);
	assert_int_equal(server.n_sessions, 1);
	assert_int_equal(server.n_accounts, 2);
}

/* -- one stanza that goes to many -------------------------------------------------------- */

static void put_contacts(unsigned n)
{
	static struct jd_stmt put = {
		.name = "test.put",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO roster_item (owner, jid, state, group_names)"
		       " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1"
		       " < $2) SELECT $1, 'u' || i || '@localhost', 35, '' FROM n",
	};

	(void)world_number(
		&put, JD_PARAMS(jd_int((int64_t)world_owner("localhost", "alice")), jd_int(n)));
}

/* Bob writes where alice's work stands still: it goes on for him, hers in front. */
static void test_adopted(void **state)
{
	(void)state;
	put_contacts(2 * SHARE_MAX);
	hold("core.find_account", SHARE_MAX);
	say(a, "<presence/>");
	assert_int_equal(waiting(), SHARE_MAX);
	assert_non_null(account_peek(world_host("localhost"), JD_STR("u99"))); /* the last one */
	assert_served("u99");
	assert_int_equal(waiting(), SHARE_MAX);
	db_test_release(server.db);
	assert_int_equal(waiting(), 0);
}

/* More contacts than the database's queue has room for: presence and a probe for each. */
static void test_contacts(void **state)
{
	(void)state;
	put_contacts(6000);
	hold("core.find_account", SHARE_MAX);
	say(a, "<presence/>");
	say(a, "<message id='behind' to='bob@localhost/desk'/>");
	assert_int_equal(waiting(), SHARE_MAX);
	assert_served("nobody");
	assert_int_equal(count(b, "behind"), 0); /* alice's turn comes when her presence is out */
	db_test_release(server.db);
	assert_int_equal(count(b, "behind"), 1);
	assert_int_equal(waiting(), 0);
	/* and her end, which no client of hers waits for any more */
	world_advance(JD_USEC_PER_SEC);
	hold("core.find_account", SHARE_MAX);
	fake_close(a);
	assert_int_equal(waiting(), SHARE_MAX);
	assert_served("nobody");
	db_test_release(server.db);
	assert_int_equal(waiting(), 0);
}

/* Rosters of contacts who are in memory without them. */
static void test_rosters(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		(void)world_user("localhost", name);
		say(b, "<message id='%u' to='%s@localhost'/>", i, name);
	}
	assert_int_equal(count(b, "service-unavailable"), 200);
	put_contacts(200);
	say(a, "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
	assert_int_equal(count(a, "jabber:iq:roster"), 1);
	hold("roster.load", SHARE_MAX);
	say(a, "<presence/>");
	assert_int_equal(waiting(), SHARE_MAX);
	assert_served("nobody");
	db_test_release(server.db);
	assert_int_equal(waiting(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contacts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rosters, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
