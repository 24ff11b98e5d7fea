/* SPDX-License-Identifier: MIT
 *
 * What the scanners of one thread share.  A used parser keeps its names'
 * memory; it is worth keeping only while it is small.
 */
#include "xml/scan_pool.h"

#include "util/mem.h"
#include "util/slab.h"
#include "xml/scan_priv.h"

#define PARSERS_MAX  16
#define PARSER_KEEP  ((size_t)40 * 1024)
#define BUILDERS_MAX 16
#define CHUNK        ((size_t)16 * 1024)

struct scan_pool {
	struct wire_pool *wires;
	struct scan_mem *mem;
	struct slab *slab, *work;
	size_t attached;
	size_t n_parsers;
	size_t n_builders;
	struct parser *parsers[PARSERS_MAX];
	struct wire_builder *builders[BUILDERS_MAX];
};

struct scan_pool *scan_pool_new(struct wire_pool *wires)
{
	struct scan_pool *pool = mem_new(struct scan_pool);

	pool->wires = wires;
	pool->mem = scan_mem_new();
	pool->slab = slab_new("parser", parser_size(), CHUNK);
	pool->work = slab_new("scan", sizeof(struct scan_work), CHUNK);
	return pool;
}

void scan_pool_free(struct scan_pool *pool)
{
	if (!pool)
		return;
	JD_ASSERT(pool->attached == 0);
	while (pool->n_parsers)
		parser_free(pool->parsers[--pool->n_parsers]);
	while (pool->n_builders)
		wire_builder_free(pool->builders[--pool->n_builders]);
	slab_free(pool->slab);
	slab_free(pool->work);
	scan_mem_free(pool->mem);
	mem_free(pool);
}

void scan_pool_trim(struct scan_pool *pool)
{
	slab_trim(pool->slab);
	slab_trim(pool->work);
}

struct scan_work *scan_pool_work(struct scan_pool *pool)
{
	return memset(slab_get(pool->work), 0, sizeof(struct scan_work));
}

void scan_pool_stats(const struct scan_pool *pool, struct scan_pool_stats *ret_stats)
{
	*ret_stats = (struct scan_pool_stats){
		.parsers = pool->attached,
		.pooled = pool->n_parsers,
		.bytes = scan_mem_bytes(pool->mem),
	};
}

struct parser *scan_pool_parser(struct scan_pool *pool)
{
	struct parser *p = pool->n_parsers ? pool->parsers[--pool->n_parsers]
					   : parser_new(pool->slab, pool->mem);

	if (p)
		pool->attached++;
	return p;
}

void scan_pool_give_parser(struct scan_pool *pool, struct parser *p)
{
	if (!p)
		return;
	if (pool->n_parsers == PARSERS_MAX || parser_memory(p) > PARSER_KEEP || !parser_reset(p)) {
		scan_pool_drop_parser(pool, p);
		return;
	}
	pool->attached--;
	pool->parsers[pool->n_parsers++] = p;
}

void scan_pool_drop_parser(struct scan_pool *pool, struct parser *p)
{
	if (!p)
		return;
	pool->attached--;
	parser_free(p);
}

struct wire_builder *scan_pool_builder(struct scan_pool *pool, const struct wire_limits *limits)
{
	struct wire_builder *b;

	if (!pool->n_builders)
		return wire_builder_new(pool->wires, limits);
	b = pool->builders[--pool->n_builders];
	wire_builder_limits(b, limits);
	return b;
}

void scan_pool_give_builder(struct scan_pool *pool, struct wire_builder *b)
{
	if (!b)
		return;
	if (pool->n_builders == BUILDERS_MAX) {
		wire_builder_free(b);
		return;
	}
	wire_builder_trim(b);
	pool->builders[pool->n_builders++] = b;
}
