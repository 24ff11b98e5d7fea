/* SPDX-License-Identifier: MIT
 *
 * Hashes, message authentication and base64 for modules: what protocols ask for
 * in the open (capabilities, time-limited credentials).  Passwords are not a
 * module's business: the core keeps and compares them.
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
