/* SPDX-License-Identifier: MIT
 *
 * Sets of row numbers (mod_offline), compared with a table that has a place for each number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "offline.h"

#define NUMBERS 600

struct model {
	bool has[NUMBERS + 1];
};

static void model_add(struct model *m, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to && i <= NUMBERS; i++)
		m->has[i] = true;
}

static void check_shape(const struct idset *set)
{
	uint64_t last = set->base;

	assert_true(set->n <= IDSET_RANGES);
	for (unsigned i = 0; i < set->n; i++) {
		assert_true(set->ranges[i].from > last + 1);
		assert_true(set->ranges[i].to >= set->ranges[i].from);
		last = set->ranges[i].to;
	}
}

static void check_same(const struct idset *set, const struct model *m)
{
	check_shape(set);
	for (uint64_t i = 1; i <= NUMBERS; i++)
		assert_int_equal(idset_has(set, i), m->has[i]);
}

static void check_text(const struct idset *set)
{
	char text[IDSET_TEXT], again[IDSET_TEXT];
	struct idset copy = {.base = set->base};
	struct jd_str t = idset_text(set, text);

	idset_add_text(&copy, t);
	assert_true(jd_str_eq(t, idset_text(&copy, again)));
	assert_int_equal(copy.base, set->base);
	idset_fini(&copy);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct idset set = {0};
		struct model m = {{false}};

		srand(seed);
		for (unsigned i = 0; i < 100; i++) {
			uint64_t from = 1 + (uint64_t)rand() % NUMBERS;
			uint64_t to = from + (uint64_t)rand() % (seed % 3 ? 2 : 9);

			to = to > NUMBERS ? NUMBERS : to;
			idset_add(&set, from, to);
			model_add(&m, from, to);
			check_shape(&set);
		}
		check_same(&set, &m);
		check_text(&set);
		assert_int_equal(idset_covers(&set, 1, NUMBERS), false);
		idset_add(&set, 1, NUMBERS);
		assert_int_equal(set.base, NUMBERS);
		assert_int_equal(set.n, 0);
		idset_fini(&set);
	}
}

static void test_covers(void **state)
{
	struct idset set = {.base = 5};

	(void)state;
	idset_add(&set, 8, 10);
	assert_true(idset_covers(&set, 1, 5) && idset_covers(&set, 8, 10) &&
		    idset_covers(&set, 9, 9) && idset_covers(&set, 4, 3));
	assert_false(idset_covers(&set, 1, 6) || idset_covers(&set, 7, 8) ||
		     idset_covers(&set, 5, 8) || idset_covers(&set, 10, 11));
	idset_add(&set, 4, 3);
	assert_int_equal(set.base, 5);
	idset_add(&set, 6, 7);
	assert_int_equal(set.base, 10);
	idset_fini(&set);
}

/* The set of the account forgets the highest, so that nothing is thought to be delivered that
 * is not; that of a session forgets what is long past. */
static void test_full(void **state)
{
	struct idset old = {0}, new = {.keeps_new = true};

	(void)state;
	for (uint64_t i = 1; i <= 2 * IDSET_RANGES; i++) {
		idset_add(&old, 2 * i + 1, 2 * i + 1);
		idset_add(&new, 2 * i + 1, 2 * i + 1);
	}
	check_shape(&old);
	check_shape(&new);
	assert_int_equal(old.n, IDSET_RANGES);
	assert_true(idset_has(&old, 3) && !idset_has(&old, 4 * IDSET_RANGES + 1));
	assert_true(!idset_has(&new, 3) && idset_has(&new, 4 * IDSET_RANGES + 1));
	check_text(&old);
	idset_add(&old, 1, 2); /* room again */
	assert_int_equal(old.base, 3);
	idset_add(&old, 9000, 9000);
	assert_true(idset_has(&old, 9000));
	/* in the middle of a full one */
	idset_add(&old, 8000, 8000);
	assert_true(idset_has(&old, 8000) && !idset_has(&old, 9000));
	idset_add(&new, 5000, 5000);
	idset_add(&new, 1, 1);
	assert_true(idset_has(&new, 1)); /* that is the base */
	idset_fini(&old);
	idset_fini(&new);
}

static void test_prune(void **state)
{
	struct idset set = {0}, other = {.base = 10};

	(void)state;
	idset_add(&set, 5, 6);
	idset_add(&set, 10, 11);
	idset_add(&set, 20, 22);
	idset_add(&set, 30, 31);
	idset_add(&other, 19, 25);
	idset_prune(&set, &other);
	assert_int_equal(set.n, 2);
	assert_true(idset_has(&set, 11) && idset_has(&set, 30) && !idset_has(&set, 20));
	idset_fini(&set);
	idset_fini(&other);
}

static void test_bad_text(void **state)
{
	static const char *const texts[] = {
		"", "x", "7-", "9-7", "7 ", "7  9", "-7", "7,9", "99999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(texts); i++) {
		struct idset set = {0};

		idset_add_text(&set, jd_cstr(texts[i]));
		check_shape(&set);
		assert_false(idset_has(&set, 9));
		idset_fini(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),   cmocka_unit_test(test_covers),
		cmocka_unit_test(test_full),     cmocka_unit_test(test_prune),
		cmocka_unit_test(test_bad_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
