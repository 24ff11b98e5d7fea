/* SPDX-License-Identifier: MIT
 *
 * SCRAM without channel binding; see scram.h.
 */
#include "scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const EVP_MD *hash_of(const struct scram *s)
{
	return s->sha256 ? EVP_sha256() : EVP_sha1();
}

static int length_of(const struct scram *s)
{
	return EVP_MD_get_size(hash_of(s));
}

static void hmac(const struct scram *s, const unsigned char *key, const char *text,
		 unsigned char *ret_mac)
{
	HMAC(hash_of(s), key, length_of(s), (const unsigned char *)text, strlen(text), ret_mac,
	     NULL);
}

bool scram_first(struct scram *s, bool sha256, const char *user, char *ret_text, size_t size)
{
	unsigned char random[sizeof(s->nonce) / 2];
	int n;

	s->sha256 = sha256;
	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(s->nonce + 2 * i, 3, "%02x", random[i]);
	n = snprintf(s->first_bare, sizeof(s->first_bare), "n=%s,r=%s", user, s->nonce);
	if (n < 0 || (size_t)n >= sizeof(s->first_bare))
		return false;
	return (size_t)snprintf(ret_text, size, "n,,%s", s->first_bare) < size;
}

/* Of "r=...,s=...,i=...". */
static bool field(const char *text, char name, char *ret_value, size_t size)
{
	for (const char *p = text; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (p[0] == name && p[1] == '=') {
			size_t n = strcspn(p + 2, ",");

			if (n >= size)
				return false;
			memcpy(ret_value, p + 2, n);
			ret_value[n] = 0;
			return true;
		}
	}
	return false;
}

static bool derive(const struct scram *s, const char *password, const char *salt64,
		   const char *rounds, struct scram_key *shared, struct scram_key *own)
{
	unsigned char salt[96];
	char made_of[sizeof(own->made_of)];
	size_t len = strlen(salt64), pad = len - strcspn(salt64, "=");
	int n = snprintf(made_of, sizeof(made_of), "%d %s %s %s", s->sha256, rounds, salt64,
			 password);

	if (n < 0 || (size_t)n >= sizeof(made_of) || len > 124 || pad > 2)
		return false;
	if (strcmp(own->made_of, made_of) == 0)
		return true;
	if (strcmp(shared->made_of, made_of) != 0) {
		n = EVP_DecodeBlock(salt, (const unsigned char *)salt64, (int)len);
		if (n < (int)pad ||
		    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, n - (int)pad,
				      atoi(rounds), hash_of(s), length_of(s), shared->salted) != 1)
			return false;
		memcpy(shared->made_of, made_of, sizeof(made_of));
	}
	*own = *shared;
	return true;
}

bool scram_final(struct scram *s, const char *password, const char *server_first,
		 struct scram_key *shared, struct scram_key *own, char *ret_text, size_t size)
{
	unsigned char key[SCRAM_KEY], stored[SCRAM_KEY], mac[SCRAM_KEY], proof64[64];
	char nonce[128], salt[128], rounds[12], message[SCRAM_TEXT];
	int len = length_of(s);

	if (!field(server_first, 'r', nonce, sizeof(nonce)) ||
	    !field(server_first, 's', salt, sizeof(salt)) ||
	    !field(server_first, 'i', rounds, sizeof(rounds)) ||
	    strncmp(nonce, s->nonce, strlen(s->nonce)) != 0 || atoi(rounds) < 1 ||
	    (size_t)snprintf(message, sizeof(message), "%s,%s,c=biws,r=%s", s->first_bare,
			     server_first, nonce) >= sizeof(message) ||
	    !derive(s, password, salt, rounds, shared, own))
		return false;
	hmac(s, own->salted, "Server Key", key);
	hmac(s, key, message, s->server_signature);
	hmac(s, own->salted, "Client Key", key);
	EVP_Digest(key, (size_t)len, stored, NULL, hash_of(s), NULL);
	hmac(s, stored, message, mac);
	for (int i = 0; i < len; i++)
		mac[i] ^= key[i];
	EVP_EncodeBlock(proof64, mac, len);
	return (size_t)snprintf(ret_text, size, "c=biws,r=%s,p=%s", nonce, proof64) < size;
}

bool scram_verify(const struct scram *s, const char *server_final)
{
	unsigned char expected[64];
	char got[128];

	EVP_EncodeBlock(expected, s->server_signature, length_of(s));
	return field(server_final, 'v', got, sizeof(got)) && strcmp(got, (char *)expected) == 0;
}
