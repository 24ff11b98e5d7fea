/* SPDX-License-Identifier: MIT
 *
 * What is offered at each step (RFC 6120 section 4.3.2): first only TLS, where a
 * login needs it; then mechanisms; after the login binding, and what the host's
 * modules advertise.
 */
#include "stream/c2s_priv.h"

static void say_starttls(struct say *s, bool required)
{
	say_str(s, "<starttls xmlns='" JD_NS_TLS "'");
	say_str(s, required ? "><required/></starttls>" : "/>");
}

/* The strongest first: clients of old take the first that they know. */
void say_mechanism_names(struct say *s, unsigned bits)
{
	static const enum sasl_mechanism order[] = {
		SASL_EXTERNAL,           SASL_SCRAM_SHA_512_PLUS,
		SASL_SCRAM_SHA_256_PLUS, SASL_SCRAM_SHA_1_PLUS,
		SASL_SCRAM_SHA_512,      SASL_SCRAM_SHA_256,
		SASL_SCRAM_SHA_1,        SASL_PLAIN,
		SASL_ANONYMOUS,
	};

	_Static_assert(JD_ARRAY_SIZE(order) == SASL_HT_NONE, "all mechanisms have a place");
	for (size_t i = 0; i < JD_ARRAY_SIZE(order); i++) {
		if (!(bits & (1u << order[i])))
			continue;
		say_str(s, "<mechanism>");
		say_str(s, sasl_name(order[i]));
		say_str(s, "</mechanism>");
	}
}

/* XEP-0440; what TLS gives to this stream. */
void say_bindings(struct c2s *c, struct say *s)
{
	struct sasl_bindings b;
	bool any = false;

	/* A list of bindings that no mechanism can use would look like an attack. */
	if (!(c2s_mechanisms(c) & SASL_PLUS_BITS))
		return;
	c2s_bindings(c, &b);
	for (unsigned i = 0; i < SASL_BINDING_COUNT; i++) {
		if (!b.len[i])
			continue;
		say_str(s, any ? "" : "<sasl-channel-binding xmlns='" JD_NS_SASL_CB "'>");
		say_str(s, "<channel-binding");
		say_attr(s, "type", jd_cstr(sasl_binding_name((enum sasl_binding)i)));
		say_str(s, "/>");
		any = true;
	}
	say_str(s, any ? "</sasl-channel-binding>" : "");
}

static void say_mechanisms(struct c2s *c, struct say *s)
{
	say_str(s, "<mechanisms xmlns='" JD_NS_SASL "'>");
	say_mechanism_names(s, c2s_mechanisms(c));
	say_str(s, "</mechanisms>");
}

/* XEP-0478. idle: 0 says nothing of it. */
static void say_limits(struct say *s, const struct scan_limits *limits, jd_usec idle)
{
	say_str(s, "<limits xmlns='" JD_NS_LIMITS "'><max-bytes>");
	say_uint(s, limits->stanza_bytes);
	say_str(s, "</max-bytes>");
	if (idle) {
		say_str(s, "<idle-seconds>");
		say_uint(s, (uint64_t)(idle / JD_USEC_PER_SEC));
		say_str(s, "</idle-seconds>");
	}
	say_str(s, "</limits>");
}

static void say_before(struct c2s *c, struct say *s)
{
	const struct stream_settings *settings = c->login->settings;

	if (!c->ws && conn_can_tls(c->conn))
		say_starttls(s, !settings->allow_plaintext);
	if (c2s_may_login(c)) {
		say_mechanisms(c, s);
		say_authentication(c, s);
		say_bindings(c, s);
	}
	if (c2s_may_register(c))
		say_str(s, "<register xmlns='http://jabber.org/features/iq-register'/>");
	say_limits(s, &settings->before, settings->login_deadline);
}

static void say_after(struct c2s *c, struct say *s)
{
	const struct login *login = c->login;
	const struct stream_settings *settings = login->settings;

	if (c->state == AT_BIND)
		say_str(s, "<bind xmlns='" JD_NS_BIND "'/>"
			   "<session xmlns='" JD_NS_SESSION "'><optional/></session>");
	if (!login->managed)
		say_str(s, "<sm xmlns='" JD_NS_SM "'/>");
	say_bytes(s, login->host->features.p, login->host->features.len);
	/* When we ask whether anybody is there; without asking, when we are sure of it. */
	say_limits(s, &settings->after,
		   settings->idle_ping ? settings->idle_ping : settings->idle_timeout);
}

void c2s_features(struct c2s *c)
{
	struct say s = {0};

	say_str(&s,
		c->ws ? "<stream:features xmlns:stream='" JD_NS_STREAM "'>" : "<stream:features>");
	if (c->state == AT_BIND || c->state == AT_BOUND)
		say_after(c, &s);
	else
		say_before(c, &s);
	say_str(&s, "</stream:features>");
	say_done(c, &s);
}
