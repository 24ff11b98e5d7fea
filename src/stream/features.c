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

/* The strongest first. */
static void say_mechanisms(struct say *s, unsigned allowed)
{
	static const enum sasl_mechanism order[] = {SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_1,
						    SASL_PLAIN};

	_Static_assert(JD_ARRAY_SIZE(order) == SASL_MECHANISM_COUNT, "all mechanisms have a place");
	say_str(s, "<mechanisms xmlns='" JD_NS_SASL "'>");
	for (size_t i = 0; i < JD_ARRAY_SIZE(order); i++) {
		if (!(allowed & (1u << order[i])))
			continue;
		say_str(s, "<mechanism>");
		say_str(s, sasl_name(order[i]));
		say_str(s, "</mechanism>");
	}
	say_str(s, "</mechanisms>");
}

/* XEP-0478 */
static void say_limits(struct say *s, const struct scan_limits *limits)
{
	say_str(s, "<limits xmlns='" JD_NS_LIMITS "'><max-bytes>");
	say_uint(s, limits->stanza_bytes);
	say_str(s, "</max-bytes></limits>");
}

static void say_before(struct c2s *c, struct say *s)
{
	const struct stream_settings *settings = c->login->settings;

	if (!c->ws && conn_can_tls(c->conn))
		say_starttls(s, !settings->allow_plaintext);
	if (c2s_may_login(c))
		say_mechanisms(s, c2s_mechanisms(c));
	say_limits(s, &settings->before);
}

static void say_after(struct c2s *c, struct say *s)
{
	const struct login *login = c->login;

	say_str(s, "<bind xmlns='" JD_NS_BIND "'/>"
		   "<session xmlns='" JD_NS_SESSION "'><optional/></session>");
	say_bytes(s, login->host->features.p, login->host->features.len);
	say_limits(s, &login->settings->after);
}

void c2s_features(struct c2s *c)
{
	struct say s = {0};

	say_str(&s,
		c->ws ? "<stream:features xmlns:stream='" JD_NS_STREAM "'>" : "<stream:features>");
	if (c->state == AT_BIND)
		say_after(c, &s);
	else
		say_before(c, &s);
	say_str(&s, "</stream:features>");
	say_done(c, &s);
}
