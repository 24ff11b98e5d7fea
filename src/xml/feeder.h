/* SPDX-License-Identifier: MIT
 *
 * The feeder decides when bytes go to the parser.  expat looks again at the
 * whole of an unfinished token whenever more of it comes, so a long token in
 * small pieces costs quadratic time.  Two rules make it linear:
 *
 *   - bytes go up to the last '>' that has come, what follows it waits: only
 *     '>' ends anything that matters (text may wait with its end tag);
 *   - a token that eight feeds have not finished (by '>' in attribute values)
 *     is fed again only when it has doubled, or on a flush.
 *
 * Pure bookkeeping: the owner moves the bytes.
 */
#pragma once

#include "util/buf.h"

#define FEEDER_HOLD      ((size_t)4096) /* more than that does not wait for a '>' */
#define FEEDER_FRUITLESS 8

struct feeder {
	struct buf held;
	size_t pending;     /* bytes of an unfinished token that the parser has */
	unsigned fruitless; /* feeds since its last event */
	bool held_gt;       /* a '>' waits: a flush could finish something */
};

void feeder_init(struct feeder *f, size_t max);
void feeder_fini(struct feeder *f); /* and may be used again */

/* How many of the bytes held + p[0..n) go to the parser now; the rest is to be held.
 * token_max: an unfinished token longer than that goes at once, to be refused. */
size_t feeder_ready(struct feeder *f, const char *p, size_t n, size_t token_max);

/* What came of a feed: the parser's pending bytes, and whether there was an event. */
void feeder_fed(struct feeder *f, size_t pending, bool event);
