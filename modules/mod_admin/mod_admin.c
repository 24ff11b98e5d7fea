/* SPDX-License-Identifier: MIT
 *
 * Administration from a client: every command of the table that jackdawctl has,
 * as an ad-hoc command, and those of XEP-0133 (standard.c) on top of them.
 *
 * The arguments become a form.  Who may run what, and that an administrator's
 * power ends at his host, is the core's business (jd_command_start()).
 */
#include "admin_priv.h"

#define PREFIX "jackdaw:"

/* These do much without asking: they get a form with nothing to fill in. */
static const char *const asked_twice[] = {"stop"};

/* -- running a command ----------------------------------------------------------------- */

struct request *admin_request_new(struct jd_instance *mi, struct jd_adhoc_stage *stage,
				  const struct jd_command_def *def, answer_fn answer)
{
	struct request *r = jd_arena_new(stage->iq->st->arena, struct request);

	r->mi = mi;
	r->stage = stage;
	r->command.def = def;
	r->command.host = stage->iq->host;
	r->command.by = stage->iq->st->from;
	r->answer = answer;
	return r;
}

static void on_end(void *arg, const struct jd_doc_part *doc, struct jd_str error)
{
	struct request *r = arg;

	if (error.p)
		adhoc_of(r)->fail(r->stage, JD_NOT_ACCEPTABLE, NULL,
				  jd_arena_str(arena_of(r), error).p);
	else
		r->answer(r, doc);
}

void admin_answer_wrong(struct request *r, const char *text)
{
	adhoc_of(r)->fail(r->stage, JD_BAD_REQUEST, "bad-payload", text);
}

void admin_answer_done(struct request *r)
{
	adhoc_of(r)->send(r->stage, adhoc_of(r)->completed(r->stage));
}

void admin_request_run(struct request *r)
{
	char wrong[512];
	int err = jd_command_start(jd_iq_pending(r->stage->iq), &r->command, on_end, r, wrong,
				   sizeof(wrong));

	if (err == -JD_EACCESS)
		adhoc_of(r)->fail(r->stage, JD_FORBIDDEN, NULL, wrong);
	else if (err)
		admin_answer_wrong(r, wrong);
}

/* -- arguments as a form --------------------------------------------------------------- */

static unsigned count_args(const struct jd_command_def *def)
{
	unsigned n = 0;

	while (def->args && def->args[n].kind != JD_ARG_END)
		n++;
	return n;
}

static struct jd_form_field field_of(const struct jd_arg *arg)
{
	struct jd_form_field f = {
		.type = JD_FIELD_TEXT,
		.var = arg->name,
		.label = arg->help,
		.flags = arg->optional ? 0 : JD_FIELD_REQUIRED,
	};

	switch (arg->kind) {
	case JD_ARG_BARE_JID:
	case JD_ARG_ROOM:
		f.flags |= JD_FIELD_BARE;
		f.type = JD_FIELD_JID;
		break;
	case JD_ARG_JID:
		f.type = JD_FIELD_JID;
		break;
	case JD_ARG_INT:
		f.data = JD_DATA_INTEGER;
		break;
	case JD_ARG_SECRET:
		f.type = JD_FIELD_PRIVATE;
		break;
	case JD_ARG_FLAG:
		f.type = JD_FIELD_BOOL;
		f.flags = 0;
		break;
	case JD_ARG_TEXT:
		f.max_bytes = 16384;
		break;
	case JD_ARG_HOST:
	case JD_ARG_FILE:
	case JD_ARG_END:
		break;
	}
	return f;
}

static const struct jd_form_def *form_of(const struct jd_command_def *def, struct jd_arena *arena)
{
	struct jd_form_def *form = jd_arena_new(arena, struct jd_form_def);
	unsigned n = count_args(def);
	struct jd_form_field *fields = jd_arena_alloc(arena, (n + 1) * sizeof(*fields));

	for (unsigned i = 0; i < n; i++)
		fields[i] = field_of(&def->args[i]);
	form->title = def->name;
	form->instructions = def->help;
	form->fields = fields;
	return form;
}

static void send_form(struct request *r, const struct jd_form_def *def)
{
	struct jd_xml *x =
		adhoc_of(r)->executing(r->stage, 1, JD_ADHOC_COMPLETE, JD_ADHOC_COMPLETE);
	struct jd_form form;

	jd_form_init(&form, def, arena_of(r));
	for (unsigned i = 0; i < count_args(r->command.def); i++)
		if (r->command.def->args[i].kind == JD_ARG_HOST)
			jd_form_set_text(&form, i, jd_host_name(r->stage->iq->host));
	jd_form_write_form(x, &form);
	adhoc_of(r)->send(r->stage, x);
}

static void take_form(struct request *r, const struct jd_form_def *def)
{
	if (jd_form_read(r->stage->form, def, arena_of(r), &r->form) != JD_FORM_OK) {
		admin_answer_wrong(r, r->form.error.text ? r->form.error.text
							 : "The form has been cancelled.");
		return;
	}
	for (unsigned i = 0; i < count_args(r->command.def); i++) {
		bool flag = r->command.def->args[i].kind == JD_ARG_FLAG;
		struct jd_str text = jd_form_text(&r->form, i);

		/* A field that was left blank is an argument that was left out. */
		if (flag ? jd_form_bool(&r->form, i) : text.len)
			r->command.values[i] = text;
	}
	admin_request_run(r);
}

/* -- the source ------------------------------------------------------------------------ */

static const struct jd_command_def *find_def(struct jd_iq *iq, struct jd_str node)
{
	size_t n = strlen(PREFIX);

	if (node.len <= n || memcmp(node.p, PREFIX, n) != 0)
		return NULL;
	return jd_command_find(iq->host, (struct jd_str){node.p + n, node.len - n});
}

static enum jd_adhoc_access find(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node,
				 struct jd_str *ret_name)
{
	const struct jd_command_def *def = find_def(iq, node);

	(void)mi;
	if (!def)
		return JD_ADHOC_UNKNOWN;
	*ret_name = jd_cstr(def->name);
	return jd_command_allowed(def, iq->host, iq->st->from) ? JD_ADHOC_ALLOWED
							       : JD_ADHOC_FORBIDDEN;
}

struct listing {
	struct jd_iq *iq;
	void (*fn)(void *arg, struct jd_str node, struct jd_str name);
	void *arg;
};

static void list_one(const struct jd_command_def *def, void *arg)
{
	const struct listing *l = arg;
	struct jd_str node = jd_arena_printf(l->iq->st->arena, PREFIX "%s", def->name);

	if (jd_command_allowed(def, l->iq->host, l->iq->st->from))
		l->fn(l->arg, node, jd_cstr(def->name));
}

static void each(struct jd_instance *mi, struct jd_iq *iq,
		 void (*fn)(void *arg, struct jd_str node, struct jd_str name), void *arg)
{
	struct listing l = {iq, fn, arg};

	(void)mi;
	jd_command_each(iq->host, list_one, &l);
}

static bool wants_form(const struct jd_command_def *def)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(asked_twice); i++)
		if (strcmp(def->name, asked_twice[i]) == 0)
			return true;
	return count_args(def) > 0;
}

static void run(struct jd_instance *mi, struct jd_adhoc_stage *stage)
{
	const struct jd_command_def *def = find_def(stage->iq, stage->node);
	struct request *r = admin_request_new(mi, stage, def, admin_answer_document);

	if (stage->number == 0 && wants_form(def))
		send_form(r, form_of(def, arena_of(r)));
	else if (stage->number == 0)
		admin_request_run(r);
	else
		take_form(r, form_of(def, arena_of(r)));
}

static const struct jd_adhoc_source table_source = {
	.targets = JD_TO_HOST, .each = each, .find = find, .run = run};

/* -- the module ------------------------------------------------------------------------ */

static int start(struct jd_instance *mi)
{
	struct admin *a = jd_data(mi);
	int r;

	a->adhoc = jd_service(mi, "adhoc", &a->provider);
	if (!a->adhoc)
		return -JD_ENOENT;
	r = a->adhoc->offer(a->provider, mi, &admin_standard_source);
	if (r == 0)
		r = a->adhoc->offer(a->provider, mi, &table_source);
	return r;
}

static void stop(struct jd_instance *mi)
{
	const struct admin *a = jd_data(mi);

	a->adhoc->withdraw(a->provider, mi);
}

JD_MODULE(admin, .summary = "Administration from a client (XEP-0133)", .needs = "adhoc",
	  .data_size = sizeof(struct admin), .start = start, .stop = stop);
