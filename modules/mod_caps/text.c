/* SPDX-License-Identifier: MIT
 *
 * The text over which a caps hash is made (XEP-0115 section 5.1).
 *
 * It is written without saying where identities end and features begin, or what
 * is a field and what its value, so that one text can stand for several answers:
 * "a<b<" for the features a and b, or for one with the name "a<b"; the last three
 * features for a form.  Whoever is asked for the hash of a widespread client could
 * give such an answer, and everybody with that client would lose features.  So an
 * answer that could be read in another way counts for its sender only.
 */
#include <stdlib.h>

#include "caps.h"

/* -- collecting ------------------------------------------------------------------------- */

void caps_parts_init(struct caps_parts *p, struct jd_arena *arena, size_t max)
{
	*p = (struct caps_parts){.arena = arena};
	p->max_identities = p->max_features = max;
	p->max_forms = max < 32 ? max : 32;
	p->identities = jd_arena_alloc(arena, p->max_identities * sizeof(p->identities[0]));
	p->features = jd_arena_alloc(arena, p->max_features * sizeof(p->features[0]));
	p->forms = jd_arena_alloc(arena, p->max_forms * sizeof(p->forms[0]));
}

static bool has(struct jd_str s, char c)
{
	return s.len && memchr(s.p, c, s.len);
}

/* "http://x/y" as a feature reads like an identity without type. */
static bool part_is_plain(struct jd_str s)
{
	return !has(s, '<') && !has(s, '/') && !has(s, ':');
}

void caps_add_identity(struct caps_parts *p, struct jd_str category, struct jd_str type,
		       struct jd_str lang, struct jd_str name)
{
	if (!category.len || !type.len || !part_is_plain(category) || !part_is_plain(type) ||
	    !part_is_plain(lang) || has(name, '<'))
		p->ambiguous = true;
	if (p->n_identities < p->max_identities)
		p->identities[p->n_identities++] =
			jd_arena_printf(p->arena, "%.*s/%.*s/%.*s/%.*s", JD_FMT(category),
					JD_FMT(type), JD_FMT(lang), JD_FMT(name));
}

void caps_add_feature(struct caps_parts *p, struct jd_str var)
{
	if (!var.len || has(var, '<'))
		p->ambiguous = true;
	if (p->n_features < p->max_features)
		p->features[p->n_features++] = var;
}

/* A form that trailing features could be taken for has names of fields like theirs. */
static void judge_form(struct caps_parts *p, const struct caps_form *form)
{
	bool odd = has(form->type, '<') || !form->n_fields;

	for (size_t i = 0; i < form->n_fields; i++) {
		const struct caps_field *f = &form->fields[i];

		odd = odd || !f->var.len || has(f->var, '<') || has(f->var, ':') || !f->n_values;
		for (size_t k = 0; k < f->n_values; k++)
			odd = odd || has(f->values[k], '<');
	}
	p->ambiguous = p->ambiguous || odd;
}

static struct jd_str *values_of(struct jd_arena *arena, const char *const *from, size_t *ret_n)
{
	struct jd_str *list;
	size_t n = 0;

	while (from[n])
		n++;
	list = jd_arena_alloc(arena, (n + 1) * sizeof(list[0]));
	for (size_t i = 0; i < n; i++)
		list[i] = jd_cstr(from[i]);
	*ret_n = n;
	return list;
}

void caps_add_form(struct caps_parts *p, struct jd_str type, const struct jd_disco_field *fields,
		   size_t n)
{
	struct caps_form form = {.type = type, .n_fields = n};

	if (p->n_forms == p->max_forms)
		return;
	form.fields = jd_arena_alloc(p->arena, (n + 1) * sizeof(form.fields[0]));
	for (size_t i = 0; i < n; i++) {
		form.fields[i].var = jd_cstr(fields[i].var);
		form.fields[i].values =
			values_of(p->arena, fields[i].values, &form.fields[i].n_values);
	}
	p->forms[p->n_forms++] = form;
}

/* -- reading an answer ------------------------------------------------------------------ */

static size_t children(struct jd_el el, const char *ns, const char *name)
{
	size_t n = 0;

	JD_EL_EACH_IS(child, el, ns, name)
	n++;
	return n;
}

static bool read_values(struct caps_parts *p, struct jd_el field, struct caps_field *to)
{
	size_t n = children(field, JD_NS_DATAFORM, "value");

	if (n > CAPS_MAX_PARTS)
		return false;
	to->values = jd_arena_alloc(p->arena, (n + 1) * sizeof(to->values[0]));
	JD_EL_EACH_IS(value, field, JD_NS_DATAFORM, "value")
	to->values[to->n_values++] = jd_el_text(value, p->arena);
	return true;
}

/* 1: it has no FORM_TYPE and does not count (step 3.6); 0: good; -1: not well formed. */
static int read_type(struct caps_parts *p, struct jd_el field, struct caps_form *form)
{
	struct caps_field values = {.n_values = 0};

	if (!jd_str_is(jd_el_attr(field, "type"), "hidden"))
		return 1;
	if (!read_values(p, field, &values) || form->type.p || !values.n_values)
		return -1;
	for (size_t i = 1; i < values.n_values; i++)
		if (!jd_str_eq(values.values[i], values.values[0]))
			return -1;
	form->type = values.values[0];
	return 0;
}

static bool read_form(struct caps_parts *p, struct jd_el x)
{
	struct caps_form form = {.n_fields = 0};
	size_t n = children(x, JD_NS_DATAFORM, "field");
	int r = 1;

	if (n > CAPS_MAX_PARTS || p->n_forms == p->max_forms)
		return false;
	form.fields = jd_arena_alloc(p->arena, (n + 1) * sizeof(form.fields[0]));
	JD_EL_EACH_IS(field, x, JD_NS_DATAFORM, "field")
	{
		struct caps_field *to = &form.fields[form.n_fields];

		to->var = jd_el_attr(field, "var");
		if (jd_str_is(to->var, "FORM_TYPE")) {
			r = read_type(p, field, &form);
			if (r)
				break;
			continue;
		}
		if (!read_values(p, field, to))
			return false;
		form.n_fields++;
	}
	if (r == 0) {
		judge_form(p, &form);
		p->forms[p->n_forms++] = form;
	}
	return r >= 0;
}

bool caps_read(struct caps_parts *p, struct jd_el query)
{
	size_t identities = children(query, JD_NS_DISCO_INFO, "identity");
	size_t features = children(query, JD_NS_DISCO_INFO, "feature");

	if (identities > CAPS_MAX_PARTS || features > CAPS_MAX_PARTS)
		return false;
	caps_parts_init(p, p->arena, (identities > features ? identities : features) + 32);
	JD_EL_EACH_IS(el, query, JD_NS_DISCO_INFO, "identity")
	caps_add_identity(p, jd_el_attr(el, "category"), jd_el_attr(el, "type"),
			  jd_el_attr_ns(el, JD_NS_XML, "lang"), jd_el_attr(el, "name"));
	JD_EL_EACH_IS(el, query, JD_NS_DISCO_INFO, "feature")
	caps_add_feature(p, jd_el_attr(el, "var"));
	JD_EL_EACH_IS(x, query, JD_NS_DATAFORM, "x")
	if (!read_form(p, x))
		return false;
	return true;
}

/* -- writing the text ------------------------------------------------------------------- */

/* i;octet (RFC 4790). */
static int str_cmp(const void *left, const void *right)
{
	const struct jd_str *a = left, *b = right;
	size_t n = a->len < b->len ? a->len : b->len;
	int c = n ? memcmp(a->p, b->p, n) : 0;

	if (c)
		return c;
	return a->len < b->len ? -1 : a->len > b->len;
}

static int field_cmp(const void *left, const void *right)
{
	return str_cmp(&((const struct caps_field *)left)->var,
		       &((const struct caps_field *)right)->var);
}

static int form_cmp(const void *left, const void *right)
{
	return str_cmp(&((const struct caps_form *)left)->type,
		       &((const struct caps_form *)right)->type);
}

/* The text is written twice: to count, then to copy. */
struct out {
	char *at; /* NULL: count only */
	size_t len;
};

static void put(struct out *o, struct jd_str s)
{
	if (o->at) {
		memcpy(o->at + o->len, s.p ? s.p : "", s.len);
		o->at[o->len + s.len] = '<';
	}
	o->len += s.len + 1;
}

static void put_all(struct out *o, const struct caps_parts *p)
{
	for (size_t i = 0; i < p->n_identities; i++)
		put(o, p->identities[i]);
	for (size_t i = 0; i < p->n_features; i++)
		put(o, p->features[i]);
	for (size_t i = 0; i < p->n_forms; i++) {
		const struct caps_form *form = &p->forms[i];

		put(o, form->type);
		for (size_t k = 0; k < form->n_fields; k++) {
			put(o, form->fields[k].var);
			for (size_t m = 0; m < form->fields[k].n_values; m++)
				put(o, form->fields[k].values[m]);
		}
	}
}

static bool sort(struct jd_str *list, size_t n)
{
	if (n)
		qsort(list, n, sizeof(list[0]), str_cmp);
	for (size_t i = 1; i < n; i++)
		if (jd_str_eq(list[i - 1], list[i]))
			return false;
	return true;
}

static bool sort_forms(struct caps_parts *p)
{
	if (p->n_forms)
		qsort(p->forms, p->n_forms, sizeof(p->forms[0]), form_cmp);
	for (size_t i = 0; i < p->n_forms; i++) {
		struct caps_form *form = &p->forms[i];

		if (i && jd_str_eq(form->type, p->forms[i - 1].type))
			return false;
		qsort(form->fields, form->n_fields, sizeof(form->fields[0]), field_cmp);
		for (size_t k = 0; k < form->n_fields; k++)
			qsort(form->fields[k].values, form->fields[k].n_values,
			      sizeof(form->fields[k].values[0]), str_cmp);
	}
	return true;
}

bool caps_text(struct caps_parts *p, struct jd_str *ret_text)
{
	struct out o = {NULL, 0};

	if (!sort(p->identities, p->n_identities) || !sort(p->features, p->n_features) ||
	    !sort_forms(p))
		return false;
	put_all(&o, p);
	if (o.len > CAPS_MAX_BYTES)
		return false;
	o = (struct out){jd_arena_bytes(p->arena, o.len + 1), 0};
	put_all(&o, p);
	*ret_text = (struct jd_str){o.at, o.len};
	return true;
}

struct jd_str caps_hash(struct jd_arena *arena, struct jd_str hash, struct jd_str text)
{
	static const struct {
		const char *name;
		enum jd_hash_kind kind;
	} kinds[] = {
		{"sha-1", JD_HASH_SHA1}, {"sha-256", JD_HASH_SHA256}, {"sha-512", JD_HASH_SHA512}};
	uint8_t digest[JD_DIGEST_MAX];

	for (size_t i = 0; i < JD_ARRAY_SIZE(kinds); i++) {
		if (!jd_str_is(hash, kinds[i].name))
			continue;
		jd_digest(kinds[i].kind, text, digest);
		return jd_base64(arena, digest, jd_digest_size(kinds[i].kind));
	}
	return JD_STR_NULL;
}
