/* SPDX-License-Identifier: MIT
 *
 * The life of a session: bound, replaced, ended; and what modules may ask of it.
 *
 * References: one for being bound, one for the client that points to it, one for
 * each stanza, call and deferred thing that remembers it.
 */
#include "core/auth_anonymous.h"
#include "core/sm.h"
#include "util/clock.h"

/* -- ending ---------------------------------------------------------------------------- */

static void session_detach(struct jd_session *s)
{
	if (!s->client)
		return;
	s->client->session = NULL;
	s->client = NULL;
	session_unref(s);
}

void session_unbind(struct jd_session *s)
{
	struct jd_account *a = s->account;

	if (!s->bound)
		return;
	s->bound = false;
	list_remove(&s->node);
	list_remove(&s->all);
	a->n_sessions--;
	s->host->sessions--;
	server.n_sessions--;
	owner_cancel_all(&s->owner); /* no answer comes any more that would change the ledger */
	ledger_end(s);
	sm_end(s);
	hook_notify_session(JD_HOOK_session_unbound, s);
	session_detach(s);
	mailbox_fini(&s->mailbox);
	receipts_abandon(s);
	loop_timer_cancel(server.loop, &s->pace_timer);
	owner_cancel_all(&s->owner);
	drains_end(s);
	slots_free_session(&s->slots, s->host);
	jd_stanza_unref(s->presence);
	s->presence = NULL;
	jd_log(JD_LOG_INFO, "session ended", jd_kv_str("jid", jd_jid_str(s->jid)));
	if (a->anonymous && !a->n_sessions)
		anonymous_end(a->host, jd_jid_local(a->jid), a->number);
	account_unpin(a); /* the session's own pin */
	session_unref(s);
}

void session_end(struct jd_session *s, enum stream_condition condition, const char *text)
{
	if (s->client) {
		if (s->sm)
			sm_answer(s, 1); /* the last word about what need not be sent again */
		c2s_end(s->client->link, condition, text);
	}
	session_unbind(s);
}

void jd_session_end(struct jd_session *s, const char *text)
{
	session_end(s, STREAM_INTERNAL_SERVER_ERROR, text);
}

/* -- binding ----------------------------------------------------------------------------- */

static struct jd_session *session_new(struct client *c, const struct bind_ask *ask,
				      struct jd_account *a, struct jd_jid jid)
{
	size_t jid_len = jd_jid_str(jid).len;
	struct jd_session *s = mem_alloc(sizeof(*s) + jid_len + ask->peer.len + ask->device.len);

	JD_ASSERT(ask->peer.len <= UINT8_MAX && ask->device.len <= UINT8_MAX);
	memcpy(s->text, jid.p, jid_len);
	if (ask->peer.len)
		memcpy(s->text + jid_len, ask->peer.p, ask->peer.len);
	if (ask->device.len)
		memcpy(s->text + jid_len + ask->peer.len, ask->device.p, ask->device.len);
	s->jid = jid;
	s->jid.p = s->text;
	s->peer_len = (uint8_t)ask->peer.len;
	s->device_len = (uint8_t)ask->device.len;
	s->account = a;
	s->host = a->host;
	s->client = c;
	s->refs = 2; /* bound, and the client's */
	s->framed = ask->framed;
	s->secure = ask->secure;
	s->transport = ask->transport;
	s->mechanism = ask->mechanism;
	s->since = clock_real();
	s->id = ++server.next_session;
	list_init(&s->receipts);
	owner_init(&s->owner);
	session_mailbox(s);
	return s;
}

void client_tell(struct client *c, struct jd_stanza *answer, bool framed, enum stream_control then)
{
	struct piece *p = stanza_piece(answer, framed ? STANZA_FRAMED : STANZA_STREAM);

	jd_stanza_unref(answer);
	if (link_send(c->link, p) < 0 || link_control(c->link, then, NULL, NULL) < 0)
		c2s_end(c->link, STREAM_INTERNAL_SERVER_ERROR, NULL);
}

static void bind_refuse(struct client *c, const struct bind_ask *ask, struct jd_account *a,
			enum jd_condition condition, enum jd_errtype type)
{
	struct jd_error error = {.condition = condition, .type = type};
	struct jd_xml *x =
		stanza_build(server.stanzas, JD_IQ, JD_TYPE_ERROR, JD_JID_NULL, a->jid, ask->iq_id);

	stanza_write_error(x, &error);
	client_tell(c, stanza_built(x), ask->framed, C2S_CTL_REFUSED);
}

static void bind_result(struct client *c, const struct bind_ask *ask, const struct jd_session *s)
{
	struct jd_xml *x = stanza_build(server.stanzas, JD_IQ, JD_TYPE_RESULT, JD_JID_NULL, s->jid,
					ask->iq_id);

	jd_xml_start(x, JD_NS_BIND, "bind");
	jd_xml_leaf(x, JD_NS_BIND, "jid", jd_jid_str(s->jid));
	jd_xml_end(x);
	client_tell(c, stanza_built(x), ask->framed, C2S_CTL_BOUND);
}

/* The full JID: the resource that was asked for, or a random one. */
static struct jd_jid bind_jid(const struct bind_ask *ask, const struct jd_account *a,
			      char out[JD_JID_MAX])
{
	struct jd_str bare = jd_jid_str(a->jid);
	char random[25];
	struct jd_str resource = ask->resource;
	struct jd_jid jid = a->jid;

	if (!resource.len) {
		crypto_random_id(random, 18);
		resource = jd_cstr(random);
	}
	JD_ASSERT(resource.len <= JD_JID_PART_MAX); /* as prepared */
	memcpy(out, bare.p, bare.len);
	out[bare.len] = '/';
	memcpy(out + bare.len + 1, resource.p, resource.len);
	jid.p = out;
	jid.resource_len = (uint16_t)resource.len;
	return jid;
}

/* A device has one session: what is left of an earlier one goes before the new one comes. */
static void end_replaced(struct jd_account *a, struct jd_jid jid, struct jd_str device)
{
	struct jd_session *s = jd_session_find(a, jd_jid_resource(jid)), *next;

	if (s)
		session_end(s, STREAM_CONFLICT, "Replaced by a new connection.");
	for (s = jd_session_next(a, NULL); s && device.len; s = next) {
		next = jd_session_next(a, s);
		if (jd_str_eq(session_device(s), device))
			session_end(s, STREAM_CONFLICT, "Replaced by a new connection.");
	}
}

/* Nobody may ever come back for it. */
static void end_oldest_lost(struct jd_account *a)
{
	struct jd_session *s = jd_session_next(a, NULL);

	while (s && !jd_session_hibernates(s))
		s = jd_session_next(a, s);
	if (s)
		session_end(s, STREAM_RESOURCE_CONSTRAINT, NULL);
}

struct jd_session *session_admit(struct client *c, const struct bind_ask *ask, struct jd_account *a)
{
	char text[JD_JID_MAX];
	struct jd_jid jid = bind_jid(ask, a, text);
	struct jd_session *s;

	end_replaced(a, jid, ask->device);
	if (a->n_sessions >= ACCOUNT_MAX_SESSIONS)
		end_oldest_lost(a);
	if (a->n_sessions >= ACCOUNT_MAX_SESSIONS)
		return NULL;
	s = session_new(c, ask, a, jid);
	c->session = s;
	a->anonymous |= c->anonymous && c->anonymous == a->number;
	c->anonymous = 0;
	account_pin(a);
	s->bound = true;
	list_append(&a->sessions, &s->node);
	list_append(&server.sessions, &s->all);
	a->n_sessions++;
	s->host->sessions++;
	server.n_sessions++;
	return s;
}

void session_announce(struct jd_session *s)
{
	jd_log(JD_LOG_INFO, "session bound", jd_kv_str("jid", jd_jid_str(s->jid)),
	       jd_kv_cstr("transport", s->transport), jd_kv_str("peer", session_peer(s)));
	hook_notify_session(JD_HOOK_session_bound, s);
}

void session_bind(struct client *c, const struct bind_ask *ask, struct jd_account *a)
{
	struct jd_session *s;

	if (a->state == ACCOUNT_FAILED) {
		bind_refuse(c, ask, a, JD_INTERNAL_SERVER_ERROR, JD_ERRTYPE_WAIT);
		return;
	}
	if (a->state != ACCOUNT_READY || a->number != ask->owner) { /* deleted since the login */
		c2s_end(c->link, STREAM_NOT_AUTHORIZED, "The account has been deleted.");
		return;
	}
	s = session_admit(c, ask, a);
	if (!s) {
		bind_refuse(c, ask, a, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT);
		return;
	}
	bind_result(c, ask, s);
	session_announce(s);
}

struct jd_str session_peer(const struct jd_session *s)
{
	if (s->sm && s->sm->peer[0])
		return jd_cstr(s->sm->peer);
	return (struct jd_str){s->text + jd_jid_str(s->jid).len, s->peer_len};
}

/* -- asked by modules ------------------------------------------------------------------------ */

struct jd_jid jd_session_jid(const struct jd_session *s)
{
	return s->jid;
}

struct jd_account *jd_session_account(const struct jd_session *s)
{
	return s->account;
}

struct jd_str jd_session_peer(const struct jd_session *s)
{
	return session_peer(s);
}

struct jd_owner *jd_session_pending(struct jd_session *s)
{
	return &s->owner;
}

bool jd_session_bind2(const struct jd_session *s)
{
	return s->bind2;
}

struct jd_session *jd_session_next(const struct jd_account *a, const struct jd_session *after)
{
	struct list *n = after ? after->node.next : a->sessions.next;

	return n == &a->sessions ? NULL : container_of(n, struct jd_session, node);
}

struct jd_session *jd_session_find(const struct jd_account *a, struct jd_str resource)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		if (jd_str_eq(jd_jid_resource(s->jid), resource))
			return s;
	return NULL;
}

struct jd_stanza *jd_session_presence(const struct jd_session *s)
{
	return s->presence;
}

int jd_session_priority(const struct jd_session *s)
{
	return s->priority;
}

void jd_session_set_presence(struct jd_session *s, struct jd_stanza *presence, int priority)
{
	if (presence)
		presence = stanza_keep(presence);
	jd_stanza_unref(s->presence);
	s->presence = presence;
	s->priority = (int8_t)priority;
	hook_notify_session(JD_HOOK_session_presence, s);
}

void jd_session_set_inactive(struct jd_session *s, bool inactive)
{
	if (s->inactive == inactive)
		return;
	s->inactive = inactive;
	hook_notify_session(JD_HOOK_session_activity, s);
}

bool jd_session_inactive(const struct jd_session *s)
{
	return s->inactive;
}

void jd_session_tell_caps(struct jd_session *s)
{
	hook_notify_session(JD_HOOK_session_caps, s);
}
