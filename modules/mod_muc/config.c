/* SPDX-License-Identifier: MIT
 *
 * What a room is like: the fields of muc#roomconfig.
 *
 * The form that an owner fills in is also how a configuration is kept: the database
 * has it as a submitted form, and one that is loaded is a stanza whose texts are
 * used where they stand.  So there is one table of fields, one reader and one writer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "muc.h"

enum field {
	F_TITLE,
	F_DESCRIPTION,
	F_LANG,
	F_PERSISTENT,
	F_LISTED,
	F_MEMBERS_ONLY,
	F_MODERATED,
	F_PROTECTED,
	F_SECRET,
	F_WHOIS,
	F_SUBJECT,
	F_INVITES,
	F_PRIVATE,
	F_MEMBER_LIST,
	F_BROADCAST,
	F_MAX_USERS,
	F_HISTORY,
	F_SLOW,
	F_LOGGED,
	F_ARCHIVED,
	F_PUBSUB,
	F_ADMINS,
	F_OWNERS,
	F_COUNT
};

#define CONFIG(name) "muc#roomconfig_" name
#define SIZES_MAX    8
#define LIST_BYTES   (64u << 20) /* what a stanza may be is less */
#define SLOW_MAX     86400       /* seconds */

struct muc_form {
	struct jd_form_field fields[F_COUNT + 1], stored_fields[F_COUNT + 1];
	struct jd_form_def def, stored;
	struct jd_form_option sizes[SIZES_MAX];
	char texts[SIZES_MAX][8];
};

static const char *const whois_values[] = {"moderators", "anyone"};
static const char *const private_values[] = {"anyone", "participants", "moderators", "none"};

static const struct jd_form_option whois[] = {
	{"moderators", "Moderators only"}, {"anyone", "Anyone"}, {NULL, NULL}};
static const struct jd_form_option allow_private[] = {{"anyone", "Anyone"},
						      {"participants", "Who has voice"},
						      {"moderators", "Moderators"},
						      {"none", "Nobody"},
						      {NULL, NULL}};
static const struct jd_form_option roles[] = {{"visitor", "Visitors"},
					      {"participant", "Participants"},
					      {"moderator", "Moderators"},
					      {NULL, NULL}};

static const struct jd_form_field fields[] = {
	[F_TITLE] = {JD_FIELD_TEXT, CONFIG("roomname"), .label = "Name", .max_bytes = 300},
	[F_DESCRIPTION] = {JD_FIELD_TEXT, CONFIG("roomdesc"), .label = "Description",
			   .max_bytes = 2000},
	[F_LANG] = {JD_FIELD_TEXT, CONFIG("lang"), .label = "Language of the discussion",
		    .max_bytes = 35},
	[F_PERSISTENT] = {JD_FIELD_BOOL, CONFIG("persistentroom"),
			  .label = "The room stays when the last one leaves"},
	[F_LISTED] = {JD_FIELD_BOOL, CONFIG("publicroom"), .label = "The room can be found"},
	[F_MEMBERS_ONLY] = {JD_FIELD_BOOL, CONFIG("membersonly"),
			    .label = "Only members may enter"},
	[F_MODERATED] = {JD_FIELD_BOOL, CONFIG("moderatedroom"),
			 .label = "Only those with voice may speak"},
	[F_PROTECTED] = {JD_FIELD_BOOL, CONFIG("passwordprotectedroom"),
			 .label = "A password is needed to enter"},
	[F_SECRET] = {JD_FIELD_PRIVATE, CONFIG("roomsecret"), .label = "Password",
		      .max_bytes = 256},
	[F_WHOIS] = {JD_FIELD_LIST, CONFIG("whois"), .label = "Who sees the addresses of occupants",
		     .options = whois},
	[F_SUBJECT] = {JD_FIELD_BOOL, CONFIG("changesubject"),
		       .label = "Everybody with voice may change the subject"},
	[F_INVITES] = {JD_FIELD_BOOL, CONFIG("allowinvites"), .label = "Members may invite others"},
	[F_PRIVATE] = {JD_FIELD_LIST, CONFIG("allowpm"), .label = "Who may send private messages",
		       .options = allow_private},
	[F_MEMBER_LIST] = {JD_FIELD_LIST_MULTI, CONFIG("getmemberlist"),
			   .label = "Who may see the list of members", .options = roles},
	[F_BROADCAST] = {JD_FIELD_LIST_MULTI, CONFIG("presencebroadcast"),
			 .label = "Whose presence is shown", .options = roles},
	[F_MAX_USERS] = {JD_FIELD_LIST, CONFIG("maxusers"), .label = "Occupants at most",
			 .flags = JD_FIELD_OPEN, .data = JD_DATA_INTEGER},
	[F_HISTORY] = {JD_FIELD_TEXT, "muc#maxhistoryfetch",
		       .label = "Messages at most that are sent to who enters",
		       .data = JD_DATA_INTEGER},
	[F_SLOW] = {JD_FIELD_TEXT, CONFIG("slow_mode_duration"), .label = "Slow mode",
		    .help = "Seconds between two messages of one user; 0: none.",
		    .data = JD_DATA_INTEGER, .max = SLOW_MAX},
	[F_LOGGED] = {JD_FIELD_BOOL, CONFIG("enablelogging"),
		      .label = "What is said here is published elsewhere"},
	[F_ARCHIVED] = {JD_FIELD_BOOL, CONFIG("enablearchiving"),
			.label = "The room keeps what is said"},
	[F_PUBSUB] = {JD_FIELD_TEXT, CONFIG("pubsub"), .label = "Associated publish-subscribe node",
		      .max_bytes = 1000},
	[F_ADMINS] = {JD_FIELD_JID_MULTI, CONFIG("roomadmins"), .label = "Admins",
		      .flags = JD_FIELD_BARE, .max_bytes = LIST_BYTES},
	[F_OWNERS] = {JD_FIELD_JID_MULTI, CONFIG("roomowners"), .label = "Owners",
		      .flags = JD_FIELD_BARE, .max_bytes = LIST_BYTES},
	JD_FORM_FIELDS_END,
};

/* -- the table of this component ---------------------------------------------------------- */

static void add_sizes(struct muc_form *f, int64_t most)
{
	static const int usual[] = {10, 20, 30, 50, 100};
	unsigned n = 0;

	for (unsigned i = 0; i <= JD_ARRAY_SIZE(usual); i++) {
		int64_t size = i < JD_ARRAY_SIZE(usual) ? usual[i] : most;

		if (size > most ||
		    (i == JD_ARRAY_SIZE(usual) && n && strtol(f->texts[n - 1], NULL, 10) == most))
			continue;
		(void)snprintf(f->texts[n], sizeof(f->texts[n]), "%d", (int)size);
		f->sizes[n].value = f->texts[n];
		n++;
	}
}

void muc_form_start(struct muc *muc)
{
	struct muc_form *f = jd_alloc(sizeof(*f));

	add_sizes(f, muc->max_occupants);
	memcpy(f->fields, fields, sizeof(fields));
	f->fields[F_MAX_USERS].options = f->sizes;
	f->fields[F_MAX_USERS].min = 1;
	f->fields[F_MAX_USERS].max = muc->max_occupants;
	f->fields[F_HISTORY].max = muc->history_max;
	/* As many as there can be: who sends back what he was sent must not lose any. */
	f->fields[F_ADMINS].max_values = f->fields[F_OWNERS].max_values =
		(unsigned)muc->max_affiliations;
	memcpy(f->stored_fields, f->fields, sizeof(fields));
	f->stored_fields[F_SECRET].type = JD_FIELD_TEXT;
	/* It may have been stored when the host allowed more. */
	f->stored_fields[F_MAX_USERS].max = f->stored_fields[F_HISTORY].max = INT32_MAX;
	f->def = (struct jd_form_def){.form_type = NS_ROOMCONFIG,
				      .title = "Configuration of the room",
				      .fields = f->fields};
	f->stored = (struct jd_form_def){.form_type = NS_ROOMCONFIG, .fields = f->stored_fields};
	muc->form = f;
}

void muc_form_stop(struct muc *muc)
{
	jd_free(muc->form);
	muc->form = NULL;
}

/* -- between form and configuration ------------------------------------------------------- */

static void fill_roles(struct jd_form *form, unsigned i, unsigned mask)
{
	jd_form_set_none(form, i);
	for (enum muc_role r = ROLE_VISITOR; r <= ROLE_MODERATOR; r++)
		if (mask & (1u << r))
			jd_form_add_text(form, i, muc_role_name(r));
}

static void fill(struct jd_form *form, const struct config *c)
{
	jd_form_set_text(form, F_TITLE, c->title);
	jd_form_set_text(form, F_DESCRIPTION, c->description);
	jd_form_set_text(form, F_LANG, c->lang);
	jd_form_set_bool(form, F_PERSISTENT, c->persistent);
	jd_form_set_bool(form, F_LISTED, c->listed);
	jd_form_set_bool(form, F_MEMBERS_ONLY, c->members_only);
	jd_form_set_bool(form, F_MODERATED, c->moderated);
	jd_form_set_bool(form, F_PROTECTED, c->password.len > 0);
	jd_form_set_text(form, F_SECRET, c->password);
	jd_form_set_text(form, F_WHOIS, jd_cstr(whois_values[c->known_jids]));
	jd_form_set_bool(form, F_SUBJECT, c->subject_free);
	jd_form_set_bool(form, F_INVITES, c->invites_free);
	jd_form_set_text(form, F_PRIVATE, jd_cstr(private_values[c->private]));
	fill_roles(form, F_MEMBER_LIST, c->member_list);
	fill_roles(form, F_BROADCAST, c->broadcast);
	jd_form_set_int(form, F_MAX_USERS, c->max_users);
	jd_form_set_int(form, F_HISTORY, c->history);
	jd_form_set_int(form, F_SLOW, c->slow);
	jd_form_set_bool(form, F_LOGGED, c->logged);
	jd_form_set_bool(form, F_ARCHIVED, c->archived);
	jd_form_set_text(form, F_PUBSUB, c->pubsub);
}

static void take_text(const struct jd_form *form, unsigned i, struct jd_str *s)
{
	if (jd_form_given(form, i))
		*s = jd_form_text(form, i);
}

static void take_bool(const struct jd_form *form, unsigned i, bool *b)
{
	if (jd_form_given(form, i))
		*b = jd_form_bool(form, i);
}

static void take_int(const struct jd_form *form, unsigned i, unsigned *n)
{
	if (jd_form_given(form, i))
		*n = (unsigned)jd_form_int(form, i);
}

static void take_roles(const struct jd_form *form, unsigned i, unsigned *mask)
{
	enum muc_role role;

	if (!jd_form_present(form, i))
		return;
	*mask = 0;
	for (unsigned k = 0; k < jd_form_count(form, i); k++)
		if (muc_role_read(jd_form_text_at(form, i, k), &role))
			*mask |= 1u << role;
}

static void take_choice(const struct jd_form *form, unsigned i, const char *const *values,
			unsigned n, unsigned *place)
{
	for (unsigned k = 0; k < n && jd_form_given(form, i); k++)
		if (jd_str_is(jd_form_text(form, i), values[k]))
			*place = k;
}

/* What the form says; the rest stays. */
static void take(const struct jd_form *form, struct config *c)
{
	unsigned known = c->known_jids, private = c->private;

	take_text(form, F_TITLE, &c->title);
	take_text(form, F_DESCRIPTION, &c->description);
	take_text(form, F_LANG, &c->lang);
	take_bool(form, F_PERSISTENT, &c->persistent);
	take_bool(form, F_LISTED, &c->listed);
	take_bool(form, F_MEMBERS_ONLY, &c->members_only);
	take_bool(form, F_MODERATED, &c->moderated);
	take_choice(form, F_WHOIS, whois_values, JD_ARRAY_SIZE(whois_values), &known);
	take_bool(form, F_SUBJECT, &c->subject_free);
	take_bool(form, F_INVITES, &c->invites_free);
	take_choice(form, F_PRIVATE, private_values, JD_ARRAY_SIZE(private_values), &private);
	take_roles(form, F_MEMBER_LIST, &c->member_list);
	take_roles(form, F_BROADCAST, &c->broadcast);
	take_int(form, F_MAX_USERS, &c->max_users);
	take_int(form, F_HISTORY, &c->history);
	take_int(form, F_SLOW, &c->slow);
	take_bool(form, F_LOGGED, &c->logged);
	take_bool(form, F_ARCHIVED, &c->archived);
	take_text(form, F_PUBSUB, &c->pubsub);
	c->known_jids = known;
	c->private = (enum allow) private;
	if (jd_form_text(form, F_SECRET).len)
		c->password = jd_form_text(form, F_SECRET);
	if (jd_form_given(form, F_PROTECTED) && !jd_form_bool(form, F_PROTECTED))
		c->password = JD_STR_NULL;
}

static bool has_password(const struct jd_form *form, const struct config *c,
			 struct jd_error *ret_error)
{
	if (!jd_form_given(form, F_PROTECTED) || !jd_form_bool(form, F_PROTECTED) ||
	    c->password.len)
		return true;
	*ret_error = (struct jd_error){.condition = JD_NOT_ACCEPTABLE,
				       .text = "A room with a password needs one."};
	return false;
}

/* -- the configuration of a room ---------------------------------------------------------- */

void muc_config_default(struct muc *muc, struct config *ret_config)
{
	*ret_config = (struct config){
		.persistent = muc->persistent,
		.listed = muc->listed,
		.members_only = muc->members_only,
		.moderated = muc->moderated,
		.known_jids = muc->known_jids,
		.invites_free = true,
		.archived = muc->archived,
		.private = ALLOW_ANYONE,
		.broadcast = 1u << ROLE_VISITOR | 1u << ROLE_PARTICIPANT | 1u << ROLE_MODERATOR,
		.member_list = 1u << ROLE_VISITOR | 1u << ROLE_PARTICIPANT | 1u << ROLE_MODERATOR,
		.max_users = (unsigned)muc->max_occupants,
		.history = (unsigned)muc->history,
	};
}

bool muc_config_parse(struct muc *muc, struct jd_str text, struct config *ret_config)
{
	struct jd_stanza *st = jd_stanza_parse(text);
	struct jd_form form;
	struct jd_el x;

	if (!st)
		return false;
	x = jd_el_child(jd_stanza_root(st), JD_NS_DATAFORM, "x");
	if (jd_form_read(x, &muc->form->stored, st->arena, &form) != JD_FORM_OK) {
		jd_stanza_unref(st);
		return false;
	}
	muc_config_default(muc, ret_config);
	take(&form, ret_config);
	ret_config->st = st;
	if (ret_config->max_users > (unsigned)muc->max_occupants)
		ret_config->max_users = (unsigned)muc->max_occupants;
	if (ret_config->history > (unsigned)muc->history_max)
		ret_config->history = (unsigned)muc->history_max;
	return true;
}

struct jd_str muc_config_text(struct muc *muc, const struct config *c, struct jd_arena *arena)
{
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL);
	struct jd_str text = JD_STR_NULL;
	struct jd_stanza *st;
	struct jd_form form;

	jd_form_init(&form, &muc->form->stored, arena);
	fill(&form, c);
	jd_form_write_submit(x, &form);
	st = jd_built(x);
	if (st)
		text = jd_stanza_bytes(st, arena);
	jd_stanza_unref(st);
	return text;
}

void muc_config_free(struct config *c)
{
	jd_stanza_unref(c->st);
	*c = (struct config){0};
}

/* -- the owner's form ----------------------------------------------------------------------- */

void muc_config_write(struct muc *muc, const struct config *c, const struct config_lists *lists,
		      struct jd_arena *arena, struct jd_xml *x)
{
	struct jd_form form;

	jd_form_init(&form, &muc->form->def, arena);
	fill(&form, c);
	for (size_t i = 0; i < lists->n_admins; i++)
		jd_form_add_jid(&form, F_ADMINS, lists->admins[i]);
	for (size_t i = 0; i < lists->n_owners; i++)
		jd_form_add_jid(&form, F_OWNERS, lists->owners[i]);
	jd_form_write_form(x, &form);
}

static const struct jd_jid *take_jids(const struct jd_form *form, unsigned i, size_t *n,
				      bool *given)
{
	struct jd_jid *jids;

	*given = jd_form_present(form, i);
	*n = jd_form_count(form, i);
	jids = jd_arena_alloc(form->arena, (*n + 1) * sizeof(*jids));
	for (unsigned k = 0; k < *n; k++)
		jids[k] = jd_jid_bare(jd_form_jid_at(form, i, k));
	return jids;
}

bool muc_config_read(struct muc *muc, const struct config *now, struct jd_el x,
		     struct jd_arena *arena, struct config *ret_config,
		     struct config_lists *ret_lists, struct jd_error *ret_error)
{
	struct config trial;
	struct jd_form form;

	*ret_config = *now;
	ret_config->st = NULL;
	if (jd_form_read(x, &muc->form->def, arena, &form) == JD_FORM_WRONG) {
		*ret_error = form.error;
		return false;
	}
	take(&form, ret_config);
	if (!has_password(&form, ret_config, ret_error))
		return false;
	if (!muc_config_parse(muc, muc_config_text(muc, ret_config, arena), &trial)) {
		*ret_error = (struct jd_error){.condition = JD_NOT_ACCEPTABLE};
		return false;
	}
	muc_config_free(&trial);
	ret_lists->admins =
		take_jids(&form, F_ADMINS, &ret_lists->n_admins, &ret_lists->admins_given);
	ret_lists->owners =
		take_jids(&form, F_OWNERS, &ret_lists->n_owners, &ret_lists->owners_given);
	return true;
}
