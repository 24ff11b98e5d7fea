/* SPDX-License-Identifier: MIT
 *
 * Tokens that log a device in without a password (XEP-0484): issuing, using,
 * listing, revoking.  Logic thread.
 */
#pragma once

#include "core/core.h"

#define TOKEN_TEXT 43 /* characters of a token */

/* Answers an AUTH_TOKEN question; takes over ask. */
void token_ask(struct client *c, struct auth_ask *ask);

/* A new token for the device of a login, if that was by a password or a token. ret is called
 * once, later, unless owner has gone; text is terminated, and empty when there is no token. */
struct token_issued {
	char text[TOKEN_TEXT + 1];
	jd_usec expires;
};
typedef void (*token_fn)(void *arg, const struct token_issued *issued);
void token_issue(struct jd_owner *owner, const struct login_ask *ask, token_fn fn, void *arg);
/* Whether this login gets one. */
bool token_wanted(const struct login_ask *ask);

/* For the unit that changes a password or erases an account. */
void tokens_drop_of(struct jd_unit *unit, struct jd_str host, struct jd_str name);
void tokens_drop_owner(struct jd_unit *unit, uint64_t owner);

/* Settings, at start and at a reload. */
void tokens_configure(jd_usec lifetime);
/* Erases, now and then, what has long expired. */
void tokens_start(void);
void tokens_fini(void);
