/* SPDX-License-Identifier: MIT
 *
 * Back-off of logins, on a clock that stands still between the lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/auth_backoff.h"
#include "util/clock.h"

#define SEC JD_USEC_PER_SEC

static jd_usec now;

static struct backoff_who who(const char *name, const char *peer)
{
	return (struct backoff_who){JD_STR("localhost"), jd_cstr(name), jd_cstr(peer)};
}

static int start(void **state)
{
	(void)state;
	now = 1000 * SEC;
	clock_fake(now, now);
	return 0;
}

static int end(void **state)
{
	(void)state;
	backoff_fini();
	return 0;
}

static void advance(jd_usec by)
{
	now += by;
	clock_fake(now, now);
}

/* One login: its delay. */
static jd_usec attempt(const char *name, const char *peer, bool good)
{
	struct backoff_who w = who(name, peer);
	jd_usec delay = backoff_ask(&w);

	assert_true(delay != UINT64_MAX);
	advance(delay);
	backoff_answered(&w);
	backoff_result(&w, good);
	return delay;
}

static void test_doubles(void **state)
{
	static const unsigned want[] = {0, 0, 0, 1, 2, 4, 8, 16, 16};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(want); i++)
		assert_int_equal(attempt("eve", "192.0.2.1", false), want[i] * SEC);
	/* A login that is right waits as long, and then all is forgiven. */
	assert_int_equal(attempt("eve", "192.0.2.1", true), 16 * SEC);
	assert_int_equal(attempt("eve", "192.0.2.1", false), 0);
}

static void test_networks(void **state)
{
	static const struct {
		const char *one, *other;
		bool same;
	} cases[] = {
		{"192.0.2.1", "192.0.2.254", true},
		{"192.0.2.1", "192.0.3.1", false},
		{"192.0.2.1", "::ffff:192.0.2.9", true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2", true},
		{"local", "local", true},
		{"local", "", false},
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		char name[16];

		snprintf(name, sizeof(name), "eve%zu", i);
		for (int k = 0; k < 4; k++)
			(void)attempt(name, cases[i].one, false);
		assert_int_equal(attempt(name, cases[i].other, true) > 0, cases[i].same);
	}
}

/* Others are others: another name, another host. */
static void test_others(void **state)
{
	struct backoff_who host = {JD_STR("other.example"), JD_STR("eve"), JD_STR("192.0.2.1")};

	(void)state;
	for (int i = 0; i < 6; i++)
		(void)attempt("eve", "192.0.2.1", false);
	assert_int_equal(attempt("adam", "192.0.2.1", true), 0);
	assert_int_equal(backoff_ask(&host), 0);
	backoff_answered(&host);
}

/* From many networks: the owner at home is slowed down, not locked out. */
static void test_wide(void **state)
{
	char peer[32];

	(void)state;
	for (int i = 0; i < BACKOFF_WIDE; i++) {
		snprintf(peer, sizeof(peer), "198.51.%d.1", i);
		assert_int_equal(attempt("eve", peer, false), 0);
	}
	assert_int_equal(attempt("eve", "192.0.2.1", true), BACKOFF_MILD);
	for (int i = 0; i < 1000; i++) {
		snprintf(peer, sizeof(peer), "10.%d.%d.1", i / 256, i % 256);
		assert_int_equal(attempt("eve", peer, false), BACKOFF_MILD);
	}
	assert_int_equal(attempt("eve", "192.0.2.1", true), BACKOFF_MILD);
	advance(BACKOFF_FORGET);
	assert_int_equal(attempt("eve", "192.0.2.1", true), 0);
}

static void test_forgets(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		(void)attempt("eve", "192.0.2.1", false);
	advance(BACKOFF_FORGET - SEC);
	assert_int_equal(attempt("eve", "192.0.2.1", false), 16 * SEC);
	advance(BACKOFF_FORGET);
	assert_int_equal(attempt("eve", "192.0.2.1", false), 0);
}

/* All at once: one answer a second, and who would have to wait too long gets none. */
static void test_parallel(void **state)
{
	struct backoff_who w = who("eve", "192.0.2.1");
	static const unsigned want[] = {0, 1, 2, 4, 8, 16, 17, 18, 19, 20};

	(void)state;
	(void)attempt("eve", "192.0.2.1", false);
	(void)attempt("eve", "192.0.2.1", false);
	for (size_t i = 0; i < JD_ARRAY_SIZE(want); i++)
		assert_int_equal(backoff_ask(&w), want[i] * SEC);
	assert_int_equal(backoff_ask(&w), UINT64_MAX);
	assert_int_equal(backoff_ask(&w), UINT64_MAX);
	for (size_t i = 0; i < JD_ARRAY_SIZE(want); i++)
		backoff_answered(&w);
	advance(20 * SEC);
	assert_int_equal(backoff_ask(&w), 0);
	backoff_answered(&w);
}

/* Whoever never failed has many devices. */
static void test_devices(void **state)
{
	struct backoff_who w = who("eve", "192.0.2.1");

	(void)state;
	for (int i = 0; i < BACKOFF_ALIKE; i++)
		assert_int_equal(backoff_ask(&w), 0);
	assert_int_equal(backoff_ask(&w), SEC);
	for (int i = 0; i <= BACKOFF_ALIKE; i++)
		backoff_answered(&w);
	assert_int_equal(backoff_entries(), 0);
}

static void test_bound(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 6; i++)
		(void)attempt("first", "192.0.2.1", false);
	for (int i = 0; i < BACKOFF_ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		(void)attempt(name, "192.0.2.1", false);
		assert_true(backoff_entries() <= BACKOFF_ENTRIES);
	}
	assert_int_equal(backoff_entries(), BACKOFF_ENTRIES);
	/* The one that failed longest ago has been forgotten, the last ones have not. */
	assert_int_equal(attempt("first", "192.0.2.1", true), 0);
	(void)attempt(name, "192.0.2.1", false);
	(void)attempt(name, "192.0.2.1", false);
	assert_int_equal(attempt(name, "192.0.2.1", false), SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_doubles, start, end),
		cmocka_unit_test_setup_teardown(test_networks, start, end),
		cmocka_unit_test_setup_teardown(test_others, start, end),
		cmocka_unit_test_setup_teardown(test_wide, start, end),
		cmocka_unit_test_setup_teardown(test_forgets, start, end),
		cmocka_unit_test_setup_teardown(test_parallel, start, end),
		cmocka_unit_test_setup_teardown(test_devices, start, end),
		cmocka_unit_test_setup_teardown(test_bound, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
