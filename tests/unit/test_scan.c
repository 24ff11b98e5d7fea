/* SPDX-License-Identifier: MIT
 *
 * The scanner: what becomes of what it is given, what it refuses, its bounds,
 * and that its memory comes back.
 */
#include "xml_fixture.h"

#define NS_TEXT_128                                                                                \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"                         \
	"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"

/* -- canonical output ------------------------------------------------------------- */

static const struct {
	const char *in, *out;
} canonical[] = {
	{"<a/>", "<a/>"},
	{"<a></a>", "<a/>"},
	{"<a  b = \"c\"\n/>", "<a b='c'/>"},
	{"<a>t</a >", "<a>t</a>"},
	{"<a xmlns='jabber:client'/>", "<a/>"},
	{"<c:a xmlns:c='jabber:client'><c:b/></c:a>", "<a><b/></a>"},
	{"<a xmlns='u'/>", "<a xmlns='u'/>"},
	{"<a xmlns='u'><b/><c xmlns='v'><d xmlns='u'/></c></a>",
	 "<a xmlns='u'><b/><c xmlns='v'><d xmlns='u'/></c></a>"},
	{"<p:a xmlns:p='u'><p:b/><c/></p:a>", "<a xmlns='u'><b/><c xmlns='jabber:client'/></a>"},
	{"<a><f xmlns='urn:f'><a xmlns='jabber:client'><b/></a></f><b/></a>",
	 "<a><f xmlns='urn:f'><a xmlns='jabber:client'><b/></a></f><b/></a>"},
	{"<a><b xmlns=''><c/></b></a>", "<a><b xmlns=''><c/></b></a>"},
	{"<a xmlns=''><b xmlns='jabber:client'/></a>",
	 "<a xmlns=''><b xmlns='jabber:client'/></a>"},
	/* the attribute whose prefix other servers lose */
	{"<e xmlns='u' xmlns:z='urn:z' z:k='v'/>", "<e xmlns='u' xmlns:n1='urn:z' n1:k='v'/>"},
	{"<e xmlns:z='y' z:k='1' z:l='2' m='3'><f z:k='4'/></e>",
	 "<e xmlns:n1='y' n1:k='1' n1:l='2' m='3'><f xmlns:n1='y' n1:k='4'/></e>"},
	{"<e xmlns:y='Y' xmlns:z='Z' z:k='1' y:k='2' k='3'/>",
	 "<e xmlns:n1='Z' n1:k='1' xmlns:n2='Y' n2:k='2' k='3'/>"},
	{"<e stream:k='1'/>", "<e xmlns:n1='http://etherx.jabber.org/streams' n1:k='1'/>"},
	{"<e xmlns:c='jabber:client' c:k='1'/>", "<e xmlns:n1='jabber:client' n1:k='1'/>"},
	{"<a xml:lang='de' xml:space='preserve'/>", "<a xml:lang='de' xml:space='preserve'/>"},
	{"<a xmlns='it&apos;s &lt;&amp;'/>", "<a xmlns='it&apos;s &lt;&amp;'/>"},
	{"<a xmlns:p=\"o'p\" p:x='1'/>", "<a xmlns:n1='o&apos;p' n1:x='1'/>"},
	{"<a b='&lt;&gt;&amp;&quot;&apos;&#9;&#10;&#13; \"'/>",
	 "<a b='&lt;>&amp;\"&apos;&#9;&#10;&#13; \"'/>"},
	{"<a b='x\ty\nz'/>", "<a b='x y z'/>"},
	{"<a>&lt;&gt;&amp;&quot;&apos;</a>", "<a>&lt;>&amp;\"'</a>"},
	{"<a>x\r\ny\rz&#13;w\tv</a>", "<a>x\ny\nz&#13;w\tv</a>"},
	{"<a>]]&gt;</a>", "<a>]]&gt;</a>"},
	{"<a>]&gt;]]x&gt;]]]&gt;</a>", "<a>]>]]x>]]]&gt;</a>"},
	{"<a>]]<b/>></a>", "<a>]]<b/>></a>"},
	{"<a><![CDATA[<b>&]]>]]&gt;<![CDATA[]]]]><![CDATA[>]]></a>",
	 "<a>&lt;b>&amp;]]&gt;]]&gt;</a>"},
	{"<a>&#x1F600;&#228;\xC3\xA4\xF4\x8F\xBF\xBD</a>",
	 "<a>\xF0\x9F\x98\x80\xC3\xA4\xC3\xA4\xF4\x8F\xBF\xBD</a>"},
	{"<\xC3\xA4 \xC3\xB6='1'/>", "<\xC3\xA4 \xC3\xB6='1'/>"},
	{"<stream:features/>", "<features xmlns='http://etherx.jabber.org/streams'/>"},
	{"<a/> \n <b/>", "<a/>)E(<b/>"},
};

static void test_canonical(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < JD_ARRAY_SIZE(canonical); i++) {
		char want[512];

		rec_again(&r, SCAN_STREAM);
		assert_int_equal(rec_feed(&r, HEADER), SCAN_OK);
		r.log.len = 0;
		assert_int_equal(rec_feed(&r, canonical[i].in), SCAN_OK);
		snprintf(want, sizeof(want), "E(%s)", canonical[i].out);
		rec_is(&r, want);
	}
	rec_fini(&r);
}

static void test_stream(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	assert_int_equal(rec_feed(&r, " \n<?xml version='1.0' encoding='utf-8'?>\n"
				      "<s:stream xmlns='jabber:client' xmlns:s='ss' to='x' "
				      "xml:lang='de' s:from='no'> <a/> </s:stream>\n"),
			 SCAN_OK);
	rec_is(&r, "O(stream ss jabber:client to=x lang=de)E(<a/>)C");
	rec_again(&r, SCAN_STREAM);
	assert_int_equal(rec_feed(&r, "<x/>"), SCAN_OK);
	rec_is(&r, "O(x  )C");
	rec_again(&r, SCAN_STREAM);
	scan_set_lang(r.s, JD_STR("fr"));
	assert_int_equal(rec_feed(&r, HEADER "<a/><a xml:lang='de'/><a xmlns='u'/>"), SCAN_OK);
	rec_is(&r, "O(stream http://etherx.jabber.org/streams jabber:client to=a)"
		   "E(<a xml:lang='fr'/>)E(<a xml:lang='de'/>)E(<a xmlns='u'/>)");
	rec_fini(&r);
}

/* On a server's stream jabber:server is the content, and jabber:client just a name. */
static void test_content_ns(void **state)
{
	struct rec r;

	(void)state;
	rec_init_ns(&r, SCAN_STREAM, JD_NS_SERVER);
	assert_int_equal(rec_feed(&r, "<s xmlns='jabber:server'><m><b/>"
				      "<x xmlns='jabber:client'><y/></x></m>"),
			 SCAN_OK);
	rec_is(&r, "O(s jabber:server jabber:server)"
		   "E(<m><b/><x xmlns='jabber:client'><y/></x></m>)");
	assert_int_equal(r.last->els[0].ns, WIRE_NS_STANZA);
	assert_int_equal(r.last->els[1].ns, WIRE_NS_STANZA);
	assert_int_not_equal(r.last->els[2].ns, WIRE_NS_STANZA);
	assert_int_equal(r.last->els[3].ns, r.last->els[2].ns);
	assert_int_equal(rec_feed(&r, "<m xmlns='jabber:client'/>"), SCAN_OK);
	assert_int_not_equal(r.last->els[0].ns, WIRE_NS_STANZA);
	rec_fini(&r);
}

/* -- refusals ------------------------------------------------------------------------ */

static const struct {
	const char *in; /* behind the header, or a whole document when it begins with '!' */
	enum scan_error error;
} refused[] = {
	{"<a></b>", SCAN_NOT_WELL_FORMED},
	{"<a b=c/>", SCAN_NOT_WELL_FORMED},
	{"<a b='1' b='2'/>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", SCAN_NOT_WELL_FORMED},
	{"<a b='<'/>", SCAN_NOT_WELL_FORMED},
	{"<a>]]></a>", SCAN_NOT_WELL_FORMED},
	{"<p:a/>", SCAN_NOT_WELL_FORMED},
	{"<a p:b='1'/>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns:p=''/>", SCAN_NOT_WELL_FORMED},
	{"<a:b:c xmlns:a='u'/>", SCAN_NOT_WELL_FORMED},
	{"<xml:a/>", SCAN_NOT_WELL_FORMED},
	{"<a><xml:b/></a>", SCAN_NOT_WELL_FORMED},
	{"<xmlns:a/>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='http://www.w3.org/XML/1998/namespace'/>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='http://www.w3.org/2000/xmlns/'/>", SCAN_NOT_WELL_FORMED},
	{"<a>&nbsp;</a>", SCAN_NOT_WELL_FORMED},
	{"<a b='&nbsp;'/>", SCAN_NOT_WELL_FORMED},
	{"<a>&#0;</a>", SCAN_NOT_WELL_FORMED},
	{"<a>&#8;</a>", SCAN_NOT_WELL_FORMED},
	{"<a>&#xD800;</a>", SCAN_NOT_WELL_FORMED},
	{"<a>&#xFFFE;</a>", SCAN_NOT_WELL_FORMED},
	{"<a>&#xFFFF;</a>", SCAN_NOT_WELL_FORMED},
	{"<a>&#x110000;</a>", SCAN_NOT_WELL_FORMED},
	{"<a b='&#xFFFF;'/>", SCAN_NOT_WELL_FORMED},
	{"<a>\x01</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xC0\x80</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xC1\xBF</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xE0\x9F\xBF</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xED\xA0\x80</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xEF\xBF\xBE</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xEF\xBF\xBF</a>", SCAN_NOT_WELL_FORMED},
	{"<a b='\xEF\xBF\xBF'/>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='\xEF\xBF\xBF'/>", SCAN_NOT_WELL_FORMED},
	{"<a>\xF0\x8F\xBF\xBF</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xF4\x90\x80\x80</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xC3</a>", SCAN_NOT_WELL_FORMED},
	{"<a>\xFF</a>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='u\xFFx'/>", SCAN_NOT_WELL_FORMED},
	{"<a>\x80</a>", SCAN_NOT_WELL_FORMED},
	{"text<a/>", SCAN_NOT_WELL_FORMED},
	{"<?xml version='1.0'?><a/>", SCAN_NOT_WELL_FORMED},
	{"<a/></stream:stream><b/>", SCAN_NOT_WELL_FORMED},
	{"<!-- c --><a/>", SCAN_RESTRICTED_XML},
	{"<a><!-- c --></a>", SCAN_RESTRICTED_XML},
	{"<a><?pi x?></a>", SCAN_RESTRICTED_XML},
	{"<!DOCTYPE a><a/>", SCAN_NOT_WELL_FORMED},
	{"!<!DOCTYPE a><a/>", SCAN_RESTRICTED_XML},
	{"!<!DOCTYPE a [<!ENTITY b 'c'>", SCAN_RESTRICTED_XML},
	{"!<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", SCAN_RESTRICTED_XML},
	{"!<?pi x?><a/>", SCAN_RESTRICTED_XML},
	{"!<!-- c --><a/>", SCAN_RESTRICTED_XML},
	{"!<?xml version='1.0' encoding='ISO-8859-1'?><a/>", SCAN_UNSUPPORTED_ENCODING},
	{"!<?xml version='1.0' encoding='UTF-16'?><a/>", SCAN_UNSUPPORTED_ENCODING},
	{"!\xEF\xBB\xBF<a/>", SCAN_UNSUPPORTED_ENCODING},
	{"!\xFF\xFE<", SCAN_UNSUPPORTED_ENCODING},
	{"!\xFE\xFF", SCAN_UNSUPPORTED_ENCODING},
	{"!a", SCAN_NOT_WELL_FORMED},
	{"!GET / HTTP/1.1\r\n", SCAN_NOT_WELL_FORMED},
};

/* Every refusal whole, and byte by byte. */
static void test_refused(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < JD_ARRAY_SIZE(refused) * 2; i++) {
		const char *in = refused[i / 2].in;
		enum scan_error e = SCAN_OK;
		size_t n, step;

		rec_again(&r, SCAN_STREAM);
		if (*in == '!')
			in++;
		else
			assert_int_equal(rec_feed(&r, HEADER), SCAN_OK);
		n = strlen(in);
		step = i % 2 ? 1 : n;
		for (size_t at = 0; at < n && !e; at += step)
			e = scan_feed(r.s, in + at, step);
		if (!e)
			e = scan_flush(r.s);
		if (e != refused[i / 2].error)
			print_error("refused: %s\n", refused[i / 2].in);
		assert_int_equal(e, refused[i / 2].error);
		assert_int_equal(rec_feed(&r, "<a/>"), e); /* it sticks */
		assert_false(scan_park(r.s));
		assert_true(scan_memory(r.s) < 1024);
	}
	assert_int_equal(scan_feed((rec_again(&r, SCAN_STREAM), r.s), "<\0?\0", 4),
			 SCAN_UNSUPPORTED_ENCODING);
	assert_int_equal(scan_feed((rec_again(&r, SCAN_STREAM), r.s), "\0<\0?", 4),
			 SCAN_UNSUPPORTED_ENCODING);
	rec_again(&r, SCAN_STREAM);
	assert_int_equal(scan_feed(r.s, HEADER "<a>\0</a>", sizeof(HEADER) + 7),
			 SCAN_NOT_WELL_FORMED);
	rec_fini(&r);
}

static void test_conditions(void **state)
{
	(void)state;
	assert_string_equal(scan_error_condition(SCAN_RESTRICTED_XML), "restricted-xml");
	assert_string_equal(scan_error_condition(SCAN_POLICY_VIOLATION), "policy-violation");
	assert_string_equal(scan_error_condition(SCAN_INVALID_FRAME), "not-well-formed");
}

/* -- frames -------------------------------------------------------------------------- */

static const struct {
	const char *in;
	enum scan_error error;
} frames[] = {
	{"<a xmlns='jabber:client'><b/></a>", SCAN_OK},
	{"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", SCAN_OK},
	{"<a xmlns='u'/>", SCAN_OK},
	{"", SCAN_INVALID_FRAME},
	{" ", SCAN_INVALID_FRAME},
	{"x", SCAN_INVALID_FRAME},
	{"<a/>", SCAN_INVALID_FRAME},
	{"<a xmlns=''/>", SCAN_INVALID_FRAME},
	{" <a xmlns='u'/>", SCAN_INVALID_FRAME},
	{"<a xmlns='u'/> ", SCAN_INVALID_FRAME},
	{"<a xmlns='u'/>x", SCAN_INVALID_FRAME},
	{"<a xmlns='u'/><b xmlns='u'/>", SCAN_INVALID_FRAME},
	{"<a xmlns='u'>", SCAN_INVALID_FRAME},
	{"<a xmlns='u'><b></a", SCAN_INVALID_FRAME},
	{"<a xmlns='u'", SCAN_INVALID_FRAME},
	{"<?xml version='1.0'?><a xmlns='u'/>", SCAN_INVALID_FRAME},
	{"</f>", SCAN_INVALID_FRAME},
	{"</f><f>", SCAN_INVALID_FRAME},
	{"</x>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='u'></f>", SCAN_NOT_WELL_FORMED},
	{"<a xmlns='u'/></f>", SCAN_INVALID_FRAME},
	{"<!-- x --><a xmlns='u'/>", SCAN_RESTRICTED_XML},
	{"<!DOCTYPE a><a xmlns='u'/>", SCAN_NOT_WELL_FORMED},
	{"<p:a/>", SCAN_NOT_WELL_FORMED},
};

static void test_framed(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_FRAMED);
	for (size_t i = 0; i < JD_ARRAY_SIZE(frames); i++) {
		rec_again(&r, SCAN_FRAMED);
		assert_int_equal(rec_feed(&r, "<x xmlns:p='p' xmlns='jabber:client'/>"), SCAN_OK);
		if (rec_feed(&r, frames[i].in) != frames[i].error)
			print_error("frame: %s\n", frames[i].in);
		assert_int_equal(rec_feed(&r, frames[i].in), frames[i].error);
		assert_int_equal(r.elements, frames[i].error ? 1 : 3);
		assert_true(frames[i].error || scan_park(r.s));
	}
	rec_again(&r, SCAN_FRAMED);
	assert_int_equal(rec_feed(&r, frames[0].in), SCAN_OK);
	rec_is(&r, "E(<a><b/></a>)");
	rec_fini(&r);
}

/* -- bounds --------------------------------------------------------------------------- */

static enum scan_error with_limits(const struct scan_limits *l, const char *stanza, size_t step)
{
	size_t n = strlen(stanza);
	enum scan_error e;
	struct rec r;

	rec_init(&r, SCAN_STREAM);
	assert_int_equal(rec_feed(&r, "<s xmlns='jabber:client'>"), SCAN_OK);
	scan_limits(r.s, l);
	e = rec_feed(&r, "<ok/>  ");
	for (size_t at = 0; at < n && !e; at += step)
		e = scan_feed(r.s, stanza + at, n - at < step ? n - at : step);
	if (!e)
		e = scan_flush(r.s);
	assert_int_equal(r.elements, e ? 1 : 2);
	rec_fini(&r);
	return e;
}

static void bound(size_t *limit, struct scan_limits *l, size_t at, const char *stanza)
{
	static const size_t steps[] = {1, 7, 1u << 20};

	for (size_t i = 0; i < JD_ARRAY_SIZE(steps); i++) {
		*limit = at;
		assert_int_equal(with_limits(l, stanza, steps[i]), SCAN_OK);
		*limit = at - 1;
		assert_int_equal(with_limits(l, stanza, steps[i]), SCAN_POLICY_VIOLATION);
	}
	*limit = 100000;
}

static void test_bounds(void **state)
{
	struct scan_limits l = {100000, 100000, 100, 100, 100, 100000};
	const char *stanza = "<a b='12345678901234567890' c='1' d='2'><e><f/></e>"
			     "<g xmlns='" NS_TEXT_128 "'/><h/></a>";
	char *text = mem_alloc(20001);

	(void)state;
	bound(&l.stanza_bytes, &l, strlen(stanza), stanza);
	bound(&l.ns_bytes, &l, 128, stanza);
	bound(&l.tag_bytes, &l, strlen("<g xmlns='" NS_TEXT_128 "'/>"), stanza);
	for (unsigned i = 0; i < 2; i++) {
		enum scan_error want = i ? SCAN_POLICY_VIOLATION : SCAN_OK;

		l.depth = 3 - i;
		assert_int_equal(with_limits(&l, stanza, 5), want);
		l.depth = 100;
		l.attrs = 3 - i;
		assert_int_equal(with_limits(&l, stanza, 5), want);
		l.attrs = 100;
		l.elements = 5 - i;
		assert_int_equal(with_limits(&l, stanza, 5), want);
		l.elements = 100;
	}
	memset(text, 't', 20000);
	memcpy(text, "<a>", 3);
	memcpy(text + 19996, "</a>", 5);
	bound(&l.stanza_bytes, &l, 20000, text);
	mem_free(text);
}

/* A tag that is not finished yet is measured from its '<', whatever stood in front of it. */
static void test_tag_growing(void **state)
{
	static const char *const fronts[] = {"", "<a>", "<a><b/>t", "<a>&lt;", "<a><![CDATA[x]]>"};
	struct scan_limits l = {100000, 100, 100, 100, 100, 100000};
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < JD_ARRAY_SIZE(fronts); i++) {
		rec_again(&r, SCAN_STREAM);
		scan_limits(r.s, &l);
		assert_int_equal(rec_feed(&r, "<s xmlns='jabber:client'>"), SCAN_OK);
		assert_int_equal(rec_feed(&r, fronts[i]), SCAN_OK);
		assert_int_equal(scan_flush(r.s), SCAN_OK);
		assert_int_equal(rec_feed(&r, "<tag a='"), SCAN_OK);
		for (unsigned n = 8; n < 100; n++) {
			assert_int_equal(rec_feed(&r, "x"), SCAN_OK);
			assert_int_equal(scan_flush(r.s), SCAN_OK);
		}
		if (rec_feed(&r, "x") == SCAN_OK)
			assert_int_equal(scan_flush(r.s), SCAN_POLICY_VIOLATION);
		assert_int_equal(scan_flush(r.s), SCAN_POLICY_VIOLATION);
	}
	rec_fini(&r);
}

/* What never ends is noticed while it is still small. */
static void test_unfinished(void **state)
{
	static const char *const starts[] = {"<a>",
					     "<a b='",
					     "<",
					     "<!--",
					     "<a><![CDATA[",
					     "<a>&",
					     "</stream:stream",
					     "<a b='>>>>>>>>>>>>>>"};
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < JD_ARRAY_SIZE(starts); i++) {
		size_t fed = 0;

		rec_again(&r, SCAN_STREAM);
		assert_int_equal(rec_feed(&r, HEADER), SCAN_OK);
		assert_int_equal(rec_feed(&r, starts[i]), SCAN_OK);
		while (rec_feed(&r, "aaaaaaaaaaaaaaaa") == SCAN_OK) {
			fed += 16;
			assert_true(fed < 20000);
			assert_true(scan_memory(r.s) < 100000);
		}
		assert_true(rec_feed(&r, "a") == SCAN_POLICY_VIOLATION ||
			    rec_feed(&r, "a") == SCAN_NOT_WELL_FORMED);
	}
	rec_again(&r, SCAN_STREAM);
	assert_int_equal(rec_feed(&r, "<stream"), SCAN_OK);
	for (size_t fed = 0; rec_feed(&r, " aaaaaaaaaaaa='>") == SCAN_OK; fed += 16)
		assert_true(fed < 20000);
	rec_fini(&r);
}

/* Keep-alives may come for ever, between stanzas and in front of the header. */
static void test_keepalive(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(rec_feed(&r, " "), SCAN_OK);
	assert_int_equal(rec_feed(&r, HEADER), SCAN_OK);
	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(rec_feed(&r, "\n \t\r"), SCAN_OK);
	assert_int_equal(rec_feed(&r, "<a/> "), SCAN_OK);
	assert_true(scan_park(r.s));
	assert_true(scan_memory(r.s) < 1024);
	assert_int_equal(rec_feed(&r, " "), SCAN_OK);
	assert_true(scan_memory(r.s) < 1024);
	assert_int_equal(rec_feed(&r, " <a>"), SCAN_OK);
	assert_false(scan_park(r.s));
	assert_int_equal(rec_feed(&r, "</a></stream:stream> "), SCAN_OK);
	assert_int_equal(r.elements, 2);
	rec_fini(&r);
}

/* -- memory ---------------------------------------------------------------------------- */

static void test_memory_back(void **state)
{
	enum { COUNT = 1000 };
	struct scan_pool_stats stats;
	struct scan *all[COUNT];
	size_t each, warm = (size_t)256 * 1024;
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < COUNT; i++) {
		all[i] = scan_new(r.pool, SCAN_STREAM, JD_NS_STANZA, &rec_events, &r);
		assert_int_equal(scan_feed(all[i], HEADER "<a/>", strlen(HEADER "<a/>")), SCAN_OK);
	}
	scan_pool_stats(r.pool, &stats);
	assert_int_equal(stats.parsers, COUNT);
	each = stats.bytes / COUNT;
	assert_in_range(each, 8192, 32768);
	for (size_t i = 0; i < COUNT; i += 2)
		assert_true(scan_park(all[i]));
	scan_pool_stats(r.pool, &stats);
	assert_int_equal(stats.parsers, COUNT / 2);
	assert_true(stats.bytes <= (COUNT / 2 + 16) * each + warm);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(scan_feed(all[i], "<stream:a/>", 11), SCAN_OK);
		scan_free(all[i]);
	}
	assert_int_equal(r.elements, COUNT * 2);
	scan_pool_stats(r.pool, &stats);
	assert_int_equal(stats.parsers, 0);
	assert_int_equal(stats.pooled, 16);
	assert_true(stats.bytes <= 16 * each + warm);
	rec_fini(&r);
}

/* expat remembers each name for ever; the scanner must not. Never in step with the stanzas. */
static void test_fresh_names(void **state)
{
	struct scan_pool_stats stats;
	char chunk[256], name[64];
	size_t most = 0;
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	assert_int_equal(rec_feed(&r, HEADER "<begin"), SCAN_OK);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "a-name-never-seen-before-%u", i);
		snprintf(chunk, sizeof(chunk), "/><stream:%s b%s='1'/><next", name, name);
		assert_int_equal(rec_feed(&r, chunk), SCAN_OK);
		scan_pool_stats(r.pool, &stats);
		most = stats.bytes > most ? stats.bytes : most;
		r.log.len = 0;
	}
	assert_int_equal(rec_feed(&r, "/></stream:stream>"), SCAN_OK);
	rec_is(&r, "E(<next/>)C");
	assert_int_equal(r.elements, 20001);
	assert_true(most < 512 * 1024);
	rec_fini(&r);
}

/* One stanza that fills the parser with names meets the cap. */
static void test_parser_cap(void **state)
{
	struct scan_limits l = {(size_t)64 << 20, 16384, 128, 64, 1u << 20, 512};
	struct scan_pool_stats stats;
	enum scan_error e;
	unsigned names = 0;
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	scan_limits(r.s, &l);
	assert_int_equal(rec_feed(&r, HEADER "<a>"), SCAN_OK);
	do {
		char tag[2048];
		int n = snprintf(tag, sizeof(tag), "<b");

		for (unsigned i = 0; i < 40; i++)
			n += snprintf(tag + n, sizeof(tag) - (size_t)n, " attribute%u=''", names++);
		snprintf(tag + n, sizeof(tag) - (size_t)n, "/>");
		e = rec_feed(&r, tag);
		scan_pool_stats(r.pool, &stats);
		assert_true(stats.bytes <= ((size_t)4 << 20) + 256 * 1024);
		assert_true(names < 1000000);
	} while (e == SCAN_OK);
	assert_int_equal(e, SCAN_RESOURCE_CONSTRAINT);
	assert_true(scan_memory(r.s) < 1024);
	rec_fini(&r);
}

/* A namespace that prefixes had kept short is written again and again: what goes out has the
 * same bound as what comes in. */
static void test_expansion(void **state)
{
	static const struct scan_limits l = {20000, 16384, 128, 64, 4096, 512};
	static const struct {
		unsigned pairs;
		enum scan_error e;
	} rows[] = {{20, SCAN_OK}, {200, SCAN_POLICY_VIOLATION}};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
		char ns[201], text[8192];
		enum scan_error e;
		struct rec r;
		int n;

		memset(ns, 'u', 200);
		ns[200] = '\0';
		rec_init(&r, SCAN_STREAM);
		assert_int_equal(rec_feed(&r, HEADER), SCAN_OK);
		scan_limits(r.s, &l);
		n = snprintf(text, sizeof(text), "<message><x xmlns='v' xmlns:p='%s'>", ns);
		for (unsigned k = 0; k < rows[i].pairs; k++)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "<p:a/><b/>");
		snprintf(text + n, sizeof(text) - (size_t)n, "</x></message>");
		e = rec_feed(&r, text);
		assert_int_equal(e, rows[i].e);
		assert_int_equal(r.elements, e == SCAN_OK);
		rec_fini(&r);
	}
}

static void test_tells_unfinished(void **state)
{
	static const struct {
		const char *bytes;
		bool unfinished;
	} rows[] = {{"", false},
		    {"<?xml version='1.0'?>", false},
		    {HEADER, false},
		    {HEADER " \n", false},
		    {HEADER "<", true},
		    {HEADER "<message", true},
		    {HEADER "<message>", true},
		    {HEADER "<message><body>text</body>", true},
		    {HEADER "<message/>", false},
		    {HEADER "<message/></stream:st", true},
		    {HEADER "<a></b>", false}};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
		struct rec r;

		rec_init(&r, SCAN_STREAM);
		if (*rows[i].bytes)
			(void)rec_feed(&r, rows[i].bytes);
		if (scan_unfinished(r.s) != rows[i].unfinished)
			fail_msg("%s", rows[i].bytes);
		rec_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),        cmocka_unit_test(test_stream),
		cmocka_unit_test(test_content_ns),       cmocka_unit_test(test_refused),
		cmocka_unit_test(test_conditions),       cmocka_unit_test(test_framed),
		cmocka_unit_test(test_bounds),           cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_tag_growing),      cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_memory_back),      cmocka_unit_test(test_fresh_names),
		cmocka_unit_test(test_parser_cap),       cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_tells_unfinished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
