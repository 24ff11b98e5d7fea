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
};

struct meter {
	struct meter_group server, db;
};

void meter_add(struct meter_group *g, const char *pid);
/* Nanoseconds since the processes began, of threads that ended too. */
double meter_cpu(const struct meter_group *g);
/* KiB. */
double meter_pss(const struct meter_group *g);
