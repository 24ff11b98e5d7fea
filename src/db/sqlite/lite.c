/* SPDX-License-Identifier: MIT
 *
 * Connections.  The writer's settings are about keeping what was promised: WAL
 * with synchronous=FULL means that a COMMIT that returned survives a power cut.
 * Double-quoted text is an error, as it is for PostgreSQL, so that a statement
 * that works here has a chance there.  Page caches are small: the kernel has the
 * pages anyway, and an empty server should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "db/sqlite/sqlite.h"

#define BUSY_MSEC 5000 /* an operator's sqlite3 shell may hold the file for a moment */

/* Triggers keep a full-text index up to date, which older SQLite does only with trust. */
static const char settings_writer[] = "PRAGMA synchronous = FULL;"
				      "PRAGMA foreign_keys = ON;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA trusted_schema = ON;"
				      "PRAGMA journal_size_limit = 16777216;"
				      "PRAGMA cache_size = -2048;";
static const char settings_reader[] = "PRAGMA temp_store = MEMORY;"
				      "PRAGMA trusted_schema = OFF;"
				      "PRAGMA query_only = ON;"
				      "PRAGMA cache_size = -512;";

static const char *const control_text[CONTROL_COUNT] = {
	[CONTROL_BEGIN_READ] = "BEGIN",
	[CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[CONTROL_COMMIT] = "COMMIT",
	[CONTROL_ROLLBACK] = "ROLLBACK",
	[CONTROL_SAVEPOINT] = "SAVEPOINT unit",
	[CONTROL_RELEASE] = "RELEASE unit",
	[CONTROL_UNDO] = "ROLLBACK TO unit",
};

/* -- opening -------------------------------------------------------------------- */

int lite_open_failed(const char *path, int saved_errno, struct db_error *ret_error)
{
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	if (saved_errno == ENOENT)
		return db_fail(ret_error, -JD_EDB,
			       "cannot create the database %s: the folder %s does not exist", path,
			       dirname(copy));
	return db_fail(ret_error, -JD_EDB, "cannot open the database %s: %s", path,
		       strerror(saved_errno));
}

/*
 * Makes the file, for its owner alone: it holds credentials, and SQLite gives its
 * helper files the same mode.  It also learns what is wrong with the path, which
 * SQLite doesn't tell.  Only while no connection is open: closing the descriptor
 * would drop SQLite's locks on the file.
 */
static int make_file(const char *path, struct db_error *ret_error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return lite_open_failed(path, errno, ret_error);
	close(fd);
	return 0;
}

static int sentence(const char *path, sqlite3 *db, struct db_error *ret_error)
{
	int rc = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;

	switch (rc & 0xff) {
	case SQLITE_NOTADB:
		return db_fail(ret_error, -JD_EDB, "%s is not a SQLite database", path);
	case SQLITE_FULL:
		return db_fail(ret_error, -JD_EDB, "the disk that holds the database %s is full",
			       path);
	case SQLITE_BUSY:
		return db_fail(ret_error, -JD_EDB, "the database %s is locked by another program",
			       path);
	case SQLITE_CORRUPT:
		return db_fail(ret_error, -JD_EDB,
			       "the database %s is damaged: restore it from a backup", path);
	case SQLITE_READONLY:
		return db_fail(ret_error, -JD_EDB,
			       "the database %s cannot be written: check the permissions of the "
			       "file and its folder",
			       path);
	default:
		return db_fail(ret_error, -JD_EDB, "cannot use the database %s: %s (%d)", path,
			       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), rc);
	}
}

static int on_mode(void *arg, int n, char **values, char **names)
{
	(void)names;
	*(bool *)arg = n > 0 && values[0] && !strcmp(values[0], "wal");
	return 0;
}

static int use_wal(struct lite *c, const char *path, struct db_error *ret_error)
{
	bool wal = false;

	if (sqlite3_exec(c->db, "PRAGMA journal_mode = WAL", on_mode, &wal, NULL))
		return sentence(path, c->db, ret_error);
	if (!wal)
		return db_fail(ret_error, -JD_EDB,
			       "the file system of %s cannot do write-ahead logging (shared "
			       "memory is missing): put the database on a local disk",
			       path);
	return 0;
}

static int prepare_control(struct lite *c)
{
	for (int i = 0; i < CONTROL_COUNT; i++) {
		int rc = sqlite3_prepare_v3(c->db, control_text[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &c->control[i], NULL);

		if (rc)
			return rc;
	}
	return 0;
}

static int configure(struct lite *c, enum lite_kind kind)
{
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_busy_timeout(c->db, BUSY_MSEC);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return sqlite3_exec(c->db, kind == LITE_READER ? settings_reader : settings_writer, NULL,
			    NULL, NULL);
}

static int open_steps(struct lite *c, const char *path, enum lite_kind kind,
		      struct db_error *ret_error)
{
	int flags = SQLITE_OPEN_NOMUTEX |
		    (kind == LITE_READER ? SQLITE_OPEN_READONLY
					 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int err = 0;

	if (sqlite3_open_v2(path, &c->db, flags, NULL) || configure(c, kind))
		return sentence(path, c->db, ret_error);
	if (kind == LITE_WRITER)
		err = use_wal(c, path, ret_error);
	if (!err && prepare_control(c))
		err = sentence(path, c->db, ret_error);
	return err;
}

int lite_open(struct lite *c, const char *path, enum lite_kind kind, struct db_error *ret_error)
{
	int err = kind == LITE_WRITER ? make_file(path, ret_error) : 0;

	if (err)
		return err;
	err = open_steps(c, path, kind, ret_error);
	if (err)
		lite_close(c);
	return err;
}

void lite_close(struct lite *c)
{
	for (unsigned i = 0; i < c->n_prepared; i++) {
		if (!c->prepared[i])
			continue;
		sqlite3_finalize(c->prepared[i]->stmt);
		mem_free(c->prepared[i]);
	}
	mem_free(c->prepared);
	c->prepared = NULL;
	c->n_prepared = 0;
	for (int i = 0; i < CONTROL_COUNT; i++) {
		sqlite3_finalize(c->control[i]);
		c->control[i] = NULL;
	}
	sqlite3_close(c->db);
	c->db = NULL;
}

/* -- statements ----------------------------------------------------------------- */

int lite_control(struct lite *c, enum control what)
{
	int rc = sqlite3_step(c->control[what]);

	sqlite3_reset(c->control[what]);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

bool lite_in_transaction(const struct lite *c)
{
	return !sqlite3_get_autocommit(c->db);
}

void lite_rollback(struct lite *c)
{
	if (c->db && lite_in_transaction(c))
		lite_control(c, CONTROL_ROLLBACK);
}

/* "$7" -> 6; negative for anything else. */
static int slot_of(const char *name)
{
	int n;

	if (!name || name[0] != '$' || name[1] < '1' || name[1] > '9')
		return -1;
	n = name[1] - '0';
	if (name[2] >= '0' && name[2] <= '9' && !name[3])
		n = n * 10 + name[2] - '0';
	else if (name[2])
		return -1;
	return n <= SQLITE_MAX_PARAMS ? n - 1 : -1;
}

static int map_slots(struct prepared *p)
{
	int n = sqlite3_bind_parameter_count(p->stmt);

	if (n > SQLITE_MAX_PARAMS)
		return SQLITE_RANGE;
	for (int i = 0; i < n; i++) {
		int slot = slot_of(sqlite3_bind_parameter_name(p->stmt, i + 1));

		if (slot < 0)
			return SQLITE_RANGE;
		p->slot[i] = (unsigned char)slot;
		if ((unsigned)slot + 1 > p->n_params)
			p->n_params = (unsigned)slot + 1;
	}
	p->n_slots = (unsigned)n;
	p->read_only = sqlite3_stmt_readonly(p->stmt);
	return SQLITE_OK;
}

static void cache_reserve(struct lite *c, unsigned id)
{
	unsigned n = (id | 31) + 1;

	if (id < c->n_prepared)
		return;
	c->prepared = mem_realloc(c->prepared, n * sizeof(struct prepared *));
	memset(c->prepared + c->n_prepared, 0, (n - c->n_prepared) * sizeof(struct prepared *));
	c->n_prepared = n;
}

static int prepare(struct lite *c, const struct statement *statement, struct prepared *p)
{
	const char *sql = stmt_sql(&statement->stmt, "sqlite");
	const char *tail = "";
	int rc;

	if (!sql)
		return SQLITE_MISUSE;
	rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &p->stmt, &tail);
	if (rc)
		return rc;
	if (!p->stmt || tail[strspn(tail, " \t\n;")]) /* nothing, or a second statement */
		return SQLITE_MISUSE;
	return map_slots(p);
}

int lite_prepare(struct lite *c, const struct statement *statement, struct prepared **ret_prepared)
{
	struct prepared *p;
	int rc;

	if (statement->id < c->n_prepared && c->prepared[statement->id]) {
		*ret_prepared = c->prepared[statement->id];
		return SQLITE_OK;
	}
	p = mem_new(struct prepared);
	rc = prepare(c, statement, p);
	if (rc) {
		sqlite3_finalize(p->stmt);
		mem_free(p);
		return rc;
	}
	cache_reserve(c, statement->id);
	c->prepared[statement->id] = p;
	*ret_prepared = p;
	return SQLITE_OK;
}
