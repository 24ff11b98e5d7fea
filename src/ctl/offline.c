/* SPDX-License-Identifier: MIT
 *
 * Commands that need no running server, or even that none runs: they are done by
 * the server's own program, which stands beside this one or in ../sbin.
 */
#include "ctl/offline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int run_beside(char **argv)
{
	static const char *const places[] = {"jackdaw", "../sbin/jackdaw"};
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self,
				 places[i]);
			execv(path, argv);
		}
	}
	execvp("jackdaw", argv);
	fprintf(stderr, "jackdawctl: the program jackdaw cannot be run: %s\n", strerror(errno));
	return EXIT_FAILED;
}

int offline_run(char **words, int n)
{
	if (n < 2 || strcmp(words[0], "db") != 0 || strcmp(words[1], "copy") != 0)
		return -1;
	if (n != 4) {
		fputs("usage: jackdawctl db copy FROM.conf TO.conf\n"
		      "Copies the database of one configuration into the empty one of another;\n"
		      "no server of either may run.\n",
		      stderr);
		return EXIT_USAGE;
	}
	return run_beside((char *[]){(char *)"jackdaw", (char *)"-c", words[2],
				     (char *)"--copy-database", words[3], NULL});
}
