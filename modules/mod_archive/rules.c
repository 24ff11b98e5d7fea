/* SPDX-License-Identifier: MIT
 *
 * What archives keep, as one table.  Messages of the types normal and chat, and those
 * said to all in a room, are kept if they have a body, or something else that somebody
 * wants to find on every device and years later; what is over when it has been seen, such
 * as "is typing", is not.  Who sends may ask for the one or the other by a hint
 * (XEP-0334): nowhere, or not here for ever.  A body counts even if it is said to be a mere
 * fallback (XEP-0428): it stands for something, and not every device may know for what.
 */
#include "archive.h"

#define NS_HINTS "urn:xmpp:hints"

enum where { EVERYWHERE, CHATS, ROOMS };

/* The first entry that the message has a child for decides. name NULL: any in this namespace. */
static const struct rule {
	const char *ns, *name;
	enum kept kept;
	int flags;
	enum where where;
} rules[] = {
	{NS_HINTS, "no-store", KEPT_NO, 0, EVERYWHERE},
	{NS_HINTS, "no-permanent-store", KEPT_UNTIL_DELIVERED, 0, EVERYWHERE},
	{JD_NS_STANZA, "body", KEPT_FOREVER, FLAG_BODY, EVERYWHERE},
	{JD_NS_STANZA, "subject", KEPT_FOREVER, 0, ROOMS},
	{NS_HINTS, "store", KEPT_FOREVER, 0, EVERYWHERE},
	/* encrypted: nobody here can know what is inside */
	{"urn:xmpp:omemo:2", "encrypted", KEPT_FOREVER, 0, EVERYWHERE},
	{"eu.siacs.conversations.axolotl", "encrypted", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:openpgp:0", "openpgp", KEPT_FOREVER, 0, EVERYWHERE},
	{"jabber:x:encrypted", "x", KEPT_FOREVER, 0, EVERYWHERE},
	/* about other messages: received (0184), seen (0333), taken back (0424), reactions (0444);
	 * that each of a hundred has received something nobody looks up */
	{"urn:xmpp:receipts", "received", KEPT_FOREVER, 0, CHATS},
	{"urn:xmpp:chat-markers:0", "received", KEPT_FOREVER, 0, CHATS},
	{"urn:xmpp:chat-markers:0", "displayed", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:chat-markers:0", "acknowledged", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:message-retract:1", "retract", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:message-retract:0", "retract", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:fasten:0", "apply-to", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:message-correct:0", "replace", KEPT_FOREVER, 0, EVERYWHERE},
	{"urn:xmpp:reactions:0", "reactions", KEPT_FOREVER, 0, EVERYWHERE},
	/* calls (0353, 0482) and invitations to rooms (0249, 0045) */
	{"urn:xmpp:jingle-message:0", NULL, KEPT_FOREVER, 0, CHATS},
	{"urn:xmpp:call-invites:0", NULL, KEPT_FOREVER, 0, EVERYWHERE},
	{"jabber:x:conference", "x", KEPT_FOREVER, 0, CHATS},
};

static bool is_room_invitation(struct jd_el root)
{
	static const char ns[] = "http://jabber.org/protocol/muc#user";
	struct jd_el x = jd_el_child(root, ns, "x");

	return jd_el_ok(jd_el_child(x, ns, "invite")) || jd_el_ok(jd_el_child(x, ns, "decline"));
}

/* The first rule that fits; NULL: none. */
static const struct rule *find(struct jd_el root, size_t from, enum where here)
{
	for (size_t i = from; i < JD_ARRAY_SIZE(rules); i++)
		if ((rules[i].where == EVERYWHERE || rules[i].where == here) &&
		    jd_el_ok(jd_el_child(root, rules[i].ns, rules[i].name)))
			return &rules[i];
	return NULL;
}

/* A room delivers at once, to who is there: there is nothing to keep until then. */
bool archive_room_keeps(struct jd_el root)
{
	const struct rule *found = find(root, 0, ROOMS);

	return found && found->kept == KEPT_FOREVER;
}

enum kept archive_rules(struct jd_stanza *st, int *ret_flags)
{
	struct jd_el root = jd_stanza_root(st);
	const struct rule *found, *other;

	*ret_flags = 0;
	if (st->kind != JD_MESSAGE || (st->type != JD_TYPE_NONE && st->type != JD_TYPE_CHAT))
		return KEPT_NO;
	found = find(root, 0, CHATS);
	if (!found)
		return is_room_invitation(root) ? KEPT_FOREVER : KEPT_NO;
	if (found->kept != KEPT_UNTIL_DELIVERED) {
		*ret_flags = found->flags;
		return found->kept;
	}
	/* Not for ever; but is it worth keeping at all? */
	other = find(root, (size_t)(found - rules) + 1, CHATS);
	if (!other)
		return is_room_invitation(root) ? KEPT_UNTIL_DELIVERED : KEPT_NO;
	*ret_flags = other->flags;
	return KEPT_UNTIL_DELIVERED;
}
