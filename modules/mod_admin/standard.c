/* SPDX-License-Identifier: MIT
 *
 * Service administration (XEP-0133): the standard's names for commands of the
 * table, its fields for their arguments, its fields for their answers.
 *
 * A command is offered only while the table has what it stands for.  Where the
 * standard takes several addresses the command is run for one after the other,
 * and ends at the first that fails.
 */
#include "admin_priv.h"

#define NS_ADMIN "http://jabber.org/protocol/admin"
#define PREFIX   NS_ADMIN "#"

/* How an argument of the command is filled. */
struct std_arg {
	const char *arg; /* its name; NULL ends */
	int field;       /* place in the form; FROM_HOST: the host that was asked */
};
#define FROM_HOST (-1)

struct standard {
	const char *node, *name, *command;
	const struct jd_form_field *fields; /* NULL: it runs at once */
	const struct std_arg *args;
	answer_fn answer;
	const char *result;     /* the answer's field */
	const char *list, *key; /* the document's list and value that it comes from */
	const char *(*check)(const struct jd_form *form); /* a sentence, or NULL */
};

/* -- forms ----------------------------------------------------------------------------- */

enum { ADD_JID, ADD_PASSWORD, ADD_VERIFY };

static const struct jd_form_field add_fields[] = {
	[ADD_JID] = {JD_FIELD_JID, "accountjid", .label = "The address of the account to be added",
		     .flags = JD_FIELD_REQUIRED | JD_FIELD_BARE},
	[ADD_PASSWORD] = {JD_FIELD_PRIVATE, "password", .label = "The password for this account",
			  .flags = JD_FIELD_REQUIRED},
	[ADD_VERIFY] = {JD_FIELD_PRIVATE, "password-verify", .label = "Retype password"},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field password_fields[] = {
	[ADD_JID] = {JD_FIELD_JID, "accountjid", .label = "The address of the account",
		     .flags = JD_FIELD_REQUIRED | JD_FIELD_BARE},
	[ADD_PASSWORD] = {JD_FIELD_PRIVATE, "password", .label = "The new password",
			  .flags = JD_FIELD_REQUIRED},
	JD_FORM_FIELDS_END,
};

/* Several addresses are always the first field. */
static const struct jd_form_field delete_fields[] = {
	{JD_FIELD_JID_MULTI, "accountjids", .label = "The addresses of the accounts to be deleted",
	 .flags = JD_FIELD_REQUIRED | JD_FIELD_BARE},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field disable_fields[] = {
	{JD_FIELD_JID_MULTI, "accountjids", .label = "The addresses of the accounts to be disabled",
	 .flags = JD_FIELD_REQUIRED | JD_FIELD_BARE},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field enable_fields[] = {
	{JD_FIELD_JID_MULTI, "accountjids",
	 .label = "The addresses of the accounts to be enabled again",
	 .flags = JD_FIELD_REQUIRED | JD_FIELD_BARE},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field end_fields[] = {
	{JD_FIELD_JID_MULTI, "accountjids",
	 .label = "Addresses of accounts, or with resource of single sessions",
	 .flags = JD_FIELD_REQUIRED},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field stop_fields[] = {
	{JD_FIELD_FIXED, .label = "All sessions end, and the server stops."},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_option amounts[] = {
	{"25", NULL},  {"50", NULL},  {"75", NULL},   {"100", NULL},
	{"150", NULL}, {"200", NULL}, {"none", NULL}, {NULL, NULL},
};

static const struct jd_form_field list_fields[] = {
	{JD_FIELD_LIST, "max_items", .label = "Maximum number of items to show",
	 .options = amounts},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field announce_fields[] = {
	{JD_FIELD_TEXT_MULTI, "announcement", .label = "Announcement", .flags = JD_FIELD_REQUIRED},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field motd_fields[] = {
	{JD_FIELD_TEXT_MULTI, "motd", .label = "Message of the Day", .flags = JD_FIELD_REQUIRED},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_field motd_end_fields[] = {
	{JD_FIELD_FIXED, .label = "Nobody gets the message of the day any more."},
	JD_FORM_FIELDS_END,
};

static const char *check_twice(const struct jd_form *form)
{
	if (jd_form_given(form, ADD_VERIFY) &&
	    !jd_str_eq(jd_form_text(form, ADD_PASSWORD), jd_form_text(form, ADD_VERIFY)))
		return "The two passwords are not the same.";
	return NULL;
}

/* -- answers --------------------------------------------------------------------------- */

static void answer_next(struct request *r, const struct jd_doc_part *doc);

static void answer_nothing(struct request *r, const struct jd_doc_part *doc)
{
	(void)doc;
	admin_answer_done(r);
}

static void send_result(struct request *r, struct jd_form *form)
{
	struct jd_xml *x = adhoc_of(r)->completed(r->stage);

	jd_form_write_result(x, form);
	adhoc_of(r)->send(r->stage, x);
}

static void answer_number(struct request *r, const struct jd_doc_part *doc)
{
	const struct jd_form_field fields[] = {
		{JD_FIELD_TEXT, r->standard->result, .label = r->standard->name},
		JD_FORM_FIELDS_END,
	};
	const struct jd_form_def def = {.form_type = NS_ADMIN, .fields = fields};
	struct jd_form form;

	jd_form_init(&form, &def, arena_of(r));
	for (; doc; doc = doc->next)
		if (!doc->list && strcmp(doc->value.key, r->standard->key) == 0)
			jd_form_set_text(&form, 0, admin_doc_text(&doc->value, arena_of(r)));
	send_result(r, &form);
}

/* Sessions of one account follow each other only by chance. */
static bool is_there(const struct jd_form *form, struct jd_str jid)
{
	for (unsigned k = 0; k < jd_form_count(form, 0); k++)
		if (jd_str_eq(jd_form_text_at(form, 0, k), jid))
			return true;
	return false;
}

static void add_account(struct request *r, struct jd_form *form, const struct jd_doc_record *rec)
{
	struct jd_jid jid;

	for (const struct jd_doc_value *v = rec->values; v; v = v->next) {
		if (strcmp(v->key, r->standard->key) != 0)
			continue;
		if (jd_jid_parse(arena_of(r), v->str, &jid) == 0 &&
		    !is_there(form, jd_jid_bare_str(jid)))
			jd_form_add_jid(form, 0, jd_jid_bare(jid));
	}
}

#define MOST_ITEMS 1000

static unsigned wanted_items(const struct request *r)
{
	struct jd_str s = jd_form_text(&r->form, 0);
	unsigned n = 0;

	for (size_t i = 0; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		n = n * 10 + (unsigned)(s.p[i] - '0');
	return n ? n : MOST_ITEMS;
}

static void answer_list(struct request *r, const struct jd_doc_part *doc)
{
	const struct jd_form_field fields[] = {
		{JD_FIELD_JID_MULTI, r->standard->result, .label = r->standard->name,
		 .max_values = wanted_items(r)},
		JD_FORM_FIELDS_END,
	};
	const struct jd_form_def def = {.form_type = NS_ADMIN, .fields = fields};
	struct jd_form form;

	jd_form_init(&form, &def, arena_of(r));
	for (; doc; doc = doc->next) {
		if (!doc->list || strcmp(doc->value.key, r->standard->list) != 0)
			continue;
		for (const struct jd_doc_record *rec = doc->records;
		     rec && jd_form_count(&form, 0) < fields[0].max_values; rec = rec->next)
			add_account(r, &form, rec);
	}
	send_result(r, &form);
}

/* -- the table ------------------------------------------------------------------------- */

static const struct std_arg add_args[] = {{"JID", ADD_JID}, {"PASSWORD", ADD_PASSWORD}, {NULL, 0}};
static const struct std_arg jid_args[] = {{"JID", 0}, {NULL, 0}};
static const struct std_arg host_args[] = {{"HOST", FROM_HOST}, {NULL, 0}};
static const struct std_arg address_args[] = {{"ADDRESS", FROM_HOST}, {NULL, 0}};
static const struct std_arg text_args[] = {{"HOST", FROM_HOST}, {"TEXT", 0}, {NULL, 0}};
static const struct std_arg no_args[] = {{NULL, 0}};

static const struct standard all[] = {
	{"add-user", "Add User", "adduser", add_fields, add_args, answer_nothing,
	 .check = check_twice},
	{"delete-user", "Delete User", "deluser", delete_fields, jid_args, .answer = answer_next},
	{"disable-user", "Disable User", "ban", disable_fields, jid_args, .answer = answer_next},
	{"reenable-user", "Re-Enable User", "unban", enable_fields, jid_args,
	 .answer = answer_next},
	{"end-user-session", "End User Session", "kick", end_fields, jid_args,
	 .answer = answer_next},
	{"change-user-password", "Change User Password", "passwd", password_fields, add_args,
	 .answer = answer_nothing},
	{"get-registered-users-num", "Get Number of Registered Users", "count", NULL, host_args,
	 answer_number, .result = "registeredusersnum", .key = "registered"},
	{"get-online-users-num", "Get Number of Online Users", "count", NULL, host_args,
	 answer_number, .result = "onlineusersnum", .key = "online"},
	{"get-disabled-users-num", "Get Number of Disabled Users", "bans", NULL, host_args,
	 answer_number, .result = "disabledusersnum", .key = "banned"},
	{"get-disabled-users-list", "Get List of Disabled Users", "bans", list_fields, host_args,
	 answer_list, .result = "disableduserjids", .list = "bans", .key = "jid"},
	{"get-registered-users-list", "Get List of Registered Users", "users", list_fields,
	 host_args, answer_list, .result = "registereduserjids", .list = "users", .key = "jid"},
	{"get-online-users-list", "Get List of Online Users", "sessions", list_fields, address_args,
	 answer_list, .result = "onlineuserjids", .list = "sessions", .key = "jid"},
	{"announce", "Send Announcement to Online Users", "announce", announce_fields, text_args,
	 .answer = answer_nothing},
	{"set-motd", "Set Message of the Day", "motd set", motd_fields, text_args,
	 .answer = answer_nothing},
	{"edit-motd", "Edit Message of the Day", "motd set", motd_fields, text_args,
	 .answer = answer_nothing},
	{"delete-motd", "Delete Message of the Day", "motd clear", motd_end_fields, host_args,
	 .answer = answer_nothing},
	{"shutdown", "Shut Down Service", "stop", stop_fields, no_args, .answer = answer_nothing},
};

/* -- running one ----------------------------------------------------------------------- */

static struct jd_str value_of(const struct request *r, int field)
{
	if (field == FROM_HOST)
		return jd_host_name(r->command.host);
	if (r->standard->answer == answer_next)
		return jd_form_text_at(&r->form, (unsigned)field, r->at);
	return jd_form_text(&r->form, (unsigned)field);
}

static void run_now(struct request *r)
{
	const struct jd_arg *args = r->command.def->args;

	for (const struct std_arg *a = r->standard->args; a->arg; a++)
		for (unsigned i = 0; args && args[i].kind != JD_ARG_END; i++)
			if (strcmp(args[i].name, a->arg) == 0)
				r->command.values[i] = value_of(r, a->field);
	admin_request_run(r);
}

static void answer_next(struct request *r, const struct jd_doc_part *doc)
{
	(void)doc;
	if (++r->at < jd_form_count(&r->form, 0))
		run_now(r);
	else
		admin_answer_done(r);
}

static void take_form(struct request *r, const struct jd_form_def *def)
{
	const char *wrong = NULL;

	switch (jd_form_read(r->stage->form, def, arena_of(r), &r->form)) {
	case JD_FORM_OK:
		wrong = r->standard->check ? r->standard->check(&r->form) : NULL;
		break;
	case JD_FORM_CANCELLED:
		wrong = "The form has been cancelled.";
		break;
	case JD_FORM_WRONG:
		wrong = r->form.error.text;
		break;
	}
	if (wrong)
		admin_answer_wrong(r, wrong);
	else
		run_now(r);
}

static void send_form(struct request *r, const struct jd_form_def *def)
{
	struct jd_xml *x =
		adhoc_of(r)->executing(r->stage, 1, JD_ADHOC_COMPLETE, JD_ADHOC_COMPLETE);
	struct jd_form form;

	jd_form_init(&form, def, arena_of(r));
	jd_form_write_form(x, &form);
	adhoc_of(r)->send(r->stage, x);
}

static const struct standard *find_standard(struct jd_str node)
{
	size_t n = strlen(PREFIX);

	if (node.len <= n || memcmp(node.p, PREFIX, n) != 0)
		return NULL;
	for (size_t i = 0; i < JD_ARRAY_SIZE(all); i++)
		if (jd_str_is((struct jd_str){node.p + n, node.len - n}, all[i].node))
			return &all[i];
	return NULL;
}

static void run(struct jd_instance *mi, struct jd_adhoc_stage *stage)
{
	const struct standard *s = find_standard(stage->node);
	struct jd_form_def *def = jd_arena_new(stage->iq->st->arena, struct jd_form_def);
	struct request *r = admin_request_new(
		mi, stage, jd_command_find(stage->iq->host, jd_cstr(s->command)), s->answer);

	*def = (struct jd_form_def){
		.form_type = NS_ADMIN,
		.title = s->name,
		.instructions = "Fill out this form.",
		.fields = s->fields,
		.type_optional = true,
	};
	r->standard = s;
	if (!s->fields)
		run_now(r);
	else if (stage->number == 0)
		send_form(r, def);
	else
		take_form(r, def);
}

/* -- the source ------------------------------------------------------------------------ */

static enum jd_adhoc_access access_of(const struct standard *s, struct jd_iq *iq)
{
	const struct jd_command_def *def = jd_command_find(iq->host, jd_cstr(s->command));

	if (!def)
		return JD_ADHOC_UNKNOWN;
	return jd_command_allowed(def, iq->host, iq->st->from) ? JD_ADHOC_ALLOWED
							       : JD_ADHOC_FORBIDDEN;
}

static enum jd_adhoc_access find(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node,
				 struct jd_str *ret_name)
{
	const struct standard *s = find_standard(node);

	(void)mi;
	if (!s)
		return JD_ADHOC_UNKNOWN;
	*ret_name = jd_cstr(s->name);
	return access_of(s, iq);
}

static void each(struct jd_instance *mi, struct jd_iq *iq,
		 void (*fn)(void *arg, struct jd_str node, struct jd_str name), void *arg)
{
	(void)mi;
	for (size_t i = 0; i < JD_ARRAY_SIZE(all); i++)
		if (access_of(&all[i], iq) == JD_ADHOC_ALLOWED)
			fn(arg, jd_arena_printf(iq->st->arena, PREFIX "%s", all[i].node),
			   jd_cstr(all[i].name));
}

const struct jd_adhoc_source admin_standard_source = {
	.targets = JD_TO_HOST, .each = each, .find = find, .run = run};
