/* SPDX-License-Identifier: MIT
 *
 * A PostgreSQL of this test program's own: tests/integration/postgres.py as a
 * child, a command a line, an answer a line.  It is started when it is first
 * wanted and goes with the program, however that ends.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Volatile: else the compiler warns of what cannot be reached without the driver. */
#ifdef JD_PGSQL
static const volatile bool pg_built = true;
#else
static const volatile bool pg_built = false;
#endif

static struct {
	FILE *to, *from;
	pid_t pid;
	bool missing;
} pg_helper;

static inline void pg_answer(char *out, size_t size)
{
	if (!fgets(out, (int)size, pg_helper.from)) {
		(void)fprintf(stderr, "the helper for PostgreSQL has died\n");
		abort();
	}
	out[strcspn(out, "\n")] = '\0';
}

/* A command and its argument; what it answers. */
static inline void pg_tell(const char *command, const char *argument, char *out, size_t size)
{
	(void)fprintf(pg_helper.to, "%s %s\n", command, argument);
	(void)fflush(pg_helper.to);
	pg_answer(out, size);
}

static inline void pg_do(const char *command, const char *argument)
{
	char answer[1024];

	pg_tell(command, argument, answer, sizeof(answer));
}

static inline void pg_helper_end(void)
{
	int status;

	/* A child of a test that forked ends without this. */
	(void)fclose(pg_helper.to);
	(void)waitpid(pg_helper.pid, &status, 0);
	(void)fclose(pg_helper.from);
}

static inline void pg_helper_run(int in, int out)
{
	const char *top = getenv("JD_TOP_SRCDIR");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/tests/integration/postgres.py", top ? top : ".");
	(void)dup2(in, 0);
	(void)dup2(out, 1);
	(void)unsetenv("LD_PRELOAD");
	(void)execlp("python3", "python3", "-B", path, (char *)NULL);
	_exit(127);
}

/* Whether there is one to be had. */
static inline bool pg_helper_start(void)
{
	int to[2], from[2];
	char answer[64];

	if (pg_helper.to || pg_helper.missing || !pg_built)
		return pg_helper.to;
	if (pipe(to) || pipe(from))
		abort();
	pg_helper.pid = fork();
	if (pg_helper.pid == 0) {
		close(to[1]);
		close(from[0]);
		pg_helper_run(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	pg_helper.to = fdopen(to[1], "w");
	pg_helper.from = fdopen(from[0], "r");
	pg_answer(answer, sizeof(answer));
	pg_helper.missing = strcmp(answer, "ready") != 0;
	(void)atexit(pg_helper_end);
	return !pg_helper.missing;
}
