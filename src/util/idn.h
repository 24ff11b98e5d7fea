/* SPDX-License-Identifier: MIT
 *
 * Domain names of JIDs (RFC 7622 section 3.2): IDNA2008 through libidn2.
 */
#pragma once

#include <jackdaw/types.h>

/*
 * Normalises a domain part: ASCII is lower-cased and checked label by label
 * (1-63 bytes, letters digits hyphen underscore not; no leading or trailing
 * hyphen), a trailing dot is dropped, A-labels become U-labels, U-labels are
 * checked by IDNA2008 (CONTEXTJ/O, bidi) and put in NFC lower case.  IPv4 and
 * bracketed IPv6 addresses pass.  Writes at most 1023 bytes, not terminated.
 * -JD_EINVAL otherwise.  Pure, any thread; no memory for ASCII.
 */
int idn_domain(struct jd_str in, char out[1023], size_t *ret_len) JD_MUST_USE;

/* The ASCII (A-label) form for DNS and TLS names; terminated, at most 255 bytes + NUL. */
int idn_to_ascii(struct jd_str domain, char out[256]) JD_MUST_USE;
