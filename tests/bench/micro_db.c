/* SPDX-License-Identifier: MIT
 *
 * What the database interface costs beside the direct use of the same library: CPU
 * time per unit, in one process and one run, turn by turn, the median of the rounds.
 *
 *   read    a row by its key, 64 asked for at a time
 *   write   a row, committed and durable before the next one
 *   batch   128 rows that arrive together; directly: one transaction of 128
 *
 * doc/cost.md tells how to run and to read it.
 */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "db/db.h"
#include "micro_db.h"
#include "util/clock.h"

#define READS_AT_ONCE 64
#define BATCH         128
#define ROUNDS_MAX    15
#define ROWS          20000

static struct {
	unsigned rounds, scale;
	uint64_t postmaster;
	const char *conninfo;
	const char *module_dir;
	FILE *json;
} options = {.rounds = 5, .scale = 100};

/* -- the interface -------------------------------------------------------------------- */

static struct jd_stmt put = {
	.name = "bench.put",
	.lane = JD_LANE_WRITE,
	.sql = BENCH_PUT,
};

static struct jd_stmt get = {
	.name = "bench.get",
	.lane = JD_LANE_READ,
	.sql = BENCH_GET,
};

static const struct jd_migration table[] = {
	{1, BENCH_TABLE_SQLITE, BENCH_TABLE_PGSQL},
};

static struct {
	struct loop *loop;
	struct db *db;
	struct jd_owner owner;
	uint64_t asked, wanted, flying, next;
	unsigned window;
	bool write, together; /* together: the next ones come when all have been answered */
	int64_t sum;          /* of what was read, so that nobody can leave it out */
} self;

_Noreturn static void give_up(const char *what)
{
	(void)fprintf(stderr, "micro_db: %s\n", what);
	exit(1);
}

static struct jd_params row_params(struct jd_param p[4], int64_t n)
{
	p[0] = jd_int(n % 1000);
	p[1] = jd_int(n);
	p[2] = jd_text(jd_cstr("juliet@capulet.example"));
	p[3] = jd_blob((struct jd_str){bench_body, BENCH_BODY});
	return (struct jd_params){p, 4};
}

static void on_unit(void *arg, enum jd_db_status status, const struct jd_rows *rows);

static void submit(bool write)
{
	struct jd_param p[4];
	int64_t n = (int64_t)self.next++;
	int r;

	if (write)
		r = jd_db_query(&self.owner, &put, row_params(p, n), on_unit, NULL);
	else
		r = jd_db_query(&self.owner, &get,
				JD_PARAMS(jd_int(n % ROWS % 1000), jd_int(n % ROWS)), on_unit,
				NULL);
	if (r < 0)
		give_up("a unit was refused");
	self.flying++;
}

static void submit_more(void)
{
	if (self.together && self.flying)
		return;
	for (; self.asked < self.wanted && self.flying < self.window; self.asked++)
		submit(self.write);
}

static void on_unit(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)arg;
	if (status != JD_DB_OK)
		give_up("a unit failed");
	if (jd_rows_count(rows))
		self.sum += (int64_t)jd_row_str(rows, 0, 1).len + jd_row_int(rows, 0, 0);
	self.flying--;
	submit_more();
	if (!self.flying)
		loop_stop(self.loop);
}

static void run_units(bool write, uint64_t n, unsigned window, bool together)
{
	self.write = write;
	self.together = together;
	self.window = window;
	self.wanted = n;
	self.asked = 0;
	submit_more();
	loop_run(self.loop);
}

static void interface_run(enum bench_what what, uint64_t n)
{
	switch (what) {
	case BENCH_READ:
		run_units(false, n, READS_AT_ONCE, false);
		break;
	case BENCH_WRITE:
		run_units(true, n, 1, true);
		break;
	case BENCH_BATCH:
		run_units(true, n, BATCH, true);
		break;
	}
}

static void interface_open(const struct db_settings *settings)
{
	struct db_error error;

	self.loop = loop_new("bench");
	owner_init(&self.owner);
	if (db_open(settings, self.loop, &self.db, &error) < 0 ||
	    db_migrate(self.db, "bench", table, 1, &error) < 0)
		give_up(error.text);
	db_use(self.db);
}

static void interface_close(void)
{
	db_close(self.db);
	loop_free(self.loop);
	if (self.sum == 42) /* never: but the compiler doesn't know */
		puts("");
}

/* -- measuring --------------------------------------------------------------------------- */

static double cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* A number of /proc/PID/FILE: the one behind `skip` spaces of what follows the last `)`. */
static uint64_t proc_number(const char *pid, const char *file, unsigned skip)
{
	char path[64], text[1024];
	const char *at;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/%s", pid, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	at = at ? at + 1 : text;
	while (skip-- && at)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

/* PostgreSQL's processes; 0 when there is none. */
static double server_cpu_us(void)
{
	const struct dirent *e;
	uint64_t ns = 0;
	DIR *dir;

	if (!options.postmaster || !(dir = opendir("/proc")))
		return 0;
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
		    proc_number(e->d_name, "stat", 1) == options.postmaster)
			ns += proc_number(e->d_name, "schedstat", 0);
	(void)closedir(dir);
	return (double)ns / 1000;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_size);
	return values[n / 2];
}

struct figure {
	double cpu[ROUNDS_MAX], all[ROUNDS_MAX], rate[ROUNDS_MAX]; /* all: PostgreSQL's too */
};

static void measure(struct figure *f, unsigned round, void (*run)(enum bench_what, uint64_t),
		    enum bench_what what, uint64_t n)
{
	double cpu = cpu_us(), server = server_cpu_us();
	jd_usec since = clock_mono();

	run(what, n);
	f->cpu[round] = (cpu_us() - cpu) / (double)n;
	f->all[round] = f->cpu[round] + (server_cpu_us() - server) / (double)n;
	f->rate[round] = (double)n * 1e6 / (double)(clock_mono() - since);
}

static void report(const char *driver, const char *what, struct figure *ours, struct figure *direct)
{
	double a = median(ours->cpu, options.rounds), b = median(direct->cpu, options.rounds);
	double all = median(ours->all, options.rounds), ball = median(direct->all, options.rounds);
	double ra = median(ours->rate, options.rounds), rb = median(direct->rate, options.rounds);

	(void)printf("%-7s %-6s %8.2f %8.2f us %8.0f/s   %8.2f %8.2f us %8.0f/s   %5.2f %5.2f x\n",
		     driver, what, a, all, ra, b, ball, rb, a / b, all / ball);
	if (options.json)
		(void)fprintf(
			options.json,
			"{\"figure\":\"db\",\"driver\":\"%s\",\"load\":\"%s\",\"cpu_us\":%.3f,"
			"\"with_server_us\":%.3f,\"per_second\":%.0f,\"direct_cpu_us\":%.3f,"
			"\"direct_with_server_us\":%.3f,\"direct_per_second\":%.0f,"
			"\"ratio\":%.3f,\"ratio_with_server\":%.3f}\n",
			driver, what, a, all, ra, b, ball, rb, a / b, all / ball);
}

static const struct {
	const char *name;
	uint64_t n;
} loads[] = {[BENCH_READ] = {"read", 100000},
	     [BENCH_WRITE] = {"write", 1000},
	     [BENCH_BATCH] = {"batch", 64 * BATCH}};

static void compare(const char *driver, const struct db_settings *settings,
		    const struct bench_direct *direct, const char *where)
{
	interface_open(settings);
	interface_run(BENCH_BATCH, ROWS / BATCH * BATCH + BATCH);
	direct->open(where);
	direct->run(BENCH_BATCH, ROWS / BATCH * BATCH + BATCH);
	for (int what = BENCH_READ; what <= BENCH_BATCH; what++) {
		static struct figure ours, theirs;
		uint64_t n = loads[what].n * options.scale / 100 / BATCH * BATCH;

		for (unsigned i = 0; i < options.rounds; i++) {
			measure(&ours, i, interface_run, (enum bench_what)what, n);
			measure(&theirs, i, direct->run, (enum bench_what)what, n);
		}
		report(driver, loads[what].name, &ours, &theirs);
	}
	direct->close();
	interface_close();
}

/* -- the two databases ---------------------------------------------------------------------- */

static void compare_sqlite(const char *folder)
{
	char ours[256], theirs[256];
	struct db_settings settings = {.driver = "sqlite", .path = ours};

	(void)snprintf(ours, sizeof(ours), "%s/ours.db", folder);
	(void)snprintf(theirs, sizeof(theirs), "%s/direct.db", folder);
	compare("sqlite", &settings, &bench_direct_sqlite, theirs);
}

static void usage(void)
{
	(void)puts("usage: micro_db [--rounds N] [--scale PERCENT] [--json FILE] "
		   "[--pgsql CONNINFO --modules DIR --postmaster PID]");
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"rounds", required_argument, NULL, 'r'},
		{"scale", required_argument, NULL, 's'},
		{"json", required_argument, NULL, 'j'},
		{"pgsql", required_argument, NULL, 'p'},
		{"modules", required_argument, NULL, 'm'},
		{"postmaster", required_argument, NULL, 'P'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			options.rounds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			options.scale = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'j':
			options.json = fopen(optarg, "ae");
			break;
		case 'p':
			options.conninfo = optarg;
			break;
		case 'P':
			options.postmaster = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			options.module_dir = optarg;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (!options.rounds || options.rounds > ROUNDS_MAX || options.scale < 10) {
		usage();
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/jackdaw-bench.XXXXXX";
	char path[300];

	parse(argc, argv);
	role_take(ROLE_LOGIC);
	memset(bench_body, 'x', sizeof(bench_body));
	if (!mkdtemp(folder))
		give_up("there is no folder for databases");
	(void)printf("%-14s %-33s %-33s %s\n", "", "interface: CPU, with server, rate",
		     "direct: the same", "ratios");
	compare_sqlite(folder);
	if (options.conninfo)
		bench_pgsql(options.conninfo, options.module_dir, compare);
	for (const char *const *name = (const char *const[]){"ours.db", "direct.db", NULL}; *name;
	     name++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, *name);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/ours.db.lock", folder);
	(void)unlink(path);
	if (rmdir(folder))
		(void)fprintf(stderr, "micro_db: %s is left over\n", folder);
	if (options.json)
		(void)fclose(options.json);
	return 0;
}
