/* SPDX-License-Identifier: MIT
 *
 * PRECIS: the two profiles of RFC 8265 against tables of strings, the rules of
 * context and direction one by one, and what every accepted string must satisfy
 * (preparing it again changes nothing).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/utf8.h"
#include "xmpp/jid.h"
#include "xmpp/precis.h"

struct vector {
	const char *in;
	const char *out; /* NULL: refused */
	const char *what;
};

static const struct vector usernames[] = {
	{"juliet", "juliet", "plain"},
	{"JULIET", "juliet", "upper case"},
	{"fu\u00dfball", "fu\u00dfball", "sharp s is kept"},
	{"STRASSE", "strasse", "no folding to sharp s"},
	{"\u1e9e", "\u00df", "capital sharp s"},
	{"\u03c0", "\u03c0", "pi"},
	{"\u03a3", "\u03c3", "capital sigma alone"},
	{"\u03c3", "\u03c3", "sigma"},
	{"\u03c2", "\u03c2", "final sigma is a letter of its own"},
	{"\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2", "capital sigma at the end"},
	{"\u0131", "\u0131", "dotless i"},
	{"I", "i", "no Turkish rules"},
	{"\u0130", "i\u0307", "I with dot"},
	{"\uff21\uff42\uff11", "ab1", "fullwidth letters and digits"},
	{"\uff76\uff9e", "\u30ac", "halfwidth with its voicing mark"},
	{"\uff76", "\u30ab", "halfwidth katakana"},
	{"e\u0301", "\u00e9", "NFC"},
	{"E\u0301", "\u00e9", "NFC after lower case"},
	{"\u01c4", NULL, "a digraph is a compatibility character"},
	{"\u01c5", NULL, "titlecase digraph"},
	{"\u2163", NULL, "ROMAN NUMERAL FOUR"},
	{"henry\u2163", NULL, "the same at the end"},
	{"\ufb01", NULL, "ligature fi"},
	{"\u212b", NULL, "ANGSTROM SIGN decomposes"},
	{"\u00e5", "\u00e5", "a with ring"},
	{"\u265a", NULL, "symbol"},
	{"\U0001f600", NULL, "emoji"},
	{"a\u00a0b", NULL, "no-break space"},
	{"a b", NULL, "space"},
	{"a\u3000b", NULL, "ideographic space maps to a space"},
	{"\u00aa", NULL, "feminine ordinal has a compatibility mapping"},
	{"\u00ad", NULL, "soft hyphen is ignorable"},
	{"a\ufe0f", NULL, "variation selector"},
	{"a\u200b", NULL, "zero width space"},
	{"\u115f", NULL, "Hangul filler"},
	{"\u1100\u1161", NULL, "conjoining jamo"},
	{"\uac00", "\uac00", "Hangul syllable"},
	{"\u0378", NULL, "unassigned"},
	{"\ue000", NULL, "private use"},
	{"\ufdd0", NULL, "noncharacter"},
	{"\U0001fffe", NULL, "noncharacter of another plane"},
	{"a\x01", NULL, "control"},
	{"a\xc2\x85", NULL, "C1 control"},
	{"\u6d4b\u8bd5", "\u6d4b\u8bd5", "Han"},
	{"\u3007", "\u3007", "ideographic zero is an exception"},
	{"\u3031", NULL, "vertical repeat mark is an exception"},
	{"\u0640", NULL, "tatweel"},
	{"\u0e44\u0e17\u0e22", "\u0e44\u0e17\u0e22", "Thai"},
	{"\u0e33", NULL, "Thai sara am decomposes"},
	{"\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928\u092e\u0938\u094d\u0924\u0947",
	 "Devanagari with virama"},
	{"\u0958", NULL, "composition exclusion: NFKC changes it"},
	{"\U0001d400", NULL, "mathematical bold"},
	{"\U00010400", "\U00010428", "Deseret, outside the BMP"},
	{"", NULL, "empty"},
	{"\xc3", NULL, "cut UTF-8"},
	{"\xc0\xaf", NULL, "overlong UTF-8"},
	{"\xed\xa0\x80", NULL, "surrogate"},
	/* context */
	{"l\u00b7l", "l\u00b7l", "middle dot between l"},
	{"L\u00b7L", "l\u00b7l", "the same in upper case"},
	{"a\u00b7l", NULL, "middle dot elsewhere"},
	{"l\u00b7", NULL, "middle dot at the end"},
	{"\u0375\u03b1", "\u0375\u03b1", "keraia before Greek"},
	{"\u0375a", NULL, "keraia before Latin"},
	{"\u0375", NULL, "keraia at the end"},
	{"\u05d0\u05f3", "\u05d0\u05f3", "geresh after Hebrew"},
	{"\u05f3\u05d0", NULL, "geresh first"},
	{"\u05d0\u05f4\u05d1", "\u05d0\u05f4\u05d1", "gershayim after Hebrew"},
	{"\u30a2\u30fb\u30a2", "\u30a2\u30fb\u30a2", "katakana dot in Katakana"},
	{"\u30fb\u6f22", "\u30fb\u6f22", "katakana dot with Han"},
	{"a\u30fbb", NULL, "katakana dot in Latin"},
	{"\u0627\u0661", "\u0627\u0661", "Arabic-Indic digit"},
	{"\u0627\u06f1", "\u0627\u06f1", "extended Arabic-Indic digit"},
	{"\u0627\u0661\u06f1", NULL, "both kinds of digits"},
	{"\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937", "ZWJ after virama"},
	{"\u0915\u094d\u200c\u0937", "\u0915\u094d\u200c\u0937", "ZWNJ after virama"},
	{"\u0915\u200d\u0937", NULL, "ZWJ without virama"},
	{"a\u200cb", NULL, "ZWNJ in Latin"},
	{"a\u200db", NULL, "ZWJ in Latin"},
	{"\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e", "ZWNJ between joining letters"},
	{"\u0628\u064e\u200c\u064e\u0628", "\u0628\u064e\u200c\u064e\u0628",
	 "ZWNJ among transparent marks"},
	{"\u0627\u200c\u0628", NULL, "ZWNJ after a letter that joins only to the right"},
	{"\u0628\u200c", NULL, "ZWNJ at the end"},
	/* direction */
	{"\u05d0\u05d1", "\u05d0\u05d1", "Hebrew"},
	{"\u05d0"
	 "1",
	 "\u05d0"
	 "1",
	 "Hebrew, digit at the end"},
	{"1\u05d0", NULL, "digit first"},
	{"a\u05d0", NULL, "Latin, then Hebrew"},
	{"\u05d0a", NULL, "Hebrew, then Latin"},
	{"\u05d0z\u05d1", NULL, "Latin within Hebrew"},
	{"\u05d0.\u05d1", "\u05d0.\u05d1", "neutral in between"},
	{"\u05d0.", NULL, "neutral at the end"},
	{"\u05d0\u05b0", "\u05d0\u05b0", "mark at the end"},
	{"\u0627\u0661"
	 "1",
	 NULL, "European and Arabic numbers together"},
	{"\u0661", NULL, "Arabic number first"},
	{"\u05b0\u05d0", NULL, "mark first"},
};

static const struct vector opaque[] = {
	{"foo bar", "foo bar", "space"},
	{" foo ", " foo ", "outer spaces (RFC 7622 erratum 4560)"},
	{"a\u00a0b", "a b", "no-break space becomes a space"},
	{"a\u3000b\u2003c", "a b c", "other spaces"},
	{"\u1680", " ", "ogham space mark"},
	{"FooBar", "FooBar", "case is kept"},
	{"\u03a3", "\u03a3", "Greek case too"},
	{"\uff21", "\uff21", "width is kept"},
	{"e\u0301", "\u00e9", "NFC"},
	{"\u212b", "\u00c5", "ANGSTROM SIGN by NFC"},
	{"\u265a", "\u265a", "chess king"},
	{"\U0001f600\U0001f984", "\U0001f600\U0001f984", "emoji"},
	{"\u2163", "\u2163", "ROMAN NUMERAL FOUR"},
	{"\ufb01", "\ufb01", "ligature"},
	{"a\u05d0", "a\u05d0", "no bidi rule"},
	{"\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5", "the password of RFC 8265"},
	{"", NULL, "empty"},
	{"my cat is a \tby", NULL, "tab"},
	{"a\u200db", NULL, "ZWJ without virama"},
	{"\u0915\u094d\u200d", "\u0915\u094d\u200d", "ZWJ after virama"},
	{"a\u00b7b", NULL, "middle dot elsewhere"},
	{"a\u200b", NULL, "zero width space"},
	{"\u2764\ufe0f", "\u2764", "the selector of a coloured heart"},
	{"\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\U0001f469\U0001f467",
	 "a family"},
	{"\U0001f937\U0001f3fd\u200d\u2640\ufe0f", "\U0001f937\U0001f3fd\u2640", "a shrug"},
	{"\U0001fadf", "\U0001fadf", "a pictograph newer than our tables"},
	{"\ufe0f", NULL, "nothing but a selector"},
	{"\u0378", NULL, "unassigned"},
	{"\ue000", NULL, "private use"},
	{"\uffff", NULL, "noncharacter"},
	{"a\x7f", NULL, "DEL"},
	{"\xff", NULL, "not UTF-8"},
};

static void check(precis_fn *prep, const struct vector *v)
{
	char out[1023], again[1023];
	size_t len = 4711, len2;
	int r = prep(jd_cstr(v->in), out, sizeof(out), &len);

	if ((r == 0) != (v->out != NULL))
		fail_msg("%s: %s", v->what, r == 0 ? "accepted" : "refused");
	if (!v->out) {
		assert_int_equal(r, -JD_EINVAL);
		assert_int_equal(len, 4711);
		return;
	}
	if (len != strlen(v->out) || memcmp(out, v->out, len) != 0)
		fail_msg("%s: <%s> became <%.*s>", v->what, v->in, (int)len, out);
	assert_int_equal(prep((struct jd_str){out, len}, again, sizeof(again), &len2), 0);
	assert_int_equal(len2, len);
	assert_memory_equal(again, out, len);
}

static void test_username(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(usernames); i++)
		check(precis_username, &usernames[i]);
}

static void test_opaque(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(opaque); i++)
		check(precis_opaque, &opaque[i]);
}

/* The table for ASCII and the rules say the same of every byte. */
static void test_ascii_agrees(void **state)
{
	(void)state;
	for (int c = 1; c < 128; c++) {
		char in[3] = {'a', (char)c, 'b'}, fast[1023], slow[1023];
		size_t flen = 0, slen = 0;
		int f = jid_prep_resource((struct jd_str){in, 3}, fast, &flen);
		int s = precis_opaque((struct jd_str){in, 3}, slow, sizeof(slow), &slen);

		assert_int_equal(f, s);
		assert_int_equal(flen, slen);
		assert_memory_equal(fast, slow, flen);

		f = jid_prep_local((struct jd_str){in, 3}, fast, &flen);
		s = precis_username((struct jd_str){in, 3}, slow, sizeof(slow), &slen);
		if (strchr("\"&'/:<>@", c)) {
			assert_int_equal(f, -JD_EINVAL);
			continue;
		}
		assert_int_equal(f, s);
		assert_int_equal(flen, slen);
		assert_memory_equal(fast, slow, flen);
	}
}

/* Whatever is accepted of the first two planes is stable, and is what PRECIS lets pass. */
static void test_every_code_point(void **state)
{
	unsigned accepted = 0;

	(void)state;
	for (uint32_t cp = 0x80; cp < 0x20000; cp++) {
		char in[4], out[64], again[64];
		size_t n, len, len2;

		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		n = utf8_encode(cp, in);
		if (precis_username((struct jd_str){in, n}, out, sizeof(out), &len) != 0)
			continue;
		accepted++;
		assert_int_equal(
			precis_username((struct jd_str){out, len}, again, sizeof(again), &len2), 0);
		assert_int_equal(len2, len);
		assert_memory_equal(again, out, len);
		assert_int_equal(
			precis_opaque((struct jd_str){out, len}, again, sizeof(again), &len2), 0);
	}
	assert_in_range(accepted, 50000, 90000);
}

static void test_bounds(void **state)
{
	char in[4000], out[1023];
	size_t len;

	(void)state;
	for (size_t i = 0; i + 3 <= sizeof(in); i += 3)
		memcpy(in + i, "\uff41", 3);
	/* 1023 fullwidth letters shrink to 1023 bytes; one more does not fit. */
	assert_int_equal(precis_username((struct jd_str){in, 3069}, out, sizeof(out), &len), 0);
	assert_int_equal(len, 1023);
	assert_int_equal(precis_username((struct jd_str){in, 3072}, out, sizeof(out), &len),
			 -JD_EINVAL);
	/* In a resource they stay as long as they are. */
	assert_int_equal(precis_opaque((struct jd_str){in, 1023}, out, sizeof(out), &len), 0);
	assert_int_equal(precis_opaque((struct jd_str){in, 1026}, out, sizeof(out), &len),
			 -JD_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_username),         cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_ascii_agrees),     cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_every_code_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
