/* SPDX-License-Identifier: MIT
 *
 * Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
 * Pure functions, any thread.
 */
#pragma once

#include <jackdaw/types.h>

/* Decodes one code point at s[0..n); returns its length in bytes (1-4), or 0 if
 * the bytes are invalid or cut short. */
size_t utf8_decode(const char *s, size_t n, uint32_t *ret_cp);

/* Encodes cp (valid) into out[4]; returns the length. */
size_t utf8_encode(uint32_t cp, char out[4]);

/* Valid UTF-8 that XML 1.0 may carry: also no NUL, no C0 controls but TAB LF CR,
 * no U+FFFE and U+FFFF. */
bool utf8_valid_xml(const char *s, size_t n);

/* Code points in valid UTF-8. */
size_t utf8_count(const char *s, size_t n);

/* Validity across pieces: state starts zeroed; false once the bytes fed so far
 * cannot be the start of valid UTF-8. utf8_feed_done() is true between characters. */
struct utf8_state {
	uint32_t cp;
	uint8_t need, lower, upper;
};
bool utf8_feed(struct utf8_state *st, const char *s, size_t n);
bool utf8_feed_done(const struct utf8_state *st);
