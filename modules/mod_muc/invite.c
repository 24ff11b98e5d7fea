/* SPDX-License-Identifier: MIT
 *
 * Messages to the room that are not for all: invitations and their refusal (XEP-0045 7.8.2),
 * requests for voice and what moderators say to them (7.13, 8.6).
 */
#include "muc.h"

#define INVITES_MAX 20

/* -- invitations ---------------------------------------------------------------------------------
 */

static bool may_invite(const struct room *r, const struct occupant *o)
{
	enum affiliation power = muc_power(r, o->who);

	if (power >= AFF_ADMIN)
		return true;
	if (r->config.members_only)
		return power == AFF_MEMBER && r->config.invites_free;
	return r->config.invites_free;
}

static bool read_address(struct visit *v, struct jd_el el, struct jd_jid *ret_to)
{
	return jd_jid_parse(v->arena, jd_el_attr(el, "to"), ret_to) == 0;
}

/* <name from='..'> with what clients say in it, as text: reason, continue. */
static void write_inner(struct jd_xml *x, const char *name, struct jd_el el, struct jd_str from,
			struct jd_arena *arena)
{
	struct jd_str reason = muc_reason(el, NS_USER, arena);
	struct jd_el more = jd_el_child(el, NS_USER, "continue");
	struct jd_str thread = jd_el_attr(more, "thread");

	jd_xml_start(x, NULL, name);
	jd_xml_attr(x, "from", from);
	if (reason.p)
		jd_xml_leaf(x, NS_USER, "reason", reason);
	if (jd_el_ok(more)) {
		jd_xml_start(x, NULL, "continue");
		jd_xml_attr(x, "thread", thread.len <= REASON_MAX ? thread : JD_STR_NULL);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

/* For clients that know only the older sort (XEP-0249), what those would have sent. */
static void write_direct(struct jd_xml *x, const struct room *r, struct jd_str reason)
{
	jd_xml_start(x, "jabber:x:conference", "x");
	jd_xml_attr(x, "jid", jd_jid_str(muc_room_jid(r)));
	jd_xml_attr(x, "password", r->config.password.len ? r->config.password : JD_STR_NULL);
	jd_xml_attr(x, "reason", reason.len ? reason : JD_STR_NULL);
	jd_xml_end(x);
}

static void send_invitation(struct visit *v, struct jd_el invite, struct jd_jid to,
			    struct jd_str from)
{
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, muc_room_jid(v->room), to, v->st->id);

	jd_xml_start(x, NS_USER, "x");
	write_inner(x, "invite", invite, from, v->arena);
	if (v->room->config.password.len)
		jd_xml_leaf(x, NS_USER, "password", v->room->config.password);
	jd_xml_end(x);
	write_direct(x, v->room, muc_reason(invite, NS_USER, v->arena));
	jd_send(x);
}

/* Where addresses are not known, the inviter is whom the room calls so. */
static struct jd_str name_of(const struct room *r, const struct device *d)
{
	return jd_jid_str(r->config.known_jids ? d->jid : d->occupant->at);
}

static void send_invitations(struct visit *v, struct jd_el x, const struct device *d)
{
	struct jd_jid to;

	JD_EL_EACH_IS(invite, x, NS_USER, "invite")
	if (read_address(v, invite, &to))
		send_invitation(v, invite, to, name_of(v->room, d));
}

static void on_invited(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	struct standing *s = v->data;
	struct device *d = muc_device_find(v->room, v->st->from);

	(void)rows;
	if (status != JD_DB_OK) {
		v->room->loaded = false;
		muc_end(v, muc_refuse(v, JD_INTERNAL_SERVER_ERROR, JD_ERRTYPE_WAIT, NULL));
		return;
	}
	for (; jd_jid_ok(s->who); s++)
		muc_standing_apply(v->room, s, JD_STR_NULL);
	if (d)
		send_invitations(v, jd_el_child(jd_stanza_root(v->st), NS_USER, "x"), d);
	muc_end(v, JD_DONE);
}

/* In a room for members, who is invited becomes one; the list ends with nobody. */
static size_t new_members(struct visit *v, struct jd_el x, struct standing *s)
{
	size_t n = 0;
	struct jd_jid to;

	JD_EL_EACH_IS(invite, x, NS_USER, "invite")
	if (n < INVITES_MAX && read_address(v, invite, &to) && to.local_len &&
	    muc_affiliation(v->room, to) == AFF_NONE)
		s[n++] = (struct standing){
			.who = jd_jid_bare(to), .before = AFF_NONE, .after = AFF_MEMBER};
	return n;
}

static enum jd_verdict invite_members(struct visit *v, struct jd_el x)
{
	struct standing *s = jd_arena_alloc(v->arena, (INVITES_MAX + 1) * sizeof(*s));
	size_t n = new_members(v, x, s);
	struct jd_unit *unit;

	if (!muc_list_fits(v->room, s, n, v->muc->max_affiliations / 2))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT,
				  "The lists of the room are full.");
	unit = jd_unit_new();
	for (size_t i = 0; i < n; i++)
		muc_standing_store(v->room, unit, &s[i]);
	v->data = s;
	if (muc_store_submit(v, unit, on_invited) < 0)
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, NULL);
	return JD_WAIT;
}

static enum jd_verdict invite(struct visit *v, struct jd_el x)
{
	struct device *d = muc_device_find(v->room, v->st->from);
	struct standing none[INVITES_MAX];
	struct jd_jid to;
	unsigned n = 0;

	if (!d)
		return muc_refuse(v, JD_NOT_ACCEPTABLE, JD_ERRTYPE_DEFAULT,
				  "You are not in this room.");
	if (!may_invite(v->room, d->occupant))
		return muc_refuse(v, JD_FORBIDDEN, JD_ERRTYPE_DEFAULT,
				  "You may not invite others.");
	if (!muc_occupant_pays(d->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	JD_EL_EACH_IS(i, x, NS_USER, "invite")
	{
		if (!read_address(v, i, &to))
			return muc_refuse(v, JD_JID_MALFORMED, JD_ERRTYPE_DEFAULT, NULL);
		if (++n > INVITES_MAX)
			return muc_refuse(v, JD_NOT_ACCEPTABLE, JD_ERRTYPE_DEFAULT,
					  "These are too many invitations.");
	}
	if (v->room->config.members_only && new_members(v, x, none))
		return invite_members(v, x);
	send_invitations(v, x, d);
	return JD_DONE;
}

/* Whoever declines may be anybody; whom it goes to may be named as the room calls him. */
static enum jd_verdict decline(struct visit *v, struct jd_el el)
{
	const struct occupant *o;
	struct jd_jid to;
	struct jd_xml *x;

	if (!read_address(v, el, &to))
		return muc_refuse(v, JD_JID_MALFORMED, JD_ERRTYPE_DEFAULT, NULL);
	if (jd_jid_bare_eq(to, muc_room_jid(v->room)))
		o = muc_occupant_find(v->room, jd_jid_resource(to));
	else
		o = muc_occupant_of(v->room, to);
	/* Else anybody could send to anybody in the name of the room; and an error would tell
	 * anybody who is in it. */
	if (!o)
		return JD_DROP;
	x = jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, muc_room_jid(v->room), o->devices->jid,
			  v->st->id);
	jd_xml_start(x, NS_USER, "x");
	write_inner(x, "decline", el, jd_jid_bare_str(v->st->from), v->arena);
	jd_xml_end(x);
	jd_send(x);
	return JD_DONE;
}

/* -- voice
 * ------------------------------------------------------------------------------------------ */

enum { F_ROLE, F_JID, F_NICK, F_ALLOW };

static const struct jd_form_option role_options[] = {{"participant", "Participant"}, {NULL, NULL}};

static const struct jd_form_field fields[] = {
	[F_ROLE] = {JD_FIELD_LIST, "muc#role", .label = "Requested role",
		    .flags = JD_FIELD_REQUIRED, .options = role_options},
	[F_JID] = {JD_FIELD_JID, "muc#jid", .label = "Address"},
	[F_NICK] = {JD_FIELD_TEXT, "muc#roomnick", .label = "Name in the room",
		    .max_bytes = NICK_MAX},
	[F_ALLOW] = {JD_FIELD_BOOL, "muc#request_allow", .label = "Give voice?"},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def def = {
	.form_type = NS_REQUEST,
	.title = "Request for voice",
	.instructions = "Somebody asks for voice in the room.",
	.fields = fields,
};

static void ask_moderators(struct visit *v, const struct device *d)
{
	struct room *r = v->room;
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, muc_room_jid(r), JD_JID_NULL, JD_STR_NULL);
	struct jd_stanza *st;
	struct jd_form form;

	jd_form_init(&form, &def, v->arena);
	jd_form_set_text(&form, F_ROLE, JD_STR("participant"));
	jd_form_set_jid(&form, F_JID, d->jid);
	jd_form_set_text(&form, F_NICK, muc_nick(d->occupant));
	jd_form_set_bool(&form, F_ALLOW, false);
	jd_form_write_form(x, &form);
	st = jd_built(x);
	for (const struct occupant *o = r->occupants; st && o; o = o->next)
		for (const struct device *i = o->devices; i && o->role == ROLE_MODERATOR;
		     i = i->next)
			jd_send_copy(st, i->jid);
	jd_stanza_unref(st);
}

static enum jd_verdict give_voice(struct visit *v, const struct device *d,
				  const struct jd_form *form)
{
	struct occupant *o = muc_occupant_find(v->room, jd_form_text(form, F_NICK));
	struct news news = {.role = ROLE_PARTICIPANT};

	if (d->occupant->role != ROLE_MODERATOR)
		return muc_refuse(v, JD_FORBIDDEN, JD_ERRTYPE_DEFAULT, "You are no moderator.");
	if (!o)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT,
				  "There is nobody of this name.");
	if (!jd_form_bool(form, F_ALLOW) || o->role != ROLE_VISITOR)
		return JD_DONE;
	o->role = ROLE_PARTICIPANT;
	muc_occupant_touch(o);
	muc_tell_role(o, ROLE_VISITOR, &news);
	return JD_DONE;
}

static enum jd_verdict voice(struct visit *v, struct jd_el x)
{
	struct device *d = muc_device_find(v->room, v->st->from);
	struct jd_form form;

	if (!d)
		return muc_refuse(v, JD_NOT_ACCEPTABLE, JD_ERRTYPE_DEFAULT,
				  "You are not in this room.");
	switch (jd_form_read(x, &def, v->arena, &form)) {
	case JD_FORM_WRONG:
		jd_bounce_error(v->st, &form.error);
		return JD_DROP;
	case JD_FORM_CANCELLED:
		return JD_DONE;
	case JD_FORM_OK:
		break;
	}
	if (!muc_occupant_pays(d->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	if (jd_form_given(&form, F_ALLOW))
		return give_voice(v, d, &form);
	if (d->occupant->role == ROLE_VISITOR)
		ask_moderators(v, d);
	return JD_DONE;
}

/* -- which of these it is
 * ------------------------------------------------------------------------------ */

enum jd_verdict muc_on_normal(struct visit *v)
{
	struct jd_el root = jd_stanza_root(v->st);
	struct jd_el user = jd_el_child(root, NS_USER, "x");
	struct jd_el form = jd_el_child(root, JD_NS_DATAFORM, "x");

	if (!v->room->made)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT, NULL);
	if (jd_el_ok(jd_el_child(user, NS_USER, "invite")))
		return invite(v, user);
	if (jd_el_ok(jd_el_child(user, NS_USER, "decline")))
		return decline(v, jd_el_child(user, NS_USER, "decline"));
	if (jd_el_ok(form))
		return voice(v, form);
	return muc_refuse(v, JD_BAD_REQUEST, JD_ERRTYPE_DEFAULT,
			  "Messages to a room are of type groupchat.");
}
