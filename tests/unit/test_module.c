/* SPDX-License-Identifier: MIT
 *
 * Loading modules: from where, which are refused and with what words.  The
 * modules are those of tests/modules.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/registry.h"

static char folder[2048], path[4096], err[1024];

static int setup(void **state)
{
	const char *build = getenv("JD_TOP_BUILDDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%s/tests/modules/.libs", build ? build : ".");
	snprintf(path, sizeof(path), "/nonexistent:%s", folder);
	module_search_path(path);
	err[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	modules_close_all();
	return 0;
}

static void test_load(void **state)
{
	const struct jd_module *m = module_open("bare", err, sizeof(err));

	(void)state;
	assert_string_equal(err, "");
	assert_non_null(m);
	assert_string_equal(m->name, "bare");
	assert_int_equal(m->abi, JD_ABI);
	assert_non_null(module_loaded(m));
	/* Once. */
	assert_ptr_equal(module_open("bare", err, sizeof(err)), m);
}

static void test_wrong_abi(void **state)
{
	char want[8192];

	(void)state;
	assert_null(module_open("foreign", err, sizeof(err)));
	snprintf(want, sizeof(want),
		 "module 'foreign' was built for ABI %d of Jackdaw, and this server has ABI %d: "
		 "build "
		 "it again with this server's headers (%s/mod_foreign.so)",
		 JD_ABI + 41, JD_ABI, folder);
	assert_string_equal(err, want);
}

static void test_wrong_name(void **state)
{
	char want[8192];

	(void)state;
	assert_null(module_open("liar", err, sizeof(err)));
	snprintf(want, sizeof(want), "%s/mod_liar.so calls itself 'truth', not 'liar'", folder);
	assert_string_equal(err, want);
}

static void test_no_module(void **state)
{
	char want[8192];

	(void)state;
	assert_null(module_open("empty", err, sizeof(err)));
	snprintf(want, sizeof(want),
		 "%s/mod_empty.so is not a module of Jackdaw: it has no 'jd_module'", folder);
	assert_string_equal(err, want);
}

static void test_not_there(void **state)
{
	char want[8192];

	(void)state;
	assert_null(module_open("baer", err, sizeof(err)));
	assert_string_equal(err, "there is no module 'baer'; did you mean 'bare'?");
	assert_null(module_open("something", err, sizeof(err)));
	snprintf(
		want, sizeof(want),
		"there is no module 'something': mod_something.so in %s: No such file or directory",
		path);
	assert_string_equal(err, want);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {"", "../bare", "Bare", "a b", "bare.so", "b\xc3\xa4r"};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(names); i++) {
		assert_null(module_open(names[i], err, sizeof(err)));
		assert_non_null(strstr(err, "is not the name of a module"));
	}
}

/* A file that is no shared object. */
static void test_garbage(void **state)
{
	char dir[] = "/tmp/jackdaw-module-XXXXXX", file[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/mod_junk.so", dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
	module_search_path(dir);
	assert_null(module_open("junk", err, sizeof(err)));
	assert_non_null(strstr(err, "module 'junk' cannot be loaded: "));
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_abi, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_module, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
