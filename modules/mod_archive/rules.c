/* SPDX-License-Identifier: MIT
 *
 * What an account's archive keeps, as one table.  Messages of the types normal
 * and chat are kept if they have a body, or something else that somebody wants to
 * find on every device and years later; what is over when it has been seen, such
 * as "is typing", is not.  Who sends may ask for the one or the other by a hint
 * (XEP-0334).  A body counts even if it is said to be a mere fallback (XEP-0428): it
 * stands for something, and not every device may know for what.
 */
#include "archive.h"

#define NS_HINTS "urn:xmpp:hints"

/* The first entry that the message has a child for decides. name NULL: any in this namespace. */
static const struct rule {
	const char *ns, *name;
	bool keep;
	int flags;
} rules[] = {
	{NS_HINTS, "no-store", false, 0},
	{NS_HINTS, "no-permanent-store", false, 0},
	{JD_NS_STANZA, "body", true, FLAG_BODY},
	{NS_HINTS, "store", true, 0},
	/* encrypted: nobody here can know what is inside */
	{"urn:xmpp:omemo:2", "encrypted", true, 0},
	{"eu.siacs.conversations.axolotl", "encrypted", true, 0},
	{"urn:xmpp:openpgp:0", "openpgp", true, 0},
	{"jabber:x:encrypted", "x", true, 0},
	/* about other messages: received (0184), seen (0333), taken back (0424), reactions (0444)
	 */
	{"urn:xmpp:receipts", "received", true, 0},
	{"urn:xmpp:chat-markers:0", "received", true, 0},
	{"urn:xmpp:chat-markers:0", "displayed", true, 0},
	{"urn:xmpp:chat-markers:0", "acknowledged", true, 0},
	{"urn:xmpp:message-retract:1", "retract", true, 0},
	{"urn:xmpp:message-retract:0", "retract", true, 0},
	{"urn:xmpp:fasten:0", "apply-to", true, 0},
	{"urn:xmpp:message-correct:0", "replace", true, 0},
	{"urn:xmpp:reactions:0", "reactions", true, 0},
	/* calls (0353, 0482) and invitations to rooms (0249, 0045) */
	{"urn:xmpp:jingle-message:0", NULL, true, 0},
	{"urn:xmpp:call-invites:0", NULL, true, 0},
	{"jabber:x:conference", "x", true, 0},
};

static bool is_room_invitation(struct jd_el root)
{
	static const char ns[] = "http://jabber.org/protocol/muc#user";
	struct jd_el x = jd_el_child(root, ns, "x");

	return jd_el_ok(jd_el_child(x, ns, "invite")) || jd_el_ok(jd_el_child(x, ns, "decline"));
}

bool archive_rules_keep(struct jd_stanza *st, int *ret_flags)
{
	struct jd_el root = jd_stanza_root(st);

	*ret_flags = 0;
	if (st->kind != JD_MESSAGE || (st->type != JD_TYPE_NONE && st->type != JD_TYPE_CHAT))
		return false;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rules); i++) {
		if (!jd_el_ok(jd_el_child(root, rules[i].ns, rules[i].name)))
			continue;
		*ret_flags = rules[i].flags;
		return rules[i].keep;
	}
	return is_room_invitation(root);
}
