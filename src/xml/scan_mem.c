/* SPDX-License-Identifier: MIT
 *
 * Two levels.  Below: chunks of 1 MiB, divided into regions, with a bit for each
 * region that is free and another for those whose pages are still there.  A few
 * free regions are kept warm; the pages of the others go back by MADV_DONTNEED,
 * and an empty chunk is unmapped.  Above: a heap per parser with lists of free
 * blocks by size, four sizes for each power of two.  Blocks that would fill much
 * of a region are mapped one by one.
 */
#include "xml/scan_mem.h"

#include <sys/mman.h>

#include "util/list.h"
#include "util/mem.h"

#define CHUNK         ((size_t)1 << 20)
#define CHUNK_REGIONS 64 /* CHUNK / SCAN_MEM_REGION: the bits of a word */
#define WARM_MAX      16
#define PAGE          ((size_t)4096)
#define BLOCK_MAX     ((size_t)6 * 1024) /* with its header */

struct chunk {
	struct list node;
	char *base;
	uint64_t free;
	uint64_t warm; /* a subset of free */
};

struct scan_mem {
	struct list chunks; /* with free regions first */
	size_t n_chunks;
	size_t regions; /* in use */
	size_t warm;
	size_t large; /* bytes */
};

/* At the start of a region in use. */
struct scan_region {
	struct scan_region *next;
	struct chunk *chunk;
};

struct scan_large {
	struct scan_large *next, **prev;
	size_t size;
	size_t pad;
};

/* In front of every block. */
struct scan_block {
	union {
		struct scan_heap *heap;  /* in use */
		struct scan_block *next; /* free */
	};
	uint32_t class; /* CLASS_LARGE: a struct scan_large lies in front */
	uint32_t size;  /* usable */
};

#define HEADER      sizeof(struct scan_block)
#define CLASS_LARGE UINT32_MAX

_Static_assert(sizeof(struct scan_block) == 16, "blocks stay aligned");
_Static_assert(sizeof(struct scan_region) % 16 == 0, "blocks stay aligned");
_Static_assert(sizeof(struct scan_large) % 16 == 0, "blocks stay aligned");

/* -- regions ----------------------------------------------------------------------- */

struct scan_mem *scan_mem_new(void)
{
	struct scan_mem *mem = mem_new(struct scan_mem);

	list_init(&mem->chunks);
	return mem;
}

static void chunk_unmap(struct scan_mem *mem, struct chunk *c)
{
	mem->warm -= (size_t)__builtin_popcountll(c->warm);
	mem->n_chunks--;
	list_remove(&c->node);
	munmap(c->base, CHUNK);
	mem_free(c);
}

void scan_mem_free(struct scan_mem *mem)
{
	if (!mem)
		return;
	JD_ASSERT(mem->regions == 0 && mem->large == 0);
	while (!list_empty(&mem->chunks))
		chunk_unmap(mem, container_of(mem->chunks.next, struct chunk, node));
	mem_free(mem);
}

size_t scan_mem_bytes(const struct scan_mem *mem)
{
	return (mem->regions + mem->warm) * SCAN_MEM_REGION + mem->large;
}

static struct chunk *chunk_map(struct scan_mem *mem)
{
	struct chunk *c;
	void *base = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	c = mem_new(struct chunk);
	c->base = base;
	c->free = UINT64_MAX;
	list_prepend(&mem->chunks, &c->node);
	mem->n_chunks++;
	return c;
}

static struct scan_region *region_get(struct scan_mem *mem)
{
	struct chunk *c = list_empty(&mem->chunks)
				  ? NULL
				  : container_of(mem->chunks.next, struct chunk, node);
	struct scan_region *r;
	unsigned bit;

	if (!c || !c->free)
		c = chunk_map(mem);
	if (!c)
		return NULL;
	bit = (unsigned)__builtin_ctzll(c->warm ? c->warm : c->free);
	if (c->warm >> bit & 1)
		mem->warm--;
	c->warm &= ~(1ULL << bit);
	c->free &= ~(1ULL << bit);
	mem->regions++;
	if (!c->free) { /* full ones to the end */
		list_remove(&c->node);
		list_append(&mem->chunks, &c->node);
	}
	r = (struct scan_region *)(c->base + bit * SCAN_MEM_REGION);
	r->chunk = c;
	return r;
}

static void region_put(struct scan_mem *mem, struct scan_region *r)
{
	struct chunk *c = r->chunk;
	size_t bit = (size_t)((char *)r - c->base) / SCAN_MEM_REGION;

	mem->regions--;
	if (!c->free) {
		list_remove(&c->node);
		list_prepend(&mem->chunks, &c->node);
	}
	c->free |= 1ULL << bit;
	if (mem->warm < WARM_MAX) {
		c->warm |= 1ULL << bit;
		mem->warm++;
	} else {
		madvise(r, SCAN_MEM_REGION, MADV_DONTNEED);
	}
	if (c->free == UINT64_MAX && mem->n_chunks > 1)
		chunk_unmap(mem, c);
}

/* -- heaps ------------------------------------------------------------------------- */

void scan_heap_init(struct scan_heap *h, struct scan_mem *mem, size_t cap)
{
	*h = (struct scan_heap){.mem = mem, .cap = cap};
}

static void large_unmap(struct scan_heap *h, struct scan_large *l)
{
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	h->used -= l->size;
	h->mem->large -= l->size;
	munmap(l, l->size);
}

void scan_heap_fini(struct scan_heap *h)
{
	struct scan_mem *mem = h->mem;

	while (h->large)
		large_unmap(h, h->large);
	while (h->regions) {
		struct scan_region *r = h->regions;

		h->regions = r->next;
		region_put(mem, r);
	}
	*h = (struct scan_heap){.mem = mem, .cap = h->cap};
}

static bool may_use(const struct scan_heap *h, size_t n)
{
	return n <= h->cap && h->used <= h->cap - n;
}

static void *large_alloc(struct scan_heap *h, size_t n)
{
	size_t size = (n + sizeof(struct scan_large) + HEADER + PAGE - 1) & ~(PAGE - 1);
	struct scan_large *l;
	struct scan_block *b;

	if (!may_use(h, size))
		return NULL;
	l = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return NULL;
	*l = (struct scan_large){.next = h->large, .prev = &h->large, .size = size};
	if (h->large)
		h->large->prev = &l->next;
	h->large = l;
	h->used += size;
	h->mem->large += size;
	b = (struct scan_block *)(l + 1);
	b->heap = h;
	b->class = CLASS_LARGE;
	b->size = (uint32_t)(size - sizeof(*l) - HEADER);
	return b + 1;
}

/* Rounds size up to its class: 16 to 64 by sixteens, then four to each power of two. */
static uint32_t class_of(size_t n, size_t *ret_size)
{
	unsigned log, step;

	if (n <= 64) {
		*ret_size = n ? (n + 15) & ~(size_t)15 : 16;
		return (uint32_t)(*ret_size / 16 - 1);
	}
	log = 63u - (unsigned)__builtin_clzll(n - 1); /* 2^log < n <= 2^(log+1) */
	step = log - 2;
	*ret_size = ((n - 1) >> step << step) + ((size_t)1 << step);
	return 4 + (log - 6) * 4 + (uint32_t)((*ret_size >> step) - 5);
}

static bool more(struct scan_heap *h)
{
	struct scan_region *r;

	if (!may_use(h, SCAN_MEM_REGION))
		return false;
	r = region_get(h->mem);
	if (!r)
		return false;
	r->next = h->regions;
	h->regions = r;
	h->used += SCAN_MEM_REGION;
	h->cur = (char *)(r + 1);
	h->end = (char *)r + SCAN_MEM_REGION;
	return true;
}

void *scan_heap_alloc(struct scan_heap *h, size_t n)
{
	struct scan_block *b;
	size_t size;
	uint32_t class;

	if (mem_refuse())
		return NULL;
	if (n > BLOCK_MAX - HEADER)
		return n < h->cap ? large_alloc(h, n) : NULL;
	class = class_of(n, &size);
	b = h->free[class];
	if (b) {
		h->free[class] = b->next;
	} else {
		if ((size_t)(h->end - h->cur) < size + HEADER && !more(h))
			return NULL;
		b = (struct scan_block *)h->cur;
		h->cur += size + HEADER;
		b->class = class;
		b->size = (uint32_t)size;
	}
	b->heap = h;
	return b + 1;
}

void scan_heap_release(void *p)
{
	struct scan_block *b;
	struct scan_heap *h;

	if (!p) /* some releases of expat do that */
		return;
	b = (struct scan_block *)p - 1;
	h = b->heap;
	if (b->class == CLASS_LARGE) {
		large_unmap(h, (struct scan_large *)b - 1);
		return;
	}
	b->next = h->free[b->class];
	h->free[b->class] = b;
}

void *scan_heap_realloc(void *p, size_t n)
{
	struct scan_block *b = (struct scan_block *)p - 1;
	void *q;

	if (n <= b->size)
		return p;
	q = scan_heap_alloc(b->heap, n);
	if (!q)
		return NULL;
	memcpy(q, p, b->size);
	scan_heap_release(p);
	return q;
}
