/* SPDX-License-Identifier: MIT
 *
 * Who stands in a lasting relation to the room (XEP-0045 5.2): a list in memory, in the
 * order of addresses, that is what the database has.  Whoever has none is not in it, except
 * for the name that he has reserved, which only members can.
 */
#include "muc.h"

static size_t place_of(const struct room *r, struct jd_str jid, bool *ret_found)
{
	size_t low = 0, high = r->n_affiliates;

	*ret_found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		struct jd_str s = jd_jid_str(r->affiliates[mid]->jid);
		size_t common = s.len < jid.len ? s.len : jid.len;
		int order = memcmp(jid.p, s.p, common);

		if (order == 0 && jid.len == s.len) {
			*ret_found = true;
			return mid;
		}
		if (order < 0 || (order == 0 && jid.len < s.len))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

struct affiliate *muc_affiliate_find(const struct room *r, struct jd_jid who)
{
	bool found;
	size_t i = place_of(r, jd_jid_bare_str(who), &found);

	return found ? r->affiliates[i] : NULL;
}

bool muc_affiliate_place(const struct room *r, struct jd_jid who, size_t *ret_i)
{
	bool found;

	*ret_i = place_of(r, jd_jid_bare_str(who), &found);
	return found;
}

enum affiliation muc_listed_affiliation(const struct room *r, struct jd_jid who)
{
	const struct affiliate *a = muc_affiliate_find(r, who);

	return a ? a->affiliation : AFF_NONE;
}

/* All users of a domain can be banned with it (9.1), but for those who are on the list themselves.
 */
enum affiliation muc_affiliation(const struct room *r, struct jd_jid who)
{
	enum affiliation a = muc_listed_affiliation(r, who);
	bool found;
	size_t i;

	if (a != AFF_NONE || !who.local_len)
		return a;
	i = place_of(r, jd_jid_domain(who), &found);
	return found && r->affiliates[i]->affiliation == AFF_OUTCAST ? AFF_OUTCAST : AFF_NONE;
}

bool muc_is_master(const struct room *r, struct jd_jid who)
{
	const struct jd_host *host = jd_account_host(r->account);

	return jd_jid_eq(who, jd_host_jid(host)) || jd_is_admin(host, who);
}

enum affiliation muc_power(const struct room *r, struct jd_jid who)
{
	enum affiliation a = muc_affiliation(r, who);

	return a != AFF_OWNER && muc_is_master(r, who) ? AFF_OWNER : a;
}

struct affiliate *muc_affiliate_by_nick(const struct room *r, struct jd_str nick)
{
	for (size_t i = 0; i < r->n_affiliates; i++)
		if (r->affiliates[i]->nick && jd_str_is(nick, r->affiliates[i]->nick))
			return r->affiliates[i];
	return NULL;
}

size_t muc_count(const struct room *r, enum affiliation a)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_affiliates; i++)
		n += r->affiliates[i]->affiliation == a;
	return n;
}

/* -- the list --------------------------------------------------------------------------------- */

static void affiliate_free(struct affiliate *a)
{
	muc_jid_drop(&a->jid);
	jd_free(a->nick);
	jd_free(a->reason);
	jd_free(a);
}

static void make_room(struct room *r)
{
	struct affiliate **grown;

	if (r->n_affiliates < r->room_affiliates)
		return;
	r->room_affiliates = r->room_affiliates ? 2 * r->room_affiliates : 8;
	grown = jd_alloc(r->room_affiliates * sizeof(*grown));
	if (r->n_affiliates)
		memcpy(grown, r->affiliates, r->n_affiliates * sizeof(*grown));
	jd_free(r->affiliates);
	r->affiliates = grown;
}

static char *text_of(struct jd_str s)
{
	return s.len ? jd_strdup(s) : NULL;
}

static void take_out(struct room *r, size_t i)
{
	affiliate_free(r->affiliates[i]);
	r->n_affiliates--;
	memmove(&r->affiliates[i], &r->affiliates[i + 1],
		(r->n_affiliates - i) * sizeof(struct affiliate *));
}

void muc_affiliate_put(struct room *r, struct jd_jid who, enum affiliation affiliation,
		       struct jd_str nick, struct jd_str reason)
{
	struct affiliate *a;
	bool found;
	size_t i = place_of(r, jd_jid_bare_str(who), &found);

	if (affiliation == AFF_NONE) {
		if (found)
			take_out(r, i);
		return;
	}
	if (!found) {
		make_room(r);
		memmove(&r->affiliates[i + 1], &r->affiliates[i],
			(r->n_affiliates - i) * sizeof(struct affiliate *));
		r->affiliates[i] = jd_alloc(sizeof(struct affiliate));
		r->affiliates[i]->jid = muc_jid_keep(jd_jid_bare(who));
		r->affiliates[i]->came = muc_occupant_of(r, who) != NULL;
		r->n_affiliates++;
	}
	a = r->affiliates[i];
	jd_free(a->nick);
	jd_free(a->reason);
	a->affiliation = affiliation;
	a->nick = text_of(nick);
	a->reason = text_of(reason);
}

bool muc_affiliate_came(struct room *r, struct jd_jid who)
{
	struct affiliate *a = muc_affiliate_find(r, who);

	if (!a || a->came)
		return false;
	a->came = true;
	return true;
}

void muc_affiliates_free(struct room *r)
{
	for (size_t i = 0; i < r->n_affiliates; i++)
		affiliate_free(r->affiliates[i]);
	jd_free(r->affiliates);
	r->affiliates = NULL;
	r->n_affiliates = r->room_affiliates = 0;
}

bool muc_list_fits(const struct room *r, const struct standing *s, size_t n, int64_t most)
{
	size_t count = r->n_affiliates;

	for (size_t i = 0; i < n; i++) {
		count += s[i].before == AFF_NONE && s[i].after != AFF_NONE;
		count -= s[i].before != AFF_NONE && s[i].after == AFF_NONE;
	}
	return count <= r->n_affiliates || count <= (size_t)most;
}

/* -- changes ---------------------------------------------------------------------------------- */

/* Whoever is banned has no name reserved (9.1). */
struct jd_str muc_standing_nick(const struct room *r, const struct standing *s)
{
	const struct affiliate *a = muc_affiliate_find(r, s->who);

	if (s->after <= AFF_NONE)
		return JD_STR_NULL;
	if (s->nick.p)
		return s->nick;
	return jd_cstr(a ? a->nick : NULL);
}

static void put_out(struct occupant *o, const struct standing *s, struct jd_str actor,
		    unsigned code)
{
	struct news news = {.type = JD_TYPE_UNAVAILABLE,
			    .role = ROLE_NONE,
			    .actor = actor,
			    .reason = s->reason};

	muc_news_code(&news, code);
	muc_throw_out(o, &news);
}

static void apply_to(struct occupant *o, const struct standing *s, struct jd_str actor)
{
	struct room *r = o->room;
	enum muc_role before = o->role;
	struct news news = {.actor = actor, .reason = s->reason};

	if (s->after == AFF_OUTCAST || muc_power(r, o->who) == AFF_OUTCAST) {
		put_out(o, s, actor, 301);
		return;
	}
	if (r->config.members_only && muc_power(r, s->who) == AFF_NONE) {
		put_out(o, s, actor, 321);
		return;
	}
	o->role = muc_role_after(&r->config, o->role, s->before, s->after);
	news.role = o->role;
	muc_occupant_touch(o);
	muc_tell_role(o, before, &news);
}

/* Those who may see addresses hear of it, though he is not here (9.x, "not in the room"); of a ban,
 * those who may see who is banned. */
static void tell_absent(struct room *r, const struct standing *s)
{
	struct jd_xml *x =
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, muc_room_jid(r), JD_JID_NULL, JD_STR_NULL);
	bool ban = s->before == AFF_OUTCAST || s->after == AFF_OUTCAST;
	struct jd_stanza *st;

	jd_xml_start(x, NS_USER, "x");
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "affiliation", muc_affiliation_name(s->after));
	jd_xml_attr(x, "jid", jd_jid_str(s->who));
	jd_xml_attr(x, "role", muc_role_name(ROLE_NONE));
	if (s->reason.p)
		jd_xml_leaf(x, NS_USER, "reason", s->reason);
	jd_xml_end(x);
	jd_xml_end(x);
	st = jd_built(x);
	for (const struct occupant *o = r->occupants; st && o; o = o->next)
		for (const struct device *d = o->devices; d; d = d->next)
			if (ban ? o->role == ROLE_MODERATOR : muc_sees_addresses(r, o))
				jd_send_copy(st, d->jid);
	jd_stanza_unref(st);
}

static bool concerns(const struct standing *s, const struct occupant *o)
{
	if (jd_jid_bare_eq(o->who, s->who))
		return true;
	return !s->who.local_len && s->after == AFF_OUTCAST &&
	       jd_str_eq(jd_jid_domain(o->who), jd_jid_domain(s->who)) &&
	       muc_power(o->room, o->who) == AFF_OUTCAST;
}

void muc_standing_apply(struct room *r, const struct standing *s, struct jd_str actor)
{
	struct jd_str nick = muc_standing_nick(r, s);
	struct occupant *next;
	char *keep = nick.len ? jd_strdup(nick) : NULL; /* the list's own text goes */

	muc_affiliate_put(r, s->who, s->after, jd_cstr(keep), s->reason);
	jd_free(keep);
	if (s->came)
		(void)muc_affiliate_came(r, s->who);
	if (s->before == s->after)
		return;
	if (!muc_occupant_of(r, s->who))
		tell_absent(r, s);
	for (struct occupant *o = r->occupants; o; o = next) {
		next = o->next;
		if (concerns(s, o))
			apply_to(o, s, actor);
	}
}
