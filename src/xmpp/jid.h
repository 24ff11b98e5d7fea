/* SPDX-License-Identifier: MIT
 *
 * Preparing addresses into memory of the caller's: what <jackdaw/jid.h> stands on.
 */
#pragma once

#include <jackdaw/jid.h>

/* in -> canonical text in out, ret_jid points into it. No memory for ASCII.
 * -JD_EINVAL: not a JID. Pure, any thread. */
int jid_prep(struct jd_str in, char out[JD_JID_MAX], struct jd_jid *ret_jid) JD_MUST_USE;

/* The parts alone; each writes at most 1023 bytes. -JD_EINVAL. */
int jid_prep_local(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len) JD_MUST_USE;
int jid_prep_resource(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len) JD_MUST_USE;

/* RFC 8265 OpaqueString for passwords; at most 1023 bytes. -JD_EINVAL. */
int jid_prep_password(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len) JD_MUST_USE;
