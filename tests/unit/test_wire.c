/* SPDX-License-Identifier: MIT
 *
 * The builder and the public writer: what they write, that reading it gives the
 * same again, copies, bounds, and memory that is refused.
 */
#include "xml_fixture.h"

#include <time.h>

#include "util/arena.h"

static const struct wire_limits wide = {(size_t)1 << 20, 4096, 128, 64, 512};

static struct wire_pool *pool;
static struct wire_builder *builder;

static int setup(void **state)
{
	(void)state;
	pool = wire_pool_new();
	builder = wire_builder_new(pool, &wide);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wire_builder_free(builder);
	wire_pool_trim(pool);
	wire_pool_free(pool);
	return 0;
}

static struct jd_wire *finish(struct wire_builder *b)
{
	struct jd_wire *w = NULL;

	assert_int_equal(wire_error(b), 0);
	assert_int_equal(wire_finish(b, NULL, &w), 0);
	return w;
}

static void is_bytes(const struct jd_wire *w, const char *want)
{
	char *got = mem_alloc(w->bytes_len + 1);

	memcpy(got, w->bytes, w->bytes_len);
	assert_string_equal(got, want);
	mem_free(got);
}

/* -- the public writer ------------------------------------------------------------- */

static void test_writer(void **state)
{
	struct jd_xml x = {builder, 0};
	struct jd_wire *w;

	(void)state;
	jd_xml_start(&x, NULL, "iq");
	jd_xml_attr(&x, "type", JD_STR("result"));
	jd_xml_attr(&x, "absent", JD_STR_NULL);
	jd_xml_attr_int(&x, "n", INT64_MIN);
	jd_xml_start(&x, JD_NS_ROSTER, "query");
	jd_xml_attr_ns(&x, JD_NS_XML, "lang", JD_STR("en"));
	jd_xml_attr_ns(&x, "urn:a", "b", JD_STR("c"));
	jd_xml_leaf(&x, NULL, "item", JD_STR(""));
	jd_xml_leaf(&x, "", "none", JD_STR("x"));
	jd_xml_end(&x);
	jd_xml_leaf(&x, JD_NS_STANZA, "own", JD_STR("a]]>"));
	jd_xml_text(&x, JD_STR("]]"));
	jd_xml_text(&x, JD_STR(">"));
	jd_xml_end(&x);
	assert_int_equal(wire_depth(builder), 0);
	assert_true(jd_str_is(wire_root_attr(builder, JD_STR_NULL, "type"), "result"));
	w = finish(builder);
	is_bytes(w, "<iq type='result' n='-9223372036854775808'>"
		    "<query xmlns='jabber:iq:roster' xml:lang='en' xmlns:n1='urn:a' n1:b='c'>"
		    "<item/><none xmlns=''>x</none></query><own>a]]&gt;</own>]]&gt;</iq>");
	wire_unref(w);
}

static const struct {
	struct jd_str in;
	const char *out;
} repairs[] = {
	{{"a\0b", 3},
	 "a\xEF\xBF\xBD"
	 "b"},
	{{"\x01\x1F\x7F", 3}, "\xEF\xBF\xBD\xEF\xBF\xBD\x7F"},
	{{"\xFF\xC3", 2}, "\xEF\xBF\xBD\xEF\xBF\xBD"},
	{{"\xEF\xBF\xBF\xEF\xBF\xBE\xEF\xBF\xBD", 9}, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{{"\xED\xA0\x80", 3}, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{{"\t\n\xC3\xA4", 4}, "\t\n\xC3\xA4"},
};

static void test_repair(void **state)
{
	struct jd_arena arena;

	(void)state;
	arena_init(&arena, NULL, 0);
	for (size_t i = 0; i < JD_ARRAY_SIZE(repairs); i++) {
		struct jd_xml x = {builder, 0};
		struct jd_wire *w;

		jd_xml_start(&x, NULL, "a");
		jd_xml_attr(&x, "b", repairs[i].in);
		jd_xml_text(&x, repairs[i].in);
		jd_xml_end(&x);
		w = finish(builder);
		assert_true(jd_str_is(jd_el_text(wire_root(w), &arena), repairs[i].out));
		assert_true(jd_str_is(jd_el_attr(wire_root(w), "b"), repairs[i].out));
		wire_unref(w);
	}
	arena_fini(&arena);
}

enum misuse {
	NAME_EMPTY,
	NAME_SPACE,
	NAME_COLON,
	NAME_DIGIT,
	NAME_QUOTE,
	ATTR_NAME,
	ATTR_XMLNS,
	ATTR_TWICE,
	ATTR_LATE,
	NS_XML,
	NS_XMLNS,
	TWO_ROOTS,
	OPEN_ROOT,
	NO_ROOT,
	MISUSES
};

static void misuse(struct jd_xml *x, enum misuse how)
{
	static const char *const names[] = {"", "a b", "a:b", "1", "a'"};

	if (how == NO_ROOT)
		return;
	jd_xml_start(x, NULL, "root");
	if (how <= NAME_QUOTE)
		jd_xml_leaf(x, NULL, names[how], JD_STR("x"));
	else if (how == ATTR_NAME)
		jd_xml_attr(x, "a=", JD_STR("x"));
	else if (how == ATTR_XMLNS)
		jd_xml_attr(x, "xmlns", JD_STR("x"));
	else if (how == ATTR_TWICE)
		jd_xml_attr(x, "a", JD_STR("x")), jd_xml_attr(x, "a", JD_STR("y"));
	else if (how == ATTR_LATE)
		jd_xml_text(x, JD_STR("x")), jd_xml_attr(x, "a", JD_STR("y"));
	else if (how == NS_XML)
		jd_xml_leaf(x, JD_NS_XML, "a", JD_STR("x"));
	else if (how == NS_XMLNS)
		jd_xml_attr_ns(x, "http://www.w3.org/2000/xmlns/", "a", JD_STR("x"));
	if (how != OPEN_ROOT)
		jd_xml_end(x);
	if (how == TWO_ROOTS)
		jd_xml_leaf(x, NULL, "root", JD_STR(""));
}

/* What would not be XML is not sent; the builder is as new behind it. */
static void test_misuse(void **state)
{
	struct jd_wire *w = NULL;

	(void)state;
	for (enum misuse how = 0; how < MISUSES; how++) {
		struct jd_xml x = {builder, 0};

		misuse(&x, how);
		assert_int_equal(wire_finish(builder, NULL, &w), -JD_EINVAL);
		assert_null(w);
		jd_xml_leaf(&x, NULL, "fine", JD_STR(""));
		wire_unref(finish(builder));
	}
}

static void test_meta(void **state)
{
	struct wire_meta meta = {.kind = 1,
				 .type = 2,
				 .flags = 3,
				 .id = JD_STR("id"),
				 .from = {"a@b/c", 1, 1, 1},
				 .lang = JD_STR("")};
	struct jd_xml x = {builder, 0};
	struct jd_wire *w;

	(void)state;
	jd_xml_leaf(&x, NULL, "a", JD_STR(""));
	assert_int_equal(wire_finish(builder, &meta, &w), 0);
	assert_true(jd_str_is(w->meta.id, "id"));
	assert_ptr_not_equal(w->meta.id.p, meta.id.p);
	assert_true(jd_jid_eq(w->meta.from, meta.from));
	assert_ptr_not_equal(w->meta.from.p, meta.from.p);
	assert_false(jd_jid_ok(w->meta.to));
	assert_non_null(w->meta.lang.p);
	assert_int_equal(w->meta.type, 2);
	wire_unref(w);
}

/* -- bounds --------------------------------------------------------------------------- */

static int bounded(struct wire_limits l)
{
	struct wire_builder *b = wire_builder_new(pool, &l);
	struct jd_xml x = {b, 0};
	struct jd_wire *w = NULL;
	int err;

	jd_xml_start(&x, NULL, "a");
	jd_xml_attr(&x, "b", JD_STR("1"));
	jd_xml_attr(&x, "c", JD_STR("<"));
	jd_xml_start(&x, "12345678", "d");
	jd_xml_leaf(&x, NULL, "e", JD_STR("text"));
	jd_xml_end(&x);
	jd_xml_end(&x);
	err = wire_finish(b, NULL, &w);
	wire_unref(w);
	wire_builder_free(b);
	return err;
}

static void test_bounds(void **state)
{
	struct wire_limits l = wide;
	size_t need = strlen("<a b='1' c='&lt;'><d xmlns='12345678'><e>text</e></d></a>") + 1 +
		      3 * sizeof(struct wire_el) + 2 * sizeof(struct wire_attr) +
		      sizeof(struct jd_str);

	(void)state;
	for (int i = 0; i < 2; i++) {
		int want = i ? -JD_ELIMIT : 0;

		l = wide, l.bytes = need - (size_t)i;
		assert_int_equal(bounded(l), want);
		l = wide, l.elements = 3 - (unsigned)i;
		assert_int_equal(bounded(l), want);
		l = wide, l.depth = 3 - (unsigned)i;
		assert_int_equal(bounded(l), want);
		l = wide, l.attrs = 2 - (unsigned)i;
		assert_int_equal(bounded(l), want);
		l = wide, l.ns_bytes = 8 - (size_t)i;
		assert_int_equal(bounded(l), want);
	}
}

/* Prefixes let a peer repeat a long namespace in a few bytes: the budget ends that. */
static void test_amplification(void **state)
{
	char ns[500];

	(void)state;
	memset(ns, 'n', sizeof(ns));
	wire_start(builder, JD_STR_NULL, JD_STR("a"));
	for (unsigned i = 0; i < 4000 && !wire_error(builder); i++) {
		wire_start(builder, (struct jd_str){ns, sizeof(ns)}, JD_STR("b"));
		wire_end(builder);
	}
	assert_int_equal(wire_error(builder), -JD_ELIMIT);
	wire_reset(builder);
	/* many namespaces, none twice: not quadratic, only limited */
	wire_start(builder, JD_STR_NULL, JD_STR("a"));
	for (unsigned i = 0; i < 4000; i++) {
		int n = snprintf(ns, sizeof(ns), "urn:%u", i);

		wire_start(builder, (struct jd_str){ns, (size_t)n}, JD_STR("b"));
		wire_end(builder);
	}
	wire_end(builder);
	wire_unref(finish(builder));
}

static void test_refused_memory(void **state)
{
	unsigned long failures = 0;

	(void)state;
	for (unsigned long n = 1; n < 100; n++) {
		struct wire_builder *b = wire_builder_new(pool, &wide);
		struct jd_wire *w = NULL;
		struct jd_xml x = {b, 0};
		int err;

		mem_fail_at(n);
		jd_xml_start(&x, "u", "a");
		for (unsigned i = 0; i < 1000; i++) {
			jd_xml_start(&x, i % 2 ? "v" : "w", "b");
			jd_xml_attr(&x, "c", JD_STR("'d"));
			jd_xml_text(&x, JD_STR("e\x01"));
			jd_xml_end(&x);
		}
		jd_xml_end(&x);
		err = wire_finish(b, NULL, &w);
		mem_fail_at(0);
		assert_true(err == 0 || err == -JD_ENOMEM);
		assert_int_equal(err == 0, w != NULL);
		failures += err != 0;
		wire_unref(w);
		wire_builder_free(b);
	}
	assert_true(failures > 10);
}

/* -- parse(write(x)) == x ----------------------------------------------------------------- */

static uint64_t seed;

static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 20) % n);
}

static const char *const namespaces[] = {
	JD_NS_STANZA,      "",      "urn:a", "urn:b", "it's <&>\"", "jabber:server",
	"\xC3\xA4 \t\n\r", "urn:a",
};
static const char *const names[] = {"a", "b", "c-d", "_e", "\xC3\xA4", "message", "xmlns", "f.9"};
static const char *const pieces[] = {
	"text",         " ",     "&",    "<",        ">",
	"]]",           "]",     "]]>",  "'",        "\"",
	"\n",           "\t",    "\r",   "\xC3\xA4", "\xF0\x9F\x98\x80",
	"\xEF\xBF\xBD", "&amp;", "\x7F", "--",       "<!--",
	"\xC2\x85",
};

static struct jd_str pick_ns(void)
{
	return dice(3) ? JD_STR_NULL : jd_cstr(namespaces[dice(JD_ARRAY_SIZE(namespaces))]);
}

static struct jd_str pick_name(void)
{
	return jd_cstr(names[dice(JD_ARRAY_SIZE(names))]);
}

static struct jd_str pick_text(char *out, size_t size)
{
	size_t len = 0;

	for (unsigned n = dice(6); n; n--)
		len += (size_t)snprintf(out + len, size - len, "%s",
					pieces[dice(JD_ARRAY_SIZE(pieces))]);
	return (struct jd_str){out, len};
}

static void random_attrs(struct wire_builder *b)
{
	static const struct {
		const char *ns, *name;
	} attrs[] = {{"", "to"},          {"", "id"},     {"urn:a", "to"},     {"it's <&>\"", "k"},
		     {JD_NS_XML, "lang"}, {"urn:z", "z"}, {JD_NS_STANZA, "c"}, {"urn:a", "xmlns"}};
	char text[256];

	for (size_t i = 0; i < JD_ARRAY_SIZE(attrs); i++) {
		if (dice(4) == 0)
			wire_attr(b, jd_cstr(attrs[i].ns), jd_cstr(attrs[i].name),
				  pick_text(text, sizeof(text)));
	}
}

static struct jd_wire *random_tree(struct wire_builder *b)
{
	char text[256];

	wire_start(b, dice(4) ? JD_STR_NULL : pick_ns(), pick_name());
	random_attrs(b);
	for (unsigned steps = dice(40); steps; steps--) {
		unsigned what = dice(10);

		if (what < 4) {
			wire_start(b, pick_ns(), pick_name());
			random_attrs(b);
		} else if (what < 7) {
			wire_text(b, pick_text(text, sizeof(text)));
		} else if (wire_depth(b) > 1) {
			wire_end(b);
		}
	}
	while (wire_depth(b))
		wire_end(b);
	return finish(b);
}

static void same_index(const struct jd_wire *a, const struct jd_wire *b)
{
	assert_int_equal(a->n_els, b->n_els);
	assert_int_equal(a->n_attrs, b->n_attrs);
	for (uint32_t i = 0; i < a->n_els; i++) {
		struct wire_el x = a->els[i], y = b->els[i];

		assert_true(jd_str_eq(a->nss[x.ns], b->nss[y.ns]));
		assert_int_equal(x.ns == WIRE_NS_STANZA, y.ns == WIRE_NS_STANZA);
		x.ns = y.ns = 0;
		assert_memory_equal(&x, &y, sizeof(x));
	}
	for (uint32_t i = 0; i < a->n_attrs; i++) {
		struct wire_attr x = a->attrs[i], y = b->attrs[i];

		assert_int_equal(x.ns == WIRE_NO_NS, y.ns == WIRE_NO_NS);
		if (x.ns != WIRE_NO_NS)
			assert_true(jd_str_eq(a->nss[x.ns], b->nss[y.ns]));
		assert_int_equal(x.name, y.name);
		assert_int_equal(x.value_len, y.value_len);
		assert_int_equal(x.in_extra, y.in_extra);
		assert_memory_equal((x.in_extra ? a->extra : a->bytes) + x.value,
				    (y.in_extra ? b->extra : b->bytes) + y.value, x.value_len);
	}
}

/* Reads a block's bytes again and compares everything. */
static void reads_same(struct rec *r, const struct jd_wire *w)
{
	r->log.len = 0;
	assert_int_equal(scan_feed(r->s, w->bytes, w->bytes_len), SCAN_OK);
	if (scan_wants_flush(r->s))
		assert_int_equal(scan_flush(r->s), SCAN_OK);
	assert_int_equal(r->last->bytes_len, w->bytes_len);
	assert_memory_equal(r->last->bytes, w->bytes, w->bytes_len);
	same_index(r->last, w);
}

static void same_el(struct jd_el a, struct jd_el b, struct jd_arena *arena)
{
	const struct wire_el *e = &a.wire->els[a.i];

	assert_true(jd_str_eq(jd_el_name(a), jd_el_name(b)));
	assert_true(jd_str_eq(jd_el_ns(a), jd_el_ns(b)));
	assert_true(jd_str_eq(jd_el_text(a, arena), jd_el_text(b, arena)));
	assert_int_equal(e->attrs, b.wire->els[b.i].attrs);
	for (uint32_t i = e->attr; i < e->attr + e->attrs; i++) {
		const struct wire_attr *at = &a.wire->attrs[i];
		char name[64], ns[64] = "";

		snprintf(name, sizeof(name), "%.*s", at->name_len, a.wire->bytes + at->name);
		if (at->ns != WIRE_NO_NS)
			snprintf(ns, sizeof(ns), "%.*s", JD_FMT(a.wire->nss[at->ns]));
		assert_true(jd_str_eq(jd_el_attr_ns(a, ns, name), jd_el_attr_ns(b, ns, name)));
		assert_non_null(jd_el_attr_ns(b, ns, name).p);
	}
}

/* The same tree, in any place. */
static void same_tree(struct jd_el a, struct jd_el b)
{
	uint32_t count = a.wire->els[a.i].next - a.i;
	struct jd_arena arena;

	arena_init(&arena, NULL, 0);
	assert_int_equal(count, b.wire->els[b.i].next - b.i);
	for (uint32_t i = 0; i < count; i++)
		same_el((struct jd_el){a.wire, a.i + i}, (struct jd_el){b.wire, b.i + i}, &arena);
	arena_fini(&arena);
}

static void start_stream(struct rec *r)
{
	rec_init(r, SCAN_STREAM);
	scan_limits(r->s, &scan_limits_after);
	assert_int_equal(rec_feed(r, "<s xmlns='jabber:client'>"), SCAN_OK);
}

static void test_property(void **state)
{
	struct rec r;

	(void)state;
	start_stream(&r);
	for (unsigned i = 0; i < 3000; i++) {
		struct jd_wire *w = random_tree(builder);

		reads_same(&r, w);
		wire_unref(w);
	}
	rec_fini(&r);
}

/* Any element of any tree, into any place: the tree is the same, and so is what is read. */
static void test_copy(void **state)
{
	struct rec r;

	(void)state;
	start_stream(&r);
	for (unsigned i = 0; i < 3000; i++) {
		struct jd_wire *w = random_tree(builder), *copy;
		struct jd_el el = {w, dice(w->n_els)};
		unsigned at = 0, where = dice(4);

		if (where > 0) {
			wire_start(builder, JD_STR_NULL, JD_STR("root"));
			wire_text(builder, JD_STR("]]"));
			at++;
		}
		if (where > 1) {
			wire_start(builder, jd_cstr(where == 2 ? "urn:a" : ""), JD_STR("in"));
			wire_attr(builder, JD_STR("urn:b"), JD_STR("x"), JD_STR("\t"));
			at++;
		}
		wire_copy(builder, el);
		wire_copy(builder, where ? el : JD_EL_NONE);
		while (wire_depth(builder))
			wire_end(builder);
		copy = finish(builder);
		same_tree(el, (struct jd_el){copy, at});
		reads_same(&r, copy);
		wire_unref(copy);
		wire_unref(w);
	}
	rec_fini(&r);
}

static void test_copy_namespaces(void **state)
{
	struct jd_xml x = {builder, 0};
	struct jd_wire *w, *copy;

	(void)state;
	jd_xml_start(&x, NULL, "message");
	jd_xml_leaf(&x, NULL, "body", JD_STR("t"));
	jd_xml_start(&x, "u", "x");
	jd_xml_leaf(&x, JD_NS_STANZA, "y", JD_STR(""));
	jd_xml_end(&x);
	jd_xml_end(&x);
	w = finish(builder);
	jd_xml_start(&x, NULL, "message");
	jd_xml_start(&x, "urn:xmpp:forward:0", "forwarded");
	jd_xml_copy(&x, wire_root(w));
	jd_xml_end(&x);
	jd_xml_copy(&x, jd_el_first(wire_root(w)));
	jd_xml_end(&x);
	copy = finish(builder);
	is_bytes(copy, "<message><forwarded xmlns='urn:xmpp:forward:0'><message "
		       "xmlns='jabber:client'><body>t</body><x xmlns='u'><y "
		       "xmlns='jabber:client'/></x></message></forwarded><body>t</body></message>");
	wire_unref(w);
	/* and taken out again it is a stanza */
	jd_xml_copy(&x, jd_el_first(jd_el_first(wire_root(copy))));
	w = finish(builder);
	is_bytes(w, "<message><body>t</body><x xmlns='u'><y xmlns='jabber:client'/></x></message>");
	assert_int_equal(w->els[0].ns, WIRE_NS_STANZA);
	assert_int_equal(w->els[1].ns, WIRE_NS_STANZA);
	wire_unref(w);
	wire_unref(copy);
}

static void test_copy_bounds(void **state)
{
	struct wire_limits l = wide;
	struct jd_xml x = {builder, 0};
	struct wire_builder *b;
	struct jd_wire *w, *copy = NULL;

	(void)state;
	jd_xml_start(&x, NULL, "a");
	for (unsigned i = 0; i < 10; i++)
		jd_xml_start(&x, NULL, "b");
	for (unsigned i = 0; i < 11; i++)
		jd_xml_end(&x);
	w = finish(builder);
	for (unsigned i = 0; i < 4; i++) {
		l = wide;
		*(i < 2 ? &l.depth : &l.elements) = i % 2 ? 11 : 10;
		b = wire_builder_new(pool, &l);
		wire_copy(b, wire_root(w));
		assert_int_equal(wire_finish(b, NULL, &copy), i % 2 ? 0 : -JD_ELIMIT);
		if (i % 2)
			wire_unref(copy);
		wire_builder_free(b);
	}
	wire_unref(w);
}

int main(void)
{
	const char *given = getenv("JD_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer),         cmocka_unit_test(test_repair),
		cmocka_unit_test(test_misuse),         cmocka_unit_test(test_meta),
		cmocka_unit_test(test_bounds),         cmocka_unit_test(test_amplification),
		cmocka_unit_test(test_refused_memory), cmocka_unit_test(test_property),
		cmocka_unit_test(test_copy),           cmocka_unit_test(test_copy_namespaces),
		cmocka_unit_test(test_copy_bounds),
	};

	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	seed |= 1;
	print_message("JD_TEST_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, setup, teardown);
}
