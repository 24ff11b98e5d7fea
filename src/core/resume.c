/* SPDX-License-Identifier: MIT
 *
 * Sessions that have lost their connection, and their way back to one (XEP-0198
 * section 5).
 *
 * A session without a connection is a session: it has its presence, gets what is
 * sent to it, and ends when its time is over.  It can be had back by who logs in as
 * the same account and knows its id.  What the client says it has handled is
 * confirmed; what it has sent is counted when all of it is handled, for which it is
 * made to wait a little.  Then it gets the number, and what it has not got.
 */
#include "core/sm.h"

#include <stdio.h>

#include "core/conf.h"
#include "util/clock.h"

/* Sessions that have ended are remembered, so that whoever comes too late learns what was
 * handled. */
#define ENDED_KEPT 1024

struct ended {
	uint64_t owner;
	char id[SM_ID_LEN];
	uint32_t h;
};

static struct ended *ended; /* a ring; NULL: none yet */
static size_t n_ended;

struct resume {
	struct client *client;
	struct jd_session *session; /* NULL: it has ended meanwhile */
	bool replaced;              /* somebody else has come for it */
	bool late;                  /* it took too long */
	uint32_t h;
	bool framed, secure;
	const char *transport, *mechanism;
	char peer[64];
	struct timer deadline;
	struct defer defer;
	uint32_t handled;
	resume_fn fn;
	void *arg;
};

/* -- lost ------------------------------------------------------------------------------------- */

static void on_expiry(struct timer *t)
{
	struct sm *sm = container_of(t, struct sm, expiry);

	jd_log(JD_LOG_INFO, "session was not resumed in time",
	       jd_kv_str("jid", jd_jid_str(sm->session->jid)));
	session_unbind(sm->session);
}

/* What each keeps is bounded; so is how many there are. */
static void end_oldest(const struct jd_session *newest)
{
	struct jd_session *oldest = NULL;
	int64_t n = 1;

	for (struct jd_session *s = jd_session_next(newest->account, NULL); s;
	     s = jd_session_next(newest->account, s)) {
		if (s == newest || !s->sm || !timer_armed(&s->sm->expiry))
			continue;
		n++;
		if (!oldest || s->sm->lost_at < oldest->sm->lost_at)
			oldest = s;
	}
	if (!oldest || n <= server.conf->limits.resume_sessions)
		return;
	jd_log(JD_LOG_INFO, "session was not resumed, and others wait for that",
	       jd_kv_str("jid", jd_jid_str(oldest->jid)));
	session_unbind(oldest);
}

/* Nobody is there to be asked or answered. */
static void stop_talking(struct jd_session *s)
{
	struct sm *sm = s->sm;

	loop_timer_cancel(server.loop, &sm->ask);
	loop_timer_cancel(server.loop, &sm->answer);
	sm->asked = false;
	sm->unasked = 0;
	sm->written = 0;
	s->held = false;
	for (struct list *n = s->receipts.next; n != &s->receipts; n = n->next) {
		struct jd_receipt *r = container_of(n, struct jd_receipt, node);

		r->asked = 0;
		r->late = false;
	}
}

bool sm_lost(struct jd_session *s)
{
	if (!s->bound || !s->sm || !s->sm->id[0] || s->failing || server.stopping)
		return false;
	stop_talking(s);
	s->sm->lost_at = clock_mono();
	loop_timer(server.loop, &s->sm->expiry, s->sm->keep, on_expiry);
	jd_log(JD_LOG_INFO, "session has lost its connection",
	       jd_kv_str("jid", jd_jid_str(s->jid)));
	session_ref(s);
	hook_notify_session(JD_HOOK_session_lost, s);
	if (s->bound)
		hook_notify_session(JD_HOOK_session_activity, s);
	if (s->bound)
		end_oldest(s);
	session_unref(s);
	return true;
}

/* -- ended --------------------------------------------------------------------------------------
 */

static void remember(const struct jd_session *s)
{
	struct ended *e;

	if (!s->sm->id[0])
		return;
	if (!ended)
		ended = mem_alloc(ENDED_KEPT * sizeof(*ended));
	e = &ended[n_ended++ % ENDED_KEPT];
	e->owner = s->account->number;
	e->h = s->handled;
	memcpy(e->id, s->sm->id, SM_ID_LEN);
}

static const struct ended *recall(uint64_t owner, struct jd_str id)
{
	for (size_t i = 0; ended && i < ENDED_KEPT; i++)
		if (ended[i].owner == owner &&
		    jd_str_eq(id, (struct jd_str){ended[i].id, SM_ID_LEN}))
			return &ended[i];
	return NULL;
}

void sm_fini(void)
{
	mem_free(ended);
	ended = NULL;
	n_ended = 0;
}

static void on_ready(struct defer *d);

void sm_end(struct jd_session *s)
{
	struct sm *sm = s->sm;

	if (!sm)
		return;
	remember(s);
	unacked_end(s);
	if (sm->resume) {
		sm->resume->session = NULL;
		sm->resume->handled = s->handled;
		loop_defer(server.loop, &sm->resume->defer, on_ready);
	}
	loop_timer_cancel(server.loop, &sm->ask);
	loop_timer_cancel(server.loop, &sm->answer);
	loop_timer_cancel(server.loop, &sm->expiry);
	s->sm = NULL;
	mem_free(sm);
}

/* -- found again --------------------------------------------------------------------------------
 */

static bool is_gone(const struct client *c)
{
	return c->closed || c->ended || c->session;
}

static void attach(struct resume *r)
{
	struct jd_session *s = r->session;

	s->client = r->client;
	r->client->session = session_ref(s);
	s->framed = r->framed;
	s->secure = r->secure;
	s->transport = r->transport;
	s->mechanism = r->mechanism;
	memcpy(s->sm->peer, r->peer, sizeof(s->sm->peer));
}

static void finish(struct resume *r, const struct resume_result *result)
{
	loop_timer_cancel(server.loop, &r->deadline);
	defer_cancel(&r->defer);
	r->fn(r->arg, result);
	mem_free(r);
}

/* The session stays as it was. */
static void give_up(struct resume *r, const char *condition)
{
	struct resume_result result = {.over = is_gone(r->client) || !condition,
				       .condition = condition};
	struct jd_session *s = r->session;

	if (s) {
		s->sm->resume = NULL;
		loop_timer(server.loop, &s->sm->expiry, s->sm->keep, on_expiry);
	}
	finish(r, &result);
}

static void too_late(struct resume *r)
{
	struct jd_session *s = r->session;
	struct resume_result result = {
		.condition = "resource-constraint", .has_h = true, .h = r->handled};

	if (s) {
		s->sm->resume = NULL;
		result.h = s->handled;
		session_unbind(s);
	}
	finish(r, &result);
}

static void on_ready(struct defer *d)
{
	struct resume *r = container_of(d, struct resume, defer);
	struct jd_session *s = r->session;
	struct resume_result result = {.session = s};

	if (r->replaced || is_gone(r->client)) {
		give_up(r, NULL);
		return;
	}
	if (!s || r->late) {
		too_late(r);
		return;
	}
	if (!list_empty(&s->receipts)) /* something came by another way; the deadline stands */
		return;
	s->sm->resume = NULL;
	session_ref(s); /* whoever is told of what it has got may end it */
	attach(r);
	(void)unacked_confirm(s, r->h);
	result.h = s->handled;
	if (s->bound)
		finish(r, &result);
	else
		finish(r, &(struct resume_result){.over = true});
	session_unref(s);
}

static void on_deadline(struct timer *t)
{
	struct resume *r = container_of(t, struct resume, deadline);

	r->late = true;
	loop_defer(server.loop, &r->defer, on_ready);
}

void sm_caught_up(struct jd_session *s)
{
	loop_defer(server.loop, &s->sm->resume->defer, on_ready);
}

/* -- wanted --------------------------------------------------------------------------------- */

/* Its client has ended the stream: it only waits for what that has sent before. */
static bool is_ending(const struct jd_session *s)
{
	return !s->client && !s->sm->resume && !timer_armed(&s->sm->expiry);
}

static struct jd_session *find(const struct jd_account *a, struct jd_str id)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		if (s->sm && s->sm->id[0] && id.len == SM_ID_LEN && !is_ending(s) &&
		    crypto_equal(s->sm->id, id.p, SM_ID_LEN))
			return s;
	return NULL;
}

/* Whoever had it until now. */
static void take_away(struct jd_session *s)
{
	struct client *c = s->client;

	if (s->sm->resume) {
		struct resume *old = s->sm->resume;

		old->session = NULL;
		old->replaced = true;
		c2s_end(old->client->link, STREAM_CONFLICT, "Resumed by another connection.");
		loop_defer(server.loop, &old->defer, on_ready);
		s->sm->resume = NULL;
	}
	if (!c)
		return;
	c2s_end(c->link, STREAM_CONFLICT, "Resumed by another connection.");
	c->session = NULL;
	s->client = NULL;
	(void)sm_lost(s);
	session_unref(s);
}

static struct resume *resume_new(struct client *c, const struct bind_ask *ask, uint32_t h,
				 resume_fn fn, void *arg)
{
	struct resume *r = mem_new(struct resume);
	size_t n = ask->peer.len < sizeof(r->peer) ? ask->peer.len : sizeof(r->peer) - 1;

	*r = (struct resume){.client = c,
			     .h = h,
			     .framed = ask->framed,
			     .secure = ask->secure,
			     .transport = ask->transport,
			     .mechanism = ask->mechanism,
			     .fn = fn,
			     .arg = arg};
	memcpy(r->peer, ask->peer.p, n);
	return r;
}

static void on_unknown(struct defer *d)
{
	struct resume *r = container_of(d, struct resume, defer);
	struct resume_result result = {.over = is_gone(r->client) || r->replaced,
				       .condition = "item-not-found",
				       .has_h = r->late,
				       .h = r->handled};

	finish(r, &result);
}

void sm_resume(struct client *c, const struct bind_ask *ask, struct jd_str previd, uint32_t h,
	       resume_fn fn, void *arg)
{
	struct jd_host *host = host_find(ask->host);
	struct jd_account *a = host ? account_peek(host, ask->name) : NULL;
	struct jd_session *s =
		a && a->number == ask->owner && a->state == ACCOUNT_READY ? find(a, previd) : NULL;
	struct resume *r = resume_new(c, ask, h, fn, arg);
	const struct ended *e;

	if (!s) {
		e = recall(ask->owner, previd);
		r->late = e != NULL;
		r->handled = e ? e->h : 0;
		loop_defer(server.loop, &r->defer, on_unknown);
		return;
	}
	/* An older state of the client: some of what it misses is not there any more. */
	if ((int32_t)(h - s->sm->acked) < 0) {
		r->late = true;
		r->handled = s->handled;
		loop_defer(server.loop, &r->defer, on_unknown);
		return;
	}
	if (!unacked_is_sent(s->sm, h)) {
		sm_too_high(c, s->sm, h);
		r->replaced = true;
		loop_defer(server.loop, &r->defer, on_unknown);
		return;
	}
	session_ref(s);
	take_away(s);
	if (!s->bound) { /* by somebody who was told */
		loop_defer(server.loop, &r->defer, on_unknown);
	} else {
		r->session = s;
		s->sm->resume = r;
		loop_timer_cancel(server.loop, &s->sm->expiry);
		loop_timer(server.loop, &r->deadline, SM_RESUME_WAIT, on_deadline);
		if (list_empty(&s->receipts))
			loop_defer(server.loop, &r->defer, on_ready);
	}
	session_unref(s);
}

/* -- and told -----------------------------------------------------------------------------------
 */

void sm_resumed(struct jd_session *s)
{
	session_ref(s);
	jd_log(JD_LOG_INFO, "session resumed", jd_kv_str("jid", jd_jid_str(s->jid)),
	       jd_kv_cstr("transport", s->transport), jd_kv_str("peer", session_peer(s)));
	unacked_pump(s);
	hook_notify_session(JD_HOOK_session_resumed, s);
	if (s->bound)
		hook_notify_session(JD_HOOK_session_activity, s);
	if (s->bound)
		session_drained(s);
	session_unref(s);
}

void sm_write_result(struct jd_xml *x, const struct resume_result *result)
{
	char h[16];

	if (!result->session) {
		sm_write_failed(x, result->condition, result->has_h, result->h);
		return;
	}
	(void)snprintf(h, sizeof(h), "%u", result->h);
	jd_xml_start(x, JD_NS_SM, "resumed");
	jd_xml_attr(x, "previd", jd_cstr(result->session->sm->id));
	jd_xml_attr(x, "h", jd_cstr(h));
	jd_xml_end(x);
}

/* -- by itself, after a login ------------------------------------------------------------------ */

static void tell(struct client *c, const struct resume_result *result)
{
	struct jd_xml *x = stanza_build(server.stanzas, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL,
					JD_JID_NULL, JD_STR_NULL);
	struct link *link = c->link;
	struct piece *p;
	char *text;
	size_t n;

	sm_write_result(x, result);
	text = sm_text(x, &n);
	p = link_piece(n);
	memcpy(p->text, text, n);
	p->head_len = (uint32_t)n;
	mem_free(text);
	if (link_send(link, p) < 0 ||
	    link_control(link, result->session ? C2S_CTL_BOUND : C2S_CTL_REFUSED, NULL, NULL) < 0)
		c2s_end(link, STREAM_INTERNAL_SERVER_ERROR, NULL);
}

static void on_result(void *arg, const struct resume_result *result)
{
	struct client *c = arg;

	if (!result->over)
		tell(c, result);
	if (result->session)
		sm_resumed(result->session);
	client_ask_done(c);
}

void client_resume(struct client *c, struct resume_ask *ask)
{
	if (server.stopping || c->session || c->ended) {
		c2s_end(c->link, STREAM_SYSTEM_SHUTDOWN, NULL);
		mem_free(ask);
		return;
	}
	c->asks++;
	sm_resume(c, &ask->bind, ask->previd, ask->h, on_result, c);
	mem_free(ask);
}
