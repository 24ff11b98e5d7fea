/* SPDX-License-Identifier: MIT
 *
 * libcrypto, in our words.  The digests are fetched once: an implicit fetch by
 * name at each call costs more than hashing a short text.
 */
#include "util/crypto.h"

#include <limits.h>
#include <pthread.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "util/base64.h"
#include "util/mem.h"

#define ID_MAX ((size_t)64)

static const struct {
	const char *name;
	size_t size;
} hashes[CRYPTO_HASH_COUNT] = {
	[CRYPTO_SHA1] = {"SHA1", 20},
	[CRYPTO_SHA256] = {"SHA256", 32},
	[CRYPTO_SHA512] = {"SHA512", 64},
};

static EVP_MD *digests[CRYPTO_HASH_COUNT];

static void fetch_digests(void)
{
	for (size_t i = 0; i < CRYPTO_HASH_COUNT; i++) {
		digests[i] = EVP_MD_fetch(NULL, hashes[i].name, NULL);
		JD_ASSERT(digests[i]);
	}
}

static const EVP_MD *digest_of(enum crypto_hash hash)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fetch_digests);
	return digests[hash];
}

size_t crypto_digest_size(enum crypto_hash hash)
{
	return hashes[hash].size;
}

void crypto_random(void *out, size_t n)
{
	JD_ASSERT(n <= INT_MAX && RAND_bytes(out, (int)n) == 1);
}

void crypto_random_id(char *out, size_t bytes)
{
	unsigned char raw[ID_MAX];

	JD_ASSERT(bytes <= sizeof(raw));
	crypto_random(raw, bytes);
	out[base64url_encode(raw, bytes, out)] = '\0';
}

void crypto_digest(enum crypto_hash hash, const void *data, size_t n, uint8_t *out)
{
	JD_ASSERT(EVP_Digest(data, n, out, NULL, digest_of(hash), NULL) == 1);
}

void crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len, const void *data, size_t n,
		 uint8_t *out)
{
	JD_ASSERT(key_len <= INT_MAX);
	/* HMAC() takes a NULL key for "the one before", even when its length is 0. */
	JD_ASSERT(HMAC(digest_of(hash), key ? key : "", (int)key_len, data, n, out, NULL));
}

void crypto_pbkdf2(enum crypto_hash hash, struct jd_str password, const void *salt, size_t salt_len,
		   unsigned iterations, uint8_t *out)
{
	JD_ASSERT(password.len <= INT_MAX && salt_len <= INT_MAX);
	JD_ASSERT(iterations >= 1 && iterations <= INT_MAX);
	JD_ASSERT(PKCS5_PBKDF2_HMAC(password.p ? password.p : "", (int)password.len, salt,
				    (int)salt_len, (int)iterations, digest_of(hash),
				    (int)hashes[hash].size, out) == 1);
}

/* -- one block ------------------------------------------------------------------------ */

struct crypto_block {
	EVP_CIPHER_CTX *way[2]; /* backwards, forwards */
};

struct crypto_block *crypto_block_new(const uint8_t key[CRYPTO_BLOCK_LEN])
{
	struct crypto_block *block = mem_new(struct crypto_block);

	for (int i = 0; i < 2; i++) {
		EVP_CIPHER_CTX *way = block->way[i] = EVP_CIPHER_CTX_new();

		JD_ASSERT(way && EVP_CipherInit_ex2(way, EVP_aes_128_ecb(), key, NULL, i, NULL));
		JD_ASSERT(EVP_CIPHER_CTX_set_padding(way, 0));
	}
	return block;
}

void crypto_block_free(struct crypto_block *block)
{
	if (!block)
		return;
	for (int i = 0; i < 2; i++)
		EVP_CIPHER_CTX_free(block->way[i]);
	mem_free(block);
}

static void block_turn(EVP_CIPHER_CTX *way, const uint8_t *in, uint8_t *out)
{
	int n;

	JD_ASSERT(EVP_CipherUpdate(way, out, &n, in, CRYPTO_BLOCK_LEN) && n == CRYPTO_BLOCK_LEN);
}

void crypto_block_encrypt(struct crypto_block *block, const uint8_t in[CRYPTO_BLOCK_LEN],
			  uint8_t out[CRYPTO_BLOCK_LEN])
{
	block_turn(block->way[1], in, out);
}

void crypto_block_decrypt(struct crypto_block *block, const uint8_t in[CRYPTO_BLOCK_LEN],
			  uint8_t out[CRYPTO_BLOCK_LEN])
{
	block_turn(block->way[0], in, out);
}

/* -- an authenticated cipher ------------------------------------------------------------------ */

void crypto_seal(const uint8_t key[CRYPTO_BLOCK_LEN], const uint8_t nonce[CRYPTO_SEAL_NONCE],
		 const void *in, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *way = EVP_CIPHER_CTX_new();
	int written, rest;

	JD_ASSERT(way && n <= INT_MAX);
	JD_ASSERT(EVP_EncryptInit_ex2(way, EVP_aes_128_gcm(), key, nonce, NULL) == 1);
	JD_ASSERT(EVP_EncryptUpdate(way, out, &written, in, (int)n) == 1);
	JD_ASSERT(EVP_EncryptFinal_ex(way, out + written, &rest) == 1 && rest == 0);
	JD_ASSERT(EVP_CIPHER_CTX_ctrl(way, EVP_CTRL_AEAD_GET_TAG, CRYPTO_SEAL_TAG, out + n) == 1);
	EVP_CIPHER_CTX_free(way);
}

void crypto_hkdf(enum crypto_hash hash, struct jd_str salt, struct jd_str secret,
		 struct jd_str info, uint8_t *out, size_t n)
{
	size_t size = crypto_digest_size(hash);
	uint8_t key[CRYPTO_MAX_DIGEST], block[CRYPTO_MAX_DIGEST];
	char *text = mem_alloc(info.len + 1);

	JD_ASSERT(n <= size);
	crypto_hmac(hash, salt.p, salt.len, secret.p, secret.len, key);
	if (info.len)
		memcpy(text, info.p, info.len);
	text[info.len] = 1; /* the first block, which needs none before it */
	crypto_hmac(hash, key, size, text, info.len + 1, block);
	memcpy(out, block, n);
	crypto_wipe(key, sizeof(key));
	crypto_wipe(block, sizeof(block));
	mem_free(text);
}

/* -- P-256 ------------------------------------------------------------------------------------ */

static const EC_GROUP *p256;

static void make_p256(void)
{
	p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	JD_ASSERT(p256);
}

static const EC_GROUP *ec_group(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_p256);
	return p256;
}

/* Either may be missing. NULL: they are no key, as far as libcrypto looks. */
static EVP_PKEY *ec_key(const uint8_t *private, const uint8_t *public)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *number = private ? BN_bin2bn(private, CRYPTO_EC_PRIVATE, NULL) : NULL;
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	JD_ASSERT(build && ctx && (number || !private));
	JD_ASSERT(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
						  0) == 1);
	if (private)
		JD_ASSERT(OSSL_PARAM_BLD_push_BN_pad(build, OSSL_PKEY_PARAM_PRIV_KEY, number,
						     CRYPTO_EC_PRIVATE) == 1);
	if (public)
		JD_ASSERT(OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, public,
							   CRYPTO_EC_PUBLIC) == 1);
	params = OSSL_PARAM_BLD_to_param(build);
	JD_ASSERT(params && EVP_PKEY_fromdata_init(ctx) == 1);
	if (EVP_PKEY_fromdata(ctx, &key, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
			      params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	BN_clear_free(number);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

void crypto_ec_make(uint8_t private[CRYPTO_EC_PRIVATE], uint8_t public[CRYPTO_EC_PUBLIC])
{
	/* Nearly every number is below the order of the group. */
	do
		crypto_random(private, CRYPTO_EC_PRIVATE);
	while (crypto_ec_public(private, public) < 0);
}

int crypto_ec_public(const uint8_t private[CRYPTO_EC_PRIVATE], uint8_t public[CRYPTO_EC_PUBLIC])
{
	const EC_GROUP *group = ec_group();
	BIGNUM *number = BN_secure_new();
	EC_POINT *point = EC_POINT_new(group);
	bool good;

	JD_ASSERT(number && point && BN_bin2bn(private, CRYPTO_EC_PRIVATE, number));
	good = !BN_is_zero(number) && BN_cmp(number, EC_GROUP_get0_order(group)) < 0;
	if (good) {
		JD_ASSERT(EC_POINT_mul(group, point, number, NULL, NULL, NULL) == 1);
		JD_ASSERT(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, public,
					     CRYPTO_EC_PUBLIC, NULL) == CRYPTO_EC_PUBLIC);
	}
	EC_POINT_free(point);
	BN_clear_free(number);
	return good ? 0 : -JD_EINVAL;
}

/* libcrypto looks whether the peer's point is one of the curve. */
int crypto_ec_shared(const uint8_t private[CRYPTO_EC_PRIVATE], const uint8_t peer[CRYPTO_EC_PUBLIC],
		     uint8_t shared[CRYPTO_EC_SHARED])
{
	EVP_PKEY *ours = ec_key(private, NULL), *theirs = ec_key(NULL, peer);
	EVP_PKEY_CTX *ctx = ours && theirs ? EVP_PKEY_CTX_new(ours, NULL) : NULL;
	uint8_t out[CRYPTO_EC_SHARED];
	size_t n = sizeof(out);
	bool good = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		    EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
		    EVP_PKEY_derive(ctx, out, &n) == 1 && n == sizeof(out);

	if (good)
		memcpy(shared, out, sizeof(out));
	crypto_wipe(out, sizeof(out));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(theirs);
	ERR_clear_error();
	return good ? 0 : -JD_EINVAL;
}

/* From DER to the two numbers (RFC 7518 section 3.4). */
static bool ec_numbers(const uint8_t *der, size_t n, uint8_t *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32 &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32;

	ECDSA_SIG_free(sig);
	return good;
}

int crypto_ec_sign(const uint8_t private[CRYPTO_EC_PRIVATE], const void *data, size_t n,
		   uint8_t signature[CRYPTO_EC_SIGNATURE])
{
	uint8_t public[CRYPTO_EC_PUBLIC];
	EVP_PKEY *key = crypto_ec_public(private, public) < 0 ? NULL : ec_key(private, public);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[80];
	size_t der_len = sizeof(der);
	bool good = key && ctx &&
		    EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
		    EVP_DigestSign(ctx, der, &der_len, data, n) == 1 &&
		    ec_numbers(der, der_len, signature);

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? 0 : -JD_EINVAL;
}

/* -- comparing, wiping, showing --------------------------------------------------------------- */

bool crypto_equal(const void *a, const void *b, size_t n)
{
	return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

void crypto_wipe(void *p, size_t n)
{
	if (n)
		OPENSSL_cleanse(p, n);
}

void crypto_hex(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}
