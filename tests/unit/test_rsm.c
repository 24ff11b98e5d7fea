/* SPDX-License-Identifier: MIT
 *
 * Pages of results (XEP-0059): every request that is understood and each that is
 * refused, and what is written about a page.  Times of XEP-0082 for modules.
 */
#include "xmpp_fixture.h"

#include <jackdaw/rsm.h>
#include <jackdaw/time.h>

#include "util/arena.h"

static const struct {
	const char *set;
	bool limited;
	unsigned max;
	bool backwards;
	const char *before, *after; /* NULL: absent */
} good[] = {
	{"", false, 0, false, NULL, NULL},
	{"<max>10</max>", true, 10, false, NULL, NULL},
	{"<max>0</max>", true, 0, false, NULL, NULL},
	{"<max>007</max>", true, 7, false, NULL, NULL},
	{"<max>99999999999</max>", true, 2147483647, false, NULL, NULL},
	{"<max>10</max><after>a&amp;b</after>", true, 10, false, NULL, "a&b"},
	{"<after/>", false, 0, false, NULL, NULL},
	{"<before/>", false, 0, true, NULL, NULL},
	{"<before>x</before><max>3</max>", true, 3, true, "x", NULL},
	{"<after>a</after><before>x</before>", false, 0, true, "x", "a"},
	{"<max xmlns='urn:x'>z</max><count>8</count><last>z</last>", false, 0, false, NULL, NULL},
};

static const struct {
	const char *set;
	enum jd_condition condition;
} bad[] = {
	{"<max/>", JD_BAD_REQUEST},
	{"<max>-1</max>", JD_BAD_REQUEST},
	{"<max> 5</max>", JD_BAD_REQUEST},
	{"<max>5x</max>", JD_BAD_REQUEST},
	{"<max>1e3</max>", JD_BAD_REQUEST},
	{"<max>1000000000000000000</max>", JD_BAD_REQUEST},
	{"<max>5</max><max>5</max>", JD_BAD_REQUEST},
	{"<after>a</after><after>a</after>", JD_BAD_REQUEST},
	{"<before/><before/>", JD_BAD_REQUEST},
	{"<index>0</index>", JD_FEATURE_NOT_IMPLEMENTED},
	{"</set><set xmlns='http://jabber.org/protocol/rsm'>", JD_BAD_REQUEST},
};

struct reading {
	struct jd_stanza *st;
	struct jd_arena arena;
	struct jd_rsm rsm;
	struct jd_error error;
	int result;
};

static void read_set(struct reading *r, const char *inside)
{
	char *xml = malloc(strlen(inside) + 200);

	sprintf(xml, "<message><q xmlns='urn:q'><set xmlns='" JD_NS_RSM "'>%s</set></q></message>",
		inside);
	r->st = fx_stanza(xml);
	free(xml);
	arena_init(&r->arena, NULL, 0);
	r->result = jd_rsm_read(jd_el_first(jd_stanza_root(r->st)), &r->arena, &r->rsm, &r->error);
}

static void read_done(struct reading *r)
{
	arena_fini(&r->arena);
	jd_stanza_unref(r->st);
}

static void expect_uid(struct jd_str got, const char *expected)
{
	if (expected)
		assert_true(jd_str_is(got, expected));
	else
		assert_null(got.p);
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(good); i++) {
		struct reading r;

		read_set(&r, good[i].set);
		if (r.result < 0)
			fail_msg("refused: %s", good[i].set);
		assert_true(r.rsm.given);
		assert_int_equal(r.rsm.limited, good[i].limited);
		assert_int_equal(r.rsm.max, good[i].max);
		assert_int_equal(r.rsm.backwards, good[i].backwards);
		expect_uid(r.rsm.before, good[i].before);
		expect_uid(r.rsm.after, good[i].after);
		read_done(&r);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++) {
		struct reading r;

		read_set(&r, bad[i].set);
		if (r.result != -JD_EINVAL)
			fail_msg("taken: %s", bad[i].set);
		assert_int_equal(r.error.condition, bad[i].condition);
		assert_non_null(r.error.text);
		read_done(&r);
	}
}

static void test_long_uid(void **state)
{
	char inside[2 * JD_RSM_UID_MAX];
	struct reading r;

	(void)state;
	for (int more = 0; more <= 1; more++) {
		sprintf(inside, "<after>%0*d</after>", JD_RSM_UID_MAX + more, 0);
		read_set(&r, inside);
		assert_int_equal(r.result, more ? -JD_EINVAL : 0);
		if (more)
			assert_int_equal(r.error.condition, JD_ITEM_NOT_FOUND);
		read_done(&r);
	}
}

static void test_none_and_limit(void **state)
{
	struct jd_rsm rsm = {.given = true};
	struct jd_error error;

	(void)state;
	assert_int_equal(jd_rsm_read(JD_EL_NONE, NULL, &rsm, &error), 0);
	assert_false(rsm.given);
	assert_int_equal(jd_rsm_limit(&rsm, 50, 100), 50);
	assert_int_equal(jd_rsm_limit(&rsm, 200, 100), 100);
	rsm.limited = true;
	assert_int_equal(jd_rsm_limit(&rsm, 50, 100), 0);
	rsm.max = 1000;
	assert_int_equal(jd_rsm_limit(&rsm, 50, 100), 100);
}

static void expect_page(const struct jd_rsm_page *page, const char *inside)
{
	struct jd_xml *x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
					JD_STR_NULL);
	char expected[512];
	struct jd_stanza *st;

	jd_rsm_write(x, page);
	st = stanza_built(x);
	sprintf(expected, "<message><set xmlns='" JD_NS_RSM "'%s</message>", inside);
	fx_expect(st, STANZA_STREAM, expected);
	jd_stanza_unref(st);
}

static void test_write(void **state)
{
	(void)state;
	expect_page(&(struct jd_rsm_page){.index = -1, .count = -1}, "/>");
	expect_page(&(struct jd_rsm_page){.index = 0, .count = 0}, "><count>0</count></set>");
	expect_page(&(struct jd_rsm_page){JD_STR("a&b"), JD_STR("c"), -1, -1},
		    "><first>a&amp;b</first><last>c</last></set>");
	expect_page(&(struct jd_rsm_page){JD_STR("a"), JD_STR("c"), 0, INT64_MAX},
		    "><first index='0'>a</first><last>c</last>"
		    "<count>9223372036854775807</count></set>");
}

static void test_time(void **state)
{
	jd_usec at;
	struct jd_xml *x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
					JD_STR_NULL);
	struct jd_stanza *st;

	(void)state;
	assert_int_equal(jd_time_parse(JD_STR("2002-09-10T23:41:07.123456789+01:00"), &at), 0);
	assert_true(at == 1031697667123456ULL);
	assert_int_equal(jd_time_parse(JD_STR("2002-09-10T23:41:07"), &at), -JD_EINVAL);
	jd_delay_write(x, JD_JID_NULL, at);
	st = stanza_built(x);
	fx_expect(st, STANZA_STREAM,
		  "<message><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T22:41:07.123Z'/>"
		  "</message>");
	jd_stanza_unref(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_bad),
		cmocka_unit_test(test_write), cmocka_unit_test(test_none_and_limit),
		cmocka_unit_test(test_time),  cmocka_unit_test(test_long_uid),
	};

	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
