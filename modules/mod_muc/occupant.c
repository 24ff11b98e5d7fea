/* SPDX-License-Identifier: MIT
 *
 * Who is in a room: names, and the devices behind each.  One hundred people at most
 * means that walking through them costs less than an index would.
 */
#include "muc.h"

struct jd_jid muc_jid_keep(struct jd_jid jid)
{
	jid.p = jd_strdup(jd_jid_str(jid));
	return jid;
}

void muc_jid_drop(struct jd_jid *jid)
{
	jd_free((char *)(uintptr_t)jid->p);
	*jid = JD_JID_NULL;
}

struct jd_str muc_nick(const struct occupant *o)
{
	return jd_jid_resource(o->at);
}

/* -- finding -------------------------------------------------------------------------------- */

struct occupant *muc_occupant_find(const struct room *r, struct jd_str nick)
{
	struct occupant *o = r->occupants;

	while (o && !jd_str_eq(muc_nick(o), nick))
		o = o->next;
	return o;
}

struct occupant *muc_occupant_of(const struct room *r, struct jd_jid who)
{
	struct occupant *o = r->occupants;

	while (o && !jd_jid_bare_eq(o->who, who))
		o = o->next;
	return o;
}

struct device *muc_device_find(const struct room *r, struct jd_jid jid)
{
	for (const struct occupant *o = r->occupants; o; o = o->next) {
		if (!jd_jid_bare_eq(o->who, jid))
			continue;
		for (struct device *d = o->devices; d; d = d->next)
			if (jd_jid_eq(d->jid, jid))
				return d;
	}
	return NULL;
}

/* -- coming and going ------------------------------------------------------------------------- */

void muc_occupant_id(const struct room *r, struct jd_jid who, char *out)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[JD_DIGEST_MAX];

	jd_hmac(JD_HASH_SHA256, (struct jd_str){(const char *)r->salt, sizeof(r->salt)},
		jd_jid_bare_str(who), digest);
	for (size_t i = 0; i < 20; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[40] = '\0';
}

struct occupant *muc_occupant_add(struct room *r, struct jd_jid at, struct jd_jid who,
				  enum muc_role role)
{
	struct occupant *o = jd_alloc(sizeof(*o));

	r->waits = false;
	o->room = r;
	o->at = muc_jid_keep(at);
	o->who = muc_jid_keep(jd_jid_bare(who));
	o->role = role;
	muc_occupant_id(r, who, o->id);
	o->pace = muc_pace_get(r, o->id);
	if (!r->occupants) {
		r->last = &r->occupants;
		muc_room_wake(r);
	}
	*r->last = o;
	r->last = &o->next;
	r->n_occupants++;
	return o;
}

struct device *muc_device_add(struct occupant *o, struct jd_stanza *presence)
{
	struct device *d = jd_alloc(sizeof(*d));

	d->occupant = o;
	d->jid = muc_jid_keep(presence->from);
	d->presence = jd_stanza_keep(presence);
	d->next = o->devices;
	o->devices = d;
	o->room->n_devices++;
	muc_occupant_touch(o);
	return d;
}

void muc_occupant_touch(struct occupant *o)
{
	for (unsigned i = 0; i < JD_ARRAY_SIZE(o->looks); i++) {
		jd_stanza_unref(o->looks[i]);
		o->looks[i] = NULL;
	}
}

static void unlink_device(struct device *d)
{
	struct device **p = &d->occupant->devices;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
}

/* What it says is what the occupant looks like from now on. */
void muc_device_set_presence(struct device *d, struct jd_stanza *presence)
{
	struct occupant *o = d->occupant;

	jd_stanza_unref(d->presence);
	d->presence = jd_stanza_keep(presence);
	unlink_device(d);
	d->next = o->devices;
	o->devices = d;
	muc_occupant_touch(o);
}

static void free_device(struct device *d)
{
	d->occupant->room->n_devices--;
	jd_stanza_unref(d->presence);
	muc_jid_drop(&d->jid);
	jd_free(d);
}

void muc_occupant_remove(struct occupant *o)
{
	struct room *r = o->room;
	struct occupant **p = &r->occupants;
	struct device *next;

	for (struct device *d = o->devices; d; d = next) {
		next = d->next;
		free_device(d);
	}
	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
	if (r->last == &o->next)
		r->last = p;
	r->n_occupants--;
	muc_pace_put(r, o->pace);
	muc_occupant_touch(o);
	muc_jid_drop(&o->at);
	muc_jid_drop(&o->who);
	jd_free(o);
	if (!r->occupants)
		muc_room_rest(r);
}

void muc_device_remove(struct device *d)
{
	struct occupant *o = d->occupant;

	if (o->devices == d && !d->next) {
		muc_occupant_remove(o);
		return;
	}
	unlink_device(d);
	free_device(d);
	muc_occupant_touch(o);
}

void muc_occupant_rename(struct occupant *o, struct jd_jid at)
{
	muc_jid_drop(&o->at);
	o->at = muc_jid_keep(at);
	muc_occupant_touch(o);
}
