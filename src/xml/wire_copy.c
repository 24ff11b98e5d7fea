/* SPDX-License-Identifier: MIT
 *
 * Copying an element out of a block into a builder.
 *
 * Only the copied element's own start tag depends on where it is put: below it
 * the canonical bytes say xmlns relative to each parent, and the content
 * namespace cannot begin again under something else.  So that tag is written
 * anew, and all behind it is one memcpy and an index moved by a distance.
 */
#include "xml/wire_build.h"

struct move {
	const struct jd_wire *w;
	uint32_t bytes; /* added to offsets into bytes; wraps */
	uint32_t els;   /* added to element indices; wraps */
	uint32_t attrs; /* the same for attributes */
	uint32_t depth;
	uint32_t from, to;       /* the range of bytes that is copied */
	uint16_t ns_src, ns_dst; /* the translation used last */
};

/* The builder's number for a namespace of the source. */
static int move_ns(struct wire_builder *b, struct move *m, uint16_t src, uint16_t *ret_ns)
{
	struct jd_str s = m->w->nss[src];
	struct wire_ns e = {.len = (uint16_t)s.len, .place = WIRE_NS_EXTRA};
	uint16_t idx;

	if (src == m->ns_src) {
		*ret_ns = m->ns_dst;
		return 0;
	}
	idx = wire_ns_find(b, s);
	if (idx == WIRE_NO_NS) {
		if (s.p >= m->w->bytes + m->from && s.p < m->w->bytes + m->to) {
			e.place = WIRE_NS_BYTES;
			e.off = (uint32_t)(s.p - m->w->bytes) + m->bytes;
		} else if (wire_put_extra(b, s, &e.off) < 0) {
			return b->error;
		}
		if (wire_ns_add(b, e, &idx) < 0)
			return b->error;
	}
	m->ns_src = src;
	m->ns_dst = idx;
	*ret_ns = idx;
	return 0;
}

static int move_attr(struct wire_builder *b, struct move *m, const struct wire_attr *src)
{
	struct wire_attr a = *src;

	if (a.ns != WIRE_NO_NS && move_ns(b, m, src->ns, &a.ns) < 0)
		return b->error;
	a.name += m->bytes;
	if (a.in_extra) {
		struct jd_str value = {m->w->extra + src->value, src->value_len};

		if (wire_put_extra(b, value, &a.value) < 0)
			return b->error;
	} else {
		a.value += m->bytes;
	}
	b->attrs[b->n_attrs++] = a;
	return 0;
}

static int move_el(struct wire_builder *b, struct move *m, const struct wire_el *src)
{
	struct wire_el e = *src;

	if (b->n_els >= b->limits.elements || (unsigned)e.depth + m->depth >= b->limits.depth ||
	    e.attrs > b->limits.attrs)
		return wire_fail(b, -JD_ELIMIT);
	/* What inherits goes on inheriting, be it the content namespace or not. */
	if (src->ns == m->w->els[src->parent].ns)
		e.ns = b->els[src->parent + m->els].ns;
	else if (move_ns(b, m, src->ns, &e.ns) < 0)
		return b->error;
	e.start += m->bytes;
	e.content += m->bytes;
	e.close += m->bytes;
	e.end += m->bytes;
	e.next += m->els;
	e.parent += m->els;
	e.attr += m->attrs;
	e.depth = (uint16_t)(e.depth + m->depth);
	b->els[b->n_els++] = e;
	return 0;
}

/* What lies behind the start tag of element `top`, whose copy is open. */
static int copy_content(struct wire_builder *b, const struct jd_wire *w, uint32_t top)
{
	const struct wire_el *el = &w->els[top];
	uint32_t count = el->next - top - 1;
	const struct wire_el *last = &w->els[el->next - 1];
	uint32_t first_attr = el->attr + el->attrs;
	uint32_t n_attrs = last->attr + last->attrs - first_attr;
	struct move m = {.w = w, .from = el->content, .to = el->close, .ns_src = WIRE_NO_NS};
	char *at;

	if (wire_close_tag(b) < 0)
		return b->error;
	m.bytes = b->len - el->content;
	m.els = b->cur - top;
	m.attrs = b->n_attrs - first_attr;
	m.depth = (uint32_t)(b->depth - 1) - el->depth;
	at = wire_put(b, el->close - el->content);
	if (!at || wire_more_els(b, count) < 0 || wire_more_attrs(b, n_attrs) < 0)
		return b->error;
	memcpy(at, w->bytes + el->content, el->close - el->content);
	for (uint32_t i = 1; i <= count; i++) {
		if (move_el(b, &m, el + i) < 0)
			return b->error;
	}
	for (uint32_t i = 0; i < n_attrs; i++) {
		if (move_attr(b, &m, &w->attrs[first_attr + i]) < 0)
			return b->error;
	}
	return 0;
}

int wire_copy(struct wire_builder *b, struct jd_el el)
{
	const struct jd_wire *w = el.wire;
	const struct wire_el *top;
	struct jd_str name;

	if (b->error || !w)
		return b->error;
	top = &w->els[el.i];
	name = (struct jd_str){w->bytes + top->start + 1, top->name_len};
	/* jabber:client out of something forwarded is the content again where that is around it. */
	wire_start(b, w->nss[top->ns], name);
	for (uint32_t i = top->attr; i < top->attr + top->attrs && !b->error; i++) {
		const struct wire_attr *a = &w->attrs[i];
		struct jd_str ns = a->ns == WIRE_NO_NS ? JD_STR_NULL : w->nss[a->ns];
		struct jd_str local = {w->bytes + a->name, a->name_len};
		const char *base = a->in_extra ? w->extra : w->bytes;

		wire_attr(b, ns, local, (struct jd_str){base + a->value, a->value_len});
	}
	if (!b->error && top->content != top->close)
		copy_content(b, w, el.i);
	return wire_end(b);
}
