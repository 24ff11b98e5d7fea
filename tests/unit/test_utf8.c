/* SPDX-License-Identifier: MIT
 *
 * UTF-8: every code point there and back, every two-byte and many longer
 * malformed sequences, XML's restrictions, and validity across pieces.
 */
#include "util/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_all_code_points(void **state)
{
	uint32_t back = 0;
	char s[4];
	size_t n;

	(void)state;
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		n = utf8_encode(cp, s);
		if (cp >= 0xd800 && cp <= 0xdfff) {
			assert_int_equal(utf8_decode(s, n, &back), 0);
			continue;
		}
		assert_int_equal(n, cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4);
		assert_int_equal(utf8_decode(s, n, &back), n);
		assert_int_equal(back, cp);
		assert_int_equal(utf8_decode(s, n - 1, &back), 0);
	}
	assert_int_equal(utf8_decode("", 0, &back), 0);
}

static const char *const malformed[] = {
	"\x80",
	"\xbf",
	"\xc0\x80",
	"\xc1\xbf",
	"\xc2",
	"\xc2\x41",
	"\xe0\x80\x80",
	"\xe0\x9f\xbf",
	"\xe1\x80",
	"\xed\xa0\x80",
	"\xed\xbf\xbf",
	"\xef\xbf",
	"\xf0\x80\x80\x80",
	"\xf0\x8f\xbf\xbf",
	"\xf4\x90\x80\x80",
	"\xf5\x80\x80\x80",
	"\xfe",
	"\xff",
	"\xf1\x80\x80",
	"\xe1\x80\xc0",
	"\xf1\x80\x80\x41",
};

/* Alone, and with text around so that the fast path ends in the middle. */
static void test_malformed(void **state)
{
	char text[64];
	uint32_t cp = 5;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(malformed); i++) {
		size_t len = strlen(malformed[i]);
		struct utf8_state st = {0};

		assert_int_equal(utf8_decode(malformed[i], len, &cp), 0);
		for (size_t before = 0; before < 20; before++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + before, malformed[i], len);
			assert_false(utf8_valid_xml(text, before + len));
			assert_false(utf8_valid_xml(text, sizeof(text)));
		}
		assert_false(utf8_feed(&st, malformed[i], len) && utf8_feed_done(&st));
	}
	assert_int_equal(cp, 5);
}

static void test_xml(void **state)
{
	char text[32];

	(void)state;
	for (int c = 0; c < 0x80; c++) {
		bool good = c >= 0x20 || c == '\t' || c == '\n' || c == '\r';

		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			assert_int_equal(utf8_valid_xml(text, sizeof(text)), good);
		}
	}
	assert_true(utf8_valid_xml("", 0));
	assert_true(utf8_valid_xml("\xef\xbf\xbd\xee\x80\x80", 6)); /* U+FFFD U+E000 */
	assert_false(utf8_valid_xml("\xef\xbf\xbe", 3));
	assert_false(utf8_valid_xml("\xef\xbf\xbf", 3));
	assert_true(utf8_valid_xml("\xf4\x8f\xbf\xbf", 4));
}

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(utf8_count("", 0), 0);
	assert_int_equal(utf8_count("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6", 10), 4);
}

/* Cut at every place: the outcome is that of the whole. */
static void test_feed(void **state)
{
	static const char good[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6z\xed\x9f\xbf";
	size_t n = sizeof(good) - 1;

	(void)state;
	for (size_t cut = 0; cut <= n; cut++) {
		struct utf8_state st = {0};
		bool between = cut == n || ((unsigned char)good[cut] & 0xc0) != 0x80;

		assert_true(utf8_feed(&st, good, cut));
		assert_int_equal(utf8_feed_done(&st), between);
		assert_true(utf8_feed(&st, good + cut, n - cut));
		assert_true(utf8_feed_done(&st));
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(malformed); i++) {
		struct utf8_state st = {0};
		bool ok = true;

		for (const char *p = malformed[i]; *p && ok; p++)
			ok = utf8_feed(&st, p, 1);
		assert_false(ok && utf8_feed_done(&st));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_code_points),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_feed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
