/* SPDX-License-Identifier: MIT
 *
 * The certificate store: one SSL_CTX per certificate, found by server name.
 *
 * Sessions are resumed by tickets only; the server keeps no session cache, so
 * nothing grows with the number of clients.  SNI exchanges the context in the
 * middle of the handshake; what must hold for the whole connection (versions,
 * options, ALPN) is therefore the same in every context.
 */
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include <jackdaw/log.h>

#include "net/tls_store.h"
#include "util/mem.h"

#define WARN_DAYS 14

static const struct {
	const char *wire; /* length byte, then the name */
	size_t len;
} alpn_names[] = {
	[TLS_ALPN_XMPP_CLIENT] = {"\x0bxmpp-client", 12},
	[TLS_ALPN_XMPP_SERVER] = {"\x0bxmpp-server", 12},
	[TLS_ALPN_HTTP] = {"\x08http/1.1", 9},
};

/* -- lookup -------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct tls_entry *)a)->name, ((const struct tls_entry *)b)->name);
}

/* NULL when the name is not ours. */
static SSL_CTX *find_host(const struct tls_store *s, const char *name)
{
	char lower[256];
	struct tls_entry key = {.name = lower}, *found;
	size_t n = strlen(name);

	if (n >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	found = bsearch(&key, s->entries, s->n, sizeof(key), compare_names);
	return found ? found->ctx : NULL;
}

/* -- called back by libssl --------------------------------------------------------------- */

/*
 * A certificate that is good for nothing must not cost the client its other ways
 * to log in: the handshake goes on, and the certificate is not there.
 */
static int on_client_certificate(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *session = SSL_get_app_data(ssl);

	session->distrusted |= !ok;
	return 1;
}

/* Only streams ask for certificates: browsers would bother people with a dialogue. Who was asked
 * gets no ticket, so that every session has seen its own certificate. */
static void ask_certificate(SSL *ssl, const struct tls_session *session)
{
	bool ask = session->alpn == TLS_ALPN_XMPP_CLIENT &&
		   SSL_CTX_get_verify_mode(SSL_get_SSL_CTX(ssl)) != SSL_VERIFY_NONE;

	SSL_set_verify(ssl, ask ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, on_client_certificate);
	if (ask && SSL_set_num_tickets(ssl, 0))
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_session *session = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	SSL_CTX *ctx = name ? find_host(session->store, name) : NULL;

	(void)alert;
	(void)arg;
	if (ctx && ctx != SSL_get_SSL_CTX(ssl))
		SSL_set_SSL_CTX(ssl, ctx);
	ask_certificate(ssl, session);
	/* A name that we don't serve gets the default certificate and finds out by itself. */
	return ctx ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* RFC 7301 3.2: whoever offers only what we don't speak is told so by an alert. Who offers
 * nothing never gets here. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *arg)
{
	struct tls_session *session = SSL_get_app_data(ssl);
	const char *want = alpn_names[session->alpn].wire;
	size_t want_len = alpn_names[session->alpn].len;

	(void)arg;
	for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
		if (in_len - i < want_len || memcmp(in + i, want, want_len) != 0)
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Without this libssl asks the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return 0;
}

/* -- contexts ---------------------------------------------------------------------------------- */

static SSL_CTX *ctx_new(void)
{
	static const unsigned char id[] = "jackdaw";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	JD_ASSERT(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	SSL_CTX_set_num_tickets(ctx, 1);
	/* Forward secrecy and authenticated encryption, also with TLS 1.2. No finite fields: a
	 * stranger who asks for the largest of them has us compute for it with every hello. */
	JD_ASSERT(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP"));
	JD_ASSERT(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:X448:P-384:P-521"));
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return ctx;
}

static int say(char *err, size_t err_size, const char *what, const char *file)
{
	unsigned long e = ERR_peek_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	snprintf(err, err_size, "%s \"%s\"%s%s", what, file, reason ? ": " : "",
		 reason ? reason : "");
	ERR_clear_error();
	return -JD_ECONF;
}

static int load(SSL_CTX *ctx, const struct tls_host *host, char *err, size_t err_size)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, host->certfile) != 1)
		return say(err, err_size, "cannot use the certificate", host->certfile);
	/* libssl compares it with the certificate that is there already. */
	if (SSL_CTX_use_PrivateKey_file(ctx, host->keyfile, SSL_FILETYPE_PEM) != 1) {
		bool mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH;

		return say(err, err_size,
			   mismatch ? "this key does not belong to the certificate"
				    : "cannot use the key",
			   host->keyfile);
	}
	if (SSL_CTX_check_private_key(ctx) != 1)
		return say(err, err_size, "this key does not belong to the certificate",
			   host->keyfile);
	return 0;
}

/* Each host has its own idea of who may vouch for clients; a session of one says nothing to
 * another. */
static int load_client_ca(SSL_CTX *ctx, const struct tls_host *host, char *err, size_t err_size)
{
	STACK_OF(X509_NAME) * names;

	if (!host->client_ca)
		return 0;
	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx, host->client_ca) != 1)
		return say(err, err_size, "cannot use the client_ca", host->client_ca);
	names = SSL_load_client_CA_file(host->client_ca);
	if (!names)
		return say(err, err_size, "cannot use the client_ca", host->client_ca);
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_client_certificate);
	return 0;
}

/* What works but will soon annoy somebody. */
static void warn_about(SSL_CTX *ctx, const struct tls_host *host)
{
	X509 *cert = SSL_CTX_get0_certificate(ctx);
	int days = 0, seconds = 0;

	if (!cert || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)))
		return;
	if (days < 0 || seconds < 0)
		jd_log(JD_LOG_WARNING, "certificate has expired", jd_kv_cstr("host", host->name),
		       jd_kv_cstr("file", host->certfile));
	else if (days < WARN_DAYS)
		jd_log(JD_LOG_WARNING, "certificate expires soon", jd_kv_cstr("host", host->name),
		       jd_kv_cstr("file", host->certfile), jd_kv_int("days", days));
	if (X509_check_host(cert, host->name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) != 1)
		jd_log(JD_LOG_WARNING, "certificate does not name the host",
		       jd_kv_cstr("host", host->name), jd_kv_cstr("file", host->certfile));
	ERR_clear_error();
}

/* -- the store ------------------------------------------------------------------------------------
 */

static void store_release(struct shared *shared)
{
	struct tls_store *s = container_of(shared, struct tls_store, shared);

	for (size_t i = 0; i < s->n; i++) {
		mem_free(s->entries[i].name);
		SSL_CTX_free(s->entries[i].ctx);
	}
	SSL_CTX_free(s->fallback);
	mem_free(s->entries);
	mem_free(s);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Hosts with the same files share a context. */
static SSL_CTX *shared_ctx(const struct tls_store *s, const struct tls_host *hosts, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(hosts[k].certfile, hosts[i].certfile) == 0 &&
		    strcmp(hosts[k].keyfile, hosts[i].keyfile) == 0 &&
		    same_text(hosts[k].client_ca, hosts[i].client_ca)) {
			SSL_CTX_up_ref(s->entries[k].ctx);
			return s->entries[k].ctx;
		}
	}
	return NULL;
}

static int add_host(struct tls_store *s, const struct tls_host *hosts, size_t i, char *err,
		    size_t err_size)
{
	SSL_CTX *ctx = shared_ctx(s, hosts, i);
	int r;

	if (!ctx) {
		ctx = ctx_new();
		r = load(ctx, &hosts[i], err, err_size);
		if (r == 0)
			r = load_client_ca(ctx, &hosts[i], err, err_size);
		if (r < 0) {
			SSL_CTX_free(ctx);
			return r;
		}
	}
	warn_about(ctx, &hosts[i]);
	s->entries[s->n++] =
		(struct tls_entry){.name = jd_strdup(jd_cstr(hosts[i].name)), .ctx = ctx};
	return 0;
}

int tls_store_new(const struct tls_host *hosts, size_t n, struct tls_store **ret_store, char *err,
		  size_t err_size)
{
	struct tls_store *s;

	if (n == 0) {
		snprintf(err, err_size, "no certificate is given");
		return -JD_ECONF;
	}
	s = mem_new(struct tls_store);
	shared_init(&s->shared, store_release);
	s->entries = mem_alloc(n * sizeof(*s->entries));
	for (size_t i = 0; i < n; i++) {
		int r = add_host(s, hosts, i, err, err_size);

		if (r < 0) {
			tls_store_unref(s);
			return r;
		}
	}
	s->fallback = s->entries[0].ctx;
	SSL_CTX_up_ref(s->fallback);
	qsort(s->entries, s->n, sizeof(*s->entries), compare_names);
	*ret_store = s;
	return 0;
}

struct tls_store *tls_store_ref(struct tls_store *s)
{
	shared_ref(&s->shared);
	return s;
}

void tls_store_unref(struct tls_store *s)
{
	if (s)
		shared_unref(&s->shared);
}
