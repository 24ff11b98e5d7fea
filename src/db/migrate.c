/* SPDX-License-Identifier: MIT
 *
 * Migrations.  Every component, the core or a module, numbers its steps from 1
 * without gaps; the table schema_migration says which of them a database has
 * seen.  What is missing is run in order, each step in one transaction together
 * with its row in that table, so that a crash in between leaves no half step.
 *
 * The core's steps are files NNNN_name.sql in a folder per dialect; a module
 * carries its own in its descriptor.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/internal.h"
#include "util/log.h"

#define CORE     "core"
#define MAX_FILE ((off_t)1024 * 1024)

/* -- running what is missing ------------------------------------------------------ */

/* How many steps of component the database has seen, of n that the program knows. */
static int applied_version(struct db *db, const char *component, size_t n, unsigned *ret_version,
			   struct db_error *ret_error)
{
	unsigned version = 0;
	int err = db->driver->version(db->state, component, &version, ret_error);

	if (err)
		return err;
	if (version > n)
		return db_fail(ret_error, -JD_ECONF,
			       "the database was written by a newer Jackdaw: its tables of "
			       "\"%s\" are at version %u, this program knows up to %zu; install "
			       "the newer program or restore an older backup",
			       component, version, n);
	*ret_version = version;
	return 0;
}

static int run_script(struct db *db, const struct db_script *script, struct db_error *ret_error)
{
	int err = db->driver->script(db->state, script, ret_error);

	if (!err)
		jd_log(JD_LOG_NOTICE, "database tables migrated",
		       jd_kv_cstr("component", script->component),
		       jd_kv_int("version", script->version), jd_kv_cstr("name", script->name));
	return err;
}

int db_migrate(struct db *db, const char *component, const struct jd_migration *migrations,
	       size_t n, struct db_error *ret_error)
{
	bool pgsql = !strcmp(db->driver->dialect, "pgsql");
	unsigned version;
	int err;

	for (size_t i = 0; i < n; i++)
		if (migrations[i].version != i + 1)
			return db_fail(ret_error, -JD_ECONF,
				       "the migrations of \"%s\" are not numbered 1, 2, 3 ...: "
				       "number %zu says %u",
				       component, i + 1, migrations[i].version);
	err = applied_version(db, component, n, &version, ret_error);
	for (size_t i = err ? n : version; i < n && !err; i++) {
		struct db_script script = {
			.component = component,
			.version = migrations[i].version,
			.name = component,
			.sql = pgsql ? migrations[i].pgsql : migrations[i].sqlite,
		};

		if (!script.sql)
			return db_fail(ret_error, -JD_ECONF,
				       "migration %u of \"%s\" has no text for %s", script.version,
				       component, db->driver->dialect);
		err = run_script(db, &script, ret_error);
	}
	return err;
}

/* -- the schema folder ------------------------------------------------------------ */

struct folder {
	char path[4096];
	struct dirent **entries; /* NNNN_name.sql only, by number */
	int count;
};

static int is_sql(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 4 && !strcmp(e->d_name + n - 4, ".sql");
}

/* 0 when the name isn't NNNN_name.sql. */
static unsigned file_number(const char *name)
{
	unsigned number = 0;

	for (int i = 0; i < 4; i++) {
		if (!isdigit((unsigned char)name[i]))
			return 0;
		number = number * 10 + (unsigned)(name[i] - '0');
	}
	return name[4] == '_' && name[5] != '.' ? number : 0;
}

/* With four digits each, the order of the names is that of the numbers. */
static int check_numbers(const struct folder *f, struct db_error *ret_error)
{
	for (int i = 0; i < f->count; i++) {
		const char *name = f->entries[i]->d_name;
		unsigned number = file_number(name);

		if (number == 0)
			return db_fail(ret_error, -JD_ECONF,
				       "%s/%s: a migration is called NNNN_name.sql, four digits "
				       "from 0001",
				       f->path, name);
		if (number == (unsigned)i)
			return db_fail(ret_error, -JD_ECONF,
				       "%s: two migrations have the number %04u: %s and %s",
				       f->path, number, f->entries[i - 1]->d_name, name);
		if (number != (unsigned)i + 1)
			return db_fail(ret_error, -JD_ECONF,
				       "%s: migration %04d is missing, the next file is %s",
				       f->path, i + 1, name);
	}
	if (f->count == 0)
		return db_fail(ret_error, -JD_ECONF, "%s holds no migrations (NNNN_name.sql)",
			       f->path);
	return 0;
}

static int folder_open(struct folder *f, const char *schema_dir, const char *dialect,
		       struct db_error *ret_error)
{
	int n = snprintf(f->path, sizeof(f->path), "%s/%s", schema_dir, dialect);

	if (n < 0 || (size_t)n >= sizeof(f->path))
		return db_fail(ret_error, -JD_ECONF, "the path of the schema folder is too long");
	f->count = scandir(f->path, &f->entries, is_sql, alphasort);
	if (f->count < 0)
		return db_fail(ret_error, -JD_ECONF, "cannot read the schema folder %s: %s",
			       f->path, strerror(errno));
	return 0;
}

static void folder_close(struct folder *f)
{
	for (int i = 0; i < f->count; i++)
		free(f->entries[i]);
	free(f->entries);
}

static int read_all(int fd, char **ret_text)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
		return -JD_EIO;
	text = mem_alloc((size_t)st.st_size + 1);
	n = read(fd, text, (size_t)st.st_size);
	if (n != st.st_size || memchr(text, '\0', (size_t)n)) {
		mem_free(text);
		return -JD_EIO;
	}
	*ret_text = text;
	return 0;
}

static int read_file(const struct folder *f, const char *name, char **ret_text,
		     struct db_error *ret_error)
{
	char path[sizeof(f->path) + NAME_MAX + 2];
	int err = -JD_EIO;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
	errno = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		err = read_all(fd, ret_text);
		close(fd);
	}
	if (err)
		return db_fail(ret_error, -JD_ECONF, "cannot read the migration %s: %s", path,
			       errno ? strerror(errno) : "it is not a text file of at most 1 MiB");
	return 0;
}

static int run_file(struct db *db, const struct folder *f, unsigned version,
		    struct db_error *ret_error)
{
	const char *name = f->entries[version - 1]->d_name;
	cleanup_free char *text = NULL;
	struct db_script script = {.component = CORE, .version = version, .name = name};
	int err = read_file(f, name, &text, ret_error);

	if (err)
		return err;
	script.sql = text;
	return run_script(db, &script, ret_error);
}

int migrate_core(struct db *db, const char *schema_dir, struct db_error *ret_error)
{
	struct folder f = {.count = 0};
	unsigned version = 0;
	int err = folder_open(&f, schema_dir, db->driver->dialect, ret_error);

	if (err)
		return err;
	err = check_numbers(&f, ret_error);
	if (!err)
		err = applied_version(db, CORE, (size_t)f.count, &version, ret_error);
	while (!err && version < (unsigned)f.count)
		err = run_file(db, &f, ++version, ret_error);
	folder_close(&f);
	return err;
}
