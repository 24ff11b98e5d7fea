/* SPDX-License-Identifier: MIT
 *
 * The life of accounts: made, logged into, given a new password, deleted while
 * somebody is in, looked up while they are being made, loaded and unloaded by the
 * thousand.  And what a stranger learns of a name: nothing.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/auth_anonymous.h"
#include "core/auth_backoff.h"
#include "core/erase.h"
#include "replay/world.h"

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

/* -- administration ------------------------------------------------------------------------ */

static int outcome;

static void on_done(void *arg, int result)
{
	(void)arg;
	outcome = result;
}

static struct jd_jid jid_of(struct jd_arena *arena, const char *text)
{
	struct jd_jid jid = JD_JID_NULL;

	assert_int_equal(jd_jid_parse(arena, jd_cstr(text), &jid), 0);
	return jid;
}

/* The result of on_done(); workers are not seen by world_settle(). */
static int wait_outcome(void)
{
	while (outcome == 1) {
		world_settle();
		sched_yield();
	}
	world_settle();
	return outcome;
}

static void ask_password(const char *who, const char *password, bool create, bool force)
{
	struct jd_arena arena;

	outcome = 1;
	arena_init(&arena, NULL, 0);
	assert_int_equal(account_set_password(world_host("localhost"), jid_of(&arena, who),
					      jd_cstr(password), create, force, on_done, NULL),
			 0);
	arena_fini(&arena);
}

static int set_password(const char *who, const char *password, bool create, bool force)
{
	ask_password(who, password, create, force);
	return wait_outcome();
}

static int delete (const char *who)
{
	struct jd_arena arena;

	outcome = 1;
	arena_init(&arena, NULL, 0);
	assert_int_equal(
		account_delete(world_host("localhost"), jid_of(&arena, who), on_done, NULL), 0);
	arena_fini(&arena);
	return wait_outcome();
}

static struct auth_answer *ask(struct fake_link *f, struct auth_ask ask)
{
	fake_ask(f, ask);
	while (!f->answer) {
		world_settle();
		sched_yield();
	}
	return f->answer;
}

static struct auth_answer keys(struct fake_link *f, const char *name, enum crypto_hash hash)
{
	return *ask(f, (struct auth_ask){.what = AUTH_KEYS,
					 .hash = hash,
					 .host = JD_STR("localhost"),
					 .name = jd_cstr(name)});
}

static int login(const char *name, const char *password)
{
	struct fake_link *f = fake_connect();
	int status = ask(f, (struct auth_ask){.what = AUTH_PASSWORD,
					      .host = JD_STR("localhost"),
					      .name = jd_cstr(name),
					      .password = jd_cstr(password)})
			     ->status;

	fake_close(f);
	world_settle();
	return status;
}

static unsigned count(struct fake_link *f)
{
	unsigned n = 0;
	struct output *o;

	for (; (o = fake_take(f)) != NULL; n++)
		mem_free(o);
	return n;
}

static int64_t rows_of(uint64_t owner)
{
	static struct jd_stmt rows = {
		.name = "test.rows",
		.lane = JD_LANE_READ,
		.sql = "SELECT (SELECT count(*) FROM account WHERE owner = $1)"
		       " + (SELECT count(*) FROM credential WHERE owner = $1)"
		       " + (SELECT count(*) FROM roster_item WHERE owner = $1)"
		       " + (SELECT count(*) FROM roster_version WHERE owner = $1)",
	};

	return world_number(&rows, JD_PARAMS(jd_int((int64_t)owner)));
}

/* -- tests ------------------------------------------------------------------------------------ */

static void test_passwords(void **state)
{
	struct fake_link *a, *b;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "x", false, false), -JD_ENOENT);
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	assert_int_equal(set_password("eve@localhost", "other", true, false), -JD_EEXIST);
	assert_int_equal(login("eve", "first"), AUTH_GIVEN);
	assert_int_equal(login("eve", "other"), AUTH_REFUSED);
	assert_int_equal(login("adam", "first"), AUTH_REFUSED);
	a = world_login("localhost", "eve", "a");
	b = world_login("localhost", "eve", "b");
	assert_int_equal(set_password("eve@localhost", "second", false, false), 0);
	assert_true(a->ended && b->ended);
	assert_int_equal(a->why, STREAM_NOT_AUTHORIZED);
	assert_int_equal(server.n_sessions, 0);
	assert_int_equal(login("eve", "first"), AUTH_REFUSED);
	assert_int_equal(login("eve", "second"), AUTH_GIVEN);
	assert_non_null(world_login("localhost", "eve", "a"));
}

static void test_database_fails(void **state)
{
	const struct db_test_step fails = {.stmt = "core.find_some_keys", .status = JD_DB_FAILED};

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	db_test_script(server.db, &fails, 1);
	assert_int_equal(login("eve", "first"), AUTH_TEMPORARY);
	assert_true(world_announced(1));
	assert_int_equal(login("eve", "first"), AUTH_GIVEN);
}

/* The same name, the same salt; another name or hash, another one; as long as a real one. */
static void test_fake_keys(void **state)
{
	struct fake_link *f = fake_connect();
	struct auth_answer real, one, again, other, hash;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	real = keys(f, "eve", CRYPTO_SHA256);
	one = keys(f, "adam", CRYPTO_SHA256);
	again = keys(f, "adam", CRYPTO_SHA256);
	other = keys(f, "adan", CRYPTO_SHA256);
	hash = keys(f, "adam", CRYPTO_SHA1);
	assert_true(real.owner > 0 && one.owner == 0);
	assert_int_equal(one.status, AUTH_GIVEN);
	assert_int_equal(one.salt_len, real.salt_len);
	assert_int_equal(one.iterations, real.iterations);
	assert_memory_equal(one.salt, again.salt, one.salt_len);
	assert_memory_not_equal(one.salt, other.salt, one.salt_len);
	assert_memory_not_equal(one.salt, hash.salt, one.salt_len);
	assert_memory_equal(keys(f, "eve", CRYPTO_SHA256).salt, real.salt, real.salt_len);
}

/* A client that hangs up while its question is with the database or the worker. */
static void test_gone_while_asked(void **state)
{
	const struct db_test_step hold = {.stmt = "core.find_some_keys", .hold = true};
	struct fake_link *f = fake_connect();
	struct auth_ask q = {.what = AUTH_PASSWORD,
			     .host = JD_STR("localhost"),
			     .name = JD_STR("eve"),
			     .password = JD_STR("x")};

	(void)state;
	db_test_script(server.db, &hold, 1);
	fake_ask(f, q);
	world_settle();
	fake_close(f);
	world_settle();
	assert_false(f->released);
	db_test_release(server.db);
	while (!f->released) {
		world_settle();
		sched_yield();
	}
	assert_null(f->answer);
}

static void test_delete(void **state)
{
	struct fake_link *eve, *adam;
	uint64_t owner;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	(void)world_user("localhost", "adam");
	owner = world_owner("localhost", "eve");
	eve = world_login("localhost", "eve", "r");
	adam = world_login("localhost", "adam", "r");
	fake_send(adam, JD_STR("<presence/>"));
	fake_send(eve, JD_STR("<presence/><presence type='subscribe' to='adam@localhost'/>"));
	world_settle();
	fake_send(adam, JD_STR("<presence type='subscribed' to='eve@localhost'/>"
			       "<presence type='subscribe' to='eve@localhost'/>"));
	world_settle();
	fake_send(eve, JD_STR("<presence type='subscribed' to='adam@localhost'/>"));
	world_settle();
	(void)count(adam);
	assert_true(rows_of(owner) > 2);
	assert_int_equal(delete ("eve@localhost"), 0);
	assert_true(eve->ended);
	assert_int_equal(eve->why, STREAM_NOT_AUTHORIZED);
	assert_int_equal(rows_of(owner), 0);
	assert_true(count(adam) > 0); /* unavailable, and that it is over */
	assert_int_equal(delete ("eve@localhost"), -JD_ENOENT);
	/* the tombstone */
	assert_int_equal(set_password("eve@localhost", "new", true, false), -JD_EEXIST);
	assert_int_equal(set_password("eve@localhost", "new", true, true), 0);
	assert_true(world_owner("localhost", "eve") != owner);
	fake_send(adam, JD_STR("<message to='eve@localhost' type='chat'/>"));
	world_settle();
	assert_int_equal(count(adam), 1);
	assert_non_null(world_login("localhost", "eve", "r"));
}

/* The server stops in the middle of it. */
static void test_delete_at_the_end(void **state)
{
	const struct db_test_step hold = {.stmt = "roster.load_page", .hold = true};
	struct jd_arena arena;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	db_test_script(server.db, &hold, 1);
	outcome = 1;
	arena_init(&arena, NULL, 0);
	assert_int_equal(account_delete(world_host("localhost"), jid_of(&arena, "eve@localhost"),
					on_done, NULL),
			 0);
	arena_fini(&arena);
	world_settle();
	assert_int_equal(outcome, 1);
}

/* What waited in the home of an account that goes meanwhile is for nobody: it is treated as
 * what comes for a name that does not exist, and nothing is written for owner 0. */
static void test_delete_while_waiting(void **state)
{
	const struct db_test_step hold = {.stmt = "roster.load", .hold = true};
	struct fake_link *adam;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	(void)world_user("localhost", "adam");
	adam = world_login("localhost", "adam", "r");
	fake_send(adam, JD_STR("<presence/>"));
	world_settle();
	(void)count(adam);
	db_test_script(server.db, &hold, 1);
	fake_send(adam, JD_STR("<presence type='subscribe' to='eve@localhost'/>"));
	world_settle();
	assert_int_equal(delete ("eve@localhost"), 0);
	db_test_release(server.db);
	world_settle();
	assert_int_equal(count(adam), 0);
	assert_int_equal(rows_of(0), 0);
	assert_int_equal(world_session(adam)->handled, 2);
}

/* The owner that a client logged in as was deleted, and the name made anew. */
static void test_deleted_before_bind(void **state)
{
	struct fake_link *f = fake_connect();
	uint64_t owner;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	owner = world_owner("localhost", "eve");
	assert_int_equal(delete ("eve@localhost"), 0);
	assert_int_equal(set_password("eve@localhost", "first", true, true), 0);
	fake_bind(f, "localhost", "eve", owner, "r");
	world_settle();
	assert_true(f->ended && !f->bound);
	assert_int_equal(f->why, STREAM_NOT_AUTHORIZED);
}

/* -- back-off, and logins that are not bound -------------------------------------------------- */

static void tell_failed(struct fake_link *f, const char *name)
{
	struct auth_result *r = mem_new(struct auth_result);

	r->host = JD_STR("localhost");
	r->name = jd_cstr(name);
	r->peer = JD_STR("192.0.2.1");
	r->mechanism = "SCRAM-SHA-1";
	fake_post(f, C2S_AUTH_RESULT, r);
}

static void ask_keys(struct fake_link *f, const char *name)
{
	fake_ask(f, (struct auth_ask){.what = AUTH_KEYS,
				      .hash = CRYPTO_SHA1,
				      .host = JD_STR("localhost"),
				      .name = jd_cstr(name)});
	world_settle();
}

/* The answer to who failed waits for its time; other names and other things don't. */
static void test_backoff(void **state)
{
	struct fake_link *f = fake_connect(), *other = fake_connect();

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	for (int i = 0; i < 5; i++)
		tell_failed(f, "eve");
	ask_keys(f, "eve");
	assert_null(f->answer);
	ask_keys(other, "adam");
	assert_non_null(other->answer);
	world_advance(4 * JD_USEC_PER_SEC - 1);
	world_settle();
	assert_null(f->answer);
	world_advance(1);
	world_settle();
	assert_non_null(f->answer);
	assert_int_equal(f->answer->status, AUTH_GIVEN);
	assert_true(f->answer->owner > 0);
	/* Who goes away meanwhile leaves nothing behind. */
	ask_keys(f, "eve");
	assert_null(f->answer);
	fake_close(f);
	world_settle();
	assert_true(f->released);
	assert_null(f->answer);
}

/* So many at once that the last ones would wait too long. */
static void test_backoff_queue(void **state)
{
	struct fake_link *f[20];
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(f); i++)
		f[i] = fake_connect();
	for (int i = 0; i < BACKOFF_FREE; i++)
		tell_failed(f[0], "eve");
	for (size_t i = 0; i < JD_ARRAY_SIZE(f); i++) {
		ask_keys(f[i], "eve");
		refused += f[i]->answer && f[i]->answer->status == AUTH_TEMPORARY;
	}
	assert_true(refused > 5);
	world_advance(BACKOFF_QUEUE);
	world_settle();
	for (size_t i = 0; i < JD_ARRAY_SIZE(f); i++)
		assert_non_null(f[i]->answer);
}

/* A new password or the end of the account reaches who has logged in and is not bound. */
static void test_changed_before_bind(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fake_link *eve, *adam = fake_connect();
		uint64_t owner;

		assert_int_equal(set_password("eve@localhost", "first", true, true), 0);
		owner = world_owner("localhost", "eve");
		(void)keys(adam, "adam", CRYPTO_SHA1);
		eve = fake_connect();
		assert_int_equal(keys(eve, "eve", CRYPTO_SHA1).owner, owner);
		if (i == 0)
			assert_int_equal(set_password("eve@localhost", "new", false, false), 0);
		else if (i == 1)
			assert_int_equal(delete ("eve@localhost"), 0);
		else
			fake_bind(eve, "localhost", "eve", owner, "r");
		world_settle();
		assert_int_equal(eve->ended, i < 2);
		assert_false(adam->ended);
		if (i < 2)
			assert_int_equal(eve->why, STREAM_NOT_AUTHORIZED);
		assert_int_equal(eve->bound, i == 2);
		assert_int_equal(delete ("eve@localhost"), i == 1 ? -JD_ENOENT : 0);
	}
}

/* A home is asking whether the name exists while it is being made. */
static void test_made_while_loading(void **state)
{
	const struct db_test_step hold = {.stmt = "core.find_account", .hold = true};
	struct fake_link *adam;

	(void)state;
	(void)world_user("localhost", "adam");
	adam = world_login("localhost", "adam", "r");
	db_test_script(server.db, &hold, 1);
	fake_send(adam, JD_STR("<message id='1' to='eve@localhost'/>"));
	world_settle();
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	db_test_release(server.db);
	world_settle();
	assert_int_equal(count(adam), 1);
	assert_non_null(world_login("localhost", "eve", "r"));
	fake_send(adam, JD_STR("<message id='2' to='eve@localhost/r'/>"));
	world_advance(31 * JD_USEC_PER_SEC);
	assert_int_equal(server.n_accounts, 2);
	assert_int_equal(count(adam), 0);
}

/* A client that kept the roster of the account before must not be told that it has the current
 * one (RFC 6121 2.6.2). */
static void test_roster_of_a_remade_name(void **state)
{
	struct fake_link *f;
	char xml[128], *at = NULL;
	struct output *o;

	(void)state;
	assert_int_equal(set_password("eve@localhost", "first", true, false), 0);
	for (unsigned i = 0; i < 2; i++) {
		f = world_login("localhost", "eve", "a");
		assert_non_null(f);
		(void)snprintf(
			xml, sizeof(xml),
			"<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='%s'/></iq>",
			i ? at : "");
		fake_send(f, jd_cstr(xml));
		world_settle();
		o = fake_take(f);
		assert_non_null(o);
		at = strstr(o->text, "ver='");
		assert_non_null(at); /* an empty answer has none */
		at = strndupa(at + 5, strcspn(at + 5, "'"));
		mem_free(o);
		if (i)
			break;
		world_advance(JD_USEC_PER_SEC);
		assert_int_equal(delete ("eve@localhost"), 0);
		assert_int_equal(set_password("eve@localhost", "second", true, true), 0);
	}
}

static void test_many(void **state)
{
	struct fake_link *a;
	struct slab_stats before, after;

	(void)state;
	(void)world_user("localhost", "alice");
	for (int i = 0; i < 1000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "u%d", i % 1000);
		(void)world_user("localhost", name);
	}
	a = world_login("localhost", "alice", "r");
	for (int round = 0; round < 2; round++) {
		slab_stats(server.posts, &before);
		for (int i = 0; i < 2000; i++) { /* half of them do not exist */
			char xml[128];

			(void)snprintf(xml, sizeof(xml),
				       "<iq type='get' id='%d' to='u%d@localhost'>"
				       "<ping xmlns='urn:xmpp:ping'/></iq>"
				       "<presence to='u%d@localhost'/>",
				       i, i, i % 250);
			fake_send(a, jd_cstr(xml));
			if (i % 16 == 0)
				world_settle();
		}
		world_settle();
		assert_int_equal(count(a), 2000);
		assert_true(server.n_accounts >= 1001);
		world_advance(31 * JD_USEC_PER_SEC);
		assert_int_equal(server.n_accounts, 1);
		assert_int_equal(world_session(a)->handled, (unsigned)(round + 1) * 4000);
		slab_stats(server.posts, &after);
		assert_int_equal(after.used, before.used);
	}
}

/* -- nobody ------------------------------------------------------------------------------------ */

static char nobody[ANONYMOUS_NAME + 1];
static uint64_t nobody_owner;

static void on_nobody(void *arg, const char *name, uint64_t owner)
{
	(void)arg;
	memcpy(nobody, name, sizeof(nobody));
	nobody_owner = owner;
}

/* Who comes and goes faster than anybody can be erased is held up by the bound on all of them. */
static void test_nobody_counts_until_erased(void **state)
{
	struct jd_host *host = world_host("localhost");

	(void)state;
	nobody_owner = 0;
	anonymous_make(host, on_nobody, NULL);
	assert_int_equal(anonymous_count(), 1);
	world_settle();
	assert_true(nobody_owner);
	anonymous_end(host, jd_cstr(nobody), nobody_owner);
	assert_int_equal(anonymous_count(), 1);
	world_settle();
	assert_true(anonymous_count() == 1 || !erase_count());
	while (erase_count())
		world_settle();
	assert_int_equal(anonymous_count(), 0);
	assert_int_equal(world_owner("localhost", nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passwords, setup, teardown),
		cmocka_unit_test_setup_teardown(test_database_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fake_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_while_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delete_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delete_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted_before_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_made_while_loading, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roster_of_a_remade_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backoff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backoff_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_before_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_counts_until_erased, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
