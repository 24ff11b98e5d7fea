/* SPDX-License-Identifier: MIT
 *
 * Reading a password.  The terminal is used directly, byte by byte, so that no
 * buffer of stdio keeps a copy.
 */
#include "ctl/secret.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "util/crypto.h"
#include "util/mem.h"

#define SECRET_MAX 4096

/* A line without its end; the length, or -1. */
static ssize_t read_line(char *out, size_t size)
{
	size_t n = 0;

	while (n < size - 1) {
		ssize_t got = read(STDIN_FILENO, out + n, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (got == 0 && n == 0))
			return -1;
		if (got == 0 || out[n] == '\n')
			break;
		n++;
	}
	if (n && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return (ssize_t)n;
}

static struct termios saved;

/* Ctrl-C at the prompt leaves the terminal as it was. */
static void on_signal(int signo)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	signal(signo, SIG_DFL);
	raise(signo);
}

static ssize_t prompt(const char *text, const char *name, char *out, size_t size)
{
	struct termios quiet;
	ssize_t n;

	fputs(text, stderr);
	for (const char *p = name; *p; p++)
		fputc(tolower((unsigned char)*p), stderr);
	fputs(": ", stderr);
	fflush(stderr);
	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return -1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	n = read_line(out, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	fputc('\n', stderr);
	return n;
}

static ssize_t prompt_twice(const char *name, char *out, size_t size)
{
	char again[SECRET_MAX];
	ssize_t n = prompt("New ", name, out, size);

	if (n <= 0)
		return n;
	if (prompt("Again, ", name, again, sizeof(again)) != n ||
	    !crypto_equal(out, again, (size_t)n)) {
		fputs("jackdawctl: they are not the same\n", stderr);
		n = -1;
	}
	crypto_wipe(again, sizeof(again));
	return n;
}

char *secret_read(const char *name)
{
	char line[SECRET_MAX];
	char *secret = NULL;
	ssize_t n = isatty(STDIN_FILENO) ? prompt_twice(name, line, sizeof(line))
					 : read_line(line, sizeof(line));

	if (n > 0) {
		secret = mem_alloc((size_t)n + 1);
		memcpy(secret, line, (size_t)n);
	}
	crypto_wipe(line, sizeof(line));
	return secret;
}
