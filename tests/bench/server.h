/* SPDX-License-Identifier: MIT
 *
 * A Jackdaw in a folder of its own, started, asked and stopped.  One folder serves
 * several runs, so that accounts are made once.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "count.h"

struct bench_folder {
	const char *jackdaw, *ctl, *count_lib; /* absolute paths */
	char path[64];
	unsigned users; /* accounts u0 ... on "localhost", each with the password "bench" */
};

struct bench_server {
	struct bench_folder *folder;
	pid_t pid;
	int notify; /* where it says that it is ready, and that it stops */
	int port, tls_port;
	struct count_file *count; /* NULL unless counted */
};

#define BENCH_HOST     "localhost"
#define BENCH_PASSWORD "bench"

void folder_make(struct bench_folder *f, const char *jackdaw, const char *ctl,
		 const char *count_lib);
void folder_remove(struct bench_folder *f);

/* Returns when it is ready. park_after: see jackdaw.conf. */
void server_start(struct bench_server *s, struct bench_folder *f, unsigned io_threads,
		  const char *park_after, bool counted);
/* Complains when the log has errors or the exit code is not 0. */
void server_stop(struct bench_server *s);
/* Sees to it that there are so many accounts. */
void server_users(struct bench_server *s, unsigned users);
