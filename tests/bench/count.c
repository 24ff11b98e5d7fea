/* SPDX-License-Identifier: MIT
 *
 * A library for LD_PRELOAD that counts, per thread, the calls into libc that cost
 * something on the way of a message: those that enter the kernel and those that
 * allocate.  The counters are in a file that the benchmark maps (count.h).
 *
 * Only calls that leave a program or library through its symbol table are seen.
 * What libc does inside itself is not: locks that sleep in a futex, stdio, the
 * heap's own mmap.  Context switches, which the benchmark reads from /proc, show
 * the first of these.
 */
#include "count.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* glibc's allocator under the names that nobody replaces; dlsym() itself allocates. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

/* What a fortified program calls instead; declared here, since no header does. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags);

#define EVENT_FDS 65536

static struct count_file *file;
static _Atomic unsigned char is_event[EVENT_FDS];

/* initial-exec: any other kind of access may allocate on its first use. */
#define COUNT_TLS _Thread_local __attribute__((tls_model("initial-exec")))
static COUNT_TLS struct count_slot *slot;
static COUNT_TLS int no_slot;

__attribute__((constructor)) static void count_start(void)
{
	const char *path = getenv(COUNT_ENV);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = (void *)syscall(SYS_mmap, NULL, sizeof(struct count_file), PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		file = p;
}

static struct count_slot *take_slot(void)
{
	unsigned i;

	if (no_slot)
		return NULL;
	i = atomic_fetch_add(&file->used, 1);
	if (i >= COUNT_THREADS) {
		no_slot = 1;
		return NULL;
	}
	atomic_store(&file->slots[i].tid, (int)syscall(SYS_gettid));
	return slot = &file->slots[i];
}

static void count(enum count_what what)
{
	struct count_slot *s = slot;

	if (!file || (!s && !(s = take_slot())))
		return;
	atomic_store_explicit(&s->n[what],
			      atomic_load_explicit(&s->n[what], memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void count_fd(int fd, enum count_what what, enum count_what event)
{
	if (fd >= 0 && fd < EVENT_FDS && atomic_load_explicit(&is_event[fd], memory_order_relaxed))
		what = event;
	count(what);
}

/* The next definition of a function, looked up once. */
#define NEXT(name)                                                                                 \
	static _Atomic(__typeof__(&name)) next_##name;                                             \
	__typeof__(&name) next = atomic_load_explicit(&next_##name, memory_order_relaxed);         \
	if (!next) {                                                                               \
		next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);                                 \
		atomic_store_explicit(&next_##name, next, memory_order_relaxed);                   \
	}

/* -- the kernel ---------------------------------------------------------------------- */

ssize_t read(int fd, void *p, size_t n)
{
	NEXT(read)
	count_fd(fd, COUNT_READ, COUNT_EVENT_READ);
	return next(fd, p, n);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t size)
{
	NEXT(__read_chk)
	count_fd(fd, COUNT_READ, COUNT_EVENT_READ);
	return next(fd, p, n, size);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	NEXT(recv)
	count(COUNT_RECV);
	return next(fd, p, n, flags);
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
	NEXT(__recv_chk)
	count(COUNT_RECV);
	return next(fd, p, n, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	NEXT(recvmsg)
	count(COUNT_RECVMSG);
	return next(fd, msg, flags);
}

ssize_t write(int fd, const void *p, size_t n)
{
	NEXT(write)
	count_fd(fd, COUNT_WRITE, COUNT_EVENT_WRITE);
	return next(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	NEXT(writev)
	count(COUNT_WRITEV);
	return next(fd, iov, n);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	NEXT(send)
	count(COUNT_SEND);
	return next(fd, p, n, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	NEXT(sendmsg)
	count(COUNT_SENDMSG);
	return next(fd, msg, flags);
}

int epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
	NEXT(epoll_wait)
	count(COUNT_EPOLL_WAIT);
	return next(fd, events, n, timeout);
}

int epoll_pwait2(int fd, struct epoll_event *events, int n, const struct timespec *timeout,
		 const sigset_t *mask)
{
	NEXT(epoll_pwait2)
	count(COUNT_EPOLL_WAIT);
	return next(fd, events, n, timeout, mask);
}

int epoll_ctl(int fd, int op, int which, struct epoll_event *event)
{
	NEXT(epoll_ctl)
	count(COUNT_EPOLL_CTL);
	return next(fd, op, which, event);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *to, struct itimerspec *old)
{
	NEXT(timerfd_settime)
	count(COUNT_TIMERFD);
	return next(fd, flags, to, old);
}

int eventfd(unsigned start, int flags)
{
	NEXT(eventfd)
	int fd = next(start, flags);

	if (fd >= 0 && fd < EVENT_FDS)
		atomic_store_explicit(&is_event[fd], 1, memory_order_relaxed);
	return fd;
}

int close(int fd)
{
	NEXT(close)
	if (fd >= 0 && fd < EVENT_FDS)
		atomic_store_explicit(&is_event[fd], 0, memory_order_relaxed);
	return next(fd);
}

int fsync(int fd)
{
	NEXT(fsync)
	count(COUNT_FSYNC);
	return next(fd);
}

int fdatasync(int fd)
{
	NEXT(fdatasync)
	count(COUNT_FSYNC);
	return next(fd);
}

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t off)
{
	NEXT(mmap)
	count(COUNT_MMAP);
	return next(p, n, prot, flags, fd, off);
}

int munmap(void *p, size_t n)
{
	NEXT(munmap)
	count(COUNT_MUNMAP);
	return next(p, n);
}

int madvise(void *p, size_t n, int advice)
{
	NEXT(madvise)
	count(COUNT_MADVISE);
	return next(p, n, advice);
}

/* -- the heap -------------------------------------------------------------------------- */

void *malloc(size_t size)
{
	count(COUNT_MALLOC);
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	count(COUNT_CALLOC);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	count(COUNT_REALLOC);
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	count(COUNT_ALIGNED);
	return __libc_memalign(align, size);
}

void *memalign(size_t align, size_t size)
{
	count(COUNT_ALIGNED);
	return __libc_memalign(align, size);
}

int posix_memalign(void **ret_p, size_t align, size_t size)
{
	void *p;

	count(COUNT_ALIGNED);
	if (!(p = __libc_memalign(align, size)))
		return ENOMEM;
	*ret_p = p;
	return 0;
}

void free(void *p)
{
	if (p)
		count(COUNT_FREE);
	__libc_free(p);
}
