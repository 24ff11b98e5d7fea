/* SPDX-License-Identifier: MIT
 *
 * Accounts of nobody (RFC 4505, XEP-0175): see auth_anonymous.c.
 */
#pragma once

#include "core/core.h"

#define ANONYMOUS_NAME 24    /* characters */
#define ANONYMOUS_MAX  10000 /* at a time; more are told to come later */

typedef void (*anonymous_fn)(void *arg, const char *name, uint64_t owner); /* 0: it failed */
/* done runs once, later. */
void anonymous_make(struct jd_host *host, anonymous_fn done, void *arg);
/* Its session, or its stream before that, has ended. */
void anonymous_end(struct jd_host *host, struct jd_str local, uint64_t owner);
/* What nobody may do: change what is kept for an account, and reach other servers. True: it has
 * been refused and answered. */
bool anonymous_refused(const struct jd_account *a, struct jd_stanza *st);
size_t anonymous_count(void);
void anonymous_fini(void);
