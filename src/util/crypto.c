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
