/* SPDX-License-Identifier: MIT
 *
 * The server's beginning and end: arguments, the stages of core/start.c, and the
 * exit code: 0 for a stop that was asked for, 1 for a failure, 2 for wrong
 * arguments.
 */
#include <getopt.h>
#include <stdio.h>

#include "core/start.h"

static const char usage[] =
	"usage: jackdaw [-c FILE] [--check]\n"
	"       jackdaw [-c FILE] --copy-database FILE\n"
	"\n"
	"An XMPP server. It runs in the foreground and writes its log to standard error;\n"
	"SIGTERM stops it, SIGHUP makes it read certificates and log settings again.\n"
	"\n"
	"  -c, --config FILE   the configuration (default: " JD_CONF_DIR "/jackdaw.conf)\n"
	"      --check         say what is wrong with the configuration, and start nothing\n"
	"      --copy-database FILE\n"
	"                      copy all data into the empty database of another configuration,\n"
	"                      and start nothing\n"
	"      --version       the version\n"
	"      --help          this text\n";

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, 'k'},
	{"copy-database", required_argument, NULL, 'd'},
	{"version", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int serve(const char *file)
{
	if (server_start(file) < 0)
		return 1;
	server_run();
	server_stop();
	return 0;
}

static int check(const char *file)
{
	if (server_check(file) < 0)
		return 1;
	printf("%s: no mistakes\n", file);
	return 0;
}

int main(int argc, char **argv)
{
	const char *file = JD_CONF_DIR "/jackdaw.conf";
	const char *copy_to = NULL;
	bool only_check = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'd':
			copy_to = optarg;
			break;
		case 'v':
			puts("jackdaw " JD_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("jackdaw: --help lists the options\n", stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "jackdaw: what is '%s'? --help lists the options\n", argv[optind]);
		return 2;
	}
	if (copy_to)
		return server_copy_database(file, copy_to) < 0;
	return only_check ? check(file) : serve(file);
}
