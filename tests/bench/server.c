/* SPDX-License-Identifier: MIT
 *
 * Starting and stopping the server under test.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"

#define READY_TIMEOUT 20000 /* milliseconds */
#define ADD_AT_ONCE   4

static const char conf[] = "run_dir = \"%s\"\n"
			   "io_threads = %u\n"
			   "log { level = \"warning\" }\n"
			   "host \"" BENCH_HOST "\" {\n"
			   "\tcertificate = \"cert.pem\"\n"
			   "\tkey = \"key.pem\"\n"
			   "}\n"
			   "listen \"c2s\" { address = \"127.0.0.1\" port = 0 }\n"
			   "listen \"c2s-tls\" { address = \"127.0.0.1\" port = 0 }\n"
			   "database { driver = \"sqlite\" path = \"bench.db\" }\n"
			   "control { socket = \"jackdaw.sock\" }\n"
			   "auth { allow_plaintext = true scram_iterations = 4096 }\n"
			   "limits { park_after = \"%s\"\n"
			   "stanzas_per_second = 0\n"
			   "bytes_per_second = 0 }\n";

/* -- other programs ---------------------------------------------------------------------- */

/* In the child: `in` and `out` become its standard input and output; -1 is /dev/null. */
static void child_run(int in, int out, const char *const *argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(in >= 0 ? in : null, 0);
	dup2(out >= 0 ? out : null, 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static pid_t spawn(int in, int out, const char *const *argv)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid == 0)
		child_run(in, out, argv);
	return pid;
}

static void must_end_well(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail("%s failed (status %d)", what, status);
}

/* What a command prints. */
static void output_of(const char *const *argv, char *text, size_t size)
{
	int ends[2];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		bench_fail("pipe: %s", strerror(errno));
	pid = spawn(-1, ends[1], argv);
	close(ends[1]);
	while (n < size - 1 && (got = read(ends[0], text + n, size - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = 0;
	close(ends[0]);
	must_end_well(pid, argv[0]);
}

/* -- the folder ----------------------------------------------------------------------------- */

static void path_in(const struct bench_folder *f, const char *name, char *ret_path, size_t size)
{
	if ((size_t)snprintf(ret_path, size, "%s/%s", f->path, name) >= size)
		bench_fail("the folder's name is too long");
}

void folder_make(struct bench_folder *f, const char *jackdaw, const char *ctl,
		 const char *count_lib)
{
	static const char subject[] = "/CN=" BENCH_HOST, names[] = "subjectAltName=DNS:" BENCH_HOST;
	char cert[96], key[96];
	const char *argv[] = {"openssl",
			      "req",
			      "-x509",
			      "-newkey",
			      "ec",
			      "-pkeyopt",
			      "ec_paramgen_curve:P-256",
			      "-nodes",
			      "-days",
			      "30",
			      "-subj",
			      subject,
			      "-addext",
			      names,
			      "-keyout",
			      key,
			      "-out",
			      cert,
			      NULL};
	const char *tmp = getenv("TMPDIR");
	pid_t pid;

	*f = (struct bench_folder){.jackdaw = jackdaw, .ctl = ctl, .count_lib = count_lib};
	snprintf(f->path, sizeof(f->path), "%s/jackdaw-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->path))
		bench_fail("%s: %s", f->path, strerror(errno));
	path_in(f, "cert.pem", cert, sizeof(cert));
	path_in(f, "key.pem", key, sizeof(key));
	/* openssl tells of its progress where errors go. */
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 2);
		child_run(-1, -1, argv);
	}
	must_end_well(pid, "openssl req");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

void folder_remove(struct bench_folder *f)
{
	nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* -- start ------------------------------------------------------------------------------------ */

static void write_conf(const struct bench_folder *f, unsigned io_threads, const char *park_after)
{
	char path[96];
	FILE *file;

	path_in(f, "jackdaw.conf", path, sizeof(path));
	file = fopen(path, "we");
	if (!file || fprintf(file, conf, f->path, io_threads, park_after) < 0 || fclose(file) != 0)
		bench_fail("%s: %s", path, strerror(errno));
}

static struct count_file *count_make(const struct bench_folder *f, char *path, size_t size)
{
	void *p;
	int fd;

	path_in(f, "count", path, size);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct count_file)) < 0)
		bench_fail("%s: %s", path, strerror(errno));
	p = mmap(NULL, sizeof(struct count_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		bench_fail("%s: %s", path, strerror(errno));
	close(fd);
	return p;
}

static int notify_socket(const struct bench_folder *f, char *path, size_t size)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	path_in(f, "notify", path, size);
	memcpy(at.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		bench_fail("%s: %s", path, strerror(errno));
	return fd;
}

static void server_child(const struct bench_folder *f, const char *notify, const char *count)
{
	char file[96], log[96];
	const char *argv[] = {f->jackdaw, "-c", file, NULL};
	int fd;

	path_in(f, "jackdaw.conf", file, sizeof(file));
	path_in(f, "log", log, sizeof(log));
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NOTIFY_SOCKET", notify, 1);
	if (count) {
		setenv("LD_PRELOAD", f->count_lib, 1);
		setenv(COUNT_ENV, count, 1);
	}
	dup2(fd, 2);
	child_run(-1, -1, argv);
}

static _Noreturn void show_log(const struct bench_folder *f, const char *what)
{
	char log[96];
	const char *argv[] = {"tail", "-n", "20", log, NULL};

	path_in(f, "log", log, sizeof(log));
	must_end_well(spawn(-1, 2, argv), "tail");
	bench_fail("%s; its folder is %s", what, f->path);
}

static void wait_ready(struct bench_server *s)
{
	struct pollfd p = {.fd = s->notify, .events = POLLIN};
	char text[512];
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, READY_TIMEOUT) <= 0)
			show_log(s->folder, "the server did not get ready");
		n = recv(s->notify, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		if (strstr(text, "READY=1"))
			break;
	}
}

/* The port of {"name":"c2s", ... "port":1234 ...}. */
static int port_of(const char *status, const char *name)
{
	char key[32];
	const char *p;

	snprintf(key, sizeof(key), "\"name\":\"%s\"", name);
	p = strstr(status, key);
	p = p ? strstr(p, "\"port\":") : NULL;
	return p ? atoi(p + 7) : 0;
}

static void ask_ports(struct bench_server *s)
{
	char sock[96], status[8192], *to = status;
	const char *argv[] = {s->folder->ctl, "-s", sock, "--json", "status", NULL};

	path_in(s->folder, "jackdaw.sock", sock, sizeof(sock));
	output_of(argv, status, sizeof(status));
	for (const char *p = status; *p; p++)
		if (*p != ' ' && *p != '\n')
			*to++ = *p;
	*to = 0;
	s->port = port_of(status, "c2s");
	s->tls_port = port_of(status, "c2s-tls");
	if (!s->port || !s->tls_port)
		show_log(s->folder, "jackdawctl status names no ports");
}

void server_start(struct bench_server *s, struct bench_folder *f, unsigned io_threads,
		  const char *park_after, bool counted)
{
	char notify[96], count[96];

	*s = (struct bench_server){.folder = f};
	s->notify = notify_socket(f, notify, sizeof(notify));
	write_conf(f, io_threads, park_after);
	if (counted)
		s->count = count_make(f, count, sizeof(count));
	s->pid = fork();
	if (s->pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (s->pid == 0)
		server_child(f, notify, counted ? count : NULL);
	wait_ready(s);
	ask_ports(s);
}

/* -- stop ----------------------------------------------------------------------------------------
 */

static void check_log(const struct bench_folder *f)
{
	char log[96], line[512];
	FILE *file;

	path_in(f, "log", log, sizeof(log));
	file = fopen(log, "re");
	while (file && fgets(line, sizeof(line), file))
		fprintf(stderr, "server: %s", line);
	if (file)
		fclose(file);
}

void server_stop(struct bench_server *s)
{
	int status;

	kill(s->pid, SIGTERM);
	if (waitpid(s->pid, &status, 0) != s->pid || status != 0)
		show_log(s->folder, "the server did not stop well");
	check_log(s->folder);
	close(s->notify);
	if (s->count)
		munmap(s->count, sizeof(*s->count));
	s->count = NULL;
	s->pid = 0;
}

/* -- accounts
 * -------------------------------------------------------------------------------------- */

static pid_t add_user(struct bench_server *s, unsigned i)
{
	static const char password[] = BENCH_PASSWORD "\n";
	char sock[96], jid[64];
	const char *argv[] = {s->folder->ctl, "-s", sock, "adduser", jid, NULL};
	int ends[2];
	pid_t pid;

	path_in(s->folder, "jackdaw.sock", sock, sizeof(sock));
	snprintf(jid, sizeof(jid), "u%u@%s", i, BENCH_HOST);
	if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], password, sizeof(password) - 1) < 0)
		bench_fail("pipe: %s", strerror(errno));
	close(ends[1]);
	pid = spawn(ends[0], -1, argv);
	close(ends[0]);
	return pid;
}

void server_users(struct bench_server *s, unsigned users)
{
	while (s->folder->users < users) {
		pid_t pids[ADD_AT_ONCE];
		unsigned n = users - s->folder->users;

		if (n > ADD_AT_ONCE)
			n = ADD_AT_ONCE;
		for (unsigned i = 0; i < n; i++)
			pids[i] = add_user(s, s->folder->users + i);
		for (unsigned i = 0; i < n; i++)
			must_end_well(pids[i], "jackdawctl adduser");
		s->folder->users += n;
	}
}
