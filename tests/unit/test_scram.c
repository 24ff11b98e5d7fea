/* SPDX-License-Identifier: MIT
 *
 * SCRAM: the example exchanges of RFC 5802 section 5 and RFC 7677 section 3, then
 * every message that is not as it must be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stream/sasl/sasl_priv.h"
#include "util/base64.h"
#include "util/mem.h"

#define HOST JD_STR("localhost")
#define PEER JD_STR("192.0.2.1")

static const struct sasl_env env = {.host = {"localhost", 9}, .peer = {"192.0.2.1", 9}};

struct example {
	enum sasl_mechanism mechanism;
	enum crypto_hash hash;
	const char *nonce, *salt;
	const char *first, *server_first, *final, *server_final;
};

static const struct example examples[] = {
	{SASL_SCRAM_SHA_1, CRYPTO_SHA1, "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
	 "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	 "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	 "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	 "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
	{SASL_SCRAM_SHA_256, CRYPTO_SHA256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	 "W22ZaJ0SNY7soEsUEjb6gQ==", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	 "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	 "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	 "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	 "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static void assert_out(const struct sasl *s, const char *want)
{
	assert_int_equal(s->out_len, strlen(want));
	assert_memory_equal(s->out, want, s->out_len);
}

static struct auth_answer answer_for(const struct example *e, const char *password)
{
	struct auth_answer a = {.status = AUTH_GIVEN, .owner = 7, .iterations = 4096};
	struct scram_keys keys;

	assert_int_equal(base64_decode(jd_cstr(e->salt), a.salt, sizeof(a.salt), &a.salt_len), 0);
	scram_derive(e->hash, jd_cstr(password), a.salt, a.salt_len, 4096, &keys);
	memcpy(a.stored_key, keys.stored, sizeof(a.stored_key));
	memcpy(a.server_key, keys.server, sizeof(a.server_key));
	return a;
}

/* Up to the server's first message; the client's is `first`. */
static struct sasl *challenged(const struct example *e, const char *first, const char *password)
{
	struct sasl *s = sasl_new(e->mechanism, &env);
	struct auth_answer a = answer_for(e, password);

	scram_set_nonce(s, e->nonce);
	assert_int_equal(sasl_message(s, jd_cstr(first)), SASL_ASK);
	assert_int_equal(s->ask->what, AUTH_KEYS);
	assert_int_equal(s->ask->hash, e->hash);
	assert_true(jd_str_eq(s->ask->host, HOST));
	assert_true(jd_str_eq(s->ask->peer, PEER));
	assert_int_equal(sasl_answer(s, &a), SASL_CHALLENGE);
	return s;
}

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(examples); i++) {
		const struct example *e = &examples[i];
		struct sasl *s = challenged(e, e->first, "pencil");

		assert_string_equal(s->name, "user");
		assert_true(jd_str_is(s->ask->name, "user"));
		assert_out(s, e->server_first);
		assert_int_equal(sasl_message(s, jd_cstr(e->final)), SASL_SUCCESS);
		assert_out(s, e->server_final);
		assert_int_equal(s->owner, 7);
		/* The exchange is over. */
		assert_int_equal(sasl_message(s, jd_cstr(e->final)), SASL_FAILURE);
		sasl_free(s);
	}
}

static void test_no_initial_response(void **state)
{
	const struct example *e = &examples[0];
	struct sasl *s = sasl_new(e->mechanism, &env);

	(void)state;
	assert_int_equal(sasl_message(s, JD_STR_NULL), SASL_CHALLENGE);
	assert_int_equal(s->out_len, 0);
	assert_int_equal(sasl_message(s, jd_cstr(e->first)), SASL_ASK);
	sasl_free(s);
}

static void test_wrong_password_and_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(examples); i++) {
		const struct example *e = &examples[i];
		struct sasl *s = challenged(e, e->first, "pencil2");
		struct auth_answer nobody = answer_for(e, "pencil");

		assert_int_equal(sasl_message(s, jd_cstr(e->final)), SASL_FAILURE);
		assert_int_equal(s->condition, SASL_NOT_AUTHORIZED);
		assert_int_equal(s->owner, 0);
		sasl_free(s);

		/* Even with keys that fit, owner 0 is nobody. */
		nobody.owner = 0;
		s = sasl_new(e->mechanism, &env);
		scram_set_nonce(s, e->nonce);
		assert_int_equal(sasl_message(s, jd_cstr(e->first)), SASL_ASK);
		assert_int_equal(sasl_answer(s, &nobody), SASL_CHALLENGE);
		assert_int_equal(sasl_message(s, jd_cstr(e->final)), SASL_FAILURE);
		assert_int_equal(s->condition, SASL_NOT_AUTHORIZED);
		sasl_free(s);
	}
}

static void test_answers(void **state)
{
	static const struct {
		int status;
		enum sasl_condition condition;
	} cases[] = {{AUTH_REFUSED, SASL_NOT_AUTHORIZED},
		     {AUTH_TEMPORARY, SASL_TEMPORARY_AUTH_FAILURE}};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct sasl *s = sasl_new(SASL_SCRAM_SHA_1, &env);
		struct auth_answer a = {.status = cases[i].status};

		assert_int_equal(sasl_message(s, jd_cstr(examples[0].first)), SASL_ASK);
		assert_int_equal(sasl_answer(s, &a), SASL_FAILURE);
		assert_int_equal(s->condition, cases[i].condition);
		sasl_free(s);
	}
}

static void test_own_nonces_differ(void **state)
{
	char seen[2][64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sasl *s = sasl_new(SASL_SCRAM_SHA_1, &env);
		struct auth_answer a = answer_for(&examples[0], "pencil");
		const char *comma;

		assert_int_equal(sasl_message(s, JD_STR("n,,n=user,r=abc")), SASL_ASK);
		assert_int_equal(sasl_answer(s, &a), SASL_CHALLENGE);
		comma = memchr(s->out, ',', s->out_len);
		/* 18 bytes are 24 characters. */
		assert_int_equal(comma - s->out, 2 + 3 + 24);
		assert_memory_equal(s->out, "r=abc", 5);
		memcpy(seen[i], s->out, 29);
		sasl_free(s);
	}
	assert_memory_not_equal(seen[0], seen[1], 29);
}

struct first_case {
	const char *message;
	int condition; /* -1: fine */
	const char *name;
};

static const struct first_case firsts[] = {
	{"n,,n=user,r=abc", -1, "user"},
	{"y,,n=user,r=abc", -1, "user"},
	{"n,,n=USER,r=abc", -1, "user"},
	{"n,,n=a=2Cb=3Dc,r=abc", -1, "a,b=c"},
	{"n,,n=\u00fcml\u00e4ut,r=abc", -1, "\u00fcml\u00e4ut"},
	{"n,a=user@localhost,n=user,r=abc", -1, "user"},
	{"n,a=User@LOCALHOST,n=user,r=abc", -1, "user"},
	{"n,a=a=2Cb@localhost,n=a=2Cb,r=abc", -1, "a,b"},
	{"n,,n=user,r=abc,x=y", -1, "user"},
	{"n,,n=user,r=abc,x=y,z=1=2", -1, "user"},
	{"n,,n=user,r=!+~", -1, "user"},
	{"", SASL_MALFORMED_REQUEST, NULL},
	{"n", SASL_MALFORMED_REQUEST, NULL},
	{"n,", SASL_MALFORMED_REQUEST, NULL},
	{"n,,", SASL_MALFORMED_REQUEST, NULL},
	{"hello", SASL_MALFORMED_REQUEST, NULL},
	{",,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"N,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"nn,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"x,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"p=tls-unique,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"p=tls-exporter,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"p,,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,user,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,a=,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,m=x,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=abc,m=x", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=abc,x=y,m=x", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=a b", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=a\x07z", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=a\x7f", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=\u00fc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,r=abc,n=user", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=a=2Fb,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=a=2cb,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=a=,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=a=2,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=abc,", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=abc,x=", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=user,r=abc,1=x", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=\xff,r=abc", SASL_MALFORMED_REQUEST, NULL},
	{"n,,n=a b,r=abc", SASL_NOT_AUTHORIZED, NULL},
	{"n,,n=a@b,r=abc", SASL_NOT_AUTHORIZED, NULL},
	{"n,a=other@localhost,n=user,r=abc", SASL_INVALID_AUTHZID, NULL},
	{"n,a=user@example.test,n=user,r=abc", SASL_INVALID_AUTHZID, NULL},
	{"n,a=user@localhost/x,n=user,r=abc", SASL_INVALID_AUTHZID, NULL},
	{"n,a=user,n=user,r=abc", SASL_INVALID_AUTHZID, NULL},
	{"n,a=@,n=user,r=abc", SASL_INVALID_AUTHZID, NULL},
	{"n,a=us=er@localhost,n=user,r=abc", SASL_MALFORMED_REQUEST, NULL},
};

static void test_firsts(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(firsts); i++) {
		const struct first_case *c = &firsts[i];
		struct sasl *s = sasl_new(SASL_SCRAM_SHA_256, &env);
		enum sasl_step step = sasl_message(s, jd_cstr(c->message));

		if (step != (c->condition < 0 ? SASL_ASK : SASL_FAILURE))
			fail_msg("%s: step %d", c->message, step);
		if (c->condition >= 0 && s->condition != (enum sasl_condition)c->condition)
			fail_msg("%s: %s", c->message, sasl_condition_name(s->condition));
		if (c->name)
			assert_string_equal(s->name, c->name);
		sasl_free(s);
	}
	/* A NUL is no character of any message. */
	for (size_t at = 0; at < 15; at++) {
		struct sasl *s = sasl_new(SASL_SCRAM_SHA_1, &env);
		char text[] = "n,,n=user,r=abc";

		text[at] = '\0';
		assert_int_equal(sasl_message(s, (struct jd_str){text, 15}), SASL_FAILURE);
		sasl_free(s);
	}
}

#define NONCE "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
#define PROOF "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="

static const struct first_case finals[] = {
	{"", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE, SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",p=", SASL_MALFORMED_REQUEST, NULL},
	{"c=," NONCE "," PROOF, SASL_MALFORMED_REQUEST, NULL},
	{NONCE ",c=biws," PROOF, SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," PROOF "," NONCE, SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE "," PROOF ",x=y", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE "," PROOF "," PROOF, SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI", SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",p=!!!!", SASL_MALFORMED_REQUEST, NULL},
	{"x=1,c=biws," NONCE "," PROOF, SASL_MALFORMED_REQUEST, NULL},
	{"c=biws," NONCE ",m=x," PROOF, SASL_MALFORMED_REQUEST, NULL},
	/* another gs2 header: y,, ; n,a=x, ; n,,x ; and the right one written otherwise */
	{"c=eSws," NONCE "," PROOF, SASL_NOT_AUTHORIZED, NULL},
	{"c=bixhPXgs," NONCE "," PROOF, SASL_NOT_AUTHORIZED, NULL},
	{"c=biwseA==," NONCE "," PROOF, SASL_NOT_AUTHORIZED, NULL},
	{"c=biws=," NONCE "," PROOF, SASL_NOT_AUTHORIZED, NULL},
	/* another nonce */
	{"c=biws," NONCE "x," PROOF, SASL_NOT_AUTHORIZED, NULL},
	{"c=biws,r=fyko+d2lbbFgONRv9qkxdawL," PROOF, SASL_NOT_AUTHORIZED, NULL},
	{"c=biws,r=Fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j," PROOF, SASL_NOT_AUTHORIZED, NULL},
	/* another proof, and a message that the proof doesn't cover */
	{"c=biws," NONCE ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Tw=", SASL_NOT_AUTHORIZED, NULL},
	{"c=biws," NONCE ",x=y," PROOF, SASL_NOT_AUTHORIZED, NULL},
};

static void test_finals(void **state)
{
	const struct example *e = &examples[0];

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(finals); i++) {
		const struct first_case *c = &finals[i];
		struct sasl *s = challenged(e, e->first, "pencil");

		if (sasl_message(s, jd_cstr(c->message)) != SASL_FAILURE)
			fail_msg("%s is taken", c->message);
		if (s->condition != (enum sasl_condition)c->condition)
			fail_msg("%s: %s", c->message, sasl_condition_name(s->condition));
		/* And the right one doesn't help any more. */
		assert_int_equal(sasl_message(s, jd_cstr(e->final)), SASL_FAILURE);
		sasl_free(s);
	}
}

/* A first message with "y" or an authzid is proved with its own gs2 header. */
static void test_gs2_headers(void **state)
{
	static const struct {
		const char *gs2;
		bool good;
	} cases[] = {{"y,,", true}, {"n,a=user@localhost,", true}, {"n,,", false}};
	const struct example *e = &examples[0];

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		char first[128], gs2[64], without[256], auth[512], final[512], proof[64];
		const char *sent = cases[i].good ? cases[i].gs2 : "y,,";
		uint8_t salted[64], key[64], stored[64], signature[64];
		struct auth_answer a = answer_for(e, "pencil");
		struct sasl *s;
		size_t n;

		(void)snprintf(first, sizeof(first), "%sn=user,r=abc", sent);
		s = challenged(e, first, "pencil");
		n = base64_encode(cases[i].gs2, strlen(cases[i].gs2), gs2);
		(void)snprintf(without, sizeof(without), "c=%.*s,r=abc%s", (int)n, gs2, e->nonce);
		(void)snprintf(auth, sizeof(auth), "n=user,r=abc,%.*s,%s", (int)s->out_len, s->out,
			       without);
		crypto_pbkdf2(e->hash, JD_STR("pencil"), a.salt, a.salt_len, 4096, salted);
		crypto_hmac(e->hash, salted, 20, "Client Key", 10, key);
		crypto_digest(e->hash, key, 20, stored);
		crypto_hmac(e->hash, stored, 20, auth, strlen(auth), signature);
		for (int k = 0; k < 20; k++)
			key[k] ^= signature[k];
		n = base64_encode(key, 20, proof);
		(void)snprintf(final, sizeof(final), "%s,p=%.*s", without, (int)n, proof);
		assert_int_equal(sasl_message(s, jd_cstr(final)),
				 cases[i].good ? SASL_SUCCESS : SASL_FAILURE);
		sasl_free(s);
	}
}

/* -- channel binding ------------------------------------------------------------------------ */

static const struct sasl_env bound = {
	.host = {"localhost", 9},
	.peer = {"192.0.2.1", 9},
	.bindings = {.len = {32, 20},
		     .data = {"0123456789abcdefghijklmnopqrstuv", "the hash of the cert"}},
	.offered = (1u << SASL_MECHANISM_COUNT) - 1,
};

#define EXPORTER  "p=tls-exporter,,"
#define END_POINT "p=tls-server-end-point,,"

struct bound_case {
	enum sasl_mechanism mechanism;
	const char *gs2;
	const char *data; /* behind the header in c= */
	int condition;    /* of the first message; -1: of the final one, -2: a login */
};

static const struct bound_case bounds[] = {
	{SASL_SCRAM_SHA_1_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstuv", -2},
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstuv", -2},
	{SASL_SCRAM_SHA_512_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstuv", -2},
	{SASL_SCRAM_SHA_256_PLUS, END_POINT, "the hash of the cert", -2},
	{SASL_SCRAM_SHA_256_PLUS, "p=tls-exporter,a=user@localhost,",
	 "0123456789abcdefghijklmnopqrstuv", -2},
	{SASL_SCRAM_SHA_512, "n,,", "", -2},
	{SASL_SCRAM_SHA_256, "n,,", "", -2},
	/* Another session's data, the other type's, a part of it, more of it, none. */
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstu!", -1},
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "the hash of the cert", -1},
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstu", -1},
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "0123456789abcdefghijklmnopqrstuvw", -1},
	{SASL_SCRAM_SHA_256_PLUS, EXPORTER, "", -1},
	{SASL_SCRAM_SHA_256, "n,,", "0123456789abcdefghijklmnopqrstuv", -1},
	/* The client could, and was made to believe that we can't. */
	{SASL_SCRAM_SHA_256, "y,,", "", SASL_NOT_AUTHORIZED},
	{SASL_SCRAM_SHA_1, "y,,", "", SASL_NOT_AUTHORIZED},
	/* The mechanism says one thing and the header another. */
	{SASL_SCRAM_SHA_256_PLUS, "n,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256_PLUS, "y,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256, EXPORTER, "", SASL_MALFORMED_REQUEST},
	/* Types that don't exist here. */
	{SASL_SCRAM_SHA_256_PLUS, "p=tls-unique,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256_PLUS, "p=TLS-EXPORTER,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256_PLUS, "p=,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256_PLUS, "p,,", "", SASL_MALFORMED_REQUEST},
	{SASL_SCRAM_SHA_256_PLUS, "p=tls-exporter", "", SASL_MALFORMED_REQUEST},
};

static enum crypto_hash hash_of(enum sasl_mechanism m)
{
	if (m == SASL_SCRAM_SHA_1 || m == SASL_SCRAM_SHA_1_PLUS)
		return CRYPTO_SHA1;
	return m == SASL_SCRAM_SHA_512 || m == SASL_SCRAM_SHA_512_PLUS ? CRYPTO_SHA512
								       : CRYPTO_SHA256;
}

/* A client's final message; auth: everything before it, joined. */
static void write_final(enum crypto_hash hash, const struct auth_answer *a, const char *auth,
			struct jd_str cbind, struct jd_str nonce, char *out, size_t size)
{
	uint8_t salted[CRYPTO_MAX_DIGEST], key[CRYPTO_MAX_DIGEST], sign[CRYPTO_MAX_DIGEST];
	char text[BASE64_LEN(256)], message[2048];
	size_t n = crypto_digest_size(hash), len;

	len = base64_encode(cbind.p, cbind.len, text);
	len = (size_t)snprintf(out, size, "c=%.*s,r=%.*s", (int)len, text, JD_FMT(nonce));
	len = (size_t)snprintf(message, sizeof(message), "%s,%s", auth, out);
	assert_true(len < sizeof(message));
	crypto_pbkdf2(hash, JD_STR("pencil"), a->salt, a->salt_len, a->iterations, salted);
	crypto_hmac(hash, salted, n, "Client Key", 10, key);
	crypto_hmac(hash, a->stored_key, n, message, len, sign);
	for (size_t i = 0; i < n; i++)
		key[i] ^= sign[i];
	len = base64_encode(key, n, text);
	snprintf(out + strlen(out), size - strlen(out), ",p=%.*s", (int)len, text);
}

static void check_bound(const struct bound_case *c, const struct sasl_env *e)
{
	struct example like = {.hash = hash_of(c->mechanism), .salt = "QSXCR+Q6sek8bf92"};
	struct auth_answer a = answer_for(&like, "pencil");
	struct sasl *s = sasl_new(c->mechanism, e);
	char first[256], auth[1024], final[1024], cbind[256];
	struct jd_str nonce;
	enum sasl_step step;

	snprintf(first, sizeof(first), "%sn=user,r=abc", c->gs2);
	step = sasl_message(s, jd_cstr(first));
	if (c->condition >= 0) {
		if (step != SASL_FAILURE || (int)s->condition != c->condition)
			fail_msg("%s %s: step %d", sasl_name(c->mechanism), c->gs2, step);
		assert_string_equal(s->name, "");
		sasl_free(s);
		return;
	}
	assert_int_equal(step, SASL_ASK);
	assert_int_equal(s->ask->hash, like.hash);
	assert_int_equal(sasl_answer(s, &a), SASL_CHALLENGE);
	nonce = (struct jd_str){s->out + 2,
				(size_t)((char *)memchr(s->out, ',', s->out_len) - s->out - 2)};
	snprintf(auth, sizeof(auth), "n=user,r=abc,%.*s", (int)s->out_len, s->out);
	snprintf(cbind, sizeof(cbind), "%s%s", c->gs2, c->data);
	write_final(like.hash, &a, auth, jd_cstr(cbind), nonce, final, sizeof(final));
	step = sasl_message(s, jd_cstr(final));
	if (step != (c->condition == -2 ? SASL_SUCCESS : SASL_FAILURE))
		fail_msg("%s %s %s: step %d", sasl_name(c->mechanism), c->gs2, c->data, step);
	assert_int_equal(s->owner, c->condition == -2 ? 7 : 0);
	sasl_free(s);
}

static void test_binding(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bounds); i++)
		check_bound(&bounds[i], &bound);
}

/* What the stream has none of can't be bound to; "y" is right where no -PLUS was offered. */
static void test_binding_absent(void **state)
{
	struct sasl_env old = bound, plain = env;
	struct bound_case exporter = {SASL_SCRAM_SHA_1_PLUS, EXPORTER, "", SASL_MALFORMED_REQUEST};
	struct bound_case end_point = {SASL_SCRAM_SHA_1_PLUS, END_POINT, "the hash of the cert",
				       -2};
	struct bound_case could = {SASL_SCRAM_SHA_256, "y,,", "", -2};

	(void)state;
	old.bindings.len[SASL_TLS_EXPORTER] = 0;
	check_bound(&exporter, &old);
	check_bound(&end_point, &old);
	plain.offered = bound.offered & ~SASL_PLUS_BITS;
	check_bound(&could, &plain);
	plain.offered = 0;
	check_bound(&could, &plain);
}

/* c= that repeats another gs2 header than the first message's. */
static void test_other_header(void **state)
{
	static const char *const others[] = {"y,,", "n,a=user@localhost,", EXPORTER, "n,", "N,,",
					     ""};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(others); i++) {
		struct auth_answer a = answer_for(&examples[1], "pencil");
		struct sasl *s = sasl_new(SASL_SCRAM_SHA_256, &env);
		char auth[1024], final[1024];

		scram_set_nonce(s, "xyz");
		assert_int_equal(sasl_message(s, JD_STR("n,,n=user,r=abc")), SASL_ASK);
		assert_int_equal(sasl_answer(s, &a), SASL_CHALLENGE);
		snprintf(auth, sizeof(auth), "n=user,r=abc,%.*s", (int)s->out_len, s->out);
		write_final(CRYPTO_SHA256, &a, auth, jd_cstr(others[i]), JD_STR("abcxyz"), final,
			    sizeof(final));
		if (sasl_message(s, jd_cstr(final)) != SASL_FAILURE)
			fail_msg("%s", others[i]);
		sasl_free(s);
	}
}

/* -- XEP-0474 -----------------------------------------------------------------------------------
 */

/* The specification's own example: SCRAM-SHA-1 and its -PLUS, both types of binding. */
static void test_offer(void **state)
{
	static const struct {
		unsigned offered;
		bool types;
		const char *text;
	} cases[] = {
		{1u << SASL_SCRAM_SHA_1 | 1u << SASL_SCRAM_SHA_1_PLUS, true,
		 "SCRAM-SHA-1\x1eSCRAM-SHA-1-PLUS\x1ftls-exporter\x1etls-server-end-point"},
		{1u << SASL_SCRAM_SHA_1 | 1u << SASL_PLAIN | 1u << SASL_SCRAM_SHA_512, false,
		 "PLAIN\x1eSCRAM-SHA-1\x1eSCRAM-SHA-512"},
		/* Types that no mechanism could use were not announced. */
		{1u << SASL_SCRAM_SHA_256, true, "SCRAM-SHA-256"},
	};
	uint8_t digest[CRYPTO_MAX_DIGEST], want[CRYPTO_MAX_DIGEST];
	char text[BASE64_LEN(CRYPTO_MAX_DIGEST)];

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct sasl_env e = cases[i].types ? bound : env;

		e.offered = cases[i].offered;
		sasl_offer_digest(&e, CRYPTO_SHA1, digest);
		crypto_digest(CRYPTO_SHA1, cases[i].text, strlen(cases[i].text), want);
		assert_memory_equal(digest, want, 20);
		if (i > 0)
			continue;
		assert_int_equal(base64_encode(digest, 20, text), 28);
		assert_memory_equal(text, "G6k/rBLDqgOhRRaCuuatSDFkJ08=", 28);
	}
}

static void test_offer_is_said(void **state)
{
	struct auth_answer a = answer_for(&examples[0], "pencil");
	struct sasl_env e = bound;
	struct sasl *s;

	(void)state;
	e.offered = 1u << SASL_SCRAM_SHA_1 | 1u << SASL_SCRAM_SHA_1_PLUS;
	s = sasl_new(SASL_SCRAM_SHA_1_PLUS, &e);
	scram_set_nonce(s, "xyz");
	assert_int_equal(sasl_message(s, JD_STR(EXPORTER "n=user,r=abc")), SASL_ASK);
	assert_int_equal(sasl_answer(s, &a), SASL_CHALLENGE);
	assert_out(s, "r=abcxyz,s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=");
	sasl_free(s);
}

static void test_hashes(void **state)
{
	(void)state;
	assert_int_equal(sasl_without_hashes(7), 0);
	assert_int_equal(sasl_without_hashes(1u << CRYPTO_SHA256 | 1u << CRYPTO_SHA512),
			 1u << SASL_SCRAM_SHA_1 | 1u << SASL_SCRAM_SHA_1_PLUS);
	assert_int_equal(sasl_without_hashes(1u << CRYPTO_SHA1) & (1u << SASL_PLAIN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_no_initial_response),
		cmocka_unit_test(test_wrong_password_and_nobody),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_own_nonces_differ),
		cmocka_unit_test(test_firsts),
		cmocka_unit_test(test_finals),
		cmocka_unit_test(test_gs2_headers),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_binding_absent),
		cmocka_unit_test(test_other_header),
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_offer_is_said),
		cmocka_unit_test(test_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
