/* SPDX-License-Identifier: MIT
 *
 * Data forms (XEP-0004, 0068, 0122): a table says what the fields are, and the
 * same table reads what somebody has filled in and writes forms, results and
 * tables of results.
 *
 *     enum { F_NAME, F_SIZE };
 *     static const struct jd_form_field fields[] = {
 *             [F_NAME] = {JD_FIELD_TEXT, "urn:x#name", .label = "Name", .flags =
 * JD_FIELD_REQUIRED}, [F_SIZE] = {JD_FIELD_TEXT, "urn:x#size", .label = "Size", .data =
 * JD_DATA_INTEGER, .min = 1, .max = 100}, JD_FORM_FIELDS_END,
 *     };
 *     static const struct jd_form_def def = {.form_type = "urn:x#config", .fields = fields};
 *
 *     struct jd_form form;
 *     if (jd_form_read(x, &def, arena, &form) == JD_FORM_WRONG)
 *             jd_iq_error(iq, &form.error);
 *     else if (jd_form_given(&form, F_SIZE)) use(jd_form_int(&form, F_SIZE));
 *
 * Fields are named by their place in the table, which may be made at run time;
 * it and its strings live as long as the forms made with it.  What is in a form
 * lives in the arena, or in the stanza that was read.  A submission is believed
 * in nothing: everything below has a bound, and what a reader returns has been
 * checked against type, options, data type and range.
 *
 * Logic thread, unless arena and stanza are the caller's own.
 */
#pragma once

#include <jackdaw/jid.h>
#include <jackdaw/stanza.h>
#include <jackdaw/xml.h>

enum jd_field_type {
	JD_FIELD_END,
	JD_FIELD_BOOL,
	JD_FIELD_FIXED,      /* a heading: its label is its text; var may be NULL; never read */
	JD_FIELD_HIDDEN,     /* comes back as it was sent */
	JD_FIELD_JID,        /* jid-single */
	JD_FIELD_JID_MULTI,  /* the same address twice counts once */
	JD_FIELD_LIST,       /* list-single */
	JD_FIELD_LIST_MULTI, /* the same value twice counts once */
	JD_FIELD_TEXT,       /* text-single: one line */
	JD_FIELD_TEXT_MULTI, /* each value is a line */
	JD_FIELD_PRIVATE,    /* text-private: its value is never written */
};

/* XEP-0122; for JD_FIELD_TEXT and JD_FIELD_HIDDEN, and lists of numbers. */
enum jd_data_type {
	JD_DATA_STRING,
	JD_DATA_INTEGER, /* jd_form_int(); min and max below */
	JD_DATA_TIME,    /* XEP-0082: jd_form_int() has microseconds since the epoch */
};

enum jd_field_flag {
	JD_FIELD_REQUIRED = 1, /* must be there and not empty */
	JD_FIELD_OPEN = 2,     /* lists: other values than the options, too */
	JD_FIELD_BARE = 4,     /* JIDs without resource only */
};

struct jd_form_option {
	const char *value; /* NULL ends the list */
	const char *label; /* NULL: the value */
};

struct jd_form_field {
	enum jd_field_type type;
	const char *var;
	const char *label; /* NULL: none */
	unsigned flags;    /* enum jd_field_flag */
	const struct jd_form_option *options;
	enum jd_data_type data;
	int64_t min, max;    /* of a number; both 0: any */
	unsigned max_values; /* of multi fields; 0: 64 */
	unsigned max_bytes;  /* of all values together; 0: 3071 for one value, 16384 for multi */
	const char *help;    /* shown as <desc/>; NULL: none */
};

/* clang-format off */
#define JD_FORM_FIELDS_END {.type = JD_FIELD_END}
/* clang-format on */

struct jd_form_def {
	const char *form_type; /* FORM_TYPE (XEP-0068); NULL: none */
	const char *title, *instructions;
	const struct jd_form_field *fields;
	bool closed;        /* unknown fields are refused; else ignored, as XEP-0004 says */
	bool type_optional; /* a submission without FORM_TYPE is taken, too */
};

/* Fields that a submission may have, unknown ones included. */
#define JD_FORM_MAX_FIELDS 256

struct jd_form_value {
	struct jd_str *texts; /* as canonical text; of JIDs, prepared */
	struct jd_jid *jids;  /* JID fields */
	unsigned count;
	bool given;   /* read: there and not blank (texts may be empty); written: has been set */
	bool present; /* there, be it blank */
	int64_t num;  /* booleans, integers, times */
};

struct jd_form {
	const struct jd_form_def *def;
	struct jd_arena *arena;
	struct jd_form_value *values; /* one for each field */
	struct jd_error error;        /* of a WRONG one: condition and a sentence */
};

/* -- reading ------------------------------------------------------------------------- */

enum jd_form_outcome {
	JD_FORM_OK = 0,
	JD_FORM_CANCELLED = 1, /* type='cancel': no value is given */
	JD_FORM_WRONG = 2,     /* form->error: bad-request for what is no submission of this form,
				  not-acceptable for a value, both with a sentence */
};

/*
 * Reads <x xmlns='jabber:x:data'/>; no element is WRONG.  The field's own type
 * attribute is not looked at (a submission need not have it).  An empty value is
 * none for everything but text, list and hidden fields.
 */
JD_EXPORT enum jd_form_outcome jd_form_read(struct jd_el x, const struct jd_form_def *def,
					    struct jd_arena *arena,
					    struct jd_form *ret_form) JD_MUST_USE;

/* By place in the table. Not given: p NULL, 0, false, no JID. */
JD_EXPORT bool jd_form_given(const struct jd_form *form, unsigned i);
/* The field is there, be it blank: an empty list is not the same as none. */
JD_EXPORT bool jd_form_present(const struct jd_form *form, unsigned i);
JD_EXPORT unsigned jd_form_count(const struct jd_form *form, unsigned i);
/* The value; those of a multi field joined by line feeds, in the arena. */
JD_EXPORT struct jd_str jd_form_text(const struct jd_form *form, unsigned i);
JD_EXPORT struct jd_str jd_form_text_at(const struct jd_form *form, unsigned i, unsigned k);
JD_EXPORT bool jd_form_bool(const struct jd_form *form, unsigned i);
JD_EXPORT int64_t jd_form_int(const struct jd_form *form, unsigned i);
JD_EXPORT struct jd_jid jd_form_jid(const struct jd_form *form, unsigned i);
JD_EXPORT struct jd_jid jd_form_jid_at(const struct jd_form *form, unsigned i, unsigned k);

/* -- filling in ---------------------------------------------------------------------- */

/* No value is set. */
JD_EXPORT void jd_form_init(struct jd_form *form, const struct jd_form_def *def,
			    struct jd_arena *arena);
/* One value; text is copied. p NULL: none. Set what is ours: it is not checked. */
JD_EXPORT void jd_form_set_text(struct jd_form *form, unsigned i, struct jd_str text);
JD_EXPORT void jd_form_set_bool(struct jd_form *form, unsigned i, bool value);
JD_EXPORT void jd_form_set_int(struct jd_form *form, unsigned i, int64_t value);
JD_EXPORT void jd_form_set_time(struct jd_form *form, unsigned i, jd_usec at);
JD_EXPORT void jd_form_set_jid(struct jd_form *form, unsigned i, struct jd_jid jid);
/* The field is there, with no value. */
JD_EXPORT void jd_form_set_none(struct jd_form *form, unsigned i);
/* One value more, for multi fields; past max_values it is left out. */
JD_EXPORT void jd_form_add_text(struct jd_form *form, unsigned i, struct jd_str text);
JD_EXPORT void jd_form_add_jid(struct jd_form *form, unsigned i, struct jd_jid jid);
/* For text-multi: a value for each line. */
JD_EXPORT void jd_form_add_lines(struct jd_form *form, unsigned i, struct jd_str text);

/* -- writing ------------------------------------------------------------------------- */

/* type='form': every field with label, options and what is set as its default. */
JD_EXPORT void jd_form_write_form(struct jd_xml *x, const struct jd_form *form);
/* type='result': the fields that are set. */
JD_EXPORT void jd_form_write_result(struct jd_xml *x, const struct jd_form *form);
/* type='submit': the fields that are set. */
JD_EXPORT void jd_form_write_submit(struct jd_xml *x, const struct jd_form *form);

/* A table: head, rows (every field but headings, empty where not set), end. */
JD_EXPORT void jd_form_table(struct jd_xml *x, const struct jd_form_def *def);
JD_EXPORT void jd_form_row(struct jd_xml *x, const struct jd_form *form);
JD_EXPORT void jd_form_table_end(struct jd_xml *x);
