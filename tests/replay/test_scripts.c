/* SPDX-License-Identifier: MIT
 *
 * Runs every script of tests/replay/scripts, or those named as arguments, each
 * as a test of its own.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/script.h"

#define MAX_SCRIPTS 256

static void test_script(void **state)
{
	assert_int_equal(script_play(*state), 0);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_SCRIPTS];
	const char *top = getenv("JD_TOP_SRCDIR");
	glob_t found = {0};
	char pattern[4096];
	char **paths = argv + 1;
	size_t n = (size_t)argc - 1;

	(void)snprintf(pattern, sizeof(pattern), "%s/tests/replay/scripts/*.txt", top ? top : ".");
	if (n == 0) {
		if (glob(pattern, 0, NULL, &found) != 0) {
			(void)fprintf(stderr, "there are no scripts: %s\n", pattern);
			return 1;
		}
		paths = found.gl_pathv;
		n = found.gl_pathc;
	}
	for (size_t i = 0; i < n && i < MAX_SCRIPTS; i++)
		tests[i] = (struct CMUnitTest){base(paths[i]), test_script, NULL, NULL, paths[i]};
	n = (size_t)_cmocka_run_group_tests("scripts", tests, n, NULL, NULL);
	globfree(&found);
	return n != 0;
}
