/* SPDX-License-Identifier: MIT
 *
 * What mod_webpush makes of a text and of an address: the example of RFC 8291
 * appendix A, origins, tokens, JSON. That others can read it is tested with a
 * server (integration/test_webpush.py).
 */
#include "../../modules/mod_webpush/webpush.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "util/arena.h"
#include "util/base64.h"

static struct jd_arena memory;
static struct jd_arena *const arena = &memory;

static int setup(void **state)
{
	(void)state;
	arena_init(&memory, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&memory);
	return 0;
}

static void from_url(const char *text, uint8_t *out, size_t n)
{
	assert_int_equal(jd_base64url_read(jd_cstr(text), out, n), 0);
}

static void example(struct receiver *to, struct sender *from)
{
	from_url("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6S"
		 "RpkNtoIAiw4",
		 to->p256dh, sizeof(to->p256dh));
	from_url("BTBZMqHH6r4Tts7J_aSIgg", to->auth, sizeof(to->auth));
	from_url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", from->private,
		 sizeof(from->private));
	assert_int_equal(jd_ec_public(from->private, from->public), 0);
	from_url("DGv6ra1nlYgDCS1FRnbzlw", from->salt, sizeof(from->salt));
}

static void test_example(void **state)
{
	struct receiver to;
	struct sender from;
	struct jd_str body;
	uint8_t want[144];

	(void)state;
	example(&to, &from);
	assert_int_equal(webpush_encrypt(arena, &to, &from,
					 JD_STR("When I grow up, I want to be a watermelon"),
					 &body),
			 0);
	from_url("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3v"
		 "CYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXP"
		 "XLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
		 want, sizeof(want));
	assert_int_equal(body.len, sizeof(want));
	assert_memory_equal(body.p, want, sizeof(want));
}

static void test_bounds(void **state)
{
	static char text[TEXT_MAX + 1];
	struct receiver to;
	struct sender from, other;
	struct jd_str body;

	(void)state;
	example(&to, &from);
	assert_int_equal(webpush_encrypt(arena, &to, &from, (struct jd_str){text, TEXT_MAX}, &body),
			 0);
	assert_int_equal(body.len, 4096);
	assert_int_equal(
		webpush_encrypt(arena, &to, &from, (struct jd_str){text, TEXT_MAX + 1}, &body),
		-JD_ELIMIT);
	assert_int_equal(webpush_encrypt(arena, &to, &from, JD_STR(""), &body), 0);
	to.p256dh[20] ^= 1;
	assert_int_equal(webpush_encrypt(arena, &to, &from, JD_STR("x"), &body), -JD_EINVAL);
	webpush_sender(&from);
	webpush_sender(&other);
	assert_memory_not_equal(from.private, other.private, sizeof(from.private));
	assert_memory_not_equal(from.salt, other.salt, sizeof(from.salt));
}

static void test_origin(void **state)
{
	static const char *const good[][2] = {
		{"https://push.example.net/p/x?y#z", "https://push.example.net"},
		{"HTTPS://Push.Example.NET:8443", "https://push.example.net:8443"},
		{"https://push.example.net:443/", "https://push.example.net"},
		{"https://push.example.net?x", "https://push.example.net"},
		{"https://[2001:db8::1]:1/x", "https://[2001:db8::1]:1"},
	};
	static const char *const bad[] = {
		"",
		"https://",
		"https:///x",
		"http://push.example.net/",
		"ftp://x",
		"push.example.net",
		"https://user@push.example.net/",
		"https://push.example.net/ x",
		"https://push.example.net/\r\nX: y",
		"https://push\\x/",
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(good); i++) {
		struct jd_str got = webpush_origin(arena, jd_cstr(good[i][0]));

		assert_true(got.p && jd_str_is(got, good[i][1]));
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++)
		if (webpush_origin(arena, jd_cstr(bad[i])).p)
			fail_msg("%s has an origin", bad[i]);
}

/* The part of the token with this number, as text. */
static void part(struct jd_str header, unsigned number, char *out, size_t size)
{
	const char *p = strstr(header.p, "t=") + 2;
	size_t n;

	while (number--)
		p = strchr(p, '.') + 1;
	n = strcspn(p, ".,");
	assert_int_equal(base64url_decode((struct jd_str){p, n}, out, size - 1, &n), 0);
	out[n] = '\0';
}

static void test_vapid(void **state)
{
	uint8_t private[JD_EC_PRIVATE], public[JD_EC_PUBLIC];
	char text[256], key[JD_BASE64URL_SIZE(JD_EC_PUBLIC)];
	struct jd_str header;

	(void)state;
	jd_ec_make(private, public);
	(void)jd_base64url(public, sizeof(public), key);
	header = webpush_vapid(arena, private, JD_STR("https://push.example.net"),
			       JD_STR("mailto:a@b"), 1000 * JD_USEC_PER_SEC);
	assert_int_equal(strncmp(header.p, "Authorization: vapid t=", 23), 0);
	assert_string_equal(strstr(header.p, ", k=") + 4, key);
	part(header, 0, text, sizeof(text));
	assert_string_equal(text, "{\"typ\":\"JWT\",\"alg\":\"ES256\"}");
	part(header, 1, text, sizeof(text));
	assert_string_equal(text, "{\"aud\":\"https://push.example.net\",\"exp\":44200,"
				  "\"sub\":\"mailto:a@b\"}");
	header = webpush_vapid(arena, private, JD_STR("https://x"), JD_STR_NULL, 0);
	part(header, 1, text, sizeof(text));
	assert_string_equal(text, "{\"aud\":\"https://x\",\"exp\":43200}");
}

static void test_json(void **state)
{
	struct jd_str got = webpush_json(arena, JD_STR("a\"\\\n\x01\xe2\x98\x83"));

	(void)state;
	assert_string_equal(got.p, "\"a\\\"\\\\\\u000a\\u0001\xe2\x98\x83\"");
	assert_string_equal(webpush_json(arena, JD_STR_NULL).p, "\"\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_origin),  cmocka_unit_test(test_vapid),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
