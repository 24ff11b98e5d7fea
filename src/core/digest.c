/* SPDX-License-Identifier: MIT
 *
 * What modules may have of util/crypto.h.
 */
#include <jackdaw/crypto.h>

#include "core/core.h"
#include "util/base64.h"
#include "util/crypto.h"

_Static_assert(JD_DIGEST_MAX == CRYPTO_MAX_DIGEST, "both headers say how large a digest may be");
_Static_assert(JD_SEAL_KEY == CRYPTO_BLOCK_LEN, "both say how long a key is");
_Static_assert(JD_SEAL_NONCE == CRYPTO_SEAL_NONCE, "and a nonce");
_Static_assert(JD_SEAL_TAG == CRYPTO_SEAL_TAG, "and what a cipher adds");
_Static_assert(JD_EC_PRIVATE == CRYPTO_EC_PRIVATE, "and a private key of a curve");
_Static_assert(JD_EC_PUBLIC == CRYPTO_EC_PUBLIC, "and a public one");
_Static_assert(JD_EC_SHARED == CRYPTO_EC_SHARED, "and what two of them share");
_Static_assert(JD_EC_SIGNATURE == CRYPTO_EC_SIGNATURE, "and a signature");

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

int jd_base64_read(struct jd_arena *arena, struct jd_str text, struct jd_str *ret_data)
{
	char *dense = jd_arena_bytes(arena, text.len + 1);
	char *data = jd_arena_bytes(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (!strchr(" \t\r\n", text.p[i]))
			dense[n++] = text.p[i];
	ret_data->p = data;
	return base64_decode((struct jd_str){dense, n}, data, text.len, &ret_data->len) < 0
		       ? -JD_EINVAL
		       : 0;
}

size_t jd_base64url(const void *data, size_t n, char *out)
{
	size_t len = base64url_encode(data, n, out);

	out[len] = '\0';
	return len;
}

int jd_base64url_read(struct jd_str text, uint8_t *out, size_t n)
{
	size_t len;

	while (text.len && text.p[text.len - 1] == '=')
		text.len--;
	return base64url_decode(text, out, n, &len) < 0 || len != n ? -JD_EINVAL : 0;
}

void jd_random(void *out, size_t n)
{
	crypto_random(out, n);
}

void jd_installation_key(const char *purpose, uint8_t key[JD_INSTALLATION_KEY])
{
	uint8_t mac[CRYPTO_MAX_DIGEST];

	auth_secret_mac("module", purpose, strlen(purpose), mac);
	memcpy(key, mac, JD_INSTALLATION_KEY);
	crypto_wipe(mac, sizeof(mac));
}

void jd_hkdf(enum jd_hash_kind kind, struct jd_str salt, struct jd_str secret, struct jd_str info,
	     uint8_t *out, size_t n)
{
	crypto_hkdf(inner(kind), salt, secret, info, out, n);
}

void jd_seal(const uint8_t key[JD_SEAL_KEY], const uint8_t nonce[JD_SEAL_NONCE], struct jd_str data,
	     uint8_t *out)
{
	crypto_seal(key, nonce, data.p, data.len, out);
}

void jd_ec_make(uint8_t private[JD_EC_PRIVATE], uint8_t public[JD_EC_PUBLIC])
{
	crypto_ec_make(private, public);
}

int jd_ec_public(const uint8_t private[JD_EC_PRIVATE], uint8_t public[JD_EC_PUBLIC])
{
	return crypto_ec_public(private, public);
}

int jd_ec_shared(const uint8_t private[JD_EC_PRIVATE], const uint8_t peer[JD_EC_PUBLIC],
		 uint8_t shared[JD_EC_SHARED])
{
	return crypto_ec_shared(private, peer, shared);
}

int jd_ec_sign(const uint8_t private[JD_EC_PRIVATE], struct jd_str data,
	       uint8_t signature[JD_EC_SIGNATURE])
{
	return crypto_ec_sign(private, data.p, data.len, signature);
}
