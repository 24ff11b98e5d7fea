/* SPDX-License-Identifier: MIT
 *
 * The parsers' heap: sizes, the cap, what is given back, and NULL, which some
 * releases of expat free and others do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xml/scan_mem.h"

#define CAP ((size_t)256 * 1024)

static int setup(void **state)
{
	static struct scan_heap heap;

	scan_heap_init(&heap, scan_mem_new(), CAP);
	*state = &heap;
	return 0;
}

static int teardown(void **state)
{
	struct scan_heap *h = *state;

	scan_heap_fini(h);
	scan_mem_free(h->mem);
	return 0;
}

static void test_sizes(void **state)
{
	struct scan_heap *h = *state;

	for (size_t n = 0; n <= CAP / 4; n = n * 2 + 1) {
		char *p = scan_heap_alloc(h, n), *q;

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 'x', n);
		q = scan_heap_realloc(p, n * 2 + 1);
		assert_non_null(q);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(q[i], 'x');
		scan_heap_release(q);
	}
}

static void test_null(void **state)
{
	(void)state;
	scan_heap_release(NULL);
}

static void test_used_again(void **state)
{
	struct scan_heap *h = *state;
	void *p = scan_heap_alloc(h, 100);
	size_t used = h->used;

	scan_heap_release(p);
	for (int i = 0; i < 10000; i++) {
		void *q = scan_heap_alloc(h, 100);

		assert_ptr_equal(q, p);
		scan_heap_release(q);
	}
	assert_int_equal(h->used, used);
}

/* The cap holds for many small ones and for one large; what was there stays. */
static void test_cap(void **state)
{
	struct scan_heap *h = *state;
	char *first = scan_heap_alloc(h, 1000);
	unsigned n = 0;

	memset(first, 'x', 1000);
	assert_null(scan_heap_alloc(h, CAP));
	assert_null(scan_heap_alloc(h, SIZE_MAX));
	while (scan_heap_alloc(h, 1000))
		assert_true(++n < CAP / 1000);
	assert_true(n > CAP / 2000 && h->used <= CAP);
	assert_null(scan_heap_realloc(first, 2000));
	assert_int_equal(first[999], 'x');
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
