/* SPDX-License-Identifier: MIT
 *
 * The builder's scratch memory: arrays that grow by doubling, charged against
 * the limit before they grow, and kept from stanza to stanza so that building
 * allocates nothing once it has warmed up.
 */
#include "xml/wire_build.h"

#include "util/mem.h"

/* Offsets are 32 bits wide; no stanza comes near. */
#define BYTES_MAX ((size_t)1 << 30)

int wire_fail(struct wire_builder *b, int err)
{
	if (!b->error)
		b->error = err;
	return b->error;
}

void *wire_realloc(const struct wire_builder *b, void *p, size_t size)
{
	return size <= b->sure ? mem_realloc(p, size) : mem_try_realloc(p, size);
}

void wire_builder_sure(struct wire_builder *b, size_t size)
{
	b->sure = size;
}

static int charge(struct wire_builder *b, size_t n)
{
	if (n > b->left)
		return wire_fail(b, -JD_ELIMIT);
	b->left -= n;
	return 0;
}

/* Makes room for need entries of size bytes in *p. */
static int grow(struct wire_builder *b, void **p, uint32_t *cap, size_t need, size_t size,
		uint32_t first)
{
	size_t n = *cap ? *cap : first;
	void *q;

	while (n < need)
		n *= 2;
	q = wire_realloc(b, *p, n * size);
	if (!q)
		return wire_fail(b, -JD_ENOMEM);
	*p = q;
	*cap = (uint32_t)n;
	return 0;
}

/* grow() for an array of the builder's, when it is needed at all. */
#define ENSURE(b, array, cap, need, first)                                                         \
	((need) <= (b)->cap ? 0                                                                    \
			    : grow((b), (void **)&(b)->array, &(b)->cap, (need),                   \
				   sizeof((b)->array[0]), (first)))

char *wire_put_slow(struct wire_builder *b, size_t n)
{
	char *at;

	if (b->error || charge(b, n) < 0 || ENSURE(b, bytes, cap, (size_t)b->len + n + 1, 1024) < 0)
		return NULL;
	at = b->bytes + b->len;
	b->len += (uint32_t)n;
	return at;
}

int wire_put_extra(struct wire_builder *b, struct jd_str s, uint32_t *ret_off)
{
	if (b->error || charge(b, s.len) < 0)
		return b->error;
	if (ENSURE(b, extra, extra_cap, (size_t)b->extra_len + s.len + 1, 256) < 0)
		return b->error;
	*ret_off = b->extra_len;
	if (s.len)
		memcpy(b->extra + b->extra_len, s.p, s.len);
	b->extra_len += (uint32_t)s.len;
	return 0;
}

int wire_more_els(struct wire_builder *b, size_t n)
{
	if (charge(b, n * sizeof(b->els[0])) < 0)
		return b->error;
	return ENSURE(b, els, cap_els, b->n_els + n, 16);
}

int wire_more_attrs(struct wire_builder *b, size_t n)
{
	if (charge(b, n * sizeof(b->attrs[0])) < 0)
		return b->error;
	return ENSURE(b, attrs, cap_attrs, b->n_attrs + n, 16);
}

int wire_ns_add(struct wire_builder *b, struct wire_ns ns, uint16_t *ret_ns)
{
	if (b->n_nss >= WIRE_NO_NS)
		return wire_fail(b, -JD_ELIMIT);
	if (charge(b, sizeof(struct jd_str)) < 0 ||
	    ENSURE(b, nss, cap_nss, (size_t)b->n_nss + 1, 8) < 0)
		return b->error;
	*ret_ns = (uint16_t)b->n_nss;
	b->nss[b->n_nss++] = ns;
	return 0;
}

void wire_reset(struct wire_builder *b)
{
	b->left = b->limits.bytes < BYTES_MAX ? b->limits.bytes : BYTES_MAX;
	b->error = 0;
	b->len = 0;
	b->extra_len = 0;
	b->n_els = 0;
	b->n_attrs = 0;
	b->n_nss = 1;
	b->cur = 0;
	b->depth = 0;
	b->tag_open = false;
}

struct wire_builder *wire_builder_new(struct wire_pool *pool, const struct wire_limits *limits)
{
	struct wire_builder *b = mem_new(struct wire_builder);

	b->pool = pool;
	b->limits = *limits;
	b->cap_nss = 8;
	b->nss = mem_alloc(b->cap_nss * sizeof(b->nss[0]));
	b->nss[0] = (struct wire_ns){
		.fixed = JD_NS_STANZA, .len = sizeof(JD_NS_STANZA) - 1, .place = WIRE_NS_STATIC};
	wire_reset(b);
	return b;
}

void wire_builder_free(struct wire_builder *b)
{
	if (!b)
		return;
	mem_free(b->bytes);
	mem_free(b->extra);
	mem_free(b->els);
	mem_free(b->attrs);
	mem_free(b->nss);
	mem_free(b->view);
	mem_free(b);
}

void wire_builder_limits(struct wire_builder *b, const struct wire_limits *limits)
{
	size_t max = limits->bytes < BYTES_MAX ? limits->bytes : BYTES_MAX;
	size_t old = b->limits.bytes < BYTES_MAX ? b->limits.bytes : BYTES_MAX;
	size_t used = old - b->left;

	b->limits = *limits;
	b->left = max > used ? max - used : 0;
}

size_t wire_builder_memory(const struct wire_builder *b)
{
	return sizeof(*b) + b->cap + b->extra_cap + b->cap_els * sizeof(b->els[0]) +
	       b->cap_attrs * sizeof(b->attrs[0]) + b->cap_nss * sizeof(b->nss[0]) +
	       b->cap_view * sizeof(b->view[0]);
}

static void drop(void **p, uint32_t *cap)
{
	mem_free(*p);
	*p = NULL;
	*cap = 0;
}

void wire_builder_trim(struct wire_builder *b)
{
	wire_reset(b);
	if (wire_builder_memory(b) <= WIRE_KEEP)
		return;
	drop((void **)&b->bytes, &b->cap);
	drop((void **)&b->extra, &b->extra_cap);
	drop((void **)&b->els, &b->cap_els);
	drop((void **)&b->attrs, &b->cap_attrs);
	drop((void **)&b->view, &b->cap_view);
	b->cap_nss = 8;
	b->nss = mem_realloc(b->nss, b->cap_nss * sizeof(b->nss[0]));
}
