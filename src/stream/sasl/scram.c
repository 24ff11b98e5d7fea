/* SPDX-License-Identifier: MIT
 *
 * SCRAM (RFC 5802, RFC 7677):
 *
 *     C: n,,n=user,r=<nonce>                     gs2 header, then client-first-bare
 *     S: r=<nonce><ours>,s=<salt>,i=<count>,h=   server-first
 *     C: c=<gs2 header>,r=<both>,p=<proof>       client-final
 *     S: v=<signature>
 *
 * What the client proves covers all messages, so they are kept until the end, as
 * is its gs2 header, which c= must repeat byte for byte (otherwise somebody
 * between could talk both sides out of channel binding).  Behind it c= has the
 * data of the channel binding (RFC 5929, RFC 9266) that a -PLUS mechanism uses.
 *
 * The server's first message also has h=, the hash of what was offered
 * (XEP-0474), so that nobody can shorten that list unnoticed.
 *
 * An unknown name gets keys made up by logic, whose owner is 0, and fails where a
 * wrong password fails.
 */
#include "stream/sasl/sasl_priv.h"
#include "stream/sasl/scram_message.h"
#include "util/base64.h"
#include "util/buf.h"
#include "util/mem.h"

#define NONCE_BYTES 18
#define NONCE_TEXT  ((NONCE_BYTES * 4 + 2) / 3)
#define MESSAGE_MAX ((size_t)64 * 1024) /* of the messages together; a stream allows less */

static const struct {
	enum crypto_hash hash;
	bool plus; /* with channel binding */
} kinds[SASL_MECHANISM_COUNT] = {
	[SASL_SCRAM_SHA_1] = {CRYPTO_SHA1, false},
	[SASL_SCRAM_SHA_256] = {CRYPTO_SHA256, false},
	[SASL_SCRAM_SHA_512] = {CRYPTO_SHA512, false},
	[SASL_SCRAM_SHA_1_PLUS] = {CRYPTO_SHA1, true},
	[SASL_SCRAM_SHA_256_PLUS] = {CRYPTO_SHA256, true},
	[SASL_SCRAM_SHA_512_PLUS] = {CRYPTO_SHA512, true},
};

enum stage { FIRST, ASKING, FINAL, OVER };

struct scram {
	enum stage stage;
	struct buf binding; /* what c= must say: the gs2 header and the channel's data */
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
		buf_init(&sc->binding, MESSAGE_MAX);
		buf_init(&sc->auth, MESSAGE_MAX);
	}
	return sc;
}

void scram_set_nonce(struct sasl *s, const char *nonce)
{
	scram_of(s)->test_nonce = nonce;
}

/* -- the first message ---------------------------------------------------------------------- */

/* Memory that a peer sizes may be refused. */
static enum sasl_step out_of_memory(struct sasl *s)
{
	return sasl_fail(s, SASL_TEMPORARY_AUTH_FAILURE);
}

static enum sasl_step identify(struct sasl *s, const struct scram_first *f)
{
	size_t longest = f->name.len > f->authzid.len ? f->name.len : f->authzid.len;
	cleanup_free char *text = mem_try_alloc(longest);
	size_t n;

	if (!text)
		return out_of_memory(s);
	if (!scram_unescape(f->name, text, &n))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_set_name(s, (struct jd_str){text, n}))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	if (!f->authzid.p)
		return SASL_SUCCESS;
	if (!scram_unescape(f->authzid, text, &n))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	if (!sasl_authzid_is_own(s, (struct jd_str){text, n}))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	return SASL_SUCCESS;
}

static enum sasl_step mismatch(struct sasl *s, enum sasl_condition condition)
{
	s->mismatch = true;
	return sasl_fail(s, condition);
}

/*
 * RFC 5802 section 6: a -PLUS mechanism must say which binding it uses, and "y" -
 * the client could, but thinks that we can't - is the sign of somebody who took
 * the -PLUS mechanisms out of our list.
 */
static enum sasl_step bind_channel(struct sasl *s, const struct scram_first *f)
{
	struct scram *sc = s->state;
	enum sasl_binding type;
	const struct sasl_bindings *b = &s->env.bindings;

	if (kinds[s->mechanism].plus != (f->flag == 'p'))
		return mismatch(s, SASL_MALFORMED_REQUEST);
	if (f->flag == 'y' && (s->env.offered & SASL_PLUS_BITS))
		return mismatch(s, SASL_NOT_AUTHORIZED);
	if (buf_append(&sc->binding, f->gs2.p, f->gs2.len) < 0)
		return out_of_memory(s);
	if (f->flag != 'p')
		return SASL_SUCCESS;
	if (sasl_binding_find(f->binding, &type) < 0 || !b->len[type])
		return mismatch(s, SASL_MALFORMED_REQUEST);
	if (buf_append(&sc->binding, b->data[type], b->len[type]) < 0)
		return out_of_memory(s);
	return SASL_SUCCESS;
}

static enum sasl_step on_first(struct sasl *s, struct jd_str message)
{
	struct scram *sc = scram_of(s);
	struct scram_first f;
	enum sasl_step step;

	if (!message.p) {
		sasl_set_out(s, NULL, 0);
		return SASL_CHALLENGE;
	}
	if (!scram_parse_first(message, &f))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	step = bind_channel(s, &f);
	if (step == SASL_SUCCESS)
		step = identify(s, &f);
	if (step != SASL_SUCCESS)
		return step;
	if (buf_append(&sc->auth, f.bare.p, f.bare.len) < 0 ||
	    buf_append(&sc->auth, ",r=", 3) < 0 ||
	    buf_append(&sc->auth, f.nonce.p, f.nonce.len) < 0)
		return out_of_memory(s);
	sc->nonce_at = sc->auth.len - f.nonce.len;
	sc->nonce_len = f.nonce.len;
	sc->stage = ASKING;
	return sasl_make_ask(s, AUTH_KEYS, kinds[s->mechanism].hash, JD_STR_NULL);
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

/* XEP-0474 */
static int add_offer(struct sasl *s, struct scram *sc)
{
	enum crypto_hash hash = kinds[s->mechanism].hash;
	uint8_t digest[CRYPTO_MAX_DIGEST];
	char text[BASE64_LEN(CRYPTO_MAX_DIGEST)];

	if (!s->env.offered)
		return 0;
	sasl_offer_digest(&s->env, hash, digest);
	return buf_printf(&sc->auth, ",h=%.*s",
			  (int)base64_encode(digest, crypto_digest_size(hash), text), text);
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
	    buf_printf(&sc->auth, ",s=%.*s,i=%u", (int)n, salt, answer->iterations) < 0 ||
	    add_offer(s, sc) < 0)
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

static bool binding_is(struct scram *sc, struct jd_str binding)
{
	size_t len = sc->binding.len;
	cleanup_free char *want = mem_try_alloc(BASE64_LEN(len));

	/* There is one strict way to write it. */
	return want && base64_encode(sc->binding.p, len, want) == binding.len &&
	       crypto_equal(want, binding.p, binding.len);
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
	enum crypto_hash hash = kinds[s->mechanism].hash;
	struct jd_str nonce = {sc->auth.p + sc->nonce_at, sc->nonce_len};
	uint8_t proof[CRYPTO_MAX_DIGEST];
	struct scram_final f;
	size_t n;

	sc->stage = OVER;
	if (!message.p || !scram_parse_final(message, &f) ||
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
	buf_free(&sc->binding);
	buf_free(&sc->auth);
	crypto_wipe(sc, sizeof(*sc));
	mem_free(sc);
	s->state = NULL;
}

const struct sasl_impl sasl_scram = {scram_message, scram_answer, scram_free};

unsigned sasl_without_hashes(unsigned hashes)
{
	unsigned bits = 0;

	for (unsigned m = SASL_SCRAM_SHA_1; m <= SASL_SCRAM_SHA_512_PLUS; m++)
		bits |= hashes & (1u << kinds[m].hash) ? 0 : 1u << m;
	return bits;
}
