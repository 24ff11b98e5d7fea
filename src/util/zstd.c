/* SPDX-License-Identifier: MIT
 *
 * libzstd, as far as we use it.  Packing is done at its cheapest level: what is packed are a
 * few hundred bytes, whose gain is the dictionary.  A frame names its dictionary and has a
 * checksum, so a wrong one and damage are noticed instead of giving nonsense.
 */
#include "util/zstd.h"

#include <zdict.h>
#include <zstd.h>

#include "util/mem.h"

#define LEVEL 1

/* In front of a dictionary (RFC 8878 5): a magic number and its own, low byte first. */
#define HEAD 8

struct zstd {
	ZSTD_CCtx *in;
	ZSTD_DCtx *out;
};

struct jd_dictionary {
	ZSTD_CDict *in; /* NULL: nothing was packed with it yet */
	ZSTD_DDict *out;
	size_t len;
	char bytes[];
};

/* -- dictionaries --------------------------------------------------------------------------- */

struct jd_dictionary *jd_dictionary_new(uint32_t number, struct jd_str bytes)
{
	struct jd_dictionary *d;

	if (!number || ZDICT_getDictID(bytes.p, bytes.len) != number)
		return NULL;
	d = mem_alloc(sizeof(*d) + bytes.len);
	d->len = bytes.len;
	memcpy(d->bytes, bytes.p, bytes.len);
	d->out = ZSTD_createDDict(d->bytes, d->len);
	if (d->out)
		return d;
	jd_dictionary_free(d);
	return NULL;
}

void jd_dictionary_free(struct jd_dictionary *d)
{
	if (!d)
		return;
	ZSTD_freeCDict(d->in);
	ZSTD_freeDDict(d->out);
	mem_free(d);
}

static void set_number(uint32_t number, uint8_t *dict)
{
	for (unsigned i = 0; i < 4; i++)
		dict[4 + i] = (uint8_t)(number >> 8 * i);
}

int zstd_train(uint32_t number, const void *samples, const size_t *sizes, unsigned n, void *out,
	       size_t cap, size_t *ret_len)
{
	size_t len = ZDICT_trainFromBuffer(out, cap, samples, sizes, n);

	if (ZDICT_isError(len) || len <= HEAD)
		return -JD_EINVAL;
	set_number(number, out);
	*ret_len = len;
	return 0;
}

/* -- packing -------------------------------------------------------------------------------- */

struct zstd *zstd_new(void)
{
	return mem_new(struct zstd);
}

void zstd_free(struct zstd *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->in);
	ZSTD_freeDCtx(z->out);
	mem_free(z);
}

int zstd_pack(struct zstd *z, struct jd_dictionary *dict, struct jd_str in, void *out, size_t cap,
	      size_t *ret_len)
{
	size_t len;

	if (!dict->in)
		dict->in = ZSTD_createCDict(dict->bytes, dict->len, LEVEL);
	if (!z->in)
		z->in = ZSTD_createCCtx();
	if (!z->in || !dict->in ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z->in, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_refCDict(z->in, dict->in)))
		return -JD_ENOMEM;
	len = ZSTD_compress2(z->in, out, cap, in.p, in.len);
	(void)ZSTD_CCtx_reset(z->in, ZSTD_reset_session_only); /* it may have failed half-way */
	(void)ZSTD_CCtx_refCDict(z->in, NULL);                 /* and that may go first */
	if (ZSTD_isError(len))
		return -JD_ELIMIT;
	*ret_len = len;
	return 0;
}

int zstd_size(struct jd_str frame, uint64_t *ret_size)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame.p, frame.len);

	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR)
		return -JD_EINVAL;
	*ret_size = size;
	return 0;
}

int zstd_unpack(struct zstd *z, const struct jd_dictionary *dict, struct jd_str frame, void *out,
		size_t cap)
{
	size_t len;

	if (!z->out)
		z->out = ZSTD_createDCtx();
	if (!z->out)
		return -JD_ENOMEM;
	len = ZSTD_decompress_usingDDict(z->out, out, cap, frame.p, frame.len, dict->out);
	return ZSTD_isError(len) || len != cap ? -JD_EINVAL : 0;
}
