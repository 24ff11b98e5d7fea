/* SPDX-License-Identifier: MIT
 *
 * Ids of archived messages: they come back as they went, only to their owner, and
 * show nothing of what is inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jackdaw/stanza_id.h>

#include "replay/world.h"
#include "util/arena.h"

static struct jd_arena arena;

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	arena_init(&arena, NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	world_stop();
	return 0;
}

static void test_roundtrip(void **state)
{
	static const uint64_t numbers[] = {0, 1, 2, 255, 256, UINT32_MAX, INT64_MAX, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(numbers); i++) {
		for (size_t k = 0; k < JD_ARRAY_SIZE(numbers); k++) {
			struct jd_str s = jd_stanza_id_encode(&arena, numbers[i], numbers[k]);
			uint64_t id = 77;

			assert_int_equal(s.len, JD_STANZA_ID_LEN);
			assert_int_equal(jd_stanza_id_decode(s, numbers[i], &id), 0);
			assert_true(id == numbers[k]);
			id = 77;
			assert_int_equal(jd_stanza_id_decode(s, numbers[i] + 1, &id), -JD_ENOENT);
			assert_int_equal(id, 77);
		}
	}
}

/* Every other spelling of an id, and every other id, is none. */
static void test_changed(void **state)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= ";
	struct jd_str s = jd_stanza_id_encode(&arena, 5, 6);
	char text[JD_STANZA_ID_LEN + 1] = "";
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < JD_STANZA_ID_LEN; i++) {
		for (const char *c = alphabet; *c; c++) {
			memcpy(text, s.p, s.len);
			text[i] = *c;
			assert_int_equal(jd_stanza_id_decode((struct jd_str){text, s.len}, 5, &id),
					 *c == s.p[i] ? 0 : -JD_ENOENT);
		}
	}
	memcpy(text, s.p, s.len);
	text[s.len] = 'A';
	assert_int_equal(jd_stanza_id_decode((struct jd_str){text, s.len + 1}, 5, &id), -JD_ENOENT);
	assert_int_equal(jd_stanza_id_decode((struct jd_str){text, s.len - 1}, 5, &id), -JD_ENOENT);
	assert_int_equal(jd_stanza_id_decode(JD_STR_NULL, 5, &id), -JD_ENOENT);
}

/* Neighbours share no more than chance gives them. */
static void test_opaque(void **state)
{
	struct jd_str before = jd_stanza_id_encode(&arena, 5, 0);

	(void)state;
	for (uint64_t id = 1; id < 500; id++) {
		struct jd_str s = jd_stanza_id_encode(&arena, 5, id);
		unsigned same = 0;

		for (size_t i = 0; i < s.len; i++)
			same += s.p[i] == before.p[i];
		assert_in_range(same, 0, 9);
		before = s;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_opaque),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
