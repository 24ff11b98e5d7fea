/* SPDX-License-Identifier: MIT
 *
 * PRECIS (RFC 8264) with the two profiles that addresses and passwords need
 * (RFC 8265).  Works on whole strings, whatever their characters: the ASCII
 * short cut is jid.c's.  Unicode's tables are libunistring's.
 *
 * Pure functions, any thread.
 */
#pragma once

#include <jackdaw/types.h>

/* UTF-8 in, prepared UTF-8 out, at most max bytes (not terminated). -JD_EINVAL:
 * not valid in this profile, empty, or too long. */
typedef int precis_fn(struct jd_str in, char *out, size_t max, size_t *ret_len);

/* UsernameCaseMapped: width and case mapped, NFC, letters and digits, bidi rule. */
int precis_username(struct jd_str in, char *out, size_t max, size_t *ret_len) JD_MUST_USE;

/* OpaqueString: spaces mapped to U+0020, NFC, nothing folded; and what goes with pictographs and
 * is not seen is dropped. */
int precis_opaque(struct jd_str in, char *out, size_t max, size_t *ret_len) JD_MUST_USE;

/* -- what the profiles stand on (precis_rules.c) --------------------------------- */

enum precis_class { PRECIS_IDENTIFIER, PRECIS_FREEFORM };

/* Every character is in the class; those with a contextual rule pass here. */
bool precis_in_class(const uint32_t *s, size_t n, enum precis_class class);
/* A symbol or picture, or a place that Unicode keeps for one: those are no letters, have no
 * other form and stay what they are, so an older table than the peer's does no harm. */
bool precis_is_pictograph(uint32_t cp);
/* Every character with a contextual rule stands where it may (RFC 5892 appendix A). */
bool precis_context_ok(const uint32_t *s, size_t n);
/* The bidi rule, if anything in s is written from right to left (RFC 5893 section 2). */
bool precis_bidi_ok(const uint32_t *s, size_t n);
