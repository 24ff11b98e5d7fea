/* SPDX-License-Identifier: MIT
 *
 * Tokens of devices while time passes and the database fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

#include "core/tokens.h"
#include "replay/world.h"
#include "util/clock.h"

#define DEVICE JD_STR("d4565fa7-4d72-4749-b3d3-740edbf87770")
#define DAY    (86400 * JD_USEC_PER_SEC)

static struct login_proof proof;
static uint64_t owner;

static int outcome;

static void on_done(void *arg, int result)
{
	(void)arg;
	outcome = result;
}

static void set_password(const char *password, bool create)
{
	struct jd_jid jid = {"eve@localhost", 3, 9, 0};

	outcome = 1;
	assert_int_equal(account_set_password(world_host("localhost"), jid, jd_cstr(password),
					      create, false, on_done, NULL),
			 0);
	while (outcome == 1) {
		world_settle();
		sched_yield();
	}
	assert_int_equal(outcome, 0);
	world_settle();
}

static struct auth_answer ask(struct auth_ask question)
{
	struct fake_link *f = fake_connect();
	struct auth_answer answer;

	question.host = JD_STR("localhost");
	question.name = JD_STR("eve");
	fake_ask(f, question);
	while (!f->answer) {
		world_settle();
		sched_yield();
	}
	answer = *f->answer;
	fake_close(f);
	world_settle();
	return answer;
}

/* As a login by the password has shown it. */
static void show_password(void)
{
	proof = ask((struct auth_ask){.what = AUTH_KEYS, .hash = CRYPTO_SHA256}).proof;
	assert_true(proof.salt_len > 0);
}

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	tokens_configure(20 * DAY);
	set_password("first", true);
	owner = world_owner("localhost", "eve");
	show_password();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

static void on_issued(void *arg, const struct token_issued *issued)
{
	*(struct token_issued *)arg = *issued;
}

static struct token_issued issue(void)
{
	static struct jd_owner waiting;
	struct login_ask login = {
		.bind = {.owner = owner, .device = DEVICE, .mechanism = "HT-SHA-256-NONE"},
		.wants_token = "HT-SHA-256-NONE",
		.proof = proof,
	};
	struct token_issued issued = {.expires = 1};

	owner_init(&waiting);
	assert_true(token_wanted(&login));
	token_issue(&waiting, &login, on_issued, &issued);
	world_settle();
	return issued;
}

static struct auth_answer use(const struct token_issued *token)
{
	uint8_t mac[CRYPTO_MAX_DIGEST];

	crypto_hmac(CRYPTO_SHA256, token->text, strlen(token->text), "Initiator", 9, mac);
	return ask((struct auth_ask){.what = AUTH_TOKEN,
				     .password = {(const char *)mac, 32},
				     .device = DEVICE,
				     .mechanism = "HT-SHA-256-NONE",
				     .count = -1});
}

static void test_time(void **state)
{
	struct token_issued token = issue();
	struct auth_answer a;

	(void)state;
	assert_int_equal(strlen(token.text), TOKEN_TEXT);
	assert_true(token.expires == clock_real() + 20 * DAY);
	a = use(&token);
	assert_int_equal(a.status, AUTH_GIVEN);
	assert_true(a.owner == owner && a.proof.token && !a.proof.token_old);
	world_advance(5 * DAY);
	a = use(&token);
	assert_int_equal(a.status, AUTH_GIVEN);
	assert_true(a.proof.token_old);
	world_advance(15 * DAY - 1);
	assert_int_equal(use(&token).status, AUTH_GIVEN);
	world_advance(1);
	a = use(&token);
	assert_int_equal(a.status, AUTH_EXPIRED);
	assert_int_equal(a.owner, 0);
}

static void test_database_fails(void **state)
{
	const struct db_test_step steps[] = {
		{.stmt = "core.drop_next_token", .status = JD_DB_FAILED},
		{.stmt = "core.find_tokens", .status = JD_DB_FAILED},
		{.stmt = "core.use_token", .status = JD_DB_FAILED},
	};
	struct token_issued token;

	(void)state;
	db_test_script(server.db, &steps[0], 1);
	assert_string_equal(issue().text, "");
	(void)world_announced(1);
	token = issue();
	for (int i = 1; i < 3; i++) {
		db_test_script(server.db, &steps[i], 1);
		assert_int_equal(use(&token).status, AUTH_TEMPORARY);
		(void)world_announced(1);
	}
	assert_int_equal(use(&token).status, AUTH_GIVEN);
}

/* A login from before the new password neither keeps nor gets a token. */
static void test_new_password(void **state)
{
	struct token_issued token = issue();

	(void)state;
	set_password("second", false);
	assert_int_equal(use(&token).status, AUTH_REFUSED);
	assert_string_equal(issue().text, "");
	show_password();
	token = issue();
	assert_int_equal(use(&token).status, AUTH_GIVEN);
}

/* Who has logged in by a token that was revoked meanwhile gets no other for it. */
static void test_revoked_meanwhile(void **state)
{
	static struct jd_stmt revoke = {
		.name = "test.revoke",
		.lane = JD_LANE_WRITE,
		.sql = "DELETE FROM fast_token WHERE owner = $1",
	};
	struct token_issued token = issue();

	(void)state;
	proof = use(&token).proof;
	assert_true(proof.token);
	(void)world_number(&revoke, JD_PARAMS(jd_int((int64_t)owner)));
	assert_string_equal(issue().text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_database_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_revoked_meanwhile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
