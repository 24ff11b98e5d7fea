/* SPDX-License-Identifier: MIT
 *
 * In-band registration (XEP-0077) before the login: where the host offers it, and
 * only under TLS, a request goes to logic as it is, and the stream stands still
 * until it has been answered.
 */
#include "stream/c2s_priv.h"
#include "xmpp/stanza.h"

#define NS_REGISTER "jabber:iq:register"

/* Of one stream: asking for the form, and a few names that were taken. */
#define MAX_REQUESTS 10

bool c2s_may_register(const struct c2s *c)
{
	return c2s_secure(c) && c->login->host && c->login->host->registration;
}

static bool is_request(struct wire_builder *b)
{
	struct jd_el iq = wire_peek(b);
	struct jd_str type = jd_el_attr(iq, "type");

	return wire_root_is_content(b) && jd_str_is(jd_el_name(iq), "iq") &&
	       jd_el_attr(iq, "id").p && (jd_str_is(type, "get") || jd_str_is(type, "set")) &&
	       jd_el_is(jd_el_first(iq), NS_REGISTER, "query");
}

static void post(struct c2s *c, struct jd_wire *wire)
{
	struct jd_str host = c->login->host->name, peer = conn_peer(c->conn);
	struct register_ask *ask = mem_alloc(sizeof(*ask) + host.len + peer.len);
	char *at = (char *)(ask + 1);

	ask->host = str_place(&at, host);
	ask->peer = str_place(&at, peer);
	ask->framed = c->ws != NULL;
	ask->wire = wire;
	c->state = AT_REGISTERING;
	c2s_stop(c, STOP_ASK);
	c2s_post(c, C2S_REGISTER, ask);
}

bool c2s_register(struct c2s *c, struct wire_builder *b)
{
	const struct stanza_rules rules = {.body_chars = c->thread->settings->body_chars};
	struct stanza_scratch scratch;
	struct wire_meta meta;
	struct jd_wire *wire;

	if (c->state != AT_FEATURES || !c2s_may_register(c) || !is_request(b))
		return false;
	if (++c->login->registrations > MAX_REQUESTS) {
		c2s_error(c, STREAM_POLICY_VIOLATION, "Too many requests to register.");
		return true;
	}
	if (stanza_meta(b, &rules, &scratch, &meta) > 0 || wire_finish(b, &meta, &wire) < 0)
		return false;
	post(c, wire);
	return true;
}

void c2s_registered(struct c2s *c)
{
	if (c->state != AT_REGISTERING)
		return;
	c->state = AT_FEATURES;
	c2s_go(c, STOP_ASK);
}
