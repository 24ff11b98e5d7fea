/* SPDX-License-Identifier: MIT
 *
 * SCRAM (RFC 5802, RFC 7677):
 *
 *     C: n,,n=user,r=<nonce>                     gs2 header, then client-first-bare
 *     S: r=<nonce><ours>,s=<salt>,i=<count>      server-first
 *     C: c=<gs2 header>,r=<both>,p=<proof>       client-final
 *     S: v=<signature>
 *
 * Every message is read by its grammar and no further: fields in their order,
 * nothing missing, nothing double.  What the client proves covers all of them,
 * so they are kept until the end, as is its gs2 header, which c= must repeat
 * byte for byte (otherwise somebody between could talk both sides out of channel
 * binding).
 *
 * An unknown name gets keys made up by logic, whose owner is 0, and fails where a
 * wrong password fails.
 */
#include "stream/sasl/sasl_priv.h"
#include "util/base64.h"
#include "util/buf.h"
#include "util/mem.h"
#include "util/utf8.h"

#define NONCE_BYTES 18
#define NONCE_TEXT  ((NONCE_BYTES * 4 + 2) / 3)
#define MESSAGE_MAX ((size_t)64 * 1024) /* of the messages together; a stream allows less */

static const enum crypto_hash hashes[SASL_MECHANISM_COUNT] = {
	[SASL_SCRAM_SHA_1] = CRYPTO_SHA1,
	[SASL_SCRAM_SHA_256] = CRYPTO_SHA256,
};

enum stage { FIRST, ASKING, FINAL, OVER };

struct scram {
	enum stage stage;
	struct buf gs2;
	/* client-first-bare "," server-first, and at the end "," client-final-without-proof */
	struct buf auth;
	size_t nonce_at, nonce_len; /* the whole nonce in auth */
	uint64_t owner;
	uint8_t stored_key[CRYPTO_MAX_DIGEST];
	uint8_t server_key[CRYPTO_MAX_DIGEST];
	const char *test_nonce;
};

static struct scram *scram_of(struct sasl *s)
{
	struct scram *sc = s->state;

	if (!sc) {
		s->state = sc = mem_new(struct scram);
		buf_init(&sc->gs2, MESSAGE_MAX);
		buf_init(&sc->auth, MESSAGE_MAX);
	}
	return sc;
}

void scram_set_nonce(struct sasl *s, const char *nonce)
{
	scram_of(s)->test_nonce = nonce;
}

/* -- reading --------------------------------------------------------------------------- */

/* The next field up to a comma or the end; in moves behind the comma. ret_more: there was one. */
static struct jd_str next_field(struct jd_str *in, bool *ret_more)
{
	const char *comma = memchr(in->p, ',', in->len);
	size_t n = comma ? (size_t)(comma - in->p) : in->len;
	struct jd_str field = {in->p, n};

	*ret_more = comma != NULL;
	in->p += comma ? n + 1 : n;
	in->len -= comma ? n + 1 : n;
	return field;
}

/* The value of "k=value"; p NULL if it is not that, or empty. */
static struct jd_str value_of(struct jd_str field, char key)
{
	if (field.len < 3 || field.p[0] != key || field.p[1] != '=')
		return JD_STR_NULL;
	return (struct jd_str){field.p + 2, field.len - 2};
}

/* Extensions that may be ignored: a letter, '=', anything but nothing. m= is the one that
 * must not be: whoever sends it wants us to understand what follows (RFC 5802 section 5.1). */
static bool extension_ok(struct jd_str field)
{
	return field.len >= 3 && field.p[1] == '=' && field.p[0] != 'm' &&
	       ((field.p[0] >= 'a' && field.p[0] <= 'z') ||
		(field.p[0] >= 'A' && field.p[0] <= 'Z'));
}

static bool nonce_ok(struct jd_str nonce)
{
	for (size_t i = 0; i < nonce.len; i++) {
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7E)
			return false;
	}
	return nonce.len > 0;
}

/* =2C and =3D; out has room for in.len. False for any other '='. */
static bool unescape(struct jd_str in, char *out, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '=') {
			out[n++] = in.p[i];
			continue;
		}
		if (in.len - i < 3)
			return false;
		if (memcmp(in.p + i, "=2C", 3) == 0)
			out[n++] = ',';
		else if (memcmp(in.p + i, "=3D", 3) == 0)
			out[n++] = '=';
		else
			return false;
		i += 2;
	}
	*ret_len = n;
	return true;
}

struct first {
	struct jd_str gs2;     /* with its last comma */
	struct jd_str authzid; /* escaped; p NULL: none */
	struct jd_str bare;
	struct jd_str name; /* escaped */
	struct jd_str nonce;
};

/* The gs2 header. p= would need a -PLUS mechanism, and is refused without one. */
static bool parse_gs2(struct jd_str *in, struct first *f)
{
	const char *start = in->p;
	struct jd_str flag, authzid;
	bool more;

	flag = next_field(in, &more);
	if (!more || (!jd_str_is(flag, "n") && !jd_str_is(flag, "y")))
		return false;
	authzid = next_field(in, &more);
	if (!more)
		return false;
	f->authzid = value_of(authzid, 'a');
	if (authzid.len && !f->authzid.p)
		return false;
	f->gs2 = (struct jd_str){start, (size_t)(in->p - start)};
	return true;
}

static bool parse_first(struct jd_str in, struct first *f)
{
	bool more;

	if (!utf8_valid_xml(in.p, in.len) || !parse_gs2(&in, f))
		return false;
	f->bare = in;
	f->name = value_of(next_field(&in, &more), 'n'); /* m= is refused here */
	if (!f->name.p || !more)
		return false;
	f->nonce = value_of(next_field(&in, &more), 'r');
	if (!nonce_ok(f->nonce))
		return false;
	while (more) {
		if (!extension_ok(next_field(&in, &more)))
			return false;
	}
	return true;
}

/* -- the first message ---------------------------------------------------------------------- */

/* Memory that a peer sizes may be refused. */
static enum sasl_step out_of_memory(struct sasl *s)
{
	return sasl_fail(s, SASL_TEMPORARY_AUTH_FAILURE);
}

static enum sasl_step identify(struct sasl *s, const struct first *f)
{
	size_t longest = f->name.len > f->authzid.len ? f->name.len : f->authzid.len;
	cleanup_free char *text = mem_try_alloc(longest);
	size_t n;

	if (!text)
		return out_of_memory(s);
	if (!unescape(f->name, text, &n))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_set_name(s, (struct jd_str){text, n}))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	if (!f->authzid.p)
		return SASL_SUCCESS;
	if (!unescape(f->authzid, text, &n))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_authzid_is_own(s, (struct jd_str){text, n}))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	return SASL_SUCCESS;
}

static enum sasl_step on_first(struct sasl *s, struct jd_str message)
{
	struct scram *sc = scram_of(s);
	struct first f;
	enum sasl_step step;

	if (!message.p) {
		sasl_set_out(s, NULL, 0);
		return SASL_CHALLENGE;
	}
	if (!parse_first(message, &f))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	step = identify(s, &f);
	if (step != SASL_SUCCESS)
		return step;
	if (buf_append(&sc->gs2, f.gs2.p, f.gs2.len) < 0 ||
	    buf_append(&sc->auth, f.bare.p, f.bare.len) < 0 ||
	    buf_append(&sc->auth, ",r=", 3) < 0 ||
	    buf_append(&sc->auth, f.nonce.p, f.nonce.len) < 0)
		return out_of_memory(s);
	sc->nonce_at = sc->auth.len - f.nonce.len;
	sc->nonce_len = f.nonce.len;
	sc->stage = ASKING;
	return sasl_make_ask(s, AUTH_KEYS, hashes[s->mechanism], JD_STR_NULL);
}

/* -- the answer: salt and count go out ----------------------------------------------------------
 */

static int add_nonce(struct scram *sc)
{
	char random[NONCE_TEXT + 1];
	const char *ours = sc->test_nonce;

	if (!ours) {
		crypto_random_id(random, NONCE_BYTES);
		ours = random;
	}
	sc->nonce_len += strlen(ours);
	return buf_append(&sc->auth, ours, strlen(ours));
}

static enum sasl_step scram_answer(struct sasl *s, const struct auth_answer *answer)
{
	struct scram *sc = scram_of(s);
	char salt[BASE64_LEN(AUTH_SALT_MAX)];
	size_t first_at = sc->nonce_at - 2, n;

	JD_ASSERT(sc->stage == ASKING);
	sc->stage = OVER;
	if (answer->status != AUTH_GIVEN)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	JD_ASSERT(answer->salt_len <= AUTH_SALT_MAX);
	n = base64_encode(answer->salt, answer->salt_len, salt);
	if (add_nonce(sc) < 0 ||
	    buf_printf(&sc->auth, ",s=%.*s,i=%u", (int)n, salt, answer->iterations) < 0)
		return out_of_memory(s);
	sc->owner = answer->owner;
	memcpy(sc->stored_key, answer->stored_key, sizeof(sc->stored_key));
	memcpy(sc->server_key, answer->server_key, sizeof(sc->server_key));
	sasl_set_out(s, sc->auth.p + first_at, sc->auth.len - first_at);
	sc->stage = FINAL;
	return SASL_CHALLENGE;
}

/* -- the final message ----------------------------------------------------------------------------
 */

struct final {
	struct jd_str binding; /* base64 */
	struct jd_str nonce;
	struct jd_str without_proof;
	struct jd_str proof; /* base64 */
};

static bool parse_final(struct jd_str in, struct final *f)
{
	const char *start = in.p;
	struct jd_str field;
	bool more;

	if (!utf8_valid_xml(in.p, in.len))
		return false;
	f->binding = value_of(next_field(&in, &more), 'c');
	if (!f->binding.p || !more)
		return false;
	f->nonce = value_of(next_field(&in, &more), 'r');
	if (!f->nonce.p || !more)
		return false;
	for (;;) {
		size_t before = (size_t)(in.p - start) - 1;

		field = next_field(&in, &more);
		if (!more) {
			f->without_proof = (struct jd_str){start, before};
			f->proof = value_of(field, 'p');
			return f->proof.p != NULL;
		}
		if (!extension_ok(field) || field.p[0] == 'p')
			return false;
	}
}

static bool binding_is(struct scram *sc, struct jd_str binding)
{
	size_t len = sc->gs2.len;
	cleanup_free char *want = mem_try_alloc(BASE64_LEN(len));

	/* There is one strict way to write it. */
	return want && base64_encode(sc->gs2.p, len, want) == binding.len &&
	       memcmp(want, binding.p, binding.len) == 0;
}

/* H(ClientKey) must be what is stored, ClientKey being the proof less its signature. */
static bool proof_is_right(enum crypto_hash hash, struct scram *sc, const uint8_t *proof)
{
	uint8_t key[CRYPTO_MAX_DIGEST], digest[CRYPTO_MAX_DIGEST];
	size_t n = crypto_digest_size(hash);
	bool right;

	crypto_hmac(hash, sc->stored_key, n, sc->auth.p, sc->auth.len, key);
	for (size_t i = 0; i < n; i++)
		key[i] ^= proof[i];
	crypto_digest(hash, key, n, digest);
	right = crypto_equal(digest, sc->stored_key, n);
	crypto_wipe(key, sizeof(key));
	return right && sc->owner;
}

static void sign(struct sasl *s, enum crypto_hash hash, struct scram *sc)
{
	uint8_t signature[CRYPTO_MAX_DIGEST];
	char out[2 + BASE64_LEN(CRYPTO_MAX_DIGEST)] = "v=";
	size_t n = crypto_digest_size(hash);

	crypto_hmac(hash, sc->server_key, n, sc->auth.p, sc->auth.len, signature);
	sasl_set_out(s, out, 2 + base64_encode(signature, n, out + 2));
}

static enum sasl_step on_final(struct sasl *s, struct jd_str message)
{
	struct scram *sc = scram_of(s);
	enum crypto_hash hash = hashes[s->mechanism];
	struct jd_str nonce = {sc->auth.p + sc->nonce_at, sc->nonce_len};
	uint8_t proof[CRYPTO_MAX_DIGEST];
	struct final f;
	size_t n;

	sc->stage = OVER;
	if (!message.p || !parse_final(message, &f) ||
	    base64_decode(f.proof, proof, sizeof(proof), &n) < 0 || n != crypto_digest_size(hash))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!binding_is(sc, f.binding) || !jd_str_eq(f.nonce, nonce))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	if (buf_append(&sc->auth, ",", 1) < 0 ||
	    buf_append(&sc->auth, f.without_proof.p, f.without_proof.len) < 0)
		return out_of_memory(s);
	if (!proof_is_right(hash, sc, proof))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	sign(s, hash, sc);
	s->owner = sc->owner;
	return SASL_SUCCESS;
}

static enum sasl_step scram_message(struct sasl *s, struct jd_str message)
{
	switch (scram_of(s)->stage) {
	case FIRST:
		return on_first(s, message);
	case FINAL:
		return on_final(s, message);
	case ASKING:
	case OVER:
		break;
	}
	return sasl_fail(s, SASL_MALFORMED_REQUEST);
}

static void scram_free(struct sasl *s)
{
	struct scram *sc = s->state;

	if (!sc)
		return;
	buf_free(&sc->gs2);
	buf_free(&sc->auth);
	crypto_wipe(sc, sizeof(*sc));
	mem_free(sc);
	s->state = NULL;
}

const struct sasl_impl sasl_scram = {scram_message, scram_answer, scram_free};
