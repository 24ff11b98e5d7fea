/* SPDX-License-Identifier: MIT
 *
 * Reading a block: every question is a look into the flat index.
 */
#include <jackdaw/xml.h>

#include "util/mem.h"
#include "util/utf8.h"
#include "xml/escape.h"
#include "xml/wire.h"

static const struct wire_el *entry(struct jd_el el)
{
	return &el.wire->els[el.i];
}

struct jd_str jd_el_name(struct jd_el el)
{
	if (!el.wire)
		return JD_STR_NULL;
	return (struct jd_str){el.wire->bytes + entry(el)->start + 1, entry(el)->name_len};
}

struct jd_str jd_el_ns(struct jd_el el)
{
	return el.wire ? el.wire->nss[entry(el)->ns] : JD_STR_NULL;
}

/* Asked of every child of every stanza, and mostly answered by the first letter. */
static bool is_called(const struct jd_wire *w, const struct wire_el *e, const char *name)
{
	const char *own = w->bytes + e->start + 1;

	return own[0] == name[0] && jd_str_is((struct jd_str){own, e->name_len}, name);
}

bool jd_el_is(struct jd_el el, const char *ns, const char *name)
{
	if (!el.wire || (name && !is_called(el.wire, entry(el), name)))
		return false;
	return !ns || jd_str_is(jd_el_ns(el), ns);
}

struct jd_el jd_el_first(struct jd_el el)
{
	if (!el.wire || entry(el)->next == el.i + 1)
		return JD_EL_NONE;
	return (struct jd_el){el.wire, el.i + 1};
}

struct jd_el jd_el_next(struct jd_el el)
{
	const struct wire_el *e;

	if (!el.wire || el.i == 0)
		return JD_EL_NONE;
	e = entry(el);
	if (e->next >= el.wire->els[e->parent].next)
		return JD_EL_NONE;
	return (struct jd_el){el.wire, e->next};
}

struct jd_el jd_el_parent(struct jd_el el)
{
	if (!el.wire || el.i == 0)
		return JD_EL_NONE;
	return (struct jd_el){el.wire, entry(el)->parent};
}

static struct jd_el seek(struct jd_el el, const char *ns, const char *name)
{
	while (el.wire && !jd_el_is(el, ns, name))
		el = jd_el_next(el);
	return el;
}

struct jd_el jd_el_child(struct jd_el el, const char *ns, const char *name)
{
	return seek(jd_el_first(el), ns, name);
}

struct jd_el jd_el_next_is(struct jd_el el, const char *ns, const char *name)
{
	return seek(jd_el_next(el), ns, name);
}

struct jd_str jd_el_attr(struct jd_el el, const char *name)
{
	return jd_el_attr_ns(el, NULL, name);
}

struct jd_str jd_el_attr_ns(struct jd_el el, const char *ns, const char *name)
{
	const struct wire_attr *a;
	const struct jd_wire *w = el.wire;
	size_t len = strlen(name);

	if (!w)
		return JD_STR_NULL;
	a = w->attrs + entry(el)->attr;
	for (unsigned n = entry(el)->attrs; n--; a++) {
		if (a->name_len != len || memcmp(w->bytes + a->name, name, len) != 0)
			continue;
		if (a->ns == WIRE_NO_NS ? ns && *ns : !ns || !jd_str_is(w->nss[a->ns], ns))
			continue;
		return (struct jd_str){(a->in_extra ? w->extra : w->bytes) + a->value,
				       a->value_len};
	}
	return JD_STR_NULL;
}

/* -- text -------------------------------------------------------------------------- */

/* The runs of canonical text directly inside an element, between its children. */
struct runs {
	struct jd_el child; /* the one that ends the present run */
	uint32_t at, close;
};

static struct runs runs_of(struct jd_el el)
{
	return (struct runs){jd_el_first(el), entry(el)->content, entry(el)->close};
}

/* The next run that is not empty. */
static bool next_run(const struct jd_wire *w, struct runs *r, struct jd_str *ret_run)
{
	while (r->at < r->close) {
		uint32_t from = r->at;
		uint32_t to = r->child.wire ? entry(r->child)->start : r->close;

		if (r->child.wire) {
			r->at = entry(r->child)->end;
			r->child = jd_el_next(r->child);
		} else {
			r->at = r->close;
		}
		if (to > from) {
			*ret_run = (struct jd_str){w->bytes + from, to - from};
			return true;
		}
	}
	return false;
}

struct jd_str jd_el_text(struct jd_el el, struct jd_arena *arena)
{
	struct jd_str run, first = {"", 0};
	struct runs r;
	unsigned count = 0;
	size_t total = 0, len = 0;
	char *out;

	if (!el.wire)
		return JD_STR_NULL;
	for (r = runs_of(el); next_run(el.wire, &r, &run); count++) {
		if (!count)
			first = run;
		total += run.len;
	}
	if (!count || (count == 1 && !memchr(first.p, '&', first.len)))
		return first;
	out = jd_arena_bytes(arena, total);
	for (r = runs_of(el); next_run(el.wire, &r, &run);)
		len += escape_decode(run.p, run.len, out + len);
	return (struct jd_str){out, len};
}

/* A reference is one character, whatever its length. */
static size_t run_chars(struct jd_str s)
{
	size_t chars = utf8_count(s.p, s.len);

	while (s.len) {
		const char *amp = memchr(s.p, '&', s.len);
		size_t used;
		char c;

		if (!amp)
			break;
		s.len -= (size_t)(amp - s.p);
		s.p = amp;
		used = escape_read(s.p, s.len, &c);
		if (!used)
			used = 1;
		chars -= used - 1;
		s.p += used;
		s.len -= used;
	}
	return chars;
}

size_t jd_el_text_chars(struct jd_el el)
{
	struct jd_str run;
	struct runs r;
	size_t chars = 0;

	if (!el.wire)
		return 0;
	for (r = runs_of(el); next_run(el.wire, &r, &run);)
		chars += run_chars(run);
	return chars;
}
