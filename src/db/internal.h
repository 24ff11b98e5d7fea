/* SPDX-License-Identifier: MIT
 *
 * What the generic files of this folder share; drivers don't include it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "db/db.h"

struct db {
	const struct db_driver *driver;
	void *state;
	struct loop *home;
	struct waker *waker;
	size_t max_units;
	size_t max_bytes;
	struct db_stats stats; /* commits is counted below */
	bool closing;          /* nothing new is taken */
	bool delivering;       /* a callback is running */

	/* Units on their way home: threads put them into `returned` under the lock;
	 * home moves them to `ready`, in one piece, and calls back from there. */
	pthread_mutex_t lock;
	struct list returned;
	_Atomic bool any_returned;
	struct list ready;
	struct source source;
	_Atomic uint64_t commits;
};

/* Migrations of the core from the schema folder (migrate.c). */
int migrate_core(struct db *db, const char *schema_dir, struct db_error *ret_error) JD_MUST_USE;
