/* SPDX-License-Identifier: MIT
 *
 * What can wait until somebody looks at the client again: the table of the manual
 * (mod_csi.rst).  Only what is known to be worth nothing later is on it;
 * everything else goes out at once, whatever it is.
 */
#include "csi.h"

#define NS_CHAT_STATES "http://jabber.org/protocol/chatstates"
#define NS_MUC_USER    "http://jabber.org/protocol/muc#user"
#define NS_CARBONS     "urn:xmpp:carbons:2"
#define NS_FORWARD     "urn:xmpp:forward:0"
#define NS_EVENT       "http://jabber.org/protocol/pubsub#event"

/* Beside a chat state these are about the message only. name NULL: any in this namespace. */
static const struct {
	const char *ns, *name;
} wrapping[] = {
	{JD_NS_STANZA, "thread"},
	{"urn:xmpp:hints", NULL},
	{JD_NS_SID, NULL},
	{JD_NS_DELAY, "delay"},
	{"urn:xmpp:occupant-id:0", "occupant-id"},
};

static bool is_wrapping(struct jd_el el)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(wrapping); i++)
		if (jd_el_is(el, wrapping[i].ns, wrapping[i].name))
			return true;
	/* a room's mark on private messages, and nothing in it */
	return jd_el_is(el, NS_MUC_USER, "x") && !jd_el_ok(jd_el_first(el));
}

static bool is_chat_state(struct jd_el message)
{
	bool any = false;

	JD_EL_EACH(el, message)
	{
		if (jd_el_is(el, NS_CHAT_STATES, NULL))
			any = true;
		else if (!is_wrapping(el))
			return false;
	}
	return any;
}

static bool is_carbon(const struct jd_stanza_event *ev, struct jd_el message)
{
	struct jd_el copy = jd_el_first(message);
	struct jd_el inner;

	if (!jd_jid_eq(ev->st->from, jd_account_jid(ev->account)) ||
	    !jd_el_is(copy, NS_CARBONS, NULL))
		return false;
	inner = jd_el_child(jd_el_child(copy, NS_FORWARD, "forwarded"), NULL, "message");
	return is_chat_state(inner);
}

/* Something that another account has published. */
static bool is_notification(const struct jd_stanza_event *ev, struct jd_el message)
{
	struct jd_el event = jd_el_first(message);

	return ev->st->type == JD_TYPE_HEADLINE && jd_el_is(event, NS_EVENT, "event") &&
	       !jd_el_ok(jd_el_child(message, JD_NS_STANZA, "body")) &&
	       !jd_jid_bare_eq(ev->st->from, jd_account_jid(ev->account));
}

static enum light judge_message(const struct options *o, const struct jd_stanza_event *ev)
{
	struct jd_el root = jd_stanza_root(ev->st);

	if (ev->st->type == JD_TYPE_ERROR)
		return HEAVY;
	if (o->notifications && is_notification(ev, root))
		return LIGHT_NOTIFICATION;
	if (!o->chat_states)
		return HEAVY;
	if (is_chat_state(root))
		return LIGHT_CHAT_STATE;
	return is_carbon(ev, root) ? LIGHT_CARBON : HEAVY;
}

/* What a room says about its presence (who is meant, why somebody goes) completes a join or
 * an exit that the client waits for; so does the echo of the client's own presence. */
static enum light judge_presence(const struct options *o, const struct jd_stanza_event *ev)
{
	struct jd_el x = jd_el_child(jd_stanza_root(ev->st), NS_MUC_USER, "x");

	if (!o->presence || (ev->st->type != JD_TYPE_NONE && ev->st->type != JD_TYPE_UNAVAILABLE))
		return HEAVY;
	if (jd_jid_eq(ev->st->from, jd_session_jid(ev->session)) ||
	    jd_el_ok(jd_el_child(x, NS_MUC_USER, "status")) ||
	    jd_el_ok(jd_el_child(x, NS_MUC_USER, "destroy")))
		return HEAVY;
	return LIGHT_PRESENCE;
}

enum light csi_judge(const struct options *o, const struct jd_stanza_event *ev)
{
	if (ev->st->row.owner && ev->st->row.owner == jd_account_owner(ev->account))
		return HEAVY; /* what was worth storing */
	switch (ev->st->kind) {
	case JD_MESSAGE:
		return judge_message(o, ev);
	case JD_PRESENCE:
		return judge_presence(o, ev);
	case JD_IQ:
		break;
	}
	return HEAVY;
}
