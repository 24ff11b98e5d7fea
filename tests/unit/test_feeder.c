/* SPDX-License-Identifier: MIT
 *
 * The feeder: what it holds, and that long tokens in small pieces cost the
 * parser linear work.  Work is what expat would look at: the pending bytes and
 * the new ones, at each feed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/mem.h"
#include "xml/feeder.h"

#define TOKEN_MAX ((size_t)1 << 20)

static const struct {
	const char *held, *new;
	size_t pending;
	unsigned fruitless;
	size_t ready;
} table[] = {
	{"", "", 0, 0, 0},         {"", "abc", 0, 0, 0},     {"", "<a/>", 0, 0, 4},
	{"", "<a>b", 0, 0, 3},     {"<a", "/>", 0, 0, 4},    {"<a", "/><b", 0, 0, 4},
	{"<a", " b", 0, 0, 0},     {"", ">", 100, 7, 1},     {"", ">", 100, 8, 0},
	{"aaaa", ">>>>", 8, 8, 8}, {"aaaa", ">>>", 8, 8, 0}, {"aaaa", "a", TOKEN_MAX - 4, 0, 5},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(table); i++) {
		struct feeder f;

		feeder_init(&f, 4096);
		assert_int_equal(buf_append(&f.held, table[i].held, strlen(table[i].held)), 0);
		f.pending = table[i].pending;
		f.fruitless = table[i].fruitless;
		assert_int_equal(feeder_ready(&f, table[i].new, strlen(table[i].new), TOKEN_MAX),
				 table[i].ready);
		assert_int_equal(f.held_gt, table[i].ready == 0 && table[i].fruitless >= 8);
		feeder_fini(&f);
	}
}

/* Without '>' bytes do not wait for ever. */
static void test_hold(void **state)
{
	char text[FEEDER_HOLD];
	struct feeder f;

	(void)state;
	memset(text, 'a', sizeof(text));
	feeder_init(&f, 65536);
	assert_int_equal(feeder_ready(&f, text, FEEDER_HOLD - 1, TOKEN_MAX), 0);
	assert_int_equal(feeder_ready(&f, text, FEEDER_HOLD, TOKEN_MAX), FEEDER_HOLD);
	feeder_fini(&f);
}

struct cost {
	size_t feeds, work, most_held;
};

/* Pieces of a token that never ends, made of the byte c. */
static struct cost long_token(char c, size_t piece, size_t total, bool is_text)
{
	char *p = mem_alloc(piece);
	struct cost cost = {0};
	struct feeder f;

	memset(p, c, piece);
	feeder_init(&f, total + piece);
	for (size_t sent = 0; sent < total; sent += piece) {
		size_t ready = feeder_ready(&f, p, piece, TOKEN_MAX);

		assert_int_equal(buf_append(&f.held, p, piece), 0);
		cost.most_held = f.held.len > cost.most_held ? f.held.len : cost.most_held;
		if (!ready)
			continue;
		cost.feeds++;
		cost.work += f.pending + ready;
		buf_consume(&f.held, ready);
		feeder_fed(&f, is_text ? 0 : f.pending + ready, is_text);
	}
	feeder_fini(&f);
	mem_free(p);
	return cost;
}

static void test_linear(void **state)
{
	static const size_t pieces[] = {1, 3, 100, 1024};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(pieces); i++) {
		size_t total = (size_t)64 * 1024;
		struct cost attr = long_token('a', pieces[i], total, false);
		struct cost gt = long_token('>', pieces[i], total, false);
		struct cost text = long_token('a', pieces[i], total, true);

		assert_in_range(attr.work, 1, 6 * total);
		assert_in_range(gt.work, 1, 6 * total);
		assert_in_range(text.work, 1, total + pieces[i]);
		assert_in_range(attr.feeds, 1, 32);
		assert_in_range(gt.feeds, 1, 32);
		assert_in_range(text.feeds, 1, 17);
		assert_in_range(text.most_held, 1, FEEDER_HOLD + pieces[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
