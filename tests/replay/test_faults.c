/* SPDX-License-Identifier: MIT
 *
 * Two users at work while the database fails again and again: every n-th unit,
 * for many n, and then every single one in turn.  Nobody crashes, nothing leaks,
 * every request is answered once, and at the end a fresh home holds exactly the
 * changes that were acknowledged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

#define ITEMS 12

static struct fake_link *alice, *bob;

/* What alice was told about her sets: 0 nothing, 1 done, -1 refused. */
static int told[ITEMS];

static void read_told(void)
{
	struct output *o;

	while ((o = fake_take(alice)) != NULL) {
		for (int i = 0; i < ITEMS; i++) {
			char id[32];

			(void)snprintf(id, sizeof(id), "id='set%d'", i);
			if (!strstr(o->text, id))
				continue;
			assert_int_equal(told[i], 0);
			told[i] = strstr(o->text, "type='result'") ? 1 : -1;
		}
		mem_free(o);
	}
}

static void drain(struct fake_link *f)
{
	struct output *o;

	while ((o = fake_take(f)) != NULL)
		mem_free(o);
}

static struct fake_link *login(const char *name)
{
	struct fake_link *f = NULL;

	for (int i = 0; i < 20 && !f; i++)
		f = world_login("localhost", name, "r");
	assert_non_null(f);
	return f;
}

static void say(struct fake_link *f, const char *xml)
{
	fake_send(f, jd_cstr(xml));
	world_settle();
}

/* The even ones are added one by one, the odd ones as fast as they come. */
static void add_items(void)
{
	for (int i = 0; i < ITEMS; i++) {
		char xml[256];

		(void)snprintf(xml, sizeof(xml),
			       "<iq type='set' id='set%d'><query xmlns='jabber:iq:roster'>"
			       "<item jid='i%d@example.org' name='n%d'/></query></iq>",
			       i, i, i);
		fake_send(alice, jd_cstr(xml));
		if (i % 2 == 0)
			world_settle();
	}
	world_settle();
}

static void play(void)
{
	say(alice, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq><presence/>");
	say(bob, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq><presence/>");
	add_items();
	say(alice, "<presence type='subscribe' to='bob@localhost'/>");
	say(bob, "<presence type='subscribed' to='alice@localhost'/>");
	say(bob, "<presence type='subscribe' to='alice@localhost'/>");
	say(alice, "<presence type='subscribed' to='bob@localhost'/>");
	say(alice, "<message type='chat' to='bob@localhost'><body>x</body></message>");
	say(alice, "<message type='chat' to='nobody@localhost'><body>x</body></message>");
	say(bob, "<presence type='unsubscribe' to='alice@localhost'/>");
	say(alice, "<presence type='unavailable'/>");
}

static bool has_item(const char *roster, int i)
{
	char jid[48];

	(void)snprintf(jid, sizeof(jid), "'i%d@example.org'", i);
	return strstr(roster, jid) != NULL;
}

/* A fresh home says what is stored. */
static void check_stored(void)
{
	struct output *o;

	fake_close(alice);
	fake_close(bob);
	world_advance(31 * JD_USEC_PER_SEC);
	assert_int_equal(server.n_accounts, 0);
	alice = login("alice");
	say(alice, "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>");
	o = fake_take(alice);
	assert_non_null(o);
	for (int i = 0; i < ITEMS; i++) {
		assert_int_not_equal(told[i], 0);
		assert_int_equal(has_item(o->text, i), told[i] > 0);
	}
	mem_free(o);
}

static void begin(void)
{
	world_start(NULL);
	memset(told, 0, sizeof(told));
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	alice = login("alice");
	bob = login("bob");
}

static void end(void)
{
	read_told();
	drain(bob);
	db_test_fail_every(server.db, 0);
	check_stored();
	world_errors = 0;
	world_stop();
}

static void test_every_nth(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 40; n++) {
		begin();
		db_test_fail_every(server.db, n);
		play();
		end();
	}
}

/* The k-th unit alone, by each kind of failure, until there are no more units. */
static void fail_single(enum jd_db_status status, bool done)
{
	struct db_test_step steps[128];

	for (size_t k = 0; k < 60; k++) {
		for (size_t i = 0; i < k; i++)
			steps[i] = (struct db_test_step){.status = JD_DB_OK};
		steps[k] = (struct db_test_step){.status = status, .done_but_uncertain = done};
		begin();
		db_test_script(server.db, steps, k + 1);
		play();
		/* what the script has left must not meet the look at the end */
		for (size_t i = 0; i <= k; i++)
			(void)world_owner("localhost", "alice");
		if (!done) {
			end();
			continue;
		}
		world_errors = 0;
		world_stop();
	}
}

static void test_each_fails(void **state)
{
	(void)state;
	fail_single(JD_DB_FAILED, false);
}

static void test_each_conflicts(void **state)
{
	(void)state;
	fail_single(JD_DB_CONFLICT, false);
}

/* Done, but nobody knows: what was refused may be there, so only crashes and leaks count. */
static void test_each_in_doubt(void **state)
{
	(void)state;
	fail_single(JD_DB_UNCERTAIN, true);
}

/* Each in turn is not answered before the deadline: held, and released too late. */
static void test_each_late(void **state)
{
	struct db_test_step steps[64];

	(void)state;
	for (size_t k = 0; k < 30; k++) {
		for (size_t i = 0; i < k; i++)
			steps[i] = (struct db_test_step){.status = JD_DB_OK};
		steps[k] = (struct db_test_step){.hold = true};
		begin();
		db_test_script(server.db, steps, k + 1);
		play();
		world_advance(35 * JD_USEC_PER_SEC);
		db_test_release(server.db);
		world_settle();
		world_errors = 0;
		world_stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_nth),      cmocka_unit_test(test_each_fails),
		cmocka_unit_test(test_each_conflicts), cmocka_unit_test(test_each_in_doubt),
		cmocka_unit_test(test_each_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
