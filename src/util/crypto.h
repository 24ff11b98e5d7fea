/* SPDX-License-Identifier: MIT
 *
 * The only door to libcrypto: random bytes, hashes, HMAC, PBKDF2, a block cipher, comparison in
 * constant time, wiping.  A failure of libcrypto itself aborts: it cannot be
 * handled.  Any thread.
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

/* True when equal; the time does not depend on the content. */
bool crypto_equal(const void *a, const void *b, size_t n);
void crypto_wipe(void *p, size_t n);

/* Lower-case hex, terminated: 2 * n + 1 bytes. */
void crypto_hex(const void *data, size_t n, char *out);
