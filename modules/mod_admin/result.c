/* SPDX-License-Identifier: MIT
 *
 * From a command's document to what clients show.  Values alone become a result
 * form; one list becomes a table, with values beside it as notes; of several
 * lists each is a field with a line for each record, since a form has one table.
 */
#include <inttypes.h>

#include "admin_priv.h"

#define MAX_COLUMNS 16

struct jd_str admin_doc_text(const struct jd_doc_value *v, struct jd_arena *arena)
{
	switch (v->kind) {
	case JD_DOC_INT:
		return jd_arena_printf(arena, "%" PRId64, v->num);
	case JD_DOC_BOOL:
		return v->num ? JD_STR("1") : JD_STR("0");
	case JD_DOC_STR:
		break;
	}
	return v->str;
}

static enum jd_field_type type_of(const struct jd_doc_value *v)
{
	if (v->kind == JD_DOC_BOOL)
		return JD_FIELD_BOOL;
	return strcmp(v->key, "jid") == 0 ? JD_FIELD_JID : JD_FIELD_TEXT;
}

static void add_note(struct request *r, struct jd_xml *x, const struct jd_doc_value *v)
{
	struct jd_str text = admin_doc_text(v, arena_of(r));

	adhoc_of(r)->note(x, "info",
			  jd_arena_printf(arena_of(r), "%s: %.*s", v->key, JD_FMT(text)));
}

/* -- one list ------------------------------------------------------------------------ */

struct table {
	struct jd_form_field fields[MAX_COLUMNS + 1];
	unsigned n;
	struct jd_form_def def;
};

static unsigned column(struct table *t, const struct jd_doc_value *v)
{
	unsigned i = 0;

	while (i < t->n && strcmp(t->fields[i].var, v->key) != 0)
		i++;
	if (i == t->n && t->n < MAX_COLUMNS) {
		t->fields[i] =
			(struct jd_form_field){.type = type_of(v), .var = v->key, .label = v->key};
		t->n++;
	}
	return i;
}

static void set_row(struct jd_form *row, struct table *t, const struct jd_doc_record *record)
{
	for (unsigned i = 0; i < t->n; i++)
		jd_form_set_text(row, i, JD_STR_NULL);
	for (const struct jd_doc_value *v = record->values; v; v = v->next) {
		unsigned i = column(t, v);

		if (i < t->n)
			jd_form_set_text(row, i, admin_doc_text(v, row->arena));
	}
}

static void write_table(struct request *r, struct jd_xml *x, const struct jd_doc_part *part)
{
	struct table *t = jd_arena_new(arena_of(r), struct table);
	struct jd_form row;

	for (const struct jd_doc_record *rec = part->records; rec; rec = rec->next)
		for (const struct jd_doc_value *v = rec->values; v; v = v->next)
			(void)column(t, v);
	t->def = (struct jd_form_def){.title = part->value.key, .fields = t->fields};
	jd_form_table(x, &t->def);
	jd_form_init(&row, &t->def, arena_of(r));
	for (const struct jd_doc_record *rec = part->records; rec; rec = rec->next) {
		set_row(&row, t, rec);
		jd_form_row(x, &row);
	}
	jd_form_table_end(x);
}

/* -- values, and several lists ------------------------------------------------------- */

static struct jd_str record_line(const struct jd_doc_record *rec, struct jd_arena *arena)
{
	struct jd_str line = JD_STR("");

	for (const struct jd_doc_value *v = rec->values; v; v = v->next)
		line = jd_arena_printf(arena, "%.*s%s%s=%.*s", JD_FMT(line), line.len ? ", " : "",
				       v->key, JD_FMT(admin_doc_text(v, arena)));
	return line;
}

static unsigned count_records(const struct jd_doc_part *part)
{
	unsigned n = 0;

	for (const struct jd_doc_record *rec = part->records; rec; rec = rec->next)
		n++;
	return n;
}

static void write_form(struct request *r, struct jd_xml *x, const struct jd_doc_part *doc,
		       unsigned n)
{
	struct jd_form_field *fields =
		jd_arena_alloc(arena_of(r), (n + 1) * sizeof(struct jd_form_field));
	const struct jd_form_def def = {.title = r->command.def->help, .fields = fields};
	struct jd_form form;
	unsigned i = 0;

	for (const struct jd_doc_part *p = doc; p; p = p->next)
		fields[i++] = (struct jd_form_field){
			.type = p->list ? JD_FIELD_TEXT_MULTI : type_of(&p->value),
			.var = p->value.key,
			.label = p->value.key,
			.max_values = p->list ? count_records(p) + 1 : 1,
		};
	jd_form_init(&form, &def, arena_of(r));
	i = 0;
	for (const struct jd_doc_part *p = doc; p; p = p->next, i++) {
		if (!p->list)
			jd_form_set_text(&form, i, admin_doc_text(&p->value, arena_of(r)));
		for (const struct jd_doc_record *rec = p->records; rec; rec = rec->next)
			jd_form_add_text(&form, i, record_line(rec, arena_of(r)));
	}
	jd_form_write_result(x, &form);
}

void admin_answer_document(struct request *r, const struct jd_doc_part *doc)
{
	const struct jd_doc_part *list = NULL;
	unsigned parts = 0, lists = 0;
	struct jd_xml *x = adhoc_of(r)->completed(r->stage);

	for (const struct jd_doc_part *p = doc; p; p = p->next) {
		parts++;
		lists += p->list;
		list = p->list ? p : list;
	}
	if (lists != 1) {
		if (parts)
			write_form(r, x, doc, parts);
		adhoc_of(r)->send(r->stage, x);
		return;
	}
	for (const struct jd_doc_part *p = doc; p; p = p->next)
		if (!p->list)
			add_note(r, x, &p->value);
	if (list->records)
		write_table(r, x, list);
	else
		adhoc_of(r)->note(x, "info",
				  jd_arena_printf(arena_of(r), "%s: none", list->value.key));
	adhoc_of(r)->send(r->stage, x);
}
