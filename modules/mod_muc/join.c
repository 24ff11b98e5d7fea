/* SPDX-License-Identifier: MIT
 *
 * Coming into a room, changing there, going (XEP-0045 7.2 to 7.6, 7.14).
 *
 * Whoever comes hears, in this order: who is there, then of himself, then what was said
 * before, then the subject (7.1); the last two are read from the log, and the room stands
 * still meanwhile, so that nothing new runs ahead of them.
 */
#include "muc.h"

#define DEVICES_MAX    16
#define PRESENCE_BYTES 16384

static const struct jd_error is_full = {
	.condition = JD_SERVICE_UNAVAILABLE,
	.type = JD_ERRTYPE_WAIT,
	.text = "The room is full.",
};

static enum jd_verdict refuse(struct visit *v, enum jd_condition condition, const char *text)
{
	return muc_refuse(v, condition, JD_ERRTYPE_DEFAULT, text);
}

static struct jd_el request(struct visit *v)
{
	return jd_el_child(jd_stanza_root(v->st), NS_MUC, "x");
}

/* -- may they come in? ---------------------------------------------------------------------- */

static bool is_good_nick(struct jd_str nick)
{
	return nick.len && nick.len <= NICK_MAX && nick.p[0] != ' ' && nick.p[nick.len - 1] != ' ';
}

/* Somebody else is called so, or has reserved it. */
static bool is_taken(const struct room *r, struct jd_str nick, struct jd_jid who)
{
	const struct occupant *o = muc_occupant_find(r, nick);
	const struct affiliate *a = muc_affiliate_by_nick(r, nick);

	return (o && !jd_jid_bare_eq(o->who, who)) || (a && !jd_jid_bare_eq(a->jid, who));
}

static bool has_password(struct visit *v)
{
	struct jd_el el = jd_el_child(request(v), NS_MUC, "password");

	return !v->room->config.password.len ||
	       jd_str_eq(jd_el_text(el, v->st->arena), v->room->config.password);
}

/* Who would be one more is counted; owners and admins may be some more. */
static bool has_place(struct visit *v, struct jd_str nick)
{
	const struct room *r = v->room;
	unsigned most = r->config.max_users;

	if (muc_power(r, v->st->from) >= AFF_ADMIN)
		most += (unsigned)v->muc->admin_overflow;
	return muc_occupant_find(r, nick) || r->n_occupants < most;
}

static bool has_device_left(const struct room *r, struct jd_str nick)
{
	const struct occupant *o = muc_occupant_find(r, nick);
	unsigned n = 0;

	for (const struct device *d = o ? o->devices : NULL; d; d = d->next)
		n++;
	return n < DEVICES_MAX;
}

/* False: refused, and ret_verdict says how. */
static bool may_enter(struct visit *v, struct jd_str nick, enum jd_verdict *ret_verdict)
{
	const struct room *r = v->room;
	enum affiliation power = muc_power(r, v->st->from);

	*ret_verdict = JD_DROP;
	if (muc_affiliation(r, v->st->from) == AFF_OUTCAST && power != AFF_OWNER)
		*ret_verdict = refuse(v, JD_FORBIDDEN, "You are banned from this room.");
	else if (r->locked && power != AFF_OWNER)
		*ret_verdict = refuse(v, JD_ITEM_NOT_FOUND, "The room is not open yet.");
	else if (muc_role_of(&r->config, power) == ROLE_NONE)
		*ret_verdict = refuse(v, JD_REGISTRATION_REQUIRED, "Only members may enter.");
	else if (!has_password(v))
		*ret_verdict = refuse(v, JD_NOT_AUTHORIZED, "This is not the password.");
	else if (is_taken(r, nick, v->st->from))
		*ret_verdict = refuse(v, JD_CONFLICT, "Somebody else is called so.");
	else if (!has_place(v, nick))
		jd_bounce_error(v->st, &is_full);
	else if (!has_device_left(r, nick))
		*ret_verdict = refuse(v, JD_RESOURCE_CONSTRAINT, "You have too many devices here.");
	else
		return true;
	return false;
}

/* -- in ------------------------------------------------------------------------------------- */

static void tell_entrance(struct occupant *o, struct device *d, bool created)
{
	const struct room *r = o->room;
	struct news others = {.role = o->role, .but = d}, own = {.role = o->role};

	muc_show_avatar(d);
	muc_show_all(d);
	muc_tell_all(o, &others);
	if (r->config.known_jids)
		muc_news_code(&own, 100);
	if (r->config.logged)
		muc_news_code(&own, 170);
	if (created)
		muc_news_code(&own, 201);
	muc_tell_device(o, &own, d);
}

static enum jd_verdict enter(struct visit *v, bool created)
{
	struct jd_el history = jd_el_child(request(v), NS_MUC, "history");
	struct room *r = v->room;
	struct occupant *o = muc_occupant_find(r, jd_jid_resource(v->st->to));
	struct device *d;

	if (!o)
		o = muc_occupant_add(r, v->st->to, v->st->from,
				     muc_role_of(&r->config, muc_power(r, v->st->from)));
	if (!muc_occupant_pays(o)) {
		if (!o->devices)
			muc_occupant_remove(o);
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	}
	d = muc_device_add(o, v->st);
	if (muc_affiliate_came(r, v->st->from))
		muc_came_store(r, v->st->from);
	tell_entrance(o, d, created);
	return muc_history(v, history);
}

static enum jd_verdict enter_created(struct visit *v)
{
	return enter(v, true);
}

static enum jd_verdict join(struct visit *v)
{
	struct jd_str nick = jd_jid_resource(v->st->to);
	enum jd_verdict verdict;

	if (!jd_el_ok(request(v))) {
		if (!nick.len) /* not for us: all contacts are told so */
			return JD_DROP;
		muc_tell_out(v);
		return JD_DONE;
	}
	if (!nick.len)
		return refuse(v, JD_JID_MALFORMED, "Say by what name you want to be known.");
	if (!is_good_nick(nick))
		return refuse(v, JD_NOT_ACCEPTABLE, "This cannot be a name.");
	if (v->room->made)
		return may_enter(v, nick, &verdict) ? enter(v, false) : verdict;
	if (!muc_may_create(v))
		return refuse(v, JD_NOT_ALLOWED, "You may not create rooms here.");
	return muc_room_make(v, v->st->from, true, enter_created);
}

/* -- while they are there --------------------------------------------------------------------- */

/* A client that has lost track asks for everything again (7.2.1). */
static enum jd_verdict again(struct visit *v, struct device *d)
{
	muc_device_set_presence(d, v->st);
	tell_entrance(d->occupant, d, false);
	return muc_history(v, jd_el_child(request(v), NS_MUC, "history"));
}

static enum jd_verdict update(struct visit *v, struct device *d)
{
	muc_device_set_presence(d, v->st);
	muc_tell_look(d->occupant);
	return JD_DONE;
}

/* The person changes its name, with all devices. */
static enum jd_verdict rename_to(struct visit *v, struct device *d)
{
	struct jd_str nick = jd_jid_resource(v->st->to);
	struct occupant *o = d->occupant;
	struct news gone = {.type = JD_TYPE_UNAVAILABLE, .role = o->role, .nick = nick};

	if (!is_good_nick(nick))
		return refuse(v, JD_NOT_ACCEPTABLE, "This cannot be a name.");
	if (muc_occupant_find(v->room, nick) || is_taken(v->room, nick, o->who))
		return refuse(v, JD_CONFLICT, "Somebody is called so.");
	muc_news_code(&gone, 303);
	muc_tell_all(o, &gone);
	muc_occupant_rename(o, v->st->to);
	muc_device_set_presence(d, v->st);
	muc_tell_look(o);
	return JD_DONE;
}

/* -- out ------------------------------------------------------------------------------------- */

/* One device goes; with the last one the occupant goes. */
static void leave(struct device *d, struct news *news)
{
	struct occupant *o = d->occupant;
	bool was_shown = o->devices == d;

	if (was_shown && !d->next) {
		muc_throw_out(o, news);
		return;
	}
	muc_tell_device(o, news, d);
	muc_device_remove(d);
	if (was_shown)
		muc_tell_look(o);
}

static enum jd_verdict go(struct visit *v)
{
	struct news news = {.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE};
	struct device *d = muc_device_find(v->room, v->st->from);

	if (jd_stanza_size(v->st) <= PRESENCE_BYTES) /* he goes in any case */
		news.words = v->st;
	if (d)
		leave(d, &news);
	return JD_DONE;
}

void muc_device_lost(struct device *d)
{
	struct news news = {.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE};

	muc_news_code(&news, 333);
	leave(d, &news);
}

/* -- all of it -------------------------------------------------------------------------------- */

static enum jd_verdict on_available(struct visit *v)
{
	struct device *d = muc_device_find(v->room, v->st->from);
	struct jd_str nick = jd_jid_resource(v->st->to);

	if (jd_stanza_size(v->st) > PRESENCE_BYTES)
		return refuse(v, JD_POLICY_VIOLATION, "The presence is too large for a room.");
	if (!d)
		return join(v);
	if (!muc_occupant_pays(d->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	if (nick.len && !jd_str_eq(nick, muc_nick(d->occupant)))
		return rename_to(v, d);
	return jd_el_ok(request(v)) ? again(v, d) : update(v, d);
}

enum jd_verdict muc_on_presence(struct visit *v)
{
	switch (v->st->type) {
	case JD_TYPE_NONE:
		return on_available(v);
	case JD_TYPE_UNAVAILABLE:
		return go(v);
	case JD_TYPE_ERROR:
		muc_on_error(v);
		return JD_DONE;
	default:
		return JD_DROP;
	}
}
