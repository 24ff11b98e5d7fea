/* SPDX-License-Identifier: MIT
 *
 * Words: what is one, what counts as the same, and that neither long nor broken text leads
 * anywhere else.
 */
#include <jackdaw/words.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/utf8.h"

struct list {
	char text[8192];
	size_t n, most;
};

static bool add(void *arg, struct jd_str word)
{
	struct list *l = arg;
	size_t at = strlen(l->text);

	assert_in_range(word.len, 1, JD_WORD_MAX);
	(void)snprintf(l->text + at, sizeof(l->text) - at, "%s%.*s", at ? "|" : "", (int)word.len,
		       word.p);
	return ++l->n < l->most;
}

static const char *words(const char *text, size_t len, size_t most)
{
	static struct list l;

	l = (struct list){.most = most};
	jd_words((struct jd_str){text, len}, add, &l);
	return l.text;
}

static const struct {
	const char *text, *words;
} cases[] = {
	{"", ""},
	{" .,;!?\t\r\n\"'()*-_^:", ""},
	{"Hello, World!", "hello|world"},
	{"don't", "don|t"},
	{"a NEAR b OR NOT \"c*\"", "a|near|b|or|not|c"},
	{"room2 3.14 2026-11-22", "room2|3|14|2026|11|22"},
	/* case */
	{"Straße STRASSE", "strasse|strasse"},
	{"ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ|σισυφοσ"},
	{"Ёлка ёлка елка", "елка|елка|елка"},
	{"İstanbul ISTANBUL ıstanbul", "istanbul|istanbul|istanbul"},
	/* accents, composed or not, and strokes */
	{"café cafe\xcc\x81 CAFÉ", "cafe|cafe|cafe"},
	{"Łódź Ærø đakovo œuvre", "lodz|aero|dakovo|oeuvre"},
	{"Việt Nam", "viet|nam"},
	{"شَمْس شمس", "شمس|شمس"},
	{"שָׁלוֹם", "שלום"},
	/* widths and what is written as one */
	{"ＦＵＬＬ　ｗｉｄｔｈ", "full|width"},
	{"ﬁnd Ⅷ ℡ ①", "find|viii|tel|1"},
	{"½", "1|2"},
	{"soft\xc2\xadhyphen", "softhyphen"},
	/* signs that are no accents */
	{"हिन्दी", "हिन्दी"},
	{"தமிழ்", "தமிழ்"},
	/* each character a word */
	{"日本語", "日|本|語"},
	{"東京tower", "東|京|tower"},
	{"がか\xe3\x82\x99", "が|が"},
	{"ｶﾞ", "ガ"},
	{"안녕 하", "안|녕|하"},
	{"一、二。", "一|二"},
	{"ไทย", "ไ|ท|ย"},
	{"hi😀😀there", "hi|😀|😀|there"},
	{"👍🏽", "👍"},
	{"☺\xef\xb8\x8f", "☺"},
	/* a mark that has lost its letter */
	{"\xcc\x81", ""},
	{"a \xcc\x81 b", "a|b"},
	/* no UTF-8 */
	{"one\xfftwo", "one|two"},
	{"\xc3", ""},
	{"end\xe6\x97", "end"},
	{"\xed\xa0\x80x", "x"},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++)
		assert_string_equal(words(cases[i].text, strlen(cases[i].text), 1000),
				    cases[i].words);
}

static void test_nul_stands_between(void **state)
{
	(void)state;
	assert_string_equal(words("one\0two", 7, 1000), "one|two");
}

static void test_enough(void **state)
{
	(void)state;
	assert_string_equal(words("one two three", 13, 2), "one|two");
	assert_string_equal(words("日本語", strlen("日本語"), 1), "日");
}

/* Nothing grows with a word. */
static void test_long(void **state)
{
	static char text[100000];
	char first[JD_WORD_MAX + 1];
	const char *got;

	(void)state;
	memset(text, 'a', sizeof(text));
	memset(first, 'a', JD_WORD_MAX);
	first[JD_WORD_MAX] = 0;
	got = words(text, 100, 1000);
	assert_string_equal(got, first);
	got = words(text, sizeof(text), 3);
	assert_int_equal(strlen(got), 3 * JD_WORD_MAX + 2);
}

/* U+FDFA is eighteen characters, four of them between words. */
static void test_growth(void **state)
{
	static char text[3 * 500];
	const char *got;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 3)
		memcpy(text + i, "\xef\xb7\xba", 3);
	got = words(text, sizeof(text), 40);
	assert_memory_equal(got, "صلى|الله|عليه|وسلم", strlen("صلى|الله|عليه|وسلم"));
}

/* No bytes, however they are mixed, make anything that is no UTF-8. */
static bool check(void *arg, struct jd_str word)
{
	(void)arg;
	for (size_t i = 0; i < word.len; i++)
		assert_true((unsigned char)word.p[i] > 0x20 && !strchr("\"'*\\&|()", word.p[i]));
	return true;
}

static void test_any_bytes(void **state)
{
	char text[300];

	(void)state;
	srand(431);
	for (int round = 0; round < 3000; round++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(rand() % (round % 2 ? 256 : 128));
		jd_words((struct jd_str){text, sizeof(text)}, check, NULL);
	}
}

/* Every character there is, alone: what it folds to folds to itself. */
static bool again(void *arg, struct jd_str word)
{
	const struct jd_str *first = arg;

	assert_int_equal(word.len, first->len);
	assert_memory_equal(word.p, first->p, word.len);
	return false;
}

static bool twice(void *arg, struct jd_str word)
{
	struct jd_str copy;
	char text[JD_WORD_MAX];

	(void)arg;
	memcpy(text, word.p, word.len);
	copy = (struct jd_str){text, word.len};
	jd_words(copy, again, &copy);
	return true;
}

static void test_folded_is_folded(void **state)
{
	(void)state;
	for (uint32_t cp = 0x20; cp < 0x30000; cp++) {
		char s[4];

		jd_words((struct jd_str){s, utf8_encode(cp, s)}, twice, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nul_stands_between),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_folded_is_folded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
