/* SPDX-License-Identifier: MIT
 *
 * The contract, part three: the end of a database, wanted or not.  What was
 * reported as committed is there afterwards; what was reported as failed is not.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "db_contract.h"

/* -- the end, and after it -------------------------------------------------------------- */

static void on_refused(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)rows;
	assert_int_equal(status, JD_DB_OK);
	*(int *)arg = jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(999)), NULL, NULL);
}

static void close_finishes_everything(void **state)
{
	static struct answer answers[600];
	struct fixture *f = *state;
	int refused = 0;

	memset(answers, 0, sizeof(answers));
	assert_int_equal(jd_db_query(NULL, &put_key, JD_PARAMS(jd_int(1000)), on_refused, &refused),
			 0);
	for (int i = 0; i < 600; i++)
		assert_int_equal(jd_db_query(&f->owner, &put_key, JD_PARAMS(jd_int(i)), on_answer,
					     &answers[i]),
				 0);
	fixture_close(f);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_int_equal(answers[i].status, JD_DB_OK);
	}
	assert_int_equal(refused, -JD_ECLOSED);
	assert_int_equal(jd_db_query(NULL, &count, JD_NO_PARAMS, NULL, NULL), -JD_ECLOSED);
}

static void reopening_keeps_everything(void **state)
{
	struct fixture *f = *state;

	if (!f->variant->file)
		return;
	for (int i = 0; i < 20; i++)
		add(f, i);
	fixture_close(f);
	open_with(f, (struct db_settings){.max_units = 0});
	assert_int_equal(number(f, &count), 20);
}

/* -- accidents ---------------------------------------------------------------------------- */

struct writer {
	struct fixture *f;
	int fd;
	int64_t next;
};

struct reported {
	struct writer *w;
	int64_t k;
};

static void on_report(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct reported *r = arg;

	(void)rows;
	if (status == JD_DB_OK && write(r->w->fd, &r->k, sizeof(r->k)) != sizeof(r->k))
		_exit(2);
	jd_free(r);
	fixture_wake();
}

/* Writes with some in flight, in units of two rows, and reports what was committed. */
static _Noreturn void write_until_killed(struct fixture *f, int fd)
{
	struct writer w = {f, fd, 0};
	struct db_stats stats;

	open_with(f, (struct db_settings){.max_units = 64});
	for (;;) {
		struct reported *r = jd_alloc(sizeof(*r));
		struct jd_unit *unit = jd_unit_new();

		*r = (struct reported){&w, w.next};
		jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(w.next)));
		jd_unit_add(unit, &put_key, JD_PARAMS(jd_int(w.next + 1)));
		w.next += 2;
		if (jd_unit_submit(unit, NULL, on_report, r))
			_exit(3);
		for (db_stats(f->db, &stats); stats.waiting >= 32; db_stats(f->db, &stats))
			loop_run(f->loop);
	}
}

/* The other end of the pipe: the numbers that were reported, after the kill. */
static size_t read_reports(int fd, pid_t child, int64_t *ret_numbers, size_t max, size_t kill_at)
{
	size_t n = 0;
	int64_t k;

	while (read(fd, &k, sizeof(k)) == (ssize_t)sizeof(k)) {
		if (n < max)
			ret_numbers[n++] = k;
		if (n == kill_at)
			kill(child, SIGKILL);
	}
	return n;
}

static void killed_at(struct fixture *f, size_t reports)
{
	static int64_t numbers[100000];
	int status;
	int fds[2];
	size_t n;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(fds[0]);
		write_until_killed(f, fds[1]);
	}
	close(fds[1]);
	n = read_reports(fds[0], child, numbers, JD_ARRAY_SIZE(numbers), reports);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(n >= reports);
	open_with(f, (struct db_settings){.max_units = 0});
	for (size_t i = 0; i < n; i++) {
		assert_true(present(f, numbers[i]));
		assert_true(present(f, numbers[i] + 1));
	}
	assert_int_equal(number(f, &count) % 2, 0); /* no half unit */
	fixture_close(f);
}

static void killed_process_loses_nothing(void **state)
{
	static const size_t at[] = {1, 40, 700};
	struct fixture *f = *state;

	if (!f->variant->file)
		return;
	for (size_t i = 0; i < JD_ARRAY_SIZE(at); i++) {
		killed_at(f, at[i]);
		fixture_wipe(f);
	}
}

static struct jd_stmt few_pages = {
	.name = "t.few_pages",
	.lane = JD_LANE_WRITE,
	.sql = "PRAGMA max_page_count = 1", /* that is: no more than there are */
};
static struct jd_stmt many_pages = {
	.name = "t.many_pages",
	.lane = JD_LANE_WRITE,
	.sql = "PRAGMA max_page_count = 1000000",
};

/* Fills it with rows of 8 KiB until one is refused, some at a time; returns the rows. */
static int64_t fill(struct fixture *f, int64_t from)
{
	char *text = jd_alloc(8192);
	bool full = false;
	int64_t k = from;

	while (!full) {
		struct answer a[4] = {0};

		for (int i = 0; i < 4; i++)
			assert_int_equal(
				jd_db_query(NULL, &put,
					    JD_PARAMS(jd_int(from + 1000000 + 4 * k + i), jd_null(),
						      jd_blob((struct jd_str){text, 8192})),
					    on_answer, &a[i]),
				0);
		for (int i = 0; i < 4; i++) {
			fixture_wait(f, &a[i]);
			assert_true(a[i].status == JD_DB_OK || a[i].status == JD_DB_FAILED);
			full |= a[i].status == JD_DB_FAILED;
			k += a[i].status == JD_DB_OK;
		}
		assert_true(k - from < 100000);
	}
	jd_free(text);
	return k - from;
}

static void full_database_fails_and_recovers(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};
	int64_t before, filled;

	if (is_pgsql(f->variant))
		return; /* its disk is another program's: tests/integration fills one */
	f->errors_announced = true;
	add(f, 1);
	assert_int_equal(ask(f, &few_pages, JD_NO_PARAMS, &a), JD_DB_OK);
	before = number(f, &count);
	filled = fill(f, 10);
	assert_int_equal(number(f, &count), before + filled);
	assert_int_equal(ask(f, &many_pages, JD_NO_PARAMS, &a), JD_DB_OK);
	for (int i = 2; i < 10; i++)
		add(f, i);
	assert_int_equal(number(f, &count), before + filled + 8);
	answer_free(&a);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Writing to the disk itself fails; every FAILED unit must really be absent. */
static void write_against_limit(struct fixture *f)
{
	int64_t rows;

	signal(SIGXFSZ, SIG_IGN);
	f->errors_announced = true;
	open_with(f, (struct db_settings){.max_units = 0});
	add(f, 1);
	set_file_limit(400000);
	rows = 1 + fill(f, 10);
	assert_int_equal(number(f, &count), rows);
	set_file_limit(RLIM_INFINITY);
	add(f, 2);
	fixture_close(f);
	open_with(f, (struct db_settings){.max_units = 0});
	assert_int_equal(number(f, &count), rows + 1);
	fixture_close(f);
}

static void failing_disk_fails_and_recovers(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t child;

	if (!f->variant->file || is_pgsql(f->variant))
		return;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		write_against_limit(f);
		_exit(7); /* an assertion that failed ends the child otherwise */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		OPEN(close_finishes_everything),         OPEN(reopening_keeps_everything),
		CLOSED(killed_process_loses_nothing),    OPEN(full_database_fails_and_recovers),
		CLOSED(failing_disk_fails_and_recovers),
	};

	return run_variants(tests);
}
