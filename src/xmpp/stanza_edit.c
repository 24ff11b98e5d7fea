/* SPDX-License-Identifier: MIT
 *
 * Edits.  Most stanzas travel unchanged; what is added on the way waits in blocks
 * of its own behind the content (the tail) and is never copied together unless
 * somebody looks.  Removing a child writes the stanza anew, once.
 *
 * Putting together what is already there cannot fail but for want of memory, and
 * then the process ends: going on with a stanza from which a forged child should
 * have been removed would be worse.
 */
#include "util/mem.h"
#include "xml/escape.h"
#include "xmpp/stanza.h"
#include "xmpp/stanza_priv.h"

typedef bool match_fn(struct jd_el child, const void *arg);

/* Text directly inside a root: spaces, mostly. Canonical escapes are undone by pieces. */
static void copy_text(struct wire_builder *b, const struct jd_wire *wire, uint32_t from,
		      uint32_t to)
{
	struct jd_str s = {wire->bytes + from, to - from};

	while (s.len) {
		const char *amp = memchr(s.p, '&', s.len);
		size_t plain = amp ? (size_t)(amp - s.p) : s.len, used;
		char c;

		wire_text(b, (struct jd_str){s.p, plain});
		s.p += plain;
		s.len -= plain;
		if (!s.len)
			break;
		used = escape_read(s.p, s.len, &c);
		JD_ASSERT(used);
		wire_text(b, (struct jd_str){&c, 1});
		s.p += used;
		s.len -= used;
	}
}

/* Copies what is inside the root of wire, but for the children that match. */
static unsigned copy_content(struct wire_builder *b, const struct jd_wire *wire, match_fn *match,
			     const void *arg)
{
	uint32_t at = wire->els[0].content;
	unsigned left_out = 0;

	JD_EL_EACH(child, wire_root(wire))
	{
		copy_text(b, wire, at, wire->els[child.i].start);
		at = wire->els[child.i].end;
		if (match && match(child, arg))
			left_out++;
		else
			wire_copy(b, child);
	}
	copy_text(b, wire, at, wire->els[0].close);
	return left_out;
}

static unsigned copy_all(struct wire_builder *b, const struct stanza *s, match_fn *match,
			 const void *arg)
{
	unsigned left_out = copy_content(b, s->wire, match, arg);

	for (const struct stanza_part *part = s->tail; part; part = part->next)
		left_out += copy_content(b, part->wire, match, arg);
	return left_out;
}

static unsigned rebuild(struct stanza *s, match_fn *match, const void *arg)
{
	struct jd_xml *x = stanza_rebuild_open(s);
	unsigned left_out = copy_all(x->b, s, match, arg);
	struct jd_wire *wire = stanza_edit_close(x);

	JD_ASSERT(wire);
	stanza_replace(s, wire);
	return left_out;
}

struct jd_el jd_stanza_root(struct jd_stanza *st)
{
	struct stanza *s = stanza_of(st);

	if (s->tail)
		rebuild(s, NULL, NULL);
	return wire_root(s->wire);
}

static bool is_called(const struct jd_wire *wire, const struct wire_el *e, struct jd_str name)
{
	return e->name_len == name.len && memcmp(wire->bytes + e->start + 1, name.p, name.len) == 0;
}

/* Without a look at those that are called otherwise; name.p NULL: at all. */
static bool any_match(const struct jd_wire *wire, struct jd_str name, match_fn *match,
		      const void *arg)
{
	for (uint32_t i = 1; i < wire->els[0].next; i = wire->els[i].next)
		if ((!name.p || is_called(wire, &wire->els[i], name)) &&
		    match((struct jd_el){wire, i}, arg))
			return true;
	return false;
}

unsigned stanza_remove(struct jd_stanza *st, struct jd_str name, match_fn *match, const void *arg)
{
	struct stanza *s = stanza_of(st);
	bool any = any_match(s->wire, name, match, arg);

	for (const struct stanza_part *part = s->tail; part && !any; part = part->next)
		any = any_match(part->wire, name, match, arg);
	return any ? rebuild(s, match, arg) : 0;
}

unsigned jd_stanza_remove(struct jd_stanza *st, match_fn *match, const void *arg)
{
	return stanza_remove(st, JD_STR_NULL, match, arg);
}

struct jd_xml *jd_stanza_add(struct jd_stanza *st)
{
	return stanza_edit_open(stanza_of(st));
}

void jd_stanza_added(struct jd_stanza *st, struct jd_xml *x)
{
	struct jd_wire *wire = stanza_edit_close(x);

	if (!wire)
		return;
	if (wire_content(wire).len)
		stanza_add_tail(stanza_of(st), wire);
	else
		wire_unref(wire);
}

void jd_stanza_write(struct jd_stanza *st, struct jd_xml *x)
{
	const struct stanza *s = stanza_of(st);

	stanza_write_root(x, s);
	copy_all(x->b, s, NULL, NULL);
	wire_end(x->b);
}
