/* SPDX-License-Identifier: MIT
 *
 * Heap memory that never fails quietly, and the cleanup attribute.
 *
 * mem_alloc() and friends end the process with a message when memory is out:
 * use them for what we size.  What a peer sizes uses mem_try_alloc(), which may
 * return NULL and which the tests make fail on purpose (mem_fail_at).
 */
#pragma once

#include <stdatomic.h>

#include <jackdaw/mem.h>

void *mem_alloc(size_t size);     /* zeroed */
void *mem_alloc_raw(size_t size); /* not zeroed */
void *mem_realloc(void *p, size_t size);
void *mem_try_alloc(size_t size) JD_MUST_USE; /* not zeroed; NULL when refused */
void *mem_try_realloc(void *p, size_t size) JD_MUST_USE;
void mem_free(void *p);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

/*
 * Tests refuse on purpose.  What counts is every mem_try_* call, and every other
 * allocator's that asks mem_refuse() first.  The n-th from now (1 = the next), or
 * every n-th; 0 switches it off.  Both forget how often was refused.
 */
void mem_fail_at(unsigned long n);
void mem_fail_every(unsigned long n);
/* While it is held nothing is refused and nothing is counted. Returns what was before. */
bool mem_fail_hold(bool hold);
unsigned long mem_refused(void); /* how often */
/* True: behave as if there were no memory. */
bool mem_refuse(void);

/* Aborts with file, line and text. Stays on in release; never on peer input. */
_Noreturn void mem_die(const char *file, int line, const char *what);
#define JD_ASSERT(cond) ((cond) ? (void)0 : mem_die(__FILE__, __LINE__, #cond))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void mem_freep_(void *pp)
{
	mem_free(*(void **)pp);
}
#define cleanup_free __attribute__((cleanup(mem_freep_)))
