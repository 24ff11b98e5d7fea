/* SPDX-License-Identifier: MIT
 *
 * A client's stream and TLS: STARTTLS with everything that may stand behind it,
 * direct TLS, and that nobody logs in before.  Server and client take turns on
 * one thread.
 */
#include "c2s_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define REQUIRED                                                                                   \
	"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/>"           \
	"</starttls>" LIMITS_BEFORE "</stream:features>"
#define OFFERED "<stream:features>" STARTTLS OFFER "</stream:features>"

#define MECHANISMS_SECURE                                                                          \
	"<mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism>"       \
	"<mechanism>SCRAM-SHA-1-PLUS</mechanism>" MECHANISMS_INSIDE
#define TOKENS_SECURE                                                                              \
	"<mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism>" TOKEN_NONE
#define FEATURES_SECURE                                                                            \
	"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" MECHANISMS_SECURE \
	"</mechanisms>" AUTHENTICATION(                                                            \
		MECHANISMS_SECURE,                                                                 \
		TOKENS_SECURE) "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>"                 \
			       "<channel-binding type='tls-exporter'/><channel-binding "           \
			       "type='tls-server-end-point'/>"                                     \
			       "</sasl-channel-binding>" LIMITS_BEFORE "</stream:features>"

static char dir[] = "jackdaw-c2s-XXXXXX";
static char cert_file[64], key_file[64];
static struct tls_store *store;

/* -- certificates ----------------------------------------------------------------------- */

static int make_store(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	struct tls_host host = {.name = "localhost", .certfile = cert_file, .keyfile = key_file};
	char err[256];
	FILE *out;

	(void)state;
	assert_true(key && x && mkdtemp(dir));
	(void)snprintf(cert_file, sizeof(cert_file), "%s/crt", dir);
	(void)snprintf(key_file, sizeof(key_file), "%s/key", dir);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 30);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(x, name);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	out = fopen(cert_file, "w");
	assert_true(out && PEM_write_X509(out, x) && fclose(out) == 0);
	out = fopen(key_file, "w");
	assert_true(out && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) &&
		    fclose(out) == 0);
	X509_free(x);
	EVP_PKEY_free(key);
	if (tls_store_new(&host, 1, &store, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	return 0;
}

static int drop_store(void **state)
{
	(void)state;
	tls_store_unref(store);
	unlink(cert_file);
	unlink(key_file);
	rmdir(dir);
	return 0;
}

/* -- the client --------------------------------------------------------------------------- */

struct secure {
	struct client cl;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void shake(struct secure *s)
{
	int r;

	s->ctx = SSL_CTX_new(TLS_client_method());
	s->ssl = SSL_new(s->ctx);
	assert_int_equal(SSL_set_fd(s->ssl, s->cl.fd), 1);
	assert_int_equal(fcntl(s->cl.fd, F_SETFL, O_NONBLOCK), 0);
	alarm(60);
	while ((r = SSL_connect(s->ssl)) != 1) {
		int e = SSL_get_error(s->ssl, r);

		assert_true(e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE);
		world_turn(s->cl.w);
	}
	alarm(0);
	world_settle(s->cl.w);
}

static void secure_send(struct secure *s, const char *text)
{
	assert_int_equal(SSL_write(s->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Exactly this comes. */
static void secure_expect(struct secure *s, const char *want)
{
	struct buf *in = &s->cl.in;
	char buf[4096];
	int r;

	alarm(60);
	for (int quiet = 0; quiet < 30; quiet++) {
		world_turn(s->cl.w);
		r = SSL_read(s->ssl, buf, sizeof(buf));
		if (r > 0) {
			assert_int_equal(buf_append(in, buf, (size_t)r), 0);
			hide_ids(in);
		}
		if (in->len < strlen(want) && !SSL_get_shutdown(s->ssl))
			quiet = 0;
	}
	alarm(0);
	assert_int_equal(buf_append(in, "", 1), 0);
	assert_string_equal(in->p, want);
	in->len = 0;
}

static void secure_cut(struct secure *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	client_cut(&s->cl);
}

static void secure_login(struct secure *s)
{
	struct world *w = s->cl.w;

	secure_send(s, HEADER_IN);
	secure_expect(s, HEADER_OUT FEATURES_SECURE);
	secure_send(s, AUTH("PLAIN", PLAIN_GOOD) HEADER_IN BIND("b1", ""));
	secure_expect(s, SASL_EMPTY("success") HEADER_OUT FEATURES_AFTER "<bound/>");
	secure_send(s, "<presence/>");
	world_told(w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;BIND user@localhost/ 7 id=b1 "
		      "lang= tls PLAIN;STANZA <presence/>;");
}

static void world_with_tls(struct world *w, bool allow_plaintext)
{
	world_start_ring(w, 0);
	w->settings.allow_plaintext = allow_plaintext;
	world_configure(w);
}

/* -- tests ----------------------------------------------------------------------------------- */

/* What stands behind <starttls/> in the same write is as if it had never come. */
static void test_starttls(void **state)
{
	static const char *const behind[] = {"",
					     "\n",
					     AUTH("PLAIN", PLAIN_WRONG),
					     "<presence/>",
					     "</stream:stream>",
					     "<x",
					     "<!-- -->",
					     "\x16\x03\x01"};
	struct world w;

	(void)state;
	world_with_tls(&w, false);
	for (size_t i = 0; i < JD_ARRAY_SIZE(behind); i++) {
		struct secure s;
		char text[256];

		client_connect_to(&w, &s.cl, store, c2s_accepted, NULL);
		client_send(&s.cl, HEADER_IN);
		client_expect(&s.cl, HEADER_OUT REQUIRED);
		client_send(&s.cl, AUTH("PLAIN", PLAIN_GOOD));
		client_expect(&s.cl, SASL_FAILED("encryption-required"));
		(void)snprintf(text, sizeof(text), STARTTLS "%s", behind[i]);
		client_send(&s.cl, text);
		client_expect(&s.cl, PROCEED);
		shake(&s);
		secure_login(&s);
		secure_send(&s, "</stream:stream>");
		secure_expect(&s, END_OUT);
		secure_cut(&s);
		world_told(&w, "END;CLOSED;");
	}
	world_stop(&w);
}

static void test_offered(void **state)
{
	struct secure s;
	struct world w;

	(void)state;
	world_with_tls(&w, true);
	client_connect_to(&w, &s.cl, store, c2s_accepted, NULL);
	client_send(&s.cl, HEADER_IN);
	client_expect(&s.cl, HEADER_OUT OFFERED);
	/* In the middle of an exchange it is too late. */
	client_send(&s.cl, AUTH("PLAIN", ""));
	client_expect(&s.cl, SASL_EMPTY("challenge"));
	client_send(&s.cl, STARTTLS);
	client_expect_end(&s.cl, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" END_OUT);
	world_told(&w, "CLOSED;");

	client_connect_to(&w, &s.cl, store, c2s_accepted, NULL);
	client_send(&s.cl, HEADER_IN STARTTLS);
	client_expect(&s.cl, HEADER_OUT OFFERED PROCEED);
	shake(&s);
	secure_send(&s, HEADER_IN);
	secure_expect(&s, HEADER_OUT FEATURES_SECURE);
	/* Once is enough. */
	secure_send(&s, STARTTLS);
	secure_expect(&s, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" END_OUT);
	secure_cut(&s);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_direct_tls(void **state)
{
	struct secure s;
	struct world w;
	int fds[2];

	(void)state;
	world_with_tls(&w, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	s.cl = (struct client){.w = &w, .fd = fds[1]};
	buf_init(&s.cl.in, 1 << 20);
	c2s_accepted(conn_new(io_thread_at(w.io, 0), fds[0], store, true), NULL);
	shake(&s);
	secure_login(&s);
	c2s_end(w.link, STREAM_CONFLICT, NULL);
	secure_expect(&s, ERROR_OUT("conflict") END_OUT);
	secure_cut(&s);
	world_told(&w, "END;CLOSED;");
	world_stop(&w);
}

/* No hello at all in place of a handshake. */
static void test_garbage(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_with_tls(&w, false);
	client_connect_to(&w, &cl, store, c2s_accepted, NULL);
	client_send(&cl, HEADER_IN STARTTLS);
	client_expect(&cl, HEADER_OUT REQUIRED PROCEED);
	client_send(&cl, "this is no client hello at all\r\n");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* -- channel binding ------------------------------------------------------------------------ */

/* What the client itself has of its session. */
static size_t client_binding(struct secure *s, bool exporter, uint8_t out[64])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	X509 *cert;
	unsigned n = 32;

	if (exporter) {
		assert_int_equal(SSL_export_keying_material(s->ssl, out, 32, label,
							    sizeof(label) - 1, (const uint8_t *)"",
							    0, 1),
				 1);
		return n;
	}
	cert = SSL_get1_peer_certificate(s->ssl);
	assert_int_equal(X509_digest(cert, EVP_sha256(), out, &n), 1);
	X509_free(cert);
	return n;
}

static void secure_sasl(struct secure *s, const char *open, const char *name, const void *data,
			size_t n)
{
	char out[2048], body[1024];
	size_t len = base64_encode(data, n, body);

	snprintf(out, sizeof(out), "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%.*s</%s>", open,
		 (int)len, body, name);
	secure_send(s, out);
}

/* What comes in one piece. */
static void secure_read(struct secure *s, char *buf, size_t size)
{
	int r;

	alarm(60);
	do {
		world_turn(s->cl.w);
		r = SSL_read(s->ssl, buf, (int)size - 1);
	} while (r <= 0);
	alarm(0);
	buf[r] = '\0';
}

/* The text of the next challenge. */
static void secure_challenge(struct secure *s, char out[1024])
{
	char buf[4096];
	const char *from, *to;
	size_t n;

	secure_read(s, buf, sizeof(buf));
	from = strchr(buf, '>') + 1;
	to = strstr(buf, "</challenge>");
	assert_true(to != NULL);
	assert_int_equal(base64_decode((struct jd_str){from, (size_t)(to - from)}, out, 1023, &n),
			 0);
	out[n] = '\0';
}

/* SCRAM-SHA-256-PLUS, complete; the data of the binding can be another's. */
static void login_plus(struct secure *s, bool exporter, bool spoil)
{
	const char *gs2 = exporter ? "p=tls-exporter,," : "p=tls-server-end-point,,";
	char first[128], challenge[1024], without[512], auth[2048], final[1024], text[256];
	uint8_t cbind[128], salted[64], key[64], stored[64], sign[64];
	size_t n = strlen(gs2), len;
	const char *comma;

	snprintf(first, sizeof(first), "%sn=user,r=nonce", gs2);
	secure_sasl(s, "auth mechanism='SCRAM-SHA-256-PLUS'", "auth", first, strlen(first));
	secure_challenge(s, challenge);
	memcpy(cbind, gs2, n);
	n += client_binding(s, exporter, cbind + n);
	cbind[n - 1] ^= spoil;
	comma = strchr(challenge, ',');
	len = base64_encode(cbind, n, text);
	snprintf(without, sizeof(without), "c=%.*s,%.*s", (int)len, text, (int)(comma - challenge),
		 challenge);
	snprintf(auth, sizeof(auth), "n=user,r=nonce,%s,%s", challenge, without);
	crypto_pbkdf2(CRYPTO_SHA256, JD_STR("pencil"), "ssssssssssssssss", 16, ITERATIONS, salted);
	crypto_hmac(CRYPTO_SHA256, salted, 32, "Client Key", 10, key);
	crypto_digest(CRYPTO_SHA256, key, 32, stored);
	crypto_hmac(CRYPTO_SHA256, stored, 32, auth, strlen(auth), sign);
	for (size_t i = 0; i < 32; i++)
		key[i] ^= sign[i];
	len = base64_encode(key, 32, text);
	snprintf(final, sizeof(final), "%s,p=%.*s", without, (int)len, text);
	secure_sasl(s, "response", "response", final, strlen(final));
	secure_read(s, text, sizeof(text));
	assert_non_null(strstr(text, spoil ? "<not-authorized/></failure>" : "</success>"));
}

static void test_plus(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct world w;
		struct secure s;

		world_with_tls(&w, false);
		client_connect_to(&w, &s.cl, store, c2s_accepted, NULL);
		client_send(&s.cl, HEADER_IN STARTTLS);
		client_expect(&s.cl, HEADER_OUT REQUIRED PROCEED);
		shake(&s);
		secure_send(&s, HEADER_IN);
		secure_expect(&s, HEADER_OUT FEATURES_SECURE);
		login_plus(&s, i & 1, i & 2);
		secure_cut(&s);
		world_told(
			&w,
			i & 2 ? "AUTH SHA-256 user@localhost;BAD user SCRAM-SHA-256-PLUS;CLOSED;"
			      : "AUTH SHA-256 user@localhost;GOOD user SCRAM-SHA-256-PLUS;CLOSED;");
		world_stop(&w);
	}
}

/* One that knows no binding of ours fails with all that need one, and comes in without; but
 * not for ever. */
static void test_mismatches(void **state)
{
	struct secure s;
	struct world w;
	char text[512];

	(void)state;
	for (int endless = 0; endless <= 1; endless++) {
		world_with_tls(&w, false);
		client_connect_to(&w, &s.cl, store, c2s_accepted, NULL);
		client_send(&s.cl, HEADER_IN STARTTLS);
		client_expect(&s.cl, HEADER_OUT REQUIRED PROCEED);
		shake(&s);
		secure_send(&s, HEADER_IN);
		secure_expect(&s, HEADER_OUT FEATURES_SECURE);
		for (int i = 0; i < (endless ? SASL_MECHANISM_COUNT : 6); i++) {
			secure_sasl(&s, "auth mechanism='SCRAM-SHA-1-PLUS'", "auth",
				    "p=tls-unique,,n=user,r=abc", 26);
			secure_expect(&s, SASL_FAILED("malformed-request"));
		}
		if (endless)
			secure_sasl(&s, "auth mechanism='SCRAM-SHA-1'", "auth", "y,,n=user,r=abc",
				    15);
		else
			secure_send(&s, AUTH("PLAIN", PLAIN_GOOD));
		secure_read(&s, text, sizeof(text));
		assert_non_null(strstr(text, endless ? "<not-authorized/>" : "<success"));
		secure_cut(&s);
		world_told(&w, endless ? "CLOSED;"
				       : "AUTH PASSWORD user@localhost;GOOD user PLAIN;CLOSED;");
		world_stop(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starttls),   cmocka_unit_test(test_offered),
		cmocka_unit_test(test_direct_tls), cmocka_unit_test(test_plus),
		cmocka_unit_test(test_mismatches), cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, make_store, drop_store);
}
