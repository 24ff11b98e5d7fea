/* SPDX-License-Identifier: MIT
 *
 * HT-SHA-256-* (draft-schmaus-kitten-sasl-ht), for the tokens of XEP-0484:
 *
 *     C: user NUL HMAC(token, "Initiator" || binding)
 *     S: HMAC(token, "Responder" || binding)
 *
 * Which tokens a device has, only logic knows, and using one changes it; so the
 * whole question goes there.
 */
#include "stream/ask.h"
#include "stream/sasl/sasl_priv.h"
#include "util/mem.h"
#include "util/utf8.h"

static struct jd_str binding_of(const struct sasl *s)
{
	const struct sasl_bindings *b = &s->env.bindings;

	switch (s->mechanism) {
	case SASL_HT_ENDP:
		return (struct jd_str){(const char *)b->data[SASL_TLS_SERVER_END_POINT],
				       b->len[SASL_TLS_SERVER_END_POINT]};
	case SASL_HT_EXPR:
		return (struct jd_str){(const char *)b->data[SASL_TLS_EXPORTER],
				       b->len[SASL_TLS_EXPORTER]};
	default:
		return JD_STR("");
	}
}

static enum sasl_step ask_for(struct sasl *s, struct jd_str proof)
{
	struct jd_str name = jd_cstr(s->name), binding = binding_of(s);
	const struct sasl_token_use *use = s->env.token;
	struct auth_ask *ask = mem_alloc(sizeof(*ask) + s->env.host.len + name.len + proof.len +
					 s->env.peer.len + use->device.len + binding.len);
	char *at = (char *)(ask + 1);

	ask->what = AUTH_TOKEN;
	ask->hash = CRYPTO_SHA256;
	ask->host = str_place(&at, s->env.host);
	ask->name = str_place(&at, name);
	ask->password = str_place(&at, proof);
	ask->peer = str_place(&at, s->env.peer);
	ask->device = str_place(&at, use->device);
	ask->binding = str_place(&at, binding);
	ask->mechanism = sasl_name(s->mechanism);
	ask->count = use->count;
	ask->invalidate = use->invalidate;
	s->ask = ask;
	return SASL_ASK;
}

static enum sasl_step ht_message(struct sasl *s, struct jd_str message)
{
	const char *nul = message.p ? memchr(message.p, '\0', message.len) : NULL;
	struct jd_str name, proof;

	if (!nul || !s->env.token)
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	name = (struct jd_str){message.p, (size_t)(nul - message.p)};
	proof = (struct jd_str){nul + 1, message.len - name.len - 1};
	if (!name.len || !utf8_valid_xml(name.p, name.len) ||
	    proof.len != crypto_digest_size(CRYPTO_SHA256))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_set_name(s, name))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	return ask_for(s, proof);
}

static enum sasl_step ht_answer(struct sasl *s, const struct auth_answer *answer)
{
	if (answer->status == AUTH_EXPIRED)
		return sasl_fail(s, SASL_CREDENTIALS_EXPIRED);
	if (answer->status != AUTH_GIVEN || !answer->owner)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	sasl_set_out(s, answer->server_key, crypto_digest_size(CRYPTO_SHA256));
	s->owner = answer->owner;
	return SASL_SUCCESS;
}

static void ht_free(struct sasl *s)
{
	(void)s;
}

const struct sasl_impl sasl_ht = {ht_message, ht_answer, ht_free};
