/* SPDX-License-Identifier: MIT
 *
 * SipHash-1-3 against known answers, and the table with 100 000 nodes: found
 * while it grows, each seen once by an iteration that removes as it goes.
 */
#include "util/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "util/mem.h"

#define NODES 100000

struct item {
	struct hash_node node;
	int number;
	int seen;
};

static bool same(const struct hash_node *node, const void *key)
{
	return container_of(node, const struct item, node)->number == *(const int *)key;
}

static uint64_t hash_int(int n)
{
	return hash_bytes(&n, sizeof(n));
}

static struct item *find(struct hash *h, int n)
{
	struct hash_node *node = hash_find(h, hash_int(n), same, &n);

	return node ? container_of(node, struct item, node) : NULL;
}

static void test_siphash(void **state)
{
	/* Key 00 01 .. 0f. */
	const uint64_t k[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
	static const struct {
		size_t len; /* input 00 01 02 .. */
		uint64_t hash;
	} known[] = {
		{0, 0xabac0158050fc4dcULL}, {1, 0xc9f49bf37d57ca93ULL},  {7, 0xd3927d989bb11140ULL},
		{8, 0x369095118d299a8eULL}, {15, 0xd320d86d2a519956ULL},
	};
	unsigned char in[16];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	for (size_t i = 0; i < JD_ARRAY_SIZE(known); i++)
		assert_int_equal(hash_siphash13(k, in, known[i].len), known[i].hash);
}

static void test_bytes(void **state)
{
	(void)state;
	assert_true(hash_str(JD_STR("owl")) == hash_bytes("owl", 3));
	assert_true(hash_str(JD_STR("owl")) != hash_str(JD_STR("owk")));
	assert_true(hash_str(JD_STR("owl")) != hash_bytes("owl", 4));
	assert_true(hash_str(JD_STR_NULL) == hash_bytes("", 0));
}

static void test_grow(void **state)
{
	struct item *items = mem_alloc(NODES * sizeof(*items));
	struct hash h;

	(void)state;
	hash_init(&h);
	assert_null(find(&h, 1));
	for (int i = 0; i < NODES; i++) {
		items[i].number = i;
		hash_insert(&h, &items[i].node, hash_int(i));
		assert_ptr_equal(find(&h, i), &items[i]);
		assert_ptr_equal(find(&h, i / 2), &items[i / 2]);
		assert_null(find(&h, i + 1));
	}
	assert_int_equal(h.count, NODES);
	for (int i = 0; i < NODES; i += 3) {
		hash_remove(&h, &items[i].node);
		assert_null(find(&h, i));
	}
	for (int i = 0; i < NODES; i++)
		assert_ptr_equal(find(&h, i), i % 3 ? &items[i] : NULL);
	hash_fini(&h);
	assert_int_equal(h.count, 0);
	assert_null(find(&h, 1));
	hash_fini(&h);
	mem_free(items);
}

/* At every size, also in the middle of a move: each once, some removed on the way. */
static void iterate(struct hash *h, struct item *items, int n)
{
	struct hash_iter it = {0};
	struct hash_node *node;
	int count = 0;

	while ((node = hash_each(h, &it))) {
		struct item *item = container_of(node, struct item, node);

		assert_int_equal(item->seen, 0);
		item->seen = 1;
		count++;
		if (item->number % 2)
			hash_remove(h, node);
	}
	assert_int_equal(count, n);
	assert_int_equal(h->count, (n + 1) / 2);
	for (int i = 0; i < n; i++) {
		assert_int_equal(items[i].seen, 1);
		items[i].seen = 0;
		assert_ptr_equal(find(h, i), i % 2 ? NULL : &items[i]);
	}
	for (int i = 1; i < n; i += 2)
		hash_insert(h, &items[i].node, hash_int(i));
}

static void test_iterate(void **state)
{
	struct item *items = mem_alloc(NODES * sizeof(*items));
	struct hash_iter it = {0};
	struct hash h;
	int n = 0;

	(void)state;
	hash_init(&h);
	assert_null(hash_each(&h, &it));
	for (int size = 1; size <= NODES; size = size < 300 ? size + 1 : size * 5 / 4) {
		for (; n < size; n++) {
			items[n].number = n;
			hash_insert(&h, &items[n].node, hash_int(n));
		}
		iterate(&h, items, n);
	}
	for (; n < NODES; n++) {
		items[n].number = n;
		hash_insert(&h, &items[n].node, hash_int(n));
	}
	iterate(&h, items, n);
	it = (struct hash_iter){0};
	for (struct hash_node *node; (node = hash_each(&h, &it));)
		hash_remove(&h, node);
	assert_int_equal(h.count, 0);
	hash_fini(&h);
	mem_free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_iterate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
