/* SPDX-License-Identifier: MIT
 *
 * What a stream is to a login: which channel bindings its TLS session has, and so
 * which mechanisms it can offer.  Nothing of this changes between the features
 * and the end of the login, so it is computed when it is asked for.
 */
#include "stream/c2s_priv.h"

size_t c2s_binding(const struct c2s *c, enum sasl_binding type, uint8_t out[64])
{
	struct tls_session *tls = conn_tls(c->conn);
	size_t n = 0;

	if (!tls)
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

unsigned c2s_mechanisms(const struct c2s *c)
{
	unsigned bits = c->login->settings->mechanisms;
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
}
