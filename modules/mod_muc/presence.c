/* SPDX-License-Identifier: MIT
 *
 * What each occupant is told of the others (XEP-0045 7.1, 7.2.2).
 *
 * A presence is written once for each of the four kinds of viewers (who sees addresses or
 * not, who is it himself or not) and then shared; only the address differs.  How an
 * occupant looks to others is kept until that changes, so that who comes costs no more
 * than so many copies as there are devices.
 */
#include "muc.h"

void muc_news_code(struct news *n, unsigned code)
{
	if (n->n_codes < CODES_MAX)
		n->codes[n->n_codes++] = code;
}

bool muc_sees_addresses(const struct room *r, const struct occupant *viewer)
{
	return r->config.known_jids || viewer->role == ROLE_MODERATOR;
}

static bool is_shown(const struct occupant *o)
{
	return o->room->config.broadcast & (1u << o->role);
}

void muc_send_all(const struct room *r, struct jd_stanza *st)
{
	for (const struct occupant *o = r->occupants; o; o = o->next)
		for (const struct device *d = o->devices; d; d = d->next)
			jd_send_copy(st, d->jid);
}

/* -- writing -------------------------------------------------------------------------------- */

static void write_item(struct jd_xml *x, const struct occupant *o, const struct news *n,
		       const struct device *d, bool with_jid)
{
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(
		x, "affiliation",
		muc_affiliation_name(n->destruction ? AFF_NONE : muc_affiliation(o->room, o->who)));
	jd_xml_attr(x, "jid", with_jid ? jd_jid_str(d->jid) : JD_STR_NULL);
	jd_xml_attr(x, "nick", n->nick);
	jd_xml_attr(x, "role", muc_role_name(n->role));
	if (n->actor.p) {
		jd_xml_start(x, NULL, "actor");
		jd_xml_attr(x, "nick", n->actor);
		jd_xml_end(x);
	}
	if (n->reason.p)
		jd_xml_leaf(x, NS_USER, "reason", n->reason);
	jd_xml_end(x);
}

static void write_destruction(struct jd_xml *x, const struct destruction *d)
{
	jd_xml_start(x, NULL, "destroy");
	jd_xml_attr(x, "jid", d->venue);
	if (d->reason.p)
		jd_xml_leaf(x, NS_USER, "reason", d->reason);
	if (d->password.p)
		jd_xml_leaf(x, NS_USER, "password", d->password);
	jd_xml_end(x);
}

static void write_status(struct jd_xml *x, unsigned code)
{
	jd_xml_start(x, NULL, "status");
	jd_xml_attr_int(x, "code", (int64_t)code);
	jd_xml_end(x);
}

/* The codes in the order of their numbers, 110 for oneself among them. */
static void write_codes(struct jd_xml *x, const struct news *n, bool self)
{
	bool said = !self;

	for (unsigned i = 0; i < n->n_codes; i++) {
		if (!said && n->codes[i] > 110) {
			write_status(x, 110);
			said = true;
		}
		write_status(x, n->codes[i]);
	}
	if (!said)
		write_status(x, 110);
}

void muc_write_occupant_id(struct jd_xml *x, const char *id)
{
	jd_xml_start(x, NS_OCCUPANT_ID, "occupant-id");
	jd_xml_attr(x, "id", jd_cstr(id));
	jd_xml_end(x);
}

static void copy_words(struct jd_xml *x, const struct room *r, struct jd_stanza *words)
{
	JD_EL_EACH(child, jd_stanza_root(words))
	if (!muc_is_reserved(r, child, words->arena))
		jd_xml_copy(x, child);
}

static struct jd_stanza *build(const struct occupant *o, const struct news *n,
			       const struct device *d, bool with_jid, bool self)
{
	struct jd_stanza *words = n->words ? n->words : d->presence;
	struct jd_xml *x = jd_stanza_new(JD_PRESENCE, n->type, o->at, JD_JID_NULL, words->id);

	jd_xml_attr_ns(x, JD_NS_XML, "lang", words->lang);
	if (n->type == JD_TYPE_NONE || n->words)
		copy_words(x, o->room, words);
	jd_xml_start(x, NS_USER, "x");
	write_item(x, o, n, d, with_jid);
	if (n->destruction)
		write_destruction(x, n->destruction);
	write_codes(x, n, self);
	jd_xml_end(x);
	if (n->type == JD_TYPE_NONE)
		muc_write_hats(x, o);
	muc_write_occupant_id(x, o->id);
	return jd_built(x);
}

/* -- telling -------------------------------------------------------------------------------- */

/* One stanza for each kind of viewer, made when the first of that kind is met. */
struct kinds {
	struct jd_stanza *st[4];
};

static void tell(struct kinds *k, const struct occupant *o, const struct news *n,
		 const struct device *subject, const struct occupant *viewer, struct jd_jid to)
{
	bool with_jid = muc_sees_addresses(o->room, viewer), self = viewer == o;
	unsigned i = (unsigned)with_jid | (unsigned)self << 1;

	if (!k->st[i])
		k->st[i] = build(o, n, subject, with_jid, self);
	if (k->st[i])
		jd_send_copy(k->st[i], to);
}

static void kinds_free(struct kinds *k)
{
	for (unsigned i = 0; i < JD_ARRAY_SIZE(k->st); i++)
		jd_stanza_unref(k->st[i]);
}

static void tell_devices(struct kinds *k, struct occupant *o, const struct news *n,
			 const struct occupant *viewer)
{
	for (const struct device *d = viewer->devices; d; d = d->next)
		if (d != n->but)
			tell(k, o, n, o->devices, viewer, d->jid);
}

void muc_tell_all(struct occupant *o, const struct news *n)
{
	struct kinds kinds = {{NULL}};

	for (const struct occupant *v = o->room->occupants; v && is_shown(o); v = v->next)
		if (v != o)
			tell_devices(&kinds, o, n, v);
	tell_devices(&kinds, o, n, o);
	kinds_free(&kinds);
}

void muc_tell_device(struct occupant *o, const struct news *n, struct device *to)
{
	struct kinds kinds = {{NULL}};

	tell(&kinds, o, n, to, o, to->jid);
	kinds_free(&kinds);
}

void muc_tell_look(struct occupant *o)
{
	const struct news n = {.role = o->role};

	muc_tell_all(o, &n);
}

/* Whom nobody is shown any more is gone for the others. */
void muc_tell_role(struct occupant *o, enum muc_role before, const struct news *news)
{
	struct kinds kinds = {{NULL}};
	const struct news gone = {.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE};
	bool was_shown = o->room->config.broadcast & (1u << before);

	if (was_shown && !is_shown(o))
		for (const struct occupant *v = o->room->occupants; v; v = v->next)
			if (v != o)
				tell_devices(&kinds, o, &gone, v);
	kinds_free(&kinds);
	muc_tell_all(o, news);
}

/* He is not here, though he thinks so (7.2.18): an error would leave a client that has lost
 * track in doubt. */
void muc_tell_out(struct visit *v)
{
	const struct news n = {.codes = {307, 333}, .n_codes = 2};
	struct jd_xml *x =
		jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, v->st->to, v->st->from, v->st->id);

	jd_xml_start(x, NS_USER, "x");
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "affiliation", muc_affiliation_name(muc_affiliation(v->room, v->st->from)));
	jd_xml_attr(x, "role", muc_role_name(ROLE_NONE));
	jd_xml_leaf(x, NS_USER, "reason", JD_STR("You are not in this room."));
	jd_xml_end(x);
	write_codes(x, &n, true);
	jd_xml_end(x);
	jd_send(x);
}

static struct jd_stanza *look(struct occupant *o, bool with_jid)
{
	const struct news n = {.role = o->role};

	if (!o->looks[with_jid])
		o->looks[with_jid] = build(o, &n, o->devices, with_jid, false);
	return o->looks[with_jid];
}

void muc_show_all(struct device *to)
{
	struct occupant *viewer = to->occupant;
	bool with_jid = muc_sees_addresses(viewer->room, viewer);

	for (struct occupant *o = viewer->room->occupants; o; o = o->next)
		if (o != viewer && is_shown(o) && look(o, with_jid))
			jd_send_copy(look(o, with_jid), to->jid);
}

void muc_throw_out(struct occupant *o, const struct news *news)
{
	muc_tell_all(o, news);
	muc_occupant_remove(o);
}
