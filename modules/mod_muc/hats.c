/* SPDX-License-Identifier: MIT
 *
 * Hats (XEP-0317): what people in a room are besides role and affiliation, such as "teacher".
 *
 * Owners make hats and give them to addresses, by commands (XEP-0050) of one step: whatever a
 * form needs is in it, so nothing is remembered between the asking for a form and its answer.
 * All hats of a room with their wearers are one text in the database and one tree in memory, of
 * bounded size, which each change writes anew.
 */
#include "muc.h"

#define NS_COMMANDS   "http://jabber.org/protocol/commands"
#define NS_HATS_FORMS "urn:xmpp:hats:commands"
#define HATS_MAX      32
#define WEARERS_MAX   500 /* of all hats together */

static struct jd_stmt set_hats = {
	.name = "muc.set_hats",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_room SET hats = $2 WHERE owner = $1",
	.expect = 1,
};

enum field { H_JID, H_TITLE, H_URI, H_HUE, H_COUNT };
#define BIT(n) (1u << (n))

static const struct jd_form_field fields[] = {
	[H_JID] = {JD_FIELD_JID, "hats#jid", .label = "Address", .flags = JD_FIELD_BARE},
	[H_TITLE] = {JD_FIELD_TEXT, "hats#title", .label = "Title", .max_bytes = 100},
	[H_URI] = {JD_FIELD_TEXT, "hats#uri", .label = "The hat", .max_bytes = 500},
	[H_HUE] = {JD_FIELD_TEXT, "hats#hue", .label = "Hue: 0 to 360", .max_bytes = 16},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def def = {.form_type = NS_HATS_FORMS, .fields = fields};

enum what { CREATE, DESTROY, ASSIGN, UNASSIGN, LIST, LIST_ASSIGNED };

static const struct command {
	const char *node, *name;
	enum what what;
	unsigned fields; /* bits of those that it needs; a hue is never needed */
} commands[] = {
	{NS_HATS_FORMS ":create", "Make or change a hat", CREATE, BIT(H_TITLE) | BIT(H_URI)},
	{NS_HATS_FORMS ":destroy", "Destroy a hat", DESTROY, BIT(H_URI)},
	{NS_HATS_FORMS ":assign", "Give a hat to somebody", ASSIGN, BIT(H_JID) | BIT(H_URI)},
	{NS_HATS_FORMS ":unassign", "Take a hat away", UNASSIGN, BIT(H_JID) | BIT(H_URI)},
	{NS_HATS_FORMS ":list", "Show the hats", LIST, 0},
	{NS_HATS_FORMS ":list-assigned", "Show who wears which hat", LIST_ASSIGNED, 0},
};

/* What is asked for, checked. */
struct change {
	enum what what;
	struct jd_str uri, title, hue;
	struct jd_jid who;
	struct jd_str text; /* of all hats afterwards; p NULL: there are none */
};

/* -- the tree -------------------------------------------------------------------------------- */

static struct jd_el list_of(struct jd_stanza *hats)
{
	return hats ? jd_el_child(jd_stanza_root(hats), NS_HATS, "hats") : JD_EL_NONE;
}

static struct jd_el find(struct jd_stanza *hats, struct jd_str uri)
{
	JD_EL_EACH(hat, list_of(hats))
	if (jd_str_eq(jd_el_attr(hat, "uri"), uri))
		return hat;
	return JD_EL_NONE;
}

static bool is_worn(struct jd_el hat, struct jd_jid who)
{
	JD_EL_EACH(wearer, hat)
	if (jd_str_eq(jd_el_attr(wearer, "jid"), jd_jid_bare_str(who)))
		return true;
	return false;
}

static bool fits(struct jd_stanza *hats, const struct change *c)
{
	unsigned n = 0, wearers = 0;

	JD_EL_EACH(hat, list_of(hats))
	{
		n++;
		JD_EL_EACH(wearer, hat)
		wearers++;
	}
	if (c->what == CREATE)
		return n < HATS_MAX || jd_el_ok(find(hats, c->uri));
	return c->what != ASSIGN || wearers < WEARERS_MAX;
}

static void start_hat(struct jd_xml *x, struct jd_str uri, struct jd_str title, struct jd_str hue)
{
	jd_xml_start(x, NS_HATS, "hat");
	jd_xml_attr(x, "uri", uri);
	jd_xml_attr(x, "title", title);
	jd_xml_attr(x, "hue", hue);
}

static void write_wearer(struct jd_xml *x, struct jd_str jid)
{
	jd_xml_start(x, NS_HATS, "wearer");
	jd_xml_attr(x, "jid", jid);
	jd_xml_end(x);
}

/* The hat that the change is about, as it is afterwards. */
static void write_changed(struct jd_xml *x, struct jd_el hat, const struct change *c)
{
	struct jd_str who = jd_jid_bare_str(c->who);
	bool create = c->what == CREATE;

	start_hat(x, c->uri, create ? c->title : jd_el_attr(hat, "title"),
		  create ? c->hue : jd_el_attr(hat, "hue"));
	JD_EL_EACH(wearer, hat)
	if (c->what != UNASSIGN || !jd_str_eq(jd_el_attr(wearer, "jid"), who))
		write_wearer(x, jd_el_attr(wearer, "jid"));
	if (c->what == ASSIGN && !is_worn(hat, c->who))
		write_wearer(x, who);
	jd_xml_end(x);
}

/* False: it would be too large. */
static bool write_all(struct jd_stanza *hats, struct change *c, struct jd_arena *arena)
{
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	struct jd_stanza *st;
	bool any;

	jd_xml_start(x, NS_HATS, "hats");
	JD_EL_EACH(hat, list_of(hats))
	if (!jd_str_eq(jd_el_attr(hat, "uri"), c->uri))
		jd_xml_copy(x, hat);
	else if (c->what != DESTROY)
		write_changed(x, hat, c);
	if (c->what == CREATE && !jd_el_ok(find(hats, c->uri)))
		write_changed(x, JD_EL_NONE, c);
	jd_xml_end(x);
	st = jd_built(x);
	if (!st)
		return false;
	any = jd_el_ok(jd_el_first(list_of(st)));
	c->text = any ? jd_stanza_bytes(st, arena) : JD_STR_NULL;
	jd_stanza_unref(st);
	return true;
}

/* -- what others see -------------------------------------------------------------------------- */

void muc_write_hats(struct jd_xml *x, const struct occupant *o)
{
	bool any = false;

	JD_EL_EACH(hat, list_of(o->room->hats))
	{
		if (!is_worn(hat, o->who))
			continue;
		if (!any)
			jd_xml_start(x, NS_HATS, "hats");
		any = true;
		start_hat(x, jd_el_attr(hat, "uri"), jd_el_attr(hat, "title"),
			  jd_el_attr(hat, "hue"));
		jd_xml_end(x);
	}
	if (any)
		jd_xml_end(x);
}

struct jd_str muc_hats_hash(const struct room *r, struct jd_arena *arena)
{
	struct jd_str all = JD_STR("");
	uint8_t digest[JD_DIGEST_MAX];

	JD_EL_EACH(hat, list_of(r->hats))
	all = jd_arena_printf(arena, "%.*s%.*s<%.*s<%.*s<", JD_FMT(all),
			      JD_FMT(jd_el_attr(hat, "uri")), JD_FMT(jd_el_attr(hat, "title")),
			      JD_FMT(jd_el_attr(hat, "hue")));
	if (!all.len)
		return JD_STR_NULL;
	jd_digest(JD_HASH_SHA1, all, digest);
	return jd_base64(arena, digest, jd_digest_size(JD_HASH_SHA1));
}

static void apply(struct room *r, const struct change *c)
{
	struct jd_stanza *old = r->hats;

	r->hats = c->text.p ? jd_stanza_parse(c->text) : NULL;
	for (struct occupant *o = r->occupants; o; o = o->next) {
		if (!is_worn(find(old, c->uri), o->who) && !is_worn(find(r->hats, c->uri), o->who))
			continue;
		muc_occupant_touch(o);
		muc_tell_look(o);
	}
	if (c->what == CREATE || c->what == DESTROY)
		muc_announce(r, 104);
	jd_stanza_unref(old);
}

/* -- answers ---------------------------------------------------------------------------------- */

static struct jd_xml *answer(struct visit *v, const char *status)
{
	struct jd_xml *x = jd_iq_result(v->iq);
	struct jd_str id = jd_el_attr(v->iq->query, "sessionid");

	jd_xml_start(x, NS_COMMANDS, "command");
	jd_xml_attr(x, "node", jd_el_attr(v->iq->query, "node"));
	jd_xml_attr(x, "sessionid", id.len ? id : jd_random_id(v->arena, 12));
	jd_xml_attr(x, "status", jd_cstr(status));
	return x;
}

static enum jd_verdict send(struct visit *v, struct jd_xml *x)
{
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

/* The hats that there are, to choose from. */
static const struct jd_form_option *options_of(const struct room *r, struct jd_arena *arena)
{
	struct jd_form_option *options = jd_arena_alloc(arena, (HATS_MAX + 1) * sizeof(*options));
	unsigned n = 0;

	JD_EL_EACH(hat, list_of(r->hats))
	if (n < HATS_MAX) {
		options[n].value = jd_arena_str(arena, jd_el_attr(hat, "uri")).p;
		options[n++].label = jd_arena_str(arena, jd_el_attr(hat, "title")).p;
	}
	options[n] = (struct jd_form_option){NULL, NULL};
	return options;
}

static enum jd_verdict ask(struct visit *v, const struct command *command)
{
	struct jd_form_field *own = jd_arena_alloc(v->arena, (H_COUNT + 1) * sizeof(*own));
	struct jd_form_def *form_def = jd_arena_new(v->arena, struct jd_form_def);
	struct jd_xml *x = answer(v, "executing");
	struct jd_form form;
	unsigned n = 0;

	for (unsigned i = 0; i < H_COUNT; i++) {
		if (!(command->fields & BIT(i)) && !(i == H_HUE && command->what == CREATE))
			continue;
		own[n] = fields[i];
		own[n].flags |= i == H_HUE ? 0 : JD_FIELD_REQUIRED;
		if (i == H_URI && command->what != CREATE) {
			own[n].type = JD_FIELD_LIST;
			own[n].options = options_of(v->room, v->arena);
		}
		n++;
	}
	own[n] = (struct jd_form_field){.type = JD_FIELD_END};
	*form_def = def;
	form_def->title = command->name;
	form_def->fields = own;
	jd_xml_start(x, NULL, "actions");
	jd_xml_attr(x, "execute", JD_STR("complete"));
	jd_xml_leaf(x, NULL, "complete", JD_STR_NULL);
	jd_xml_end(x);
	jd_form_init(&form, form_def, v->arena);
	jd_form_write_form(x, &form);
	return send(v, x);
}

static void write_row(struct jd_xml *x, struct jd_el hat, struct jd_jid *who,
		      struct jd_arena *arena)
{
	struct jd_form row;

	jd_form_init(&row, &def, arena);
	jd_form_set_text(&row, H_URI, jd_el_attr(hat, "uri"));
	jd_form_set_text(&row, H_TITLE, jd_el_attr(hat, "title"));
	jd_form_set_text(&row, H_HUE, jd_el_attr(hat, "hue"));
	if (who)
		jd_form_set_jid(&row, H_JID, *who);
	jd_form_row(x, &row);
}

static enum jd_verdict list(struct visit *v, bool assigned)
{
	struct jd_xml *x = answer(v, "completed");
	struct jd_jid who;

	jd_form_table(x, &def);
	JD_EL_EACH(hat, list_of(v->room->hats))
	{
		if (!assigned)
			write_row(x, hat, NULL, v->arena);
		JD_EL_EACH(wearer, hat)
		if (assigned && jd_jid_parse(v->arena, jd_el_attr(wearer, "jid"), &who) == 0)
			write_row(x, hat, &who, v->arena);
	}
	jd_form_table_end(x);
	return send(v, x);
}

/* -- changes ----------------------------------------------------------------------------------- */

static bool is_hue(struct jd_str s)
{
	unsigned long whole = 0;
	size_t i = 0, dots = 0;

	for (; i < s.len && (s.p[i] == '.' || (s.p[i] >= '0' && s.p[i] <= '9')); i++) {
		if (s.p[i] == '.')
			dots++;
		else if (!dots)
			whole = whole * 10 + (unsigned long)(s.p[i] - '0');
	}
	return i == s.len && dots < 2 && whole <= 360 && (i == 0 || s.p[0] != '.');
}

static const char *mistake(const struct room *r, const struct command *command,
			   const struct jd_form *form, const struct change *c)
{
	for (unsigned i = 0; i < H_COUNT; i++)
		if ((command->fields & BIT(i)) && !jd_form_given(form, i))
			return "Something is missing.";
	if (!c->uri.len || !memchr(c->uri.p, ':', c->uri.len))
		return "A hat is named by a URI.";
	if (c->what == CREATE && (!c->title.len || !is_hue(c->hue)))
		return "A hat has a title, and a hue from 0 to 360.";
	if (c->what != CREATE && !jd_el_ok(find(r->hats, c->uri)))
		return "There is no such hat.";
	if ((command->fields & BIT(H_JID)) && !c->who.local_len)
		return "Hats are for people.";
	return NULL;
}

static void on_changed(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;

	(void)rows;
	if (status == JD_DB_OK) {
		apply(v->room, v->data);
		(void)send(v, answer(v, "completed"));
	} else {
		v->room->loaded = false; /* it may be there all the same */
		(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be stored.");
	}
	muc_end(v, JD_DONE);
}

static enum jd_verdict change(struct visit *v, const struct command *command, struct jd_el el)
{
	struct change *c = jd_arena_new(v->arena, struct change);
	struct jd_unit *unit;
	struct jd_form form;
	const char *why;

	if (jd_form_read(el, &def, v->arena, &form) != JD_FORM_OK) {
		jd_iq_error(v->iq, &form.error);
		return JD_DONE;
	}
	c->what = command->what;
	c->uri = jd_form_text(&form, H_URI);
	c->title = jd_form_text(&form, H_TITLE);
	c->hue = jd_form_text(&form, H_HUE);
	if (!c->hue.len)
		c->hue = JD_STR_NULL;
	c->who = jd_form_jid(&form, H_JID);
	why = mistake(v->room, command, &form, c);
	if (why)
		return muc_fail(v, JD_BAD_REQUEST, why);
	if (!fits(v->room->hats, c) || !write_all(v->room->hats, c, v->arena))
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, "There are too many hats.");
	unit = jd_unit_new();
	jd_unit_add(unit, &set_hats,
		    JD_PARAMS(jd_int((int64_t)muc_room_owner(v->room)), jd_text(c->text)));
	v->data = c;
	if (muc_store_submit(v, unit, on_changed) == 0)
		return JD_WAIT;
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}

/* -- requests ---------------------------------------------------------------------------------- */

static const struct command *command_of(struct jd_str node)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(commands); i++)
		if (jd_str_is(node, commands[i].node))
			return &commands[i];
	return NULL;
}

static bool may_run(const struct visit *v, const struct command *command)
{
	return muc_power(v->room, v->st->from) == AFF_OWNER ||
	       (command->what == LIST && muc_may_look_inside(v->room, v->st->from));
}

enum jd_verdict muc_on_command(struct visit *v)
{
	const struct command *command = command_of(jd_el_attr(v->iq->query, "node"));
	struct jd_el form = jd_el_child(v->iq->query, JD_NS_DATAFORM, "x");
	struct jd_str action = jd_el_attr(v->iq->query, "action");

	if (!v->room->made || v->room->locked || !command)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such command here.");
	if (!may_run(v, command))
		return muc_fail(v, JD_FORBIDDEN, "Only owners have to do with hats.");
	if (jd_str_is(action, "cancel") || jd_str_is(jd_el_attr(form, "type"), "cancel"))
		return send(v, answer(v, "canceled"));
	if (!command->fields)
		return list(v, command->what == LIST_ASSIGNED);
	return jd_el_ok(form) ? change(v, command, form) : ask(v, command);
}

/* The commands that whoever asks may run, for disco#items. */
void muc_write_commands(struct jd_xml *x, const struct visit *v)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(commands); i++) {
		if (!may_run(v, &commands[i]))
			continue;
		jd_xml_start(x, NULL, "item");
		jd_xml_attr(x, "jid", jd_jid_str(muc_room_jid(v->room)));
		jd_xml_attr(x, "node", jd_cstr(commands[i].node));
		jd_xml_attr(x, "name", jd_cstr(commands[i].name));
		jd_xml_end(x);
	}
}

int muc_hats_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&set_hats};

	jd_feature(mi, JD_TO_ROOM, NS_HATS);
	jd_feature(mi, JD_TO_ROOM, NS_COMMANDS);
	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
