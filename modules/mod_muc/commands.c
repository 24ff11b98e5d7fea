/* SPDX-License-Identifier: MIT
 *
 * jackdawctl room: what an administrator does to rooms from outside.
 *
 * Only the list is read from the database.  All else is a request that the component
 * itself sends to the room, like those of an owner: it takes its turn there, and what an
 * owner's client could not do does not happen.
 */
#include "muc.h"

#define PAGE       500
#define ANSWER_MAX (20 * JD_USEC_PER_SEC)

/* -- asking a room -------------------------------------------------------------------------------
 */

static struct jd_xml *request(struct jd_command *c, enum jd_type type, const char *ns)
{
	struct jd_host *host = jd_instance_host(jd_command_instance(c));
	struct jd_xml *x =
		jd_stanza_new(JD_IQ, type, jd_host_jid(host), jd_arg_jid(c, 0), JD_STR_NULL);

	jd_xml_start(x, ns, "query");
	return x;
}

static void ask(struct jd_command *c, struct jd_xml *x, jd_answer_fn fn)
{
	jd_xml_end(x);
	if (jd_ask(jd_command_pending(c), x, ANSWER_MAX, fn, c) < 0)
		jd_command_fail(c, "The server has too much to do; try again.");
}

/* Whether it was done; if not, the command has failed. */
static bool is_good(struct jd_command *c, struct jd_stanza *st)
{
	struct jd_el error, text;
	struct jd_str s;

	if (!st) {
		jd_command_fail(c, "The room does not answer.");
		return false;
	}
	if (st->type == JD_TYPE_RESULT)
		return true;
	error = jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "error");
	text = jd_el_child(error, JD_NS_STANZA_ERRORS, "text");
	s = jd_el_ok(text) ? jd_el_text(text, jd_command_arena(c)) : jd_el_name(jd_el_first(error));
	jd_command_fail(c, "%.*s", JD_FMT(s));
	return false;
}

static void on_done(void *arg, struct jd_stanza *st)
{
	if (is_good(arg, st))
		jd_command_done(arg);
}

/* -- room list ------------------------------------------------------------------------------------
 */

static void next_page(struct jd_command *c, struct jd_str after);

static void on_page(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_str host = jd_host_name(jd_instance_host(jd_command_instance(c)));
	size_t n = status == JD_DB_OK ? jd_rows_count(rows) : 0;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct jd_str name = jd_row_str(rows, i, 0);

		jd_out_record(c);
		jd_out_str(c, "room",
			   jd_arena_printf(jd_command_arena(c), "%.*s@%.*s", JD_FMT(name),
					   JD_FMT(host)));
		jd_out_str(c, "title", jd_row_str(rows, i, 1));
	}
	if (n == PAGE) {
		next_page(c, jd_row_str(rows, n - 1, 0));
		return;
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void next_page(struct jd_command *c, struct jd_str after)
{
	const struct room_list list = {.after = after, .limit = PAGE, .hidden = true};

	if (muc_store_list(jd_command_instance(c), jd_command_pending(c), &list, on_page, c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

static void cmd_list(struct jd_command *c)
{
	jd_out_list(c, "rooms");
	next_page(c, JD_STR(""));
}

/* -- room info ------------------------------------------------------------------------------------
 */

static void show_field(struct jd_command *c, struct jd_el form, const char *var, const char *key)
{
	JD_EL_EACH_IS(field, form, JD_NS_DATAFORM, "field")
	if (jd_str_is(jd_el_attr(field, "var"), var))
		jd_out_str(c, key,
			   jd_el_text(jd_el_child(field, JD_NS_DATAFORM, "value"),
				      jd_command_arena(c)));
}

static void show_occupant(struct jd_command *c, struct jd_el el)
{
	static const char *const attrs[] = {"nick", "jid", "affiliation", "role", "devices"};

	jd_out_record(c);
	for (size_t i = 0; i < JD_ARRAY_SIZE(attrs); i++)
		jd_out_str(c, attrs[i], jd_el_attr(el, attrs[i]));
}

static void on_state(void *arg, struct jd_stanza *st)
{
	static const char *const attrs[] = {"owners",    "admins", "members", "outcasts",
					    "slow_mode", "kept",   "last"};
	struct jd_command *c = arg;
	struct jd_el query;

	if (!is_good(c, st))
		return;
	query = jd_el_first(jd_stanza_root(st));
	for (size_t i = 0; i < JD_ARRAY_SIZE(attrs); i++)
		if (jd_el_attr(query, attrs[i]).p)
			jd_out_str(c, attrs[i], jd_el_attr(query, attrs[i]));
	jd_out_list(c, "people");
	JD_EL_EACH(el, query)
	show_occupant(c, el);
	jd_out_end(c);
	jd_command_done(c);
}

static void on_info(void *arg, struct jd_stanza *st)
{
	struct jd_command *c = arg;
	struct jd_el query, form;

	if (!is_good(c, st))
		return;
	query = jd_el_first(jd_stanza_root(st));
	form = jd_el_child(query, JD_NS_DATAFORM, "x");
	jd_out_str(c, "title", jd_el_attr(jd_el_first(query), "name"));
	show_field(c, form, "muc#roominfo_description", "description");
	show_field(c, form, "muc#roominfo_occupants", "occupants");
	show_field(c, form, "muc#roomconfig_maxusers", "max_occupants");
	JD_EL_EACH_IS(feature, query, JD_NS_DISCO_INFO, "feature")
	{
		struct jd_str var = jd_el_attr(feature, "var");

		if (var.len > 4 && memcmp(var.p, "muc_", 4) == 0)
			jd_out_bool(c,
				    jd_arena_str(jd_command_arena(c),
						 (struct jd_str){var.p + 4, var.len - 4})
					    .p,
				    true);
	}
	ask(c, request(c, JD_TYPE_GET, NS_STATE), on_state);
}

static void cmd_info(struct jd_command *c)
{
	ask(c, request(c, JD_TYPE_GET, JD_NS_DISCO_INFO), on_info);
}

/* -- room create, room destroy
 * ---------------------------------------------------------------------- */

static void write_field(struct jd_xml *x, const char *var, struct jd_str value)
{
	jd_xml_start(x, NULL, "field");
	jd_xml_attr(x, "var", jd_cstr(var));
	jd_xml_leaf(x, JD_NS_DATAFORM, "value", value);
	jd_xml_end(x);
}

static void cmd_create(struct jd_command *c)
{
	struct jd_xml *x = request(c, JD_TYPE_SET, NS_OWNER);

	jd_xml_start(x, JD_NS_DATAFORM, "x");
	jd_xml_attr(x, "type", JD_STR("submit"));
	write_field(x, "FORM_TYPE", JD_STR(NS_ROOMCONFIG));
	write_field(x, "muc#roomconfig_persistentroom", JD_STR("1"));
	write_field(x, "muc#roomconfig_roomowners", jd_jid_bare_str(jd_arg_jid(c, 1)));
	jd_xml_end(x);
	ask(c, x, on_done);
}

/* Configuring one that exists would take it away from its owners. */
static void on_looked(void *arg, struct jd_stanza *st)
{
	struct jd_command *c = arg;

	if (st && st->type == JD_TYPE_RESULT)
		jd_command_fail(c, "The room %.*s exists already.",
				JD_FMT(jd_jid_str(jd_arg_jid(c, 0))));
	else
		cmd_create(c);
}

static void cmd_look(struct jd_command *c)
{
	ask(c, request(c, JD_TYPE_GET, NS_OWNER), on_looked);
}

static void cmd_destroy(struct jd_command *c)
{
	struct jd_xml *x = request(c, JD_TYPE_SET, NS_OWNER);

	jd_xml_start(x, NULL, "destroy");
	if (jd_arg_given(c, 1))
		jd_xml_leaf(x, NS_OWNER, "reason", jd_arg_text(c, 1));
	jd_xml_end(x);
	ask(c, x, on_done);
}

/* -- room kick, room affiliation
 * --------------------------------------------------------------------- */

static void end_item(struct jd_command *c, struct jd_xml *x, unsigned reason)
{
	if (jd_arg_given(c, reason))
		jd_xml_leaf(x, NS_ADMIN, "reason", jd_arg_text(c, reason));
	jd_xml_end(x);
	ask(c, x, on_done);
}

static void cmd_kick(struct jd_command *c)
{
	struct jd_xml *x = request(c, JD_TYPE_SET, NS_ADMIN);

	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "nick", jd_arg_text(c, 1));
	jd_xml_attr(x, "role", muc_role_name(ROLE_NONE));
	end_item(c, x, 2);
}

static void cmd_affiliation(struct jd_command *c)
{
	struct jd_xml *x;
	enum affiliation a;

	if (!muc_affiliation_read(jd_arg_text(c, 2), &a)) {
		jd_command_fail(c, "An affiliation is owner, admin, member, none or outcast.");
		return;
	}
	x = request(c, JD_TYPE_SET, NS_ADMIN);
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "affiliation", muc_affiliation_name(a));
	jd_xml_attr(x, "jid", jd_jid_bare_str(jd_arg_jid(c, 1)));
	end_item(c, x, 3);
}

/* -- the table
 * ------------------------------------------------------------------------------------- */

static const struct jd_arg list_args[] = {
	{JD_ARG_HOST, "HOST", false, "The component, such as conference.example.org."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg info_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "The room."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg create_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "The room."},
	{JD_ARG_JID, "OWNER", false, "Who owns it."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg destroy_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "The room."},
	{JD_ARG_TEXT, "REASON", true, "What its occupants are told."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg kick_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "The room."},
	{JD_ARG_TEXT, "NICK", false, "Who must go, by the name in the room."},
	{JD_ARG_TEXT, "REASON", true, "What everybody there is told."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg affiliation_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "The room."},
	{JD_ARG_JID, "JID", false, "Whose affiliation it is."},
	{JD_ARG_TEXT, "AFFILIATION", false, "owner, admin, member, none or outcast."},
	{JD_ARG_TEXT, "REASON", true, "What everybody there is told."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def muc_commands[] = {
	{"room list", "Lists the rooms of a component, hidden ones too.", list_args, cmd_list},
	{"room info", "Shows what a room is like.", info_args, cmd_info},
	{"room create", "Makes a persistent room.", create_args, cmd_look},
	{"room destroy", "Destroys a room, with all that was said in it.", destroy_args,
	 cmd_destroy},
	{"room kick", "Puts somebody out of a room.", kick_args, cmd_kick},
	{"room affiliation", "Makes somebody owner, admin, member or outcast of a room, or none.",
	 affiliation_args, cmd_affiliation},
	{NULL, NULL, NULL, NULL},
};
