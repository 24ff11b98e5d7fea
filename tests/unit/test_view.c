/* SPDX-License-Identifier: MIT
 *
 * Views: reading what the builder made, and asking questions of nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/arena.h"
#include "util/mem.h"
#include "xml/wire.h"

static struct wire_pool *pool;
static struct wire_builder *builder;
static struct jd_wire *block;
static struct jd_arena arena;

static const struct wire_limits limits = {65536, 100, 50, 10, 512};

#define EQ(str, literal) assert_true(jd_str_is((str), (literal)))
#define NONE(str)        assert_null((str).p)

/*
 * <message to='a&amp;b' xml:lang='de' n1:k='1'>one<body>t&lt;ext</body>two&amp;
 *   <x xmlns='u'><y/><y a=''/></x><body/><z xmlns='jabber:client' in x/></message>
 */
static int setup(void **state)
{
	struct jd_xml x;

	(void)state;
	pool = wire_pool_new();
	builder = wire_builder_new(pool, &limits);
	x = (struct jd_xml){builder, 0};
	jd_xml_start(&x, NULL, "message");
	jd_xml_attr(&x, "to", JD_STR("a&b"));
	jd_xml_attr_ns(&x, JD_NS_XML, "lang", JD_STR("de"));
	jd_xml_attr_ns(&x, "urn:k", "k", JD_STR("1"));
	jd_xml_attr_ns(&x, "urn:k", "to", JD_STR("other"));
	jd_xml_text(&x, JD_STR("one"));
	jd_xml_leaf(&x, NULL, "body", JD_STR("t<\xC3\xA4\xF0\x9F\x98\x80xt"));
	jd_xml_text(&x, JD_STR("two&"));
	jd_xml_start(&x, "u", "x");
	jd_xml_leaf(&x, NULL, "y", JD_STR_NULL);
	jd_xml_start(&x, NULL, "y");
	jd_xml_attr(&x, "a", JD_STR(""));
	jd_xml_end(&x);
	jd_xml_leaf(&x, JD_NS_STANZA, "z", JD_STR("plain"));
	jd_xml_end(&x);
	jd_xml_leaf(&x, JD_NS_STANZA, "body", JD_STR(""));
	jd_xml_end(&x);
	assert_int_equal(wire_finish(builder, NULL, &block), 0);
	arena_init(&arena, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	wire_unref(block);
	wire_builder_free(builder);
	wire_pool_free(pool);
	return 0;
}

static void test_walk(void **state)
{
	struct jd_el root = wire_root(block), x, el;
	unsigned n = 0;

	(void)state;
	EQ(jd_el_name(root), "message");
	EQ(jd_el_ns(root), JD_NS_STANZA);
	assert_false(jd_el_ok(jd_el_parent(root)));
	assert_false(jd_el_ok(jd_el_next(root)));
	JD_EL_EACH(c, root)
	{
		assert_int_equal(jd_el_parent(c).i, 0);
		n++;
	}
	assert_int_equal(n, 3);
	n = 0;
	JD_EL_EACH_IS(c, root, JD_NS_STANZA, "body")
	n++;
	assert_int_equal(n, 2);
	x = jd_el_child(root, "u", "x");
	assert_true(jd_el_ok(x));
	assert_false(jd_el_ok(jd_el_child(root, "v", "x")));
	assert_false(jd_el_ok(jd_el_child(root, "u", "body")));
	assert_true(jd_el_ok(jd_el_child(root, "u", NULL)));
	assert_true(jd_el_ok(jd_el_child(root, NULL, "x")));
	el = jd_el_child(x, "u", "y");
	assert_true(jd_el_ok(el));
	el = jd_el_next_is(el, "u", "y");
	assert_true(jd_el_ok(el));
	assert_false(jd_el_ok(jd_el_first(el)));
	el = jd_el_next(el);
	assert_true(jd_el_is(el, JD_NS_STANZA, "z"));
	assert_int_not_equal(block->els[el.i].ns, WIRE_NS_STANZA);
	assert_false(jd_el_ok(jd_el_next(el)));
	assert_true(jd_el_is(jd_el_parent(el), "u", "x"));
}

static void test_attrs(void **state)
{
	struct jd_el root = wire_root(block);
	struct jd_str empty;

	(void)state;
	EQ(jd_el_attr(root, "to"), "a&b");
	EQ(jd_el_attr_ns(root, NULL, "to"), "a&b");
	EQ(jd_el_attr_ns(root, "", "to"), "a&b");
	EQ(jd_el_attr_ns(root, "urn:k", "to"), "other");
	EQ(jd_el_attr_ns(root, "urn:k", "k"), "1");
	EQ(jd_el_attr_ns(root, JD_NS_XML, "lang"), "de");
	NONE(jd_el_attr(root, "lang"));
	NONE(jd_el_attr(root, "k"));
	NONE(jd_el_attr(root, "t"));
	NONE(jd_el_attr_ns(root, "urn:l", "k"));
	empty = jd_el_attr(jd_el_next(jd_el_first(jd_el_child(root, "u", "x"))), "a");
	assert_non_null(empty.p);
	assert_int_equal(empty.len, 0);
}

static void test_text(void **state)
{
	struct jd_el root = wire_root(block), z;
	struct jd_str text;

	(void)state;
	EQ(jd_el_text(root, &arena), "onetwo&");
	assert_int_equal(jd_el_text_chars(root), 7);
	text = jd_el_text(jd_el_first(root), &arena);
	EQ(text, "t<\xC3\xA4\xF0\x9F\x98\x80xt");
	assert_int_equal(jd_el_text_chars(jd_el_first(root)), 6);
	assert_true(text.p < block->bytes || text.p > block->bytes + block->bytes_len);
	z = jd_el_next_is(jd_el_first(jd_el_child(root, "u", "x")), NULL, "z");
	text = jd_el_text(z, &arena);
	EQ(text, "plain");
	assert_true(text.p > block->bytes && text.p < block->bytes + block->bytes_len);
	EQ(jd_el_text(jd_el_child(root, "u", "x"), &arena), "");
	assert_int_equal(jd_el_text_chars(jd_el_child(root, "u", "x")), 0);
}

static void test_none(void **state)
{
	struct jd_el none = JD_EL_NONE;

	(void)state;
	assert_false(jd_el_ok(jd_el_first(none)));
	assert_false(jd_el_ok(jd_el_next(none)));
	assert_false(jd_el_ok(jd_el_parent(none)));
	assert_false(jd_el_ok(jd_el_child(none, NULL, NULL)));
	assert_false(jd_el_ok(jd_el_next_is(none, "a", "b")));
	assert_false(jd_el_is(none, NULL, NULL));
	NONE(jd_el_name(none));
	NONE(jd_el_ns(none));
	NONE(jd_el_attr(none, "a"));
	NONE(jd_el_attr_ns(none, "a", "b"));
	NONE(jd_el_text(none, &arena));
	assert_int_equal(jd_el_text_chars(none), 0);
	JD_EL_EACH(el, none)
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_attrs),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
