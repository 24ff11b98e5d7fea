/* SPDX-License-Identifier: MIT
 *
 * Every script of tests/replay/scripts while things go wrong: each unit of the
 * database in turn fails, conflicts, is not certain; each allocation that may be
 * refused is refused; and then every second, third ... of them.  As long as a
 * fault is hit there is one more to try, so that all places are met.
 *
 * Nobody crashes, nothing leaks, every request has its one answer, and the
 * server can always end in order.
 *
 * That is some hundred runs of each script. With JD_TORTURE_STEP=n in the environment only
 * every n-th place is tried, other ones in each script, for builds that are slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/script.h"
#include "replay/script_tests.h"

#define MANY 250 /* units of a script that repeats itself: not each one is tried */

static void torture(const char *path, const struct script_faults *f, bool *ret_hit)
{
	if (script_torture(path, f, ret_hit, NULL) == 0)
		return;
	fail_msg("%s: db_at %u (%d) db_every %u mem_at %lu mem_every %lu", path, f->db_at,
		 (int)f->db_status, f->db_every, f->mem_at, f->mem_every);
}

static unsigned first_place(const char *path, unsigned step)
{
	unsigned sum = 0;

	path = strrchr(path, '/') ? strrchr(path, '/') : path;
	while (*path)
		sum = sum * 31 + (unsigned char)*path++;
	return 1 + sum % step;
}

static void each_unit(const char *path, enum jd_db_status status, unsigned step)
{
	bool hit = true;

	for (unsigned n = first_place(path, step); hit; n += step)
		torture(path, &(struct script_faults){.db_at = n, .db_status = status}, &hit);
}

static void each_allocation(const char *path, unsigned step)
{
	bool hit = true;

	for (unsigned long n = first_place(path, step); hit; n += step)
		torture(path, &(struct script_faults){.mem_at = n}, &hit);
}

static void test_script(void **state)
{
	static const struct script_faults none;
	const char *wanted = getenv("JD_TORTURE_STEP");
	uint64_t units;
	unsigned step;
	bool hit;

	assert_int_equal(script_torture(*state, &none, &hit, &units), 0);
	assert_false(hit);
	step = units > MANY ? (unsigned)units / 20 : 1;
	if (wanted && strtoul(wanted, NULL, 10) > step)
		step = (unsigned)strtoul(wanted, NULL, 10);
	each_unit(*state, JD_DB_FAILED, step);
	each_unit(*state, JD_DB_CONFLICT, step);
	each_unit(*state, JD_DB_UNCERTAIN, step);
	each_allocation(*state, step);
	for (unsigned n = 1; n <= 7; n += step) {
		torture(*state, &(struct script_faults){.db_every = n}, &hit);
		torture(*state, &(struct script_faults){.mem_every = n}, &hit);
	}
}

int main(int argc, char **argv)
{
	return script_tests(argc, argv, "torture", test_script);
}
