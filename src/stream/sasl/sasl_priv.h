/* SPDX-License-Identifier: MIT
 *
 * What the mechanisms share.  A mechanism is a row of functions over a struct
 * sasl; sasl.c finds it and keeps what every exchange has.
 */
#pragma once

#include "stream/sasl/sasl.h"

struct sasl_impl {
	/* A message of the client; message.p == NULL: it gave no initial response. */
	enum sasl_step (*message)(struct sasl *s, struct jd_str message);
	/* What logic said to SASL_ASK, good or not (AUTH_TEMPORARY was dealt with). */
	enum sasl_step (*answer)(struct sasl *s, const struct auth_answer *answer);
	void (*free)(struct sasl *s); /* s->state */
};

extern const struct sasl_impl sasl_plain;
extern const struct sasl_impl sasl_scram;
extern const struct sasl_impl sasl_external;
extern const struct sasl_impl sasl_anonymous;
extern const struct sasl_impl sasl_ht;

enum sasl_step sasl_fail(struct sasl *s, enum sasl_condition condition);
/* Replaces out by a copy of data. */
void sasl_set_out(struct sasl *s, const void *data, size_t n);
/* Prepares the name into s->name. False: nobody can have that name. */
bool sasl_set_name(struct sasl *s, struct jd_str raw);
/* An authorization identity that was given must be the account's own bare JID. */
bool sasl_authzid_is_own(const struct sasl *s, struct jd_str authzid);
/* Makes s->ask of s->name and s->host; hash or password as `what` needs. */
enum sasl_step sasl_make_ask(struct sasl *s, int what, enum crypto_hash hash,
			     struct jd_str password);

/* XEP-0474: what the client was shown, in crypto_digest_size(hash) bytes. */
void sasl_offer_digest(const struct sasl_env *env, enum crypto_hash hash, uint8_t *out);

/* Tests: the part of the nonce that is ours, instead of random bytes. */
void scram_set_nonce(struct sasl *s, const char *nonce);
