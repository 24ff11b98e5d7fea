/* SPDX-License-Identifier: MIT
 *
 * Between features and login: STARTTLS (RFC 6120 section 5) and the SASL exchange
 * (section 6).  The mechanisms don't know XML; this file wraps and unwraps their
 * messages, carries questions to logic and its answers back, and counts failures.
 */
#include "stream/c2s_priv.h"
#include "util/arena.h"
#include "util/base64.h"

/* -- STARTTLS ------------------------------------------------------------------------ */

static void on_starttls(struct c2s *c)
{
	if (c->state != AT_FEATURES || c->ws || !conn_can_tls(c->conn)) {
		c2s_say(c, "<failure xmlns='" JD_NS_TLS "'/>");
		c2s_end_stream(c);
		return;
	}
	c2s_say(c, "<proceed xmlns='" JD_NS_TLS "'/>");
	c->state = AT_TLS;
	c2s_barrier(c, THEN_TLS);
}

/* -- the end of an exchange --------------------------------------------------------------- */

/* Logic counts who failed. Nobody did when there is no name yet, or when we were at fault. */
static void post_result(struct c2s *c, bool good)
{
	const struct sasl *sasl = c->login->sasl;
	struct jd_str name = jd_cstr(sasl->name);
	struct auth_result *r;
	char *at;

	if (!name.len || (!good && sasl->condition == SASL_TEMPORARY_AUTH_FAILURE))
		return;
	r = mem_alloc(sizeof(*r) + sasl->env.host.len + name.len + sasl->env.peer.len);
	at = (char *)(r + 1);
	r->good = good;
	r->host = str_place(&at, sasl->env.host);
	r->name = str_place(&at, name);
	r->peer = str_place(&at, sasl->env.peer);
	r->mechanism = sasl_name(sasl->mechanism);
	c2s_post(c, C2S_AUTH_RESULT, r);
}

static void end_exchange(struct c2s *c)
{
	sasl_free(c->login->sasl);
	c->login->sasl = NULL;
}

static void say_failure(struct c2s *c, enum sasl_condition condition)
{
	struct say s = {0};

	say_str(&s, "<failure xmlns='" JD_NS_SASL "'><");
	say_str(&s, sasl_condition_name(condition));
	say_str(&s, "/></failure>");
	say_done(c, &s);
}

/*
 * Clients that know no binding of ours try one mechanism after the other until
 * they come to one without: nothing was guessed at by then, so each may fail.
 */
static bool too_many(struct login *login)
{
	unsigned max = login->settings->max_auth_failures;

	if (login->sasl && login->sasl->mismatch)
		return ++login->mismatches > SASL_MECHANISM_COUNT;
	return ++login->failures >= max && max;
}

static void fail(struct c2s *c, enum sasl_condition condition)
{
	struct login *login = c->login;
	bool over = too_many(login);

	jd_log_peer(JD_LOG_INFO, "login failed",
		    jd_kv_cstr("user", login->sasl ? login->sasl->name : ""),
		    jd_kv_str("host", login->host->name),
		    jd_kv_cstr("mechanism", login->sasl ? sasl_name(login->sasl->mechanism) : ""),
		    jd_kv_cstr("reason", sasl_condition_name(condition)),
		    jd_kv_str("peer", conn_peer(c->conn)));
	say_failure(c, condition);
	end_exchange(c);
	c->state = AT_FEATURES;
	login->over = over;
	if (over && !c->unsent_kind) /* else when logic has been told */
		c2s_refuse(c);
}

void c2s_refuse(struct c2s *c)
{
	c2s_error(c, STREAM_POLICY_VIOLATION, "Too many failed logins.");
}

static void succeed(struct c2s *c)
{
	struct login *login = c->login;
	struct sasl *sasl = login->sasl;

	login->name = jd_strdup(jd_cstr(sasl->name));
	login->owner = sasl->owner;
	login->mechanism = sasl_name(sasl->mechanism);
	jd_log(JD_LOG_INFO, "logged in", jd_kv_cstr("user", login->name),
	       jd_kv_str("host", login->host->name), jd_kv_cstr("mechanism", login->mechanism),
	       jd_kv_cstr("transport", c2s_transport(c)), jd_kv_str("peer", conn_peer(c->conn)));
	post_result(c, true);
	end_exchange(c);
	scan_limits(c->scan, &login->settings->after);
	if (c->ws)
		ws_limit(c->ws, login->settings->after.stanza_bytes);
	c->state = AT_OPENING;
	c->header_out = false;
	c2s_barrier(c, THEN_RESTART);
}

/* -- steps --------------------------------------------------------------------------------------
 */

static void say_step(struct c2s *c, const char *name)
{
	const struct sasl *sasl = c->login->sasl;
	struct say s = {0};

	say_str(&s, "<");
	say_str(&s, name);
	say_str(&s, " xmlns='" JD_NS_SASL "'");
	if (sasl->out_len) {
		say_str(&s, ">");
		say_base64(&s, sasl->out, sasl->out_len);
		say_str(&s, "</");
		say_str(&s, name);
		say_str(&s, ">");
	} else {
		say_str(&s, "/>");
	}
	say_done(c, &s);
}

static void on_step(struct c2s *c, enum sasl_step step)
{
	struct sasl *sasl = c->login->sasl;
	struct auth_ask *ask;

	switch (step) {
	case SASL_CHALLENGE:
		say_step(c, "challenge");
		c->state = AT_SASL;
		break;
	case SASL_ASK:
		ask = sasl->ask;
		sasl->ask = NULL;
		c->state = AT_ASKING;
		c2s_stop(c, STOP_ASK);
		c2s_post(c, C2S_AUTH, ask);
		break;
	case SASL_SUCCESS:
		say_step(c, "success");
		succeed(c);
		break;
	case SASL_FAILURE:
		post_result(c, false);
		fail(c, sasl->condition);
		break;
	}
}

void c2s_answered(struct c2s *c, const struct auth_answer *a)
{
	if (c->state != AT_ASKING)
		return;
	on_step(c, sasl_answer(c->login->sasl, a));
	c2s_go(c, STOP_ASK);
}

/* -- messages of the client -----------------------------------------------------------------------
 */

/*
 * The base64 text of el, decoded into memory that the caller wipes.  "=" stands
 * for a message of no bytes; where one may be absent, no text means that it is.
 */
static int read_message(struct jd_el el, bool optional, char **ret_p, struct jd_str *ret_message)
{
	struct jd_arena arena;
	struct jd_str text;
	size_t n = 0;
	char *p;
	int r = 0;

	if (jd_el_ok(jd_el_first(el)))
		return -JD_EINVAL;
	arena_init(&arena, NULL, 0);
	text = jd_el_text(el, &arena);
	p = mem_alloc(text.len + 1);
	if (text.len && !jd_str_is(text, "="))
		r = base64_decode(text, p, text.len, &n);
	if (r == 0) {
		*ret_p = p;
		*ret_message = optional && !text.len ? JD_STR_NULL : (struct jd_str){p, n};
	} else {
		mem_free(p);
	}
	arena_fini(&arena);
	return r;
}

static void take_message(struct c2s *c, struct jd_el el, bool initial)
{
	struct jd_str message = JD_STR_NULL;
	enum sasl_step step;
	char *p = NULL;

	if (read_message(el, initial, &p, &message) < 0) {
		fail(c, SASL_INCORRECT_ENCODING);
		return;
	}
	step = sasl_message(c->login->sasl, message);
	crypto_wipe(p, message.len);
	mem_free(p);
	on_step(c, step);
}

static void on_auth(struct c2s *c, struct jd_el el)
{
	struct login *login = c->login;
	struct sasl_env env;
	enum sasl_mechanism m;

	if (c->state != AT_FEATURES) {
		fail(c, SASL_MALFORMED_REQUEST);
	} else if (!c2s_may_login(c)) {
		fail(c, SASL_ENCRYPTION_REQUIRED);
	} else if (sasl_find(jd_el_attr(el, "mechanism"), &m) < 0 ||
		   !(c2s_mechanisms(c) & (1u << m))) {
		fail(c, SASL_INVALID_MECHANISM);
	} else {
		c2s_sasl_env(c, &env);
		login->sasl = sasl_new(m, &env);
		take_message(c, el, true);
	}
}

static void on_sasl(struct c2s *c, struct jd_el el)
{
	struct jd_str name = jd_el_name(el);

	if (jd_str_is(name, "auth"))
		on_auth(c, el);
	else if (jd_str_is(name, "abort"))
		fail(c, SASL_ABORTED);
	else if (!jd_str_is(name, "response"))
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	else if (c->state != AT_SASL)
		fail(c, SASL_MALFORMED_REQUEST);
	else
		take_message(c, el, false);
}

void c2s_negotiate(struct c2s *c, struct wire_builder *b)
{
	struct jd_el el = wire_peek(b);

	if (jd_el_is(el, JD_NS_TLS, "starttls"))
		on_starttls(c);
	else if (jd_el_is(el, JD_NS_SASL, NULL))
		on_sasl(c, el);
	else
		c2s_error(c, STREAM_NOT_AUTHORIZED, NULL);
}

void login_free(struct login *login)
{
	if (!login)
		return;
	sasl_free(login->sasl);
	mem_free(login->name);
	shared_unref(&login->settings->shared);
	mem_free(login);
}
