/* SPDX-License-Identifier: MIT
 *
 * Memory for parsers: each parser has a heap of its own, cut from 16 KiB regions
 * of mmap'ed chunks that hold nothing else.  A parser that is freed gives back
 * whole regions, whatever its neighbours do; a heap past its cap refuses.
 *
 * One thread.
 */
#pragma once

#include <jackdaw/types.h>

#define SCAN_MEM_REGION  ((size_t)16 * 1024)
#define SCAN_MEM_CLASSES 40

struct scan_mem;
struct scan_mem *scan_mem_new(void);
void scan_mem_free(struct scan_mem *mem); /* every heap must be empty */
/* Bytes of memory in use or kept warm; address space without memory behind it is not counted. */
size_t scan_mem_bytes(const struct scan_mem *mem);

struct scan_region;
struct scan_large;
struct scan_block;

struct scan_heap {
	struct scan_mem *mem;
	size_t used; /* regions and large blocks, in bytes */
	size_t cap;
	struct scan_region *regions;
	struct scan_large *large;
	char *cur, *end;                           /* untouched rest of the newest region */
	struct scan_block *free[SCAN_MEM_CLASSES]; /* by size class */
};

void scan_heap_init(struct scan_heap *h, struct scan_mem *mem, size_t cap);
void scan_heap_fini(struct scan_heap *h); /* gives everything back, freed or not */

/* 16-byte aligned, not zeroed; NULL past the cap, and when a test says so (mem_refuse). */
void *scan_heap_alloc(struct scan_heap *h, size_t n);
/* Both find the heap through the block; p may be NULL for scan_heap_release(). */
void *scan_heap_realloc(void *p, size_t n);
void scan_heap_release(void *p);
