/* SPDX-License-Identifier: MIT
 *
 * What a stream is to a login: which channel bindings its TLS session has, and so
 * which mechanisms it can offer.  Nothing of this changes between the features
 * and the end of the login, so it is computed when it is asked for.
 */
#include "stream/c2s_priv.h"
#include "util/idn.h"
#include "xmpp/jid.h"

size_t c2s_binding(const struct c2s *c, enum sasl_binding type, uint8_t out[64])
{
	struct tls_session *tls = conn_tls(c->conn);
	size_t n = 0;

	/* Pages in a browser cannot know a binding, and some clients say then that they could,
	 * which is an attack where one is offered (RFC 5802 section 6). */
	if (!tls || c->ws)
		return 0;
	switch (type) {
	case SASL_TLS_EXPORTER:
		return tls_exporter(tls, out) < 0 ? 0 : 32;
	case SASL_TLS_SERVER_END_POINT:
		return tls_server_end_point(tls, out, &n) < 0 ? 0 : n;
	case SASL_BINDING_COUNT:
		break;
	}
	return 0;
}

void c2s_bindings(const struct c2s *c, struct sasl_bindings *ret_bindings)
{
	for (unsigned i = 0; i < SASL_BINDING_COUNT; i++)
		ret_bindings->len[i] = c2s_binding(c, (enum sasl_binding)i, ret_bindings->data[i]);
}

struct found {
	struct jd_str host;
	struct sasl_cert *cert;
};

static void on_addr(void *arg, struct jd_str addr)
{
	struct found *f = arg;
	struct sasl_cert *cert = f->cert;
	char text[JD_JID_MAX];
	struct jd_jid jid;

	if (cert->n == SASL_CERT_NAMES || jid_prep(addr, text, &jid) < 0 || jid.resource_len ||
	    !jid.local_len || !jd_str_eq(jd_jid_domain(jid), f->host))
		return;
	_Static_assert(sizeof(cert->names[0]) > JD_JID_PART_MAX, "a name fits");
	memcpy(cert->names[cert->n], text, jid.local_len);
	cert->names[cert->n++][jid.local_len] = '\0';
}

/* Whom one host trusts to vouch for its accounts says nothing about those of another, to which
 * the stream may have turned since the handshake. */
static void find_names(const struct c2s *c, struct sasl_cert *ret_cert)
{
	struct tls_session *tls = conn_tls(c->conn);
	struct found f = {c->login->host->name, ret_cert};
	char host[256];

	ret_cert->n = 0;
	if (tls && (idn_to_ascii(f.host, host) < 0 || tls_client_addrs(tls, host, on_addr, &f) < 0))
		ret_cert->n = 0;
}

/* What the operator allows, as far as this stream's TLS can do it. */
static unsigned possible(const struct c2s *c)
{
	unsigned bits = c->login->settings->mechanisms & ~(SASL_HT_BITS | 1u << SASL_ANONYMOUS);
	struct sasl_cert cert;

	if (c->login->host->no_scram)
		bits &= ~sasl_without_hashes(0);
	if (c->login->host->anonymous)
		bits |= 1u << SASL_ANONYMOUS;

	find_names(c, &cert);
	return cert.n ? bits : bits & ~(1u << SASL_EXTERNAL);
}

unsigned c2s_mechanisms(const struct c2s *c)
{
	unsigned bits = possible(c);
	struct sasl_bindings b;

	c2s_bindings(c, &b);
	for (unsigned i = 0; i < SASL_BINDING_COUNT; i++) {
		if (b.len[i])
			return bits;
	}
	return bits & ~SASL_PLUS_BITS;
}

void c2s_sasl_env(const struct c2s *c, struct sasl_env *ret_env)
{
	*ret_env = (struct sasl_env){
		.host = c->login->host->name,
		.peer = conn_peer(c->conn),
		.offered = c2s_mechanisms(c),
	};
	c2s_bindings(c, &ret_env->bindings);
	find_names(c, &ret_env->cert);
}
