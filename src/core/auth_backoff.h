/* SPDX-License-Identifier: MIT
 *
 * Back-off of logins: who failed is answered later and later.  Logic thread.
 *
 * Failures are counted for an account together with the network that they came
 * from (/24, /64): the first few cost nothing, then the delay doubles up to a
 * bound.  The account as a whole is only slowed down a little, so that nobody
 * can lock others out; tokens (FAST) are not asked about here at all.
 *
 * The table is bounded; when it is full the entry that failed longest ago is
 * forgotten.
 */
#pragma once

#include <jackdaw/types.h>

#define BACKOFF_FREE    3                       /* failures that cost nothing */
#define BACKOFF_ALIKE   32                      /* logins at a time of who never failed */
#define BACKOFF_MAX     (16 * JD_USEC_PER_SEC)  /* the longest delay of one login */
#define BACKOFF_QUEUE   (20 * JD_USEC_PER_SEC)  /* who would wait longer is refused */
#define BACKOFF_WIDE    10                      /* failures of an account, wherever from ... */
#define BACKOFF_MILD    (2 * JD_USEC_PER_SEC)   /* ... after which all its logins take so long */
#define BACKOFF_FORGET  (900 * JD_USEC_PER_SEC) /* without a failure: as if there were none */
#define BACKOFF_ENTRIES 16384

struct backoff_who {
	struct jd_str host, name, peer; /* peer: a numeric address, or anything else as it is */
};

/* Somebody asks: how long the answer must wait; UINT64_MAX: no answer, too many are waiting. If
 * it is not that, backoff_answered() must follow. */
jd_usec backoff_ask(const struct backoff_who *who);
void backoff_answered(const struct backoff_who *who);
void backoff_result(const struct backoff_who *who, bool good);

size_t backoff_entries(void);
void backoff_fini(void);
