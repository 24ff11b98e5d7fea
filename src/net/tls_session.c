/* SPDX-License-Identifier: MIT
 *
 * One TLS session over a non-blocking socket, and facts about it.
 *
 * libssl keeps a queue of errors per thread and looks at it to name a result, so
 * the queue is emptied before each call.  A session that failed once is not
 * touched again: libssl's answers are undefined from there on.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "net/tls_store.h"
#include "util/mem.h"

struct tls_session *tls_session_new(struct tls_store *store, int fd, enum tls_alpn alpn)
{
	struct tls_session *s = mem_new(struct tls_session);

	s->store = tls_store_ref(store);
	s->alpn = alpn;
	s->ssl = SSL_new(store->fallback);
	JD_ASSERT(s->ssl && SSL_set_fd(s->ssl, fd) == 1);
	SSL_set_app_data(s->ssl, s);
	SSL_set_accept_state(s->ssl);
	return s;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	tls_store_unref(s->store);
	mem_free(s);
}

void tls_prefer(struct tls_session *s, const char *name)
{
	for (size_t i = 0; i < s->store->n; i++)
		if (strcmp(s->store->entries[i].name, name) == 0)
			SSL_set_SSL_CTX(s->ssl, s->store->entries[i].ctx);
}

void tls_set_alpn(struct tls_session *s, enum tls_alpn alpn)
{
	s->alpn = alpn;
}

/* -- moving bytes ------------------------------------------------------------------- */

/* r: what a call of libssl returned that was no success. */
static int outcome(struct tls_session *s, int r)
{
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return -JD_ECLOSED;
	default:
		s->broken = true;
		s->error = ERR_peek_error();
		ERR_clear_error();
		/* The socket's end or error without a word of TLS. */
		return s->error ? -JD_EIO : -JD_ECLOSED;
	}
}

int tls_handshake(struct tls_session *s)
{
	int r;

	if (s->broken)
		return -JD_EIO;
	ERR_clear_error();
	r = SSL_accept(s->ssl);
	return r == 1 ? 0 : outcome(s, r);
}

int tls_read(struct tls_session *s, void *buf, size_t size, size_t *ret_n)
{
	int r;

	if (s->broken)
		return s->error ? -JD_EIO : -JD_ECLOSED;
	ERR_clear_error();
	r = SSL_read(s->ssl, buf, size < INT_MAX ? (int)size : INT_MAX);
	if (r <= 0)
		return outcome(s, r);
	*ret_n = (size_t)r;
	return 0;
}

int tls_write(struct tls_session *s, const void *data, size_t n, size_t *ret_n)
{
	int r;

	if (s->broken)
		return -JD_EIO;
	ERR_clear_error();
	r = SSL_write(s->ssl, data, n < INT_MAX ? (int)n : INT_MAX);
	if (r <= 0)
		return outcome(s, r);
	*ret_n = (size_t)r;
	return 0;
}

bool tls_pending(const struct tls_session *s)
{
	return SSL_has_pending(s->ssl);
}

void tls_goodbye(struct tls_session *s)
{
	if (s->broken || !SSL_is_init_finished(s->ssl))
		return;
	ERR_clear_error();
	(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
}

const char *tls_reason(const struct tls_session *s)
{
	const char *text = s->error ? ERR_reason_error_string(s->error) : NULL;

	return text ? text : "the connection broke";
}

/* -- facts ----------------------------------------------------------------------------- */

const char *tls_version(const struct tls_session *s)
{
	return SSL_get_version(s->ssl);
}

const char *tls_cipher(const struct tls_session *s)
{
	return SSL_get_cipher_name(s->ssl);
}

struct jd_str tls_sni(const struct tls_session *s)
{
	return jd_cstr(SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name));
}

int tls_exporter(struct tls_session *s, uint8_t out[32])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	if (SSL_version(s->ssl) < TLS1_3_VERSION)
		return -JD_ENOENT;
	if (SSL_export_keying_material(s->ssl, out, 32, label, sizeof(label) - 1,
				       (const unsigned char *)"", 0, 1) != 1)
		return -JD_EIO;
	return 0;
}

/* RFC 5929 4.1: the hash of the certificate's own signature, but SHA-256 in place of MD5
 * and SHA-1. A signature without a hash of its own (Ed25519) leaves it undefined. */
static const EVP_MD *binding_hash(X509 *cert)
{
	int nid;

	if (!X509_get_signature_info(cert, &nid, NULL, NULL, NULL) || nid == NID_undef)
		return NULL;
	return nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
}

int tls_server_end_point(struct tls_session *s, uint8_t out[64], size_t *ret_len)
{
	X509 *cert = SSL_get_certificate(s->ssl);
	const EVP_MD *md = cert ? binding_hash(cert) : NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!md)
		return -JD_ENOENT;
	if (X509_digest(cert, md, digest, &len) != 1)
		return -JD_EIO;
	memcpy(out, digest, len);
	*ret_len = len;
	return 0;
}

/* -- the client's certificate -------------------------------------------------------------- */

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5"

/* NULL: this name is none, or not in UTF-8 as it must be. */
static const ASN1_STRING *xmpp_addr(const GENERAL_NAME *name)
{
	const OTHERNAME *other;
	char oid[64];

	if (name->type != GEN_OTHERNAME)
		return NULL;
	other = name->d.otherName;
	if (OBJ_obj2txt(oid, sizeof(oid), other->type_id, 1) <= 0 ||
	    strcmp(oid, OID_XMPP_ADDR) != 0 || other->value->type != V_ASN1_UTF8STRING)
		return NULL;
	return other->value->value.utf8string;
}

/* The handshake was one with this host: with its certificate, and by those whom it trusts. */
static bool is_with(const struct tls_session *s, const char *host)
{
	for (size_t i = 0; i < s->store->n; i++)
		if (strcmp(s->store->entries[i].name, host) == 0)
			return s->store->entries[i].ctx == SSL_get_SSL_CTX(s->ssl);
	return false;
}

int tls_client_addrs(const struct tls_session *s, const char *host,
		     void (*each)(void *arg, struct jd_str addr), void *arg)
{
	X509 *cert = SSL_get0_peer_certificate(s->ssl);
	GENERAL_NAMES *names;

	if (!cert || s->distrusted || !is_with(s, host) || SSL_session_reused(s->ssl) ||
	    SSL_get_verify_mode(s->ssl) == SSL_VERIFY_NONE ||
	    SSL_get_verify_result(s->ssl) != X509_V_OK)
		return -JD_ENOENT;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const ASN1_STRING *addr = xmpp_addr(sk_GENERAL_NAME_value(names, i));

		if (addr)
			each(arg, (struct jd_str){(const char *)ASN1_STRING_get0_data(addr),
						  (size_t)ASN1_STRING_length(addr)});
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return 0;
}
