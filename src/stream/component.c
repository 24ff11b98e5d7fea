/* SPDX-License-Identifier: MIT
 *
 * The stream of an external component (XEP-0114): a header that names the
 * component, a handshake that shows that it knows the secret, and from there on
 * stanzas as of a session, only that it says itself who sends them.
 *
 * It is a struct c2s like that of a client, with a namespace of its own and without
 * features, SASL and binding:
 *
 *     OPENING ---header---> HANDSHAKE ---right---> BINDING (logic is told) -> BOUND
 */
#include "stream/c2s_priv.h"
#include "util/arena.h"
#include "xmpp/jid.h"

#define ID_BYTES 18
#define SHA1_HEX 40

static const struct stream_component *find(const struct stream_settings *settings, struct jd_str to)
{
	char text[JD_JID_MAX];
	struct jd_jid jid;

	if (!to.p || jid_prep(to, text, &jid) < 0 || jid.local_len || jid.resource_len)
		return NULL;
	for (size_t i = 0; i < settings->n_components; i++)
		if (jd_str_eq(settings->components[i].name, jd_jid_domain(jid)))
			return &settings->components[i];
	return NULL;
}

/* -- the header -------------------------------------------------------------------------- */

void component_say_header(struct c2s *c)
{
	struct login *login = c->login;
	struct say s = {0};

	_Static_assert(sizeof(login->id) > ID_BYTES / 3 * 4, "an id fits");
	crypto_random_id(login->id, ID_BYTES);
	say_str(&s, "<?xml version='1.0'?><stream:stream xmlns='" JD_NS_COMPONENT
		    "' xmlns:stream='" JD_NS_STREAM "'");
	say_attr(&s, "id", jd_cstr(login->id));
	say_attr(&s, "from", login->component ? login->component->name : JD_STR_NULL);
	say_str(&s, ">");
	say_done(c, &s);
	c->header_out = true;
}

void component_open(struct c2s *c, const struct scan_open *open)
{
	struct login *login = c->login;

	login->component = find(login->settings, open->to);
	component_say_header(c);
	if (!jd_str_is(open->ns, JD_NS_STREAM) || !jd_str_is(open->content_ns, JD_NS_COMPONENT)) {
		c2s_error(c, STREAM_INVALID_NAMESPACE, NULL);
	} else if (!jd_str_is(open->name, "stream")) {
		c2s_error(c, STREAM_BAD_FORMAT, NULL);
	} else if (!login->component) {
		c2s_error(c, STREAM_HOST_UNKNOWN, NULL);
	} else {
		scan_set_lang(c->scan, open->lang);
		c->state = AT_HANDSHAKE;
	}
}

/* -- the handshake ----------------------------------------------------------------------- */

static bool is_right(const struct login *login, struct jd_str text)
{
	struct jd_str secret = login->component->secret;
	size_t id_len = strlen(login->id);
	char *both = mem_alloc(id_len + secret.len);
	uint8_t digest[CRYPTO_MAX_DIGEST];
	char hex[2 * CRYPTO_MAX_DIGEST + 1];
	bool right;

	memcpy(both, login->id, id_len);
	memcpy(both + id_len, secret.p, secret.len);
	crypto_digest(CRYPTO_SHA1, both, id_len + secret.len, digest);
	crypto_hex(digest, crypto_digest_size(CRYPTO_SHA1), hex);
	right = text.len == SHA1_HEX && crypto_equal(text.p, hex, SHA1_HEX);
	crypto_wipe(both, id_len + secret.len);
	crypto_wipe(hex, sizeof(hex));
	mem_free(both);
	return right;
}

static void post_ask(struct c2s *c)
{
	struct jd_str name = c->login->component->name, peer = conn_peer(c->conn);
	struct component_ask *ask = mem_alloc(sizeof(*ask) + name.len + peer.len);
	char *at = (char *)(ask + 1);

	ask->name = str_place(&at, name);
	ask->peer = str_place(&at, peer);
	c->state = AT_BINDING;
	c2s_stop(c, STOP_ASK);
	c2s_post(c, C2S_COMPONENT, ask);
}

void component_handshake(struct c2s *c, struct wire_builder *b)
{
	struct jd_el el = wire_peek(b);
	struct jd_arena arena;
	bool right = false;

	arena_init(&arena, NULL, 0);
	if (wire_root_is_content(b) && jd_str_is(jd_el_name(el), "handshake"))
		right = is_right(c->login, jd_el_text(el, &arena));
	arena_fini(&arena);
	if (right) {
		auth_raise_limits(c);
		post_ask(c);
		return;
	}
	jd_log_peer(JD_LOG_NOTICE, "component login failed",
		    jd_kv_str("component", c->login->component->name),
		    jd_kv_str("peer", conn_peer(c->conn)));
	c2s_error(c, STREAM_NOT_AUTHORIZED, NULL);
}

void component_bound(struct c2s *c)
{
	c2s_say(c, "<handshake/>");
}
