/* SPDX-License-Identifier: MIT
 *
 * The grammar of SCRAM's messages (RFC 5802 section 7): cut into their fields,
 * which point into the message.  No message is understood further than it is
 * well-formed.
 */
#pragma once

#include <jackdaw/types.h>

struct scram_first {
	struct jd_str gs2;     /* the whole header, with its last comma */
	char flag;             /* 'n', 'y' or 'p' */
	struct jd_str binding; /* flag 'p': the name behind it */
	struct jd_str authzid; /* escaped; p NULL: none */
	struct jd_str bare;
	struct jd_str name; /* escaped */
	struct jd_str nonce;
};
bool scram_parse_first(struct jd_str message, struct scram_first *ret_first);

struct scram_final {
	struct jd_str binding; /* base64 */
	struct jd_str nonce;
	struct jd_str without_proof;
	struct jd_str proof; /* base64 */
};
bool scram_parse_final(struct jd_str message, struct scram_final *ret_final);

/* =2C and =3D of a name; out has room for in.len. False for any other '='. */
bool scram_unescape(struct jd_str in, char *out, size_t *ret_len);
