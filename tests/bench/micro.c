/* SPDX-License-Identifier: MIT
 *
 * The micro benchmark: what a forwarded message costs a Jackdaw, in system calls,
 * allocations and CPU time, beside two relays that do the least possible; and what
 * an idle session holds.  doc/cost.md explains how to run and to read it.
 *
 * CPU time and calls are taken in different runs, since counting costs time.  CPU
 * figures are the median of several rounds.  Each figure is a line of JSON in the
 * file of --json, and all of them a table on standard output.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "chat.h"
#include "proc.h"
#include "relay.h"
#include "server.h"

#define LOGINS_AT_ONCE 50
#define ROUNDS_MAX     15
#define SETTLE_SECONDS 60
#define LOADS          ((unsigned)(sizeof(loads) / sizeof(loads[0])))

struct load {
	const char *name;
	unsigned pairs, window;
	uint64_t messages;
};

static const struct load loads[] = {
	{"1 pair, W=1", 1, 1, 20000},
	{"50 pairs, W=1", 50, 1, 100000},
	{"50 pairs, W=20", 50, 20, 200000},
};

#define PAIRS_MAX 50

static struct {
	const char *jackdaw, *ctl, *count_lib;
	unsigned sessions, rounds, scale;
	bool cpu, calls, memory;
	FILE *json;
} options = {
	.sessions = 2000, .rounds = 3, .scale = 100, .cpu = true, .calls = true, .memory = true};

static struct bench_folder folder;

static void json(const char *what, const char *load, const char *subject, double value,
		 const char *unit)
{
	if (options.json)
		fprintf(options.json,
			"{\"figure\":\"%s\",\"load\":\"%s\",\"of\":\"%s\",\"value\":%.4f,"
			"\"unit\":\"%s\"}\n",
			what, load, subject, value, unit);
}

/* -- one chat against one process ------------------------------------------------------- */

struct run {
	struct chat_tally tally;
	struct proc_figures proc;
	uint64_t calls[COUNT_THREADS][COUNT_KINDS];
};

static void read_counts(struct count_file *file, uint64_t calls[COUNT_THREADS][COUNT_KINDS])
{
	for (unsigned i = 0; i < COUNT_THREADS; i++)
		for (unsigned k = 0; k < COUNT_KINDS; k++)
			calls[i][k] = atomic_load(&file->slots[i].n[k]);
}

static void must_be_whole(const struct load *load, const char *subject,
			  const struct bench_loop *loop, const struct chat_tally *t)
{
	if (!t->lost && !t->duplicate && !t->out_of_order && !t->strange && !loop->failed)
		return;
	printf("%s, %s: sent %llu, received %llu, lost %llu, duplicate %llu, out of order %llu, "
	       "other stanzas %llu; %s\n",
	       subject, load->name, (unsigned long long)t->sent, (unsigned long long)t->received,
	       (unsigned long long)t->lost, (unsigned long long)t->duplicate,
	       (unsigned long long)t->out_of_order, (unsigned long long)t->strange,
	       loop->failed ? loop->trouble : "no connection failed");
	bench_fail("this is no run to take figures from");
}

static void run_load(const struct load *load, const char *subject, struct bench_client *clients,
		     pid_t pid, struct count_file *count, struct run *ret_run)
{
	static struct proc_figures before;
	static uint64_t calls[COUNT_THREADS][COUNT_KINDS];
	struct bench_loop *loop = clients[0].loop;
	struct chat *chat = chat_new(clients, load->pairs);
	uint64_t n = load->messages * options.scale / 100;

	/* Caches fill, slabs grow, the processor wakes up. */
	chat_run(chat, load->window, n / 10 + 1000, &ret_run->tally);
	must_be_whole(load, subject, loop, &ret_run->tally);
	proc_read(pid, &before);
	if (count)
		read_counts(count, calls);
	chat_run(chat, load->window, n, &ret_run->tally);
	if (count)
		read_counts(count, ret_run->calls);
	proc_read(pid, &ret_run->proc);
	must_be_whole(load, subject, loop, &ret_run->tally);
	proc_minus(&ret_run->proc, &before);
	for (unsigned i = 0; count && i < COUNT_THREADS; i++)
		for (unsigned k = 0; k < COUNT_KINDS; k++)
			ret_run->calls[i][k] -= calls[i][k];
	chat_free(chat);
}

/* -- clients --------------------------------------------------------------------------------- */

static struct bench_client *clients_new(struct bench_loop *loop, const struct bench_target *target,
					unsigned n)
{
	struct bench_client *clients = calloc(n, sizeof(*clients));
	char user[16];

	if (!clients)
		bench_fail("out of memory");
	for (unsigned i = 0; i < n; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		bench_client_init(&clients[i], loop, target, user, BENCH_PASSWORD);
	}
	/* Relays pair connections in the order of their coming. */
	if (!bench_login_all(loop, clients, n, target->transport == BENCH_RAW ? 1 : LOGINS_AT_ONCE))
		bench_fail("%s", loop->trouble);
	return clients;
}

static void clients_free(struct bench_client *clients, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		bench_close(&clients[i]);
	free(clients);
}

/* -- CPU -----------------------------------------------------------------------------------------
 */

static double floors[LOADS]; /* relay + expat + write, us a message */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_threads(const struct run *r)
{
	for (unsigned i = 0; i < r->proc.n; i++) {
		double us = (double)r->proc.threads[i].cpu / 1e3 / (double)r->tally.sent;

		if (us >= 0.01)
			printf(" %s %.2f", r->proc.threads[i].name, us);
	}
}

static void cpu_of(const char *subject, struct bench_client *clients, pid_t pid)
{
	static struct run run;
	double us[ROUNDS_MAX];

	for (unsigned l = 0; l < LOADS; l++) {
		for (unsigned i = 0; i < options.rounds; i++) {
			run_load(&loads[l], subject, clients, pid, NULL, &run);
			us[i] = (double)proc_cpu(&run.proc) / 1e3 / (double)run.tally.sent;
		}
		qsort(us, options.rounds, sizeof(us[0]), by_value);
		if (strcmp(subject, "relay+expat+write") == 0)
			floors[l] = us[options.rounds / 2];
		printf("  %-15s %-18s %6.2f us", loads[l].name, subject, us[options.rounds / 2]);
		if (floors[l] > 0)
			printf("  %5.2f x", us[options.rounds / 2] / floors[l]);
		else
			printf("         ");
		printf("  %8.0f msg/s  sleeps %.2f  ", (double)run.tally.sent / run.tally.seconds,
		       (double)proc_switches(&run.proc) / (double)run.tally.sent);
		print_threads(&run);
		printf("\n");
		fflush(stdout);
		json("cpu", loads[l].name, subject, us[options.rounds / 2], "us/message");
		if (floors[l] > 0)
			json("cpu_ratio", loads[l].name, subject,
			     us[options.rounds / 2] / floors[l], "x relay+expat+write");
		json("sleeps", loads[l].name, subject,
		     (double)proc_switches(&run.proc) / (double)run.tally.sent, "per message");
	}
}

static void cpu_of_relay(enum relay_kind kind, const char *subject)
{
	struct bench_target target = {
		.host = BENCH_HOST, .address = "127.0.0.1", .transport = BENCH_RAW};
	pid_t pid = relay_start(kind, &target.port);
	struct bench_loop loop;
	struct bench_client *clients;

	bench_loop_init(&loop);
	clients = clients_new(&loop, &target, 2 * PAIRS_MAX);
	cpu_of(subject, clients, pid);
	clients_free(clients, 2 * PAIRS_MAX);
	waitpid(pid, NULL, 0);
	bench_loop_fini(&loop);
}

/* -- calls
 * ------------------------------------------------------------------------------------------ */

static const char *const call_names[] = {
#define COUNT_NAME(id, name) [id] = (name),
	COUNT_LIST(COUNT_NAME)};

static const char *thread_name(const struct run *r, int tid)
{
	for (unsigned i = 0; i < r->proc.n; i++)
		if (r->proc.threads[i].tid == tid)
			return r->proc.threads[i].name;
	return "?";
}

static void print_calls(const struct run *r, const char *who, const char *load,
			const uint64_t calls[COUNT_KINDS], bool total)
{
	double n = (double)r->tally.sent;
	uint64_t kernel = 0, heap = 0;

	for (unsigned k = 0; k < COUNT_KINDS; k++)
		*(k < COUNT_FIRST_ALLOC ? &kernel : &heap) += calls[k];
	if (!total && (double)(kernel + heap) < 0.005 * n)
		return;
	printf("    %-10s kernel %6.3f:", who, (double)kernel / n);
	for (unsigned k = 0; k < COUNT_KINDS; k++) {
		if (k == COUNT_FIRST_ALLOC)
			printf("  heap %.3f:", (double)heap / n);
		if (calls[k] && (double)calls[k] >= 0.0005 * n)
			printf(" %s %.3f", call_names[k], (double)calls[k] / n);
		if (calls[k] && total)
			json(call_names[k], load, who, (double)calls[k] / n, "per message");
	}
	printf("\n");
}

/* A figure of 0 must not come from a library that counts nothing: logins need all of these. */
static void must_count(struct count_file *file)
{
	static uint64_t calls[COUNT_THREADS][COUNT_KINDS];
	uint64_t mallocs = 0, reads = 0, polls = 0;

	read_counts(file, calls);
	for (unsigned i = 0; i < COUNT_THREADS; i++) {
		mallocs += calls[i][COUNT_MALLOC] + calls[i][COUNT_CALLOC];
		reads += calls[i][COUNT_RECV] + calls[i][COUNT_READ];
		polls += calls[i][COUNT_EPOLL_CTL];
	}
	if (!mallocs || !reads || !polls)
		bench_fail("nothing was counted: is the server built with a sanitizer?");
}

static void calls_of(const char *subject, struct bench_client *clients, struct bench_server *s)
{
	static struct run run;

	must_count(s->count);
	for (unsigned l = 0; l < LOADS; l++) {
		uint64_t sum[COUNT_KINDS] = {0};

		run_load(&loads[l], subject, clients, s->pid, s->count, &run);
		printf("  %s, %s: per message\n", subject, loads[l].name);
		for (unsigned i = 0; i < COUNT_THREADS; i++) {
			int tid = atomic_load(&s->count->slots[i].tid);

			for (unsigned k = 0; k < COUNT_KINDS; k++)
				sum[k] += run.calls[i][k];
			if (tid)
				print_calls(&run, thread_name(&run, tid), loads[l].name,
					    run.calls[i], false);
		}
		print_calls(&run, subject, loads[l].name, sum, true);
		fflush(stdout);
	}
}

static void chat_with_server(unsigned io_threads, bool counted)
{
	struct bench_target target = {
		.host = BENCH_HOST, .address = "127.0.0.1", .transport = BENCH_TCP};
	struct bench_server server;
	struct bench_loop loop;
	struct bench_client *clients;
	char subject[32];

	snprintf(subject, sizeof(subject), "io_threads=%u", io_threads);
	server_start(&server, &folder, io_threads, "30s", counted);
	server_users(&server, 2 * PAIRS_MAX);
	target.port = server.port;
	bench_loop_init(&loop);
	clients = clients_new(&loop, &target, 2 * PAIRS_MAX);
	if (counted)
		calls_of(subject, clients, &server);
	else
		cpu_of(subject, clients, server.pid);
	clients_free(clients, 2 * PAIRS_MAX);
	bench_loop_fini(&loop);
	server_stop(&server);
}

/* -- memory
 * ------------------------------------------------------------------------------------------- */

static void memory_of(enum bench_transport transport, const char *name, double goal)
{
	struct bench_target target = {
		.host = BENCH_HOST, .address = "127.0.0.1", .transport = transport};
	struct bench_server server;
	struct bench_loop loop;
	struct bench_client *clients;
	uint64_t empty, full;
	unsigned n = options.sessions;
	char load[32];

	server_start(&server, &folder, 1, "1s", false);
	server_users(&server, n);
	/* Making accounts leaves traces: measure a server that has just started. */
	server_stop(&server);
	server_start(&server, &folder, 1, "1s", false);
	empty = proc_pss_settled(server.pid, SETTLE_SECONDS);
	target.port = transport == BENCH_TLS ? server.tls_port : server.port;
	bench_loop_init(&loop);
	clients = clients_new(&loop, &target, n);
	full = proc_pss_settled(server.pid, SETTLE_SECONDS);
	printf("  %-4s %6u sessions: empty %.1f MiB, with them %.1f MiB: %.2f KiB a session "
	       "(goal %.0f)\n",
	       name, n, (double)empty / 1024, (double)full / 1024, (double)(full - empty) / n,
	       goal);
	fflush(stdout);
	snprintf(load, sizeof(load), "%u sessions", n);
	json("pss_session", load, name, (double)(full - empty) / n, "KiB");
	json("pss_empty", "0 sessions", name, (double)empty / 1024, "MiB");
	clients_free(clients, n);
	bench_loop_fini(&loop);
	server_stop(&server);
}

/* -- main
 * ------------------------------------------------------------------------------------------------
 */

static const char usage[] =
	"usage: micro [OPTIONS] JACKDAW JACKDAWCTL LIBCOUNT\n"
	"\n"
	"  --only WHAT      cpu, calls or memory\n"
	"  --rounds N       rounds of each CPU figure; the median counts (default 3)\n"
	"  --scale PERCENT  of the usual number of messages (default 100)\n"
	"  --sessions N     idle sessions for the memory figures (default 2000)\n"
	"  --json FILE      one line for each figure\n";

static const struct option longopts[] = {
	{"only", required_argument, NULL, 'o'},
	{"rounds", required_argument, NULL, 'r'},
	{"scale", required_argument, NULL, 's'},
	{"sessions", required_argument, NULL, 'n'},
	{"json", required_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n < 1 || n > max)
		bench_fail("%s is not a number from 1 to %u", text, max);
	return (unsigned)n;
}

static void only(const char *what)
{
	options.cpu = strcmp(what, "cpu") == 0;
	options.calls = strcmp(what, "calls") == 0;
	options.memory = strcmp(what, "memory") == 0;
	if (!options.cpu && !options.calls && !options.memory)
		bench_fail("--only cpu, calls or memory");
}

static void arguments(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		if (c == 'o')
			only(optarg);
		else if (c == 'r')
			options.rounds = number(optarg, ROUNDS_MAX);
		else if (c == 's')
			options.scale = number(optarg, 10000);
		else if (c == 'n')
			options.sessions = number(optarg, 100000);
		else if (c == 'j' && !(options.json = fopen(optarg, "we")))
			bench_fail("%s: %s", optarg, strerror(errno));
		else if (c != 'j')
			exit(fputs(usage, c == 'h' ? stdout : stderr) < 0 || c != 'h');
	}
	if (argc - optind != 3)
		exit(fputs(usage, stderr) < 0 || true);
	options.jackdaw = realpath(argv[optind], NULL);
	options.ctl = realpath(argv[optind + 1], NULL);
	options.count_lib = realpath(argv[optind + 2], NULL);
	if (!options.jackdaw || !options.ctl || !options.count_lib)
		bench_fail("the server, jackdawctl or libcount.so is not there");
}

static void raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	arguments(argc, argv);
	raise_files();
	signal(SIGPIPE, SIG_IGN);
	folder_make(&folder, options.jackdaw, options.ctl, options.count_lib);
	if (options.cpu) {
		printf("CPU time of the server per message; x: ratio to relay+expat+write\n");
		cpu_of_relay(RELAY_XML, "relay+expat+write");
		cpu_of_relay(RELAY_BYTES, "relay");
		for (unsigned io = 0; io <= 2; io++)
			chat_with_server(io, false);
	}
	if (options.calls) {
		printf("Calls of the server per message\n");
		for (unsigned io = 0; io <= 2; io++)
			chat_with_server(io, true);
	}
	if (options.memory) {
		printf("Memory (PSS) of idle, parked sessions, io_threads=1\n");
		memory_of(BENCH_TCP, "TCP", 3);
		memory_of(BENCH_TLS, "TLS", 18);
	}
	folder_remove(&folder);
	if (options.json)
		fclose(options.json);
	return 0;
}
