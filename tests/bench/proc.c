/* SPDX-License-Identifier: MIT
 *
 * Reading /proc.
 */
#include "proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

#define STILL_KIB  32
#define STILL_LOOK 20 /* looks without a change: two seconds */

static FILE *open_task(pid_t pid, int tid, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, tid, name);
	return fopen(path, "re");
}

static void read_name(pid_t pid, struct proc_thread *t)
{
	FILE *f = open_task(pid, t->tid, "comm");

	if (!f)
		return;
	if (fgets(t->name, sizeof(t->name), f))
		t->name[strcspn(t->name, "\n")] = 0;
	fclose(f);
}

static void read_switches(pid_t pid, struct proc_thread *t)
{
	FILE *f = open_task(pid, t->tid, "status");
	char line[160];
	unsigned long long n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1)
			t->switches = n;
	if (f)
		fclose(f);
}

static bool read_thread(pid_t pid, struct proc_thread *t)
{
	FILE *f = open_task(pid, t->tid, "schedstat");
	unsigned long long cpu;
	bool good = f && fscanf(f, "%llu", &cpu) == 1;

	if (f)
		fclose(f);
	if (!good)
		return false;
	t->cpu = cpu;
	read_name(pid, t);
	read_switches(pid, t);
	return true;
}

void proc_read(pid_t pid, struct proc_figures *ret_figures)
{
	char path[40];
	struct dirent *entry;
	DIR *dir;

	memset(ret_figures, 0, sizeof(*ret_figures));
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if (!(dir = opendir(path)))
		bench_fail("process %d has gone", (int)pid);
	while ((entry = readdir(dir)) && ret_figures->n < PROC_THREADS) {
		struct proc_thread *t = &ret_figures->threads[ret_figures->n];

		t->tid = atoi(entry->d_name);
		if (t->tid > 0 && read_thread(pid, t))
			ret_figures->n++;
	}
	closedir(dir);
}

void proc_minus(struct proc_figures *after, const struct proc_figures *before)
{
	for (unsigned i = 0; i < after->n; i++) {
		for (unsigned j = 0; j < before->n; j++) {
			if (after->threads[i].tid != before->threads[j].tid)
				continue;
			after->threads[i].cpu -= before->threads[j].cpu;
			after->threads[i].switches -= before->threads[j].switches;
		}
	}
}

uint64_t proc_cpu(const struct proc_figures *f)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->n; i++)
		sum += f->threads[i].cpu;
	return sum;
}

uint64_t proc_switches(const struct proc_figures *f)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->n; i++)
		sum += f->threads[i].switches;
	return sum;
}

uint64_t proc_pss(pid_t pid)
{
	char path[40], line[160];
	unsigned long long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	if (!kib)
		bench_fail("no memory figures of process %d", (int)pid);
	return kib;
}

uint64_t proc_pss_settled(pid_t pid, unsigned max_seconds)
{
	const struct timespec pause = {0, 100000000};
	uint64_t last = proc_pss(pid), now = last;
	unsigned still = 0;

	for (unsigned i = 0; i < max_seconds * 10 && still < STILL_LOOK; i++) {
		nanosleep(&pause, NULL);
		now = proc_pss(pid);
		still = llabs((long long)(now - last)) <= STILL_KIB ? still + 1 : 0;
		if (still == 0)
			last = now;
	}
	return now;
}
