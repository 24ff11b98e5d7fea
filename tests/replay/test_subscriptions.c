/* SPDX-License-Identifier: MIT
 *
 * RFC 6121 appendix A, cell by cell: nine states, four requests, both directions,
 * and once more for contacts who have been approved in advance (3.4).
 * The tables below are those of the RFC, typed from it and not from our code.
 *
 * alice has a contact for every cell, put into her roster's table in that state
 * before the roster is loaded.  A module on the contacts' host notes what reaches
 * them and takes it, so that each cell stands alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

/* How mod_roster stores a state: schema/sqlite/0002_roster.sql. */
enum { TO = 1, FROM = 2, OUT = 4, IN = 8, APPROVED = 16, LISTED = 32 };
enum { STATE = TO | FROM | OUT | IN, SHOWN = TO | FROM | OUT | APPROVED };

enum { NONE, NONE_OUT, NONE_IN, NONE_OUT_IN, S_TO, TO_IN, S_FROM, FROM_OUT, BOTH, STATES };

static const unsigned bits[STATES] = {
	[NONE] = 0,         [NONE_OUT] = OUT,  [NONE_IN] = IN,  [NONE_OUT_IN] = OUT | IN,
	[S_TO] = TO,        [TO_IN] = TO | IN, [S_FROM] = FROM, [FROM_OUT] = FROM | OUT,
	[BOTH] = TO | FROM,
};

struct cell {
	bool passed; /* outbound: MUST be routed; inbound: MUST be delivered */
	int after;
};

#define Y(state)                                                                                   \
	{                                                                                          \
		true, state                                                                        \
	}
#define N(state)                                                                                   \
	{                                                                                          \
		false, state                                                                       \
	}

struct table {
	const char *type;
	bool inbound;
	struct cell cells[STATES];
};

static const struct table tables[] = {
	/* A.2.1 */
	{"subscribe",
	 false,
	 {Y(NONE_OUT), Y(NONE_OUT), Y(NONE_OUT_IN), Y(NONE_OUT_IN), Y(S_TO), Y(TO_IN), Y(FROM_OUT),
	  Y(FROM_OUT), Y(BOTH)}},
	/* A.2.2 */
	{"unsubscribe",
	 false,
	 {Y(NONE), Y(NONE), Y(NONE_IN), Y(NONE_IN), Y(NONE), Y(NONE_IN), Y(S_FROM), Y(S_FROM),
	  Y(S_FROM)}},
	/* A.2.3 */
	{"subscribed",
	 false,
	 {N(NONE), N(NONE_OUT), Y(S_FROM), Y(FROM_OUT), N(S_TO), Y(BOTH), N(S_FROM), N(FROM_OUT),
	  N(BOTH)}},
	/* A.2.4 */
	{"unsubscribed",
	 false,
	 {N(NONE), N(NONE_OUT), Y(NONE), Y(NONE_OUT), N(S_TO), Y(S_TO), Y(NONE), Y(NONE_OUT),
	  Y(S_TO)}},
	/* A.3.1 */
	{"subscribe",
	 true,
	 {Y(NONE_IN), Y(NONE_OUT_IN), N(NONE_IN), N(NONE_OUT_IN), Y(TO_IN), N(TO_IN), N(S_FROM),
	  N(FROM_OUT), N(BOTH)}},
	/* A.3.2 */
	{"unsubscribe",
	 true,
	 {N(NONE), N(NONE_OUT), Y(NONE), Y(NONE_OUT), N(S_TO), Y(S_TO), Y(NONE), Y(NONE_OUT),
	  Y(S_TO)}},
	/* A.3.3 */
	{"subscribed",
	 true,
	 {N(NONE), Y(S_TO), N(NONE_IN), Y(TO_IN), N(S_TO), N(TO_IN), N(S_FROM), Y(BOTH), N(BOTH)}},
	/* A.3.4 */
	{"unsubscribed",
	 true,
	 {N(NONE), Y(NONE), N(NONE_IN), Y(NONE_IN), Y(NONE), Y(NONE_IN), N(S_FROM), Y(S_FROM),
	  Y(S_FROM)}},
};

/* -- what reaches the contacts --------------------------------------------------------- */

static char noted[512];

static enum jd_verdict on_contact(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	size_t n = strlen(noted);
	const char *type = stanza_type_name(ev->st->kind, ev->st->type);

	(void)mi;
	(void)snprintf(noted + n, sizeof(noted) - n, "%s ", type ? type : "available");
	return JD_DROP;
}

static int spy_start(struct jd_instance *mi)
{
	if (!jd_str_is(jd_host_name(jd_instance_host(mi)), "other.example"))
		return 0;
	return jd_on(mi, account_in, 1, on_contact);
}

static const struct jd_module spy = {.abi = JD_ABI, .name = "spy", .start = spy_start};
static const struct jd_module *const extras[] = {&spy, NULL};
static const struct world_settings settings = {.modules = "spy roster presence", .extras = extras};

/* -- alice -------------------------------------------------------------------------------- */

static struct fake_link *alice;
static uint64_t owner;
static unsigned extra; /* bits of every item that does not have IN */

static void name_of(size_t table, int state, char *out, size_t size)
{
	(void)snprintf(out, size, "c%zu%d@other.example", table, state);
}

static void put_item(const char *jid, unsigned state)
{
	static struct jd_stmt put = {
		.name = "test.put",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO roster_item (owner, jid, state, group_names, request)"
		       " VALUES ($1, $2, $3, '', $4) RETURNING owner",
	};
	static const char request[] = "<presence xmlns='jabber:client' type='subscribe'"
				      " from='x@other.example' to='alice@localhost'/>";

	(void)world_number(&put,
			   JD_PARAMS(jd_int((int64_t)owner), jd_text(jd_cstr(jid)), jd_int(state),
				     jd_text(jd_cstr(state & IN ? request : NULL))));
}

static unsigned get_item(const char *jid)
{
	static struct jd_stmt get = {
		.name = "test.get",
		.lane = JD_LANE_READ,
		.sql = "SELECT state FROM roster_item WHERE owner = $1 AND jid = $2",
	};
	int64_t n = world_number(&get, JD_PARAMS(jd_int((int64_t)owner), jd_text(jd_cstr(jid))));

	return n < 0 ? 0 : (unsigned)n;
}

/* listed: items are in the roster already, whatever their state. */
static void start(bool listed)
{
	char jid[64];

	world_start(&settings);
	owner = world_user("localhost", "alice");
	for (size_t t = 0; t < JD_ARRAY_SIZE(tables); t++) {
		for (int s = 0; s < STATES; s++) {
			name_of(t, s, jid, sizeof(jid));
			*strchr(jid, '@') = '\0';
			(void)world_user("other.example", jid);
			name_of(t, s, jid, sizeof(jid));
			if (bits[s] || listed)
				put_item(jid, bits[s] | (bits[s] & IN ? 0 : extra) |
						      (listed || bits[s] & SHOWN ? LISTED : 0));
		}
	}
	alice = world_login("localhost", "alice", "phone");
	assert_non_null(alice);
	fake_send(alice, JD_STR("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
				"<presence/>"));
	world_settle();
}

struct seen {
	unsigned pushes, delivered, others;
};

/* Looks at what alice was sent. */
static struct seen look(const char *type)
{
	struct seen seen = {0};
	char is[64];
	struct output *o;

	(void)snprintf(is, sizeof(is), "type='%s'", type);
	while ((o = fake_take(alice)) != NULL) {
		if (strstr(o->text, "jabber:iq:roster"))
			seen.pushes++;
		else if (strncmp(o->text, "<presence", 9) == 0 && strstr(o->text, is))
			seen.delivered++;
		else
			seen.others++;
		mem_free(o);
	}
	return seen;
}

static void act(const struct table *t, const char *jid)
{
	char xml[256];
	struct jd_stanza *st;

	(void)snprintf(xml, sizeof(xml),
		       t->inbound ? "<presence xmlns='jabber:client' type='%s' from='%s'"
				    " to='alice@localhost'/>"
				  : "<presence type='%s' to='%s'/>",
		       t->type, jid);
	if (t->inbound) {
		st = jd_stanza_parse(jd_cstr(xml));
		assert_non_null(st);
		jd_route(st);
		jd_stanza_unref(st);
	} else {
		fake_send(alice, jd_cstr(xml));
	}
	world_settle();
}

/* A word of the list in noted. */
static bool was_noted(const char *what)
{
	char list[sizeof(noted) + 2], find[64];

	(void)snprintf(list, sizeof(list), " %s", noted);
	(void)snprintf(find, sizeof(find), " %s ", what);
	return strstr(list, find) != NULL;
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail_msg("%s %s in state %d: %s; state %u to %u, noted '%s', pushes %u,"   \
				 " delivered %u, others %u",                                       \
				 t->inbound ? "inbound" : "outbound", t->type, state, #cond,       \
				 before, after, noted, seen.pushes, seen.delivered, seen.others);  \
	} while (0)

/* What becomes of a contact who has been approved in advance, by 3.4.2. */
static struct cell cell_of(const struct table *t, int state, unsigned before)
{
	struct cell cell = t->cells[state];

	if (before & APPROVED && t->inbound && strcmp(t->type, "subscribe") == 0) {
		cell.passed = false;
		cell.after = before & FROM  ? state
			     : before & TO  ? BOTH
			     : before & OUT ? FROM_OUT
					    : S_FROM;
	}
	return cell;
}

static bool approved_after(const struct table *t, unsigned before)
{
	if (!t->inbound && strcmp(t->type, "subscribed") == 0)
		return before & APPROVED || !(before & (FROM | IN));
	if (!t->inbound && strcmp(t->type, "unsubscribed") == 0)
		return false;
	return before & APPROVED;
}

static void check_cell(const struct table *t, size_t table, int state)
{
	struct cell of, *cell = &of;
	unsigned before, after;
	struct seen seen;
	char jid[64];

	name_of(table, state, jid, sizeof(jid));
	before = get_item(jid);
	of = cell_of(t, state, before);
	noted[0] = '\0';
	(void)look("");
	act(t, jid);
	seen = look(t->type);
	after = get_item(jid);
	CHECK((after & STATE) == bits[cell->after]);
	CHECK(!(after & APPROVED) == !approved_after(t, before));
	if (t->inbound)
		CHECK((seen.delivered > 0) == cell->passed);
	else
		CHECK(was_noted(t->type) == cell->passed);
	CHECK((seen.pushes == 1) == (((before ^ after) & SHOWN) != 0));
	CHECK(seen.pushes <= 1 && seen.others == 0);
	/* 3.1.3 and 3.1.5: presence follows an approval; 3.2: its end follows a refusal */
	CHECK(was_noted("available") == (!(before & FROM) && after & FROM));
	CHECK(was_noted("unavailable") == (before & FROM && !(after & FROM)));
	/* [2] below A.3.1 */
	if (t->inbound && strcmp(t->type, "subscribe") == 0)
		CHECK(was_noted("subscribed") == ((before & (FROM | APPROVED)) != 0));
}

static void check_all(bool listed)
{
	start(listed);
	for (size_t t = 0; t < JD_ARRAY_SIZE(tables); t++)
		for (int s = 0; s < STATES; s++)
			check_cell(&tables[t], t, s);
	world_stop();
}

/* RFC 6121 3.4.2/answer 3.4.2/cancel 3.4.2/note */
static void test_approved(void **state)
{
	(void)state;
	extra = APPROVED;
	check_all(true);
	extra = 0;
}

/* RFC 6121 3.1.2 3.1.3/deliver 3.1.3/auto 3.1.5 3.1.6 3.2.2 3.2.3 3.3.2 3.3.3 */
static void test_fresh(void **state)
{
	(void)state;
	check_all(false);
}

static void test_listed(void **state)
{
	(void)state;
	check_all(true);
}

/* The same requests again from what is stored: nothing hangs on memory alone. */
static void test_reloaded(void **state)
{
	(void)state;
	start(false);
	for (size_t t = 0; t < JD_ARRAY_SIZE(tables); t++) {
		for (int s = 0; s < STATES; s++) {
			fake_close(alice);
			world_advance(31 * JD_USEC_PER_SEC);
			assert_null(account_peek(world_host("localhost"), JD_STR("alice")));
			alice = world_login("localhost", "alice", "phone");
			assert_non_null(alice);
			fake_send(alice,
				  JD_STR("<iq type='get' id='r'>"
					 "<query xmlns='jabber:iq:roster'/></iq><presence/>"));
			world_settle();
			check_cell(&tables[t], t, s);
		}
	}
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_approved),
		cmocka_unit_test(test_reloaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
