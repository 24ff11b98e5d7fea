/* SPDX-License-Identifier: MIT
 *
 * The only door to libcrypto: random bytes, hashes, HMAC, PBKDF2, HKDF, a block cipher, an
 * authenticated one, elliptic curves, comparison in constant time, wiping.  A failure of libcrypto
 * itself aborts: it cannot be handled.  Any thread.
 */
#pragma once

#include <jackdaw/types.h>

enum crypto_hash { CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512 };
#define CRYPTO_HASH_COUNT 3
#define CRYPTO_MAX_DIGEST 64

size_t crypto_digest_size(enum crypto_hash hash);

void crypto_random(void *out, size_t n);
/* bytes random bytes as base64url text: terminated, (bytes * 4 + 2) / 3 characters. */
void crypto_random_id(char *out, size_t bytes);

void crypto_digest(enum crypto_hash hash, const void *data, size_t n, uint8_t *out);
void crypto_hmac(enum crypto_hash hash, const void *key, size_t key_len, const void *data, size_t n,
		 uint8_t *out);
/* Costly by design: a worker's job, never on a logic or I/O thread. */
void crypto_pbkdf2(enum crypto_hash hash, struct jd_str password, const void *salt, size_t salt_len,
		   unsigned iterations, uint8_t *out);

/* AES-128, one block at a time: for numbers that nobody shall be able to read or make up, not for
 * text. in and out may be the same. */
#define CRYPTO_BLOCK_LEN 16
struct crypto_block;
struct crypto_block *crypto_block_new(const uint8_t key[CRYPTO_BLOCK_LEN]);
void crypto_block_free(struct crypto_block *block); /* NULL is fine */
void crypto_block_encrypt(struct crypto_block *block, const uint8_t in[CRYPTO_BLOCK_LEN],
			  uint8_t out[CRYPTO_BLOCK_LEN]);
void crypto_block_decrypt(struct crypto_block *block, const uint8_t in[CRYPTO_BLOCK_LEN],
			  uint8_t out[CRYPTO_BLOCK_LEN]);

/* AES-128-GCM without additional data: writes n + CRYPTO_SEAL_TAG bytes. Each key and nonce once.
 */
#define CRYPTO_SEAL_NONCE 12
#define CRYPTO_SEAL_TAG   16
void crypto_seal(const uint8_t key[CRYPTO_BLOCK_LEN], const uint8_t nonce[CRYPTO_SEAL_NONCE],
		 const void *in, size_t n, uint8_t *out);

/* HKDF (RFC 5869), both steps; at most one digest's worth of output. */
void crypto_hkdf(enum crypto_hash hash, struct jd_str salt, struct jd_str secret,
		 struct jd_str info, uint8_t *out, size_t n);

/*
 * The curve P-256: a private key is a number, big end first, a public one an
 * uncompressed point, a signature (ES256: ECDSA over SHA-256) both its numbers.
 * -JD_EINVAL: this is no key of that curve.
 */
#define CRYPTO_EC_PRIVATE   32
#define CRYPTO_EC_PUBLIC    65
#define CRYPTO_EC_SHARED    32
#define CRYPTO_EC_SIGNATURE 64
void crypto_ec_make(uint8_t private[CRYPTO_EC_PRIVATE], uint8_t public[CRYPTO_EC_PUBLIC]);
int crypto_ec_public(const uint8_t private[CRYPTO_EC_PRIVATE],
		     uint8_t public[CRYPTO_EC_PUBLIC]) JD_MUST_USE;
int crypto_ec_shared(const uint8_t private[CRYPTO_EC_PRIVATE], const uint8_t peer[CRYPTO_EC_PUBLIC],
		     uint8_t shared[CRYPTO_EC_SHARED]) JD_MUST_USE;
int crypto_ec_sign(const uint8_t private[CRYPTO_EC_PRIVATE], const void *data, size_t n,
		   uint8_t signature[CRYPTO_EC_SIGNATURE]) JD_MUST_USE;

/* True when equal; the time does not depend on the content. */
bool crypto_equal(const void *a, const void *b, size_t n);
void crypto_wipe(void *p, size_t n);

/* Lower-case hex, terminated: 2 * n + 1 bytes. */
void crypto_hex(const void *data, size_t n, char *out);
