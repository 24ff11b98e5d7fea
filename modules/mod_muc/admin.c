/* SPDX-License-Identifier: MIT
 *
 * muc#admin (XEP-0045 8 to 10): lists of affiliations and roles, seen and changed.
 *
 * A request is judged as a whole before anything is changed: one item that is not
 * allowed, and nothing happens.  What the rules compare is in rules.c.  Affiliations are
 * changed when the database has them; roles are not kept.
 */
#include "muc.h"

#define ITEMS_MAX 100

enum jd_verdict muc_fail(struct visit *v, enum jd_condition condition, const char *text)
{
	jd_iq_fail(v->iq, condition, text);
	return JD_DONE;
}

struct jd_str muc_reason(struct jd_el item, const char *ns, struct jd_arena *arena)
{
	struct jd_el el = jd_el_child(item, ns, "reason");
	struct jd_str s = jd_el_ok(el) ? jd_el_text(el, arena) : JD_STR_NULL;

	if (s.len > REASON_MAX) {
		s.len = REASON_MAX;
		while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
			s.len--;
	}
	return s;
}

/* -- lists ------------------------------------------------------------------------------------ */

static void write_affiliates(struct jd_xml *x, const struct room *r, enum affiliation which)
{
	for (size_t i = 0; i < r->n_affiliates; i++) {
		const struct affiliate *a = r->affiliates[i];

		if (a->affiliation != which)
			continue;
		jd_xml_start(x, NULL, "item");
		jd_xml_attr(x, "affiliation", muc_affiliation_name(which));
		jd_xml_attr(x, "jid", jd_jid_str(a->jid));
		jd_xml_attr(x, "nick", jd_cstr(a->nick));
		if (a->reason)
			jd_xml_leaf(x, NS_ADMIN, "reason", jd_cstr(a->reason));
		jd_xml_end(x);
	}
}

static void write_occupants(struct jd_xml *x, const struct room *r, enum muc_role which)
{
	for (const struct occupant *o = r->occupants; o; o = o->next) {
		if (o->role != which)
			continue;
		jd_xml_start(x, NULL, "item");
		jd_xml_attr(x, "affiliation", muc_affiliation_name(muc_affiliation(r, o->who)));
		jd_xml_attr(x, "jid", jd_jid_str(o->devices->jid));
		jd_xml_attr(x, "nick", muc_nick(o));
		jd_xml_attr(x, "role", muc_role_name(which));
		jd_xml_end(x);
	}
}

static enum muc_role role_of(const struct visit *v)
{
	const struct device *d = muc_device_find(v->room, v->st->from);

	return d ? d->occupant->role : ROLE_NONE;
}

static enum jd_verdict answer_affiliates(struct visit *v, enum affiliation which)
{
	struct jd_xml *x;

	if (which == AFF_NONE)
		return muc_fail(v, JD_BAD_REQUEST, "Nobody is on that list.");
	if (!muc_may_see_list(&v->room->config, muc_power(v->room, v->st->from), role_of(v), which))
		return muc_fail(v, JD_FORBIDDEN, "You may not see this list.");
	x = jd_iq_result(v->iq);
	jd_xml_start(x, NS_ADMIN, "query");
	write_affiliates(x, v->room, which);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

static enum jd_verdict answer_roles(struct visit *v, enum muc_role which)
{
	struct jd_xml *x;

	if (role_of(v) != ROLE_MODERATOR && muc_power(v->room, v->st->from) < AFF_ADMIN)
		return muc_fail(v, JD_FORBIDDEN, "Only moderators see this list.");
	if (which == ROLE_NONE)
		return muc_fail(v, JD_BAD_REQUEST, "Nobody is on that list.");
	x = jd_iq_result(v->iq);
	jd_xml_start(x, NS_ADMIN, "query");
	write_occupants(x, v->room, which);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

enum jd_verdict muc_on_admin_get(struct visit *v)
{
	struct jd_el item = jd_el_child(v->iq->query, NS_ADMIN, "item");
	enum affiliation affiliation;
	enum muc_role role;

	if (!v->room->made)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (jd_el_ok(jd_el_next(item)))
		return muc_fail(v, JD_BAD_REQUEST, "One list at a time.");
	if (muc_affiliation_read(jd_el_attr(item, "affiliation"), &affiliation))
		return answer_affiliates(v, affiliation);
	if (muc_role_read(jd_el_attr(item, "role"), &role))
		return answer_roles(v, role);
	return muc_fail(v, JD_BAD_REQUEST, "Which list?");
}

/* -- roles ------------------------------------------------------------------------------------ */

struct role_change {
	struct jd_str nick, reason;
	enum muc_role after;
};

/* What a request wants; its kind is that of its first item. */
struct wish {
	struct role_change *roles;
	struct standing *standings;
	size_t n;
	struct jd_str actor;
};

static bool refused(struct visit *v, enum jd_condition condition, const char *text)
{
	jd_iq_fail(v->iq, condition, text);
	return false;
}

static bool judge_role(struct visit *v, const struct role_change *c)
{
	const struct room *r = v->room;
	const struct occupant *o = muc_occupant_find(r, c->nick);
	enum affiliation actor = muc_power(r, v->st->from);
	enum jd_condition why;
	struct change_of_role change = {.actor = actor, .after = c->after};

	change.actor_role = role_of(v);
	if (!o) {
		if (change.actor_role != ROLE_MODERATOR && actor < AFF_ADMIN)
			return refused(v, JD_FORBIDDEN, "You are no moderator.");
		return refused(v, JD_ITEM_NOT_FOUND, "There is nobody of this name.");
	}
	change.target = muc_power(r, o->who);
	change.before = o->role;
	return muc_may_role(&change, &why) || refused(v, why, "This is not for you to change.");
}

static void change_role(struct room *r, const struct role_change *c, struct jd_str actor)
{
	struct news news = {.role = c->after, .reason = c->reason, .actor = actor};
	struct occupant *o = muc_occupant_find(r, c->nick);
	enum muc_role before;

	if (!o || o->role == c->after)
		return;
	if (c->after == ROLE_NONE) {
		news.type = JD_TYPE_UNAVAILABLE;
		muc_news_code(&news, 307);
		muc_throw_out(o, &news);
		return;
	}
	before = o->role;
	o->role = c->after;
	muc_occupant_touch(o);
	muc_tell_role(o, before, &news);
}

static enum jd_verdict change_roles(struct visit *v, const struct wish *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!judge_role(v, &w->roles[i]))
			return JD_DONE;
	for (size_t i = 0; i < w->n; i++)
		change_role(v->room, &w->roles[i], w->actor);
	jd_iq_ok(v->iq);
	return JD_DONE;
}

/* -- affiliations ----------------------------------------------------------------------------- */

/* One owner must be left. */
static bool leaves_owner(const struct room *r, const struct standing *s, size_t n)
{
	size_t owners = muc_count(r, AFF_OWNER);

	for (size_t i = 0; i < n; i++) {
		owners += s[i].before != AFF_OWNER && s[i].after == AFF_OWNER;
		owners -= s[i].before == AFF_OWNER && s[i].after != AFF_OWNER;
	}
	return owners > 0;
}

static bool nick_is_free(const struct room *r, const struct standing *s)
{
	const struct affiliate *a = s->nick.len ? muc_affiliate_by_nick(r, s->nick) : NULL;
	const struct occupant *o = s->nick.len ? muc_occupant_find(r, s->nick) : NULL;

	return (!a || jd_jid_bare_eq(a->jid, s->who)) && (!o || jd_jid_bare_eq(o->who, s->who));
}

static bool judge_standing(struct visit *v, const struct standing *s)
{
	enum affiliation actor = muc_power(v->room, v->st->from);
	enum jd_condition why;

	if (!muc_may_affiliate(actor, s->before, s->after, &why))
		return refused(v, why, "This is not for you to change.");
	if (s->after == AFF_OUTCAST && jd_jid_bare_eq(s->who, v->st->from))
		return refused(v, JD_CONFLICT, "You cannot ban yourself.");
	if (!nick_is_free(v->room, s))
		return refused(v, JD_CONFLICT, "Somebody else is called so.");
	return true;
}

static bool judge_standings(struct visit *v, const struct wish *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!judge_standing(v, &w->standings[i]))
			return false;
	if (!leaves_owner(v->room, w->standings, w->n))
		return refused(v, JD_CONFLICT, "A room has one owner at least.");
	return muc_list_fits(v->room, w->standings, w->n, v->muc->max_affiliations) ||
	       refused(v, JD_RESOURCE_CONSTRAINT, "The lists of the room are full.");
}

static void on_standings(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	const struct wish *w = v->data;

	(void)rows;
	if (status != JD_DB_OK) {
		v->room->loaded = false; /* it may be there all the same */
		muc_end(v, muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be stored."));
		return;
	}
	for (size_t i = 0; i < w->n; i++)
		muc_standing_apply(v->room, &w->standings[i], w->actor);
	jd_iq_ok(v->iq);
	muc_end(v, JD_DONE);
}

static enum jd_verdict change_standings(struct visit *v, struct wish *w)
{
	struct jd_unit *unit;

	if (!judge_standings(v, w))
		return JD_DONE;
	unit = jd_unit_new();
	for (size_t i = 0; i < w->n; i++)
		muc_standing_store(v->room, unit, &w->standings[i]);
	v->data = w;
	if (muc_store_submit(v, unit, on_standings) < 0)
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

/* -- reading a request --------------------------------------------------------------------------
 */

static bool read_role(struct visit *v, struct jd_el item, struct wish *w)
{
	struct role_change *c = &w->roles[w->n++];

	c->nick = jd_el_attr(item, "nick");
	c->reason = muc_reason(item, NS_ADMIN, v->st->arena);
	return (c->nick.len && muc_role_read(jd_el_attr(item, "role"), &c->after)) ||
	       refused(v, JD_BAD_REQUEST, "An item has a nick and a role.");
}

/* By address, or by the name of somebody who is here (as many clients do). */
static bool read_who(struct visit *v, struct jd_el item, struct jd_jid *ret_who)
{
	struct jd_str jid = jd_el_attr(item, "jid"), nick = jd_el_attr(item, "nick");
	const struct occupant *o;

	if (jid.len) {
		if (jd_jid_parse(v->st->arena, jid, ret_who) < 0)
			return refused(v, JD_JID_MALFORMED, "This is no address.");
		*ret_who = jd_jid_bare(*ret_who);
		return true;
	}
	o = muc_occupant_find(v->room, nick);
	if (!o)
		return refused(v, nick.len ? JD_ITEM_NOT_FOUND : JD_BAD_REQUEST,
			       "An item says whom it is about.");
	*ret_who = jd_jid_copy(v->st->arena, o->who);
	return true;
}

/* "none" for the attribute that is only there to reserve a name. */
static bool read_nick(struct visit *v, struct jd_el item, struct standing *s)
{
	struct jd_jid jid;

	s->nick = jd_el_attr(item, "jid").len ? jd_el_attr(item, "nick") : JD_STR_NULL;
	if (!s->nick.len)
		return true;
	if (s->nick.len > NICK_MAX ||
	    jd_jid_make(v->st->arena, jd_jid_local(muc_room_jid(v->room)),
			jd_jid_domain(muc_room_jid(v->room)), s->nick, &jid) < 0)
		return refused(v, JD_JID_MALFORMED, "This cannot be a name.");
	s->nick = jd_jid_resource(jid);
	return true;
}

static bool is_repeated(const struct wish *w, const struct standing *s)
{
	for (const struct standing *i = w->standings; i != s; i++)
		if (jd_jid_eq(i->who, s->who))
			return true;
	return false;
}

static bool read_standing(struct visit *v, struct jd_el item, struct wish *w)
{
	struct standing *s = &w->standings[w->n++];

	if (!muc_affiliation_read(jd_el_attr(item, "affiliation"), &s->after))
		return refused(v, JD_BAD_REQUEST, "There is no such affiliation.");
	if (!read_who(v, item, &s->who) || !read_nick(v, item, s))
		return false;
	if (is_repeated(w, s))
		return refused(v, JD_BAD_REQUEST, "An address is there twice.");
	s->before = muc_listed_affiliation(v->room, s->who);
	if (!s->who.local_len && s->after > AFF_NONE && s->after != s->before)
		return refused(v, JD_NOT_ACCEPTABLE, "A domain can only be banned.");
	s->reason = muc_reason(item, NS_ADMIN, v->st->arena);
	return true;
}

static bool read_item(struct visit *v, struct jd_el item, struct wish *w)
{
	bool role = jd_el_attr(item, "role").p, affiliation = jd_el_attr(item, "affiliation").p;

	if (!jd_el_is(item, NS_ADMIN, "item") || role == affiliation ||
	    (role ? w->standings != NULL : w->roles != NULL))
		return refused(v, JD_BAD_REQUEST, "Either roles or affiliations are changed.");
	if (w->n == ITEMS_MAX)
		return refused(v, JD_NOT_ACCEPTABLE, "These are too many items.");
	if (role && !w->roles)
		w->roles = jd_arena_alloc(v->st->arena, ITEMS_MAX * sizeof(*w->roles));
	if (affiliation && !w->standings)
		w->standings = jd_arena_alloc(v->st->arena, ITEMS_MAX * sizeof(*w->standings));
	return role ? read_role(v, item, w) : read_standing(v, item, w);
}

/* By what name the actor is known to the others. */
static struct jd_str actor_of(const struct visit *v)
{
	const struct device *d = muc_device_find(v->room, v->st->from);

	return d ? jd_arena_str(v->st->arena, muc_nick(d->occupant)) : JD_STR_NULL;
}

enum jd_verdict muc_on_admin_set(struct visit *v)
{
	struct wish *w = jd_arena_new(v->st->arena, struct wish);

	if (!v->room->made)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	JD_EL_EACH(item, v->iq->query)
	if (!read_item(v, item, w))
		return JD_DONE;
	if (!w->n)
		return muc_fail(v, JD_BAD_REQUEST, "Nothing is to be changed.");
	w->actor = actor_of(v);
	return w->roles ? change_roles(v, w) : change_standings(v, w);
}
