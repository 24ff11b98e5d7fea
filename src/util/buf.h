/* SPDX-License-Identifier: MIT
 *
 * A growing byte buffer with a hard maximum, chosen when it is made.  For what a
 * peer can size: past the maximum, or when memory is refused, appending returns
 * an error and leaves the content as it was.
 */
#pragma once

#include <jackdaw/types.h>

struct buf {
	char *p;
	size_t len;
	size_t cap;
	size_t max;
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_free(struct buf *b);             /* and may be used again */

/* Room for n more bytes at p + len (the caller then adds to len).
 * -JD_ELIMIT past max, -JD_ENOMEM when refused. */
int buf_reserve(struct buf *b, size_t n) JD_MUST_USE;
int buf_append(struct buf *b, const void *data, size_t n) JD_MUST_USE;
int buf_printf(struct buf *b, const char *fmt, ...) JD_PRINTF(2, 3) JD_MUST_USE;

/* Drops n bytes from the front (moves the rest). */
void buf_consume(struct buf *b, size_t n);

static inline struct jd_str buf_str(const struct buf *b)
{
	return (struct jd_str){b->p, b->len};
}
