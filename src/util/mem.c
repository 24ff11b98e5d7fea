/* SPDX-License-Identifier: MIT
 *
 * Heap memory.  Two families: mem_alloc() and friends, for what we size, never
 * return NULL; mem_try_*(), for what a peer sizes, may, and a countdown lets the
 * tests choose the call that does.
 */
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Atomic unsigned long fail_at, fail_every, refused;
static atomic_bool held;

static void die_write(const char *line, int len, size_t size)
{
	size_t n = len < 0 ? 0 : (size_t)len;

	if (n >= size)
		n = size - 1;
	if (write(STDERR_FILENO, line, n) < 0) {
		/* Nobody can be told; the caller aborts all the same. */
	}
}

_Noreturn void mem_die(const char *file, int line, const char *what)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "jackdaw: %s:%d: assertion failed: %s\n", file, line,
			 what);

	die_write(text, n, sizeof(text));
	abort();
}

static _Noreturn void die_memory(size_t size)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "jackdaw: out of memory (%zu bytes)\n", size);

	die_write(text, n, sizeof(text));
	abort();
}

/* malloc(0) may return NULL, which callers would take for a failure. */
static size_t at_least_one(size_t size)
{
	return size ? size : 1;
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, at_least_one(size));

	if (!p)
		die_memory(size);
	return p;
}

void *mem_alloc_raw(size_t size)
{
	void *p = malloc(at_least_one(size));

	if (!p)
		die_memory(size);
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	void *q = realloc(p, at_least_one(size));

	if (!q)
		die_memory(size);
	return q;
}

static void fail_from(unsigned long n, unsigned long every)
{
	atomic_store(&refused, 0);
	atomic_store(&fail_every, every);
	atomic_store(&fail_at, n);
}

void mem_fail_at(unsigned long n)
{
	fail_from(n, 0);
}

void mem_fail_every(unsigned long n)
{
	fail_from(n, n);
}

bool mem_fail_hold(bool hold)
{
	return atomic_exchange(&held, hold);
}

unsigned long mem_refused(void)
{
	return atomic_load(&refused);
}

/* Counts down once per call; true for the call that reaches zero. */
bool mem_refuse(void)
{
	unsigned long n = atomic_load_explicit(&fail_at, memory_order_relaxed);

	if (n == 0 || atomic_load(&held))
		return false;
	while (!atomic_compare_exchange_weak(&fail_at, &n, n == 1 ? fail_every : n - 1))
		if (n == 0)
			return false;
	if (n == 1)
		atomic_fetch_add(&refused, 1);
	return n == 1;
}

void *mem_try_alloc(size_t size)
{
	return mem_refuse() ? NULL : malloc(at_least_one(size));
}

void *mem_try_realloc(void *p, size_t size)
{
	return mem_refuse() ? NULL : realloc(p, at_least_one(size));
}

void mem_free(void *p)
{
	free(p);
}

void *jd_alloc(size_t size)
{
	return mem_alloc(size);
}

char *jd_strdup(struct jd_str s)
{
	char *p = mem_alloc_raw(s.len + 1);

	if (s.len)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

void jd_free(void *p)
{
	mem_free(p);
}
