/* SPDX-License-Identifier: MIT
 *
 * EXTERNAL (RFC 4422 appendix A, XEP-0178 section 2): TLS has seen a certificate
 * that names accounts of this host.  If it is one, the client need not say which;
 * if they are several, it must.  Logic knows whether the account exists.
 */
#include "stream/sasl/sasl_priv.h"
#include "util/utf8.h"
#include "xmpp/jid.h"

static bool certified(const struct sasl_cert *cert, struct jd_str name)
{
	for (unsigned i = 0; i < cert->n; i++) {
		if (jd_str_is(name, cert->names[i]))
			return true;
	}
	return false;
}

/* The local part that the authorization identity names; 0, or 1: it is nobody of this host. */
static int name_of(const struct sasl *s, struct jd_str authzid, char out[JD_JID_MAX],
		   struct jd_str *ret_name)
{
	struct jd_jid jid;

	if (jid_prep(authzid, out, &jid) < 0 || jid.resource_len || !jid.local_len ||
	    !jd_str_eq(jd_jid_domain(jid), s->env.host))
		return 1;
	*ret_name = jd_jid_local(jid);
	return 0;
}

static enum sasl_step external_message(struct sasl *s, struct jd_str message)
{
	const struct sasl_cert *cert = &s->env.cert;
	char text[JD_JID_MAX];
	struct jd_str name;

	if (!message.p) {
		sasl_set_out(s, NULL, 0);
		return SASL_CHALLENGE;
	}
	if (!utf8_valid_xml(message.p, message.len))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (message.len == 0) {
		if (cert->n != 1)
			return sasl_fail(s, SASL_INVALID_AUTHZID);
		name = jd_cstr(cert->names[0]);
	} else if (name_of(s, message, text, &name) || !certified(cert, name)) {
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	}
	if (!sasl_set_name(s, name))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	return sasl_make_ask(s, AUTH_EXISTS, CRYPTO_SHA1, JD_STR_NULL);
}

static enum sasl_step external_answer(struct sasl *s, const struct auth_answer *answer)
{
	if (answer->status != AUTH_GIVEN || !answer->owner)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	s->owner = answer->owner;
	return SASL_SUCCESS;
}

static void external_free(struct sasl *s)
{
	(void)s;
}

const struct sasl_impl sasl_external = {external_message, external_answer, external_free};
