/* SPDX-License-Identifier: MIT
 *
 * Data forms: what a submission may say, each thing it may not, and what the
 * writers make of the same table.
 */
#include "xmpp_fixture.h"

#include <jackdaw/form.h>

#include "util/arena.h"

enum {
	F_HEAD,
	F_NAME,
	F_ON,
	F_SIZE,
	F_AT,
	F_KIND,
	F_TAGS,
	F_OPEN,
	F_WHO,
	F_MEMBERS,
	F_NOTES,
	F_KEY,
	F_TOKEN
};

static const struct jd_form_option kinds[] = {{"a", "First"}, {"b", NULL}, {NULL, NULL}};

static const struct jd_form_field fields[] = {
	[F_HEAD] = {JD_FIELD_FIXED, NULL, .label = "A heading"},
	[F_NAME] = {JD_FIELD_TEXT, "name", "Name", .flags = JD_FIELD_REQUIRED, .max_bytes = 10},
	[F_ON] = {JD_FIELD_BOOL, "on", .label = "On"},
	[F_SIZE] = {JD_FIELD_TEXT, "size", "Size", .data = JD_DATA_INTEGER, .min = -5, .max = 100},
	[F_AT] = {JD_FIELD_TEXT, "at", "At", .data = JD_DATA_TIME},
	[F_KIND] = {JD_FIELD_LIST, "kind", "Kind", .options = kinds},
	[F_TAGS] = {JD_FIELD_LIST_MULTI, "tags", "Tags", .options = kinds},
	[F_OPEN] = {JD_FIELD_LIST, "open", "Open", .options = kinds, .flags = JD_FIELD_OPEN},
	[F_WHO] = {JD_FIELD_JID, "who", "Who", .flags = JD_FIELD_BARE},
	[F_MEMBERS] = {JD_FIELD_JID_MULTI, "members", "Members", .max_values = 3},
	[F_NOTES] = {JD_FIELD_TEXT_MULTI, "notes", "Notes", .max_bytes = 12},
	[F_KEY] = {JD_FIELD_PRIVATE, "key", "Key", .help = "Secret"},
	[F_TOKEN] = {JD_FIELD_HIDDEN, "token", .label = NULL},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def def = {.form_type = "urn:x", .fields = fields};

struct reading {
	struct jd_stanza *st;
	struct jd_arena arena;
	struct jd_form form;
	enum jd_form_outcome outcome;
};

static void read_with(struct reading *r, const struct jd_form_def *d, const char *type,
		      const char *inside)
{
	char *xml = malloc(strlen(inside) + 200);

	sprintf(xml, "<message><x xmlns='jabber:x:data'%s>%s</x></message>", type, inside);
	r->st = fx_stanza(xml);
	free(xml);
	arena_init(&r->arena, NULL, 0);
	r->outcome = jd_form_read(jd_el_first(jd_stanza_root(r->st)), d, &r->arena, &r->form);
}

static void read_done(struct reading *r)
{
	arena_fini(&r->arena);
	jd_stanza_unref(r->st);
}

#define TYPE     "<field var='FORM_TYPE' type='hidden'><value>urn:x</value></field>"
#define V(v)     "<value>" v "</value>"
#define F(n, vs) "<field var='" n "'>" vs "</field>"
#define OK       TYPE F("name", V("n"))

/* NULL: fine; else the condition and, for one of a field, how its sentence ends. */
static const struct {
	const char *inside;
	int condition; /* 0: fine */
	const char *text;
} cases[] = {
	{OK, 0, NULL},
	{OK F("unknown", V("1")) F("unknown", V("2")), 0, NULL},
	{OK "<field type='fixed'><value>x</value></field>", 0, NULL},
	{"<title/>" OK "<instructions>x</instructions><z xmlns='u'><field/></z>", 0, NULL},
	{F("name", V("n")), JD_BAD_REQUEST, "The form has no FORM_TYPE."},
	{F("FORM_TYPE", V("urn:y")) F("name", V("n")), JD_BAD_REQUEST, "another FORM_TYPE."},
	{F("FORM_TYPE", V("urn:x") V("urn:x")) F("name", V("n")), JD_BAD_REQUEST,
	 "another FORM_TYPE."},
	{F("FORM_TYPE", "") F("name", V("n")), JD_BAD_REQUEST, "another FORM_TYPE."},
	{OK TYPE, JD_BAD_REQUEST, "A field is there twice."},
	{OK F("name", V("m")), JD_BAD_REQUEST, "A field is there twice."},
	{OK "<field><value>x</value></field>", JD_BAD_REQUEST, "A field has no name."},
	{TYPE, JD_NOT_ACCEPTABLE, "\"Name\" is missing."},
	{TYPE F("name", ""), JD_NOT_ACCEPTABLE, "is missing."},
	{TYPE F("name", V("")), JD_NOT_ACCEPTABLE, "is missing."},
	{TYPE F("name", V("12345678901")), JD_NOT_ACCEPTABLE, "is too long."},
	/* ten characters, but more bytes */
	{TYPE F("name", V("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4")), JD_NOT_ACCEPTABLE,
	 "is too long."},
	{TYPE F("name", V("a") V("b")), JD_NOT_ACCEPTABLE, "must have one value."},
	{TYPE F("name", V("a\nb")), JD_NOT_ACCEPTABLE, "must be one line."},
	{TYPE F("name", V("a&#13;b")), JD_NOT_ACCEPTABLE, "must be one line."},
	{OK F("on", V("1")), 0, NULL},
	{OK F("on", V("false")), 0, NULL},
	{OK F("on", V("")), 0, NULL},
	{OK F("on", V("yes")), JD_NOT_ACCEPTABLE, "must be true or false."},
	{OK F("on", V("TRUE")), JD_NOT_ACCEPTABLE, "must be true or false."},
	{OK F("size", V("-5")), 0, NULL},
	{OK F("size", V("+100")), 0, NULL},
	{OK F("size", V("")), 0, NULL},
	{OK F("size", V("-6")), JD_NOT_ACCEPTABLE, "is out of range."},
	{OK F("size", V("101")), JD_NOT_ACCEPTABLE, "is out of range."},
	{OK F("size", V("99999999999999999999")), JD_NOT_ACCEPTABLE, "is out of range."},
	{OK F("size", V("999999999999999999999999")), JD_NOT_ACCEPTABLE, "a whole number."},
	{OK F("size", V(" 1")), JD_NOT_ACCEPTABLE, "a whole number."},
	{OK F("size", V("1 ")), JD_NOT_ACCEPTABLE, "a whole number."},
	{OK F("size", V("-")), JD_NOT_ACCEPTABLE, "a whole number."},
	{OK F("size", V("0x10")), JD_NOT_ACCEPTABLE, "a whole number."},
	{OK F("at", V("2026-11-22T04:45:00Z")), 0, NULL},
	{OK F("at", V("yesterday")), JD_NOT_ACCEPTABLE, "must be a date and time."},
	{OK F("kind", V("b")), 0, NULL},
	{OK F("kind", V("c")), JD_NOT_ACCEPTABLE, "not one of its options."},
	{OK F("kind", V("")), JD_NOT_ACCEPTABLE, "not one of its options."},
	{OK F("tags", V("a") V("b") V("a")), 0, NULL},
	{OK F("tags", V("a") V("c")), JD_NOT_ACCEPTABLE, "not one of its options."},
	{OK F("open", V("something else")), 0, NULL},
	{OK F("who", V("A@B.example")), 0, NULL},
	{OK F("who", V("a@b/c")), JD_NOT_ACCEPTABLE, "must be an address without resource."},
	{OK F("who", V("@")), JD_NOT_ACCEPTABLE, "must be an address."},
	{OK F("who", V("")), 0, NULL},
	{OK F("members", V("a@b") V("c@d/e") V("A@b")), 0, NULL},
	{OK F("members", V("a@b") V("a@b") V("a@b") V("a@b")), JD_NOT_ACCEPTABLE,
	 "has too many values."},
	{OK F("notes", V("one") V("") V("one")), 0, NULL},
	{OK F("notes", V("seven..") V("seven..")), JD_NOT_ACCEPTABLE, "is too long."},
	{OK F("key", V("\t&lt;")), 0, NULL},
	{OK F("token", V("any\nthing")), 0, NULL},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct reading r;
		const char *text, *end = cases[i].text;

		read_with(&r, &def, " type='submit'", cases[i].inside);
		text = r.form.error.text;
		if (r.outcome != (end ? JD_FORM_WRONG : JD_FORM_OK))
			fail_msg("%s: outcome %d, %s", cases[i].inside, r.outcome,
				 text ? text : "-");
		if (end) {
			assert_int_equal(r.form.error.condition, cases[i].condition);
			assert_true(strlen(text) >= strlen(end));
			assert_string_equal(text + strlen(text) - strlen(end), end);
		}
		read_done(&r);
	}
}

static void test_types(void **state)
{
	static const struct {
		const char *type;
		enum jd_form_outcome outcome;
	} types[] = {{" type='submit'", JD_FORM_OK},    {" type='cancel'", JD_FORM_CANCELLED},
		     {" type='form'", JD_FORM_WRONG},   {" type='result'", JD_FORM_WRONG},
		     {" type='Submit'", JD_FORM_WRONG}, {"", JD_FORM_WRONG}};
	struct jd_arena arena;
	struct jd_form form;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(types); i++) {
		struct reading r;

		read_with(&r, &def, types[i].type, OK);
		assert_int_equal(r.outcome, types[i].outcome);
		assert_int_equal(jd_form_given(&r.form, F_NAME), types[i].outcome == JD_FORM_OK);
		read_done(&r);
	}
	arena_init(&arena, NULL, 0);
	assert_int_equal(jd_form_read(JD_EL_NONE, &def, &arena, &form), JD_FORM_WRONG);
	assert_int_equal(form.error.condition, JD_BAD_REQUEST);
	arena_fini(&arena);
}

static void test_values(void **state)
{
	struct reading r;

	(void)state;
	read_with(&r, &def, " type='submit'",
		  TYPE F("name", V("a&amp;b")) F("on", V("true")) F("size", V("-5"))
			  F("at", V("1970-01-01T00:00:01Z")) F("tags", V("b") V("a") V("b"))
				  F("who", V("A@B.example")) F("members", V("x@y") V("X@y/Z"))
					  F("notes", V("one") V("") V("two")) F("key", V("")));
	assert_int_equal(r.outcome, JD_FORM_OK);
	assert_true(jd_str_is(jd_form_text(&r.form, F_NAME), "a&b"));
	assert_true(jd_form_bool(&r.form, F_ON));
	assert_int_equal(jd_form_int(&r.form, F_SIZE), -5);
	assert_int_equal(jd_form_int(&r.form, F_AT), 1000000);
	assert_int_equal(jd_form_count(&r.form, F_TAGS), 2);
	assert_true(jd_str_is(jd_form_text_at(&r.form, F_TAGS, 1), "a"));
	assert_null(jd_form_text_at(&r.form, F_TAGS, 2).p);
	assert_true(jd_str_is(jd_jid_str(jd_form_jid(&r.form, F_WHO)), "a@b.example"));
	assert_true(jd_str_is(jd_jid_str(jd_form_jid_at(&r.form, F_MEMBERS, 1)), "x@y/Z"));
	assert_false(jd_jid_ok(jd_form_jid_at(&r.form, F_MEMBERS, 2)));
	assert_true(jd_str_is(jd_form_text(&r.form, F_NOTES), "one\n\ntwo"));
	assert_true(jd_form_given(&r.form, F_KEY));
	assert_false(jd_form_given(&r.form, F_KIND));
	assert_null(jd_form_text(&r.form, F_KIND).p);
	assert_false(jd_jid_ok(jd_form_jid(&r.form, F_NAME)));
	read_done(&r);
}

/* A list with nothing in it is there, and stays so when it is written. */
static void test_empty_lists(void **state)
{
	struct reading r;

	(void)state;
	read_with(&r, &def, " type='submit'", OK F("tags", "") F("members", V("")));
	assert_int_equal(r.outcome, JD_FORM_OK);
	assert_true(jd_form_present(&r.form, F_TAGS) && !jd_form_given(&r.form, F_TAGS));
	assert_true(jd_form_present(&r.form, F_MEMBERS) && !jd_form_given(&r.form, F_MEMBERS));
	assert_int_equal(jd_form_count(&r.form, F_MEMBERS), 0);
	assert_false(jd_form_present(&r.form, F_NOTES));
	read_done(&r);
}

static void test_closed_and_loose(void **state)
{
	struct jd_form_def d = def;
	struct reading r;

	(void)state;
	d.closed = true;
	read_with(&r, &d, " type='submit'", OK F("unknown", V("1")));
	assert_int_equal(r.outcome, JD_FORM_WRONG);
	read_done(&r);
	d.closed = false;
	d.type_optional = true;
	read_with(&r, &d, " type='submit'", F("name", V("n")));
	assert_int_equal(r.outcome, JD_FORM_OK);
	read_done(&r);
	read_with(&r, &d, " type='submit'", F("FORM_TYPE", V("z")) F("name", V("n")));
	assert_int_equal(r.outcome, JD_FORM_WRONG);
	read_done(&r);
}

static void test_too_many_fields(void **state)
{
	char *xml = malloc(400 * 20);
	struct reading r;
	size_t n;

	(void)state;
	for (unsigned extra = JD_FORM_MAX_FIELDS - 2; extra < JD_FORM_MAX_FIELDS; extra++) {
		n = (size_t)sprintf(xml, "%s", OK);
		for (unsigned i = 0; i < extra; i++)
			n += (size_t)sprintf(xml + n, "<field var='u%u'/>", i);
		read_with(&r, &def, " type='submit'", xml);
		assert_int_equal(r.outcome,
				 extra == JD_FORM_MAX_FIELDS - 2 ? JD_FORM_OK : JD_FORM_WRONG);
		read_done(&r);
	}
	free(xml);
}

/* -- writing ------------------------------------------------------------------------- */

static const struct jd_form_field small[] = {
	{JD_FIELD_FIXED, NULL, .label = "Head"},
	{JD_FIELD_TEXT, "n", "Number", .data = JD_DATA_INTEGER, .min = 1, .max = 9,
	 .flags = JD_FIELD_REQUIRED},
	{JD_FIELD_LIST, "k", "Kind", .options = kinds, .flags = JD_FIELD_OPEN},
	{JD_FIELD_TEXT_MULTI, "t", NULL, .help = "Lines"},
	{JD_FIELD_PRIVATE, "p", .label = "Key"},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def small_def = {
	.form_type = "urn:s", .title = "T<", .instructions = "Do", .fields = small};

static void expect(void (*write)(struct jd_xml *, const struct jd_form *), const char *expected)
{
	struct jd_arena arena;
	struct jd_form form;
	struct jd_xml *x;
	struct jd_stanza *st;

	arena_init(&arena, NULL, 0);
	jd_form_init(&form, &small_def, &arena);
	jd_form_set_int(&form, 1, 5);
	jd_form_set_int(&form, 1, 7);
	jd_form_add_lines(&form, 3, JD_STR("one\n\ntwo"));
	jd_form_set_text(&form, 4, JD_STR("geheim"));
	x = stanza_build(fx_pool, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	write(x, &form);
	st = stanza_built(x);
	fx_expect(st, STANZA_STREAM, expected);
	jd_stanza_unref(st);
	arena_fini(&arena);
}

static void write_table(struct jd_xml *x, const struct jd_form *form)
{
	jd_form_table(x, form->def);
	jd_form_row(x, form);
	jd_form_table_end(x);
}

#define HIDDEN "<field var='FORM_TYPE' type='hidden'><value>urn:s</value></field>"

static void test_write(void **state)
{
	(void)state;
	expect(jd_form_write_form,
	       "<message><x xmlns='jabber:x:data' type='form'><title>T&lt;</title>"
	       "<instructions>Do</instructions>" HIDDEN
	       "<field type='fixed'><value>Head</value></field>"
	       "<field var='n' type='text-single' label='Number'>"
	       "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:integer'>"
	       "<range min='1' max='9'/></validate><required/><value>7</value></field>"
	       "<field var='k' type='list-single' label='Kind'>"
	       "<validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:string'>"
	       "<open/></validate><option label='First'><value>a</value></option>"
	       "<option label='b'><value>b</value></option></field>"
	       "<field var='t' type='text-multi'><desc>Lines</desc>"
	       "<value>one</value><value/><value>two</value></field>"
	       "<field var='p' type='text-private' label='Key'/></x></message>");
	expect(jd_form_write_submit,
	       "<message><x xmlns='jabber:x:data' type='submit'>" HIDDEN
	       "<field var='n'><value>7</value></field>"
	       "<field var='t'><value>one</value><value/><value>two</value></field>"
	       "<field var='p'/></x></message>");
	expect(jd_form_write_result,
	       "<message><x xmlns='jabber:x:data' type='result'><title>T&lt;</title>" HIDDEN
	       "<field type='fixed'><value>Head</value></field>"
	       "<field var='n' type='text-single' label='Number'><value>7</value></field>"
	       "<field var='t' type='text-multi'><value>one</value><value/><value>two</value>"
	       "</field><field var='p' type='text-private' label='Key'/></x></message>");
	expect(write_table,
	       "<message><x xmlns='jabber:x:data' type='result'><title>T&lt;</title>" HIDDEN
	       "<reported><field var='n' type='text-single' label='Number'/>"
	       "<field var='k' type='list-single' label='Kind'/><field var='t' type='text-multi'/>"
	       "<field var='p' type='text-private' label='Key'/></reported>"
	       "<item><field var='n'><value>7</value></field>"
	       "<field var='k'><value/></field>"
	       "<field var='t'><value>one</value><value/><value>two</value></field>"
	       "<field var='p'/></item></x></message>");
}

/* What is set can be read again; what is too much is left out. */
static void test_bounds_of_writing(void **state)
{
	struct jd_arena arena;
	struct jd_form form;

	(void)state;
	arena_init(&arena, NULL, 0);
	jd_form_init(&form, &def, &arena);
	for (int i = 0; i < 5; i++)
		jd_form_add_jid(&form, F_MEMBERS, fx_jid(&arena, "a@b"));
	assert_int_equal(jd_form_count(&form, F_MEMBERS), 3);
	jd_form_set_time(&form, F_AT, 1000000);
	assert_true(jd_str_is(jd_form_text(&form, F_AT), "1970-01-01T00:00:01.000Z"));
	jd_form_set_bool(&form, F_ON, true);
	assert_true(jd_form_bool(&form, F_ON));
	jd_form_set_text(&form, F_NAME, JD_STR_NULL);
	assert_false(jd_form_given(&form, F_NAME));
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_empty_lists),
		cmocka_unit_test(test_closed_and_loose),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_bounds_of_writing),
	};

	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
