/* SPDX-License-Identifier: MIT
 *
 * Reading a submitted data form against the table of its fields.
 *
 * What is no submission of this form at all (its type, its FORM_TYPE, a field
 * twice, more fields than any form has) is a bad request; a value that the table
 * doesn't allow is not acceptable.  The sentence names the field as the table
 * does; nothing that the sender wrote gets into it.  Sizes are looked at before
 * values are copied.
 */
#include <errno.h>
#include <stdlib.h>

#include "xmpp/dataform.h"
#include "xmpp/delay.h"

struct reader {
	struct jd_form *form;
	const struct jd_form_field *field; /* being read */
	struct jd_form_value *value;       /* of it */
	struct jd_el el;
};

/* Always false, so that callers can return it. */
static bool bad(struct reader *r, const char *text)
{
	r->form->error = (struct jd_error){.condition = JD_BAD_REQUEST, .text = text};
	return false;
}

static bool wrong(struct reader *r, const char *what)
{
	const struct jd_form_field *f = r->field;
	struct jd_str text = jd_arena_printf(r->form->arena, "The field \"%s\" %s.",
					     f->label ? f->label : f->var, what);

	r->form->error = (struct jd_error){.condition = JD_NOT_ACCEPTABLE, .text = text.p};
	return false;
}

/* -- values -------------------------------------------------------------------------- */

static bool read_bool(struct reader *r, struct jd_str s)
{
	bool yes = jd_str_is(s, "1") || jd_str_is(s, "true");

	if (!yes && !jd_str_is(s, "0") && !jd_str_is(s, "false"))
		return wrong(r, "must be true or false");
	r->value->num = yes;
	return true;
}

static bool read_integer(struct reader *r, struct jd_str s)
{
	const struct jd_form_field *f = r->field;
	char digits[24];
	char *end;

	/* strtoll() is more generous than XML Schema: blanks in front, nothing at all. */
	if (s.len == 0 || s.len >= sizeof(digits) || !strchr("+-0123456789", s.p[0]))
		return wrong(r, "must be a whole number");
	memcpy(digits, s.p, s.len);
	digits[s.len] = '\0';
	errno = 0;
	r->value->num = strtoll(digits, &end, 10);
	if (end != digits + s.len || end[-1] < '0' || end[-1] > '9')
		return wrong(r, "must be a whole number");
	if (errno == ERANGE ||
	    ((f->min || f->max) && (r->value->num < f->min || r->value->num > f->max)))
		return wrong(r, "is out of range");
	return true;
}

static bool read_data(struct reader *r, struct jd_str s)
{
	jd_usec at;

	switch (r->field->data) {
	case JD_DATA_INTEGER:
		return read_integer(r, s);
	case JD_DATA_TIME:
		if (delay_parse(s, &at) < 0)
			return wrong(r, "must be a date and time");
		r->value->num = (int64_t)at;
		return true;
	case JD_DATA_STRING:
		break;
	}
	return true;
}

static bool read_line(struct reader *r, struct jd_str s)
{
	if (memchr(s.p ? s.p : "", '\n', s.len) || memchr(s.p ? s.p : "", '\r', s.len))
		return wrong(r, "must be one line");
	return read_data(r, s);
}

static bool read_choice(struct reader *r, struct jd_str s)
{
	const struct jd_form_option *o = r->field->options;

	if (r->field->flags & JD_FIELD_OPEN)
		return read_data(r, s);
	while (o && o->value && !jd_str_is(s, o->value))
		o++;
	if (!o || !o->value)
		return wrong(r, "has a value that is not one of its options");
	return read_data(r, s);
}

static bool read_jid(struct reader *r, struct jd_str *s)
{
	struct jd_jid jid;

	if (jd_jid_parse(r->form->arena, *s, &jid) < 0)
		return wrong(r, "must be an address");
	if ((r->field->flags & JD_FIELD_BARE) && jid.resource_len)
		return wrong(r, "must be an address without resource");
	*s = jd_jid_str(jid);
	r->value->jids[r->value->count] = jid;
	return true;
}

static bool check_value(struct reader *r, struct jd_str *s)
{
	switch (r->field->type) {
	case JD_FIELD_BOOL:
		return read_bool(r, *s);
	case JD_FIELD_JID:
	case JD_FIELD_JID_MULTI:
		return read_jid(r, s);
	case JD_FIELD_LIST:
	case JD_FIELD_LIST_MULTI:
		return read_choice(r, *s);
	case JD_FIELD_TEXT:
	case JD_FIELD_PRIVATE:
		return read_line(r, *s);
	case JD_FIELD_HIDDEN:
		return read_data(r, *s);
	case JD_FIELD_TEXT_MULTI:
	case JD_FIELD_FIXED:
	case JD_FIELD_END:
		break;
	}
	return true;
}

/* -- fields -------------------------------------------------------------------------- */

/* Blank: a client leaves what the user has not filled in empty instead of out. */
static bool is_blank(const struct jd_form_field *f, struct jd_str s)
{
	return s.len == 0 && (f->type == JD_FIELD_BOOL || dataform_jid(f) ||
			      f->data != JD_DATA_STRING || (f->flags & JD_FIELD_REQUIRED));
}

static bool is_known(const struct reader *r, struct jd_str s)
{
	for (unsigned k = 0; k < r->value->count; k++)
		if (jd_str_eq(r->value->texts[k], s))
			return true;
	return false;
}

static bool add_value(struct reader *r, struct jd_str s)
{
	struct jd_form_value *v = r->value;

	if (is_blank(r->field, s))
		return true;
	if (!check_value(r, &s))
		return false;
	if (r->field->type != JD_FIELD_TEXT_MULTI && is_known(r, s))
		return true;
	v->texts[v->count++] = s;
	v->given = true;
	return true;
}

/* Counts first, so that the arrays are as long as they must be and no longer. */
static bool make_room(struct reader *r)
{
	struct jd_arena *arena = r->form->arena;
	size_t n = 0, chars = 0;

	JD_EL_EACH_IS(value, r->el, JD_NS_DATAFORM, "value")
	{
		n++;
		chars += jd_el_text_chars(value);
	}
	if (n > dataform_max_values(r->field))
		return wrong(r, dataform_multi(r->field) ? "has too many values"
							 : "must have one value");
	if (chars > dataform_max_bytes(r->field))
		return wrong(r, "is too long");
	r->value->texts = jd_arena_alloc(arena, (n + 1) * sizeof(*r->value->texts));
	if (dataform_jid(r->field))
		r->value->jids = jd_arena_alloc(arena, (n + 1) * sizeof(*r->value->jids));
	return true;
}

static bool read_values(struct reader *r)
{
	size_t bytes = 0;

	if (!make_room(r))
		return false;
	JD_EL_EACH_IS(value, r->el, JD_NS_DATAFORM, "value")
	{
		struct jd_str s = jd_el_text(value, r->form->arena);

		bytes += s.len;
		if (bytes > dataform_max_bytes(r->field))
			return wrong(r, "is too long");
		if (!add_value(r, s))
			return false;
	}
	return true;
}

static const struct jd_form_field *find(const struct jd_form_def *def, struct jd_str var)
{
	const struct jd_form_field *f = def->fields;

	while (f->type != JD_FIELD_END && !(f->var && jd_str_is(var, f->var)))
		f++;
	return f->type == JD_FIELD_END ? NULL : f;
}

/* A heading may have no var, may come back, and means nothing. */
static bool is_fixed(struct jd_el el)
{
	return jd_str_is(jd_el_attr(el, "type"), "fixed");
}

static bool read_form_type(struct reader *r)
{
	struct jd_el value = jd_el_child(r->el, JD_NS_DATAFORM, "value");
	const char *wanted = r->form->def->form_type;

	if (!wanted)
		return true;
	if (jd_el_ok(jd_el_next_is(value, JD_NS_DATAFORM, "value")) ||
	    jd_el_text_chars(value) != strlen(wanted) ||
	    !jd_str_is(jd_el_text(value, r->form->arena), wanted))
		return bad(r, "The form has another FORM_TYPE.");
	return true;
}

struct seen {
	bool *fields;
	bool form_type;
	unsigned count;
};

static bool read_field(struct reader *r, struct seen *seen)
{
	const struct jd_form_def *def = r->form->def;
	struct jd_str var = jd_el_attr(r->el, "var");
	size_t i;

	if (++seen->count > JD_FORM_MAX_FIELDS)
		return bad(r, "The form has too many fields.");
	if (!var.p)
		return is_fixed(r->el) || bad(r, "A field has no name.");
	r->field = find(def, var);
	if (!r->field && jd_str_is(var, "FORM_TYPE")) {
		if (seen->form_type)
			return bad(r, "A field is there twice.");
		seen->form_type = true;
		return read_form_type(r);
	}
	if (!r->field)
		return !def->closed || is_fixed(r->el) ||
		       bad(r, "The form has a field that is unknown here.");
	i = (size_t)(r->field - def->fields);
	if (seen->fields[i])
		return bad(r, "A field is there twice.");
	seen->fields[i] = true;
	r->value = &r->form->values[i];
	r->value->present = true;
	return r->field->type == JD_FIELD_FIXED || read_values(r);
}

static bool check_required(struct reader *r)
{
	const struct jd_form_def *def = r->form->def;

	for (r->field = def->fields; r->field->type != JD_FIELD_END; r->field++)
		if ((r->field->flags & JD_FIELD_REQUIRED) &&
		    !r->form->values[r->field - def->fields].given)
			return wrong(r, "is missing");
	return true;
}

static bool read_submit(struct reader *r, struct jd_el x, size_t n_fields)
{
	const struct jd_form_def *def = r->form->def;
	struct seen seen = {.fields = jd_arena_alloc(r->form->arena, n_fields + 1)};

	JD_EL_EACH_IS(el, x, JD_NS_DATAFORM, "field")
	{
		r->el = el;
		if (!read_field(r, &seen))
			return false;
	}
	if (def->form_type && !seen.form_type && !def->type_optional)
		return bad(r, "The form has no FORM_TYPE.");
	return check_required(r);
}

static size_t count_fields(const struct jd_form_def *def)
{
	size_t n = 0;

	while (def->fields[n].type != JD_FIELD_END)
		n++;
	return n;
}

void jd_form_init(struct jd_form *form, const struct jd_form_def *def, struct jd_arena *arena)
{
	size_t n = count_fields(def);

	*form = (struct jd_form){.def = def, .arena = arena};
	form->values = jd_arena_alloc(arena, (n + 1) * sizeof(*form->values));
}

enum jd_form_outcome jd_form_read(struct jd_el x, const struct jd_form_def *def,
				  struct jd_arena *arena, struct jd_form *ret_form)
{
	struct reader r = {.form = ret_form};
	struct jd_str type = jd_el_attr(x, "type");

	jd_form_init(ret_form, def, arena);
	if (!jd_el_is(x, JD_NS_DATAFORM, "x")) {
		bad(&r, "A data form is missing.");
		return JD_FORM_WRONG;
	}
	if (jd_str_is(type, "cancel"))
		return JD_FORM_CANCELLED;
	if (!jd_str_is(type, "submit")) {
		bad(&r, "The data form is not a submission.");
		return JD_FORM_WRONG;
	}
	return read_submit(&r, x, count_fields(def)) ? JD_FORM_OK : JD_FORM_WRONG;
}

/* -- what has been read -------------------------------------------------------------- */

bool jd_form_given(const struct jd_form *form, unsigned i)
{
	return form->values[i].given;
}

bool jd_form_present(const struct jd_form *form, unsigned i)
{
	return form->values[i].present;
}

unsigned jd_form_count(const struct jd_form *form, unsigned i)
{
	return form->values[i].count;
}

struct jd_str jd_form_text_at(const struct jd_form *form, unsigned i, unsigned k)
{
	const struct jd_form_value *v = &form->values[i];

	return k < v->count ? v->texts[k] : JD_STR_NULL;
}

struct jd_str jd_form_text(const struct jd_form *form, unsigned i)
{
	const struct jd_form_value *v = &form->values[i];
	size_t len = 0;
	char *p;

	if (v->count < 2)
		return jd_form_text_at(form, i, 0);
	for (unsigned k = 0; k < v->count; k++)
		len += v->texts[k].len + 1;
	p = jd_arena_bytes(form->arena, len);
	for (unsigned k = 0; k < v->count; k++) {
		if (v->texts[k].len)
			memcpy(p, v->texts[k].p, v->texts[k].len);
		p += v->texts[k].len;
		*p++ = k + 1 < v->count ? '\n' : '\0';
	}
	return (struct jd_str){p - len, len - 1};
}

bool jd_form_bool(const struct jd_form *form, unsigned i)
{
	return form->values[i].num != 0;
}

int64_t jd_form_int(const struct jd_form *form, unsigned i)
{
	return form->values[i].num;
}

struct jd_jid jd_form_jid_at(const struct jd_form *form, unsigned i, unsigned k)
{
	const struct jd_form_value *v = &form->values[i];

	return v->jids && k < v->count ? v->jids[k] : JD_JID_NULL;
}

struct jd_jid jd_form_jid(const struct jd_form *form, unsigned i)
{
	return jd_form_jid_at(form, i, 0);
}
