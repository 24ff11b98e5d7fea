/* SPDX-License-Identifier: MIT
 *
 * Filling in and writing data forms: the same table as for reading says what is
 * written about a field.
 */
#include <inttypes.h>

#include "xmpp/dataform.h"
#include "xmpp/delay.h"

#define NS_VALIDATE "http://jabber.org/protocol/xdata-validate"

static const char *const type_names[] = {
	[JD_FIELD_BOOL] = "boolean",          [JD_FIELD_FIXED] = "fixed",
	[JD_FIELD_HIDDEN] = "hidden",         [JD_FIELD_JID] = "jid-single",
	[JD_FIELD_JID_MULTI] = "jid-multi",   [JD_FIELD_LIST] = "list-single",
	[JD_FIELD_LIST_MULTI] = "list-multi", [JD_FIELD_TEXT] = "text-single",
	[JD_FIELD_TEXT_MULTI] = "text-multi", [JD_FIELD_PRIVATE] = "text-private",
};

/* -- filling in ---------------------------------------------------------------------- */

static void reset(struct jd_form *form, unsigned i)
{
	form->values[i].count = 0;
	form->values[i].given = false;
}

static bool make_room(struct jd_form *form, unsigned i)
{
	const struct jd_form_field *f = &form->def->fields[i];
	struct jd_form_value *v = &form->values[i];
	unsigned max = dataform_max_values(f);

	if (!v->texts)
		v->texts = jd_arena_alloc(form->arena, max * sizeof(*v->texts));
	if (!v->jids && dataform_jid(f))
		v->jids = jd_arena_alloc(form->arena, max * sizeof(*v->jids));
	return v->count < max;
}

void jd_form_add_text(struct jd_form *form, unsigned i, struct jd_str text)
{
	struct jd_form_value *v = &form->values[i];

	if (!text.p || !make_room(form, i))
		return;
	v->texts[v->count++] = jd_arena_str(form->arena, text);
	v->given = true;
}

void jd_form_add_jid(struct jd_form *form, unsigned i, struct jd_jid jid)
{
	struct jd_form_value *v = &form->values[i];

	if (!jd_jid_ok(jid) || !make_room(form, i))
		return;
	jid = jd_jid_copy(form->arena, jid);
	if (v->jids)
		v->jids[v->count] = jid;
	v->texts[v->count++] = jd_jid_str(jid);
	v->given = true;
}

void jd_form_add_lines(struct jd_form *form, unsigned i, struct jd_str text)
{
	while (text.p) {
		const char *end = memchr(text.p, '\n', text.len);
		struct jd_str line = {text.p, end ? (size_t)(end - text.p) : text.len};

		jd_form_add_text(form, i, line);
		text.p = end ? end + 1 : NULL;
		text.len -= line.len + (end ? 1 : 0);
	}
}

void jd_form_set_text(struct jd_form *form, unsigned i, struct jd_str text)
{
	reset(form, i);
	jd_form_add_text(form, i, text);
}

void jd_form_set_none(struct jd_form *form, unsigned i)
{
	reset(form, i);
	form->values[i].present = true;
}

void jd_form_set_jid(struct jd_form *form, unsigned i, struct jd_jid jid)
{
	reset(form, i);
	jd_form_add_jid(form, i, jid);
}

void jd_form_set_bool(struct jd_form *form, unsigned i, bool value)
{
	jd_form_set_text(form, i, value ? JD_STR("1") : JD_STR("0"));
	form->values[i].num = value;
}

void jd_form_set_int(struct jd_form *form, unsigned i, int64_t value)
{
	jd_form_set_text(form, i, jd_arena_printf(form->arena, "%" PRId64, value));
	form->values[i].num = value;
}

void jd_form_set_time(struct jd_form *form, unsigned i, jd_usec at)
{
	char stamp[DELAY_STAMP_LEN];

	jd_form_set_text(form, i, delay_format(at, stamp));
	form->values[i].num = (int64_t)at;
}

/* -- writing ------------------------------------------------------------------------- */

static void put_leaf(struct jd_xml *x, const char *name, const char *text)
{
	if (text)
		jd_xml_leaf(x, NULL, name, jd_cstr(text));
}

static void open_form(struct jd_xml *x, const struct jd_form_def *def, const char *type)
{
	jd_xml_start(x, JD_NS_DATAFORM, "x");
	jd_xml_attr(x, "type", jd_cstr(type));
	if (strcmp(type, "submit") != 0)
		put_leaf(x, "title", def->title);
	if (strcmp(type, "form") == 0)
		put_leaf(x, "instructions", def->instructions);
	if (!def->form_type)
		return;
	jd_xml_start(x, NULL, "field");
	jd_xml_attr(x, "var", JD_STR("FORM_TYPE"));
	jd_xml_attr(x, "type", JD_STR("hidden"));
	put_leaf(x, "value", def->form_type);
	jd_xml_end(x);
}

static void open_field(struct jd_xml *x, const struct jd_form_field *f, bool described)
{
	jd_xml_start(x, NULL, "field");
	jd_xml_attr(x, "var", jd_cstr(f->var));
	if (!described)
		return;
	jd_xml_attr(x, "type", jd_cstr(type_names[f->type]));
	if (f->type != JD_FIELD_FIXED)
		jd_xml_attr(x, "label", jd_cstr(f->label));
}

static void put_values(struct jd_xml *x, const struct jd_form_field *f,
		       const struct jd_form_value *v)
{
	if (f->type == JD_FIELD_FIXED)
		put_leaf(x, "value", f->label);
	else if (f->type != JD_FIELD_PRIVATE)
		for (unsigned k = 0; k < v->count; k++)
			jd_xml_leaf(x, NULL, "value", v->texts[k]);
}

static void put_options(struct jd_xml *x, const struct jd_form_field *f)
{
	for (const struct jd_form_option *o = f->options; o && o->value; o++) {
		jd_xml_start(x, NULL, "option");
		jd_xml_attr(x, "label", jd_cstr(o->label ? o->label : o->value));
		put_leaf(x, "value", o->value);
		jd_xml_end(x);
	}
}

/* XEP-0122; nothing where the type of the field says it all. */
static void put_validate(struct jd_xml *x, const struct jd_form_field *f)
{
	static const char *const names[] = {"xs:string", "xs:integer", "xs:dateTime"};
	bool open = f->flags & JD_FIELD_OPEN, range = f->min || f->max;

	if (f->data == JD_DATA_STRING && !open)
		return;
	jd_xml_start(x, NS_VALIDATE, "validate");
	jd_xml_attr(x, "datatype", jd_cstr(names[f->data]));
	if (open || !range || f->data != JD_DATA_INTEGER) {
		jd_xml_leaf(x, NULL, open ? "open" : "basic", JD_STR_NULL);
	} else {
		jd_xml_start(x, NULL, "range");
		jd_xml_attr_int(x, "min", f->min);
		jd_xml_attr_int(x, "max", f->max);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

void jd_form_write_form(struct jd_xml *x, const struct jd_form *form)
{
	const struct jd_form_field *f = form->def->fields;

	open_form(x, form->def, "form");
	for (unsigned i = 0; f->type != JD_FIELD_END; i++, f++) {
		open_field(x, f, true);
		put_leaf(x, "desc", f->help);
		put_validate(x, f);
		if (f->flags & JD_FIELD_REQUIRED)
			jd_xml_leaf(x, NULL, "required", JD_STR_NULL);
		put_values(x, f, &form->values[i]);
		put_options(x, f);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

static void write_set(struct jd_xml *x, const struct jd_form *form, const char *type,
		      bool described)
{
	const struct jd_form_field *f = form->def->fields;

	open_form(x, form->def, type);
	for (unsigned i = 0; f->type != JD_FIELD_END; i++, f++) {
		bool heading = described && f->type == JD_FIELD_FIXED;

		if (!heading && !(f->var && (form->values[i].given || form->values[i].present)))
			continue;
		open_field(x, f, described);
		put_values(x, f, &form->values[i]);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

void jd_form_write_result(struct jd_xml *x, const struct jd_form *form)
{
	write_set(x, form, "result", true);
}

void jd_form_write_submit(struct jd_xml *x, const struct jd_form *form)
{
	write_set(x, form, "submit", false);
}

/* -- tables -------------------------------------------------------------------------- */

void jd_form_table(struct jd_xml *x, const struct jd_form_def *def)
{
	open_form(x, def, "result");
	jd_xml_start(x, NULL, "reported");
	for (const struct jd_form_field *f = def->fields; f->type != JD_FIELD_END; f++) {
		if (f->type == JD_FIELD_FIXED)
			continue;
		open_field(x, f, true);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

void jd_form_row(struct jd_xml *x, const struct jd_form *form)
{
	const struct jd_form_field *f = form->def->fields;

	jd_xml_start(x, NULL, "item");
	for (unsigned i = 0; f->type != JD_FIELD_END; i++, f++) {
		if (f->type == JD_FIELD_FIXED)
			continue;
		open_field(x, f, false);
		if (form->values[i].given)
			put_values(x, f, &form->values[i]);
		else
			jd_xml_leaf(x, NULL, "value", JD_STR_NULL);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

void jd_form_table_end(struct jd_xml *x)
{
	jd_xml_end(x);
}
