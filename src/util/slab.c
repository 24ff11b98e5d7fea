/* SPDX-License-Identifier: MIT
 *
 * Slabs.  Masking an object's address finds its chunk, and there its slab.  As
 * slab_put() is told nothing but the object, the mask is one for all slabs: a
 * chunk begins at a multiple of CHUNK_ALIGN and is no larger, whatever its size.
 * Only addresses lie unused behind a smaller chunk, no memory.
 *
 * The owner keeps the chunks that have free
 * objects in one list and the full ones in another; each chunk has a list of its
 * free objects and counts the others, which tells when it can be unmapped.
 *
 * An object that another thread gives back is pushed on the slab's return stack
 * and counts as used until the owner takes the whole stack.  Nobody pops single
 * entries, so the stack has no ABA problem; and a chunk cannot be unmapped while
 * one of its objects is on its way back.
 */
#include "util/slab.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/list.h"
#include "util/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif

#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n)   __asan_poison_memory_region((p), (n))
#define unpoison(p, n) __asan_unpoison_memory_region((p), (n))
#define poisoned(p)    (__asan_address_is_poisoned(p) != 0)
#else
#define poison(p, n)   ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#define poisoned(p)    ((void)(p), false)
#endif

#define ALIGN      ((size_t)16)
#define PAGE       ((size_t)4096)
#define CACHE_LINE 64
/* A word that only a chunk of ours has at its place: catches foreign pointers. */
#define MAGIC 0x6a64736c61623031ULL

#define CHUNK_ALIGN SLAB_CHUNK_MAX

/* What a free object holds. */
struct slot {
	struct slot *next;
};

struct chunk {
	struct list node; /* in the slab's partial or full */
	struct slab *slab;
	uint64_t magic;
	struct slot *free;
	size_t fresh; /* objects from this number on were never handed out */
	size_t used;
	_Alignas(16) char data[];
};

struct slab {
	const char *name;
	size_t object_size;
	size_t chunk_size;
	size_t per_chunk;
	struct list partial;
	struct list full;
	size_t chunks;
	size_t used;
	_Atomic uint64_t owner; /* thread number; 0 until the first object is handed out */
	/* Written by other threads: not on the line that the owner works with. */
	_Alignas(CACHE_LINE) _Atomic(struct slot *) returned;
};

/* Threads are numbered and numbers never used again, unlike pthread_t. */
static uint64_t thread_number(void)
{
	static _Atomic uint64_t last;
	static _Thread_local uint64_t self;

	if (self == 0)
		self = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	return self;
}

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

struct slab *slab_new(const char *name, size_t object_size, size_t chunk_size)
{
	size_t object = round_up(object_size ? object_size : 1, ALIGN);
	size_t size = round_up(chunk_size ? chunk_size : 1, PAGE);
	struct slab *slab = aligned_alloc(CACHE_LINE, sizeof(*slab));

	JD_ASSERT(slab && object_size <= SLAB_CHUNK_MAX && chunk_size <= SLAB_CHUNK_MAX);
	if (size < sizeof(struct chunk) + object)
		size = round_up(sizeof(struct chunk) + object, PAGE);
	JD_ASSERT(size <= SLAB_CHUNK_MAX);
	memset(slab, 0, sizeof(*slab));
	slab->name = name;
	slab->object_size = object;
	slab->chunk_size = size;
	slab->per_chunk = (size - sizeof(struct chunk)) / object;
	list_init(&slab->partial);
	list_init(&slab->full);
	atomic_init(&slab->owner, 0);
	atomic_init(&slab->returned, NULL);
	return slab;
}

/* Maps enough to hold an aligned piece and gives back what lies around that. */
static void *map_aligned(size_t size)
{
	size_t mapped = size + CHUNK_ALIGN, before;
	char *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		mem_die(__FILE__, __LINE__, "memory for a slab");
	before = -(uintptr_t)p & (CHUNK_ALIGN - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + size, mapped - size - before);
	return p + before;
}

static struct chunk *chunk_new(struct slab *slab)
{
	struct chunk *c = map_aligned(slab->chunk_size);

	/* Fresh pages are zero; only what is not is written. */
	c->slab = slab;
	c->magic = MAGIC;
	list_append(&slab->partial, &c->node);
	slab->chunks++;
	poison(c->data, slab->chunk_size - sizeof(struct chunk));
	return c;
}

static void chunk_free(struct chunk *c)
{
	struct slab *slab = c->slab;

	list_remove(&c->node);
	slab->chunks--;
	unpoison(c->data, slab->chunk_size - sizeof(struct chunk));
	munmap(c, slab->chunk_size);
}

static struct chunk *chunk_of(void *object)
{
	struct chunk *c = (struct chunk *)((uintptr_t)object & ~(uintptr_t)(CHUNK_ALIGN - 1));

	JD_ASSERT(c->magic == MAGIC);
	return c;
}

/* Back into its chunk; owner only. */
static void take_back(struct slab *slab, struct slot *s)
{
	struct chunk *c = chunk_of(s);

	unpoison(s, sizeof(*s));
	s->next = c->free;
	c->free = s;
	poison(s, slab->object_size);
	if (c->used-- == slab->per_chunk) {
		list_remove(&c->node);
		list_prepend(&slab->partial, &c->node);
	}
	slab->used--;
}

/* Acquire: what the returning threads wrote into the objects is behind us. */
static void take_returned(struct slab *slab)
{
	struct slot *s = atomic_exchange_explicit(&slab->returned, NULL, memory_order_acquire);
	struct slot *next;

	for (; s; s = next) {
		unpoison(s, sizeof(*s));
		next = s->next;
		take_back(slab, s);
	}
}

static void *chunk_take(struct slab *slab, struct chunk *c)
{
	struct slot *s = c->free;

	if (s) {
		unpoison(s, slab->object_size);
		c->free = s->next;
	} else {
		s = (struct slot *)(c->data + c->fresh++ * slab->object_size);
		unpoison(s, slab->object_size);
	}
	slab->used++;
	if (++c->used == slab->per_chunk) {
		list_remove(&c->node);
		list_append(&slab->full, &c->node);
	}
	return s;
}

void *slab_get(struct slab *slab)
{
	uint64_t self = thread_number();
	uint64_t owner = atomic_load_explicit(&slab->owner, memory_order_relaxed);

	/* Made by one thread for another is fine: the first to ask becomes the owner. */
	if (owner == 0)
		atomic_store_explicit(&slab->owner, self, memory_order_relaxed);
	else
		JD_ASSERT(owner == self);
	if (list_empty(&slab->partial))
		take_returned(slab);
	if (list_empty(&slab->partial))
		return chunk_take(slab, chunk_new(slab));
	return chunk_take(slab, container_of(slab->partial.next, struct chunk, node));
}

void slab_put(void *object)
{
	struct slot *s = object;
	struct slab *slab = chunk_of(object)->slab;
	struct slot *head;

	/* With ASan: given back twice. */
	JD_ASSERT(!poisoned(object));
	if (atomic_load_explicit(&slab->owner, memory_order_relaxed) == thread_number()) {
		take_back(slab, s);
		return;
	}
	/* All but the link, which the loop below writes; taking it back poisons the rest. */
	poison(s, slab->object_size);
	unpoison(s, sizeof(*s));
	head = atomic_load_explicit(&slab->returned, memory_order_relaxed);
	do
		s->next = head;
	while (!atomic_compare_exchange_weak_explicit(&slab->returned, &head, s,
						      memory_order_release, memory_order_relaxed));
}

void slab_trim(struct slab *slab)
{
	struct list *n, *next;
	bool kept = false;

	take_returned(slab);
	for (n = slab->partial.next; n != &slab->partial; n = next) {
		struct chunk *c = container_of(n, struct chunk, node);

		next = n->next;
		if (c->used)
			continue;
		if (kept)
			chunk_free(c);
		kept = true;
	}
}

void slab_free(struct slab *slab)
{
	if (!slab)
		return;
	take_returned(slab);
	JD_ASSERT(slab->used == 0);
	while (!list_empty(&slab->partial))
		chunk_free(container_of(slab->partial.next, struct chunk, node));
	mem_free(slab);
}

void slab_stats(struct slab *slab, struct slab_stats *ret_stats)
{
	*ret_stats = (struct slab_stats){
		.used = slab->used,
		.chunks = slab->chunks,
		.bytes = slab->chunks * slab->chunk_size,
	};
}

void slab_stats_add(struct slab *slab, struct slab_stats *sum)
{
	struct slab_stats s;

	slab_stats(slab, &s);
	sum->used += s.used;
	sum->chunks += s.chunks;
	sum->bytes += s.bytes;
}
