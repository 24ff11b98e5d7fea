/* SPDX-License-Identifier: MIT
 *
 * What is said to all (XEP-0045 7.4, 8.1).
 *
 * A message is stripped of what only the room may say, written once, stored, and then
 * sent to everybody in the room, who sent it included: one block shared by all, with the
 * id that the log has given it.  The room stands still until it is stored, so everybody gets
 * all messages in the order of the log, with presence and subjects between them where they
 * belong.  What cannot be stored is sent to nobody.
 */
#include "muc.h"

#define NOTICE_AFTER JD_USEC_PER_SEC

bool muc_is_subject(struct jd_el root)
{
	return jd_el_ok(jd_el_child(root, JD_NS_STANZA, "subject")) &&
	       !jd_el_ok(jd_el_child(root, JD_NS_STANZA, "body")) &&
	       !jd_el_ok(jd_el_child(root, JD_NS_STANZA, "thread"));
}

/* -- what occupants must not say ------------------------------------------------------------- */

static bool is_room(const struct room *r, struct jd_str s, struct jd_arena *arena)
{
	struct jd_jid jid;

	return s.p && jd_jid_parse(arena, s, &jid) == 0 && jd_jid_eq(jid, muc_room_jid(r));
}

bool muc_is_reserved(const struct room *r, struct jd_el child, struct jd_arena *arena)
{
	if (jd_el_is(child, JD_NS_SID, "stanza-id"))
		return is_room(r, jd_el_attr(child, "by"), arena);
	if (jd_el_is(child, JD_NS_DELAY, "delay"))
		return is_room(r, jd_el_attr(child, "from"), arena);
	return jd_el_is(child, NS_USER, NULL) || jd_el_is(child, NS_MUC, NULL) ||
	       jd_el_is(child, NS_OCCUPANT_ID, NULL) || jd_el_is(child, NS_HATS, NULL) ||
	       jd_el_is(child, NS_HATS_OLD, NULL);
}

/* -- one block for everybody ------------------------------------------------------------------- */

static void copy_children(struct jd_xml *x, struct jd_stanza *st)
{
	JD_EL_EACH(child, jd_stanza_root(st))
	jd_xml_copy(x, child);
}

static struct jd_stanza *reflected(const struct occupant *o, struct jd_stanza *st)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_GROUPCHAT, o->at, JD_JID_NULL, st->id);

	jd_xml_attr_ns(x, JD_NS_XML, "lang", st->lang);
	JD_EL_EACH(child, jd_stanza_root(st))
	if (!muc_is_reserved(o->room, child, st->arena))
		jd_xml_copy(x, child);
	muc_write_occupant_id(x, o->id);
	return jd_built(x);
}

/* The same with its name in the log. */
static struct jd_stanza *named(const struct room *r, struct jd_stanza *st, uint64_t id)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, st->type, st->from, JD_JID_NULL, st->id);
	struct jd_stanza *full;

	jd_xml_attr_ns(x, JD_NS_XML, "lang", st->lang);
	copy_children(x, st);
	jd_xml_start(x, JD_NS_SID, "stanza-id");
	jd_xml_attr(x, "by", jd_jid_str(muc_room_jid(r)));
	jd_xml_attr(x, "id", jd_stanza_id_encode(st->arena, muc_room_owner(r), id));
	jd_xml_end(x);
	full = jd_built(x);
	if (full)
		jd_stanza_set_row(full, muc_room_owner(r), id);
	return full;
}

/* -- members who are not here --------------------------------------------------------------------
 */

/* Once for what comes in a burst; their servers are not told: protocol.md 15.  Whoever was only put
 * on the list by others is not woken: anybody can make a room, with a list of thousands. */
static void on_notice(void *arg)
{
	struct room *r = arg;
	struct jd_stanza *st = r->notice;

	r->notice = NULL;
	r->notice_timer = NULL;
	for (size_t i = 0; st && i < r->n_affiliates; i++) {
		const struct affiliate *a = r->affiliates[i];

		if (a->came && a->affiliation >= AFF_MEMBER && !muc_occupant_of(r, a->jid))
			jd_notice(a->jid, st);
	}
	jd_stanza_unref(st);
}

static void give_notice(struct room *r, struct jd_stanza *st)
{
	if (!jd_el_ok(jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "body")) ||
	    r->n_affiliates == 0)
		return;
	jd_stanza_unref(r->notice);
	r->notice = jd_stanza_ref(st);
	if (!r->notice_timer)
		r->notice_timer =
			jd_timer_start(jd_account_pending(r->account), NOTICE_AFTER, on_notice, r);
}

/* -- storing and sending ---------------------------------------------------------------------- */

static void send(struct room *r, struct jd_stanza *st)
{
	muc_was_said(r, st);
	muc_send_all(r, st);
	give_notice(r, st);
}

static void on_put(void *arg, int result, uint64_t id, jd_usec at)
{
	struct visit *v = arg;
	struct jd_stanza *st = v->room->kept, *full;

	(void)at;
	if (result < 0) {
		muc_room_keep(v->room, NULL);
		muc_end(v, muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT,
				      "The message could not be stored."));
		return;
	}
	full = named(v->room, st, id);
	send(v->room, full ? full : st);
	jd_stanza_unref(full);
	muc_room_keep(v->room, NULL);
	muc_end(v, JD_DONE);
}

enum jd_verdict muc_publish(struct visit *v, struct jd_stanza *st, struct jd_jid peer)
{
	struct room *r = v->room;
	const struct jd_archive_put put = {.owner = muc_room_owner(r), .peer = peer, .st = st};

	if (!v->muc->archive || !r->config.archived ||
	    !v->muc->archive->room_keeps(jd_stanza_root(st))) {
		send(r, st);
		return JD_DONE;
	}
	muc_room_keep(r, st);
	if (v->muc->archive->put(v->muc->archive_mi, v->pending, &put, on_put, v) == 0)
		return JD_WAIT;
	muc_room_keep(r, NULL);
	return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT,
			  "The message could not be stored.");
}

/* -- the subject --------------------------------------------------------------------------------
 */

void muc_send_subject(struct room *r, struct jd_jid to)
{
	struct jd_stanza *st;
	struct jd_xml *x;

	if (!r->subject) {
		x = jd_stanza_new(JD_MESSAGE, JD_TYPE_GROUPCHAT, muc_room_jid(r), to, JD_STR_NULL);
		jd_xml_leaf(x, JD_NS_STANZA, "subject", JD_STR(""));
		jd_send(x);
		return;
	}
	st = jd_stanza_clone(r->subject);
	x = jd_stanza_add(st);
	jd_delay_write(x, muc_room_jid(r), r->subject_at);
	jd_stanza_added(st, x);
	jd_stanza_set_to(st, to);
	jd_route(st);
	jd_stanza_unref(st);
}

static void on_subject(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	struct jd_stanza *st = v->room->kept;
	enum jd_verdict verdict;

	(void)rows;
	if (status != JD_DB_OK) {
		muc_room_keep(v->room, NULL);
		muc_end(v, muc_refuse(v, JD_INTERNAL_SERVER_ERROR, JD_ERRTYPE_WAIT, NULL));
		return;
	}
	jd_stanza_unref(v->room->subject);
	v->room->subject = jd_stanza_ref(st);
	v->room->subject_at = jd_now();
	verdict = muc_publish(v, st, st->from);
	if (verdict != JD_WAIT)
		muc_end(v, verdict);
}

enum jd_verdict muc_say(struct visit *v, struct jd_stanza *st)
{
	if (!muc_is_subject(jd_stanza_root(st)))
		return muc_publish(v, st, st->from);
	muc_room_keep(v->room, st);
	if (muc_store_subject(v, st, jd_now(), on_subject) == 0)
		return JD_WAIT;
	muc_room_keep(v->room, NULL);
	return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, NULL);
}

void muc_announce(struct room *r, unsigned code)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_GROUPCHAT, muc_room_jid(r),
					 JD_JID_NULL, JD_STR_NULL);
	struct jd_stanza *st;

	jd_xml_start(x, NS_USER, "x");
	jd_xml_start(x, NULL, "status");
	jd_xml_attr_int(x, "code", (int64_t)code);
	jd_xml_end(x);
	jd_xml_end(x);
	st = jd_built(x);
	if (st)
		muc_send_all(r, st);
	jd_stanza_unref(st);
}

/* -- who may say what ------------------------------------------------------------------------ */

static bool may_change_subject(const struct room *r, const struct occupant *o)
{
	return o->role == ROLE_MODERATOR || (r->config.subject_free && o->role >= ROLE_PARTICIPANT);
}

static enum jd_verdict too_soon(struct visit *v, unsigned wait)
{
	struct jd_str text = jd_arena_printf(
		v->arena,
		"This room is slow: %u seconds between two messages of one user; wait %u more.",
		v->room->config.slow, wait);

	return muc_refuse(v, JD_POLICY_VIOLATION, JD_ERRTYPE_WAIT, text.p);
}

static enum jd_verdict say(struct visit *v)
{
	struct device *d = muc_device_find(v->room, v->st->from);
	struct jd_el root = jd_stanza_root(v->st);
	bool subject = muc_is_subject(root);
	enum jd_verdict verdict;
	unsigned wait;
	struct jd_stanza *st;

	if (!v->room->made || v->room->locked)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT, NULL);
	if (!d)
		return muc_refuse(v, JD_NOT_ACCEPTABLE, JD_ERRTYPE_DEFAULT,
				  "You are not in this room.");
	if (subject ? !may_change_subject(v->room, d->occupant)
		    : d->occupant->role < ROLE_PARTICIPANT)
		return muc_refuse(v, JD_FORBIDDEN, JD_ERRTYPE_DEFAULT,
				  subject ? "You may not change the subject."
					  : "You have no voice in this room.");
	if (!muc_occupant_pays(d->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	wait = muc_must_wait(d->occupant, v->st);
	if (wait)
		return too_soon(v, wait);
	st = reflected(d->occupant, v->st);
	if (!st)
		return muc_refuse(v, JD_POLICY_VIOLATION, JD_ERRTYPE_MODIFY,
				  "The message is too large for a room.");
	if (jd_el_ok(jd_el_child(root, NS_RETRACT, "retract")))
		verdict = muc_on_retract(v, d->occupant, st);
	else
		verdict = muc_say(v, st);
	jd_stanza_unref(st);
	return verdict;
}

enum jd_verdict muc_on_message(struct visit *v)
{
	if (v->st->type == JD_TYPE_ERROR) {
		muc_on_error(v);
		return JD_DONE;
	}
	if (v->st->to.resource_len)
		return muc_on_private(v);
	if (v->st->type == JD_TYPE_GROUPCHAT)
		return say(v);
	if (v->st->type == JD_TYPE_NONE)
		return muc_on_normal(v);
	if (v->st->type == JD_TYPE_HEADLINE)
		return JD_DROP;
	return muc_refuse(v, JD_BAD_REQUEST, JD_ERRTYPE_DEFAULT,
			  "Messages to a room are of type groupchat.");
}
