/* SPDX-License-Identifier: MIT
 *
 * The elements of stream management (XEP-0198), and when they are due.
 *
 * We answer <r/> when everything that came before it is handled, with all that
 * hangs on it committed (receipt.c); at latest after half a second with what is
 * handled by then, and once more when the rest is.  We ask, behind a stanza in the
 * same write, when a number of stanzas has been sent since the last question, or,
 * apart, when there has been nothing to ask with for a second.  So a stream that is
 * busy costs nothing more, and a quiet one is confirmed soon.
 */
#include "core/sm.h"

#include <stdio.h>

#include "core/conf.h"

#define ASK_EVERY  16
#define ASK_AFTER  JD_USEC_PER_SEC
#define ASKED_MAX  UINT8_MAX
#define H_TEXT_LEN 10

void sm_say(struct jd_session *s, struct jd_str text)
{
	struct piece *p;

	if (!s->client)
		return;
	p = link_piece(text.len);
	memcpy(p->text, text.p, text.len);
	p->head_len = (uint32_t)text.len;
	if (link_send(s->client->link, p) < 0)
		session_fail(s);
}

char *sm_text(struct jd_xml *x, size_t *ret_len)
{
	struct jd_stanza *st = stanza_built(x);
	struct jd_str content;
	char *text;

	if (!st)
		return NULL;
	content = wire_content(stanza_of(st)->wire);
	text = jd_strdup(content);
	*ret_len = content.len;
	jd_stanza_unref(st);
	return text;
}

/* Begins what is not a stanza; only the content counts. */
static struct jd_xml *begin(void)
{
	return stanza_build(server.stanzas, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL,
			    JD_STR_NULL);
}

static void say_xml(struct jd_session *s, struct jd_xml *x)
{
	size_t n;
	char *text = sm_text(x, &n);

	if (text)
		sm_say(s, (struct jd_str){text, n});
	mem_free(text);
}

static void write_h(struct jd_xml *x, const char *name, uint32_t h)
{
	char text[H_TEXT_LEN + 1];

	(void)snprintf(text, sizeof(text), "%u", h);
	jd_xml_attr(x, name, jd_cstr(text));
}

void sm_write_failed(struct jd_xml *x, const char *condition, bool has_h, uint32_t h)
{
	jd_xml_start(x, JD_NS_SM, "failed");
	if (has_h)
		write_h(x, "h", h);
	jd_xml_start(x, JD_NS_STANZA_ERRORS, condition);
	jd_xml_end(x);
	jd_xml_end(x);
}

/* -- we answer ------------------------------------------------------------------------- */

void sm_answer(struct jd_session *s, unsigned n)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "<a xmlns='" JD_NS_SM "' h='%u'/>", s->handled);

	while (n--)
		sm_say(s, (struct jd_str){text, (size_t)len});
}

/* Who has asked is told what is handled by now, and will be told of the rest. */
static void on_answer_due(struct timer *t)
{
	struct jd_session *s = container_of(t, struct sm, answer)->session;

	for (struct list *n = s->receipts.next; n != &s->receipts; n = n->next) {
		struct jd_receipt *r = container_of(n, struct jd_receipt, node);

		if (!r->asked)
			continue;
		sm_answer(s, r->asked);
		r->asked = 0;
		r->late = true;
	}
}

static void on_r(struct jd_session *s)
{
	struct jd_receipt *last;

	if (list_empty(&s->receipts)) {
		sm_answer(s, 1);
		return;
	}
	last = container_of(s->receipts.prev, struct jd_receipt, node);
	if (last->asked == ASKED_MAX) {
		sm_answer(s, 1);
		return;
	}
	last->asked++;
	if (!timer_armed(&s->sm->answer))
		loop_timer(server.loop, &s->sm->answer, SM_ANSWER_AFTER, on_answer_due);
}

/* -- we ask ------------------------------------------------------------------------------ */

void sm_request(struct jd_session *s)
{
	s->sm->asked = true;
	s->sm->unasked = 0;
	loop_timer_cancel(server.loop, &s->sm->ask);
	sm_say(s, JD_STR("<r xmlns='" JD_NS_SM "'/>"));
}

static void on_quiet(struct timer *t)
{
	struct sm *sm = container_of(t, struct sm, ask);

	if (sm->unasked && !sm->asked && sm->session->client)
		sm_request(sm->session);
}

void sm_ask_soon(struct sm *sm)
{
	if (sm->unasked && !sm->asked && !timer_armed(&sm->ask))
		loop_timer(server.loop, &sm->ask, ASK_AFTER, on_quiet);
}

void sm_note_written(struct sm *sm)
{
	sm->unasked++;
	if (sm->unasked >= ASK_EVERY && !sm->asked)
		sm_request(sm->session);
	else
		sm_ask_soon(sm);
}

/* -- what the client says ---------------------------------------------------------------- */

void sm_too_high(struct client *c, const struct sm *sm, uint32_t h)
{
	char detail[128];

	(void)snprintf(detail, sizeof(detail),
		       "<handled-count-too-high xmlns='" JD_NS_SM "' h='%u' send-count='%u'/>", h,
		       sm->acked + sm->sent);
	c2s_end_detail(c->link, STREAM_UNDEFINED_CONDITION,
		       "You have acknowledged more stanzas than you were sent.", detail);
}

static void on_a(struct jd_session *s, struct jd_el el)
{
	struct sm *sm = s->sm;
	uint32_t h;

	if (!c2s_read_h(jd_el_attr(el, "h"), &h)) {
		session_end(s, STREAM_INVALID_XML, "h must be a number of 32 bits.");
		return;
	}
	if (!unacked_is_sent(sm, h)) {
		sm_too_high(s->client, sm, h);
		session_unbind(s);
		return;
	}
	sm->asked = false;
	if (!unacked_confirm(s, h))
		return;
	if (s->bound && s->sm) { /* whoever was told may have ended it */
		sm_ask_soon(sm);
		unacked_pump(s);
		session_drained(s);
	}
}

static void say_unexpected(struct jd_session *s)
{
	struct jd_xml *x = begin();

	sm_write_failed(x, "unexpected-request", false, 0);
	say_xml(s, x);
}

static void on_enable(struct jd_session *s, struct jd_el el)
{
	struct jd_xml *x = begin();

	sm_enable(s, el, x);
	say_xml(s, x);
}

void sm_element(struct jd_session *s, struct jd_el el)
{
	struct jd_str name = jd_el_name(el);

	if (jd_str_is(name, "enable"))
		on_enable(s, el);
	else if (s->sm && jd_str_is(name, "r"))
		on_r(s);
	else if (s->sm && jd_str_is(name, "a"))
		on_a(s, el);
	else if (jd_str_is(name, "r") || jd_str_is(name, "a") || jd_str_is(name, "resume"))
		say_unexpected(s);
	else
		session_end(s, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* -- switching it on ----------------------------------------------------------------------- */

/* What was sent before is not counted, wherever it is now. */
static void count_from_now(struct jd_session *s)
{
	for (struct list *n = s->receipts.next; n != &s->receipts; n = n->next)
		container_of(n, struct jd_receipt, node)->uncounted = true;
	s->handled = 0;
}

/* How long it is kept, which is no longer than the client wants: seconds, a positive number. */
static jd_usec read_max(struct jd_str text)
{
	jd_usec ours = server.conf->limits.resume_timeout, theirs;
	uint32_t seconds;

	if (!c2s_read_h(text, &seconds) || !seconds)
		return ours;
	theirs = seconds * JD_USEC_PER_SEC;
	return theirs < ours ? theirs : ours;
}

static bool wants_resume(struct jd_el request)
{
	struct jd_str v = jd_el_attr(request, "resume");

	return jd_str_is(v, "true") || jd_str_is(v, "1");
}

void sm_enable(struct jd_session *s, struct jd_el request, struct jd_xml *x)
{
	struct sm *sm;

	if (s->sm) {
		sm_write_failed(x, "unexpected-request", false, 0);
		return;
	}
	sm = s->sm = mem_new(struct sm);
	sm->session = s;
	count_from_now(s);
	/* Who is nobody cannot log in as the same nobody again. */
	if (wants_resume(request) && server.conf->limits.resume_timeout && !s->account->anonymous) {
		crypto_random_id(sm->id, SM_ID_BYTES);
		sm->keep = read_max(jd_el_attr(request, "max"));
	}
	jd_xml_start(x, JD_NS_SM, "enabled");
	if (sm->id[0]) {
		jd_xml_attr(x, "id", jd_cstr(sm->id));
		jd_xml_attr(x, "resume", JD_STR("true"));
		write_h(x, "max", (uint32_t)(sm->keep / JD_USEC_PER_SEC));
		/* What a WebSocket is opened to is a URL, which this is not. */
		if (server.conf->limits.resume_location && !s->framed)
			jd_xml_attr(x, "location", jd_cstr(server.conf->limits.resume_location));
	}
	jd_xml_end(x);
}

bool jd_session_managed(const struct jd_session *s)
{
	return s->sm != NULL;
}

bool jd_session_hibernates(const struct jd_session *s)
{
	return s->bound && s->sm && !s->client;
}
