/* SPDX-License-Identifier: MIT
 *
 * Every script of a folder as a test of its own, for the programs that play them in their own
 * way.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/script_tests.h"

#define MAX_SCRIPTS 1024

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int script_tests(int argc, char **argv, const char *name, void (*play)(void **path))
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
	if (n > MAX_SCRIPTS) {
		(void)fprintf(stderr, "more than %d scripts\n", MAX_SCRIPTS);
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){base(paths[i]), play, NULL, NULL, paths[i]};
	n = (size_t)_cmocka_run_group_tests(name, tests, n, NULL, NULL);
	globfree(&found);
	return n != 0;
}
