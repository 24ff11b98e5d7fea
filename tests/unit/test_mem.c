/* SPDX-License-Identifier: MIT
 *
 * Heap memory and the sentences for errors.
 */
#include "util/mem.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_alloc(void **state)
{
	unsigned char *p = mem_alloc(1000);
	char *s = jd_strdup(JD_STR("hoopoe"));
	char *empty = jd_strdup(JD_STR_NULL);
	char *zero = mem_alloc(0);

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 7, 1000);
	p = mem_realloc(p, 2000);
	assert_int_equal(p[999], 7);
	assert_string_equal(s, "hoopoe");
	assert_string_equal(empty, "");
	assert_non_null(zero);
	mem_free(p);
	jd_free(s);
	jd_free(empty);
	mem_free(zero);
	mem_free(NULL);
}

static void test_fail_at(void **state)
{
	void *p;

	(void)state;
	mem_fail_at(2);
	p = mem_try_alloc(1);
	assert_non_null(p);
	assert_null(mem_try_realloc(p, 2));
	p = mem_try_realloc(p, 3); /* the refused one left p alone; after it all is well */
	assert_non_null(p);
	mem_fail_at(1);
	mem_fail_at(0);
	mem_free(p);
	p = mem_try_alloc(1);
	assert_non_null(p);
	mem_free(p);
}

static void test_fail_every(void **state)
{
	void *p[9];

	(void)state;
	mem_fail_every(3);
	for (int i = 0; i < 9; i++) {
		mem_fail_hold(i == 4); /* then it is not counted */
		p[i] = mem_try_alloc(1);
		assert_int_equal(p[i] == NULL, i == 2 || i == 6);
		mem_free(p[i]);
	}
	assert_int_equal(mem_refused(), 2);
	assert_true(mem_refuse());
	mem_fail_at(0);
	assert_int_equal(mem_refused(), 0);
	assert_false(mem_refuse());
}

static void test_cleanup(void **state)
{
	(void)state;
	{
		cleanup_free char *p = mem_alloc(10);

		p[0] = 'x'; /* the leak checker tells if it is not freed */
		assert_int_equal(p[0], 'x');
	}
}

/* A failed assertion ends the process by SIGABRT and says where and what. */
static void test_die(void **state)
{
	char text[256] = "";
	int fd[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		JD_ASSERT(1 + 1 == 3);
		_exit(0);
	}
	close(fd[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(fd[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "test_mem.c:"));
	assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3\n"));
	close(fd[0]);
}

static void test_strerror(void **state)
{
	(void)state;
	for (int e = JD_EINVAL; e <= JD_EACCESS; e++) {
		const char *s = jd_strerror(-e);

		assert_non_null(s);
		assert_string_not_equal(s, "unknown error");
		assert_ptr_equal(s, jd_strerror(e));
		for (int other = JD_EINVAL; other < e; other++)
			assert_string_not_equal(s, jd_strerror(other));
	}
	assert_string_equal(jd_strerror(JD_EACCESS + 1), "unknown error");
	assert_string_equal(jd_strerror(INT_MIN), "unknown error");
	assert_string_equal(jd_strerror(0), "no error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),      cmocka_unit_test(test_fail_at),
		cmocka_unit_test(test_fail_every), cmocka_unit_test(test_cleanup),
		cmocka_unit_test(test_die),        cmocka_unit_test(test_strerror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
