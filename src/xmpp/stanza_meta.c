/* SPDX-License-Identifier: MIT
 *
 * Reading a received root once, on the I/O thread that received it: what it is,
 * from whom, to whom.  Everything here depends on the bytes alone; what to do
 * about a bad address or a type that does not exist is decided by logic, which
 * is told by flags and JD_TYPE_INVALID.
 */
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

static const char *const kinds[] = {
	[JD_MESSAGE] = "message",
	[JD_PRESENCE] = "presence",
	[JD_IQ] = "iq",
};

static const char *const types[] = {
	[JD_TYPE_ERROR] = "error",
	[JD_TYPE_CHAT] = "chat",
	[JD_TYPE_GROUPCHAT] = "groupchat",
	[JD_TYPE_HEADLINE] = "headline",
	[JD_TYPE_UNAVAILABLE] = "unavailable",
	[JD_TYPE_SUBSCRIBE] = "subscribe",
	[JD_TYPE_SUBSCRIBED] = "subscribed",
	[JD_TYPE_UNSUBSCRIBE] = "unsubscribe",
	[JD_TYPE_UNSUBSCRIBED] = "unsubscribed",
	[JD_TYPE_PROBE] = "probe",
	[JD_TYPE_GET] = "get",
	[JD_TYPE_SET] = "set",
	[JD_TYPE_RESULT] = "result",
};

/* Which types a kind has; "error" is everybody's. */
static const struct {
	enum jd_type first, last;
} ranges[] = {
	[JD_MESSAGE] = {JD_TYPE_ERROR, JD_TYPE_HEADLINE},
	[JD_PRESENCE] = {JD_TYPE_UNAVAILABLE, JD_TYPE_PROBE},
	[JD_IQ] = {JD_TYPE_GET, JD_TYPE_RESULT},
};

const char *stanza_kind_name(enum jd_kind kind)
{
	return kinds[kind];
}

const char *stanza_type_name(enum jd_kind kind, enum jd_type type)
{
	if (type == JD_TYPE_ERROR || (type >= ranges[kind].first && type <= ranges[kind].last))
		return types[type];
	return NULL;
}

static bool find_kind(struct jd_str name, enum jd_kind *ret_kind)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(kinds); i++)
		if (jd_str_is(name, kinds[i])) {
			*ret_kind = (enum jd_kind)i;
			return true;
		}
	return false;
}

/* A message of an unknown type is a normal one (RFC 6121 section 5.2.2); for the
 * other two kinds nothing could be done with it. */
static enum jd_type find_type(enum jd_kind kind, struct jd_str name)
{
	enum jd_type none = kind == JD_IQ ? JD_TYPE_INVALID : JD_TYPE_NONE;

	if (!name.p)
		return none;
	if (jd_str_is(name, types[JD_TYPE_ERROR]))
		return JD_TYPE_ERROR;
	for (enum jd_type t = ranges[kind].first; t <= ranges[kind].last; t++)
		if (jd_str_is(name, types[t]))
			return t;
	return kind == JD_MESSAGE ? JD_TYPE_NONE : JD_TYPE_INVALID;
}

/* RFC 6120 section 8.2.3: an id, and one child in a request.  Answers are not judged:
 * "invalid" is answered with an error, and an error must never be. */
static bool iq_is_whole(struct jd_el root, enum jd_type type, struct jd_str id)
{
	struct jd_el first = jd_el_first(root);

	if (type == JD_TYPE_ERROR || type == JD_TYPE_RESULT)
		return true;
	return id.p && jd_el_ok(first) && !jd_el_ok(jd_el_next(first));
}

static uint8_t read_jid(struct wire_builder *b, const char *name, char out[JD_JID_MAX],
			uint8_t bad_flag, struct jd_jid *ret_jid)
{
	struct jd_str in = wire_root_attr(b, JD_STR_NULL, name);

	*ret_jid = JD_JID_NULL;
	if (in.p && jid_prep(in, out, ret_jid) != 0)
		return bad_flag;
	return 0;
}

/* Characters are counted only if there are enough bytes for too many of them. */
static bool has_long_body(struct jd_el root, size_t limit)
{
	JD_EL_EACH_IS(body, root, JD_NS_STANZA, "body")
	{
		const struct wire_el *el = &body.wire->els[body.i];

		if (el->close - el->content > limit && jd_el_text_chars(body) > limit)
			return true;
	}
	return false;
}

int stanza_meta(struct wire_builder *b, const struct stanza_rules *rules,
		struct stanza_scratch *scratch, struct wire_meta *ret_meta)
{
	struct wire_meta meta = {0};
	struct jd_el root = wire_peek(b);
	enum jd_kind kind;
	enum jd_type type;

	if (!wire_root_is_content(b) || !find_kind(wire_root_name(b), &kind)) {
		meta.flags = WIRE_NO_STANZA;
		*ret_meta = meta;
		return 1;
	}
	type = find_type(kind, wire_root_attr(b, JD_STR_NULL, "type"));
	meta.id = wire_root_attr(b, JD_STR_NULL, "id");
	meta.lang = wire_root_attr(b, JD_STR(JD_NS_XML), "lang");
	if (kind == JD_IQ && !iq_is_whole(root, type, meta.id))
		type = JD_TYPE_INVALID;
	meta.kind = (uint8_t)kind;
	meta.type = (uint8_t)type;
	meta.flags |= read_jid(b, "from", scratch->from, WIRE_BAD_FROM, &meta.from);
	meta.flags |= read_jid(b, "to", scratch->to, WIRE_BAD_TO, &meta.to);
	if (kind == JD_MESSAGE && has_long_body(root, rules->body_chars))
		meta.flags |= WIRE_LONG_BODY;
	*ret_meta = meta;
	return 0;
}
