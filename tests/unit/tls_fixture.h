/* SPDX-License-Identifier: MIT
 *
 * Certificates made for a test, and a client that talks TLS over a blocking socket.
 */
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net_fixture.h"

struct cert_files {
	char cert[128];
	char key[128];
};

static char cert_dir[] = "jackdaw-tls-XXXXXX";

static inline void cert_dir_make(void)
{
	assert_non_null(mkdtemp(cert_dir));
}

static inline void cert_files_name(struct cert_files *f, const char *name)
{
	snprintf(f->cert, sizeof(f->cert), "%s/%s.crt", cert_dir, name);
	snprintf(f->key, sizeof(f->key), "%s/%s.key", cert_dir, name);
}

static inline void cert_files_remove(const char *const *names)
{
	struct cert_files f;

	for (; *names; names++) {
		cert_files_name(&f, *names);
		unlink(f.cert);
		unlink(f.key);
	}
	rmdir(cert_dir);
}

/* A self-signed certificate for host; md NULL: Ed25519. */
static inline void make_cert(const char *name, const char *host, const EVP_MD *md, int days)
{
	EVP_PKEY *key = md ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	struct cert_files f;
	X509_EXTENSION *san;
	char alt[300];
	FILE *out;

	snprintf(alt, sizeof(alt), "DNS:%s", host);
	san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
	assert_true(key && x && san);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -100 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1,
				   0);
	X509_set_issuer_name(x, subject);
	X509_add_ext(x, san, -1);
	assert_true(X509_sign(x, key, md) > 0);
	cert_files_name(&f, name);
	out = fopen(f.cert, "w");
	assert_true(out && PEM_write_X509(out, x));
	fclose(out);
	out = fopen(f.key, "w");
	assert_true(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
	fclose(out);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* What a client does, and what it saw. */
struct tls_client {
	/* wanted */
	const char *sni;
	const char *alpn; /* wire form */
	int max_version;
	const char *groups; /* of the key exchange */
	const char *before; /* said and answered in the clear */
	const char *answer;
	const char *inject; /* said in the clear behind `before`, in the same write */
	const char *say;    /* echoed */
	const char *first;  /* comes by itself behind the handshake */
	size_t volume;      /* bytes that are echoed, in large pieces */
	const char *last;   /* comes behind all that */
	bool wait_close;    /* until close_notify */
	/* seen */
	bool shaken;
	char host[64];
	char chosen[32];
	char reason[128];
	unsigned char exporter[32];
	unsigned char end_point[64];
	unsigned end_point_len;
	bool clean_end;
};

static inline void client_facts(struct tls_client *c, SSL *ssl)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	X509 *x = SSL_get1_peer_certificate(ssl);
	const unsigned char *alpn;
	unsigned alpn_len;
	int nid;

	CHECK(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, c->host,
				  sizeof(c->host));
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
	CHECK(alpn_len < sizeof(c->chosen));
	if (alpn_len)
		memcpy(c->chosen, alpn, alpn_len);
	CHECK(SSL_export_keying_material(ssl, c->exporter, 32, label, strlen(label), NULL, 0, 0));
	if (X509_get_signature_info(x, &nid, NULL, NULL, NULL) && nid != NID_undef)
		CHECK(X509_digest(x, EVP_get_digestbynid(nid), c->end_point, &c->end_point_len));
	X509_free(x);
}

static inline void ssl_read_text(SSL *ssl, const char *text)
{
	size_t have = 0, n = strlen(text);
	char buf[256];

	CHECK(n <= sizeof(buf));
	while (have < n) {
		int r = SSL_read(ssl, buf + have, (int)(n - have));

		CHECK(r > 0);
		have += (size_t)r;
	}
	CHECK(memcmp(buf, text, n) == 0);
}

static inline void client_volume(SSL *ssl, size_t volume)
{
	static _Thread_local char out[30000], in[30000];
	size_t sent = 0, got = 0;

	while (got < volume) {
		size_t n = sizeof(out);
		int r;

		for (size_t i = 0; i < n; i++)
			out[i] = (char)((sent + i) * 7 % 251);
		CHECK(SSL_write(ssl, out, (int)n) == (int)n);
		sent += n;
		while (got < sent) {
			r = SSL_read(ssl, in, sizeof(in));
			CHECK(r > 0);
			for (int i = 0; i < r; i++)
				CHECK(in[i] == (char)((got + (size_t)i) * 7 % 251));
			got += (size_t)r;
		}
	}
}

static inline void client_talk(struct tls_client *c, SSL *ssl)
{
	char end;

	if (c->first)
		ssl_read_text(ssl, c->first);
	if (c->say) {
		CHECK(SSL_write(ssl, c->say, (int)strlen(c->say)) > 0);
		ssl_read_text(ssl, c->say);
	}
	if (c->volume)
		client_volume(ssl, c->volume);
	if (c->last)
		ssl_read_text(ssl, c->last);
	if (c->wait_close) {
		int r = SSL_read(ssl, &end, 1);

		c->clean_end = r == 0 && SSL_get_error(ssl, r) == SSL_ERROR_ZERO_RETURN;
	}
	SSL_shutdown(ssl);
}

static inline void client_start_tls(struct tls_client *c, int fd)
{
	char buf[256];
	size_t n =
		(size_t)snprintf(buf, sizeof(buf), "%s%s", c->before, c->inject ? c->inject : "");

	write_all(fd, buf, n);
	CHECK(read_all(fd, buf, strlen(c->answer)) == strlen(c->answer));
	CHECK(memcmp(buf, c->answer, strlen(c->answer)) == 0);
}

static inline SSL_CTX *client_ctx(struct tls_client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	CHECK(ctx);
	/* What we refuse must be offered by somebody. */
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	if (c->max_version)
		SSL_CTX_set_max_proto_version(ctx, c->max_version);
	if (c->groups)
		CHECK(SSL_CTX_set1_groups_list(ctx, c->groups) == 1);
	if (c->alpn)
		CHECK(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)c->alpn,
					      (unsigned)strlen(c->alpn)) == 0);
	return ctx;
}

static inline void tls_client_run(int fd, void *arg)
{
	struct tls_client *c = arg;
	SSL_CTX *ctx = client_ctx(c);
	SSL *ssl = SSL_new(ctx);

	if (c->before)
		client_start_tls(c, fd);
	CHECK(ssl && SSL_set_fd(ssl, fd));
	if (c->sni)
		SSL_set_tlsext_host_name(ssl, c->sni);
	ERR_clear_error();
	c->shaken = SSL_connect(ssl) == 1;
	if (c->shaken) {
		client_facts(c, ssl);
		client_talk(c, ssl);
	} else {
		const char *reason = ERR_reason_error_string(ERR_peek_error());

		snprintf(c->reason, sizeof(c->reason), "%s", reason ? reason : "");
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	OPENSSL_thread_stop();
}
