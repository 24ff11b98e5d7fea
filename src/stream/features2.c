/* SPDX-License-Identifier: MIT
 *
 * What SASL2 offers (XEP-0388): mechanisms, what can be done at once with a
 * login, and upgrades of keys.  Only what this very connection can do.
 */
#include "stream/c2s_priv.h"

static void say_bind(const struct c2s *c, struct say *s)
{
	struct jd_str features = c->login->host->bind_features;

	say_str(s, "<bind xmlns='" JD_NS_BIND2 "'><inline><feature var='" JD_NS_SM "'/>");
	say_bytes(s, features.p, features.len);
	say_str(s, "</inline></bind>");
}

/* A binding of the channel is better than none. */
static void say_fast(const struct c2s *c, struct say *s)
{
	static const enum sasl_mechanism order[] = {SASL_HT_EXPR, SASL_HT_ENDP, SASL_HT_NONE};
	unsigned bits = c2s_token_mechanisms(c);

	if (!bits)
		return;
	say_str(s, "<fast xmlns='" JD_NS_FAST "'>");
	for (size_t i = 0; i < JD_ARRAY_SIZE(order); i++) {
		if (!(bits & (1u << order[i])))
			continue;
		say_str(s, "<mechanism>");
		say_str(s, sasl_name(order[i]));
		say_str(s, "</mechanism>");
	}
	say_str(s, "</fast>");
}

void say_authentication(struct c2s *c, struct say *s)
{
	if (!c2s_mechanisms(c))
		return;
	say_str(s, "<authentication xmlns='" JD_NS_SASL2 "'>");
	say_mechanism_names(s, c2s_mechanisms(c));
	say_str(s, "<inline><sm xmlns='" JD_NS_SM "'/>");
	say_bind(c, s);
	say_fast(c, s);
	say_str(s, "</inline>");
	tasks_say_offered(c, s);
	say_str(s, "</authentication>");
}
