/* SPDX-License-Identifier: MIT
 *
 * Push notifications (XEP-0357): a client that sleeps is told through its vendor's
 * service that there is something for it.
 *
 * News is a message for people that has been committed to the account's log.  A
 * registration is told when its own client is not awake: it has no session, or one
 * whose connection is gone, whatever other clients of the account do, which get
 * the message themselves.  A connection may have been gone before that was noticed:
 * what the client has not shown to have got by then is news, too.
 */
#include "push.h"

/* Behind mod_archive, before mod_carbons and the delivery. */
#define PRIO_PUSH (JD_PRIO_LAST - 40)

#define BODY_MAX 512

static const char *const summaries[] = {
	[SUMMARY_NONE] = "none", [SUMMARY_SENDER] = "sender", [SUMMARY_BODY] = "body", NULL};

static const struct jd_option options[] = {
	JD_OPT_CHOICE("summary", struct options, summary, "none", summaries,
		      "What a notification says: nothing; how many and from whom; the text, too."),
	JD_OPT_BOOL("inactive", struct options, inactive, "false",
		    "Tell clients that are connected but say that nobody looks (XEP-0352), too."),
	JD_OPT_TIME("interval", struct options, interval, "1min", JD_USEC_PER_SEC,
		    86400 * JD_USEC_PER_SEC,
		    "Between two notifications for a client that does not come back."),
	JD_OPT_TIME("backoff", struct options, backoff, "30s", JD_USEC_PER_SEC,
		    3600 * JD_USEC_PER_SEC,
		    "Before the second attempt; it doubles with each, up to an hour."),
	JD_OPT_INT("attempts", struct options, attempts, "6", 1, 20,
		   "How often a notification is tried."),
	JD_OPT_INT("max_registrations", struct options, max_registrations, "10", 1, 100,
		   "Of one account; the oldest goes when there are more."),
	JD_OPT_END,
};

/* -- awake ------------------------------------------------------------------------------------ */

static bool is_awake(const struct options *o, const struct jd_session *s)
{
	return !jd_session_hibernates(s) && !(o->inactive && jd_session_inactive(s));
}

bool push_awake(struct reg *r)
{
	struct jd_session *s = jd_session_find(r->account, jd_cstr(r->client));

	return s && is_awake(jd_data(r->mi), s);
}

static void on_there(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct home *h = push_home(mi, ev->account);
	struct jd_str resource = jd_jid_resource(jd_session_jid(ev->session));

	for (struct reg *r = h->regs; r; r = r->next)
		if (jd_str_is(resource, r->client) && push_awake(r))
			push_back(r);
}

/* -- news ------------------------------------------------------------------------------------- */

/* Payloads that only the receiver's client can read. */
static bool is_encrypted(struct jd_el root)
{
	return jd_el_ok(jd_el_child(root, NULL, "encrypted")) ||
	       jd_el_ok(jd_el_child(root, "urn:xmpp:openpgp:0", "openpgp")) ||
	       jd_el_ok(jd_el_child(root, "jabber:x:encrypted", "x")) ||
	       jd_el_ok(jd_el_child(root, "urn:xmpp:eme:0", "encryption"));
}

/* For people to read, or to pick up. */
static bool is_important(const struct jd_stanza *st, struct jd_el root)
{
	if (st->kind != JD_MESSAGE || st->type == JD_TYPE_ERROR || st->type == JD_TYPE_HEADLINE)
		return false;
	return jd_el_text_chars(jd_el_child(root, JD_NS_STANZA, "body")) || is_encrypted(root) ||
	       jd_el_ok(jd_el_child(root, "urn:xmpp:jingle-message:0", "propose")) ||
	       jd_el_ok(jd_el_child(root, "urn:xmpp:call-invites:0", "invite"));
}

/* At most so many bytes, and whole characters. */
static struct jd_str cut(struct jd_str s)
{
	if (s.len <= BODY_MAX)
		return s;
	s.len = BODY_MAX;
	while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

/* No more of it than may be told is kept. */
static struct news read_news(const struct options *o, struct jd_stanza *st, struct jd_el root)
{
	struct jd_el body = jd_el_child(root, JD_NS_STANZA, "body");
	struct news news = {.count = 1};

	if (o->summary != SUMMARY_NONE)
		news.sender = jd_jid_str(st->from);
	if (o->summary == SUMMARY_BODY && jd_el_text_chars(body) && !is_encrypted(root))
		news.body = cut(jd_el_text(body, st->arena));
	return news;
}

static void tell_client(struct jd_instance *mi, struct jd_session *s, const struct news *news)
{
	char *client = jd_strdup(jd_jid_resource(jd_session_jid(s)));

	push_tell(push_home(mi, jd_session_account(s)), client, news);
	jd_free(client);
}

/* Rooms send to sessions, and take one that hibernates for somebody who is there. */
static void on_groupchat(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	const struct options *o = jd_data(mi);
	struct jd_el root;
	struct news news;

	if (!ev->session || is_awake(o, ev->session) || !jd_account_owner(ev->account))
		return;
	root = jd_stanza_root(ev->st);
	if (!is_important(ev->st, root) || jd_el_ok(jd_el_child(root, JD_NS_DELAY, "delay")))
		return;
	news = read_news(o, ev->st, root);
	tell_client(mi, ev->session, &news);
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	uint64_t owner = jd_account_owner(ev->account);
	struct jd_el root;
	struct news news;

	if (ev->st->type == JD_TYPE_GROUPCHAT)
		on_groupchat(mi, ev);
	/* Of those that come again the end of their session has told. */
	if (!owner || ev->st->row.owner != owner || ev->again ||
	    jd_jid_bare_eq(ev->st->from, jd_account_jid(ev->account)))
		return JD_PASS;
	root = jd_stanza_root(ev->st);
	if (is_important(ev->st, root)) {
		news = read_news(jd_data(mi), ev->st, root);
		push_tell(push_home(mi, ev->account), NULL, &news);
	}
	return JD_PASS;
}

/* Of a room that the account belongs to, and is not in. */
static void on_notice(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_el root = jd_stanza_root(ev->st);
	struct news news;

	if (!jd_account_owner(ev->account) || !is_important(ev->st, root))
		return;
	news = read_news(jd_data(mi), ev->st, root);
	push_tell(push_home(mi, ev->account), NULL, &news);
}

/* -- what a client has not shown to have ------------------------------------------------------ */

/* Data of a session: the important rows that were written to it, up to the last one. */
struct sent {
	uint64_t row;
	struct kept_news news;
	bool untaken; /* it ends, and some were not taken */
};

static bool is_registered(const struct home *h, struct jd_session *s)
{
	struct jd_str resource = jd_jid_resource(jd_session_jid(s));

	for (const struct reg *r = h->regs; r; r = r->next)
		if (!r->ended && !r->dropped && jd_str_is(resource, r->client))
			return true;
	return h->state != LOADED;
}

static bool on_out(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	uint64_t owner = jd_account_owner(ev->account);
	struct sent *sent;
	struct jd_el root;
	struct news news;

	if (!owner || ev->st->row.owner != owner ||
	    !is_registered(push_home(mi, ev->account), ev->session))
		return false;
	root = jd_stanza_root(ev->st);
	if (!is_important(ev->st, root) ||
	    jd_jid_bare_eq(ev->st->from, jd_account_jid(ev->account)))
		return false;
	sent = jd_session_data(mi, ev->session);
	news = read_news(jd_data(mi), ev->st, root);
	if (ev->st->row.id > sent->row)
		sent->row = ev->st->row.id;
	push_keep(&sent->news, &news);
	return false;
}

static void on_taken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	struct sent *sent = jd_session_data(mi, ev->session);

	for (size_t i = 0; i < ev->n && sent->news.count; i++)
		if (ev->rows[i] >= sent->row)
			push_forget(&sent->news);
}

static void tell_sent(struct jd_instance *mi, struct jd_session_event *ev, struct sent *sent)
{
	struct news news = push_kept(&sent->news);

	if (news.count && jd_account_owner(ev->account))
		tell_client(mi, ev->session, &news);
}

/* Perhaps for the second time, with a resumption in between: then it is news again. */
static void on_lost(struct jd_instance *mi, struct jd_session_event *ev)
{
	tell_sent(mi, ev, jd_session_data(mi, ev->session));
}

/* It is in the list of its account until it is unbound. When it was lost, or what came since did,
 * its client has been told. */
static void on_untaken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	struct sent *sent = jd_session_data(mi, ev->session);

	sent->untaken = !jd_session_hibernates(ev->session);
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct sent *sent = jd_session_data(mi, ev->session);

	if (sent->untaken)
		tell_sent(mi, ev, sent);
}

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	push_forget(&((struct sent *)data)->news);
}

/* -- the module ------------------------------------------------------------------------------- */

static int start_hooks(struct jd_instance *mi)
{
	int r = jd_on(mi, account_in, PRIO_PUSH, on_account);

	if (r == 0)
		r = jd_on(mi, account_notice, JD_PRIO_NORMAL, on_notice);
	if (r == 0)
		r = jd_on(mi, session_bound, JD_PRIO_NORMAL, on_there);
	if (r == 0)
		r = jd_on(mi, session_activity, JD_PRIO_NORMAL, on_there);
	/* Behind those that may hold a stanza back: only what is written can be missing. */
	if (r == 0)
		r = jd_on(mi, session_out, JD_PRIO_LAST, on_out);
	if (r == 0)
		r = jd_on(mi, session_taken, JD_PRIO_NORMAL, on_taken);
	if (r == 0)
		r = jd_on(mi, session_untaken, JD_PRIO_NORMAL, on_untaken);
	if (r == 0)
		r = jd_on(mi, session_lost, JD_PRIO_NORMAL, on_lost);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	return r;
}

static int start(struct jd_instance *mi)
{
	int r = push_enable_start(mi);

	if (r == 0)
		r = push_commands_start(mi);
	if (r == 0)
		r = start_hooks(mi);
	return r;
}

JD_MODULE(push, .summary = "Push notifications (XEP-0357)", .after = "archive",
	  .data_size = sizeof(struct options), .account_size = sizeof(struct home),
	  .session_size = sizeof(struct sent), .options = options,
	  .account_free = push_account_free, .session_free = session_free, .start = start);
