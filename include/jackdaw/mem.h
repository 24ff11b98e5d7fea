/* SPDX-License-Identifier: MIT
 *
 * Memory by lifetime: an arena is filled piece by piece and freed whole.
 *
 * A module never owns an arena.  It is handed the one whose lifetime fits: a
 * stanza's (gone when every home has handled it), a call's, a command's.  Small
 * allocations never return NULL: running out of memory ends the process with a
 * message.  What a peer can size goes through bounded buffers instead.
 *
 * Logic thread, unless the arena is the caller's own.
 */
#pragma once

#include <stdarg.h>

#include <jackdaw/types.h>

struct jd_arena;

/* size bytes, zeroed, aligned for any type, alive as long as the arena. */
JD_EXPORT void *jd_arena_alloc(struct jd_arena *arena, size_t size);

/* The same without zeroing, with no alignment: for text. */
JD_EXPORT char *jd_arena_bytes(struct jd_arena *arena, size_t size);

/* A terminated copy of s; absent (p == NULL) stays absent. */
JD_EXPORT struct jd_str jd_arena_str(struct jd_arena *arena, struct jd_str s);

JD_EXPORT struct jd_str jd_arena_printf(struct jd_arena *arena, const char *fmt, ...)
	JD_PRINTF(2, 3);
JD_EXPORT struct jd_str jd_arena_vprintf(struct jd_arena *arena, const char *fmt, va_list ap)
	JD_PRINTF(2, 0);

#define jd_arena_new(arena, type) ((type *)jd_arena_alloc((arena), sizeof(type)))

/* Heap memory that outlives the call: zeroed, never NULL, freed by jd_free(). */
JD_EXPORT void *jd_alloc(size_t size);
JD_EXPORT char *jd_strdup(struct jd_str s);
JD_EXPORT void jd_free(void *p);
