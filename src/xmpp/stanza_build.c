/* SPDX-License-Identifier: MIT
 *
 * Stanzas of our own, and the writers that make them.  A writer is a builder
 * with a few words about what it is to become; idle ones wait in the pool.  Any
 * number may be open at a time: while one stanza is being written, another may
 * be begun, finished and sent.
 */
#include "util/mem.h"
#include "xmpp/stanza.h"
#include "xmpp/stanza_priv.h"

#define WRITERS_KEPT 8

/* Errors and other short answers are always made. What is longer is as long as somebody
 * outside has made it, and may be refused. */
#define SURE_BYTES ((size_t)64 * 1024)

/* A received stanza of the largest size must still fit into a forwarded or archived
 * copy with its wrapping; and our own may have more elements than we take from others:
 * the roster of 10 000 contacts in groups. */
static const struct wire_limits build_limits = {
	.bytes = 2 * STANZA_SENT_MAX,
	.elements = 1u << 16,
	.depth = 128 + 8,
	.attrs = 64 + 8,
	.ns_bytes = 512,
};

/* What is being edited was within limits: putting it together again must not fail. */
static const struct wire_limits rebuild_limits = {
	.bytes = 1u << 30,
	.elements = 1u << 24,
	.depth = 1024,
	.attrs = 1024,
	.ns_bytes = 1024,
};

struct stanza_writer {
	struct jd_xml x; /* first: what the user holds */
	struct stanza_pool *pool;
	struct stanza_writer *next;
	enum jd_kind kind;
	enum jd_type type;
	bool limited;           /* to STANZA_SENT_MAX */
	struct jd_jid from, to; /* lengths; the text is in the builder */
};

static struct stanza_writer *writer_of(struct jd_xml *x)
{
	return (struct stanza_writer *)x;
}

static struct stanza_writer *writer_get(struct stanza_pool *pool, const struct wire_limits *limits)
{
	struct stanza_writer *w = pool->idle;

	if (w) {
		pool->idle = w->next;
		pool->n_idle--;
		wire_builder_limits(w->x.b, limits);
		wire_builder_sure(w->x.b, SURE_BYTES);
		return w;
	}
	w = mem_new(struct stanza_writer);
	w->pool = pool;
	w->x.b = wire_builder_new(pool->wires, limits);
	wire_builder_sure(w->x.b, SURE_BYTES);
	return w;
}

static void writer_free(struct stanza_writer *w)
{
	wire_builder_free(w->x.b);
	mem_free(w);
}

static void writer_put(struct stanza_writer *w)
{
	struct stanza_pool *pool = w->pool;

	if (pool->n_idle == WRITERS_KEPT) {
		writer_free(w);
		return;
	}
	wire_reset(w->x.b);
	w->next = pool->idle;
	pool->idle = w;
	pool->n_idle++;
}

void stanza_writers_free(struct stanza_pool *pool)
{
	while (pool->idle) {
		struct stanza_writer *w = pool->idle;

		pool->idle = w->next;
		writer_free(w);
	}
	pool->n_idle = 0;
}

static void opt_attr(struct wire_builder *b, const char *name, struct jd_str value)
{
	if (value.p)
		wire_attr(b, JD_STR_NULL, jd_cstr(name), value);
}

/* The fields of a stanza, in the order in which stanza_out() has them. */
static void write_fields(struct stanza_writer *w, struct jd_str id, struct jd_str type)
{
	struct wire_builder *b = w->x.b;

	opt_attr(b, "to", jd_jid_str(w->to));
	opt_attr(b, "from", jd_jid_str(w->from));
	opt_attr(b, "id", id);
	opt_attr(b, "type", type);
}

static struct jd_jid jid_of_root(const struct wire_builder *b, const char *name, struct jd_jid jid)
{
	jid.p = jid.p ? wire_root_attr(b, JD_STR_NULL, name).p : NULL;
	return jid;
}

/* Ends the root, makes the block and gives the writer back. NULL: refused. */
static struct jd_wire *writer_finish(struct stanza_writer *w)
{
	struct wire_builder *b = w->x.b;
	struct wire_meta meta = {.kind = (uint8_t)w->kind, .type = (uint8_t)w->type};
	struct jd_wire *wire = NULL;

	wire_end(b);
	meta.from = jid_of_root(b, "from", w->from);
	meta.to = jid_of_root(b, "to", w->to);
	meta.id = wire_root_attr(b, JD_STR_NULL, "id");
	meta.lang = wire_root_attr(b, JD_STR(JD_NS_XML), "lang");
	/* The bound of the builder is for bytes and index together. */
	if (wire_finish(b, &meta, &wire) != 0)
		wire = NULL;
	if (wire && w->limited && wire->bytes_len > STANZA_SENT_MAX) {
		wire_unref(wire);
		wire = NULL;
	}
	writer_put(w);
	return wire;
}

/* -- our own --------------------------------------------------------------------- */

struct jd_xml *stanza_build(struct stanza_pool *pool, enum jd_kind kind, enum jd_type type,
			    struct jd_jid from, struct jd_jid to, struct jd_str id)
{
	struct stanza_writer *w = writer_get(stanza_pool_or_used(pool), &build_limits);

	w->limited = true;
	w->kind = kind;
	w->type = type;
	w->from = from;
	w->to = to;
	wire_start(w->x.b, JD_STR_NULL, jd_cstr(stanza_kind_name(kind)));
	write_fields(w, id, jd_cstr(stanza_type_name(kind, type)));
	w->x.depth0 = wire_depth(w->x.b);
	return &w->x;
}

struct jd_stanza *stanza_built(struct jd_xml *x)
{
	struct stanza_pool *pool = writer_of(x)->pool;
	struct jd_wire *wire = writer_finish(writer_of(x));

	return wire ? stanza_from_wire(pool, wire) : NULL;
}

void stanza_abandon(struct jd_xml *x)
{
	if (x)
		writer_put(writer_of(x));
}

/* -- for edits --------------------------------------------------------------------- */

struct jd_xml *stanza_edit_open(struct stanza *s)
{
	return stanza_build(s->pool, s->pub.kind, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
			    JD_STR_NULL);
}

struct jd_wire *stanza_edit_close(struct jd_xml *x)
{
	return writer_finish(writer_of(x));
}

struct jd_str stanza_type_value(const struct stanza *s)
{
	struct jd_str sent;

	if (s->pub.type != JD_TYPE_NONE || s->pub.kind != JD_MESSAGE)
		return jd_cstr(stanza_type_name(s->pub.kind, s->pub.type));
	sent = jd_el_attr(wire_root(s->wire), "type");
	return jd_str_is(sent, "normal") ? sent : JD_STR_NULL;
}

static void write_other_attrs(struct wire_builder *b, const struct jd_wire *wire)
{
	const struct wire_el *root = &wire->els[0];

	for (unsigned i = 0; i < root->attrs; i++) {
		const struct wire_attr *a = &wire->attrs[root->attr + i];
		struct jd_str name = {wire->bytes + a->name, a->name_len};
		struct jd_str value = {(a->in_extra ? wire->extra : wire->bytes) + a->value,
				       a->value_len};
		struct jd_str ns = a->ns == WIRE_NO_NS ? JD_STR_NULL : wire->nss[a->ns];

		if (!stanza_is_field(wire, a))
			wire_attr(b, ns, name, value);
	}
}

/* The start tag of s as it would be sent now, into b. ns.p NULL: b's own root. */
static void write_root(struct wire_builder *b, struct jd_str ns, const struct stanza *s)
{
	const struct jd_stanza *st = &s->pub;
	struct stanza_writer fields = {.x = {.b = b}, .from = st->from, .to = st->to};

	wire_start(b, ns, jd_cstr(stanza_kind_name(st->kind)));
	write_fields(&fields, st->id, stanza_type_value(s));
	if (st->lang.p)
		wire_attr(b, JD_STR(JD_NS_XML), JD_STR("lang"), st->lang);
	write_other_attrs(b, s->wire);
}

struct jd_xml *stanza_rebuild_open(struct stanza *s)
{
	struct stanza_writer *w = writer_get(s->pool, &rebuild_limits);

	wire_builder_sure(w->x.b, SIZE_MAX);
	w->limited = false;
	w->kind = s->pub.kind;
	w->type = s->pub.type;
	w->from = s->pub.from;
	w->to = s->pub.to;
	write_root(w->x.b, JD_STR_NULL, s);
	w->x.depth0 = wire_depth(w->x.b);
	return &w->x;
}

void stanza_write_root(struct jd_xml *x, const struct stanza *s)
{
	write_root(x->b, JD_STR(JD_NS_STANZA), s);
}
