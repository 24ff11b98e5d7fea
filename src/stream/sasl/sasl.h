/* SPDX-License-Identifier: MIT
 *
 * SASL mechanisms (RFC 4422, RFC 6120 section 6), server side, one file each.
 * Pure state machines: messages in, messages out, questions to whoever knows
 * the accounts.  They know neither sockets nor XML.
 */
#pragma once

#include "stream/stream.h"

enum sasl_mechanism {
	SASL_PLAIN,
	SASL_SCRAM_SHA_1,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_512,
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_512_PLUS,
	SASL_EXTERNAL,
	SASL_ANONYMOUS,
	SASL_HT_NONE, /* HT-SHA-256-*: for tokens (XEP-0484) only */
	SASL_HT_ENDP,
	SASL_HT_EXPR,
	SASL_MECHANISM_COUNT,
};

/* Those that need a channel binding. */
#define SASL_PLUS_BITS                                                                             \
	(1u << SASL_SCRAM_SHA_1_PLUS | 1u << SASL_SCRAM_SHA_256_PLUS |                             \
	 1u << SASL_SCRAM_SHA_512_PLUS)
/* Those that are no part of the lists of mechanisms. */
#define SASL_HT_BITS (1u << SASL_HT_NONE | 1u << SASL_HT_ENDP | 1u << SASL_HT_EXPR)

/* RFC 6120 section 6.5. */
enum sasl_condition {
	SASL_ABORTED,
	SASL_ACCOUNT_DISABLED,
	SASL_CREDENTIALS_EXPIRED,
	SASL_ENCRYPTION_REQUIRED,
	SASL_INCORRECT_ENCODING,
	SASL_INVALID_AUTHZID,
	SASL_INVALID_MECHANISM,
	SASL_MALFORMED_REQUEST,
	SASL_MECHANISM_TOO_WEAK,
	SASL_NOT_AUTHORIZED,
	SASL_TEMPORARY_AUTH_FAILURE,
};
const char *sasl_condition_name(enum sasl_condition c);

/* Channel bindings (RFC 5056): what ties an exchange to the TLS session around it. */
enum sasl_binding {
	SASL_TLS_EXPORTER,         /* RFC 9266 */
	SASL_TLS_SERVER_END_POINT, /* RFC 5929 */
	SASL_BINDING_COUNT,
};
const char *sasl_binding_name(enum sasl_binding b);
int sasl_binding_find(struct jd_str name, enum sasl_binding *ret_binding) JD_MUST_USE;

/* The data of each type; len 0: this stream has none of it. */
struct sasl_bindings {
	size_t len[SASL_BINDING_COUNT];
	uint8_t data[SASL_BINDING_COUNT][64];
};

/* Accounts of the host that the client's certificate names: local parts, prepared. One that
 * names more cannot choose the others. */
#define SASL_CERT_NAMES 8
struct sasl_cert {
	unsigned n;
	char names[SASL_CERT_NAMES][1024]; /* terminated */
};

/* What a client says of the token it is about to use (XEP-0484). */
struct sasl_token_use {
	struct jd_str device; /* id of the user agent */
	int64_t count;        /* -1: none given */
	bool invalidate;
};

/* What an exchange knows of the stream around it. */
struct sasl_env {
	struct jd_str host; /* the stream's, prepared; alive as long as the exchange */
	struct jd_str peer;
	struct sasl_bindings bindings;
	struct sasl_cert cert;
	unsigned offered; /* bits of enum sasl_mechanism: the list that the client was shown */
	const struct sasl_token_use *token; /* alive as long as the exchange; NULL: no token */
};

enum sasl_step {
	SASL_CHALLENGE, /* out is to be sent; a response will come */
	SASL_ASK,       /* ask is to be given to logic; sasl_answer() goes on */
	SASL_SUCCESS,   /* out goes with <success/>; name and owner are set */
	SASL_FAILURE,   /* condition */
};

struct sasl {
	enum sasl_mechanism mechanism;
	struct sasl_env env;
	/* results */
	enum sasl_condition condition;
	bool mismatch;        /* it failed over the channel binding, before there was a name */
	struct auth_ask *ask; /* SASL_ASK: ownership goes to the caller */
	char name[1024];      /* prepared local part, terminated */
	uint64_t owner;
	bool banned; /* the account is */
	struct login_proof proof;
	char *out; /* raw bytes, to be base64-encoded by the caller */
	size_t out_len;
	size_t out_cap;
	void *state; /* the mechanism's own */
};

/* Exact name on the wire; -JD_ENOENT. */
int sasl_find(struct jd_str name, enum sasl_mechanism *ret_mechanism) JD_MUST_USE;
const char *sasl_name(enum sasl_mechanism m);
/* The SCRAM mechanisms that none of these hashes (bits of enum crypto_hash) serves. */
unsigned sasl_without_hashes(unsigned hashes);

/* Copies env. */
struct sasl *sasl_new(enum sasl_mechanism mechanism, const struct sasl_env *env);
void sasl_free(struct sasl *s); /* wipes */

/* A message of the client, decoded; initial.p == NULL: no initial response was given. */
enum sasl_step sasl_message(struct sasl *s, struct jd_str message);
/* The answer to ask. */
enum sasl_step sasl_answer(struct sasl *s, const struct auth_answer *answer);

/* -- keys (RFC 5802 section 3), used by accounts too ----------------------------------------- */

struct scram_keys {
	uint8_t stored[CRYPTO_MAX_DIGEST];
	uint8_t server[CRYPTO_MAX_DIGEST];
};
/* Of the salted password. */
void scram_keys_of(enum crypto_hash hash, const uint8_t *salted, struct scram_keys *ret_keys);
/* Costly (PBKDF2): a worker's job. */
void scram_derive(enum crypto_hash hash, struct jd_str password, const void *salt, size_t salt_len,
		  unsigned iterations, struct scram_keys *ret_keys);
