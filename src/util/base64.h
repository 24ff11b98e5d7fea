/* SPDX-License-Identifier: MIT
 *
 * Base64 (RFC 4648 section 4, and 5 for URLs), strict as RFC 6120 13.9.1 wants
 * it: no white space, no '=' but at the end, exact padding, unused bits zero.
 */
#pragma once

#include <jackdaw/types.h>

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(n) bytes, not terminated; returns that length. */
size_t base64_encode(const void *data, size_t n, char *out);

/* Decodes into out (cap bytes); -JD_EINVAL on anything not strict, -JD_ELIMIT if it does not fit.
 */
int base64_decode(struct jd_str in, void *out, size_t cap, size_t *ret_len) JD_MUST_USE;

/* The URL alphabet without padding; writes (n * 4 + 2) / 3 bytes. */
size_t base64url_encode(const void *data, size_t n, char *out);
int base64url_decode(struct jd_str in, void *out, size_t cap, size_t *ret_len) JD_MUST_USE;
