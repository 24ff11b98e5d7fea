/* SPDX-License-Identifier: MIT
 *
 * The bytes that leave: exact start tags, and that what is written is read back
 * as the same stanza, for random ones too.
 */
#include "xmpp_fixture.h"

struct golden {
	const char *in;
	const char *stream;
	const char *framed;
};

static const struct golden goldens[] = {
	{"<message/>", "<message/>", "<message xmlns='jabber:client'/>"},
	{"<message></message>", "<message/>", "<message xmlns='jabber:client'/>"},
	{"<presence type=\"unavailable\" from='a@b/c' />",
	 "<presence from='a@b/c' type='unavailable'/>",
	 "<presence xmlns='jabber:client' from='a@b/c' type='unavailable'/>"},
	/* fields in their order, others behind them */
	{"<message xml:lang='en' a='1' type='chat' id='x' b='2' from='a@b' to='c@d'>"
	 "<body>hi</body></message>",
	 "<message to='c@d' from='a@b' id='x' type='chat' xml:lang='en' a='1' b='2'>"
	 "<body>hi</body></message>",
	 "<message xmlns='jabber:client' to='c@d' from='a@b' id='x' type='chat' xml:lang='en' "
	 "a='1' b='2'><body>hi</body></message>"},
	/* escapes */
	{"<message id='a&amp;b&lt;c&apos;d&quot;e&gt;f&#9;g&#10;h&#13;i' x='&lt;&apos;&#9;'/>",
	 "<message id='a&amp;b&lt;c&apos;d\"e>f&#9;g&#10;h&#13;i' x='&lt;&apos;&#9;'/>", NULL},
	{"<message to='a@b/&lt;&apos;&amp;&quot;&gt;'/>", "<message to='a@b/&lt;&apos;&amp;\">'/>",
	 NULL},
	/* addresses in their canonical form */
	{"<message to='A@B.Example./C'/>", "<message to='a@b.example/C'/>", NULL},
	/* an address that is none is not sent on */
	{"<message to='a@' from='@'/>", "<message/>", NULL},
	/* types: normal stays, unknown ones go */
	{"<message type='normal'/>", "<message type='normal'/>", NULL},
	{"<message type='foo'/>", "<message/>", NULL},
	/* namespaced attributes of the root, and names that look like fields */
	{"<message xmlns:p='urn:p' p:to='x' p:id='&amp;' q='1'/>",
	 "<message xmlns:n1='urn:p' n1:to='x' n1:id='&amp;' q='1'/>", NULL},
	{"<message xmlns:p='urn:p' xmlns:q='urn:q' q:a='1' id='i' p:a='2'/>",
	 "<message id='i' xmlns:n1='urn:q' n1:a='1' xmlns:n2='urn:p' n2:a='2'/>", NULL},
	{"<message xml:space='preserve' id='i'/>", "<message id='i' xml:space='preserve'/>", NULL},
	{"<message too='1' i='2' fro='3' types='4' lang='5' idx='6'/>",
	 "<message too='1' i='2' fro='3' types='4' lang='5' idx='6'/>", NULL},
	/* the sender's prefixes are gone */
	{"<c:message xmlns:c='jabber:client' xmlns:d='urn:d'><c:body>x</c:body><d:e/></c:message>",
	 "<message><body>x</body><e xmlns='urn:d'/></message>", NULL},
	{"<message>text</message>", "<message>text</message>", NULL},
};

static void test_golden(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(goldens); i++) {
		struct jd_stanza *st = fx_stanza(goldens[i].in), *again;

		fx_expect(st, STANZA_STREAM, goldens[i].stream);
		if (goldens[i].framed)
			fx_expect(st, STANZA_FRAMED, goldens[i].framed);
		again = fx_stanza(goldens[i].stream);
		fx_expect(again, STANZA_STREAM, goldens[i].stream);
		jd_stanza_unref(st);
		jd_stanza_unref(again);
	}
}

/* From a server's stream to a client's: the content namespace is silent in both. */
static void test_from_server(void **state)
{
	int r;
	struct jd_wire *w = fx_wire(JD_NS_SERVER,
				    "<message to='a@b'><body>x</body><body xmlns='jabber:client'>y"
				    "</body></message>",
				    10, &r);
	struct jd_stanza *st = stanza_from_wire(fx_pool, w);

	(void)state;
	assert_int_equal(r, 0);
	fx_expect(st, STANZA_STREAM,
		  "<message to='a@b'><body>x</body><body xmlns='jabber:client'>y</body></message>");
	assert_true(jd_el_is(jd_el_first(jd_stanza_root(st)), JD_NS_STANZA, "body"));
	jd_stanza_unref(st);
}

static void test_body_is_shared(void **state)
{
	struct jd_stanza *st = fx_stanza("<message><body>x</body></message>");
	struct jd_stanza *other = stanza_clone(st);
	struct stanza_out a, b;
	char buf_a[100], buf_b[100];

	(void)state;
	stanza_out(st, STANZA_STREAM, buf_a, &a);
	stanza_out(other, STANZA_STREAM, buf_b, &b);
	assert_ptr_equal(a.body.p, b.body.p);
	assert_ptr_equal(a.body_wire, b.body_wire);
	assert_true(a.head.p == buf_a && a.tail.p == buf_a + a.head.len);
	jd_stanza_unref(st);
	jd_stanza_unref(other);
}

static void test_tail(void **state)
{
	struct jd_stanza *st = fx_stanza("<presence id='1'/>");
	struct jd_xml *x = jd_stanza_add(st);

	(void)state;
	jd_xml_leaf(x, NULL, "show", JD_STR("away"));
	jd_xml_leaf(x, "urn:x", "y", JD_STR(""));
	jd_stanza_added(st, x);
	fx_expect(st, STANZA_STREAM,
		  "<presence id='1'><show>away</show><y xmlns='urn:x'/></presence>");
	fx_expect(st, STANZA_FRAMED,
		  "<presence xmlns='jabber:client' id='1'><show>away</show><y xmlns='urn:x'/>"
		  "</presence>");
	jd_stanza_unref(st);
}

/* -- random stanzas -------------------------------------------------------------------- */

static uint32_t seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static const char *const texts[] = {
	"",  "x",     "a&b",          "<tag>", "]]>",        "'\"",      "\t\n\r",
	" ", "&amp;", "\u00fc\u20ac", "]]",    "\U0001f600", "a'b&c<d>", "\r\n",
};
static const char *const namespaces[] = {NULL, "urn:a", "urn:b&c", JD_NS_STANZA, JD_NS_SERVER};
static const char *const names[] = {"a", "body", "x", "message", "stanza-id"};

static struct jd_str some_text(void)
{
	return jd_cstr(texts[rnd(JD_ARRAY_SIZE(texts))]);
}

static void some_attrs(struct jd_xml *x)
{
	if (rnd(2))
		jd_xml_attr(x, "k", some_text());
	if (rnd(3) == 0)
		jd_xml_attr_ns(x, "urn:a", "k", some_text());
	if (rnd(3) == 0)
		jd_xml_attr_ns(x, "urn:z'<", "to", some_text());
	if (rnd(5) == 0)
		jd_xml_attr_ns(x, JD_NS_XML, "lang", JD_STR("de"));
}

static void some_children(struct jd_xml *x)
{
	unsigned depth = 0;

	for (unsigned i = rnd(20); i--;) {
		switch (rnd(4)) {
		case 0:
			jd_xml_text(x, some_text());
			break;
		case 1:
			if (depth) {
				jd_xml_end(x);
				depth--;
			}
			break;
		default:
			jd_xml_start(x, namespaces[rnd(JD_ARRAY_SIZE(namespaces))],
				     names[rnd(JD_ARRAY_SIZE(names))]);
			some_attrs(x);
			depth++;
		}
	}
	while (depth--)
		jd_xml_end(x);
}

static struct jd_stanza *some_stanza(struct jd_arena *arena)
{
	static const char *const jids[] = {"a@b", "b", "a@b/'<&>", "\u03c0@b/\u265a"};
	struct jd_jid from = rnd(3) ? fx_jid(arena, jids[rnd(4)]) : JD_JID_NULL;
	struct jd_jid to = rnd(3) ? fx_jid(arena, jids[rnd(4)]) : JD_JID_NULL;
	struct jd_str id = rnd(3) ? some_text() : JD_STR_NULL;
	struct jd_xml *x =
		stanza_build(NULL, JD_MESSAGE, rnd(2) ? JD_TYPE_CHAT : JD_TYPE_NONE, from, to, id);

	some_attrs(x);
	some_children(x);
	return stanza_built(x);
}

static bool odd(struct jd_el child, const void *arg)
{
	(void)arg;
	return jd_el_is(child, NULL, "x");
}

/* bytes -> scan -> the same bytes and the same fields */
static void check_round_trip(struct jd_stanza *st, const char *bytes)
{
	struct jd_stanza *again = fx_stanza(bytes);
	char *bytes2 = fx_bytes(again, STANZA_STREAM);

	assert_string_equal(bytes2, bytes);
	assert_int_equal(again->kind, st->kind);
	assert_int_equal(again->type, st->type);
	assert_true(jd_jid_eq(again->from, st->from));
	assert_true(jd_jid_eq(again->to, st->to));
	assert_true(jd_str_eq(again->id, st->id));
	free(bytes2);
	jd_stanza_unref(again);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct jd_stanza *st, *copy;
		struct jd_arena *arena;
		char *bytes, *edited;

		seed = i;
		copy = fx_stanza("<message/>");
		arena = copy->arena;
		st = some_stanza(arena);
		assert_non_null(st);
		bytes = fx_bytes(st, STANZA_STREAM);
		check_round_trip(st, bytes);

		/* Putting it together again changes nothing but what was removed. */
		jd_stanza_remove(st, odd, NULL);
		edited = fx_bytes(st, STANZA_STREAM);
		check_round_trip(st, edited);
		JD_EL_EACH(child, jd_stanza_root(st))
		{
			assert_false(odd(child, NULL));
		}
		free(bytes);
		free(edited);
		jd_stanza_unref(st);
		jd_stanza_unref(copy);
	}
}

/* Adding piece by piece and writing at once are the same. */
static void test_add_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		struct jd_stanza *st = fx_stanza("<message><body>b</body></message>"), *all;
		struct jd_xml *x = stanza_build(NULL, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL,
						JD_JID_NULL, JD_STR_NULL);
		char *a, *b;

		jd_xml_leaf(x, NULL, "body", JD_STR("b"));
		seed = i;
		for (int k = 0; k < 3; k++)
			some_children(x);
		all = stanza_built(x);
		seed = i;
		for (int k = 0; k < 3; k++) {
			x = jd_stanza_add(st);
			some_children(x);
			jd_stanza_added(st, x);
		}
		a = fx_bytes(st, STANZA_STREAM);
		b = fx_bytes(all, STANZA_STREAM);
		assert_string_equal(a, b);
		free(a);
		jd_stanza_root(st);
		a = fx_bytes(st, STANZA_STREAM);
		assert_string_equal(a, b);
		free(a);
		free(b);
		jd_stanza_unref(st);
		jd_stanza_unref(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_from_server),
		cmocka_unit_test(test_tail),   cmocka_unit_test(test_body_is_shared),
		cmocka_unit_test(test_random), cmocka_unit_test(test_add_random),
	};

	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
