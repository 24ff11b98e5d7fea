/* SPDX-License-Identifier: MIT
 *
 * A process's CPU clock counts in nanoseconds and keeps what ended threads used,
 * which the ticks in /proc/PID/stat and the files of the threads don't.
 */
#include "meter.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "proc.h"

void meter_add(struct meter_group *g, const char *pid)
{
	char *end;
	long n = strtol(pid, &end, 10);

	if (*end || n < 1 || g->n == METER_PIDS)
		bench_fail("%s is no process", pid);
	g->pids[g->n++] = (pid_t)n;
}

static double cpu(struct meter_group *g, bool may_end)
{
	double sum = 0;

	for (unsigned i = 0; i < g->n; i++) {
		struct timespec ts;
		clockid_t clock;

		if (clock_getcpuclockid(g->pids[i], &clock) == 0 && clock_gettime(clock, &ts) == 0)
			g->last[i] = (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
		else if (!may_end)
			bench_fail("process %d has gone", (int)g->pids[i]);
		sum += g->last[i];
	}
	return sum;
}

double meter_cpu(struct meter_group *g)
{
	return cpu(g, false);
}

double meter_cpu_db(struct meter_group *g)
{
	return cpu(g, true);
}

double meter_pss(const struct meter_group *g)
{
	double sum = 0;

	for (unsigned i = 0; i < g->n; i++)
		if (kill(g->pids[i], 0) == 0)
			sum += (double)proc_pss(g->pids[i]);
	return sum;
}
