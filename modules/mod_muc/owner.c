/* SPDX-License-Identifier: MIT
 *
 * muc#owner (XEP-0045 10): configuration and destruction.
 *
 * A configuration and the lists of admins and owners in it are one unit; then everybody
 * hears what has changed, in terms of status codes (10.2.1), and who must not be there any
 * more goes.
 */
#include "muc.h"

#define STANDINGS_MAX 1000

struct configuring {
	struct config config;
	struct standing *standings;
	size_t n;
	bool wrong; /* it cannot be done as a whole */
};

/* -- the form ------------------------------------------------------------------------------------
 */

static size_t list_of(const struct room *r, enum affiliation a, struct jd_jid *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_affiliates; i++)
		if (r->affiliates[i]->affiliation == a)
			out[n++] = r->affiliates[i]->jid;
	return n;
}

enum jd_verdict muc_on_owner_get(struct visit *v)
{
	const struct room *r = v->room;
	struct jd_jid *owners = jd_arena_alloc(v->arena, (r->n_affiliates + 1) * sizeof(*owners));
	struct jd_jid *admins = jd_arena_alloc(v->arena, (r->n_affiliates + 1) * sizeof(*admins));
	struct config_lists lists = {.owners = owners, .admins = admins};
	struct jd_xml *x;

	if (!r->made)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (muc_power(r, v->st->from) != AFF_OWNER)
		return muc_fail(v, JD_FORBIDDEN, "Only owners configure a room.");
	lists.n_owners = list_of(r, AFF_OWNER, owners);
	lists.n_admins = list_of(r, AFF_ADMIN, admins);
	x = jd_iq_result(v->iq);
	jd_xml_start(x, NS_OWNER, "query");
	muc_config_write(v->muc, &r->config, &lists, v->arena, x);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

/* -- the lists in it ------------------------------------------------------------------------------
 */

static void change(struct configuring *c, struct jd_jid who, enum affiliation before,
		   enum affiliation after)
{
	if (c->n == STANDINGS_MAX || (!who.local_len && after > AFF_MEMBER))
		c->wrong = true;
	else
		c->standings[c->n++] =
			(struct standing){.who = who, .before = before, .after = after};
}

static bool is_new(const struct configuring *c, struct jd_jid who)
{
	for (size_t i = 0; i < c->n; i++)
		if (jd_jid_bare_eq(c->standings[i].who, who))
			return false;
	return true;
}

/* after: of who was on the lists before. Owners are named first, and stay. */
static void name_all(const struct room *r, struct configuring *c, enum affiliation *after,
		     const struct jd_jid *jids, size_t n, enum affiliation as)
{
	for (size_t k = 0, i; k < n && !c->wrong; k++) {
		if (!muc_affiliate_place(r, jids[k], &i)) {
			if (is_new(c, jids[k]))
				change(c, jids[k], AFF_NONE, as);
		} else if (after[i] != AFF_OWNER) {
			after[i] = as;
		}
	}
}

/* Whom the lists do not name any more is a member. */
static void change_lists(const struct visit *v, const struct config_lists *l, struct configuring *c)
{
	const struct room *r = v->room;
	enum affiliation *after = jd_arena_alloc(v->arena, (r->n_affiliates + 1) * sizeof(*after));

	c->standings = jd_arena_alloc(v->arena, STANDINGS_MAX * sizeof(*c->standings));
	for (size_t i = 0; i < r->n_affiliates; i++) {
		enum affiliation now = r->affiliates[i]->affiliation;
		bool gone = (now == AFF_OWNER && l->owners_given) ||
			    (now == AFF_ADMIN && l->admins_given);

		after[i] = gone ? AFF_MEMBER : now;
	}
	name_all(r, c, after, l->owners, l->n_owners, AFF_OWNER);
	name_all(r, c, after, l->admins, l->n_admins, AFF_ADMIN);
	for (size_t i = 0; i < r->n_affiliates; i++)
		if (after[i] != r->affiliates[i]->affiliation)
			change(c, jd_jid_copy(v->arena, r->affiliates[i]->jid),
			       r->affiliates[i]->affiliation, after[i]);
}

static bool keeps_owner(const struct room *r, const struct config_lists *l)
{
	return !l->owners_given || l->n_owners > 0 || muc_count(r, AFF_OWNER) == 0;
}

/* -- what follows ---------------------------------------------------------------------------------
 */

static void put_strangers_out(struct room *r)
{
	struct occupant *next;

	for (struct occupant *o = r->occupants; o; o = next) {
		struct news news = {.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE};

		next = o->next;
		if (muc_power(r, o->who) > AFF_NONE)
			continue;
		muc_news_code(&news, 322);
		muc_throw_out(o, &news);
	}
}

/* Anything but what has a code of its own. */
static bool differs(struct visit *v, const struct config *old)
{
	struct config c = *old;

	c.logged = v->room->config.logged;
	c.known_jids = v->room->config.known_jids;
	return !jd_str_eq(muc_config_text(v->muc, &c, v->arena),
			  muc_config_text(v->muc, &v->room->config, v->arena));
}

static void announce(struct visit *v, const struct config *old)
{
	struct room *r = v->room;
	const struct config *now = &r->config;

	if (now->logged != old->logged)
		muc_announce(r, now->logged ? 170 : 171);
	if (now->known_jids != old->known_jids)
		muc_announce(r, now->known_jids ? 172 : 173);
	if (differs(v, old))
		muc_announce(r, 104);
}

static void configure(struct visit *v, const struct configuring *c)
{
	struct jd_str text = muc_config_text(v->muc, &c->config, v->arena);
	struct room *r = v->room;
	struct config old = r->config;
	bool was_locked = r->locked;

	if (!muc_config_parse(muc_of(r), text, &r->config)) {
		r->config = old; /* it was tried before */
		return;
	}
	r->locked = false;
	for (size_t i = 0; i < c->n; i++)
		muc_standing_apply(r, &c->standings[i], JD_STR_NULL);
	for (struct occupant *o = r->occupants; o; o = o->next)
		muc_occupant_touch(o);
	if (r->config.members_only && !old.members_only)
		put_strangers_out(r);
	if (!was_locked)
		announce(v, &old);
	muc_config_free(&old);
}

static void on_configured(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	struct configuring *c = v->data;

	(void)rows;
	if (status != JD_DB_OK) {
		v->room->loaded = false; /* it may be there all the same */
		muc_end(v, muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be stored."));
		return;
	}
	configure(v, c);
	jd_iq_ok(v->iq);
	muc_end(v, JD_DONE);
}

static enum jd_verdict store(struct visit *v, struct configuring *c)
{
	struct jd_unit *unit = jd_unit_new();

	muc_config_store(v->room, unit, &c->config, false, v->arena);
	for (size_t i = 0; i < c->n; i++)
		muc_standing_store(v->room, unit, &c->standings[i]);
	v->data = c;
	if (muc_store_submit(v, unit, on_configured) == 0)
		return JD_WAIT;
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}

static enum jd_verdict submit(struct visit *v, struct jd_el x)
{
	struct configuring *c = jd_arena_new(v->arena, struct configuring);
	struct config_lists lists;
	struct jd_error error;

	if (!jd_el_ok(jd_el_first(x))) { /* as it is: an instant room */
		c->config = v->room->config;
		return store(v, c);
	}
	if (!muc_config_read(v->muc, &v->room->config, x, v->arena, &c->config, &lists, &error)) {
		jd_iq_error(v->iq, &error);
		return JD_DONE;
	}
	if (!keeps_owner(v->room, &lists))
		return muc_fail(v, JD_CONFLICT, "A room has one owner at least.");
	change_lists(v, &lists, c);
	if (c->wrong)
		return muc_fail(v, JD_NOT_ACCEPTABLE,
				"These are too many changes, or one of a domain.");
	if (muc_list_fits(v->room, c->standings, c->n, v->muc->max_affiliations))
		return store(v, c);
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, "The lists of the room are full.");
}

/* -- the end --------------------------------------------------------------------------------------
 */

static void on_destroyed(struct visit *v, int result)
{
	if (result < 0)
		(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be destroyed.");
	else
		jd_iq_ok(v->iq);
	muc_end(v, JD_DONE);
}

static enum jd_verdict destroy(struct visit *v, struct jd_el el)
{
	struct jd_el password = jd_el_child(el, NS_OWNER, "password");
	struct destruction d = {.reason = muc_reason(el, NS_OWNER, v->arena)};
	struct jd_jid venue;

	if (jd_el_attr(el, "jid").len) {
		if (jd_jid_parse(v->arena, jd_el_attr(el, "jid"), &venue) < 0)
			return muc_fail(v, JD_JID_MALFORMED, "This is no address.");
		d.venue = jd_jid_str(venue);
	}
	if (jd_el_ok(password))
		d.password = jd_el_text(password, v->arena);
	if (muc_room_destroy(v, &d, on_destroyed) < 0)
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

/* Whoever does not want what he has begun gets rid of it (10.1.3). */
static enum jd_verdict cancel(struct visit *v)
{
	const struct destruction d = {.reason = JD_STR_NULL};

	if (!v->room->locked) {
		jd_iq_ok(v->iq);
		return JD_DONE;
	}
	if (muc_room_destroy(v, &d, on_destroyed) < 0)
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

static enum jd_verdict make_first(struct visit *v);

enum jd_verdict muc_on_owner_set(struct visit *v)
{
	struct jd_el el = jd_el_first(v->iq->query);

	if (!v->room->made)
		return make_first(v);
	if (muc_power(v->room, v->st->from) != AFF_OWNER)
		return muc_fail(v, JD_FORBIDDEN, "Only owners configure a room.");
	if (jd_el_is(el, NS_OWNER, "destroy"))
		return destroy(v, el);
	if (!jd_el_is(el, JD_NS_DATAFORM, "x"))
		return muc_fail(v, JD_BAD_REQUEST, "Configure it, or destroy it.");
	if (jd_str_is(jd_el_attr(el, "type"), "cancel"))
		return cancel(v);
	if (!jd_str_is(jd_el_attr(el, "type"), "submit"))
		return muc_fail(v, JD_BAD_REQUEST, "A form is submitted or cancelled.");
	return submit(v, el);
}

/* An administrator makes a room that nobody enters: it is configured at once. */
static enum jd_verdict make_first(struct visit *v)
{
	struct jd_el el = jd_el_first(v->iq->query);

	if (!muc_is_master(v->room, v->st->from) || !jd_el_is(el, JD_NS_DATAFORM, "x") ||
	    !jd_str_is(jd_el_attr(el, "type"), "submit"))
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	return muc_room_make(v, v->st->from, true, muc_on_owner_set);
}
