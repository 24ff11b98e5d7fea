/* SPDX-License-Identifier: MIT
 *
 * jackdaw-bench: reads the command line, runs one scenario and prints one line of
 * JSON.  See jackdaw-bench(1).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "relay.h"
#include "run.h"

const struct run_scenario run_scenarios[] = {
	{"idle", "log in --clients and hold them: memory of each", scenario_idle},
	{"login", "log in --clients, --rounds times: CPU of each login", scenario_login},
	{"storm", "break all connections and come back at once", scenario_storm},
	{"chat", "--pairs talk, --window messages in flight each", scenario_chat},
	{"latency", "--rate messages a second: how long each takes", scenario_latency},
	{"befriend", "make --contacts + 1 accounts contacts of each other", scenario_befriend},
	{"page", "--clients read their archives, --pages in all", scenario_page},
	{"offline", "messages for --pairs that are not there, and their return", scenario_offline},
	{"room", "--clients join a room and talk", scenario_room},
	{"presence", "one changes its status, --contacts see it", scenario_presence},
	{NULL, NULL, NULL},
};

static const char *const transports[] = {
	[BENCH_TCP] = "tcp", [BENCH_TLS] = "tls", [BENCH_STARTTLS] = "starttls", [BENCH_WS] = "ws",
	[BENCH_WSS] = "wss", [BENCH_RAW] = "raw", [BENCH_RAW_TLS] = "raw-tls",   NULL,
};

static const char *const mechanisms[] = {
	[BENCH_PLAIN] = "PLAIN",
	[BENCH_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[BENCH_SCRAM_SHA_256] = "SCRAM-SHA-256",
	NULL,
};

static const char *const relays[] = {
	[RELAY_BYTES] = "bytes",
	[RELAY_XML] = "xml",
	[RELAY_FANOUT] = "fanout",
	NULL,
};

/* -- options ---------------------------------------------------------------------------- */

static struct run run = {
	.o = {.clients = 100,
	      .at_once = 50,
	      .pairs = 50,
	      .window = 1,
	      .messages = 10000,
	      .rate = 200,
	      .contacts = 50,
	      .rounds = 1,
	      .settle = 60,
	      .page = 50,
	      .pages = 400,
	      .user = "user",
	      .password = "bench",
	      .label = ""},
	.target = {.host = "localhost",
		   .address = "127.0.0.1",
		   .mechanism = BENCH_SCRAM_SHA_1,
		   .path = "/xmpp-websocket"},
};
static struct relay_options relay;

/* Either a number goes to `to`, or the letter says what to do. */
struct option_row {
	struct option getopt;
	unsigned *to, min, max;
	const char *arg, *help;
};

#define ARG(name, letter)                                                                          \
	{                                                                                          \
		name, required_argument, NULL, letter                                              \
	}
#define NUMBER(name, field, min, max, help)                                                        \
	{                                                                                          \
		ARG(name, '#'), &run.o.field, min, max, "N", help                                  \
	}

static const struct option_row rows[] = {
	{ARG("address", 'A'), NULL, 0, 0, "ADDRESS", "where the server listens (127.0.0.1)"},
	{ARG("port", 'P'), NULL, 0, 0, "PORT", "its port (by transport)"},
	{ARG("host", 'H'), NULL, 0, 0, "DOMAIN", "the domain of the accounts (localhost)"},
	{ARG("transport", 't'), NULL, 0, 0, "T", "tcp, starttls, tls, ws, wss, raw, raw-tls (tcp)"},
	{ARG("path", 'w'), NULL, 0, 0, "PATH", "of the WebSocket (/xmpp-websocket)"},
	{ARG("mechanism", 'm'), NULL, 0, 0, "M", "PLAIN, SCRAM-SHA-1, SCRAM-SHA-256 (SCRAM-SHA-1)"},
	{ARG("user", 'u'), NULL, 0, 0, "PREFIX", "accounts are PREFIX0, PREFIX1 ... (user)"},
	{ARG("password", 'p'), NULL, 0, 0, "TEXT", "%n stands for the account's number (bench)"},
	{ARG("rooms", 'R'), NULL, 0, 0, "DOMAIN", "where rooms are (conference.DOMAIN)"},
	{{"sm", no_argument, NULL, 's'}, NULL, 0, 0, "", "switch XEP-0198 on at login"},
	NUMBER("first", first, 0, 100000000, "number of the first account (0)"),
	{ARG("pid", 'i'), NULL, 0, 0, "PID", "a process of the server; several times if need be"},
	{ARG("db-pid", 'd'), NULL, 0, 0, "PID", "a process of its database; likewise"},
	{ARG("label", 'l'), NULL, 0, 0, "TEXT", "for the line of JSON"},
	{{"roster", no_argument, NULL, 'r'}, NULL, 0, 0, "", "ask for the roster at login"},
	NUMBER("clients", clients, 1, 1000000,
	       "clients of idle, login, storm, page and room (100)"),
	NUMBER("at-once", at_once, 1, 1000000, "logins under way at a time (50)"),
	NUMBER("pairs", pairs, 1, 100000, "pairs of chat, latency and offline (50)"),
	NUMBER("window", window, 1, 1000, "messages in flight of each pair (1)"),
	NUMBER("messages", messages, 1, 100000000, "to be sent in all (10000)"),
	NUMBER("warm", warm, 0, 100000000, "messages of chat before the measured ones (0)"),
	NUMBER("rate", rate, 1, 100000, "messages a second of latency (200)"),
	NUMBER("contacts", contacts, 1, 1000, "of befriend and presence (50)"),
	NUMBER("rounds", rounds, 1, 10000, "of login and storm (1)"),
	NUMBER("settle", settle, 1, 3600, "seconds for memory to stand still (60)"),
	NUMBER("step", step, 0, 1000000, "of idle: so many are looked at first (0)"),
	NUMBER("page", page, 1, 1000, "messages of a page (50)"),
	NUMBER("pages", pages, 1, 1000000, "of page, in all (400)"),
	NUMBER("idle", idle, 0, 1000000, "sessions besides that only look on (0)"),
};

static const struct option_row relay_rows[] = {
	{ARG("cert", 'c'), NULL, 0, 0, "FILE", "the certificate; then it speaks TLS"},
	{ARG("key", 'k'), NULL, 0, 0, "FILE", "its key"},
	{ARG("group", '#'), &relay.group, 2, 1000, "N", "connections of a fanout (51)"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void usage_rows(FILE *f, const struct option_row *row, size_t n)
{
	for (; n--; row++) {
		char text[40];

		snprintf(text, sizeof(text), "--%s %s", row->getopt.name, row->arg);
		fprintf(f, "  %-20s %s\n", text, row->help);
	}
}

static _Noreturn void usage(FILE *f)
{
	fputs("usage: jackdaw-bench SCENARIO [OPTIONS]\n"
	      "       jackdaw-bench relay bytes|xml|fanout [OPTIONS]\n\nScenarios:\n",
	      f);
	for (const struct run_scenario *s = run_scenarios; s->name; s++)
		fprintf(f, "  %-20s %s\n", s->name, s->help);
	fputs("\nOptions:\n", f);
	usage_rows(f, rows, ROWS);
	fputs("\nOptions of relay, the floor to measure a server against (--transport raw):\n", f);
	usage_rows(f, relay_rows, sizeof(relay_rows) / sizeof(relay_rows[0]));
	exit(f == stdout ? 0 : 2);
}

static unsigned number(const char *name, const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || n < min || n > max)
		bench_fail("--%s: %s is not a number from %u to %u", name, text, min, max);
	return (unsigned)n;
}

static int one_of(const char *const *names, const char *text)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	fprintf(stderr, "jackdaw-bench: %s is not known\n", text);
	usage(stderr);
}

static void option(int letter, const char *arg)
{
	switch (letter) {
	case 'A':
		run.target.address = arg;
		break;
	case 'P':
		run.target.port = (int)number("port", arg, 1, 65535);
		break;
	case 'H':
		run.target.host = arg;
		break;
	case 't':
		run.target.transport = (enum bench_transport)one_of(transports, arg);
		break;
	case 'w':
		run.target.path = arg;
		break;
	case 'm':
		run.target.mechanism = (enum bench_mechanism)one_of(mechanisms, arg);
		break;
	case 'u':
		run.o.user = arg;
		break;
	case 'p':
		run.o.password = arg;
		break;
	case 'i':
		meter_add(&run.meter.server, arg);
		break;
	case 'd':
		meter_add(&run.meter.db, arg);
		break;
	case 'l':
		run.o.label = arg;
		break;
	case 'r':
		run.target.roster = true;
		break;
	case 's':
		run.target.sm = true;
		break;
	case 'R':
		run.o.rooms = arg;
		break;
	case 'c':
		relay.certificate = arg;
		break;
	case 'k':
		relay.key = arg;
		break;
	case 'h':
		usage(stdout);
	default:
		usage(stderr);
	}
}

static void options_read(int argc, char **argv, const struct option_row *row, size_t n)
{
	struct option longopts[ROWS + 2] = {{"help", no_argument, NULL, 'h'}};
	int c, at;

	for (size_t i = 0; i < n; i++)
		longopts[i + 1] = row[i].getopt;
	while ((c = getopt_long(argc, argv, "h", longopts, &at)) != -1) {
		const struct option_row *it = &row[at - 1];

		if (c == '#')
			*it->to = number(it->getopt.name, optarg, it->min, it->max);
		else
			option(c, optarg);
	}
	if (optind != argc)
		usage(stderr);
}

/* -- the floor ------------------------------------------------------------------------------ */

static _Noreturn void relay_main(int argc, char **argv)
{
	int port, fd;

	if (argc < 2)
		usage(stderr);
	relay.kind = (enum relay_kind)one_of(relays, argv[1]);
	relay.group = 51;
	options_read(argc - 1, argv + 1, relay_rows, sizeof(relay_rows) / sizeof(relay_rows[0]));
	if (!relay.certificate != !relay.key)
		bench_fail("--cert and --key go together");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	fd = relay_listen(&port);
	printf("{\"port\": %d}\n", port);
	fflush(stdout);
	relay_serve(fd, &relay);
}

/* -- a scenario ------------------------------------------------------------------------------- */

static void resolve(void)
{
	static const int ports[] = {
		[BENCH_TCP] = 5222, [BENCH_TLS] = 5223, [BENCH_STARTTLS] = 5222,
		[BENCH_WS] = 5280,  [BENCH_WSS] = 5281, [BENCH_RAW_TLS] = 0,
	};
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	static char text[INET_ADDRSTRLEN];
	struct addrinfo *found;
	int r = getaddrinfo(run.target.address, NULL, &hints, &found);

	if (r != 0)
		bench_fail("%s: %s", run.target.address, gai_strerror(r));
	inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof(text));
	freeaddrinfo(found);
	run.target.address = text;
	if (!run.target.port && !(run.target.port = ports[run.target.transport]))
		bench_fail("--port is needed");
}

static void raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void line_begin(const struct run_scenario *s)
{
	run_line_begin(s->name);
	run_text("label", run.o.label);
	run_text("transport", transports[run.target.transport]);
	if (run.target.transport != BENCH_RAW && run.target.transport != BENCH_RAW_TLS)
		run_text("mechanism", mechanisms[run.target.mechanism]);
	run_number("time", (double)time(NULL));
}

static void line_end(void)
{
	if (run.meter.server.n)
		run_number("pss_kib", meter_pss(&run.meter.server));
	if (run.meter.db.n)
		run_number("db_pss_kib", meter_pss(&run.meter.db));
	if (run.meter.server.n)
		run_number("cpu_ms", run.cpu_ns / 1e6);
	if (run.meter.db.n)
		run_number("db_cpu_ms", run.db_cpu_ns / 1e6);
	run_number("bytes_in", (double)run.loop.bytes_in);
	run_number("bytes_out", (double)run.loop.bytes_out);
	if (run.broken)
		run_text("broken", run.why);
	run_line_end();
}

int main(int argc, char **argv)
{
	const struct run_scenario *s = run_scenarios;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		usage(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		usage(stdout);
	if (strcmp(argv[1], "--version") == 0)
		return puts("jackdaw-bench " JD_VERSION) < 0;
	if (strcmp(argv[1], "relay") == 0)
		relay_main(argc - 1, argv + 1);
	while (s->name && strcmp(s->name, argv[1]) != 0)
		s++;
	if (!s->name) {
		fprintf(stderr, "jackdaw-bench: %s is not known\n", argv[1]);
		usage(stderr);
	}
	options_read(argc - 1, argv + 1, rows, ROWS);
	resolve();
	raise_files();
	bench_loop_init(&run.loop);
	line_begin(s);
	s->go(&run);
	line_end();
	if (run.broken)
		fprintf(stderr, "jackdaw-bench: %s\n", run.why);
	return run.broken;
}
