/* SPDX-License-Identifier: MIT
 *
 * Addresses: where they are split, the examples of RFC 7622 section 3.5, the
 * lengths, and the accessors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/arena.h"
#include "xmpp/jid.h"

struct good {
	const char *in;
	const char *local, *domain, *resource;
};

static const struct good goods[] = {
	/* RFC 7622 table 1 */
	{"juliet@example.com", "juliet", "example.com", ""},
	{"juliet@example.com/foo", "juliet", "example.com", "foo"},
	{"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
	{"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
	{"foo\\20bar@example.com", "foo\\20bar", "example.com", ""},
	{"fussball@example.com", "fussball", "example.com", ""},
	{"fu\u00dfball@example.com", "fu\u00dfball", "example.com", ""},
	{"\u03c0@example.com", "\u03c0", "example.com", ""},
	{"\u03a3@example.com/foo", "\u03c3", "example.com", "foo"},
	{"\u03c3@example.com/foo", "\u03c3", "example.com", "foo"},
	{"\u03c2@example.com/foo", "\u03c2", "example.com", "foo"},
	{"king@example.com/\u265a", "king", "example.com", "\u265a"},
	{"example.com", "", "example.com", ""},
	{"example.com/foobar", "", "example.com", "foobar"},
	{"a.example.com/b@example.net", "", "a.example.com", "b@example.net"},
	/* table 2, but for the example that erratum 4560 takes out */
	{"juliet@example.com/ foo", "juliet", "example.com", " foo"},
	/* more */
	{"JULIET@EXAMPLE.COM/Foo", "juliet", "example.com", "Foo"},
	{"a@b/c/d", "a", "b", "c/d"},
	{"b/@", "", "b", "@"},
	{"b//", "", "b", "/"},
	{"a@example.com.", "a", "example.com", ""},
	{"a@EXAMPLE.com./x", "a", "example.com", "x"},
	{"a@127.0.0.1/x", "a", "127.0.0.1", "x"},
	{"a@[::1]/x", "a", "[::1]", "x"},
	{"a@b/\U0001f600", "a", "b", "\U0001f600"},
	{"a@b/\"&'<>", "a", "b", "\"&'<>"},
	{"!#$%()*+,-.;=?[\\]^_`{|}~@b", "!#$%()*+,-.;=?[\\]^_`{|}~", "b", ""},
	{"\u05d0\u05d1@b/x", "\u05d0\u05d1", "b", "x"},
	{"a@b\u00fccher.example", "a", "b\u00fccher.example", ""},
	{"a@xn--bcher-kva.example", "a", "b\u00fccher.example", ""},
	{"a@b\u00dccher.example", "a", "b\u00fccher.example", ""},
	{"Stra\u00dfe@b/\u00c4", "stra\u00dfe", "b", "\u00c4"},
};

static const char *const bads[] = {
	/* RFC 7622 table 2 */
	"\"juliet\"@example.com",
	"foo bar@example.com",
	"@example.com/",
	"henry\u2163@example.com",
	"\u265a@example.com",
	"juliet@",
	"/foobar",
	/* more */
	"",
	"@",
	"/",
	"@/",
	"a@/b",
	"@b",
	"@b/c",
	"a@b/",
	"b/",
	"a@b@c",
	"a@@b",
	"a@b@c/d",
	"a&b@c",
	"a'b@c",
	"a:b@c",
	"a<b@c",
	"a>b@c",
	"a b@c",
	"a\tb@c",
	"a\x7f@c",
	"a@b/\x01",
	"a@b/x\ny",
	"\uff20@b",
	"a\uff0fb@c",
	"a@b c",
	"a@b..c",
	"a@.b",
	"a@-b",
	"a@b-",
	"a@.",
	"a@[::1",
	"a@b/\xff",
	"\xff@b",
	"a@\xff",
	"a\u05d0@b",
	"a@b/\u200d",
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(goods); i++) {
		const struct good *g = &goods[i];
		char out[JD_JID_MAX], again[JD_JID_MAX];
		struct jd_jid jid, jid2;

		if (jid_prep(jd_cstr(g->in), out, &jid) != 0)
			fail_msg("refused: %s", g->in);
		if (!jd_str_is(jd_jid_local(jid), g->local) ||
		    !jd_str_is(jd_jid_domain(jid), g->domain) ||
		    !jd_str_is(jd_jid_resource(jid), g->resource))
			fail_msg("%s became %.*s", g->in, JD_FMT(jd_jid_str(jid)));
		assert_int_equal(jd_jid_resource(jid).p == NULL, !*g->resource);

		/* What is canonical stays as it is. */
		assert_int_equal(jid_prep(jd_jid_str(jid), again, &jid2), 0);
		assert_true(jd_jid_eq(jid, jid2));
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bads); i++) {
		char out[JD_JID_MAX];
		struct jd_jid jid = JD_JID_NULL;

		if (jid_prep(jd_cstr(bads[i]), out, &jid) == 0)
			fail_msg("accepted: %s", bads[i]);
		assert_false(jd_jid_ok(jid));
	}
	/* A NUL is a character like others, and not allowed. */
	for (size_t i = 0; i < 5; i++) {
		char in[] = "a@b/c", out[JD_JID_MAX];
		struct jd_jid jid;

		in[i] = '\0';
		assert_int_equal(jid_prep((struct jd_str){in, 5}, out, &jid), -JD_EINVAL);
	}
}

/* 'a' times local, "@example.com/", 'r' times resource */
static int prep_long(size_t local, size_t resource)
{
	static const char domain[] = "@example.com/";
	char in[2 * 2000 + sizeof(domain)], out[JD_JID_MAX];
	struct jd_jid jid;
	size_t len = sizeof(domain) - 1 + local + resource;
	int r;

	memset(in, 'a', local);
	memcpy(in + local, domain, sizeof(domain) - 1);
	memset(in + local + sizeof(domain) - 1, 'r', resource);
	r = jid_prep((struct jd_str){in, len}, out, &jid);
	if (r == 0) {
		assert_int_equal(jd_jid_local(jid).len, local);
		assert_int_equal(jd_jid_resource(jid).len, resource);
		assert_int_equal(jd_jid_str(jid).len, len);
	}
	return r;
}

static void test_lengths(void **state)
{
	(void)state;
	assert_int_equal(prep_long(1, 1), 0);
	assert_int_equal(prep_long(1023, 1023), 0);
	assert_int_equal(prep_long(1024, 1), -JD_EINVAL);
	assert_int_equal(prep_long(1, 1024), -JD_EINVAL);
	assert_int_equal(prep_long(2000, 2000), -JD_EINVAL);
}

static void test_accessors(void **state)
{
	char out[JD_JID_MAX], out2[JD_JID_MAX];
	struct jd_jid jid, other, bare;

	(void)state;
	assert_int_equal(jid_prep(JD_STR("a@b.c/d"), out, &jid), 0);
	assert_true(jd_str_is(jd_jid_str(jid), "a@b.c/d"));
	assert_true(jd_str_is(jd_jid_bare_str(jid), "a@b.c"));
	bare = jd_jid_bare(jid);
	assert_true(jd_str_is(jd_jid_str(bare), "a@b.c"));
	assert_null(jd_jid_resource(bare).p);
	assert_false(jd_jid_eq(jid, bare));
	assert_true(jd_jid_bare_eq(jid, bare));
	assert_int_equal(jid_prep(JD_STR("A@B.C/D"), out2, &other), 0);
	assert_false(jd_jid_eq(jid, other));
	assert_true(jd_jid_bare_eq(jid, other));
	assert_false(jd_jid_ok(JD_JID_NULL));
	assert_int_equal(jd_jid_str(JD_JID_NULL).len, 0);
}

static void test_of_prepared(void **state)
{
	static const char *const good[] = {"a@b.c/d", "a@b.c", "b.c", "b.c/d", "a@b.c/d/e@f"};
	static const char *const bad[] = {"", "@b.c", "a@", "a@/d", "b.c/", "/d", "a@b.c/"};
	char out[JD_JID_MAX], text[JD_JID_PART_MAX + 1];
	struct jd_jid jid, of;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(good); i++) {
		assert_int_equal(jid_prep(jd_cstr(good[i]), out, &jid), 0);
		of = jd_jid_of(jd_jid_str(jid));
		assert_ptr_equal(of.p, jid.p);
		assert_int_equal(of.local_len, jid.local_len);
		assert_int_equal(of.domain_len, jid.domain_len);
		assert_int_equal(of.resource_len, jid.resource_len);
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++)
		assert_false(jd_jid_ok(jd_jid_of(jd_cstr(bad[i]))));
	assert_false(jd_jid_ok(jd_jid_of(JD_STR_NULL)));
	memset(text, 'x', sizeof(text));
	assert_false(jd_jid_ok(jd_jid_of((struct jd_str){text, sizeof(text)})));
	assert_true(jd_jid_ok(jd_jid_of((struct jd_str){text, sizeof(text) - 1})));
}

static void test_arena(void **state)
{
	struct jd_arena arena;
	struct jd_jid jid = JD_JID_NULL, copy;

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_int_equal(jd_jid_parse(&arena, JD_STR("Juliet@Example.com/Balcony"), &jid), 0);
	assert_true(jd_str_is(jd_jid_str(jid), "juliet@example.com/Balcony"));
	copy = jd_jid_copy(&arena, jd_jid_bare(jid));
	assert_true(jd_str_is(jd_jid_str(copy), "juliet@example.com"));
	assert_ptr_not_equal(copy.p, jid.p);
	assert_null(jd_jid_copy(&arena, JD_JID_NULL).p);

	assert_int_equal(jd_jid_make(&arena, JD_STR("a"), JD_STR("b"), JD_STR("c"), &jid), 0);
	assert_true(jd_str_is(jd_jid_str(jid), "a@b/c"));
	assert_int_equal(jd_jid_make(&arena, JD_STR(""), JD_STR("b"), JD_STR_NULL, &jid), 0);
	assert_true(jd_str_is(jd_jid_str(jid), "b"));
	assert_int_equal(jd_jid_make(&arena, JD_STR("A"), JD_STR("b"), JD_STR(""), &jid), 0);
	assert_true(jd_str_is(jd_jid_str(jid), "a@b"));

	copy = jid;
	assert_int_equal(jd_jid_parse(&arena, JD_STR("a@"), &jid), -JD_EINVAL);
	assert_int_equal(jd_jid_make(&arena, JD_STR("a"), JD_STR(""), JD_STR("c"), &jid),
			 -JD_EINVAL);
	assert_int_equal(jd_jid_make(&arena, JD_STR("a/b"), JD_STR("b"), JD_STR("c"), &jid),
			 -JD_EINVAL);
	assert_int_equal(jd_jid_make(&arena, JD_STR("a"), JD_STR("b@c"), JD_STR("c"), &jid),
			 -JD_EINVAL);
	assert_true(jd_jid_eq(copy, jid));
	arena_fini(&arena);
}

static void test_password(void **state)
{
	char out[JD_JID_PART_MAX];
	size_t len;

	(void)state;
	assert_int_equal(jid_prep_password(JD_STR("Correct Horse"), out, &len), 0);
	assert_int_equal(len, 13);
	assert_memory_equal(out, "Correct Horse", 13);
	assert_int_equal(jid_prep_password(JD_STR("pass\u00a0word"), out, &len), 0);
	assert_int_equal(len, 9);
	assert_memory_equal(out, "pass word", 9);
	assert_int_equal(jid_prep_password(JD_STR(""), out, &len), -JD_EINVAL);
	assert_int_equal(jid_prep_password(JD_STR("a\tb"), out, &len), -JD_EINVAL);
}

/* Strings of what is special somewhere: no crash, and what is accepted is canonical. */
static void test_random(void **state)
{
	static const char *const pieces[] = {
		"a",      "B",      "@",        "/",      "@b/",    ".",      "b.c",    " ",
		"'",      "\u00df", "\u03a3",   "\u0130", "\uff21", "\uff20", "\u0301", "\u05d0",
		"1",      "\u0661", "\u06f1",   "\u200c", "\u200d", "\u094d", "\u0915", "\u00b7",
		"l",      "\u30fb", "\u6f22",   "\u2163", "\u265a", "\u00a0", "\u3002", "xn--",
		"[::1]",  "\xc3",   "\xf0\x9f", "-",      "\u1e9e", "\u0345", "\uac00", "\u1100",
		"\u212a", "\x01",   "\u0628",   "\u064e",
	};
	uint32_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 50000; i++) {
		char in[256], out[JD_JID_MAX], again[JD_JID_MAX];
		struct jd_jid jid, jid2;
		size_t len = 0;

		for (unsigned k = 1 + i % 9; k--;) {
			const char *piece;

			seed = seed * 1664525u + 1013904223u;
			piece = pieces[(seed >> 8) % JD_ARRAY_SIZE(pieces)];
			memcpy(in + len, piece, strlen(piece));
			len += strlen(piece);
		}
		if (jid_prep((struct jd_str){in, len}, out, &jid) != 0)
			continue;
		if (jid_prep(jd_jid_str(jid), again, &jid2) != 0 || !jd_jid_eq(jid, jid2))
			fail_msg("not stable: %.*s, %.*s", (int)len, in, JD_FMT(jd_jid_str(jid)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lengths),     cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_of_prepared), cmocka_unit_test(test_arena),
		cmocka_unit_test(test_password),    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
