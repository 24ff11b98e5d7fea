/* SPDX-License-Identifier: MIT
 *
 * What the kernel knows about a process: CPU time and context switches of each
 * thread, and memory.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define PROC_THREADS 64

struct proc_thread {
	int tid;
	char name[16];
	uint64_t cpu;      /* nanoseconds */
	uint64_t switches; /* sleeps: voluntary context switches */
};

struct proc_figures {
	unsigned n;
	struct proc_thread threads[PROC_THREADS];
};

void proc_read(pid_t pid, struct proc_figures *ret_figures);
/* after - before, thread by thread; threads that ended in between are left out. */
void proc_minus(struct proc_figures *after, const struct proc_figures *before);
uint64_t proc_cpu(const struct proc_figures *f);
uint64_t proc_switches(const struct proc_figures *f);

/* The proportional share of its pages, in KiB. */
uint64_t proc_pss(pid_t pid);
/* The same, once it has stood still for two seconds; after max_seconds what it is then. */
uint64_t proc_pss_settled(pid_t pid, unsigned max_seconds);
