/* SPDX-License-Identifier: MIT
 *
 * What modules may have of the hashes in util/crypto.h.
 */
#include <jackdaw/crypto.h>

#include "util/base64.h"
#include "util/crypto.h"

_Static_assert(JD_DIGEST_MAX == CRYPTO_MAX_DIGEST, "both headers say how large a digest may be");

static enum crypto_hash inner(enum jd_hash_kind kind)
{
	switch (kind) {
	case JD_HASH_SHA1:
		return CRYPTO_SHA1;
	case JD_HASH_SHA256:
		return CRYPTO_SHA256;
	case JD_HASH_SHA512:
		break;
	}
	return CRYPTO_SHA512;
}

size_t jd_digest_size(enum jd_hash_kind kind)
{
	return crypto_digest_size(inner(kind));
}

void jd_digest(enum jd_hash_kind kind, struct jd_str data, uint8_t *out)
{
	crypto_digest(inner(kind), data.p, data.len, out);
}

void jd_hmac(enum jd_hash_kind kind, struct jd_str key, struct jd_str data, uint8_t *out)
{
	crypto_hmac(inner(kind), key.p, key.len, data.p, data.len, out);
}

struct jd_str jd_base64(struct jd_arena *arena, const void *data, size_t n)
{
	char *text = jd_arena_bytes(arena, BASE64_LEN(n) + 1);
	size_t len = base64_encode(data, n, text);

	text[len] = '\0';
	return (struct jd_str){text, len};
}
