/* SPDX-License-Identifier: MIT
 *
 * Hashes, message authentication, base64, random bytes, and what Web Push is made of, for
 * modules: what protocols ask for in the open (capabilities, time-limited credentials).  Passwords
 * are not a module's business: the core keeps and compares them.
 */
#pragma once

#include <jackdaw/mem.h>

enum jd_hash_kind { JD_HASH_SHA1, JD_HASH_SHA256, JD_HASH_SHA512 };

/* Bytes of the largest digest. */
#define JD_DIGEST_MAX 64

JD_EXPORT size_t jd_digest_size(enum jd_hash_kind kind);
/* out has room for jd_digest_size() bytes. */
JD_EXPORT void jd_digest(enum jd_hash_kind kind, struct jd_str data, uint8_t *out);
JD_EXPORT void jd_hmac(enum jd_hash_kind kind, struct jd_str key, struct jd_str data, uint8_t *out);
/* With padding, in one line; in the arena. */
JD_EXPORT struct jd_str jd_base64(struct jd_arena *arena, const void *data, size_t n);
/* With padding; white space in it does not count. In the arena. -JD_EINVAL. */
JD_EXPORT int jd_base64_read(struct jd_arena *arena, struct jd_str text,
			     struct jd_str *ret_data) JD_MUST_USE;
/* The URL alphabet, without padding: terminated text, whose length is returned. */
#define JD_BASE64URL_SIZE(n) (((n)*4 + 2) / 3 + 1)
JD_EXPORT size_t jd_base64url(const void *data, size_t n, char *out);
/* Either with padding or without; exactly n bytes. -JD_EINVAL. */
JD_EXPORT int jd_base64url_read(struct jd_str text, uint8_t *out, size_t n) JD_MUST_USE;

JD_EXPORT void jd_random(void *out, size_t n);
/* 32 bytes that only this installation has, and always the same, for each purpose. They come
 * from a secret in the database, and move with it. */
#define JD_INSTALLATION_KEY 32
JD_EXPORT void jd_installation_key(const char *purpose, uint8_t key[JD_INSTALLATION_KEY]);
/* HKDF (RFC 5869); n is at most jd_digest_size(). */
JD_EXPORT void jd_hkdf(enum jd_hash_kind kind, struct jd_str salt, struct jd_str secret,
		       struct jd_str info, uint8_t *out, size_t n);
/* AES-128-GCM without additional data; out has room for data.len + JD_SEAL_TAG bytes. */
#define JD_SEAL_KEY   16
#define JD_SEAL_NONCE 12
#define JD_SEAL_TAG   16
JD_EXPORT void jd_seal(const uint8_t key[JD_SEAL_KEY], const uint8_t nonce[JD_SEAL_NONCE],
		       struct jd_str data, uint8_t *out);

/* The curve P-256: numbers big end first, points uncompressed. -JD_EINVAL: no key of that curve. */
#define JD_EC_PRIVATE   32
#define JD_EC_PUBLIC    65
#define JD_EC_SHARED    32
#define JD_EC_SIGNATURE 64
JD_EXPORT void jd_ec_make(uint8_t private[JD_EC_PRIVATE], uint8_t public[JD_EC_PUBLIC]);
JD_EXPORT int jd_ec_public(const uint8_t private[JD_EC_PRIVATE],
			   uint8_t public[JD_EC_PUBLIC]) JD_MUST_USE;
JD_EXPORT int jd_ec_shared(const uint8_t private[JD_EC_PRIVATE], const uint8_t peer[JD_EC_PUBLIC],
			   uint8_t shared[JD_EC_SHARED]) JD_MUST_USE;
/* ES256 (RFC 7518). */
JD_EXPORT int jd_ec_sign(const uint8_t private[JD_EC_PRIVATE], struct jd_str data,
			 uint8_t signature[JD_EC_SIGNATURE]) JD_MUST_USE;
