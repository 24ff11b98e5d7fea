/* SPDX-License-Identifier: MIT
 *
 * Message Carbons (XEP-0280): the other sessions of an account see what one of
 * them sends, and what comes for one of them alone.
 *
 *   sent        in the chain of the sending session, last of all: what gets so far
 *               is going to be routed
 *   received    in the account's chain, right before mod_message delivers: a session
 *               gets the message or a copy of it, never both
 *
 * Copies are written to the sessions at once and not routed, so each session sees
 * messages and copies in the order in which its account handled them, and no
 * error that a copy causes can go anywhere.
 */
#include <jackdaw/module.h>

#define NS_CARBONS  "urn:xmpp:carbons:2"
#define NS_FORWARD  "urn:xmpp:forward:0"
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"

/* Behind what stores messages, before mod_message, which is at JD_PRIO_LAST. */
#define PRIO_RECEIVED (JD_PRIO_LAST - 10)

#define SENT_KEPT 32

/* The last messages of a session that were copied, hashed: errors that answer them are
 * copied as well. */
struct sent {
	uint64_t hash[SENT_KEPT];
	unsigned next;
};

/* Data of a session. */
struct state {
	bool enabled;
	struct sent *sent; /* NULL: nothing yet */
};

static bool enabled(struct jd_instance *mi, struct jd_session *s)
{
	return ((const struct state *)jd_session_data(mi, s))->enabled;
}

/* -- which messages (section 6.1) ---------------------------------------------------- */

static bool has(struct jd_stanza *st, const char *ns, const char *name)
{
	return jd_el_ok(jd_el_child(jd_stanza_root(st), ns, name));
}

static bool invites(struct jd_stanza *st)
{
	struct jd_el x = jd_el_child(jd_stanza_root(st), NS_MUC_USER, "x");

	return jd_el_ok(jd_el_child(x, NS_MUC_USER, "invite")) ||
	       has(st, "jabber:x:conference", "x");
}

static bool is_chatty(struct jd_stanza *st)
{
	static const char *const payloads[] = {
		"urn:xmpp:receipts",
		"http://jabber.org/protocol/chatstates",
		"urn:xmpp:chat-markers:0",
		"urn:xmpp:eme:0",
	};

	for (size_t i = 0; i < JD_ARRAY_SIZE(payloads); i++)
		if (has(st, payloads[i], NULL))
			return true;
	return invites(st);
}

/* Errors are judged by what they answer, not here. */
static bool is_eligible(struct jd_stanza *st)
{
	if (st->type == JD_TYPE_GROUPCHAT || st->type == JD_TYPE_ERROR ||
	    has(st, NS_CARBONS, "private") || has(st, "urn:xmpp:hints", "no-copy"))
		return false;
	return st->type == JD_TYPE_CHAT ||
	       (st->type == JD_TYPE_NONE && has(st, JD_NS_STANZA, "body")) || is_chatty(st);
}

/* An occupant of a room speaks to us: the room tells each of our devices itself. */
static bool is_from_occupant(struct jd_stanza *st)
{
	return st->from.resource_len && has(st, NS_MUC_USER, "x") && !invites(st);
}

/* -- errors that answer what was copied ---------------------------------------------- */

static uint64_t hash_more(uint64_t h, struct jd_str s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* Never 0, which is an empty place. */
static uint64_t hash_message(struct jd_str id, struct jd_jid peer)
{
	return hash_more(hash_more(UINT64_C(0xcbf29ce484222325), id), jd_jid_str(peer)) | 1;
}

static void remember(struct state *state, const struct jd_stanza *st)
{
	if (!st->id.len)
		return;
	if (!state->sent)
		state->sent = jd_alloc(sizeof(*state->sent));
	state->sent->hash[state->sent->next++ % SENT_KEPT] = hash_message(st->id, st->to);
}

static bool answers_copied(const struct state *state, const struct jd_stanza *st)
{
	uint64_t hash = hash_message(st->id, st->from);

	for (unsigned i = 0; state->sent && i < SENT_KEPT; i++)
		if (state->sent->hash[i] == hash)
			return true;
	return false;
}

/* -- copies -------------------------------------------------------------------------- */

static struct jd_stanza *wrap(const char *direction, struct jd_stanza *st, struct jd_jid own)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, st->type, own, own, JD_STR_NULL);

	jd_xml_start(x, NS_CARBONS, direction);
	jd_xml_start(x, NS_FORWARD, "forwarded");
	jd_stanza_write(st, x);
	jd_xml_end(x);
	jd_xml_end(x);
	return jd_built(x);
}

static void send_copy(struct jd_session *to, struct jd_stanza *copy)
{
	struct jd_stanza *own = jd_stanza_clone(copy);

	jd_stanza_set_to(own, jd_session_jid(to));
	(void)jd_session_send(to, own);
	jd_stanza_unref(own);
}

/* To every session that has asked for copies, but for those that skip() names. */
static void send_copies(struct jd_instance *mi, const struct jd_stanza_event *ev,
			const char *direction,
			bool (*skip)(const struct jd_stanza_event *, const struct jd_session *))
{
	struct jd_stanza *copy = NULL;
	struct jd_session *s, *next;

	for (s = jd_session_next(ev->account, NULL); s; s = next) {
		next = jd_session_next(ev->account, s);
		if (!enabled(mi, s) || skip(ev, s))
			continue;
		if (!copy)
			copy = wrap(direction, ev->st, jd_account_jid(ev->account));
		if (!copy) {
			jd_log_peer(JD_LOG_INFO, "no copy of a message: it would be too large");
			return;
		}
		jd_stanza_set_row(copy, ev->st->row.owner, ev->st->row.id);
		send_copy(s, copy);
	}
	jd_stanza_unref(copy);
}

static bool wanted(struct jd_instance *mi, const struct jd_stanza_event *ev,
		   bool (*skip)(const struct jd_stanza_event *, const struct jd_session *))
{
	for (struct jd_session *s = jd_session_next(ev->account, NULL); s;
	     s = jd_session_next(ev->account, s))
		if (enabled(mi, s) && !skip(ev, s))
			return true;
	return false;
}

/* -- sent ---------------------------------------------------------------------------- */

static bool sends_it(const struct jd_stanza_event *ev, const struct jd_session *s)
{
	return s == ev->session;
}

/* What goes to the own account comes back to its sessions as received. */
static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind != JD_MESSAGE || jd_jid_bare_eq(ev->st->to, ev->st->from) ||
	    !wanted(mi, ev, sends_it) || !is_eligible(ev->st))
		return JD_PASS;
	send_copies(mi, ev, "sent", sends_it);
	remember(jd_session_data(mi, ev->session), ev->st);
	return JD_PASS;
}

/* -- received ------------------------------------------------------------------------ */

/* Who is delivered to: mod_message's table. */
static bool gets_itself(const struct jd_stanza_event *ev, const struct jd_session *s)
{
	if (ev->session)
		return s == ev->session;
	return jd_session_presence(s) && jd_session_priority(s) >= 0;
}

static bool is_delivered(const struct jd_stanza_event *ev)
{
	if (ev->session)
		return true;
	if (ev->st->type == JD_TYPE_ERROR ||
	    (ev->st->to.resource_len && ev->st->type != JD_TYPE_CHAT))
		return false;
	for (struct jd_session *s = jd_session_next(ev->account, NULL); s;
	     s = jd_session_next(ev->account, s))
		if (gets_itself(ev, s))
			return true;
	return false;
}

static bool knows_it(const struct jd_stanza_event *ev, const struct jd_session *s)
{
	return gets_itself(ev, s) || jd_jid_eq(jd_session_jid(s), ev->st->from);
}

static bool is_received(struct jd_instance *mi, const struct jd_stanza_event *ev)
{
	if (ev->st->type == JD_TYPE_ERROR)
		return ev->session && answers_copied(jd_session_data(mi, ev->session), ev->st);
	return is_eligible(ev->st) && !is_from_occupant(ev->st);
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind == JD_MESSAGE && wanted(mi, ev, knows_it) && is_delivered(ev) &&
	    is_received(mi, ev))
		send_copies(mi, ev, "received", knows_it);
	return JD_PASS;
}

/* -- switching it on and off --------------------------------------------------------- */

static enum jd_verdict set_enabled(struct jd_instance *mi, struct jd_iq *iq, bool on)
{
	if (!iq->own) { /* as if there were no such account */
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
		return JD_DONE;
	}
	((struct state *)jd_session_data(mi, iq->session))->enabled = on;
	jd_iq_ok(iq);
	return JD_DONE;
}

static enum jd_verdict on_enable(struct jd_instance *mi, struct jd_iq *iq)
{
	return set_enabled(mi, iq, true);
}

static enum jd_verdict on_disable(struct jd_instance *mi, struct jd_iq *iq)
{
	return set_enabled(mi, iq, false);
}

/* <enable/> in the <bind/> of Bind 2 (XEP-0386): it cannot fail, and there is nothing to say. */
static void on_bind(struct jd_instance *mi, struct jd_session *s, struct jd_el el,
		    struct jd_xml *answer)
{
	(void)answer;
	if (jd_el_is(el, NS_CARBONS, "enable"))
		((struct state *)jd_session_data(mi, s))->enabled = true;
}

/* -- the module ---------------------------------------------------------------------- */

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	jd_free(((struct state *)data)->sent);
}

static int start(struct jd_instance *mi)
{
	int r = jd_on(mi, session_in, JD_PRIO_LAST, on_session);

	if (r == 0)
		r = jd_on(mi, account_in, PRIO_RECEIVED, on_account);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_CARBONS, "enable", on_enable);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_CARBONS, "disable", on_disable);
	jd_feature(mi, JD_TO_HOST, NS_CARBONS);
	jd_bind_feature(mi, NS_CARBONS, on_bind);
	return r;
}

JD_MODULE(carbons, .summary = "Copies of messages for all devices (XEP-0280)",
	  .session_size = sizeof(struct state), .session_free = session_free, .start = start);
