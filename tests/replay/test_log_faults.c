/* SPDX-License-Identifier: MIT
 *
 * One message on its way, to somebody who is there, to somebody who is away, to a room, while
 * each unit of the database in turn fails, conflicts, is done or not and nobody
 * knows, is slow, or is later than anybody waits.  As long as the fault is met there is one more
 * place to try.
 *
 * Whatever happens: the sender has an acknowledgement, an error, or no session any more.  What was
 * acknowledged without an error is in the log once, and arrives once; nobody has got
 * what is not in the log; and the next message goes through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/test/play.h"
#include "replay/world.h"

#define ROOM "r@conference.localhost"

static struct fake_link *alice, *bob;

enum way { TO_BOB, TO_BOB_AWAY, TO_ROOM, WAYS };

static const char *const texts[WAYS] = {
	"<message type='chat' to='bob@localhost' id='%s'><body>x</body></message>",
	"<message type='chat' to='bob@localhost' id='%s'><body>x</body></message>",
	"<message type='groupchat' to='" ROOM "' id='%s'><body>x</body></message>",
};

struct fault {
	const char *name;
	struct db_test_step step;
	jd_usec held; /* so long, if it is */
};

static const struct fault faults[] = {
	{"failed", {.status = JD_DB_FAILED}, 0},
	{"conflict", {.status = JD_DB_CONFLICT}, 0},
	{"not done", {.status = JD_DB_UNCERTAIN}, 0},
	{"done", {.status = JD_DB_UNCERTAIN, .done_but_uncertain = true}, 0},
	{"slow", {.hold = true}, 3 * JD_USEC_PER_SEC},
	{"late", {.hold = true}, 40 * JD_USEC_PER_SEC},
	{"late and failed", {.status = JD_DB_FAILED, .hold = true}, 40 * JD_USEC_PER_SEC},
};

/* What has become of a message, by what clients were sent. */
struct outcome {
	unsigned errors, alice_got, bob_got;
	bool acked, ended;
};

/* -- looking ---------------------------------------------------------------------------------- */

static bool has(const struct output *o, const char *what)
{
	return strstr(o->text, what) != NULL;
}

static void look(struct fake_link *f, const char *id, unsigned h, struct outcome *out,
		 unsigned *got)
{
	char mark[32], ack[64];
	struct output *o;

	(void)snprintf(mark, sizeof(mark), "id='%s'", id);
	(void)snprintf(ack, sizeof(ack), "<a xmlns='urn:xmpp:sm:3' h='%u'", h);
	while (f && (o = fake_take(f)) != NULL) {
		if (strncmp(o->text, "<message ", 9) == 0 && has(o, mark)) {
			out->errors += has(o, "type='error'");
			*got += !has(o, "type='error'");
		}
		out->acked |= f == alice && has(o, ack);
		mem_free(o);
	}
}

/* Adds what has come since. */
static void look_at_both(const char *id, unsigned h, struct outcome *out)
{
	out->ended = alice->ended;
	look(alice, id, h, out, &out->alice_got);
	look(bob, id, h, out, &out->bob_got);
}

static int64_t rows(const char *host, const char *name, const char *id)
{
	static struct jd_stmt count = {
		.name = "log_faults.rows",
		.lane = JD_LANE_READ,
		.sql = "SELECT COUNT(*) FROM archive a JOIN account o ON o.owner = a.owner"
		       " WHERE o.host = $1 AND o.name = $2 AND a.origin_id = $3",
	};

	return world_number(&count, JD_PARAMS(jd_text(jd_cstr(host)), jd_text(jd_cstr(name)),
					      jd_text(jd_cstr(id))));
}

/* -- acting ----------------------------------------------------------------------------------- */

static void say(struct fake_link *f, const char *xml)
{
	fake_send(f, jd_cstr(xml));
	world_settle();
}

static void forget(struct fake_link *f)
{
	struct output *o;

	while ((o = fake_take(f)) != NULL)
		mem_free(o);
}

static struct fake_link *login(const char *name)
{
	struct fake_link *f = world_login("localhost", name, "r");

	assert_non_null(f);
	say(f, "<presence/>");
	return f;
}

static void enter(struct fake_link *f, const char *nick)
{
	char xml[256];

	(void)snprintf(xml, sizeof(xml),
		       "<presence to='" ROOM "/%s'><x xmlns='http://jabber.org/protocol/muc'>"
		       "<history maxstanzas='0'/></x></presence>",
		       nick);
	say(f, xml);
}

static void begin(enum way way)
{
	static const struct world_settings settings = {
		.modules = "roster presence message disco ping carbons archive offline"};

	world_start(&settings);
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	alice = login("alice");
	bob = way == TO_BOB_AWAY ? NULL : login("bob");
	if (way == TO_ROOM) {
		enter(alice, "alice");
		say(alice, "<iq type='set' id='o' to='" ROOM "'><query xmlns='"
			   "http://jabber.org/protocol/muc#owner'>"
			   "<x xmlns='jabber:x:data' type='submit'/></query></iq>");
		enter(bob, "bob");
	}
	say(alice, "<enable xmlns='urn:xmpp:sm:3'/>");
	forget(alice);
	if (bob)
		forget(bob);
}

static void send_message(enum way way, const char *id)
{
	char xml[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(xml, sizeof(xml), texts[way], id);
#pragma GCC diagnostic pop
	say(alice, xml);
	say(alice, "<r xmlns='urn:xmpp:sm:3'/>");
}

/* -- judging ---------------------------------------------------------------------------------- */

/* At any time: who is told that it is kept can rely on it, and what has been sent is kept. */
static void check_promise(enum way way, const char *id, const struct outcome *out)
{
	bool good = out->acked && !out->errors;
	int64_t here = way == TO_ROOM ? rows("conference.localhost", "r", id)
				      : rows("localhost", "bob", id);

	assert_in_range(here, good, 1);
	assert_true(here >= out->bob_got);
	if (way == TO_ROOM)
		assert_int_equal(out->alice_got, out->bob_got);
	else
		assert_in_range(rows("localhost", "alice", id), good, 1);
}

/* In the end: it has arrived. */
static void check_end(enum way way, const char *id, const struct outcome *out)
{
	check_promise(way, id, out);
	assert_in_range(out->bob_got, out->acked && !out->errors, 1);
}

/* Whoever was away comes, and whoever was put out comes back. */
static void come(enum way way)
{
	if (!bob)
		bob = login("bob");
	if (!alice->ended)
		return;
	alice = login("alice");
	if (way == TO_ROOM)
		enter(alice, "alice");
	say(alice, "<enable xmlns='urn:xmpp:sm:3'/>");
	forget(alice);
}

static void check_next(enum way way, unsigned h)
{
	struct outcome out = {0};

	send_message(way, "m2");
	look_at_both("m2", h, &out);
	assert_true(out.acked && !out.errors && !out.ended);
	check_end(way, "m2", &out);
}

/* True: the fault was met. */
static bool try_one(enum way way, const struct fault *f, unsigned n)
{
	struct outcome out = {0};
	bool met, ended;

	begin(way);
	db_test_step_at(server.db, n, &f->step);
	send_message(way, "m1");
	world_advance(f->held);
	met = db_test_failed(server.db) > 0;
	db_test_step_at(server.db, 0, &f->step);
	look_at_both("m1", 1, &out);
	check_promise(way, "m1", &out);
	db_test_release(server.db);
	world_settle();
	world_advance(2 * JD_USEC_PER_SEC);
	look_at_both("m1", 1, &out);
	ended = out.ended;
	come(way);
	if (way == TO_BOB_AWAY)
		look(bob, "m1", 1, &out, &out.bob_got);
	assert_true(out.acked || out.errors || ended);
	check_end(way, "m1", &out);
	check_next(way, ended ? 1 : 2);
	world_errors = 0;
	world_stop();
	return met;
}

static void test_way(enum way way)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(faults); i++) {
		unsigned n = 1;

		while (try_one(way, &faults[i], n))
			n++;
		assert_in_range(n, 3, 100);
	}
}

static void test_to_bob(void **state)
{
	(void)state;
	test_way(TO_BOB);
}

static void test_to_bob_away(void **state)
{
	(void)state;
	test_way(TO_BOB_AWAY);
}

static void test_to_room(void **state)
{
	(void)state;
	test_way(TO_ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_bob),
		cmocka_unit_test(test_to_bob_away),
		cmocka_unit_test(test_to_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
