/* SPDX-License-Identifier: MIT
 *
 * SASL as RFC 6120 section 6 wraps it: messages are the text of <auth/>,
 * <challenge/>, <response/> and <success/>, and behind a success the stream
 * begins anew.
 */
#include "stream/c2s_priv.h"

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

static void on_challenge(struct c2s *c)
{
	say_step(c, "challenge");
}

static void on_success(struct c2s *c)
{
	say_step(c, "success");
	auth_established(c);
	auth_post_result(c, true);
	exchange_end(c);
	auth_raise_limits(c);
	c->state = AT_OPENING;
	c->header_out = false;
	c2s_barrier(c, THEN_RESTART);
}

static void on_failure(struct c2s *c, enum sasl_condition condition, const char *text)
{
	struct say s = {0};

	(void)text;
	say_str(&s, "<failure xmlns='" JD_NS_SASL "'><");
	say_str(&s, sasl_condition_name(condition));
	say_str(&s, "/></failure>");
	say_done(c, &s);
}

const struct auth_profile sasl1_profile = {on_challenge, on_success, on_failure};

/* -- elements of the client -------------------------------------------------------------- */

static void on_auth(struct c2s *c, struct jd_el el)
{
	enum sasl_mechanism m;

	if (c->state != AT_FEATURES) {
		auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
	} else if (!c2s_may_login(c)) {
		auth_fail(c, SASL_ENCRYPTION_REQUIRED, NULL);
	} else if (sasl_find(jd_el_attr(el, "mechanism"), &m) < 0 ||
		   !(c2s_mechanisms(c) & (1u << m))) {
		auth_fail(c, SASL_INVALID_MECHANISM, NULL);
	} else {
		bool given = jd_el_ok(jd_el_first(el)) || jd_el_text_chars(el);

		auth_begin(c, m, &sasl1_profile);
		auth_message(c, given ? el : JD_EL_NONE, true);
	}
}

void c2s_sasl1(struct c2s *c, struct jd_el el)
{
	struct jd_str name = jd_el_name(el);
	struct login *login = c->login;

	/* Within an exchange of SASL2 nothing else may come (XEP-0388). */
	if (c->state == AT_TASK || (login->two && c->state == AT_SASL)) {
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	login->profile = &sasl1_profile;
	if (jd_str_is(name, "auth"))
		on_auth(c, el);
	else if (jd_str_is(name, "abort"))
		auth_fail(c, SASL_ABORTED, NULL);
	else if (!jd_str_is(name, "response"))
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	else if (c->state != AT_SASL)
		auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
	else
		auth_message(c, el, true);
}
