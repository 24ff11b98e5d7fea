/* SPDX-License-Identifier: MIT
 *
 * The document that a command answers with: kept as a list of values and lists
 * of records, and written at the end as JSON and as text.
 */
#include <inttypes.h>

#include "core/command_priv.h"
#include "core/json.h"
#include "util/utf8.h"

void doc_init(struct doc *d, struct jd_arena *arena)
{
	*d = (struct doc){.arena = arena};
	d->last = &d->parts;
}

/* Counted also when it is left out: a document past its bound is an error in the end. */
static bool room(struct doc *d, const char *key, size_t n)
{
	d->bytes += strlen(key) + n + 16;
	return d->bytes <= DOC_MAX_BYTES;
}

static struct jd_doc_part *part_new(struct doc *d)
{
	struct jd_doc_part *part = jd_arena_new(d->arena, struct jd_doc_part);

	part->last = &part->records;
	*d->last = part;
	d->last = &part->next;
	return part;
}

void doc_put(struct doc *d, struct jd_doc_value value)
{
	struct jd_doc_value *v;

	if (!room(d, value.key, value.str.len))
		return;
	value.key = jd_arena_str(d->arena, jd_cstr(value.key)).p;
	if (value.kind == JD_DOC_STR)
		value.str = jd_arena_str(d->arena, value.str.p ? value.str : JD_STR(""));
	if (!d->record) {
		JD_ASSERT(!d->list);
		part_new(d)->value = value;
		return;
	}
	v = jd_arena_new(d->arena, struct jd_doc_value);
	*v = value;
	*d->record->last = v;
	d->record->last = &v->next;
}

void doc_list(struct doc *d, const char *key)
{
	JD_ASSERT(!d->list);
	d->list = part_new(d);
	d->list->list = true;
	d->list->value.key = jd_arena_str(d->arena, jd_cstr(key)).p;
}

void doc_record(struct doc *d)
{
	JD_ASSERT(d->list);
	room(d, "", sizeof(struct jd_doc_record));
	if (d->bytes > DOC_MAX_BYTES && d->record)
		return;
	d->record = jd_arena_new(d->arena, struct jd_doc_record);
	d->record->last = &d->record->values;
	*d->list->last = d->record;
	d->list->last = &d->record->next;
}

void doc_end(struct doc *d)
{
	JD_ASSERT(d->list);
	d->list = NULL;
	d->record = NULL;
}

/* -- JSON ------------------------------------------------------------------------------- */

static int json_value(struct buf *out, const struct jd_doc_value *v)
{
	int err = json_put_str(out, jd_cstr(v->key));

	if (!err)
		err = buf_append(out, ": ", 2);
	if (err)
		return err;
	if (v->kind == JD_DOC_STR)
		return json_put_str(out, v->str);
	if (v->kind == JD_DOC_BOOL)
		return buf_printf(out, "%s", v->num ? "true" : "false");
	return buf_printf(out, "%" PRId64, v->num);
}

static int json_record(struct buf *out, const struct jd_doc_record *r)
{
	int err = buf_printf(out, "\n  {");

	for (const struct jd_doc_value *v = r->values; v && !err; v = v->next) {
		if (v != r->values)
			err = buf_append(out, ", ", 2);
		if (!err)
			err = json_value(out, v);
	}
	return err ? err : buf_append(out, "}", 1);
}

static int json_list(struct buf *out, const struct jd_doc_part *part)
{
	int err = json_put_str(out, jd_cstr(part->value.key));

	if (!err)
		err = buf_append(out, ": [", 3);
	for (const struct jd_doc_record *r = part->records; r && !err; r = r->next) {
		if (r != part->records)
			err = buf_append(out, ",", 1);
		if (!err)
			err = json_record(out, r);
	}
	return err ? err : buf_append(out, "]", 1);
}

int doc_json(const struct doc *d, struct buf *out)
{
	int err = buf_append(out, "{", 1);

	if (d->bytes > DOC_MAX_BYTES)
		return -JD_ELIMIT;
	for (const struct jd_doc_part *part = d->parts; part && !err; part = part->next) {
		if (part != d->parts)
			err = buf_append(out, ",\n ", 3);
		if (!err)
			err = part->list ? json_list(out, part) : json_value(out, &part->value);
	}
	return err ? err : buf_append(out, "}\n", 2);
}

/* -- text ---------------------------------------------------------------------------------- */

#define MAX_COLUMNS 16

struct table {
	const char *keys[MAX_COLUMNS];
	size_t width[MAX_COLUMNS];
	size_t n;
};

/* Nothing that comes from a user steers the terminal. */
static struct jd_str printable(struct jd_arena *arena, struct jd_str s)
{
	struct jd_str copy = jd_arena_str(arena, s);
	char *p = (char *)(uintptr_t)copy.p;

	for (size_t i = 0, n; i < copy.len; i += n) {
		uint32_t cp = 0;

		n = utf8_decode(p + i, copy.len - i, &cp);
		if (n && cp >= 0x20 && !(cp >= 0x7f && cp < 0xa0) &&
		    !(cp >= 0x200e && cp <= 0x200f) && !(cp >= 0x2028 && cp <= 0x202e) &&
		    !(cp >= 0x2066 && cp <= 0x2069))
			continue;
		n = n ? n : 1;
		memset(p + i, '?', n);
	}
	return copy;
}

static struct jd_str value_text(struct jd_arena *arena, const struct jd_doc_value *v)
{
	if (v->kind == JD_DOC_STR)
		return printable(arena, v->str);
	if (v->kind == JD_DOC_BOOL)
		return v->num ? JD_STR("yes") : JD_STR("no");
	return jd_arena_printf(arena, "%" PRId64, v->num);
}

static size_t column(struct table *t, const char *key)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->keys[i], key) != 0)
		i++;
	if (i == t->n && t->n < MAX_COLUMNS) {
		t->keys[i] = key;
		t->width[i] = strlen(key);
		t->n++;
	}
	return i;
}

static void measure(struct table *t, const struct jd_doc_part *part, struct jd_arena *arena)
{
	for (const struct jd_doc_record *r = part->records; r; r = r->next) {
		for (const struct jd_doc_value *v = r->values; v; v = v->next) {
			struct jd_str s = value_text(arena, v);
			size_t i = column(t, v->key), n = utf8_count(s.p, s.len);

			if (i < t->n && n > t->width[i])
				t->width[i] = n;
		}
	}
}

static int put_cell(struct buf *out, struct jd_str s, size_t width, bool last)
{
	size_t n = utf8_count(s.p, s.len);
	int err = buf_append(out, s.p, s.len);

	if (err || last)
		return err;
	return buf_printf(out, "%*s", (int)(width - (n < width ? n : width)) + 2, "");
}

static int put_row(struct buf *out, const struct table *t, const struct jd_doc_record *r,
		   struct jd_arena *arena)
{
	int err = 0;

	for (size_t i = 0; i < t->n && !err; i++) {
		struct jd_str s = r ? JD_STR("") : jd_cstr(t->keys[i]);

		for (const struct jd_doc_value *v = r ? r->values : NULL; v; v = v->next)
			if (strcmp(v->key, t->keys[i]) == 0)
				s = value_text(arena, v);
		err = put_cell(out, s, t->width[i], i + 1 == t->n);
	}
	while (!err && out->p[out->len - 1] == ' ')
		out->len--;
	return err ? err : buf_append(out, "\n", 1);
}

static int text_list(struct buf *out, const struct jd_doc_part *part, bool alone)
{
	struct table t = {.n = 0};
	struct jd_arena arena;
	int err = 0;

	if (!part->records)
		return buf_printf(out, "%s: none\n", part->value.key);
	arena_init(&arena, NULL, 0);
	measure(&t, part, &arena);
	if (!alone)
		err = buf_printf(out, "\n%s\n", part->value.key);
	if (!err)
		err = put_row(out, &t, NULL, &arena);
	for (const struct jd_doc_record *r = part->records; r && !err; r = r->next)
		err = put_row(out, &t, r, &arena);
	arena_fini(&arena);
	return err;
}

int doc_text(const struct doc *d, struct buf *out)
{
	int err = 0;

	if (d->bytes > DOC_MAX_BYTES)
		return -JD_ELIMIT;
	for (const struct jd_doc_part *part = d->parts; part && !err; part = part->next) {
		struct jd_str s;

		if (part->list) {
			err = text_list(out, part, d->parts == part && !part->next);
			continue;
		}
		s = value_text(d->arena, &part->value);
		err = buf_printf(out, "%s: ", part->value.key);
		if (!err)
			err = buf_append(out, s.p, s.len);
		if (!err)
			err = buf_append(out, "\n", 1);
	}
	return err;
}
