/* SPDX-License-Identifier: MIT
 *
 * Bounded buffers: the maximum, refusals of memory, content kept on failure.
 */
#include "util/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "util/mem.h"

static void test_append(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	assert_null(b.p);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_append(&b, "0123456789", 10), 0);
	assert_int_equal(b.len, 10000);
	assert_int_equal(b.cap, 10000);
	assert_int_equal(buf_append(&b, "x", 1), -JD_ELIMIT);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX), -JD_ELIMIT);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_int_equal(b.len, 10000);
	assert_memory_equal(b.p + 9990, "0123456789", 10);
	buf_consume(&b, 9995);
	assert_true(jd_str_is(buf_str(&b), "56789"));
	buf_consume(&b, 5);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append(&b, "again", 5), 0);
	buf_free(&b);
	assert_int_equal(buf_append(&b, "more", 4), 0);
	assert_true(jd_str_is(buf_str(&b), "more"));
	buf_free(&b);
	buf_free(&b);
}

static void test_printf(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 12);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(buf_printf(&b, "%d,", 12345), 0);
	assert_int_equal(buf_printf(&b, "%07d", 1), -JD_ELIMIT);
	assert_true(jd_str_is(buf_str(&b), "12345,"));
	/* To the last byte of the maximum: the terminator does not count. */
	assert_int_equal(buf_printf(&b, "%06d", 1), 0);
	assert_true(jd_str_is(buf_str(&b), "12345,000001"));
	assert_int_equal(buf_printf(&b, "x"), -JD_ELIMIT);
	buf_free(&b);
}

static void test_refused(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	mem_fail_at(1);
	assert_int_equal(buf_append(&b, "abc", 3), -JD_ENOMEM);
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	mem_fail_at(1);
	assert_int_equal(buf_reserve(&b, 5000), -JD_ENOMEM);
	assert_true(jd_str_is(buf_str(&b), "abc"));
	assert_int_equal(buf_reserve(&b, 5000), 0);
	memset(b.p + b.len, 'z', 5000);
	b.len += 5000;
	mem_fail_at(0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
