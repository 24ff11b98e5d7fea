/* SPDX-License-Identifier: MIT
 *
 * The client's side of SCRAM (RFC 5802), for the load generator.  The slow part, the
 * key made of password and salt, is remembered: a second login costs the client as
 * little as the server.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SCRAM_KEY  32 /* bytes of the longest hash */
#define SCRAM_TEXT 512

struct scram_key {
	char made_of[128]; /* hash, password, salt and iterations */
	unsigned char salted[SCRAM_KEY];
};

struct scram {
	bool sha256;
	char nonce[33];
	char first_bare[96];
	unsigned char server_signature[SCRAM_KEY];
};

/* The first message; false when it would not fit. */
bool scram_first(struct scram *s, bool sha256, const char *user, char *ret_text, size_t size);
/* The answer to the server's first message.  `shared` and `own` are looked at, and kept up to
 * date.  False when the message is nonsense. */
bool scram_final(struct scram *s, const char *password, const char *server_first,
		 struct scram_key *shared, struct scram_key *own, char *ret_text, size_t size);
/* Whether the server knew the password too. */
bool scram_verify(const struct scram *s, const char *server_final);
