/* SPDX-License-Identifier: MIT
 *
 * CPU time and memory of groups of processes: the server's, and the database's apart.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define METER_PIDS 64

struct meter_group {
	unsigned n;
	pid_t pids[METER_PIDS];
	double last[METER_PIDS]; /* what each had used when it was looked at */
};

struct meter {
	struct meter_group server, db;
};

/* A database may end a connection's process when it likes: it keeps what it had used. */
void meter_add(struct meter_group *g, const char *pid);
/* Nanoseconds since the processes began, of threads that ended too. */
double meter_cpu(struct meter_group *g);
double meter_cpu_db(struct meter_group *g);
/* KiB, of those that are there. */
double meter_pss(const struct meter_group *g);
