/* SPDX-License-Identifier: MIT
 *
 * The log of a room: who may ask for it (XEP-0313), and how a message in it is taken back,
 * by who has sent it (XEP-0424) or by a moderator (XEP-0425).
 *
 * What was taken back is a tombstone in the log before anybody is told of it, so nobody who
 * enters afterwards is sent it.
 */
#include "muc.h"

/* -- queries --------------------------------------------------------------------------------------
 */

/* Whoever could enter now may read what was said (0313, "MUC Archives"). */
static bool may_read(const struct room *r, struct jd_jid who)
{
	enum affiliation power = muc_power(r, who);

	if (power == AFF_OUTCAST || muc_role_of(&r->config, power) == ROLE_NONE)
		return false;
	return !r->config.password.len || power >= AFF_MEMBER || muc_device_find(r, who);
}

enum jd_verdict muc_on_archive(struct visit *v)
{
	struct room *r = v->room;

	if (!r->made || r->locked)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (!may_read(r, v->st->from))
		return muc_fail(v, JD_FORBIDDEN, "You may not read what was said here.");
	return v->muc->archive->query(v->muc->archive_mi, v->iq, muc_room_owner(r));
}

/* -- taking back
 * ----------------------------------------------------------------------------------- */

struct retraction {
	uint64_t id;
	struct jd_archive_tombstone tombstone;
	char occupant[ID_SIZE];
};

static enum jd_verdict fail(struct visit *v, enum jd_condition condition, const char *text)
{
	return muc_refuse(v, condition, JD_ERRTYPE_DEFAULT, text);
}

static void fail_later(struct visit *v, enum jd_condition condition, const char *text)
{
	muc_room_keep(v->room, NULL);
	muc_end(v, fail(v, condition, text));
}

/* The request is answered when everybody has been told. */
static void on_retracted(void *arg, int result, uint64_t id, jd_usec at)
{
	struct visit *v = arg;
	struct jd_stanza *st = v->room->kept; /* that tells of it */

	(void)id;
	(void)at;
	if (result < 0) {
		fail_later(v, result == -JD_ENOENT ? JD_ITEM_NOT_FOUND : JD_INTERNAL_SERVER_ERROR,
			   NULL);
		return;
	}
	if (v->iq) {
		jd_iq_ok(v->iq);
		v->answered = true;
	}
	muc_end(v, muc_say(v, st));
}

static int retract(struct visit *v)
{
	struct retraction *t = v->data;

	return v->muc->archive->retract(v->muc->archive_mi, v->pending, muc_room_owner(v->room),
					t->id, &t->tombstone, on_retracted, v);
}

/* -- by the author
 * --------------------------------------------------------------------------------- */

static bool is_by(struct jd_stanza *st, const char *occupant)
{
	struct jd_el el = jd_el_child(jd_stanza_root(st), NS_OCCUPANT_ID, "occupant-id");

	return jd_str_is(jd_el_attr(el, "id"), occupant);
}

static void on_row(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct visit *v = arg;
	struct retraction *t = v->data;

	(void)more;
	if (result < 0)
		fail_later(v, JD_INTERNAL_SERVER_ERROR, NULL);
	else if (n != 1 || !rows[0].st)
		fail_later(v, JD_ITEM_NOT_FOUND, "There is no such message.");
	else if (!is_by(rows[0].st, t->occupant))
		fail_later(v, JD_FORBIDDEN, "This is somebody else's message.");
	else if (retract(v) < 0)
		fail_later(v, JD_RESOURCE_CONSTRAINT, NULL);
}

static int read_row(struct visit *v, uint64_t id)
{
	const struct jd_archive_read read = {
		.owner = muc_room_owner(v->room), .after = id - 1, .before = id + 1, .limit = 1};

	return v->muc->archive->read(v->muc->archive_mi, v->pending, &read, on_row, v);
}

/* An id that is not of our log is for clients to judge, who compare authors themselves. */
enum jd_verdict muc_on_retract(struct visit *v, struct occupant *o, struct jd_stanza *st)
{
	struct jd_el el = jd_el_child(jd_stanza_root(st), NS_RETRACT, "retract");
	struct retraction *t = jd_arena_new(v->arena, struct retraction);

	if (!v->muc->archive ||
	    jd_stanza_id_decode(jd_el_attr(el, "id"), muc_room_owner(v->room), &t->id) < 0)
		return muc_say(v, st);
	memcpy(t->occupant, o->id, sizeof(t->occupant));
	t->tombstone.id = jd_arena_str(v->arena, st->id);
	muc_room_keep(v->room, st);
	v->data = t;
	if (read_row(v, t->id) == 0)
		return JD_WAIT;
	muc_room_keep(v->room, NULL);
	return fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}

/* -- by a moderator
 * --------------------------------------------------------------------------------- */

static struct jd_stanza *moderation(const struct visit *v, const struct occupant *o,
				    struct jd_str id, struct jd_str reason)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_GROUPCHAT, muc_room_jid(v->room),
					 JD_JID_NULL, jd_random_id(v->arena, 12));

	jd_xml_start(x, NS_RETRACT, "retract");
	jd_xml_attr(x, "id", id);
	jd_xml_start(x, NS_MODERATE, "moderated");
	jd_xml_attr(x, "by", jd_jid_str(o->at));
	muc_write_occupant_id(x, o->id);
	jd_xml_end(x);
	if (reason.len)
		jd_xml_leaf(x, NS_RETRACT, "reason", reason);
	jd_xml_end(x);
	return jd_built(x);
}

enum jd_verdict muc_on_moderate(struct visit *v)
{
	struct jd_str reason = muc_reason(v->iq->query, NS_MODERATE, v->arena);
	struct device *d = muc_device_find(v->room, v->st->from);
	struct retraction *t = jd_arena_new(v->arena, struct retraction);
	struct jd_str id = jd_el_attr(v->iq->query, "id");
	struct jd_stanza *st;

	if (!d || d->occupant->role != ROLE_MODERATOR)
		return muc_fail(v, JD_FORBIDDEN, "Only moderators take back what others say.");
	if (!jd_el_ok(jd_el_child(v->iq->query, NS_RETRACT, "retract")))
		return muc_fail(v, JD_FEATURE_NOT_IMPLEMENTED, "Messages can be retracted.");
	if (jd_stanza_id_decode(id, muc_room_owner(v->room), &t->id) < 0)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such message.");
	st = moderation(v, d->occupant, id, reason);
	if (!st)
		return muc_fail(v, JD_POLICY_VIOLATION, NULL);
	memcpy(t->occupant, d->occupant->id, sizeof(t->occupant));
	t->tombstone = (struct jd_archive_tombstone){
		.id = st->id,
		.moderator = jd_jid_copy(v->arena, d->occupant->at),
		.occupant = jd_cstr(t->occupant),
		.reason = reason.len ? reason : JD_STR_NULL,
	};
	v->data = t;
	muc_room_keep(v->room, st);
	jd_stanza_unref(st);
	if (retract(v) == 0)
		return JD_WAIT;
	muc_room_keep(v->room, NULL);
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}
