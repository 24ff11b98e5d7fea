/* SPDX-License-Identifier: MIT
 *
 * What an operator meets when a database is opened: migrations that are run,
 * folders and files that are wrong, and the sentences for them.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../contract/db_fixture.h"

static const struct variant on_file = {"sqlite", true};

static int setup(void **state)
{
	*state = fixture_new(&on_file);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* -- a schema folder of our own ------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void schema_file(const struct fixture *f, const char *name, const char *text)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/sqlite", f->dir);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	(void)snprintf(path, sizeof(path), "%s/sqlite/%s", f->dir, name);
	write_file(path, text);
}

static int open_schema(struct fixture *f, struct db_error *error)
{
	return fixture_open(f, (struct db_settings){.schema_dir = f->dir}, error);
}

static struct jd_stmt versions = {
	.name = "t.versions",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM schema_migration WHERE applied_at > 0",
};
static struct jd_stmt count_a = {
	.name = "t.count_a",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM a",
};

static void steps_run_once_and_in_order(void **state)
{
	struct fixture *f = *state;
	struct db_error error;

	schema_file(f, "0002_fill.sql", "INSERT INTO a VALUES (1);\nINSERT INTO a VALUES (2);\n");
	schema_file(f, "0001_make.sql", "-- a comment\nCREATE TABLE a (k BIGINT);\n");
	schema_file(f, "README.txt", "not a migration");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(open_schema(f, &error), 0);
		assert_int_equal(number(f, &versions), 2);
		assert_int_equal(number(f, &count_a), 2);
		fixture_close(f);
	}
	schema_file(f, "0003_more.sql", "INSERT INTO a VALUES (3)");
	assert_int_equal(open_schema(f, &error), 0);
	assert_int_equal(number(f, &versions), 3);
	assert_int_equal(number(f, &count_a), 3);
}

static void our_own_schema_applies(void **state)
{
	static struct jd_stmt accounts = {
		.name = "t.accounts",
		.lane = JD_LANE_READ,
		.sql = "SELECT count(*) FROM account",
	};
	struct fixture *f = *state;
	struct db_error error;
	const char *dir = getenv("JACKDAW_SCHEMA_DIR");

	if (!dir)
		skip();
	assert_int_equal(fixture_open(f, (struct db_settings){.schema_dir = dir}, &error), 0);
	assert_int_equal(number(f, &accounts), 0);
	assert_true(number(f, &versions) >= 2);
}

static void folders_that_are_wrong(void **state)
{
	static const struct {
		const char *files[3];
		const char *text;
		int err;
		const char *says;
	} cases[] = {
		{{NULL}, NULL, -JD_ECONF, "cannot read the schema folder"},
		{{"notes.txt"}, "", -JD_ECONF, "holds no migrations"},
		{{"0002_b.sql"}, "", -JD_ECONF, "migration 0001 is missing"},
		{{"0001_a.sql", "0003_c.sql"}, "", -JD_ECONF, "migration 0002 is missing"},
		{{"0001_a.sql", "0001_b.sql"},
		 "",
		 -JD_ECONF,
		 "two migrations have the number 0001"},
		{{"0001_a.sql", "2_b.sql"}, "", -JD_ECONF, "four digits"},
		{{"0001_a.sql", "000x_b.sql"}, "", -JD_ECONF, "four digits"},
		{{"0000_a.sql"}, "", -JD_ECONF, "from 0001"},
		{{"0001.sql"}, "", -JD_ECONF, "four digits"},
		{{"0001_a.sql"}, "CREATE TABL x", -JD_EDB, "migration 0001_a.sql"},
		{{"0001_a.sql"}, "COMMIT;", -JD_ECONF, "ends its own transaction"},
	};
	struct db_error error;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct fixture *f = fixture_new(&on_file);

		for (int j = 0; j < 3 && cases[i].files[j]; j++)
			schema_file(f, cases[i].files[j], cases[i].text);
		assert_int_equal(open_schema(f, &error), cases[i].err);
		if (!strstr(error.text, cases[i].says))
			fail_msg("case %zu says: %s", i, error.text);
		fixture_free(f);
	}
}

/* A step that breaks in its middle leaves nothing, and works once it is mended. */
static void broken_step_is_undone(void **state)
{
	struct fixture *f = *state;
	struct db_error error;

	schema_file(f, "0001_a.sql", "CREATE TABLE a (k BIGINT UNIQUE);");
	schema_file(
		f, "0002_b.sql",
		"CREATE TABLE b (k BIGINT); INSERT INTO a VALUES (1); INSERT INTO a VALUES (1)");
	assert_int_equal(open_schema(f, &error), -JD_EDB);
	assert_non_null(strstr(error.text, "0002_b.sql"));
	assert_non_null(strstr(error.text, "UNIQUE"));
	schema_file(f, "0002_b.sql", "CREATE TABLE b (k BIGINT); INSERT INTO a VALUES (1)");
	assert_int_equal(open_schema(f, &error), 0);
	assert_int_equal(number(f, &count_a), 1);
}

static void newer_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	char path[400];

	schema_file(f, "0001_a.sql", "CREATE TABLE a (k BIGINT)");
	schema_file(f, "0002_b.sql", "CREATE TABLE b (k BIGINT)");
	assert_int_equal(open_schema(f, &error), 0);
	fixture_close(f);
	(void)snprintf(path, sizeof(path), "%s/sqlite/0002_b.sql", f->dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_schema(f, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "newer Jackdaw"));
	assert_non_null(strstr(error.text, "version 2"));
}

/* -- a module's tables ------------------------------------------------------------------ */

static void modules_have_tables(void **state)
{
	static const struct jd_migration steps[] = {
		{1, "CREATE TABLE a (k BIGINT)", "CREATE TABLE a (k BIGINT)"},
		{2, "INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (1)"},
	};
	struct fixture *f = *state;
	struct db_error error;

	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
	assert_int_equal(db_migrate(f->db, "mod", steps, 1, &error), 0);
	assert_int_equal(number(f, &count_a), 0);
	/* later, with statements under way */
	for (int i = 0; i < 50; i++)
		assert_int_equal(jd_db_query(NULL, &versions, JD_NO_PARAMS, NULL, NULL), 0);
	assert_int_equal(db_migrate(f->db, "mod", steps, 2, &error), 0);
	assert_int_equal(db_migrate(f->db, "mod", steps, 2, &error), 0);
	assert_int_equal(number(f, &count_a), 1);
	assert_int_equal(db_migrate(f->db, "mod", steps, 1, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "\"mod\""));
	assert_int_equal(db_migrate(f->db, "other", steps, 0, &error), 0);
}

static void module_tables_that_are_wrong(void **state)
{
	static const struct jd_migration gap[] = {{1, "SELECT 1", NULL}, {3, "SELECT 1", NULL}};
	static const struct jd_migration zero[] = {{0, "SELECT 1", NULL}};
	static const struct jd_migration silent[] = {{1, NULL, "SELECT 1"}};
	struct fixture *f = *state;
	struct db_error error;

	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
	assert_int_equal(db_migrate(f->db, "mod", gap, 2, &error), -JD_ECONF);
	assert_int_equal(db_migrate(f->db, "mod", zero, 1, &error), -JD_ECONF);
	assert_int_equal(db_migrate(f->db, "mod", silent, 1, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "no text for sqlite"));
}

/* -- the file --------------------------------------------------------------------------- */

static void expect_refusal(struct fixture *f, const char *path, const char *says)
{
	struct db_settings settings = {.driver = "sqlite", .path = path};
	struct db_error error;
	struct db *db;

	assert_int_equal(db_open(&settings, f->loop, &db, &error), -JD_EDB);
	if (!strstr(error.text, says))
		fail_msg("%s: %s", path, error.text);
}

static void paths_that_are_wrong(void **state)
{
	struct fixture *f = *state;
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/missing/x.db", f->dir);
	expect_refusal(f, path, "missing does not exist");
	(void)snprintf(path, sizeof(path), "%s/folder", f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal(f, path, "Is a directory");
	(void)snprintf(path, sizeof(path), "%s/text", f->dir);
	write_file(path, "This is a text of more than a hundred characters, which is what it takes "
			 "before SQLite looks at the header at all.\n");
	expect_refusal(f, path, "is not a SQLite database");
}

static void file_without_rights(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	if (geteuid() != 0) {
		assert_int_equal(chmod(f->dir, 0500), 0);
		expect_refusal(f, f->path, "Permission denied");
		assert_int_equal(chmod(f->dir, 0700), 0);
		return;
	}
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		expect_refusal(f, f->path, "Permission denied");
		_exit(7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void file_is_private(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	struct stat st;

	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void settings_that_are_wrong(void **state)
{
	struct db_settings none = {.driver = "oracle", .path = "x"};
	struct db_settings empty = {.driver = "sqlite", .path = ""};
	struct fixture *f = *state;
	struct db_error error;
	struct db *db;

	assert_int_equal(db_open(&none, f->loop, &db, &error), -JD_ECONF);
	assert_non_null(strstr(error.text, "\"oracle\""));
	assert_int_equal(db_open(&empty, f->loop, &db, &error), -JD_ECONF);
}

/* -- two servers -------------------------------------------------------------------------- */

static void second_server_is_refused(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	char pid[32];

	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
	(void)snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
	expect_refusal(f, f->path, pid);
	fixture_close(f);
	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
}

static void lock_goes_with_the_process(void **state)
{
	struct fixture *f = *state;
	struct db_error error;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(fixture_open(f, (struct db_settings){.max_units = 0}, &error) ? 1 : 7);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	assert_int_equal(fixture_open(f, (struct db_settings){.max_units = 0}, &error), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(lock_goes_with_the_process),
		TEST(file_without_rights),
		TEST(steps_run_once_and_in_order),
		TEST(our_own_schema_applies),
		cmocka_unit_test(folders_that_are_wrong),
		TEST(broken_step_is_undone),
		TEST(newer_database_is_refused),
		TEST(modules_have_tables),
		TEST(module_tables_that_are_wrong),
		TEST(paths_that_are_wrong),
		TEST(file_is_private),
		TEST(settings_that_are_wrong),
		TEST(second_server_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
