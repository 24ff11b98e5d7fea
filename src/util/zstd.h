/* SPDX-License-Identifier: MIT
 *
 * Zstandard (RFC 8878): whole runs of bytes at once, each in a frame that tells its size,
 * with dictionaries.  The one place that knows libzstd.
 */
#pragma once

#include <jackdaw/pack.h>

/* What packing and unpacking need, kept from one call to the next: one per thread. */
struct zstd;

struct zstd *zstd_new(void);
void zstd_free(struct zstd *z); /* NULL is fine */

/* -JD_ELIMIT: it does not fit into cap; -JD_ENOMEM. */
int zstd_pack(struct zstd *z, struct jd_dictionary *dict, struct jd_str in, void *out, size_t cap,
	      size_t *ret_len) JD_MUST_USE;
/* The size that a frame promises. -JD_EINVAL: it is none, or does not tell. */
int zstd_size(struct jd_str frame, uint64_t *ret_size) JD_MUST_USE;
/* cap: exactly what zstd_size() says. -JD_EINVAL: something is wrong with it. */
int zstd_unpack(struct zstd *z, const struct jd_dictionary *dict, struct jd_str frame, void *out,
		size_t cap) JD_MUST_USE;

/* From n samples, one behind the other. -JD_EINVAL: nothing comes of them. Takes some time; any
 * thread. */
int zstd_train(uint32_t number, const void *samples, const size_t *sizes, unsigned n, void *out,
	       size_t cap, size_t *ret_len) JD_MUST_USE;
