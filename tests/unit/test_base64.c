/* SPDX-License-Identifier: MIT
 *
 * Base64: the vectors of RFC 4648, and everything that is not strict.
 */
#include "util/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
	static const struct {
		const char *raw, *standard, *url;
	} known[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+", "-__-"},
	};
	char out[16];
	size_t n, len;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(known); i++) {
		len = strlen(known[i].raw);
		n = base64_encode(known[i].raw, len, out);
		assert_int_equal(n, BASE64_LEN(len));
		assert_true(jd_str_is((struct jd_str){out, n}, known[i].standard));
		assert_int_equal(base64_decode(jd_cstr(known[i].standard), out, len, &n), 0);
		assert_true(jd_str_is((struct jd_str){out, n}, known[i].raw));
		n = base64url_encode(known[i].raw, len, out);
		assert_int_equal(n, (len * 4 + 2) / 3);
		assert_true(jd_str_is((struct jd_str){out, n}, known[i].url));
		assert_int_equal(base64url_decode(jd_cstr(known[i].url), out, len, &n), 0);
		assert_true(jd_str_is((struct jd_str){out, n}, known[i].raw));
		if (len)
			assert_int_equal(
				base64_decode(jd_cstr(known[i].standard), out, len - 1, &n),
				-JD_ELIMIT);
	}
}

static void test_strict(void **state)
{
	static const char *const bad[] = {
		"Z",        "Zg",   "Zg=",        "Zm9",    "=",       "==",   "===",   "====",
		"Zh==",     "Zm9=", "Zm8==",      "Zg==\n", " Zg==",   "Z g=", "Zg=a",  "Zg==Zg==",
		"Zm9v====", "Zm-_", "Zm\xc3\xa9", "Z===",   "Zm9vYg=", "A=AA", "AAA\n", "Zm9vY===",
	};
	static const char *const bad_url[] = {"Z", "Zh", "Zg==", "Zm9", "+//+", "Zm8="};
	char out[64] = "untouched";
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++)
		assert_int_equal(base64_decode(jd_cstr(bad[i]), out, sizeof(out), &n), -JD_EINVAL);
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad_url); i++)
		assert_int_equal(base64url_decode(jd_cstr(bad_url[i]), out, sizeof(out), &n),
				 -JD_EINVAL);
	assert_int_equal(base64_decode((struct jd_str){"Zg\0=", 4}, out, sizeof(out), &n),
			 -JD_EINVAL);
	assert_int_equal(n, 77);
}

static void test_round(void **state)
{
	unsigned char raw[256], back[256];
	char text[BASE64_LEN(256)];
	size_t n, m;

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (unsigned char)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(raw); len++) {
		n = base64_encode(raw, len, text);
		assert_int_equal(base64_decode((struct jd_str){text, n}, back, sizeof(back), &m),
				 0);
		assert_int_equal(m, len);
		assert_memory_equal(raw, back, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
