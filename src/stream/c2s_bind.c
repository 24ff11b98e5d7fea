/* SPDX-License-Identifier: MIT
 *
 * From the login on: the request to bind a resource (RFC 6120 section 7), and,
 * when logic has made a session of it, every element of that session.
 */
#include "stream/c2s_priv.h"
#include "util/arena.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

/* -- binding ------------------------------------------------------------------------- */

static void say_bad_request(struct c2s *c, struct jd_str id)
{
	struct say s = {0};

	say_str(&s, c->ws ? "<iq xmlns='" JD_NS_STANZA "' type='error'" : "<iq type='error'");
	say_attr(&s, "id", id);
	say_str(&s, "><error type='modify'><bad-request xmlns='" JD_NS_STANZA_ERRORS
		    "'/></error></iq>");
	say_done(c, &s);
}

/* size: of what it is the first member of. */
static void *make_ask(const struct c2s *c, size_t size, struct jd_str resource, struct jd_str id)
{
	const struct login *login = c->login;
	struct jd_str name = jd_cstr(login->name), peer = conn_peer(c->conn);
	struct jd_str lang = {login->lang, login->lang_len};
	struct jd_str device = {login->device, login->device_len};
	struct bind_ask *ask = mem_alloc(size + login->host->name.len + name.len + resource.len +
					 id.len + lang.len + peer.len + device.len);
	char *at = (char *)ask + size;

	ask->host = str_place(&at, login->host->name);
	ask->name = str_place(&at, name);
	ask->owner = login->owner;
	ask->resource = str_place(&at, resource);
	ask->iq_id = str_place(&at, id);
	ask->lang = str_place(&at, lang);
	ask->peer = str_place(&at, peer);
	ask->device = str_place(&at, device);
	ask->framed = c->ws != NULL;
	ask->secure = c2s_secure(c);
	ask->transport = c2s_transport(c);
	ask->mechanism = login->mechanism;
	return ask;
}

/* The resource that is asked for, prepared; none when the server is to choose. */
static int read_resource(struct jd_el bind, char out[JD_JID_PART_MAX], struct jd_str *ret_resource)
{
	struct jd_arena arena;
	struct jd_str text;
	size_t n = 0;
	int r = 0;

	arena_init(&arena, NULL, 0);
	text = jd_el_text(jd_el_child(bind, JD_NS_BIND, "resource"), &arena);
	if (text.len)
		r = jid_prep_resource(text, out, &n);
	if (r == 0)
		*ret_resource = (struct jd_str){out, n};
	arena_fini(&arena);
	return r;
}

/* -- resuming (XEP-0198) -------------------------------------------------------------------- */

static void say_failed(struct c2s *c, const char *condition)
{
	struct say s = {0};

	say_str(&s, "<failed xmlns='" JD_NS_SM "'><");
	say_str(&s, condition);
	say_str(&s, " xmlns='" JD_NS_STANZA_ERRORS "'/></failed>");
	say_done(c, &s);
}

void c2s_too_early(struct c2s *c)
{
	say_failed(c, "unexpected-request");
}

static void on_resume(struct c2s *c, struct jd_el el)
{
	struct jd_str previd = jd_el_attr(el, "previd");
	struct resume_ask *ask;
	uint32_t h;

	if (!previd.len || !c2s_read_h(jd_el_attr(el, "h"), &h)) {
		say_failed(c, "bad-request");
		return;
	}
	/* The id takes the place of the resource, which the session has already. */
	ask = make_ask(c, sizeof(*ask), previd, JD_STR_NULL);
	ask->previd = ask->bind.resource;
	ask->bind.resource = JD_STR_NULL;
	ask->h = h;
	c->state = AT_BINDING;
	c2s_stop(c, STOP_ASK);
	c2s_post(c, C2S_RESUME, ask);
}

static void on_sm(struct c2s *c, struct jd_el el)
{
	if (jd_str_is(jd_el_name(el), "resume"))
		on_resume(c, el);
	else
		c2s_too_early(c);
}

/* -- what comes between the login and the session ------------------------------------------- */

void c2s_bind(struct c2s *c, struct wire_builder *b)
{
	struct jd_el iq = wire_peek(b), bind = jd_el_child(iq, JD_NS_BIND, "bind");
	struct jd_str id = jd_el_attr(iq, "id"), resource = JD_STR_NULL;
	char text[JD_JID_PART_MAX];

	if (jd_el_is(iq, JD_NS_SM, NULL)) {
		on_sm(c, iq);
	} else if (!wire_root_is_content(b) || !jd_str_is(jd_el_name(iq), "iq") ||
		   !jd_str_is(jd_el_attr(iq, "type"), "set") || !jd_el_ok(bind)) {
		c2s_error(c, STREAM_NOT_AUTHORIZED, NULL);
	} else if (!id.p || read_resource(bind, text, &resource) < 0) {
		say_bad_request(c, id);
	} else {
		c->state = AT_BINDING;
		c2s_stop(c, STOP_ASK);
		c2s_post(c, C2S_BIND, make_ask(c, sizeof(struct bind_ask), resource, id));
	}
}

void c2s_bind_answered(struct c2s *c, bool bound)
{
	if (c->state != AT_BINDING)
		return;
	c->state = bound ? AT_BOUND : AT_BIND;
	if (bound && c->component)
		component_bound(c);
	if (bound) {
		login_free(c->login);
		c->login = NULL;
	}
	c2s_go(c, STOP_ASK);
}

/* -- a session -------------------------------------------------------------------------- */

/* Elements of stream negotiation have no meaning any more. */
static bool belongs_to_login(const struct wire_builder *b)
{
	struct jd_str ns = wire_root_ns(b);

	return jd_str_is(ns, JD_NS_STREAM) || jd_str_is(ns, JD_NS_TLS) ||
	       jd_str_is(ns, JD_NS_SASL) || jd_str_is(ns, JD_NS_SASL2) ||
	       jd_str_is(ns, JD_NS_FRAMING);
}

static void count_share(struct c2s *c)
{
	uint32_t turn = (uint32_t)loop_now(c->thread->loop);

	if (c->turn != turn) {
		c->turn = turn;
		c->share = 0;
	}
	if (++c->share >= C2S_SHARE) {
		c->share = 0;
		thread_next_turn(c);
	}
}

void c2s_pass(struct c2s *c, struct wire_builder *b)
{
	const struct stanza_rules rules = {.body_chars = c->thread->settings->body_chars};
	struct stanza_scratch scratch;
	struct wire_meta meta;
	struct jd_wire *wire;
	int r;

	r = stanza_meta(b, &rules, &scratch, &meta);
	if (r > 0 && (wire_root_is_content(b) || belongs_to_login(b))) {
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	r = wire_finish(b, &meta, &wire);
	if (r < 0) {
		c2s_error(c, r == -JD_ELIMIT ? STREAM_POLICY_VIOLATION : STREAM_RESOURCE_CONSTRAINT,
			  NULL);
		return;
	}
	c2s_post(c, C2S_ELEMENT, wire);
	count_share(c);
}
