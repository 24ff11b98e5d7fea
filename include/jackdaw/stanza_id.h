/* SPDX-License-Identifier: MIT
 *
 * What archives call their messages on the wire (XEP-0359).  Inside, a message has
 * a number of its owner's; outside, that number and the owner are one block,
 * enciphered under a key of this installation: nobody can tell from two ids which
 * is older or how many lie between them, or make one up, and no index is needed
 * to find the number again.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/stanza.h>

#define JD_STANZA_ID_LEN 22

/* In the arena. */
JD_EXPORT struct jd_str jd_stanza_id_encode(struct jd_arena *arena, uint64_t owner, uint64_t id);
/* -JD_ENOENT: it is no id, or another owner's. */
JD_EXPORT int jd_stanza_id_decode(struct jd_str text, uint64_t owner, uint64_t *ret_id) JD_MUST_USE;
/* Removes what says to be the account's id of the message: only the account itself may say that
 * (XEP-0359 section 5). */
JD_EXPORT void jd_stanza_strip_ids(struct jd_stanza *st, struct jd_jid account);
