/* SPDX-License-Identifier: MIT
 *
 * The worker pool: a few threads for work that burns CPU or blocks (PBKDF2,
 * reading files).  Jobs are submitted by the logic thread and come back to it,
 * in any order, each exactly once.
 */
#pragma once

#include "rt/loop.h"

struct worker_pool;

struct worker_job {
	struct list node;
	void (*work)(struct worker_job *self); /* on a worker; touches only the job */
	void (*done)(struct worker_job *self); /* on the logic thread; may free the job */
};

/* threads >= 1; at most max_jobs wait. home is the logic thread's loop. */
struct worker_pool *worker_pool_new(struct loop *home, unsigned threads, size_t max_jobs);

/* Runs what waits, waits for what runs; done() of every submitted job has been called on
 * return. NULL is fine. Never from within done(). */
void worker_pool_free(struct worker_pool *pool);

/* -JD_ELIMIT when max_jobs wait, -JD_ECLOSED from a done() that worker_pool_free() calls. done() is
 * never called beneath this call. */
int worker_submit(struct worker_pool *pool, struct worker_job *job) JD_MUST_USE;
