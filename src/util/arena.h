/* SPDX-License-Identifier: MIT
 *
 * The arena behind <jackdaw/mem.h>: a list of chunks and a bump pointer.  It can
 * start in memory that its owner embeds (a stanza object, a stack frame), so
 * that the usual case costs no allocation at all.
 *
 * One thread at a time; no locking.
 */
#pragma once

#include <jackdaw/mem.h>

struct arena_chunk;

struct jd_arena {
	char *cur;
	char *end;
	struct arena_chunk *chunks; /* heap chunks only, newest first */
	char *first;                /* the embedded memory, or NULL */
	size_t first_size;
	size_t chunk_size; /* size of the next heap chunk; doubles up to 64 KiB */
};

/* first/size: embedded memory, 16-byte aligned, alive as long as the arena; may be NULL, 0. */
void arena_init(struct jd_arena *arena, void *first, size_t size);

/* Frees every heap chunk and starts again in the embedded memory. */
void arena_reset(struct jd_arena *arena);

/* Frees every heap chunk; the arena may be given to arena_init() again. */
void arena_fini(struct jd_arena *arena);

/* Heap bytes held now, embedded memory not counted. */
size_t arena_heap(const struct jd_arena *arena);
