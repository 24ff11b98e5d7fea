/* SPDX-License-Identifier: MIT
 *
 * Fuzzing data forms.  The first byte says which of two forms is wanted; the rest
 * is the XML of somebody who claims to have filled it in.
 *
 * What a form takes must keep all that its table promises (ranges, options,
 * counts, prepared addresses), and written out as a submission it must be read
 * again as exactly the same values.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jackdaw/form.h>

#include "util/arena.h"
#include "util/mem.h"
#include "util/utf8.h"
#include "xml/scan.h"
#include "xmpp/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- the forms ---------------------------------------------------------------------- */

enum {
	F_BOOL,
	F_HEAD,
	F_HIDDEN,
	F_JID,
	F_JIDS,
	F_LIST,
	F_LISTS,
	F_NAME,
	F_LINES,
	F_SECRET,
	F_COUNT,
	F_WHEN,
	F_ANY,
	F_FIELDS
};

static const struct jd_form_option sizes[] = {
	{"s", "small"}, {"l", NULL}, {"", "none"}, {NULL, NULL}};

static const struct jd_form_field fields[] = {
	[F_BOOL] = {JD_FIELD_BOOL, "bool", .label = "B"},
	[F_HEAD] = {JD_FIELD_FIXED, NULL, .label = "Heading"},
	[F_HIDDEN] = {.type = JD_FIELD_HIDDEN, .var = "hidden"},
	[F_JID] = {JD_FIELD_JID, "jid", .flags = JD_FIELD_BARE},
	[F_JIDS] = {JD_FIELD_JID_MULTI, "jids", .max_values = 3},
	[F_LIST] = {JD_FIELD_LIST, "list", .options = sizes},
	[F_LISTS] = {JD_FIELD_LIST_MULTI, "lists", .options = sizes, .flags = JD_FIELD_OPEN},
	[F_NAME] = {JD_FIELD_TEXT, "name", .max_bytes = 20},
	[F_LINES] = {JD_FIELD_TEXT_MULTI, "lines", .max_values = 4, .max_bytes = 40},
	[F_SECRET] = {.type = JD_FIELD_PRIVATE, .var = "secret"},
	[F_COUNT] = {JD_FIELD_TEXT, "count", .data = JD_DATA_INTEGER, .min = -5, .max = 100},
	[F_WHEN] = {JD_FIELD_TEXT, "when", .data = JD_DATA_TIME},
	[F_ANY] = {JD_FIELD_TEXT, "any", .data = JD_DATA_INTEGER},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field needed[] = {
	{JD_FIELD_TEXT, "name", .flags = JD_FIELD_REQUIRED},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def defs[2] = {
	{.form_type = "urn:x", .title = "T", .fields = fields, .type_optional = true},
	{.form_type = "urn:x", .fields = needed, .closed = true},
};

/* -- what was read ---------------------------------------------------------------------- */

static unsigned most(const struct jd_form_field *f)
{
	bool multi = f->type == JD_FIELD_JID_MULTI || f->type == JD_FIELD_LIST_MULTI ||
		     f->type == JD_FIELD_TEXT_MULTI;

	return !multi ? 1 : f->max_values ? f->max_values : 64;
}

static void check_jid(const struct jd_form_field *f, struct jd_jid jid)
{
	char text[JD_JID_MAX];
	struct jd_jid again;

	JD_ASSERT(jid_prep(jd_jid_str(jid), text, &again) == 0 && jd_jid_eq(jid, again));
	JD_ASSERT(!(f->flags & JD_FIELD_BARE) || !jid.resource_len);
}

static bool is_option(const struct jd_form_field *f, struct jd_str text)
{
	for (const struct jd_form_option *o = f->options; o && o->value; o++)
		if (jd_str_is(text, o->value))
			return true;
	return f->flags & JD_FIELD_OPEN;
}

static void check_field(const struct jd_form *form, unsigned i)
{
	const struct jd_form_field *f = &form->def->fields[i];
	bool multi = most(f) > 1;
	size_t bytes = 0;

	JD_ASSERT(jd_form_count(form, i) <= most(f));
	JD_ASSERT(f->type != JD_FIELD_FIXED || !jd_form_given(form, i));
	JD_ASSERT(!(f->flags & JD_FIELD_REQUIRED) || jd_form_given(form, i));
	for (unsigned k = 0; k < jd_form_count(form, i); k++) {
		struct jd_str text = jd_form_text_at(form, i, k);

		bytes += text.len;
		JD_ASSERT(utf8_valid_xml(text.p, text.len));
		JD_ASSERT(f->type != JD_FIELD_TEXT || !text.len || !memchr(text.p, '\n', text.len));
		if (f->type == JD_FIELD_JID || f->type == JD_FIELD_JID_MULTI)
			check_jid(f, jd_form_jid_at(form, i, k));
		if (f->type == JD_FIELD_LIST || f->type == JD_FIELD_LIST_MULTI)
			JD_ASSERT(is_option(f, text));
	}
	JD_ASSERT(bytes <= (f->max_bytes ? f->max_bytes : multi ? 16384u : 3071u));
	if (jd_form_given(form, i) && f->data == JD_DATA_INTEGER && (f->min || f->max))
		JD_ASSERT(jd_form_int(form, i) >= f->min && jd_form_int(form, i) <= f->max);
}

static void check_same(const struct jd_form *a, const struct jd_form *b)
{
	for (unsigned i = 0; a->def->fields[i].type != JD_FIELD_END; i++) {
		if (a->def->fields[i].type == JD_FIELD_PRIVATE)
			continue; /* never written */
		JD_ASSERT(jd_form_given(a, i) == jd_form_given(b, i));
		JD_ASSERT(jd_form_count(a, i) == jd_form_count(b, i));
		JD_ASSERT(jd_form_int(a, i) == jd_form_int(b, i));
		JD_ASSERT(jd_form_bool(a, i) == jd_form_bool(b, i));
		for (unsigned k = 0; k < jd_form_count(a, i); k++)
			JD_ASSERT(jd_str_eq(jd_form_text_at(a, i, k), jd_form_text_at(b, i, k)));
	}
}

/* -- reading -------------------------------------------------------------------------------- */

static struct wire_pool *wires;
static struct wire_builder *builder;
static struct scan_pool *scans;
static struct jd_wire *got;

static void no_open(void *arg, const struct scan_open *open)
{
	(void)arg;
	(void)open;
}

static void no_close(void *arg)
{
	(void)arg;
}

static void on_element(void *arg, struct wire_builder *b)
{
	(void)arg;
	wire_unref(got);
	if (wire_finish(b, NULL, &got) < 0)
		got = NULL;
}

static struct jd_wire *parse(const char *p, size_t n)
{
	static const char header[] = "<s:stream xmlns='jabber:client'"
				     " xmlns:s='http://etherx.jabber.org/streams'>";
	static const struct scan_events events = {no_open, on_element, no_close};
	struct scan *s = scan_new(scans, SCAN_STREAM, JD_NS_STANZA, &events, NULL);
	struct jd_wire *w;

	scan_limits(s, &scan_limits_after);
	JD_ASSERT(scan_feed(s, header, sizeof(header) - 1) == SCAN_OK);
	if (scan_feed(s, p, n) == SCAN_OK)
		(void)scan_flush(s);
	scan_free(s);
	w = got;
	got = NULL;
	return w;
}

static void check(const struct jd_form *form, struct jd_arena *arena)
{
	struct jd_xml x = {builder, 0};
	struct jd_form again, copy = *form;
	struct jd_wire *w;
	int r;

	for (unsigned i = 0; form->def->fields[i].type != JD_FIELD_END; i++)
		check_field(form, i);
	jd_form_write_submit(&x, &copy);
	JD_ASSERT(wire_finish(builder, NULL, &w) == 0);
	r = jd_form_read(wire_root(w), form->def, arena, &again);
	JD_ASSERT(r == JD_FORM_OK);
	check_same(form, &again);
	wire_unref(w);
	/* The other kinds of form are only written. */
	jd_form_write_form(&x, &copy);
	JD_ASSERT(wire_finish(builder, NULL, &w) == 0);
	wire_unref(w);
	jd_form_write_result(&x, &copy);
	JD_ASSERT(wire_finish(builder, NULL, &w) == 0);
	wire_unref(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wire_limits limits = {(size_t)16 << 20, 8192, 200, 70, 4096};
	struct jd_arena arena;
	struct jd_form form;
	struct jd_wire *w;
	int r;

	if (size < 2)
		return 0;
	if (!wires) {
		wires = wire_pool_new();
		scans = scan_pool_new(wires);
		builder = wire_builder_new(wires, &limits);
	}
	w = parse((const char *)data + 1, size - 1);
	arena_init(&arena, NULL, 0);
	r = jd_form_read(w ? wire_root(w) : JD_EL_NONE, &defs[data[0] & 1], &arena, &form);
	JD_ASSERT(w || r == JD_FORM_WRONG);
	if (r == JD_FORM_OK)
		check(&form, &arena);
	else if (r == JD_FORM_WRONG)
		JD_ASSERT(form.error.text && *form.error.text);
	arena_fini(&arena);
	wire_unref(w);
	return 0;
}
