/* SPDX-License-Identifier: MIT
 *
 * libcrypto, in our words.  The digests are fetched once: an implicit fetch by
 * name at each call costs more than hashing a short text.
 */
#include "util/crypto.h"

#include <limits.h>
#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
