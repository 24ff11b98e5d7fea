/* SPDX-License-Identifier: MIT
 *
 * The builder: events in, canonical bytes and index out, in one pass.
 *
 * A start tag stays open until its first content arrives, so that attributes
 * can follow and an element without content ends in "/>".  The index needs no
 * stack: every element knows its parent, and the innermost open one is `cur`.
 *
 * Namespaces are looked for among the parent's and the last few only.  A peer
 * could otherwise make the search quadratic; a namespace that is entered twice
 * costs it some of its own budget and nobody notices.
 */
#include "xml/wire_build.h"

#include "xml/escape.h"

#define NS_WINDOW 8

/* No prefix or default may be bound to it; nothing of ours can be in it. */
#define NS_XMLNS "http://www.w3.org/2000/xmlns/"

/* -- bytes --------------------------------------------------------------------- */

static void put_str(struct wire_builder *b, struct jd_str s)
{
	char *at = wire_put(b, s.len);

	if (at && s.len)
		memcpy(at, s.p, s.len);
}

/* '>' is written as it is unless the two bytes before it are "]]": those can only be
 * text, as markup never ends in a bracket. */
static bool plain_gt(const struct wire_builder *b)
{
	return b->len < 2 || b->bytes[b->len - 1] != ']' || b->bytes[b->len - 2] != ']';
}

static int put_escaped(struct wire_builder *b, struct jd_str s, enum escape_where where)
{
	while (s.len && !b->error) {
		size_t plain = escape_plain(s.p, s.len, where);

		put_str(b, (struct jd_str){s.p, plain});
		s.p += plain;
		s.len -= plain;
		if (!s.len)
			break;
		if (*s.p == '>' && plain_gt(b))
			put_str(b, JD_STR(">"));
		else
			put_str(b, escape_ref(*s.p));
		s.p++;
		s.len--;
	}
	return b->error;
}

int wire_close_tag(struct wire_builder *b)
{
	if (!b->tag_open)
		return b->error;
	put_str(b, JD_STR(">"));
	b->tag_open = false;
	b->els[b->cur].content = b->len;
	return b->error;
}

/* -- namespaces ------------------------------------------------------------------ */

struct jd_str wire_ns_str(const struct wire_builder *b, uint16_t ns)
{
	const struct wire_ns *e = &b->nss[ns];

	switch ((enum wire_ns_place)e->place) {
	case WIRE_NS_STATIC:
		return (struct jd_str){e->fixed, e->len};
	case WIRE_NS_BYTES:
		return (struct jd_str){b->bytes + e->off, e->len};
	case WIRE_NS_EXTRA:
		break;
	}
	return (struct jd_str){b->extra + e->off, e->len};
}

uint16_t wire_ns_find(const struct wire_builder *b, struct jd_str ns)
{
	uint32_t stop = b->n_nss > NS_WINDOW ? b->n_nss - NS_WINDOW : 1;

	for (uint32_t i = b->n_nss; i-- > stop;) {
		if (b->nss[i].len == ns.len && jd_str_eq(wire_ns_str(b, (uint16_t)i), ns))
			return (uint16_t)i;
	}
	return WIRE_NO_NS;
}

static int check_ns(struct wire_builder *b, struct jd_str ns)
{
	if (ns.len > b->limits.ns_bytes || ns.len > UINT16_MAX)
		return wire_fail(b, -JD_ELIMIT);
	if (jd_str_is(ns, NS_XMLNS))
		return wire_fail(b, -JD_EINVAL);
	return 0;
}

/* Writes a namespace as the value of a declaration; the first time it is also entered. */
static int declare(struct wire_builder *b, struct jd_str ns, uint16_t *idx)
{
	struct wire_ns e = {.off = b->len, .len = (uint16_t)ns.len, .place = WIRE_NS_BYTES};

	if (escape_plain(ns.p, ns.len, ESCAPE_ATTR) != ns.len)
		e.place = WIRE_NS_EXTRA;
	put_escaped(b, ns, ESCAPE_ATTR);
	put_str(b, JD_STR("'"));
	if (b->error || *idx != WIRE_NO_NS)
		return b->error;
	if (e.place == WIRE_NS_EXTRA && wire_put_extra(b, ns, &e.off) < 0)
		return b->error;
	return wire_ns_add(b, e, idx);
}

/* -- elements -------------------------------------------------------------------- */

/* What the new element is in: the parent's, one known, or WIRE_NO_NS for a new one. */
static uint16_t element_ns(struct wire_builder *b, struct jd_str ns, bool literal)
{
	uint16_t parent = b->depth ? b->els[b->cur].ns : WIRE_NS_STANZA;

	if (!ns.p || (parent == WIRE_NS_STANZA && !literal && jd_str_is(ns, JD_NS_STANZA)))
		return parent;
	if (parent != WIRE_NS_STANZA && jd_str_eq(wire_ns_str(b, parent), ns))
		return parent;
	return wire_ns_find(b, ns);
}

static int may_start(struct wire_builder *b, struct jd_str ns, struct jd_str name)
{
	if (b->error)
		return b->error;
	if ((!b->depth && b->n_els) || !name.len || jd_str_is(ns, JD_NS_XML))
		return wire_fail(b, -JD_EINVAL);
	if (b->n_els >= b->limits.elements || b->depth >= b->limits.depth ||
	    b->depth >= UINT16_MAX || name.len > UINT16_MAX)
		return wire_fail(b, -JD_ELIMIT);
	if (check_ns(b, ns) < 0 || wire_close_tag(b) < 0)
		return b->error;
	return wire_more_els(b, 1);
}

static int start(struct wire_builder *b, struct jd_str ns, struct jd_str name, bool literal)
{
	uint16_t parent_ns, idx;
	uint32_t start_off;
	char *at;

	if (may_start(b, ns, name) < 0)
		return b->error;
	start_off = b->len;
	parent_ns = b->depth ? b->els[b->cur].ns : WIRE_NS_STANZA;
	idx = element_ns(b, ns, literal);
	at = wire_put(b, name.len + 1);
	if (!at)
		return b->error;
	*at = '<';
	memcpy(at + 1, name.p, name.len);
	if (idx != parent_ns) {
		put_str(b, JD_STR(" xmlns='"));
		if (declare(b, ns, &idx) < 0)
			return b->error;
	}
	b->els[b->n_els] = (struct wire_el){
		.start = start_off,
		.parent = b->depth ? b->cur : 0,
		.attr = b->n_attrs,
		.name_len = (uint16_t)name.len,
		.ns = idx,
		.depth = (uint16_t)b->depth,
	};
	b->cur = b->n_els++;
	b->depth++;
	b->tag_open = true;
	b->prefixes = 0;
	return 0;
}

int wire_start(struct wire_builder *b, struct jd_str ns, struct jd_str name)
{
	return start(b, ns, name, false);
}

int wire_start_literal(struct wire_builder *b, struct jd_str ns, struct jd_str name)
{
	return start(b, ns, name, true);
}

int wire_end(struct wire_builder *b)
{
	struct wire_el *el;
	char *at;

	if (b->error)
		return b->error;
	if (!b->depth)
		return wire_fail(b, -JD_EINVAL);
	el = &b->els[b->cur];
	if (b->tag_open) {
		put_str(b, JD_STR("/>"));
		b->tag_open = false;
		el->content = el->close = b->len;
	} else {
		el->close = b->len;
		at = wire_put(b, el->name_len + 3u);
		if (!at)
			return b->error;
		at[0] = '<';
		at[1] = '/';
		memcpy(at + 2, b->bytes + el->start + 1, el->name_len);
		at[el->name_len + 2] = '>';
	}
	el->end = b->len;
	el->next = b->n_els;
	b->cur = el->parent;
	b->depth--;
	return b->error;
}

int wire_text(struct wire_builder *b, struct jd_str text)
{
	if (b->error || !text.len)
		return b->error;
	if (!b->depth)
		return wire_fail(b, -JD_EINVAL);
	wire_close_tag(b);
	return put_escaped(b, text, ESCAPE_TEXT);
}

int wire_opaque(struct wire_builder *b, struct jd_str bytes)
{
	if (b->error)
		return b->error;
	/* What is between the children of the root may be taken for text and escaped anew. */
	if (b->depth < 2 || bytes.len < 2 || bytes.p[0] != '<' || bytes.p[bytes.len - 1] != '>')
		return wire_fail(b, -JD_EINVAL);
	wire_close_tag(b);
	put_str(b, bytes);
	return b->error;
}

/* -- attributes ------------------------------------------------------------------ */

static struct jd_str attr_name(const struct wire_builder *b, const struct wire_attr *a)
{
	return (struct jd_str){b->bytes + a->name, a->name_len};
}

static bool same_attr_ns(const struct wire_builder *b, const struct wire_attr *a, struct jd_str ns)
{
	if (a->ns == WIRE_NO_NS)
		return ns.len == 0;
	return jd_str_eq(wire_ns_str(b, a->ns), ns);
}

static bool has_attr(const struct wire_builder *b, struct jd_str ns, struct jd_str name)
{
	for (uint32_t i = b->els[b->cur].attr; i < b->n_attrs; i++) {
		if (jd_str_eq(attr_name(b, &b->attrs[i]), name) &&
		    same_attr_ns(b, &b->attrs[i], ns))
			return true;
	}
	return false;
}

static void put_prefix(struct wire_builder *b, unsigned number)
{
	char text[2] = {(char)('0' + number / 10), (char)('0' + number % 10)};

	put_str(b, JD_STR("n"));
	put_str(b, number < 10 ? (struct jd_str){text + 1, 1} : (struct jd_str){text, 2});
}

/* Finds or declares the prefix that stands for ns in the open start tag: 1, 2.. */
static int attr_prefix(struct wire_builder *b, struct jd_str ns, unsigned *ret_number,
		       uint16_t *ret_ns)
{
	uint16_t idx;

	for (unsigned i = 0; i < b->prefixes; i++) {
		if (jd_str_eq(wire_ns_str(b, b->prefix_ns[i]), ns)) {
			*ret_number = i + 1;
			*ret_ns = b->prefix_ns[i];
			return 0;
		}
	}
	if (b->prefixes == WIRE_PREFIXES)
		return wire_fail(b, -JD_ELIMIT);
	idx = wire_ns_find(b, ns);
	put_str(b, JD_STR(" xmlns:"));
	put_prefix(b, b->prefixes + 1);
	put_str(b, JD_STR("='"));
	if (declare(b, ns, &idx) < 0)
		return b->error;
	b->prefix_ns[b->prefixes++] = idx;
	*ret_number = b->prefixes;
	*ret_ns = idx;
	return 0;
}

/* xml: is bound everywhere without a declaration. */
static int xml_ns(struct wire_builder *b, uint16_t *ret_ns)
{
	uint16_t idx = wire_ns_find(b, JD_STR(JD_NS_XML));

	if (idx == WIRE_NO_NS)
		return wire_ns_add(b,
				   (struct wire_ns){.fixed = JD_NS_XML,
						    .len = sizeof(JD_NS_XML) - 1,
						    .place = WIRE_NS_STATIC},
				   ret_ns);
	*ret_ns = idx;
	return 0;
}

/* Everything in front of the local name. */
static int put_attr_lead(struct wire_builder *b, struct jd_str ns, uint16_t *ret_ns)
{
	unsigned number = 0;

	if (!ns.len) {
		*ret_ns = WIRE_NO_NS;
		put_str(b, JD_STR(" "));
		return b->error;
	}
	if (jd_str_is(ns, JD_NS_XML)) {
		put_str(b, JD_STR(" xml:"));
		return xml_ns(b, ret_ns);
	}
	if (check_ns(b, ns) < 0 || attr_prefix(b, ns, &number, ret_ns) < 0)
		return b->error;
	put_str(b, JD_STR(" "));
	put_prefix(b, number);
	put_str(b, JD_STR(":"));
	return b->error;
}

int wire_attr(struct wire_builder *b, struct jd_str ns, struct jd_str name, struct jd_str value)
{
	struct wire_attr a = {.name_len = (uint16_t)name.len, .value_len = (uint32_t)value.len};

	if (b->error)
		return b->error;
	if (!b->tag_open || !name.len || has_attr(b, ns, name))
		return wire_fail(b, -JD_EINVAL);
	if (b->els[b->cur].attrs >= b->limits.attrs || name.len > UINT16_MAX ||
	    b->els[b->cur].attrs == UINT16_MAX)
		return wire_fail(b, -JD_ELIMIT);
	if (wire_more_attrs(b, 1) < 0 || put_attr_lead(b, ns, &a.ns) < 0)
		return b->error;
	a.name = b->len;
	put_str(b, name);
	put_str(b, JD_STR("='"));
	a.value = b->len;
	put_escaped(b, value, ESCAPE_ATTR);
	if (b->error)
		return b->error;
	if (b->len - a.value != value.len) {
		a.in_extra = 1;
		if (wire_put_extra(b, value, &a.value) < 0)
			return b->error;
	}
	put_str(b, JD_STR("'"));
	b->attrs[b->n_attrs++] = a;
	b->els[b->cur].attrs++;
	return b->error;
}

/* -- looking at what is there ------------------------------------------------------ */

unsigned wire_depth(const struct wire_builder *b)
{
	return b->depth;
}

int wire_error(const struct wire_builder *b)
{
	return b->error;
}

struct jd_str wire_root_name(const struct wire_builder *b)
{
	if (!b->n_els)
		return JD_STR_NULL;
	return (struct jd_str){b->bytes + b->els[0].start + 1, b->els[0].name_len};
}

struct jd_str wire_root_ns(const struct wire_builder *b)
{
	return b->n_els ? wire_ns_str(b, b->els[0].ns) : JD_STR_NULL;
}

bool wire_root_is_content(const struct wire_builder *b)
{
	return b->n_els && b->els[0].ns == WIRE_NS_STANZA;
}

struct jd_str wire_root_attr(const struct wire_builder *b, struct jd_str ns, const char *name)
{
	if (!b->n_els)
		return JD_STR_NULL;
	for (uint32_t i = 0; i < b->els[0].attrs; i++) {
		const struct wire_attr *a = &b->attrs[i];

		if (jd_str_is(attr_name(b, a), name) && same_attr_ns(b, a, ns))
			return (struct jd_str){(a->in_extra ? b->extra : b->bytes) + a->value,
					       a->value_len};
	}
	return JD_STR_NULL;
}
