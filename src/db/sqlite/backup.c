/* SPDX-License-Identifier: MIT
 *
 * A copy of the database while it is in use: one long read of a connection of its own,
 * written into a new file.  Readers and the writer go on meanwhile; only the log
 * cannot be folded in until it is done.  The file gets its name when it is whole and on
 * the disk, so that what has the name is a backup.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "db/sqlite/sqlite.h"

#define BUSY_MSEC 5000

static int vacuum_into(const char *from, const char *to, struct db_error *ret_error)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(from, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (!rc)
		rc = sqlite3_busy_timeout(db, BUSY_MSEC);
	if (!rc)
		rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL);
	if (!rc)
		rc = sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC);
	if (!rc)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		db_fail(ret_error, -JD_EDB, "the backup failed: %s",
			db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return rc == SQLITE_OK || rc == SQLITE_DONE ? 0 : -JD_EDB;
}

/* On the disk with its name, or not at all. */
static int publish(const char *part, const char *to)
{
	char copy[PATH_MAX];
	int fd = open(part, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	/* Not over a file that has come meanwhile. */
	if (r || link(part, to) || unlink(part))
		return -1;
	(void)snprintf(copy, sizeof(copy), "%s", to);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

int lite_backup(const struct db_settings *settings, const char *to, struct db_error *ret_error)
{
	char part[PATH_MAX];
	int fd, r;

	if (!access(to, F_OK))
		return db_fail(ret_error, -JD_EEXIST, "%s exists already", to);
	if ((size_t)snprintf(part, sizeof(part), "%s.part", to) >= sizeof(part))
		return db_fail(ret_error, -JD_EINVAL, "the file's name is too long");
	/* For its owner alone: it holds credentials. */
	(void)unlink(part);
	fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return db_fail(ret_error, -JD_EIO, "cannot create %s: %s", part, strerror(errno));
	close(fd);
	r = vacuum_into(settings->path, part, ret_error);
	if (!r && publish(part, to))
		r = db_fail(ret_error, -JD_EIO, "cannot write %s: %s", to, strerror(errno));
	if (r)
		(void)unlink(part);
	return r;
}
