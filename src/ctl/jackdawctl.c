/* SPDX-License-Identifier: MIT
 *
 * jackdawctl: hands a command to the server's control socket and prints the
 * answer.  It knows no command by itself; the server's table is the only one.
 *
 * Passwords are asked for without echo, or read from a line of standard input;
 * they are never arguments, which every process on the machine can see.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/offline.h"
#include "ctl/request.h"
#include "ctl/secret.h"
#include "util/crypto.h"
#include "util/mem.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

#define MAX_SECRETS 4

static const char usage[] =
	"usage: jackdawctl [-s SOCKET] [--json] COMMAND [ARGUMENT...]\n"
	"\n"
	"Gives a command to a running Jackdaw. 'jackdawctl help' lists the commands,\n"
	"'jackdawctl help COMMAND' explains one. Passwords are asked for, or read from\n"
	"a line of standard input. 'jackdawctl db copy FROM.conf TO.conf' needs no server:\n"
	"it moves all data to another database.\n"
	"\n"
	"  -s, --socket SOCKET   the server's control socket (default: $JACKDAW_SOCKET, or\n"
	"                        " JD_RUN_DIR "/jackdaw.sock)\n"
	"      --json            answer with a JSON document\n"
	"      --version         the version\n"
	"      --help            this text\n"
	"\n"
	"Exit code: 0 done, 1 failed, 2 wrong arguments, 3 the server cannot be reached.\n";

static const struct option options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct tool {
	const char *socket;
	bool json;
	struct request words; /* of the command */
	char *secrets[MAX_SECRETS];
	char *names[MAX_SECRETS];
	size_t n_secrets;
};

static int unreachable(const struct tool *t, const char *why)
{
	fprintf(stderr, "jackdawctl: no server answers at %s: %s\n", t->socket, why);
	return EXIT_UNREACHABLE;
}

/* Sends first and the words; 0 with an answer, else an exit code. */
static int ask(const struct tool *t, const struct request *rq, struct answer *ret_answer)
{
	char why[160];

	switch (request_send(t->socket, rq, ret_answer, why, sizeof(why))) {
	case 0:
		return 0;
	case -JD_ELIMIT:
		fprintf(stderr, "jackdawctl: %s\n", why);
		return EXIT_USAGE;
	default:
		return unreachable(t, why);
	}
}

static int print_answer(const struct tool *t, const struct answer *a)
{
	FILE *out = a->code ? stderr : stdout;

	if (a->code && !t->json)
		fputs("jackdawctl: ", out);
	fwrite(a->text.p ? a->text.p : "", 1, a->text.len, out);
	if (a->text.len && a->text.p[a->text.len - 1] != '\n')
		fputc('\n', out);
	if (fflush(out) != 0 && a->code == 0) {
		fprintf(stderr, "jackdawctl: the answer cannot be written: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return a->code;
}

/* -- secrets -------------------------------------------------------------------------- */

static int read_secret(struct tool *t, const char *name)
{
	char *value;

	if (t->n_secrets == MAX_SECRETS)
		return EXIT_USAGE;
	value = secret_read(name);
	if (!value) {
		fprintf(stderr, "jackdawctl: no %s was given\n", name);
		return EXIT_USAGE;
	}
	t->secrets[t->n_secrets] = value;
	t->names[t->n_secrets] = mem_alloc(strlen(name) + 3);
	snprintf(t->names[t->n_secrets], strlen(name) + 3, "--%s", name);
	t->n_secrets++;
	return 0;
}

static int read_secrets(struct tool *t, char *names)
{
	char *save = NULL;
	int code = 0;

	for (char *name = strtok_r(names, "\n", &save); name && !code;
	     name = strtok_r(NULL, "\n", &save))
		code = read_secret(t, name);
	return code;
}

/* Asks the server whether the command lacks secrets, and the user for them. */
static int get_secrets(struct tool *t)
{
	struct request rq = t->words;
	struct answer a = {0};
	int code;

	rq.words[0] = "?secret";
	code = ask(t, &rq, &a);
	if (code)
		return code;
	if (a.code) {
		/* Said as the command itself would have said it. */
		code = t->json ? 0 : print_answer(t, &a);
	} else if (a.text.len) {
		code = read_secrets(t, a.text.p);
	}
	answer_free(&a);
	return code;
}

static void forget_secrets(struct tool *t)
{
	for (size_t i = 0; i < t->n_secrets; i++) {
		crypto_wipe(t->secrets[i], strlen(t->secrets[i]));
		mem_free(t->secrets[i]);
		mem_free(t->names[i]);
	}
}

/* Flags end at "--": secrets go in front of it. */
static bool put_secrets(const struct tool *t, struct request *rq)
{
	size_t at = 1;

	while (at < rq->n && strcmp(rq->words[at], "--") != 0)
		at++;
	for (size_t i = 0; i < t->n_secrets; i++, at += 2)
		if (!request_insert(rq, at, t->names[i]) ||
		    !request_insert(rq, at + 1, t->secrets[i]))
			return false;
	return true;
}

/* -- running ------------------------------------------------------------------------------ */

static int run(struct tool *t)
{
	struct request rq;
	struct answer a = {0};
	int code = get_secrets(t);

	if (code)
		return code;
	rq = t->words;
	rq.words[0] = t->json ? "json" : "text";
	if (!put_secrets(t, &rq)) {
		fputs("jackdawctl: there are too many arguments\n", stderr);
		return EXIT_USAGE;
	}
	code = ask(t, &rq, &a);
	if (!code)
		code = print_answer(t, &a);
	answer_free(&a);
	return code;
}

static bool set_words(struct tool *t, char **argv, int argc)
{
	bool fits = request_insert(&t->words, 0, "text");

	for (int i = 0; i < argc && fits; i++)
		fits = request_insert(&t->words, t->words.n, argv[i]);
	return fits;
}

static const char *default_socket(void)
{
	const char *path = getenv("JACKDAW_SOCKET");

	return path && *path ? path : JD_RUN_DIR "/jackdaw.sock";
}

int main(int argc, char **argv)
{
	struct tool t = {.socket = default_socket()};
	int c, code;

	/* "+": what stands behind the command is the command's. */
	while ((c = getopt_long(argc, argv, "+s:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			t.socket = optarg;
			break;
		case 'j':
			t.json = true;
			break;
		case 'v':
			puts("jackdawctl " JD_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("jackdawctl: --help lists the options\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	code = offline_run(argv + optind, argc - optind);
	if (code >= 0)
		return code;
	if (!set_words(&t, argv + optind, argc - optind)) {
		fputs("jackdawctl: there are too many arguments\n", stderr);
		return EXIT_USAGE;
	}
	code = run(&t);
	forget_secrets(&t);
	return code;
}
