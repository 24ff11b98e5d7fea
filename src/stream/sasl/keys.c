/* SPDX-License-Identifier: MIT
 *
 * From a password to the keys that are stored of it (RFC 5802 section 3).
 */
#include "stream/sasl/sasl.h"

void scram_keys_of(enum crypto_hash hash, const uint8_t *salted, struct scram_keys *ret_keys)
{
	size_t n = crypto_digest_size(hash);
	uint8_t client[CRYPTO_MAX_DIGEST];
	struct scram_keys keys = {0};

	crypto_hmac(hash, salted, n, "Client Key", 10, client);
	crypto_digest(hash, client, n, keys.stored);
	crypto_hmac(hash, salted, n, "Server Key", 10, keys.server);
	crypto_wipe(client, sizeof(client));
	*ret_keys = keys;
	crypto_wipe(&keys, sizeof(keys));
}

void scram_derive(enum crypto_hash hash, struct jd_str password, const void *salt, size_t salt_len,
		  unsigned iterations, struct scram_keys *ret_keys)
{
	uint8_t salted[CRYPTO_MAX_DIGEST];

	crypto_pbkdf2(hash, password, salt, salt_len, iterations, salted);
	scram_keys_of(hash, salted, ret_keys);
	crypto_wipe(salted, sizeof(salted));
}
