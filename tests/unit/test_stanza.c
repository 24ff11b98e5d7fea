/* SPDX-License-Identifier: MIT
 *
 * Stanzas: what is read from a received root, lifetimes, edits, and those of our
 * own making.
 */
#include "net/link.h"
#include "xmpp_fixture.h"

#include "util/arena.h"
#include "util/mem.h"
#include "xmpp/delay.h"

/* -- reading -------------------------------------------------------------------- */

struct meta_case {
	const char *xml;
	enum jd_kind kind;
	enum jd_type type;
};

static const struct meta_case types[] = {
	{"<message/>", JD_MESSAGE, JD_TYPE_NONE},
	{"<message type='normal'/>", JD_MESSAGE, JD_TYPE_NONE},
	{"<message type='chat'/>", JD_MESSAGE, JD_TYPE_CHAT},
	{"<message type='groupchat'/>", JD_MESSAGE, JD_TYPE_GROUPCHAT},
	{"<message type='headline'/>", JD_MESSAGE, JD_TYPE_HEADLINE},
	{"<message type='error'/>", JD_MESSAGE, JD_TYPE_ERROR},
	{"<message type='get'/>", JD_MESSAGE, JD_TYPE_NONE},
	{"<message type=''/>", JD_MESSAGE, JD_TYPE_NONE},
	{"<message type='CHAT'/>", JD_MESSAGE, JD_TYPE_NONE},
	{"<presence/>", JD_PRESENCE, JD_TYPE_NONE},
	{"<presence type='unavailable'/>", JD_PRESENCE, JD_TYPE_UNAVAILABLE},
	{"<presence type='subscribe'/>", JD_PRESENCE, JD_TYPE_SUBSCRIBE},
	{"<presence type='subscribed'/>", JD_PRESENCE, JD_TYPE_SUBSCRIBED},
	{"<presence type='unsubscribe'/>", JD_PRESENCE, JD_TYPE_UNSUBSCRIBE},
	{"<presence type='unsubscribed'/>", JD_PRESENCE, JD_TYPE_UNSUBSCRIBED},
	{"<presence type='probe'/>", JD_PRESENCE, JD_TYPE_PROBE},
	{"<presence type='error'/>", JD_PRESENCE, JD_TYPE_ERROR},
	{"<presence type='available'/>", JD_PRESENCE, JD_TYPE_INVALID},
	{"<presence type='chat'/>", JD_PRESENCE, JD_TYPE_INVALID},
	{"<iq id='1' type='get'><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_GET},
	{"<iq id='1' type='set'><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_SET},
	{"<iq id='1' type='set'> <a xmlns='b'/> </iq>", JD_IQ, JD_TYPE_SET},
	{"<iq id='1' type='result'/>", JD_IQ, JD_TYPE_RESULT},
	{"<iq id='1' type='error'/>", JD_IQ, JD_TYPE_ERROR},
	{"<iq id='1'/>", JD_IQ, JD_TYPE_INVALID},
	{"<iq id='1' type='chat'><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_INVALID},
	{"<iq type='get'><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_INVALID},
	{"<iq id='1' type='get'/>", JD_IQ, JD_TYPE_INVALID},
	{"<iq id='1' type='set'><a xmlns='b'/><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_INVALID},
	/* Answers stay answers, or an error would be answered by an error. */
	{"<iq type='error'/>", JD_IQ, JD_TYPE_ERROR},
	{"<iq type='result'/>", JD_IQ, JD_TYPE_RESULT},
	{"<iq id='1' type='result'><a xmlns='b'/><a xmlns='b'/></iq>", JD_IQ, JD_TYPE_RESULT},
};

static void test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(types); i++) {
		struct jd_stanza *st = fx_stanza(types[i].xml);

		if (st->kind != types[i].kind || st->type != types[i].type)
			fail_msg("%s: %d %d", types[i].xml, (int)st->kind, (int)st->type);
		jd_stanza_unref(st);
	}
}

static void test_type_names(void **state)
{
	(void)state;
	assert_string_equal(stanza_kind_name(JD_IQ), "iq");
	assert_string_equal(stanza_type_name(JD_IQ, JD_TYPE_RESULT), "result");
	assert_string_equal(stanza_type_name(JD_MESSAGE, JD_TYPE_ERROR), "error");
	assert_string_equal(stanza_type_name(JD_PRESENCE, JD_TYPE_PROBE), "probe");
	assert_null(stanza_type_name(JD_MESSAGE, JD_TYPE_NONE));
	assert_null(stanza_type_name(JD_MESSAGE, JD_TYPE_GET));
	assert_null(stanza_type_name(JD_IQ, JD_TYPE_INVALID));
	assert_null(stanza_type_name(JD_IQ, JD_TYPE_CHAT));
}

static const struct {
	const char *content_ns, *xml;
	int result;
} roots[] = {
	{JD_NS_STANZA, "<r xmlns='urn:xmpp:sm:3'/>", 1},
	{JD_NS_STANZA, "<foo/>", 1},
	{JD_NS_STANZA, "<message xmlns='urn:x'/>", 1},
	{JD_NS_STANZA, "<message xmlns='jabber:server'/>", 1},
	{JD_NS_STANZA, "<message xmlns='jabber:client'/>", 0},
	{JD_NS_STANZA, "<x:message xmlns:x='jabber:client'/>", 0},
	{JD_NS_SERVER, "<message/>", 0},
	{JD_NS_SERVER, "<message xmlns='jabber:server'/>", 0},
	{JD_NS_SERVER, "<message xmlns='jabber:client'/>", 1},
	{JD_NS_COMPONENT, "<iq type='result' id='1'/>", 0},
};

static void test_roots(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(roots); i++) {
		int r;
		struct jd_wire *w = fx_wire(roots[i].content_ns, roots[i].xml, 10, &r);

		if (r != roots[i].result)
			fail_msg("%s: %d", roots[i].xml, r);
		assert_int_equal(w->meta.flags, r ? WIRE_NO_STANZA : 0);
		wire_unref(w);
	}
}

static void test_meta_fields(void **state)
{
	struct jd_wire *w =
		fx_wire(JD_NS_STANZA,
			"<message from='JULIET@Example.com/Balcony' to='Romeo@example.NET' "
			"id='a&apos;b' type='chat' xml:lang='de'/>",
			10, NULL);

	(void)state;
	assert_int_equal(w->meta.flags, 0);
	assert_true(jd_str_is(jd_jid_str(w->meta.from), "juliet@example.com/Balcony"));
	assert_true(jd_str_is(jd_jid_str(w->meta.to), "romeo@example.net"));
	assert_true(jd_str_is(w->meta.id, "a'b"));
	assert_true(jd_str_is(w->meta.lang, "de"));
	wire_unref(w);

	w = fx_wire(JD_NS_STANZA, "<message from='a@' to='@b'/>", 10, NULL);
	assert_int_equal(w->meta.flags, WIRE_BAD_FROM | WIRE_BAD_TO);
	assert_false(jd_jid_ok(w->meta.from));
	assert_false(jd_jid_ok(w->meta.to));
	assert_null(w->meta.id.p);
	wire_unref(w);
}

static const struct {
	const char *xml;
	bool long_body;
} bodies[] = {
	{"<message><body>0123456789</body></message>", false},
	{"<message><body>0123456789a</body></message>", true},
	{"<message><body>&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;</body></message>",
	 false},
	{"<message><body>&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;&amp;.</body></message>",
	 true},
	{"<message><body>\U0001f600\U0001f600\U0001f600\U0001f600\U0001f600"
	 "\U0001f600\U0001f600\U0001f600\U0001f600\U0001f600</body></message>",
	 false},
	{"<message><body>ok</body><body xml:lang='de'>0123456789a</body></message>", true},
	{"<message><body xmlns='urn:x'>0123456789a</body></message>", false},
	{"<message><subject>0123456789a</subject></message>", false},
	{"<message><x xmlns='urn:x'><body xmlns='jabber:client'>0123456789a</body></x></message>",
	 false},
	{"<presence><body>0123456789a</body></presence>", false},
};

static void test_long_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(bodies); i++) {
		struct jd_wire *w = fx_wire(JD_NS_STANZA, bodies[i].xml, 10, NULL);

		if ((w->meta.flags == WIRE_LONG_BODY) != bodies[i].long_body)
			fail_msg("%s: flags %u", bodies[i].xml, w->meta.flags);
		wire_unref(w);
	}
}

/* -- life ------------------------------------------------------------------------- */

static unsigned freed;

static void count_free(struct stanza *self)
{
	assert_int_equal(self->refs, 0);
	freed++;
}

static void test_refs(void **state)
{
	struct jd_stanza *st = fx_stanza("<message to='a@b'><body>x</body></message>");

	(void)state;
	freed = 0;
	stanza_of(st)->on_free = count_free;
	assert_ptr_equal(jd_stanza_ref(st), st);
	jd_stanza_unref(st);
	assert_int_equal(freed, 0);
	assert_true(jd_str_is(jd_jid_str(st->to), "a@b"));
	/* More than the embedded memory holds is freed with it. */
	for (int i = 0; i < 100; i++)
		jd_arena_alloc(st->arena, 100);
	jd_stanza_unref(st);
	assert_int_equal(freed, 1);
	jd_stanza_unref(NULL);
}

static void add(struct jd_stanza *st, const char *ns, const char *name, const char *text)
{
	struct jd_xml *x = jd_stanza_add(st);

	jd_xml_leaf(x, ns, name, jd_cstr(text));
	jd_stanza_added(st, x);
}

static void test_clone(void **state)
{
	struct jd_stanza *st = fx_stanza("<message from='a@b' to='c@d'><body>x</body></message>");
	struct jd_stanza *copy, *copy2;

	(void)state;
	stanza_of(st)->on_free = count_free;
	jd_stanza_set_from(st, fx_jid(st->arena, "e@f/g"));
	add(st, "urn:x", "y", "1");
	assert_true(st->row.owner == 0);
	jd_stanza_set_row(st, 7, 3);
	copy = stanza_clone(st);
	assert_null(stanza_of(copy)->on_free);
	jd_stanza_set_to(copy, fx_jid(copy->arena, "h@i"));
	assert_true(copy->row.owner == 7 && copy->row.id == 3);
	add(copy, "urn:x", "y", "2");
	add(st, "urn:x", "y", "3");
	copy2 = stanza_clone(copy);
	fx_expect(st, STANZA_STREAM,
		  "<message to='c@d' from='e@f/g'><body>x</body><y xmlns='urn:x'>1</y>"
		  "<y xmlns='urn:x'>3</y></message>");
	jd_stanza_unref(st);
	jd_stanza_unref(copy);
	fx_expect(copy2, STANZA_STREAM,
		  "<message to='h@i' from='e@f/g'><body>x</body><y xmlns='urn:x'>1</y>"
		  "<y xmlns='urn:x'>2</y></message>");
	jd_stanza_unref(copy2);
}

static void test_size(void **state)
{
	struct jd_stanza *st = fx_stanza("<message from='a@b' to='c@d'><body>x</body></message>");
	struct jd_stanza *kept = stanza_keep(st);
	char text[4001];
	size_t before = jd_stanza_size(kept);

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add(kept, "urn:x", "y", text);
	assert_in_range(jd_stanza_size(kept), before + 4000, before + 4200);
	assert_int_equal(jd_stanza_size(st), before);
	jd_stanza_unref(st);
	jd_stanza_unref(kept);
}

/* -- edits -------------------------------------------------------------------------- */

static bool is_named(struct jd_el child, const void *arg)
{
	return jd_el_is(child, NULL, arg);
}

static bool is_sid_by(struct jd_el child, const void *arg)
{
	return jd_el_is(child, JD_NS_SID, "stanza-id") && jd_str_is(jd_el_attr(child, "by"), arg);
}

static void test_remove(void **state)
{
	struct jd_stanza *st =
		fx_stanza("<message xmlns:p='urn:p' to='a@b' p:q='1&apos;2' from='c@d' id='i'> "
			  "<stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='1'/>t&lt;]]&gt;"
			  "<body>x</body>"
			  "<stanza-id xmlns='urn:xmpp:sid:0' by='c@d' id='2'/>"
			  "<stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='3'/>&amp;</message>");
	struct jd_str id = st->id;
	struct jd_jid to = st->to;

	(void)state;
	assert_int_equal(jd_stanza_remove(st, is_sid_by, "x@y"), 0);
	assert_null(stanza_of(st)->retired);
	assert_int_equal(jd_stanza_remove(st, is_sid_by, "a@b"), 2);
	fx_expect(st, STANZA_STREAM,
		  "<message to='a@b' from='c@d' id='i' xmlns:n1='urn:p' n1:q='1&apos;2'> "
		  "t&lt;]]&gt;<body>x</body>"
		  "<stanza-id xmlns='urn:xmpp:sid:0' by='c@d' id='2'/>&amp;</message>");
	/* What was read before the edit is still there. */
	assert_true(jd_str_is(id, "i"));
	assert_true(jd_str_is(jd_jid_str(to), "a@b"));
	assert_int_equal(jd_stanza_remove(st, is_named, "body"), 1);
	assert_int_equal(jd_stanza_remove(st, is_named, "stanza-id"), 1);
	fx_expect(st, STANZA_STREAM,
		  "<message to='a@b' from='c@d' id='i' xmlns:n1='urn:p' n1:q='1&apos;2'> "
		  "t&lt;]]&gt;&amp;</message>");
	jd_stanza_unref(st);
}

static void test_remove_everything(void **state)
{
	struct jd_stanza *st = fx_stanza("<message type='normal'><body>x</body></message>");

	(void)state;
	add(st, NULL, "thread", "t");
	assert_int_equal(jd_stanza_remove(st, is_named, "thread"), 1);
	assert_int_equal(jd_stanza_remove(st, is_named, "body"), 1);
	fx_expect(st, STANZA_STREAM, "<message type='normal'/>");
	add(st, NULL, "thread", "t");
	fx_expect(st, STANZA_STREAM, "<message type='normal'><thread>t</thread></message>");
	jd_stanza_unref(st);
}

static void test_add_and_read(void **state)
{
	struct jd_stanza *st = fx_stanza("<message id='1'><body>x</body></message>");
	struct jd_el before = jd_stanza_root(st), el;
	struct jd_xml *x;

	(void)state;
	assert_false(jd_el_ok(jd_el_child(before, JD_NS_SID, "stanza-id")));
	x = jd_stanza_add(st);
	jd_xml_start(x, JD_NS_SID, "stanza-id");
	jd_xml_attr(x, "id", JD_STR("a'b"));
	jd_xml_end(x);
	jd_stanza_added(st, x);
	jd_stanza_set_to(st, fx_jid(st->arena, "a@b"));
	el = jd_el_child(jd_stanza_root(st), JD_NS_SID, "stanza-id");
	assert_true(jd_str_is(jd_el_attr(el, "id"), "a'b"));
	assert_null(stanza_of(st)->tail);
	/* The older view still shows the older state. */
	assert_true(jd_el_is(before, JD_NS_STANZA, "message"));
	assert_true(jd_el_ok(jd_el_child(before, JD_NS_STANZA, "body")));
	assert_true(jd_str_is(jd_el_attr(jd_stanza_root(st), "to"), "a@b"));
	fx_expect(st, STANZA_STREAM,
		  "<message to='a@b' id='1'><body>x</body>"
		  "<stanza-id xmlns='urn:xmpp:sid:0' id='a&apos;b'/></message>");
	/* Nothing written, nothing added. */
	jd_stanza_added(st, jd_stanza_add(st));
	assert_null(stanza_of(st)->tail);
	jd_stanza_unref(st);
}

static void test_add_too_much(void **state)
{
	struct jd_stanza *st = fx_stanza("<message><body>x</body></message>");
	struct jd_xml *x = jd_stanza_add(st);
	char *big = calloc(1, 3 << 20);

	(void)state;
	memset(big, 'x', (3 << 20) - 1);
	jd_xml_leaf(x, "urn:x", "y", jd_cstr(big));
	jd_stanza_added(st, x);
	fx_expect(st, STANZA_STREAM, "<message><body>x</body></message>");
	free(big);
	jd_stanza_unref(st);
}

/* -- our own -------------------------------------------------------------------------- */

static void test_build_nested(void **state)
{
	struct jd_arena arena;
	struct jd_stanza *a, *b;
	struct jd_xml *xa, *xb;
	char id[] = "id1";

	(void)state;
	arena_init(&arena, NULL, 0);
	xa = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_CHAT, fx_jid(&arena, "a@b/'"),
			  fx_jid(&arena, "c@d"), jd_cstr(id));
	jd_xml_leaf(xa, NULL, "body", JD_STR("1 < 2"));
	arena_fini(&arena);
	arena_init(&arena, NULL, 0);
	memset(id, '-', sizeof(id) - 1);
	xb = stanza_build(NULL, JD_IQ, JD_TYPE_RESULT, JD_JID_NULL, fx_jid(&arena, "e@f"),
			  JD_STR("2"));
	b = stanza_built(xb);
	xb = stanza_build(fx_pool, JD_PRESENCE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
			  JD_STR_NULL);
	stanza_abandon(xb);
	stanza_abandon(NULL);
	jd_xml_start(xa, "urn:x", "y");
	jd_xml_end(xa);
	a = stanza_built(xa);
	fx_expect(b, STANZA_STREAM, "<iq to='e@f' id='2' type='result'/>");
	fx_expect(a, STANZA_STREAM,
		  "<message to='c@d' from='a@b/&apos;' id='id1' type='chat'>"
		  "<body>1 &lt; 2</body><y xmlns='urn:x'/></message>");
	assert_int_equal(a->type, JD_TYPE_CHAT);
	assert_true(jd_str_is(jd_jid_resource(a->from), "'"));
	assert_true(jd_str_is(a->id, "id1"));
	assert_true(jd_str_is(jd_el_attr(jd_stanza_root(a), "from"), "a@b/'"));
	jd_stanza_unref(a);
	jd_stanza_unref(b);
	arena_fini(&arena);
}

static void test_build_refused(void **state)
{
	char *big = calloc(1, 3 << 20);
	struct jd_xml *x;
	struct jd_stanza *st;

	(void)state;
	memset(big, 'x', (3 << 20) - 1);
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	jd_xml_leaf(x, NULL, "body", jd_cstr(big));
	assert_null(stanza_built(x));
	/* An element that was not ended. */
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	jd_xml_start(x, NULL, "body");
	assert_null(stanza_built(x));
	/* The writer is as good as new. */
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	st = stanza_built(x);
	fx_expect(st, STANZA_STREAM, "<message/>");
	jd_stanza_unref(st);
	free(big);
}

/* Whichever allocation is refused: no stanza, or a whole one. */
static void test_build_no_memory(void **state)
{
	struct jd_str text;
	char *big = malloc(100000);
	bool done = false;

	(void)state;
	memset(big, 'x', 100000);
	text = (struct jd_str){big, 100000};
	for (unsigned long n = 1; !done; n++) {
		struct jd_xml *x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL,
						JD_JID_NULL, JD_STR_NULL);
		struct jd_stanza *st;

		mem_fail_at(n);
		jd_xml_leaf(x, NULL, "body", text);
		st = stanza_built(x);
		mem_fail_at(0);
		if (st) {
			done = true;
			assert_true(n > 1);
			assert_int_equal(jd_el_text_chars(jd_el_first(jd_stanza_root(st))),
					 text.len);
		}
		jd_stanza_unref(st);
		assert_in_range(n, 1, 100);
	}
	free(big);
}

static void test_forward(void **state)
{
	struct jd_stanza *st = fx_stanza("<message to='a@b' type='chat' id='1' xml:lang='de'>"
					 "<body>x</body><y xmlns='urn:x'><z/></y></message>");
	struct jd_xml *x;
	struct jd_stanza *fwd;
	struct jd_el el;

	(void)state;
	jd_stanza_set_from(st, fx_jid(st->arena, "c@d/e"));
	add(st, "urn:y", "w", "");
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	jd_xml_start(x, "urn:xmpp:forward:0", "forwarded");
	delay_write(x, JD_JID_NULL, 0);
	jd_stanza_write(st, x);
	jd_xml_end(x);
	fwd = stanza_built(x);
	fx_expect(fwd, STANZA_STREAM,
		  "<message><forwarded xmlns='urn:xmpp:forward:0'>"
		  "<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/>"
		  "<message xmlns='jabber:client' to='a@b' from='c@d/e' id='1' type='chat' "
		  "xml:lang='de'><body>x</body><y xmlns='urn:x'><z/></y><w xmlns='urn:y'/>"
		  "</message></forwarded></message>");
	assert_non_null(stanza_of(st)->tail);
	el = jd_el_child(jd_stanza_root(fwd), "urn:xmpp:forward:0", "forwarded");
	el = jd_el_child(el, "jabber:client", "message");
	assert_true(jd_str_is(jd_el_attr(el, "from"), "c@d/e"));
	assert_true(jd_el_ok(jd_el_child(el, "jabber:client", "body")));
	jd_stanza_unref(fwd);
	jd_stanza_unref(st);
}

/* It is not seen, and stays what it is when something is taken out beside it. */
static void test_forward_stored(void **state)
{
	static const char stored[] =
		"<message xmlns='jabber:client' to='a@b'><body>x &amp; y</body>"
		"<y xmlns='urn:x' n1:a='&lt;' xmlns:n1='urn:z'/></message>";
	static const char *const wrong[] = {"", "<", "x>", "<x"};
	struct jd_xml *x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
					JD_STR_NULL);
	struct jd_stanza *fwd;
	struct jd_el el;

	(void)state;
	jd_xml_start(x, "urn:xmpp:forward:0", "forwarded");
	delay_write(x, JD_JID_NULL, 0);
	jd_xml_stored(x, jd_cstr(stored));
	jd_xml_end(x);
	fwd = stanza_built(x);
	add(fwd, "urn:y", "w", "");
	assert_int_equal(jd_stanza_remove(fwd, is_named, "w"), 1);
	fx_expect(
		fwd, STANZA_STREAM,
		"<message><forwarded xmlns='urn:xmpp:forward:0'>"
		"<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/>"
		"<message xmlns='jabber:client' to='a@b'><body>x &amp; y</body>"
		"<y xmlns='urn:x' n1:a='&lt;' xmlns:n1='urn:z'/></message></forwarded></message>");
	el = jd_el_child(jd_stanza_root(fwd), "urn:xmpp:forward:0", "forwarded");
	assert_false(jd_el_ok(jd_el_next(jd_el_first(el))));
	jd_stanza_unref(fwd);
	for (size_t i = 0; i < JD_ARRAY_SIZE(wrong); i++) {
		x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
				 JD_STR_NULL);
		jd_xml_start(x, "urn:xmpp:forward:0", "forwarded");
		jd_xml_stored(x, jd_cstr(wrong[i]));
		jd_xml_end(x);
		assert_null(stanza_built(x));
	}
}

/* What may come in may go on within something else, however much index it needs. */
static void test_forward_largest(void **state)
{
	size_t max = scan_limits_after.stanza_bytes, n;
	char *text = malloc(max + 1);
	struct jd_stanza *st, *fwd;
	struct jd_xml *x;

	(void)state;
	n = (size_t)snprintf(text, max, "<message><body>");
	memset(text + n, 'x', max - n);
	n = max - strlen("</body></message>") - 4000 * strlen("<y z='' t=''/>");
	for (int i = 0; i < 4000; i++)
		n += (size_t)snprintf(text + n, max - n, "%s<y z='' t=''/>", i ? "" : "</body>");
	snprintf(text + n, max + 1 - n, "</message>");
	st = fx_stanza(text);
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	jd_xml_start(x, "urn:xmpp:forward:0", "forwarded");
	jd_stanza_write(st, x);
	jd_xml_end(x);
	fwd = stanza_built(x);
	assert_non_null(fwd);
	assert_true(stanza_out_size(fwd, STANZA_FRAMED) + STANZA_SENT_MAX + PIECE_COST <=
		    LINK_HARD_BYTES);
	jd_stanza_unref(fwd);
	jd_stanza_unref(st);
	free(text);
}

/* A long roster has more elements than a client may send. */
static void test_build_many_elements(void **state)
{
	struct jd_xml *x =
		stanza_build(fx_pool, JD_IQ, JD_TYPE_RESULT, JD_JID_NULL, JD_JID_NULL, JD_STR("1"));
	struct jd_stanza *st;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		jd_xml_start(x, "jabber:iq:roster", "item");
		jd_xml_attr(x, "jid", JD_STR("somebody.with.a.name@somewhere.example"));
		jd_xml_attr(x, "subscription", JD_STR("both"));
		jd_xml_leaf(x, NULL, "group", JD_STR("Friends"));
		jd_xml_end(x);
	}
	st = stanza_built(x);
	assert_non_null(st);
	jd_stanza_unref(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),           cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_roots),           cmocka_unit_test(test_meta_fields),
		cmocka_unit_test(test_long_body),       cmocka_unit_test(test_refs),
		cmocka_unit_test(test_clone),           cmocka_unit_test(test_size),
		cmocka_unit_test(test_remove),          cmocka_unit_test(test_remove_everything),
		cmocka_unit_test(test_add_and_read),    cmocka_unit_test(test_add_too_much),
		cmocka_unit_test(test_build_nested),    cmocka_unit_test(test_build_refused),
		cmocka_unit_test(test_build_no_memory), cmocka_unit_test(test_forward),
		cmocka_unit_test(test_forward_stored),  cmocka_unit_test(test_forward_stored),
		cmocka_unit_test(test_forward_largest), cmocka_unit_test(test_build_many_elements),
	};

	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
