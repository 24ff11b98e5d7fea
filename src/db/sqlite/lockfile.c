/* SPDX-License-Identifier: MIT
 *
 * One server per database.  SQLite itself would let two servers share a file,
 * but each of them believes that its memory is the truth.  So a server holds a
 * lock on PATH.lock, with its process number in the file for the sentence that
 * the second one prints.  The kernel drops the lock with the process, however it
 * ends; the file stays, for removing it would let a third server in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "db/sqlite/sqlite.h"

static int refuse(int fd, const char *path, struct db_error *ret_error)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return db_fail(ret_error, -JD_EDB,
		       "the database %s is in use by another Jackdaw, process %s; stop that one "
		       "first (it holds %s.lock)",
		       path, pid[0] ? pid : "unknown", path);
}

static int write_pid(int fd)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n)
		return -1;
	return 0;
}

int lite_lock_file(const char *path, int *ret_fd, struct db_error *ret_error)
{
	char name[4096];
	int n = snprintf(name, sizeof(name), "%s.lock", path);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(name))
		return db_fail(ret_error, -JD_ECONF, "the path of the database is too long");
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return lite_open_failed(errno == ENOENT ? path : name, errno, ret_error);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int err = errno == EWOULDBLOCK ? refuse(fd, path, ret_error)
					       : db_fail(ret_error, -JD_EDB, "cannot lock %s: %s",
							 name, strerror(errno));

		close(fd);
		return err;
	}
	if (write_pid(fd)) {
		int err = db_fail(ret_error, -JD_EDB, "cannot write to the lock file %s: %s", name,
				  strerror(errno));

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}
