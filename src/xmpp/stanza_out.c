/* SPDX-License-Identifier: MIT
 *
 * The bytes for one receiver.  Only the start tag is written for each of them
 * (and what was added, and the end tag); the content is a range of the block,
 * shared by all.
 *
 * The start tag has the fields in a fixed order and then every other attribute
 * of the received root, copied as it stands there: canonical text already, with
 * the declarations of its prefixes.
 */
#include "xml/escape.h"
#include "xmpp/stanza.h"
#include "xmpp/stanza_priv.h"

/* Bytes are counted, and written if there is somewhere to write them. */
struct sink {
	char *p;
	size_t n;
};

static void put(struct sink *out, struct jd_str s)
{
	if (out->p && s.len)
		memcpy(out->p + out->n, s.p, s.len);
	out->n += s.len;
}

static void put_escaped(struct sink *out, struct jd_str s)
{
	for (;;) {
		size_t plain = escape_plain(s.p, s.len, ESCAPE_ATTR);

		put(out, (struct jd_str){s.p, plain});
		if (plain == s.len)
			return;
		put(out, escape_ref(s.p[plain]));
		s.p += plain + 1;
		s.len -= plain + 1;
	}
}

/* lead: " name='" */
static void put_attr(struct sink *out, struct jd_str lead, struct jd_str value)
{
	if (!value.p)
		return;
	put(out, lead);
	put_escaped(out, value);
	put(out, JD_STR("'"));
}

/* Where an attribute ends in the bytes. An escaped value holds no quote. */
static const char *attr_end(const struct jd_wire *wire, const struct wire_attr *a)
{
	const char *value = wire->bytes + a->name + a->name_len + 2;

	if (!a->in_extra)
		return value + a->value_len + 1;
	while (*value != '\'')
		value++;
	return value + 1;
}

/* Each range starts behind the attribute before, so that it takes in the declaration
 * of its own prefix. */
static void put_other_attrs(struct sink *out, const struct jd_wire *wire)
{
	const struct wire_el *root = &wire->els[0];
	const char *at = wire->bytes + root->start + 1 + root->name_len;

	for (unsigned i = 0; i < root->attrs; i++) {
		const struct wire_attr *a = &wire->attrs[root->attr + i];
		const char *end = attr_end(wire, a);

		if (!stanza_is_field(wire, a))
			put(out, (struct jd_str){at, (size_t)(end - at)});
		at = end;
	}
}

static bool has_content(const struct stanza *s)
{
	return s->tail || wire_content(s->wire).len;
}

static void put_head(struct sink *out, const struct stanza *s, enum stanza_framing framing)
{
	const struct jd_stanza *st = &s->pub;

	put(out, JD_STR("<"));
	put(out, jd_cstr(stanza_kind_name(st->kind)));
	if (framing == STANZA_FRAMED)
		put(out, JD_STR(" xmlns='" JD_NS_STANZA "'"));
	put_attr(out, JD_STR(" to='"), jd_jid_str(st->to));
	put_attr(out, JD_STR(" from='"), jd_jid_str(st->from));
	put_attr(out, JD_STR(" id='"), st->id);
	put_attr(out, JD_STR(" type='"), stanza_type_value(s));
	put_attr(out, JD_STR(" xml:lang='"), st->lang);
	put_other_attrs(out, s->wire);
	put(out, has_content(s) ? JD_STR(">") : JD_STR("/>"));
}

static void put_tail(struct sink *out, const struct stanza *s)
{
	if (!has_content(s))
		return;
	for (const struct stanza_part *part = s->tail; part; part = part->next)
		put(out, wire_content(part->wire));
	put(out, JD_STR("</"));
	put(out, jd_cstr(stanza_kind_name(s->pub.kind)));
	put(out, JD_STR(">"));
}

/* Every byte of a value may need a reference, of six bytes at most; what stands in the received
 * start tag is escaped already. */
size_t stanza_out_most(struct jd_stanza *st, enum stanza_framing framing)
{
	const struct stanza *s = stanza_of(st);
	const struct wire_el *root = &s->wire->els[0];
	size_t values = jd_jid_str(st->to).len + jd_jid_str(st->from).len + st->id.len +
			stanza_type_value(s).len + st->lang.len;
	size_t most = 128 + 6 * values + (root->content - root->start);

	if (framing == STANZA_FRAMED)
		most += sizeof(" xmlns='" JD_NS_STANZA "'");
	for (const struct stanza_part *part = s->tail; part; part = part->next)
		most += wire_content(part->wire).len;
	return most;
}

size_t stanza_out_size(struct jd_stanza *st, enum stanza_framing framing)
{
	struct sink out = {NULL, 0};

	put_head(&out, stanza_of(st), framing);
	put_tail(&out, stanza_of(st));
	return out.n;
}

void stanza_out(struct jd_stanza *st, enum stanza_framing framing, char *out,
		struct stanza_out *ret_out)
{
	const struct stanza *s = stanza_of(st);
	struct sink head = {out, 0}, tail;

	put_head(&head, s, framing);
	tail = (struct sink){out + head.n, 0};
	put_tail(&tail, s);
	*ret_out = (struct stanza_out){
		.head = {out, head.n},
		.body = wire_content(s->wire),
		.tail = {tail.p, tail.n},
		.body_wire = s->wire,
	};
}
