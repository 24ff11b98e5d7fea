/* SPDX-License-Identifier: MIT
 *
 * Structural comparison of two stanzas.
 */
#include "replay/match.h"

#include <stdio.h>

#include "util/arena.h"

#define NS_ERROR "urn:ietf:params:xml:ns:xmpp-stanzas"

#define MAX_NAMES 64

struct names {
	size_t n;
	struct {
		char *name;
		char *value;
	} of[MAX_NAMES];
};

struct names *names_new(void)
{
	return mem_new(struct names);
}

static void names_cut(struct names *names, size_t n)
{
	while (names->n > n) {
		names->n--;
		mem_free(names->of[names->n].name);
		mem_free(names->of[names->n].value);
	}
}

void names_free(struct names *names)
{
	names_cut(names, 0);
	mem_free(names);
}

static const char *names_get(const struct names *names, struct jd_str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (jd_str_is(name, names->of[i].name))
			return names->of[i].value;
	return NULL;
}

void names_set(struct names *names, struct jd_str name, struct jd_str value)
{
	JD_ASSERT(names->n < MAX_NAMES);
	names->of[names->n].name = jd_strdup(name);
	names->of[names->n].value = jd_strdup(value);
	names->n++;
}

/* The length of "${name}" at p, or 0. */
static size_t reference(struct jd_str at, struct jd_str *ret_name)
{
	const char *end;

	if (at.len < 4 || at.p[0] != '$' || at.p[1] != '{')
		return 0;
	end = memchr(at.p, '}', at.len);
	if (!end)
		return 0;
	*ret_name = (struct jd_str){at.p + 2, (size_t)(end - at.p) - 2};
	return (size_t)(end - at.p) + 1;
}

char *names_fill(const struct names *names, struct jd_str text)
{
	struct buf b;
	char *out;

	buf_init(&b, 64 << 20);
	for (size_t i = 0; i < text.len;) {
		struct jd_str name = JD_STR_NULL;
		size_t n = reference((struct jd_str){text.p + i, text.len - i}, &name);
		const char *value = n ? names_get(names, name) : NULL;

		n = n ? n : 1;
		JD_ASSERT((value ? buf_append(&b, value, strlen(value))
				 : buf_append(&b, text.p + i, n)) == 0);
		i += n;
	}
	out = jd_strdup(b.p ? buf_str(&b) : JD_STR(""));
	buf_free(&b);
	return out;
}

/* -- comparing --------------------------------------------------------------------------------- */

struct matching {
	struct names *names;
	struct jd_arena arena;
	char why[1024];
};

static const char *shown(struct jd_str s)
{
	return s.p ? s.p : "";
}

static bool differs(struct matching *m, struct jd_el at, const char *what, struct jd_str want,
		    struct jd_str got)
{
	struct jd_str name = jd_el_name(at);

	(void)snprintf(m->why, sizeof(m->why), "<%.*s>: %s: expected '%.*s', got '%.*s'",
		       (int)name.len, shown(name), what, (int)want.len, shown(want), (int)got.len,
		       shown(got));
	return false;
}

static bool value_matches(struct matching *m, struct jd_str want, struct jd_str got)
{
	struct jd_str name;
	const char *value;

	if (jd_str_is(want, "*"))
		return true;
	if (reference(want, &name) != want.len || !want.len)
		return jd_str_eq(want, got);
	value = names_get(m->names, name);
	if (value)
		return jd_str_is(got, value);
	names_set(m->names, name, got);
	return true;
}

static struct jd_str attr_name(struct jd_el el, const struct wire_attr *a)
{
	return (struct jd_str){el.wire->bytes + a->name, a->name_len};
}

static struct jd_str attr_value(struct jd_el el, const struct wire_attr *a)
{
	const char *base = a->in_extra ? el.wire->extra : el.wire->bytes;

	return (struct jd_str){base + a->value, a->value_len};
}

static struct jd_str attr_ns(struct jd_el el, const struct wire_attr *a)
{
	return a->ns == WIRE_NO_NS ? JD_STR_NULL : el.wire->nss[a->ns];
}

static const struct wire_attr *attr_like(struct jd_el el, struct jd_el other,
					 const struct wire_attr *a)
{
	const struct wire_el *e = &el.wire->els[el.i];

	for (unsigned i = 0; i < e->attrs; i++) {
		const struct wire_attr *b = &el.wire->attrs[e->attr + i];

		if (jd_str_eq(attr_name(el, b), attr_name(other, a)) &&
		    jd_str_eq(attr_ns(el, b), attr_ns(other, a)))
			return b;
	}
	return NULL;
}

static bool attrs_match(struct matching *m, struct jd_el want, struct jd_el got)
{
	const struct wire_el *w = &want.wire->els[want.i], *g = &got.wire->els[got.i];

	for (unsigned i = 0; i < w->attrs; i++) {
		const struct wire_attr *a = &want.wire->attrs[w->attr + i];
		const struct wire_attr *b = attr_like(got, want, a);

		if (!b)
			return differs(m, want, "attribute is missing", attr_name(want, a),
				       JD_STR_NULL);
		if (!value_matches(m, attr_value(want, a), attr_value(got, b)))
			return differs(m, want, "attribute", attr_value(want, a),
				       attr_value(got, b));
	}
	for (unsigned i = 0; i < g->attrs; i++) {
		const struct wire_attr *b = &got.wire->attrs[g->attr + i];

		if (!attr_like(want, got, b))
			return differs(m, got, "attribute too many", JD_STR_NULL,
				       attr_name(got, b));
	}
	return true;
}

static struct jd_str trimmed(struct jd_str s)
{
	while (s.len && strchr(" \t\n", s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && strchr(" \t\n", s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool error_matches(struct matching *m, struct jd_el want, struct jd_el got)
{
	struct jd_str is = jd_el_attr(want, "is"), type = jd_el_attr(want, "type");
	struct jd_el condition = jd_el_child(got, NS_ERROR, NULL);

	if (!jd_el_is(got, JD_NS_STANZA, "error"))
		return differs(m, want, "element", jd_el_name(want), jd_el_name(got));
	if (!jd_str_is(is, "*") && !jd_str_eq(jd_el_name(condition), is))
		return differs(m, want, "condition", is, jd_el_name(condition));
	if (type.p && !jd_str_is(type, "*") && !jd_str_eq(type, jd_el_attr(got, "type")))
		return differs(m, want, "type", type, jd_el_attr(got, "type"));
	return true;
}

static bool el_matches(struct matching *m, struct jd_el want, struct jd_el got);

/* The first from here that matches. */
static struct jd_el look_for(struct matching *m, struct jd_el want, struct jd_el got)
{
	size_t known = m->names->n;

	while (jd_el_ok(got) && !el_matches(m, want, got)) {
		m->why[0] = '\0';
		names_cut(m->names, known);
		got = jd_el_next(got);
	}
	names_cut(m->names, known);
	return got;
}

/* Elements are walked by index; the depth is the script's own. */
static bool el_matches(struct matching *m, struct jd_el want, struct jd_el got)
{
	struct jd_str want_text, got_text;
	bool more = false;
	struct jd_el g;

	if (jd_el_is(want, NULL, "any"))
		return true;
	if (jd_el_is(want, JD_NS_STANZA, "error") && jd_el_attr(want, "is").p)
		return error_matches(m, want, got);
	if (!jd_str_eq(jd_el_name(want), jd_el_name(got)))
		return differs(m, want, "element", jd_el_name(want), jd_el_name(got));
	if (!jd_str_eq(jd_el_ns(want), jd_el_ns(got)))
		return differs(m, want, "namespace", jd_el_ns(want), jd_el_ns(got));
	if (!attrs_match(m, want, got))
		return false;
	want_text = trimmed(jd_el_text(want, &m->arena));
	got_text = trimmed(jd_el_text(got, &m->arena));
	if (!value_matches(m, want_text, got_text))
		return differs(m, want, "text", want_text, got_text);
	g = jd_el_first(got);
	JD_EL_EACH(w, want)
	{
		if (jd_el_is(w, NULL, "more")) {
			more = true;
			continue;
		}
		if (more)
			g = look_for(m, w, g);
		more = false;
		if (!jd_el_ok(g))
			return differs(m, want, "child is missing", jd_el_name(w), JD_STR_NULL);
		if (!el_matches(m, w, g))
			return false;
		g = jd_el_next(g);
	}
	if (jd_el_ok(g) && !more)
		return differs(m, want, "child too many", JD_STR_NULL, jd_el_name(g));
	return true;
}

char *match(struct names *names, struct jd_str expected, struct jd_str sent)
{
	struct jd_wire *want = fake_parse(expected), *got = fake_parse(sent);
	struct matching m = {.names = names};
	size_t known = names->n;

	arena_init(&m.arena, NULL, 0);
	if (!want || !got)
		(void)snprintf(m.why, sizeof(m.why), "%s is not XML", want ? "sent" : "expected");
	else
		(void)el_matches(&m, wire_root(want), wire_root(got));
	arena_fini(&m.arena);
	wire_unref(want);
	wire_unref(got);
	if (m.why[0])
		names_cut(names, known);
	return m.why[0] ? jd_strdup(jd_cstr(m.why)) : NULL;
}
