/* SPDX-License-Identifier: MIT
 *
 * Sessions: a bound resource of an account.
 *
 * What a session sends waits in its own mailbox, so that a handler that waits
 * delays this client only; when too much waits there, its socket is not read.
 * A stanza is checked (addresses, size of bodies, type), stamped with the
 * session's address, runs through session_in, and is routed.
 *
 * A session ends once: by its connection, by a newer one with the same resource,
 * or by an operator.  Pointers to it may live on in calls; they hold a reference,
 * and everything sent to it then goes nowhere.
 */
#include "core/auth_anonymous.h"
#include "core/sm.h"
#include "util/clock.h"

struct jd_session *session_ref(struct jd_session *s)
{
	s->refs++;
	return s;
}

void session_unref(struct jd_session *s)
{
	if (!s || --s->refs)
		return;
	/* Who held it may have used it as before after its end. */
	owner_cancel_all(&s->owner);
	slots_free_session(&s->slots, s->host);
	mem_free(s);
}

static void on_stanza_free(struct stanza *st)
{
	if (st->pub.receipt)
		st->pub.receipt->st = NULL;
	session_unref(st->pub.origin);
}

void stanza_set_origin(struct jd_stanza *st, struct jd_session *s)
{
	st->origin = session_ref(s);
	stanza_of(st)->on_free = on_stanza_free;
}

/* -- what it sends -------------------------------------------------------------------- */

static void session_relax(struct jd_session *s)
{
	if (!s->held || s->mailbox.count > SESSION_HOLD_POSTS / 2 || !s->client)
		return;
	s->held = false;
	if (link_control(s->client->link, C2S_CTL_GO, NULL, NULL) < 0)
		session_end(s, STREAM_INTERNAL_SERVER_ERROR, NULL);
}

static void on_pace(struct timer *t)
{
	struct jd_session *s = container_of(t, struct jd_session, pace_timer);

	s->pace = PACE_GIVEN_UP;
	mailbox_unhold(&s->mailbox);
}

void session_pace(struct jd_session *s)
{
	if (s->pace == PACE_FREE || s->n_receipts > s->mailbox.count + SESSION_AHEAD / 2)
		return;
	if (s->pace == PACE_WAITS) {
		loop_timer_cancel(server.loop, &s->pace_timer);
		mailbox_unhold(&s->mailbox);
	}
	s->pace = PACE_FREE;
}

static void session_in_end(struct jd_call *call, enum jd_verdict verdict)
{
	struct jd_session *s = call->ev.session;

	if (verdict != JD_PASS)
		return;
	jd_route(call->ev.st);
	if (s->bound && jd_jid_bare_eq(call->ev.st->to, s->jid))
		mailbox_wait_room(&s->account->mailbox, call->mailbox);
	if (s->bound && s->pace == PACE_FREE && s->n_receipts > s->mailbox.count + SESSION_AHEAD) {
		s->pace = PACE_WAITS;
		mailbox_hold(&s->mailbox);
		loop_timer(server.loop, &s->pace_timer, SESSION_PACE_USEC, on_pace);
	}
}

/* True when the stanza was refused and answered. */
static bool session_refuses(struct jd_session *s, struct jd_stanza *st, unsigned flags)
{
	static const struct jd_error too_long = {
		.condition = JD_POLICY_VIOLATION,
		.type = JD_ERRTYPE_MODIFY,
		.text = "The text of the message is too long.",
	};

	if (flags & WIRE_BAD_FROM || (jd_jid_ok(st->from) && !jd_jid_eq(st->from, s->jid) &&
				      !jd_jid_eq(st->from, jd_jid_bare(s->jid)))) {
		session_end(s, STREAM_INVALID_FROM, NULL);
		return true;
	}
	jd_stanza_set_from(st, s->jid);
	if (!jd_jid_ok(st->to) && !(flags & WIRE_BAD_TO))
		jd_stanza_set_to(st, jd_jid_bare(s->jid));
	else if (flags & WIRE_BAD_TO) {
		jd_stanza_set_to(st, s->host->jid);
		jd_bounce(st, JD_JID_MALFORMED, NULL);
		return true;
	}
	if (flags & WIRE_LONG_BODY) {
		jd_bounce_error(st, &too_long);
		return true;
	}
	if (st->type == JD_TYPE_INVALID) {
		jd_bounce(st, JD_BAD_REQUEST, NULL);
		return true;
	}
	return s->account->anonymous && anonymous_refused(s->account, st);
}

static void session_handle(struct mailbox *m, struct jd_stanza *st)
{
	struct jd_session *s = container_of(m, struct jd_session, mailbox);
	struct jd_stanza_event ev = {
		.st = st, .host = s->host, .account = s->account, .session = s};

	session_ref(s);
	session_relax(s);
	if (s->bound && !session_refuses(s, st, stanza_of(st)->wire->meta.flags))
		call_run(m, JD_HOOK_session_in, &ev, session_in_end);
	session_unref(s);
}

void session_mailbox(struct jd_session *s)
{
	static const struct mailbox_kind kind = {
		.max_posts = MAILBOX_WIDE_POSTS,
		.max_bytes = MAILBOX_WIDE_BYTES,
		.sender = true,
		.handle = session_handle,
	};

	mailbox_init(&s->mailbox, &kind);
	s->mailbox.share = share_ref(account_share(s->account));
}

/* It goes past what waits in the mailbox: it says something of the stream, not to anybody. */
static void session_nonza(struct jd_session *s, struct jd_wire *wire)
{
	struct jd_nonza_event ev = {s, s->account, s->host, wire_root(wire)};

	session_ref(s);
	if (jd_el_is(ev.el, JD_NS_SM, NULL))
		sm_element(s, ev.el);
	else if (!hook_ask_nonza(JD_HOOK_session_nonza, &ev) && s->bound)
		session_end(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	session_unref(s);
	wire_unref(wire);
}

void session_receive(struct jd_session *s, struct jd_wire *wire)
{
	struct jd_receipt *receipt;
	struct jd_stanza *st;

	server.stanzas_in++;
	if (wire->meta.flags & WIRE_NO_STANZA) {
		session_nonza(s, wire);
		return;
	}
	st = stanza_from_wire(server.stanzas, wire);
	stanza_set_origin(st, s);
	receipt = receipt_new(s, st);
	if (mailbox_post(&s->mailbox, st) < 0) {
		session_end(s, STREAM_POLICY_VIOLATION, "Too many stanzas are waiting.");
	} else if (!s->held && s->mailbox.count >= SESSION_HOLD_POSTS) {
		s->held = true;
		if (link_control(s->client->link, C2S_CTL_HOLD, NULL, NULL) < 0)
			session_end(s, STREAM_INTERNAL_SERVER_ERROR, NULL);
	}
	jd_receipt_drop(receipt);
	jd_stanza_unref(st);
}

/* -- what it is sent ------------------------------------------------------------------- */

static void on_fail(struct defer *d)
{
	struct jd_session *s = container_of(d, struct jd_session, fail);

	jd_log_peer(JD_LOG_INFO, "session closed: it does not read what it is sent",
		    jd_kv_str("jid", jd_jid_str(s->jid)));
	session_end(s, STREAM_RESOURCE_CONSTRAINT, "You are not reading what you are sent.");
	session_unref(s);
}

void session_fail(struct jd_session *s)
{
	if (s->failing)
		return;
	s->failing = true;
	session_ref(s);
	loop_defer(server.loop, &s->fail, on_fail);
}

/* So short a content is copied: that costs less than to count who refers to it, with two threads
 * counting. */
#define SHORT_BODY ((size_t)192)

static struct piece *whole_piece(const struct stanza_out *out)
{
	struct piece *p = link_piece(out->head.len + out->body.len + out->tail.len);
	char *at = p->text;

	memcpy(at, out->head.p, out->head.len);
	at += out->head.len;
	memcpy(at, out->body.p, out->body.len);
	at += out->body.len;
	memcpy(at, out->tail.p, out->tail.len);
	p->head_len = (uint32_t)(at + out->tail.len - p->text);
	return p;
}

/* Head and tail are written once: to where they fit for sure, and from there to a piece of
 * the right size. */
struct piece *stanza_piece(struct jd_stanza *st, enum stanza_framing framing)
{
	struct stanza_out out;
	struct piece *p;
	char own[1024];

	if (stanza_out_most(st, framing) <= sizeof(own)) {
		stanza_out(st, framing, own, &out);
		if (out.body.len && out.body.len <= SHORT_BODY)
			return whole_piece(&out);
		p = link_piece(out.head.len + out.tail.len);
		memcpy(p->text, own, out.head.len + out.tail.len);
	} else {
		p = link_piece(stanza_out_size(st, framing));
		stanza_out(st, framing, p->text, &out);
	}
	p->head_len = (uint32_t)out.head.len;
	p->tail_len = (uint32_t)out.tail.len;
	if (out.body.len) {
		p->body = out.body.p;
		p->body_len = (uint32_t)out.body.len;
		p->body_ref = shared_ref(&out.body_wire->shared);
	}
	return p;
}

int link_stanza(struct link *link, struct jd_stanza *st, enum stanza_framing framing)
{
	server.stanzas_out++;
	return link_send(link, stanza_piece(st, framing));
}

bool session_put(struct jd_session *s, struct jd_stanza *st)
{
	return link_stanza(s->client->link, st, s->framed ? STANZA_FRAMED : STANZA_STREAM) == 0;
}

bool session_write(struct jd_session *s, struct jd_stanza *st)
{
	if (s->failing || (!s->sm && !s->client))
		return false;
	if (s->sm ? !unacked_add(s, st) : !session_put(s, st)) {
		session_fail(s);
		return false;
	}
	if (!s->sm)
		ledger_note(s, st);
	return true;
}

bool jd_session_send(struct jd_session *s, struct jd_stanza *st)
{
	struct jd_stanza_event ev = {
		.st = st, .host = s->host, .account = s->account, .session = s};

	ROLE_ASSERT(ROLE_LOGIC);
	if (!s->bound)
		return false;
	if (hook_ask(s->host, JD_HOOK_session_out, &ev))
		return true;
	return session_write(s, st);
}
