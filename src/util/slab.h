/* SPDX-License-Identifier: MIT
 *
 * A slab hands out objects of one size from chunks and takes them back without
 * asking malloc.  One thread owns a slab: it alone allocates.  Any thread may
 * give an object back: the owner's own frees go to a plain list, those of other
 * threads to a lock-free return list that the owner empties when its plain list
 * is dry (freeing across threads by malloc costs 650-770 ns, this 20-40).
 *
 * Chunks are mmap'ed and hold nothing else.  A chunk whose objects are all free
 * goes back to the system when the slab holds more than one such chunk
 * (slab_trim(), called from the owner's housekeeping, not per free).
 *
 * Objects are 16-byte aligned and NOT zeroed.  With ASan, free objects are
 * poisoned.
 */
#pragma once

#include <jackdaw/types.h>

struct slab;

#define SLAB_CHUNK_MAX ((size_t)1 << 20)

/* object_size bytes each; chunk_size bytes are mapped at a time (rounded up to a multiple of
 * 4096, at most SLAB_CHUNK_MAX with what a chunk needs for itself: 64 bytes). name: a literal.
 * The thread that gets the first object becomes the owner. */
struct slab *slab_new(const char *name, size_t object_size, size_t chunk_size);

/* Every object must have been given back, or the process aborts (leaks are bugs).
 * The owner, or whoever has waited for its end. NULL is fine. */
void slab_free(struct slab *slab);

/* Owner thread only. Never NULL. */
void *slab_get(struct slab *slab);

/* Any thread. The slab is found through the object's chunk header. */
void slab_put(void *object);

/* Owner thread: takes back returned objects, gives empty chunks back to the system. */
void slab_trim(struct slab *slab);

struct slab_stats {
	size_t used; /* objects handed out and not yet seen back by the owner */
	size_t chunks;
	size_t bytes; /* mapped */
};
/* Owner thread only. */
void slab_stats(struct slab *slab, struct slab_stats *ret_stats);
/* The same, added to what is there already. */
void slab_stats_add(struct slab *slab, struct slab_stats *sum);
