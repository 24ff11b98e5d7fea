/* SPDX-License-Identifier: MIT
 *
 * How often one address, and everybody together, may try to register.  Attempts
 * count, not accounts: each costs a password's hashing, and tells whether a name
 * is taken.
 */
#include <arpa/inet.h>

#include "register_priv.h"

/* A network of IPv6 is one customer: its addresses are not counted apart. */
static void prefix_of(struct jd_str peer, uint8_t out[8])
{
	char text[INET6_ADDRSTRLEN] = "";
	uint8_t bytes[16] = {0};

	if (peer.len < sizeof(text))
		memcpy(text, peer.p, peer.len);
	memset(out, 0, 8);
	if (inet_pton(AF_INET, text, bytes) == 1) {
		out[0] = 4; /* in 400::/8 nobody has an address */
		memcpy(out + 1, bytes, 4);
	} else if (inet_pton(AF_INET6, text, bytes) == 1) {
		memcpy(out, bytes, 8);
	}
}

static bool is_over(const struct options *o, const struct register_tries *t, jd_usec now)
{
	return !t->since || now - t->since >= o->period;
}

static bool count(const struct options *o, struct register_tries *t, int64_t most, jd_usec now)
{
	if (is_over(o, t, now)) {
		t->since = now;
		t->count = 0;
	}
	return ++t->count <= most;
}

bool register_may_try(struct options *o, struct jd_str peer, jd_usec now)
{
	struct register_tries *place = NULL;
	uint8_t prefix[8];

	prefix_of(peer, prefix);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct register_tries *t = &o->tries[i];

		if (t->since && memcmp(t->prefix, prefix, sizeof(prefix)) == 0) {
			place = t;
			break;
		}
		if (!place && is_over(o, t, now))
			place = t;
	}
	/* More addresses than places have come in this time: that is enough of them. */
	if (!place)
		return false;
	memcpy(place->prefix, prefix, sizeof(prefix));
	return count(o, place, o->per_address, now) && count(o, &o->all, o->per_host, now);
}
