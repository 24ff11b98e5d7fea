/* SPDX-License-Identifier: MIT
 *
 * What count.c counts, as a file that the server under test and the benchmark
 * both map.  Each thread of the server has a slot and only ever adds to it; the
 * benchmark reads it before and after and takes the difference, so nothing has to
 * be asked for or reset.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* Name of the function as it is printed. The order is that of the table. */
#define COUNT_LIST(X)                                                                              \
	X(COUNT_READ, "read")                                                                      \
	X(COUNT_RECV, "recv")                                                                      \
	X(COUNT_RECVMSG, "recvmsg")                                                                \
	X(COUNT_WRITE, "write")                                                                    \
	X(COUNT_WRITEV, "writev")                                                                  \
	X(COUNT_SEND, "send")                                                                      \
	X(COUNT_SENDMSG, "sendmsg")                                                                \
	X(COUNT_EVENT_READ, "eventfd_read")                                                        \
	X(COUNT_EVENT_WRITE, "eventfd_write")                                                      \
	X(COUNT_EPOLL_WAIT, "epoll_wait")                                                          \
	X(COUNT_EPOLL_CTL, "epoll_ctl")                                                            \
	X(COUNT_TIMERFD, "timerfd_settime")                                                        \
	X(COUNT_FSYNC, "fsync")                                                                    \
	X(COUNT_MMAP, "mmap")                                                                      \
	X(COUNT_MUNMAP, "munmap")                                                                  \
	X(COUNT_MADVISE, "madvise")                                                                \
	X(COUNT_MALLOC, "malloc")                                                                  \
	X(COUNT_CALLOC, "calloc")                                                                  \
	X(COUNT_REALLOC, "realloc")                                                                \
	X(COUNT_ALIGNED, "aligned_alloc")                                                          \
	X(COUNT_FREE, "free")

#define COUNT_ENUM(id, name) id,
enum count_what { COUNT_LIST(COUNT_ENUM) COUNT_KINDS };

/* Those below are calls of the kernel, those from here on of the heap. */
#define COUNT_FIRST_ALLOC COUNT_MALLOC

#define COUNT_THREADS 64
#define COUNT_ENV     "JACKDAW_BENCH_COUNT"

struct count_slot {
	_Atomic int tid;
	/* Written by one thread, read by the benchmark: relaxed, and no lock prefix. */
	_Alignas(64) _Atomic uint64_t n[COUNT_KINDS];
};

struct count_file {
	_Atomic unsigned used; /* may run past COUNT_THREADS: the rest is not counted */
	struct count_slot slots[COUNT_THREADS];
};
