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

/* Places where an account keeps things: how one is put there, how all are asked for, and what
 * tells number %d from the others. */
static const struct place {
	const char *name, *put, *ask, *mark;
	int count;
} places[] = {
	{"set", "<query xmlns='jabber:iq:roster'><item jid='i%d@example.org' name='n'/></query>",
	 "<query xmlns='jabber:iq:roster'/>", "'i%d@example.org'", ITEMS},
	{"prv", "<query xmlns='jabber:iq:private'><p xmlns='urn:p'>v%d.</p></query>",
	 "<query xmlns='jabber:iq:private'><p xmlns='urn:p'/></query>", ">v%d.<", -4},
	{"blk", "<block xmlns='urn:xmpp:blocking'><item jid='b%d@example.org'/></block>",
	 "<blocklist xmlns='urn:xmpp:blocking'/>", "'b%d@example.org'", 4},
	{"crd", "<vCard xmlns='vcard-temp'><FN>f%d.</FN></vCard>", "<vCard xmlns='vcard-temp'/>",
	 ">f%d.<", -4},
};
#define PLACES JD_ARRAY_SIZE(places)

/* What alice was told about her sets: 0 nothing, 1 done, -1 refused. */
static int told[PLACES][ITEMS];

/* Negative: there is one of it, and the last one put counts. */
static int count(const struct place *p)
{
	return p->count < 0 ? -p->count : p->count;
}

static void note_told(const char *text)
{
	for (size_t p = 0; p < PLACES; p++) {
		for (int i = 0; i < count(&places[p]); i++) {
			char id[32];

			(void)snprintf(id, sizeof(id), "id='%s%d'", places[p].name, i);
			if (!strstr(text, id))
				continue;
			assert_int_equal(told[p][i], 0);
			told[p][i] = strstr(text, "type='result'") ? 1 : -1;
		}
	}
}

static void read_told(void)
{
	struct output *o;

	while ((o = fake_take(alice)) != NULL) {
		note_told(o->text);
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

/* A format of the table, filled in. */
static const char *fill(const char *fmt, int i)
{
	static char text[512];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), fmt, i);
#pragma GCC diagnostic pop
	return text;
}

/* The even ones are put one by one, the odd ones as fast as they come. */
static void put_all(const struct place *p)
{
	for (int i = 0; i < count(p); i++) {
		char xml[600];

		(void)snprintf(xml, sizeof(xml), "<iq type='set' id='%s%d'>%s</iq>", p->name, i,
			       fill(p->put, i));
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
	for (size_t p = 0; p < PLACES; p++)
		put_all(&places[p]);
	say(alice, "<presence type='subscribe' to='bob@localhost'/>");
	say(bob, "<presence type='subscribed' to='alice@localhost'/>");
	say(bob, "<presence type='subscribe' to='alice@localhost'/>");
	say(alice, "<presence type='subscribed' to='bob@localhost'/>");
	say(alice, "<message type='chat' to='bob@localhost'><body>x</body></message>");
	say(alice, "<message type='chat' to='nobody@localhost'><body>x</body></message>");
	say(bob, "<presence type='unsubscribe' to='alice@localhost'/>");
	say(alice, "<presence type='unavailable'/>");
}

/* A fresh home says what is stored. */
static void check_place(const struct place *p, const int *outcome)
{
	char xml[256];
	struct output *o;
	int last = -1;

	(void)snprintf(xml, sizeof(xml), "<iq type='get' id='g'>%s</iq>", p->ask);
	say(alice, xml);
	o = fake_take(alice);
	assert_non_null(o);
	for (int i = 0; i < count(p); i++)
		last = outcome[i] > 0 ? i : last;
	for (int i = 0; i < count(p); i++) {
		bool there = strstr(o->text, fill(p->mark, i)) != NULL;

		assert_int_not_equal(outcome[i], 0);
		assert_int_equal(there, p->count < 0 ? i == last : outcome[i] > 0);
	}
	mem_free(o);
}

static void check_stored(void)
{
	fake_close(alice);
	fake_close(bob);
	world_advance(31 * JD_USEC_PER_SEC);
	assert_int_equal(server.n_accounts, 0);
	alice = login("alice");
	for (size_t p = 0; p < PLACES; p++)
		check_place(&places[p], told[p]);
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

	for (size_t k = 0; k < 90; k++) {
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
