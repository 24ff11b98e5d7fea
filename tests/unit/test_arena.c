/* SPDX-License-Identifier: MIT
 *
 * Arenas: alignment, zeroing, embedded memory, chunks, printing.
 */
#include "util/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_embedded(void **state)
{
	_Alignas(16) char first[256];
	struct jd_arena a;
	char *p, *q;

	(void)state;
	memset(first, 0xaa, sizeof(first));
	arena_init(&a, first, sizeof(first));
	p = jd_arena_alloc(&a, 40);
	assert_ptr_equal(p, first);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(p[i], 0);
	q = jd_arena_bytes(&a, 3);
	assert_ptr_equal(q, p + 40);
	q = jd_arena_alloc(&a, 8);
	assert_int_equal((uintptr_t)q % 16, 0);
	assert_true(q > p + 43 && q < p + 43 + 16);
	assert_int_equal(arena_heap(&a), 0);
	/* What does not fit goes to the heap; reset begins in the embedded memory again. */
	p = jd_arena_alloc(&a, 300);
	assert_true(p < first || p >= first + sizeof(first));
	assert_true(arena_heap(&a) >= 300);
	arena_reset(&a);
	assert_int_equal(arena_heap(&a), 0);
	assert_ptr_equal(jd_arena_alloc(&a, 16), first);
	/* Exactly what is left, then nothing. */
	assert_ptr_equal(jd_arena_bytes(&a, 240), first + 16);
	assert_int_equal(arena_heap(&a), 0);
	jd_arena_bytes(&a, 1);
	assert_true(arena_heap(&a) > 0);
	arena_fini(&a);
}

static void test_many(void **state)
{
	struct jd_arena a;
	unsigned char *p[2000];

	(void)state;
	arena_init(&a, NULL, 0);
	for (size_t i = 0; i < 2000; i++) {
		p[i] = jd_arena_alloc(&a, i % 97 + (i % 500 == 0 ? 5000 : 0));
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)(i & 255), i % 97);
	}
	for (size_t i = 0; i < 2000; i++) {
		for (size_t k = 0; k < i % 97; k++)
			assert_int_equal(p[i][k], i & 255);
	}
	/* Doubling chunks, but not for ever: little is wasted. */
	assert_true(arena_heap(&a) < 2000 * 64 + 4 * 5100 + 2 * 65536);
	arena_fini(&a);
	assert_int_equal(arena_heap(&a), 0);
	arena_init(&a, NULL, 0);
	assert_non_null(jd_arena_alloc(&a, 0));
	arena_fini(&a);
}

static void test_text(void **state)
{
	_Alignas(16) char first[64];
	struct jd_arena a;
	struct jd_str s;

	(void)state;
	arena_init(&a, first, sizeof(first));
	s = jd_arena_str(&a, JD_STR("wren"));
	assert_true(jd_str_is(s, "wren"));
	assert_int_equal(s.p[4], 0);
	s = jd_arena_str(&a, JD_STR_NULL);
	assert_null(s.p);
	s = jd_arena_str(&a, JD_STR(""));
	assert_non_null(s.p);
	assert_int_equal(s.len, 0);
	/* Fits beside the other two; then the room left is too little by one. */
	s = jd_arena_printf(&a, "%d-%s", 42, "robin");
	assert_string_equal(s.p, "42-robin");
	assert_int_equal(s.len, 8);
	assert_int_equal(arena_heap(&a), 0);
	s = jd_arena_printf(&a, "%0*d", (int)(a.end - a.cur), 7);
	assert_true(arena_heap(&a) > 0);
	assert_int_equal(s.len, strlen(s.p));
	assert_int_equal(s.p[s.len - 1], '7');
	s = jd_arena_printf(&a, "%0*d", (int)(a.end - a.cur) - 1, 8);
	assert_ptr_equal(a.cur, a.end);
	assert_int_equal(s.p[s.len - 1], '8');
	s = jd_arena_printf(&a, "%0100000d", 9);
	assert_int_equal(s.len, 100000);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
