/* SPDX-License-Identifier: MIT
 *
 * Between features and login: STARTTLS (RFC 6120 section 5), and what both ways of
 * wrapping a SASL exchange share.  The mechanisms don't know XML; c2s_sasl1.c and
 * c2s_sasl2.c wrap and unwrap their messages; this file carries questions to
 * logic and its answers back, and counts failures.
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
void auth_post_result(struct c2s *c, bool good)
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

void exchange_end(struct c2s *c)
{
	sasl_free(c->login->sasl);
	c->login->sasl = NULL;
}

static void forget_who(struct login *login)
{
	mem_free(login->name);
	login->name = NULL;
	login->owner = 0;
	login->mechanism = NULL;
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

static const char *tried_name(const struct login *login)
{
	if (login->sasl)
		return login->sasl->name;
	return login->name ? login->name : "";
}

void auth_fail(struct c2s *c, enum sasl_condition condition, const char *text)
{
	struct login *login = c->login;
	bool over = too_many(login);

	jd_log_peer(JD_LOG_INFO, "login failed", jd_kv_cstr("user", tried_name(login)),
		    jd_kv_str("host", login->host->name),
		    jd_kv_cstr("mechanism", login->sasl ? sasl_name(login->sasl->mechanism) : ""),
		    jd_kv_cstr("reason", sasl_condition_name(condition)),
		    jd_kv_str("peer", conn_peer(c->conn)));
	login->profile->failed(c, condition, text);
	exchange_end(c);
	forget_who(login);
	sasl2_free(login->two);
	login->two = NULL;
	c->state = AT_FEATURES;
	login->over = over;
	if (over && !c->unsent_kind) /* else when logic has been told */
		c2s_refuse(c);
}

void c2s_refuse(struct c2s *c)
{
	c2s_error(c, STREAM_POLICY_VIOLATION, "Too many failed logins.");
}

void auth_established(struct c2s *c)
{
	struct login *login = c->login;
	struct sasl *sasl = login->sasl;

	login->name = jd_strdup(jd_cstr(sasl->name));
	login->owner = sasl->owner;
	login->mechanism = sasl_name(sasl->mechanism);
	jd_log(JD_LOG_INFO, "logged in", jd_kv_cstr("user", login->name),
	       jd_kv_str("host", login->host->name), jd_kv_cstr("mechanism", login->mechanism),
	       jd_kv_cstr("transport", c2s_transport(c)), jd_kv_str("peer", conn_peer(c->conn)));
}

void auth_raise_limits(struct c2s *c)
{
	const struct scan_limits *after = &c->login->settings->after;

	scan_limits(c->scan, after);
	if (c->ws)
		ws_limit(c->ws, after->stanza_bytes);
}

/* -- steps ------------------------------------------------------------------------------------ */

static void on_step(struct c2s *c, enum sasl_step step)
{
	struct sasl *sasl = c->login->sasl;
	struct auth_ask *ask;

	switch (step) {
	case SASL_CHALLENGE:
		c->login->profile->challenge(c);
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
		c->login->profile->succeeded(c);
		break;
	case SASL_FAILURE:
		auth_post_result(c, false);
		auth_fail(c, sasl->condition, NULL);
		break;
	}
}

void c2s_answered(struct c2s *c, const struct auth_answer *a)
{
	if (c->state != AT_ASKING || !c->login->sasl)
		return;
	/* First, since what comes of it may stop for another question. */
	c->stops &= (uint8_t)~STOP_ASK;
	on_step(c, sasl_answer(c->login->sasl, a));
	c2s_go(c, 0);
}

/* -- messages of the client ------------------------------------------------------------------- */

void auth_begin(struct c2s *c, enum sasl_mechanism m, const struct auth_profile *profile)
{
	struct login *login = c->login;
	struct sasl_env env;

	c2s_sasl_env(c, &env);
	if (login->two && login->two->has_use)
		env.token = &login->two->use;
	login->profile = profile;
	login->sasl = sasl_new(m, &env);
}

/* The base64 text of el, decoded into memory that the caller wipes. */
static int read_message(struct jd_el el, bool equals, char **ret_p, size_t *ret_len)
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
	if (text.len && !(equals && jd_str_is(text, "=")))
		r = base64_decode(text, p, text.len, &n);
	if (r == 0) {
		*ret_p = p;
		*ret_len = n;
	} else {
		mem_free(p);
	}
	arena_fini(&arena);
	return r;
}

void auth_message(struct c2s *c, struct jd_el el, bool equals)
{
	struct jd_str message = JD_STR_NULL;
	enum sasl_step step;
	char *p = NULL;

	if (jd_el_ok(el) && read_message(el, equals, &p, &message.len) < 0) {
		auth_fail(c, SASL_INCORRECT_ENCODING, NULL);
		return;
	}
	message.p = p;
	step = sasl_message(c->login->sasl, message);
	if (p)
		crypto_wipe(p, message.len);
	mem_free(p);
	on_step(c, step);
}

void c2s_negotiate(struct c2s *c, struct wire_builder *b)
{
	struct jd_el el = wire_peek(b);

	if (jd_el_is(el, JD_NS_TLS, "starttls"))
		on_starttls(c);
	else if (jd_el_is(el, JD_NS_SASL, NULL))
		c2s_sasl1(c, el);
	else if (jd_el_is(el, JD_NS_SASL2, NULL))
		c2s_sasl2(c, el);
	else if (jd_el_is(el, JD_NS_SM, NULL))
		c2s_too_early(c);
	else if (!c2s_register(c, b))
		c2s_error(c, STREAM_NOT_AUTHORIZED, NULL);
}

void login_free(struct login *login)
{
	if (!login)
		return;
	sasl_free(login->sasl);
	sasl2_free(login->two);
	mem_free(login->name);
	mem_free(login->from);
	shared_unref(&login->settings->shared);
	mem_free(login);
}
