/* SPDX-License-Identifier: MIT
 *
 * What is sent through the room to one occupant: private messages (XEP-0045 7.5), which
 * are the two users' own and not kept by the room, and requests (section 17.4), which are
 * asked again in the name of the one and answered in the name of the other, so that neither
 * learns who the other is.  And what comes back: errors, by which ghosts are known (18.1.3).
 */
#include "muc.h"

#define NS_PING    "urn:xmpp:ping"
#define NS_VCARD   "vcard-temp"
#define NS_PUBSUB  "http://jabber.org/protocol/pubsub"
#define ANSWER_MAX (60 * JD_USEC_PER_SEC)
#define PING_MAX   (30 * JD_USEC_PER_SEC)

/* -- messages ------------------------------------------------------------------------------- */

static void send_private(struct visit *v, const struct occupant *from, const struct occupant *to)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, v->st->type, from->at, JD_JID_NULL, v->st->id);
	struct jd_stanza *st;

	jd_xml_attr_ns(x, JD_NS_XML, "lang", v->st->lang);
	JD_EL_EACH(child, jd_stanza_root(v->st))
	if (!muc_is_reserved(v->room, child, v->st->arena))
		jd_xml_copy(x, child);
	jd_xml_start(x, NS_USER, "x");
	jd_xml_end(x);
	muc_write_occupant_id(x, from->id);
	st = jd_built(x);
	for (const struct device *d = to->devices; st && d; d = d->next)
		jd_send_copy(st, d->jid);
	jd_stanza_unref(st);
}

enum jd_verdict muc_on_private(struct visit *v)
{
	struct device *from = muc_device_find(v->room, v->st->from);
	struct occupant *to = muc_occupant_find(v->room, jd_jid_resource(v->st->to));

	if (v->st->type == JD_TYPE_GROUPCHAT)
		return muc_refuse(v, JD_BAD_REQUEST, JD_ERRTYPE_DEFAULT,
				  "This is no message for all.");
	if (!v->room->made)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT, NULL);
	if (!from)
		return muc_refuse(v, JD_NOT_ACCEPTABLE, JD_ERRTYPE_DEFAULT,
				  "You are not in this room.");
	if (!to)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT,
				  "There is nobody of this name.");
	if (!muc_allows(v->room->config.private, from->occupant->role))
		return muc_refuse(v, JD_FORBIDDEN, JD_ERRTYPE_DEFAULT,
				  "You may not send private messages here.");
	if (!muc_occupant_pays(from->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	send_private(v, from->occupant, to);
	return JD_DONE;
}

/* -- requests -------------------------------------------------------------------------------- */

/* A request that is with somebody else; in the list of the instance. */
struct muc_relay {
	struct muc_relay *next, **link;
	struct jd_stanza *st; /* without its content, which may be large */
};

static struct muc_relay *relay_new(struct visit *v)
{
	struct muc_relay *y = jd_alloc(sizeof(*y));
	struct muc *muc = v->muc;

	y->st = jd_built(
		jd_stanza_new(v->st->kind, v->st->type, v->st->from, v->st->to, v->st->id));
	y->next = muc->relays;
	y->link = &muc->relays;
	if (y->next)
		y->next->link = &y->next;
	muc->relays = y;
	return y;
}

static void relay_free(struct muc_relay *y)
{
	*y->link = y->next;
	if (y->next)
		y->next->link = y->link;
	jd_stanza_unref(y->st);
	jd_free(y);
}

void muc_relays_free(struct muc *muc)
{
	while (muc->relays)
		relay_free(muc->relays);
}

/* Of an error, what it is and what is said about it: all else (by, an address in `gone`, what was
 * asked) may tell who the other one is. */
static void answer_error(struct muc_relay *y, struct jd_stanza *answer)
{
	struct jd_el error = jd_el_child(jd_stanza_root(answer), JD_NS_STANZA, "error");
	struct jd_str type = jd_el_attr(error, "type");
	struct jd_xml *x = jd_stanza_new(JD_IQ, JD_TYPE_ERROR, y->st->to, y->st->from, y->st->id);
	enum jd_condition c = JD_BAD_REQUEST;

	while (c < JD_UNDEFINED_CONDITION &&
	       !jd_el_ok(jd_el_child(error, JD_NS_STANZA_ERRORS, jd_condition_name(c))))
		c++;
	jd_xml_start(x, JD_NS_STANZA, "error");
	jd_xml_attr(x, "type", type.len ? type : JD_STR("cancel"));
	jd_xml_start(x, JD_NS_STANZA_ERRORS, jd_condition_name(c));
	jd_xml_end(x);
	if (jd_el_ok(jd_el_child(error, JD_NS_STANZA_ERRORS, "text")))
		jd_xml_leaf(
			x, JD_NS_STANZA_ERRORS, "text",
			jd_el_text(jd_el_child(error, JD_NS_STANZA_ERRORS, "text"), answer->arena));
	jd_xml_end(x);
	jd_send(x);
}

static void on_answer(void *arg, struct jd_stanza *answer)
{
	struct muc_relay *y = arg;
	struct jd_xml *x;

	if (!answer) {
		jd_bounce(y->st, JD_REMOTE_SERVER_TIMEOUT, NULL);
	} else if (answer->type == JD_TYPE_ERROR) {
		answer_error(y, answer);
	} else {
		x = jd_stanza_new(JD_IQ, answer->type, y->st->to, y->st->from, y->st->id);
		JD_EL_EACH(child, jd_stanza_root(answer))
		jd_xml_copy(x, child);
		jd_send(x);
	}
	relay_free(y);
}

/* What is asked of the account and not of one of its devices (XEP-0054, XEP-0084). */
static bool is_for_account(struct jd_el query)
{
	return jd_el_is(query, NS_VCARD, "vCard") || jd_el_is(query, NS_PUBSUB, "pubsub");
}

static enum jd_verdict relay(struct visit *v, const struct occupant *from,
			     const struct occupant *to)
{
	struct jd_el query = jd_el_first(jd_stanza_root(v->st));
	struct jd_jid target = is_for_account(query) ? to->who : to->devices->jid;
	struct jd_xml *x = jd_stanza_new(JD_IQ, v->st->type, from->at, target, JD_STR_NULL);
	struct muc_relay *y = relay_new(v);

	jd_xml_copy(x, query);
	if (jd_ask(jd_instance_pending(v->room->mi), x, ANSWER_MAX, on_answer, y) == 0)
		return JD_DONE;
	relay_free(y);
	return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, NULL);
}

/* Of somebody who is not here; XEP-0045 6.6 wants another answer than XEP-0410. */
static enum jd_verdict refuse_stranger(struct visit *v, struct jd_el query)
{
	bool disco =
		jd_el_is(query, JD_NS_DISCO_INFO, NULL) || jd_el_is(query, JD_NS_DISCO_ITEMS, NULL);

	return muc_refuse(v, disco ? JD_BAD_REQUEST : JD_NOT_ACCEPTABLE, JD_ERRTYPE_CANCEL,
			  "You are not in this room.");
}

enum jd_verdict muc_on_request(struct visit *v)
{
	struct jd_el query = jd_el_first(jd_stanza_root(v->st));
	struct device *from = muc_device_find(v->room, v->st->from);
	struct occupant *to = muc_occupant_find(v->room, jd_jid_resource(v->st->to));

	if (v->st->type != JD_TYPE_GET && v->st->type != JD_TYPE_SET)
		return JD_DROP;
	if (!from)
		return refuse_stranger(v, query);
	if (!to)
		return muc_refuse(v, JD_ITEM_NOT_FOUND, JD_ERRTYPE_DEFAULT,
				  "There is nobody of this name.");
	if (to == from->occupant && jd_el_is(query, NS_PING, "ping")) {
		jd_send(jd_stanza_new(JD_IQ, JD_TYPE_RESULT, v->st->to, v->st->from, v->st->id));
		return JD_DONE;
	}
	if (!muc_occupant_pays(from->occupant))
		return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "Not so fast.");
	return relay(v, from->occupant, to);
}

/* -- errors ----------------------------------------------------------------------------------- */

/* It cannot be reached any more. */
static bool is_lost(struct jd_stanza *st)
{
	static const char *const lost[] = {
		"gone",          "item-not-found",          "recipient-unavailable", "redirect",
		"jid-malformed", "remote-server-not-found", "remote-server-timeout",
	};
	struct jd_el error = jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "error");

	for (size_t i = 0; i < JD_ARRAY_SIZE(lost); i++)
		if (jd_el_ok(jd_el_child(error, JD_NS_STANZA_ERRORS, lost[i])))
			return true;
	return false;
}

static bool is_unavailable(struct jd_stanza *st)
{
	struct jd_el error = jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "error");

	return jd_el_ok(jd_el_child(error, JD_NS_STANZA_ERRORS, "service-unavailable"));
}

/* The room hears it as it would of the device's server. */
static void say_lost(struct jd_jid device, struct jd_jid room)
{
	struct jd_xml *x =
		jd_stanza_new(JD_PRESENCE, JD_TYPE_ERROR, device, jd_jid_bare(room), JD_STR_NULL);

	jd_xml_start(x, JD_NS_STANZA, "error");
	jd_xml_attr(x, "type", JD_STR("wait"));
	jd_xml_start(x, JD_NS_STANZA_ERRORS, "recipient-unavailable");
	jd_xml_end(x);
	jd_xml_end(x);
	jd_send(x);
}

static void on_pong(void *arg, struct jd_stanza *answer)
{
	struct muc_relay *y = arg;

	if (!answer ||
	    (answer->type == JD_TYPE_ERROR && (is_lost(answer) || is_unavailable(answer))))
		say_lost(y->st->from, y->st->to);
	relay_free(y);
}

/* It may have gone, or does not want to hear of one occupant: it is asked by the room. */
static void doubt(struct visit *v, struct device *d)
{
	jd_usec now = jd_now_mono();
	struct muc_relay *y;
	struct jd_xml *x;

	if (d->asked_at && now - d->asked_at < PING_MAX)
		return;
	d->asked_at = now;
	y = relay_new(v);
	x = jd_stanza_new(JD_IQ, JD_TYPE_GET, muc_room_jid(v->room), d->jid, JD_STR_NULL);
	jd_xml_start(x, NS_PING, "ping");
	jd_xml_end(x);
	if (jd_ask(jd_instance_pending(v->room->mi), x, PING_MAX, on_pong, y) < 0)
		relay_free(y);
}

void muc_on_error(struct visit *v)
{
	struct device *d = muc_device_find(v->room, v->st->from);

	if (!d)
		return;
	if (is_lost(v->st))
		muc_device_lost(d);
	else if (is_unavailable(v->st))
		doubt(v, d);
}
