/* SPDX-License-Identifier: MIT
 *
 * A disk that forgets: preloaded into the server, it keeps for every file of the
 * database what was overwritten since the last fsync, so that powerloss.py can undo,
 * after a SIGKILL, what a power cut may have undone.
 *
 * For FILE it writes FILE.undo: records of (offset, length, bytes that were there), or
 * of a truncation (the length before, and the bytes that were cut off). fsync() and
 * fdatasync() on FILE empty it. Files are those whose path contains JACKDAW_POWERLOSS.
 *
 * Waiting takes JACKDAW_POWERLOSS_DELAY microseconds, as with a slow disk: whoever promises
 * something before it is over is found out.
 *
 * One process, one writer at a time, which SQLite guarantees for each file.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 1024

struct record {
	int64_t offset;
	int64_t length; /* of the bytes that follow */
	int64_t size;   /* of the file before */
};

static int undo_of[FILES]; /* descriptor of FILE.undo, plus 1; 0: not watched */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Declares `real`, libc's function of that name. */
#define REAL(name, result, ...)                                                                    \
	static result (*real)(__VA_ARGS__);                                                        \
	if (!real)                                                                                 \
	*(void **)&real = dlsym(RTLD_NEXT, name)

static ssize_t real_pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL("pwrite64", ssize_t, int, const void *, size_t, off_t);
	return real(fd, p, n, at);
}

static int real_open(const char *path, int flags, mode_t mode)
{
	REAL("open64", int, const char *, int, ...);
	return real(path, flags, mode);
}

static int real_truncate(int fd, off_t size)
{
	REAL("ftruncate64", int, int, off_t);
	return real(fd, size);
}

/* -- which files ---------------------------------------------------------------------- */

/* -shm is shared memory and never survives anything. */
static int is_watched(const char *path)
{
	const char *what = getenv("JACKDAW_POWERLOSS");
	size_t n = strlen(path);

	return what && strstr(path, what) && (n < 4 || strcmp(path + n - 4, "-shm") != 0) &&
	       (n < 5 || strcmp(path + n - 5, ".undo") != 0);
}

static void watch(int fd, const char *path)
{
	char name[PATH_MAX];
	int undo;

	if (fd < 0 || fd >= FILES || !is_watched(path))
		return;
	snprintf(name, sizeof(name), "%s.undo", path);
	undo = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (undo >= 0)
		undo_of[fd] = undo + 1;
}

/* -- what is kept --------------------------------------------------------------------- */

static void keep(int fd, off_t offset, size_t n)
{
	struct record r = {.offset = offset};
	struct stat st;
	char *all;
	ssize_t got;

	if (fd < 0 || fd >= FILES || !undo_of[fd] || fstat(fd, &st) < 0)
		return;
	all = malloc(sizeof(r) + n);
	if (!all)
		abort();
	r.size = st.st_size;
	got = pread(fd, all + sizeof(r), n, offset);
	r.length = got > 0 ? got : 0;
	memcpy(all, &r, sizeof(r));
	pthread_mutex_lock(&lock);
	if (write(undo_of[fd] - 1, all, sizeof(r) + (size_t)r.length) < 0)
		abort();
	pthread_mutex_unlock(&lock);
	free(all);
}

static void forget(int fd, int result)
{
	if (result == 0 && fd >= 0 && fd < FILES && undo_of[fd] &&
	    real_truncate(undo_of[fd] - 1, 0) < 0)
		abort();
}

static void delay(int fd)
{
	const char *usec = getenv("JACKDAW_POWERLOSS_DELAY");

	if (usec && fd >= 0 && fd < FILES && undo_of[fd])
		usleep((useconds_t)atoi(usec));
}

/* -- instead of libc's ------------------------------------------------------------------ */

int open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	fd = real_open(path, flags, mode);
	watch(fd, path);
	return fd;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	keep(fd, at, n);
	return real_pwrite(fd, p, n, at);
}

int ftruncate64(int fd, off_t size)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_size > size)
		keep(fd, size, (size_t)(st.st_size - size));
	return real_truncate(fd, size);
}

int fsync(int fd)
{
	int r;

	REAL("fsync", int, int);
	delay(fd);
	r = real(fd);
	forget(fd, r);
	return r;
}

int fdatasync(int fd)
{
	int r;

	REAL("fdatasync", int, int);
	delay(fd);
	r = real(fd);
	forget(fd, r);
	return r;
}

int close(int fd)
{
	REAL("close", int, int);
	if (fd >= 0 && fd < FILES && undo_of[fd]) {
		real(undo_of[fd] - 1);
		undo_of[fd] = 0;
	}
	return real(fd);
}
