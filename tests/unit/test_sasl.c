/* SPDX-License-Identifier: MIT
 *
 * SASL: the names of mechanisms and conditions, and PLAIN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stream/sasl/sasl_priv.h"
#include "util/mem.h"

#define HOST JD_STR("localhost")
#define PEER JD_STR("192.0.2.1")

static const struct sasl_env env = {.host = {"localhost", 9}, .peer = {"192.0.2.1", 9}};

static void test_names(void **state)
{
	static const char *const none[] = {
		"", "plain", "PLAIN ", "SCRAM-SHA-384", "SCRAM-SHA-1-Plus", "SCRAM", "External"};
	enum sasl_mechanism m;

	(void)state;
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
		const char *name = sasl_name((enum sasl_mechanism)i);

		assert_int_equal(sasl_find(jd_cstr(name), &m), 0);
		assert_int_equal(m, i);
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(none); i++)
		assert_int_equal(sasl_find(jd_cstr(none[i]), &m), -JD_ENOENT);
	assert_string_equal(sasl_condition_name(SASL_ABORTED), "aborted");
	assert_string_equal(sasl_condition_name(SASL_TEMPORARY_AUTH_FAILURE),
			    "temporary-auth-failure");
}

struct plain_case {
	struct jd_str message;
	int condition; /* -1: asks */
	const char *name, *password;
};

static const struct plain_case cases[] = {
	{JD_STR("\0user\0pencil"), -1, "user", "pencil"},
	{JD_STR("user@localhost\0user\0pencil"), -1, "user", "pencil"},
	{JD_STR("USER@Localhost\0User\0pencil"), -1, "user", "pencil"},
	{JD_STR("\0\u00dcml\u00e4ut\0p\u00e4ssw\u00f6rd"), -1, "\u00fcml\u00e4ut",
	 "p\u00e4ssw\u00f6rd"},
	{JD_STR("\0user\0two words"), -1, "user", "two words"},
	{JD_STR("\0user\0a\u3000b"), -1, "user", "a b"}, /* OpaqueString */
	{JD_STR("\0a,b=c\0p"), -1, "a,b=c", "p"},
	{JD_STR(""), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("user"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("user\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0user\0pencil\0"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0user\0pencil\0x"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0user\0"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0\0"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0\xff\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\xff\0user\0pencil"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0user\0\xc0\x80"), SASL_MALFORMED_REQUEST, NULL, NULL},
	{JD_STR("\0a b\0pencil"), SASL_NOT_AUTHORIZED, NULL, NULL},
	{JD_STR("\0a@localhost\0pencil"), SASL_NOT_AUTHORIZED, NULL, NULL},
	{JD_STR("\0user\0a\tb"), SASL_NOT_AUTHORIZED, NULL, NULL},
	{JD_STR("other@localhost\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL},
	{JD_STR("user@example.test\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL},
	{JD_STR("user@localhost/x\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL},
	{JD_STR("user\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL},
	{JD_STR("@\0user\0pencil"), SASL_INVALID_AUTHZID, NULL, NULL},
};

static void check(const struct plain_case *c, size_t i)
{
	struct sasl *s = sasl_new(SASL_PLAIN, &env);
	enum sasl_step step = sasl_message(s, c->message);

	if (step != (c->condition < 0 ? SASL_ASK : SASL_FAILURE))
		fail_msg("case %zu: step %d", i, step);
	if (c->condition >= 0 && s->condition != (enum sasl_condition)c->condition)
		fail_msg("case %zu: %s", i, sasl_condition_name(s->condition));
	if (c->condition < 0) {
		assert_int_equal(s->ask->what, AUTH_PASSWORD);
		assert_true(jd_str_is(s->ask->name, c->name));
		assert_true(jd_str_is(s->ask->password, c->password));
		assert_true(jd_str_eq(s->ask->host, HOST));
		assert_true(jd_str_eq(s->ask->peer, PEER));
		assert_string_equal(s->name, c->name);
	}
	sasl_free(s);
}

static void test_plain_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++)
		check(&cases[i], i);
}

static void test_long_fields(void **state)
{
	char text[2200];

	(void)state;
	memset(text, 'x', sizeof(text));
	/* 1023 bytes are the longest name and the longest password. */
	for (size_t name = 1023; name <= 1024; name++) {
		for (size_t password = 1023; password <= 1024; password++) {
			struct sasl *s = sasl_new(SASL_PLAIN, &env);
			bool fits = name == 1023 && password == 1023;

			text[0] = text[1 + name] = '\0';
			assert_int_equal(
				sasl_message(s, (struct jd_str){text, 2 + name + password}),
				fits ? SASL_ASK : SASL_FAILURE);
			sasl_free(s);
			text[1 + name] = 'x';
		}
	}
}

static void test_plain_answers(void **state)
{
	static const struct {
		int status;
		uint64_t owner;
		int condition; /* -1: success */
	} answers[] = {
		{AUTH_GIVEN, 5, -1},
		{AUTH_GIVEN, 0, SASL_NOT_AUTHORIZED},
		{AUTH_REFUSED, 0, SASL_NOT_AUTHORIZED},
		{AUTH_REFUSED, 5, SASL_NOT_AUTHORIZED},
		{AUTH_TEMPORARY, 0, SASL_TEMPORARY_AUTH_FAILURE},
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(answers); i++) {
		struct sasl *s = sasl_new(SASL_PLAIN, &env);
		struct auth_answer a = {.status = answers[i].status, .owner = answers[i].owner};

		/* No initial response: an empty challenge. */
		assert_int_equal(sasl_message(s, JD_STR_NULL), SASL_CHALLENGE);
		assert_int_equal(s->out_len, 0);
		assert_int_equal(sasl_message(s, JD_STR("\0user\0pencil")), SASL_ASK);
		auth_ask_free(s->ask);
		s->ask = NULL;
		if (answers[i].condition < 0) {
			assert_int_equal(sasl_answer(s, &a), SASL_SUCCESS);
			assert_int_equal(s->owner, 5);
			assert_int_equal(s->out_len, 0);
		} else {
			assert_int_equal(sasl_answer(s, &a), SASL_FAILURE);
			assert_int_equal(s->condition, answers[i].condition);
			assert_int_equal(s->owner, 0);
		}
		sasl_free(s);
	}
}

/* -- EXTERNAL ---------------------------------------------------------------------------- */

struct external_case {
	unsigned names; /* of juliet, romeo: how many the certificate has */
	struct jd_str message;
	int condition; /* -1: asks */
	const char *name;
};

static const struct external_case externals[] = {
	{1, JD_STR(""), -1, "juliet"},
	{1, JD_STR("juliet@localhost"), -1, "juliet"},
	{1, JD_STR("JULIET@LocalHost"), -1, "juliet"},
	{2, JD_STR("romeo@localhost"), -1, "romeo"},
	{2, JD_STR(""), SASL_INVALID_AUTHZID, NULL},
	{0, JD_STR(""), SASL_INVALID_AUTHZID, NULL},
	{0, JD_STR("juliet@localhost"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("romeo@localhost"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("juliet@example.test"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("juliet@localhost/x"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("juliet"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("localhost"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("@"), SASL_INVALID_AUTHZID, NULL},
	{1, JD_STR("juliet@localhost\0"), SASL_MALFORMED_REQUEST, NULL},
	{1, JD_STR("\xff@localhost"), SASL_MALFORMED_REQUEST, NULL},
};

static void check_external(const struct external_case *c, size_t i)
{
	struct sasl_env e = env;
	struct auth_answer nobody = {.status = AUTH_REFUSED},
			   good = {.status = AUTH_GIVEN, .owner = 9};
	struct sasl *s;
	enum sasl_step step;

	e.cert.n = c->names;
	strcpy(e.cert.names[0], "juliet");
	strcpy(e.cert.names[1], "romeo");
	s = sasl_new(SASL_EXTERNAL, &e);
	assert_int_equal(sasl_message(s, JD_STR_NULL), SASL_CHALLENGE);
	step = sasl_message(s, c->message);
	if (step != (c->condition < 0 ? SASL_ASK : SASL_FAILURE))
		fail_msg("case %zu: step %d", i, step);
	if (c->condition >= 0) {
		assert_int_equal(s->condition, c->condition);
	} else {
		assert_string_equal(s->name, c->name);
		assert_int_equal(s->ask->what, AUTH_EXISTS);
		assert_int_equal(sasl_answer(s, &nobody), SASL_FAILURE);
		assert_int_equal(s->condition, SASL_NOT_AUTHORIZED);
		assert_int_equal(sasl_answer(s, &good), SASL_SUCCESS);
		assert_int_equal(s->owner, 9);
	}
	sasl_free(s);
}

static void test_external(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(externals); i++)
		check_external(&externals[i], i);
}

static void test_anonymous(void **state)
{
	struct auth_answer given = {.status = AUTH_GIVEN, .owner = 9, .name = "somebody"};
	struct auth_answer refused = {.status = AUTH_REFUSED};
	char trace[1021];
	struct sasl *s;

	(void)state;
	memset(trace, 'x', sizeof(trace));
	for (int i = 0; i < 5; i++) {
		static const struct jd_str bad[] = {{"\xff", 1}, {"a\0b", 3}};
		struct jd_str message = i < 2   ? bad[i]
					: i < 4 ? (struct jd_str){trace, i == 2 ? 1020 : 1021}
						: JD_STR("");

		s = sasl_new(SASL_ANONYMOUS, &env);
		assert_int_equal(sasl_message(s, JD_STR_NULL), SASL_CHALLENGE);
		assert_int_equal(sasl_message(s, message),
				 i < 2 || i == 3 ? SASL_FAILURE : SASL_ASK);
		sasl_free(s);
	}
	s = sasl_new(SASL_ANONYMOUS, &env);
	assert_int_equal(sasl_message(s, JD_STR("x")), SASL_ASK);
	assert_int_equal(s->ask->what, AUTH_ANONYMOUS);
	assert_int_equal(sasl_answer(s, &refused), SASL_FAILURE);
	assert_string_equal(s->name, "");
	assert_int_equal(sasl_answer(s, &given), SASL_SUCCESS);
	assert_string_equal(s->name, "somebody");
	assert_int_equal(s->owner, 9);
	sasl_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_plain_messages),
		cmocka_unit_test(test_long_fields), cmocka_unit_test(test_external),
		cmocka_unit_test(test_anonymous),   cmocka_unit_test(test_plain_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
