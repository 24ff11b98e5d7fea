/* SPDX-License-Identifier: MIT
 *
 * Registration with a room (XEP-0045 7.10): whoever registers becomes a member, with a name
 * that nobody else can have.  A room for members only does not take everybody who asks:
 * there, only members can, to reserve a name.  Members may speak, and may read what was said
 * without having entered: so where there is a password, or voice is given, whoever registers
 * must have got that far.
 */
#include "muc.h"

enum { F_NICK };

static const struct jd_form_field fields[] = {
	[F_NICK] = {JD_FIELD_TEXT, "muc#register_roomnick", .label = "Name in the room",
		    .flags = JD_FIELD_REQUIRED, .max_bytes = NICK_MAX},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def def = {
	.form_type = NS_MUC_REGISTER,
	.title = "Registration with the room",
	.instructions = "Choose the name by which you want to be known here.",
	.fields = fields,
};

static bool takes_strangers(const struct room *r, struct jd_jid who)
{
	const struct occupant *o = muc_occupant_of(r, who);

	if (r->config.members_only)
		return false;
	return o ? o->role >= ROLE_PARTICIPANT : !r->config.password.len && !r->config.moderated;
}

static enum jd_verdict refuse_stranger(struct visit *v)
{
	const struct room *r = v->room;
	enum affiliation a = muc_affiliation(r, v->st->from);

	if (!r->made || r->locked)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (a == AFF_OUTCAST || !v->st->from.local_len)
		return muc_fail(v, JD_FORBIDDEN, NULL);
	if (a == AFF_NONE && !takes_strangers(r, v->st->from))
		return muc_fail(v, JD_NOT_ALLOWED, "Only admins add members to this room.");
	return JD_PASS;
}

enum jd_verdict muc_on_register_get(struct visit *v)
{
	const struct affiliate *a = muc_affiliate_find(v->room, v->st->from);
	enum jd_verdict verdict = refuse_stranger(v);
	struct jd_form form;
	struct jd_xml *x;

	if (verdict != JD_PASS)
		return verdict;
	x = jd_iq_result(v->iq);
	jd_xml_start(x, NS_REGISTER, "query");
	if (a && a->nick) {
		jd_xml_start(x, NULL, "registered");
		jd_xml_end(x);
		jd_xml_leaf(x, NS_REGISTER, "username", jd_cstr(a->nick));
	}
	jd_form_init(&form, &def, v->arena);
	jd_form_set_text(&form, F_NICK, a && a->nick ? jd_cstr(a->nick) : JD_STR_NULL);
	jd_form_write_form(x, &form);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

static void on_registered(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	const struct standing *s = v->data;

	(void)rows;
	if (status != JD_DB_OK) {
		v->room->loaded = false;
		(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be stored.");
	} else {
		muc_standing_apply(v->room, s, JD_STR_NULL);
		jd_iq_ok(v->iq);
	}
	muc_end(v, JD_DONE);
}

static enum jd_verdict store(struct visit *v, const struct standing *s)
{
	struct standing *kept = jd_arena_new(v->arena, struct standing);
	struct jd_unit *unit;

	if (!muc_list_fits(v->room, s, 1, v->muc->max_affiliations / 2))
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, "The lists of the room are full.");
	*kept = *s;
	v->data = kept;
	unit = jd_unit_new();
	muc_standing_store(v->room, unit, s);
	if (muc_store_submit(v, unit, on_registered) < 0)
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

static struct standing standing_of(const struct visit *v)
{
	enum affiliation a = muc_affiliation(v->room, v->st->from);

	return (struct standing){.who = jd_jid_bare(v->st->from), .before = a, .after = a};
}

/* The name is given back; who was a member only by registering is none any more. */
static enum jd_verdict unregister(struct visit *v)
{
	struct standing s = standing_of(v);

	s.nick = JD_STR("");
	if (s.before == AFF_MEMBER)
		s.after = AFF_NONE;
	if (s.before == AFF_NONE)
		return muc_fail(v, JD_REGISTRATION_REQUIRED, NULL);
	return store(v, &s);
}

static bool is_taken(const struct room *r, struct jd_str nick, struct jd_jid who)
{
	const struct affiliate *a = muc_affiliate_by_nick(r, nick);
	const struct occupant *o = muc_occupant_find(r, nick);

	return (a && !jd_jid_bare_eq(a->jid, who)) || (o && !jd_jid_bare_eq(o->who, who));
}

enum jd_verdict muc_on_register_set(struct visit *v)
{
	struct jd_el x = jd_el_child(v->iq->query, JD_NS_DATAFORM, "x");
	enum jd_verdict verdict = refuse_stranger(v);
	struct standing s = standing_of(v);
	struct jd_form form;
	struct jd_jid at;

	if (verdict != JD_PASS)
		return verdict;
	if (jd_el_ok(jd_el_child(v->iq->query, NS_REGISTER, "remove")))
		return unregister(v);
	switch (jd_form_read(x, &def, v->arena, &form)) {
	case JD_FORM_WRONG:
		jd_iq_error(v->iq, &form.error);
		return JD_DONE;
	case JD_FORM_CANCELLED:
		jd_iq_ok(v->iq);
		return JD_DONE;
	case JD_FORM_OK:
		break;
	}
	if (jd_jid_make(v->arena, jd_jid_local(v->st->to), jd_jid_domain(v->st->to),
			jd_form_text(&form, F_NICK), &at) < 0)
		return muc_fail(v, JD_NOT_ACCEPTABLE, "This cannot be a name.");
	s.nick = jd_jid_resource(at);
	if (is_taken(v->room, s.nick, v->st->from))
		return muc_fail(v, JD_CONFLICT, "Somebody else is called so.");
	if (s.after == AFF_NONE)
		s.after = AFF_MEMBER;
	s.came = true;
	return store(v, &s);
}
