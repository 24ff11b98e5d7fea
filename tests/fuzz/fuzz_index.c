/* SPDX-License-Identifier: MIT
 *
 * Fuzzing wire blocks and their edits.  The input is a program: it writes a
 * stanza, then edits it as modules do (a child added, children removed,
 * addresses changed, a clone, a kept copy), and after every step everything that
 * can be read of it must agree with a plain list of children kept beside it.
 *
 * And at every step the stanza's bytes, read by the scanner, must give a block
 * with the same bytes and the same index.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/mem.h"
#include "util/utf8.h"
#include "xml/scan.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

#define CHILDREN 24
#define DEPTH    6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"a", "b", "body", "x", "\xc3\xa4", "query", "a-b.c", "message"};
static const char *const spaces[] = {NULL,      "urn:example:1", "jabber:client", "jabber:server",
				     "u'<&\">", JD_NS_ROSTER,    "urn:example:2", "jabber:x:data"};
static const char *const texts[] = {"",
				    "text",
				    "]]>",
				    "&<>'\"",
				    "\r\n\t ",
				    "]]",
				    "\xc3\xa4\xe2\x82\xac",
				    "\xf0\x9f\x98\x80",
				    "\x01\xff\xfe"};

static struct wire_pool *wires;
static struct scan_pool *scans;
static struct stanza_pool *stanzas;
static struct wire_builder *builder;
static struct scan *reader;
static struct jd_wire *read_back;

/* -- the program ------------------------------------------------------------------------- */

struct program {
	const uint8_t *p, *end;
};

static unsigned next(struct program *g)
{
	return g->p < g->end ? *g->p++ : 0;
}

/* A constant, or bytes of the input, made valid. */
static struct jd_str next_text(struct program *g, char out[64])
{
	unsigned n = next(g);
	size_t len = 0;

	if (n < 128)
		return jd_cstr(texts[n % JD_ARRAY_SIZE(texts)]);
	for (n %= 16; n && g->p < g->end; n--) {
		unsigned c = next(g);

		len += utf8_encode(c < 128 ? c : 0x80 + c * 7, out + len);
	}
	return (struct jd_str){out, len};
}

static void write_element(struct program *g, struct jd_xml *x, const char *ns, unsigned depth)
{
	static const char *const attrs[] = {"id", "to", "n", "xml", "type"};
	unsigned n;
	char text[64];

	jd_xml_start(x, ns, names[next(g) % JD_ARRAY_SIZE(names)]);
	n = next(g);
	for (unsigned i = 0; i < (n & 3); i++)
		jd_xml_attr(x, attrs[i], next_text(g, text));
	if (n & 4)
		jd_xml_attr_ns(x, JD_NS_XML, "lang", JD_STR("de"));
	if (n & 8)
		jd_xml_attr_ns(x, spaces[1 + next(g) % 7], "q", next_text(g, text));
	if (n & 16)
		jd_xml_text(x, next_text(g, text));
	for (n = n >> 5 & 3; n && depth < DEPTH; n--) {
		write_element(g, x, spaces[next(g) % JD_ARRAY_SIZE(spaces)], depth + 1);
		if (n & 1)
			jd_xml_text(x, next_text(g, text));
	}
	jd_xml_end(x);
}

/* -- reading back ---------------------------------------------------------------------------- */

static void no_open(void *arg, const struct scan_open *open)
{
	(void)arg;
	(void)open;
}

static void no_close(void *arg)
{
	(void)arg;
}

static void on_element(void *arg, struct wire_builder *b)
{
	(void)arg;
	JD_ASSERT(!read_back && wire_finish(b, NULL, &read_back) == 0);
}

static bool same_index(const struct jd_wire *a, const struct jd_wire *b)
{
	if (a->n_els != b->n_els || a->n_attrs != b->n_attrs)
		return false;
	for (uint32_t i = 0; i < a->n_els; i++) {
		const struct wire_el *p = &a->els[i], *q = &b->els[i];

		if (p->start != q->start || p->content != q->content || p->close != q->close ||
		    p->end != q->end || p->next != q->next || p->parent != q->parent ||
		    p->attrs != q->attrs || p->depth != q->depth ||
		    !jd_str_eq(a->nss[p->ns], b->nss[q->ns]))
			return false;
	}
	return true;
}

/* The element alone, as a block; its bytes read again must be the same block. */
static struct jd_wire *alone(struct jd_el el)
{
	struct jd_wire *w;

	JD_ASSERT(wire_copy(builder, el) == 0 && wire_finish(builder, NULL, &w) == 0);
	JD_ASSERT(scan_feed(reader, w->bytes, w->bytes_len) == SCAN_OK);
	JD_ASSERT(scan_flush(reader) == SCAN_OK && read_back);
	JD_ASSERT(read_back->bytes_len == w->bytes_len);
	JD_ASSERT(memcmp(read_back->bytes, w->bytes, w->bytes_len) == 0);
	JD_ASSERT(same_index(read_back, w));
	wire_unref(read_back);
	read_back = NULL;
	return w;
}

/* -- the model ----------------------------------------------------------------------------------
 */

struct model {
	struct jd_wire *kids[CHILDREN];
	size_t n;
	const char *to;
};

static bool same_bytes(const struct jd_wire *a, const struct jd_wire *b)
{
	return a->bytes_len == b->bytes_len && memcmp(a->bytes, b->bytes, a->bytes_len) == 0;
}

static void model_learn(struct model *m, struct jd_stanza *st, size_t skip)
{
	JD_EL_EACH(kid, jd_stanza_root(st))
	{
		if (skip) {
			skip--;
			continue;
		}
		JD_ASSERT(m->n < CHILDREN);
		m->kids[m->n++] = alone(kid);
	}
}

static void model_free(struct model *m)
{
	while (m->n)
		wire_unref(m->kids[--m->n]);
}

static void check_root(const struct model *m, struct jd_el root)
{
	size_t i = 0;

	JD_EL_EACH(kid, root)
	{
		struct jd_wire *w = alone(kid);

		JD_ASSERT(i < m->n && same_bytes(w, m->kids[i]));
		JD_ASSERT(jd_str_eq(jd_el_name(kid), jd_el_name(wire_root(m->kids[i]))));
		wire_unref(w);
		i++;
	}
	JD_ASSERT(i == m->n);
}

/* What would be sent, as one text; in a frame the root says its own namespace. */
static struct jd_wire *sent(struct jd_stanza *st, enum stanza_framing framing)
{
	size_t room = stanza_out_size(st, framing);
	char *out = mem_alloc_raw(room), *text;
	struct stanza_out o;
	struct jd_wire *w;
	size_t n;

	stanza_out(st, framing, out, &o);
	JD_ASSERT(o.head.len + o.tail.len == room && room <= stanza_out_most(st, framing));
	n = room + o.body.len;
	text = mem_alloc_raw(n);
	memcpy(text, o.head.p, o.head.len);
	if (o.body.len)
		memcpy(text + o.head.len, o.body.p, o.body.len);
	if (o.tail.len)
		memcpy(text + o.head.len + o.body.len, o.tail.p, o.tail.len);
	JD_ASSERT(scan_feed(reader, text, n) == SCAN_OK && scan_flush(reader) == SCAN_OK);
	w = read_back;
	read_back = NULL;
	JD_ASSERT(w);
	mem_free(out);
	mem_free(text);
	return w;
}

static void check(const struct model *m, struct jd_stanza *st)
{
	struct jd_wire *stream = sent(st, STANZA_STREAM), *framed = sent(st, STANZA_FRAMED);
	struct jd_xml x = {builder, 0};
	struct jd_wire *whole;

	JD_ASSERT(same_bytes(stream, framed));
	check_root(m, jd_stanza_root(st));
	check_root(m, wire_root(stream));
	JD_ASSERT(jd_str_eq(jd_el_attr(wire_root(stream), "to"), jd_cstr(m->to)));
	JD_ASSERT(jd_str_eq(jd_jid_str(st->to), jd_cstr(m->to)));
	jd_stanza_write(st, &x);
	JD_ASSERT(wire_finish(builder, NULL, &whole) == 0);
	check_root(m, wire_root(whole));
	JD_ASSERT(jd_str_eq(jd_el_attr(wire_root(whole), "to"), jd_cstr(m->to)));
	wire_unref(whole);
	wire_unref(stream);
	wire_unref(framed);
}

/* -- edits
 * -------------------------------------------------------------------------------------------
 */

static bool has_name(struct jd_el kid, const void *arg)
{
	return jd_el_is(kid, NULL, arg);
}

static void edit_remove(struct program *g, struct model *m, struct jd_stanza *st)
{
	const char *name = names[next(g) % JD_ARRAY_SIZE(names)];
	size_t kept = 0, had = m->n;

	for (size_t i = 0; i < had; i++) {
		if (jd_str_is(jd_el_name(wire_root(m->kids[i])), name))
			wire_unref(m->kids[i]);
		else
			m->kids[kept++] = m->kids[i];
	}
	m->n = kept;
	JD_ASSERT(jd_stanza_remove(st, has_name, name) == had - kept);
}

static void edit_add(struct program *g, struct model *m, struct jd_stanza *st)
{
	struct jd_xml *x = jd_stanza_add(st);

	write_element(g, x, spaces[1 + next(g) % 7], 2);
	jd_stanza_added(st, x);
	model_learn(m, st, m->n);
}

static void edit_to(struct program *g, struct model *m, struct jd_stanza *st)
{
	static const char *const to[] = {"a@b", "o'neill&sons@example.org/<x>", "b", "a@b/c"};
	char text[JD_JID_MAX];
	struct jd_jid jid;

	m->to = to[next(g) % 4];
	if (jid_prep(jd_cstr(m->to), text, &jid) < 0) {
		m->to = "a@b";
		JD_ASSERT(jid_prep(jd_cstr(m->to), text, &jid) == 0);
	}
	jd_stanza_set_to(st, jid);
}

/* The copy has the same content and goes its own way; st ends. */
static struct jd_stanza *edit_copy(unsigned what, struct model *m, struct jd_stanza *st)
{
	struct jd_stanza *copy = what & 1 ? stanza_clone(st) : stanza_keep(st);
	size_t n = m->n;

	check(m, copy);
	(void)jd_stanza_remove(st, has_name, "a");
	m->n = n;
	check(m, copy);
	jd_stanza_unref(st);
	return copy;
}

static struct jd_stanza *first(struct program *g)
{
	static const enum jd_type types[] = {JD_TYPE_CHAT, JD_TYPE_NONE, JD_TYPE_SET};
	enum jd_kind kind = (enum jd_kind)(next(g) % 3);
	struct jd_jid from = {"me@example.org/r", 2, 11, 1}, to = {"a@b", 1, 1, 0};
	struct jd_xml *x = stanza_build(stanzas, kind, types[kind], from, to, JD_STR("i'd"));

	for (unsigned n = next(g) % 4; n; n--)
		write_element(g, x, spaces[next(g) % JD_ARRAY_SIZE(spaces)], 2);
	return stanza_built(x);
}

static void set_up(void)
{
	static const struct scan_events events = {no_open, on_element, no_close};
	static const struct wire_limits limits = {(size_t)16 << 20, 8192, 200, 70, 4096};
	static const struct scan_limits wide = {
		(size_t)8 << 20, (size_t)4 << 20, 200, 70, 8192, 4096};
	static const char header[] = "<s:stream xmlns='jabber:client'"
				     " xmlns:s='http://etherx.jabber.org/streams'>";

	wires = wire_pool_new();
	scans = scan_pool_new(wires);
	stanzas = stanza_pool_new();
	stanza_pool_use(stanzas);
	builder = wire_builder_new(wires, &limits);
	reader = scan_new(scans, SCAN_STREAM, JD_NS_STANZA, &events, NULL);
	scan_limits(reader, &wide);
	JD_ASSERT(scan_feed(reader, header, sizeof(header) - 1) == SCAN_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program g = {data, data + size};
	struct model m = {.to = "a@b"};
	struct jd_stanza *st;

	if (!wires)
		set_up();
	st = first(&g);
	JD_ASSERT(st);
	model_learn(&m, st, 0);
	check(&m, st);
	while (g.p < g.end) {
		unsigned what = next(&g);

		if (what % 4 == 0 && m.n < CHILDREN)
			edit_add(&g, &m, st);
		else if (what % 4 == 1)
			edit_remove(&g, &m, st);
		else if (what % 4 == 2)
			edit_to(&g, &m, st);
		else
			st = edit_copy(what >> 2, &m, st);
		check(&m, st);
	}
	jd_stanza_unref(st);
	model_free(&m);
	return 0;
}
