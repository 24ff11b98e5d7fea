/* SPDX-License-Identifier: MIT
 *
 * Arenas.  Allocation moves cur towards end; what does not fit gets a new heap
 * chunk.  A request of more than half a chunk gets one of its own and leaves the
 * bump pointer where it is, so that the rest of the current chunk is not lost.
 */
#include "util/arena.h"

#include <stdio.h>

#include "util/mem.h"

#define FIRST_CHUNK ((size_t)1024)
#define LAST_CHUNK  ((size_t)64 * 1024)
#define ALIGN       ((size_t)16)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* with this header */
	_Alignas(16) char data[];
};

void arena_init(struct jd_arena *arena, void *first, size_t size)
{
	*arena = (struct jd_arena){
		.cur = first,
		.end = first ? (char *)first + size : NULL,
		.first = first,
		.first_size = first ? size : 0,
		.chunk_size = FIRST_CHUNK,
	};
}

void arena_fini(struct jd_arena *arena)
{
	struct arena_chunk *next;

	for (struct arena_chunk *c = arena->chunks; c; c = next) {
		next = c->next;
		mem_free(c);
	}
	arena->chunks = NULL;
	arena->cur = arena->end = NULL;
}

void arena_reset(struct jd_arena *arena)
{
	arena_fini(arena);
	arena_init(arena, arena->first, arena->first_size);
}

size_t arena_heap(const struct jd_arena *arena)
{
	size_t n = 0;

	for (const struct arena_chunk *c = arena->chunks; c; c = c->next)
		n += c->size;
	return n;
}

static char *chunk_add(struct jd_arena *arena, size_t size)
{
	struct arena_chunk *c = mem_alloc_raw(size);

	c->next = arena->chunks;
	c->size = size;
	arena->chunks = c;
	return c->data;
}

/* size bytes behind cur once cur is advanced by pad, from a new chunk if need be. */
static char *take(struct jd_arena *arena, size_t pad, size_t size)
{
	size_t room = (size_t)(arena->end - arena->cur);
	char *p;

	/* No caller can mean this much; it also keeps the sums below from wrapping. */
	JD_ASSERT(size <= SIZE_MAX / 4);
	if (room >= pad && room - pad >= size && arena->cur) {
		p = arena->cur + pad;
		arena->cur = p + size;
		return p;
	}
	if (size + sizeof(struct arena_chunk) > arena->chunk_size / 2)
		return chunk_add(arena, sizeof(struct arena_chunk) + size);
	p = chunk_add(arena, arena->chunk_size);
	arena->cur = p + size;
	arena->end = p + arena->chunk_size - sizeof(struct arena_chunk);
	if (arena->chunk_size < LAST_CHUNK)
		arena->chunk_size *= 2;
	return p;
}

void *jd_arena_alloc(struct jd_arena *arena, size_t size)
{
	size_t pad = -(uintptr_t)arena->cur & (ALIGN - 1);
	void *p = take(arena, pad, size);

	return memset(p, 0, size);
}

char *jd_arena_bytes(struct jd_arena *arena, size_t size)
{
	return take(arena, 0, size);
}

struct jd_str jd_arena_str(struct jd_arena *arena, struct jd_str s)
{
	char *p;

	if (!s.p)
		return JD_STR_NULL;
	p = take(arena, 0, s.len + 1);
	memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return (struct jd_str){p, s.len};
}

struct jd_str jd_arena_printf(struct jd_arena *arena, const char *fmt, ...)
{
	struct jd_str s;
	va_list ap;

	va_start(ap, fmt);
	s = jd_arena_vprintf(arena, fmt, ap);
	va_end(ap);
	return s;
}

/* Prints into the room that is left and again only if that was too little. */
struct jd_str jd_arena_vprintf(struct jd_arena *arena, const char *fmt, va_list ap)
{
	size_t room = (size_t)(arena->end - arena->cur);
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(arena->cur, room, fmt, ap);
	JD_ASSERT(n >= 0);
	p = take(arena, 0, (size_t)n + 1);
	if ((size_t)n >= room)
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct jd_str){p, (size_t)n};
}
