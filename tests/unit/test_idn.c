/* SPDX-License-Identifier: MIT
 *
 * Domain names: what comes out in which form, and what is refused.
 */
#include "util/idn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *in, *out, *ascii;
} good[] = {
	{"localhost", "localhost", "localhost"},
	{"EXAMPLE.com.", "example.com", "example.com"},
	{"a-b.c--d.1", "a-b.c--d.1", "a-b.c--d.1"},
	{"xn--bcher-kva.example", "bücher.example", "xn--bcher-kva.example"},
	{"XN--BCHER-KVA.Example", "bücher.example", "xn--bcher-kva.example"},
	{"BÜCHER.example.", "bücher.example", "xn--bcher-kva.example"},
	{"bu\xcc\x88"
	 "cher.example",
	 "bücher.example", "xn--bcher-kva.example"},
	{"straße.example", "straße.example", "xn--strae-oqa.example"},
	{"faß.xn--strae-oqa", "faß.straße", "xn--fa-hia.xn--strae-oqa"},
	{"l·l.cat", "l·l.cat", "xn--ll-0ea.cat"},
	{"か・な.example", "か・な.example", "xn--u8j2c9v.example"},
	{"אב.example", "אב.example", "xn--4dbc.example"},
	{"क्\u200dष.example", "क्\u200dष.example", "xn--11b2ezcw70k.example"},
	{"\u212a.example", "k.example", "k.example"}, /* Kelvin sign lower-cases to k */
	{"127.0.0.1", "127.0.0.1", "127.0.0.1"},
	{"[::1]", "[::1]", "[::1]"},
	{"[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]", "[2001:db8::1]"},
	{L63 ".a", L63 ".a", L63 ".a"},
};

static const char *const bad[] = {
	"",
	".",
	"..",
	"a..b",
	".a",
	"a..",
	"-a.b",
	"a-.b",
	"a.-b",
	L63 "a.b",
	"a_b.c",
	"a b.c",
	"a/b",
	"a@b",
	"a\tb",
	"é..",
	".é",
	"é..b",
	"é_x.example",
	"-é.example",
	"é-.example",
	"ab--é.example",
	"xn--.example",
	"xn--a.example",
	"xn--example-.example",
	"xn--n3h.example",
	"xn--bcher-kvb.example",
	"xn--0.example",
	"xn--zzzzzzzz99",
	"xn--se-hgm", /* its character would be mapped to another */
	"😀.example",
	"☃",
	"a·b.example",
	"·.example",
	"・.example",
	"x・.example",
	"a\u200d"
	"b.example",
	"\u200c.example",
	"אבa.example",
	"0אב.example",
	"aאb.example",
	"١٢a.example",
	"\xcc\x81x.example",
	"a。b",
	"ｅxample.com",
	"\u0301",
	"a\u2024"
	"b",
	"\xff.example",
	"\xc3.example",
	"é\x01.example",
	"[]",
	"[",
	"[::1",
	"[::1]x",
	"[127.0.0.1]",
	"[::1%eth0]",
	"[:::]",
	"::1",
	"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
};

static void test_good(void **state)
{
	char out[1023], ascii[256];
	size_t n = 0, again = 0;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(good); i++) {
		if (idn_domain(jd_cstr(good[i].in), out, &n) != 0)
			fail_msg("refused: %s", good[i].in);
		if (!jd_str_is((struct jd_str){out, n}, good[i].out))
			fail_msg("%s became %.*s", good[i].in, (int)n, out);
		/* Preparing twice changes nothing. */
		assert_int_equal(idn_domain(jd_cstr(good[i].out), out, &again), 0);
		assert_true(jd_str_is((struct jd_str){out, again}, good[i].out));
		assert_int_equal(idn_to_ascii(jd_cstr(good[i].in), ascii), 0);
		assert_string_equal(ascii, good[i].ascii);
		assert_int_equal(idn_to_ascii(jd_cstr(good[i].out), ascii), 0);
		assert_string_equal(ascii, good[i].ascii);
	}
}

static void test_bad(void **state)
{
	char out[1023], ascii[256];
	size_t n = 4711;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++) {
		if (idn_domain(jd_cstr(bad[i]), out, &n) != -JD_EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(idn_to_ascii(jd_cstr(bad[i]), ascii), -JD_EINVAL);
	}
	assert_int_equal(idn_domain((struct jd_str){"a\0b", 3}, out, &n), -JD_EINVAL);
	assert_int_equal(idn_domain((struct jd_str){"\xc3\xa9\0b", 4}, out, &n), -JD_EINVAL);
	assert_int_equal(idn_domain((struct jd_str){"[::1\0]", 6}, out, &n), -JD_EINVAL);
	assert_int_equal(idn_domain(JD_STR_NULL, out, &n), -JD_EINVAL);
	assert_int_equal(n, 4711);
}

/* 253 characters of the ASCII form are the end, whichever form came in. */
static void test_total(void **state)
{
	char in[3000], out[1023], ascii[256];
	size_t len = 0, n = 0;

	(void)state;
	len = (size_t)snprintf(in, sizeof(in),
			       L63 "." L63 "." L63 "."
				   "%.61s",
			       L63);
	assert_int_equal(len, 253);
	assert_int_equal(idn_domain(jd_cstr(in), out, &n), 0);
	assert_int_equal(n, 253);
	assert_int_equal(idn_to_ascii(jd_cstr(in), ascii), 0);
	in[len++] = 'a';
	assert_int_equal(idn_domain((struct jd_str){in, len}, out, &n), -JD_EINVAL);
	in[len - 1] = '.';
	assert_int_equal(idn_domain((struct jd_str){in, len}, out, &n), 0);

	/* xn--9ca is 7: 31 labels with their dots are 247, 32 are 255. */
	len = 0;
	for (int i = 0; i < 31; i++)
		len += (size_t)snprintf(in + len, sizeof(in) - len, i ? ".é" : "é");
	assert_int_equal(idn_domain((struct jd_str){in, len}, out, &n), 0);
	assert_int_equal(idn_to_ascii((struct jd_str){in, len}, ascii), 0);
	assert_int_equal(strlen(ascii), 247);
	len += (size_t)snprintf(in + len, sizeof(in) - len, ".é");
	assert_int_equal(idn_domain((struct jd_str){in, len}, out, &n), -JD_EINVAL);
	memset(in, 'a', sizeof(in));
	assert_int_equal(idn_domain((struct jd_str){in, sizeof(in)}, out, &n), -JD_EINVAL);
	memcpy(in, "é", 2);
	assert_int_equal(idn_domain((struct jd_str){in, 1000}, out, &n), -JD_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
