/* SPDX-License-Identifier: MIT
 *
 * The parts of the SQLite driver:
 *
 *     lanes.c     threads and queues
 *     writer.c    group commit and what becomes of a group that fails
 *     exec.c      one unit on a connection: parameters, rows, outcomes
 *     lite.c      a connection: opening, settings, its prepared statements
 *     script.c    migrations
 *     lockfile.c  one server per database file
 *
 * A connection is used by one thread at a time.
 */
#pragma once

#include <stdatomic.h>

#include <sqlite3.h>

#include "db/db.h"

#define SQLITE_MAX_PARAMS 32

/* Statements of our own that every connection needs. */
enum control {
	CONTROL_BEGIN_READ,
	CONTROL_BEGIN_WRITE,
	CONTROL_COMMIT,
	CONTROL_ROLLBACK,
	CONTROL_SAVEPOINT,
	CONTROL_RELEASE,
	CONTROL_UNDO, /* back to the savepoint */
	CONTROL_COUNT,
};

/* A prepared statement. SQLite numbers parameters as it meets them, we by name:
 * slot[i] is the index of our parameter for SQLite's number i + 1. */
struct prepared {
	sqlite3_stmt *stmt;
	unsigned n_slots;
	unsigned n_params; /* the highest $n */
	unsigned char slot[SQLITE_MAX_PARAMS];
	bool read_only;
};

/* A connection. */
struct lite {
	sqlite3 *db;
	sqlite3_stmt *control[CONTROL_COUNT];
	struct prepared **prepared; /* by the number of the statement; entries may be NULL */
	unsigned n_prepared;
	/* for units of the LONG lane */
	jd_usec long_limit;
	jd_usec deadline;            /* monotonic */
	const _Atomic bool *closing; /* also ends them */
};

enum lite_kind { LITE_WRITER, LITE_READER, LITE_MEMORY };

/* -JD_EDB or -JD_ECONF with a sentence that names path. */
int lite_open(struct lite *c, const char *path, enum lite_kind kind, struct db_error *ret_error);
/* -JD_EDB with the sentence for what open(2) said of path or of a file beside it. */
int lite_open_failed(const char *path, int saved_errno, struct db_error *ret_error);
void lite_close(struct lite *c); /* one that was never opened is fine */
/* Runs a statement of our own to its end; an SQLITE_ code. */
int lite_control(struct lite *c, enum control what);
/* Whether a transaction is open. */
bool lite_in_transaction(const struct lite *c);
/* Ends one that is open, without effect. */
void lite_rollback(struct lite *c);
/* The prepared form of a statement, from the cache; an SQLITE_ code. */
int lite_prepare(struct lite *c, const struct statement *statement, struct prepared **ret_prepared);

enum exec_result {
	EXEC_OK,
	EXEC_UNDO, /* this unit failed alone and its outcome is set; undo what it did */
	EXEC_LOST, /* the transaction cannot go on; the outcome says why */
};
/* The steps of a unit, in a transaction that the caller has opened (or none, for one step). */
enum exec_result lite_exec(struct lite *c, struct jd_unit *unit);

/* Runs the units as one transaction and sets the outcome of each; the list keeps them. */
void lite_run_group(struct lite *c, struct db *db, struct list *group);

/* A sentence for what SQLite says; cut to size. */
void lite_reason(struct lite *c, int rc, char *ret_reason, size_t size);

int lite_script(struct lite *c, const struct db_script *script, struct db_error *ret_error);
int lite_version(struct lite *c, const char *component, unsigned *ret_version,
		 struct db_error *ret_error);

/* Takes PATH.lock; the descriptor keeps it until closed. */
int lite_lock_file(const char *path, int *ret_fd, struct db_error *ret_error);

/* -- backup.c ---------------------------------------------------------------------- */

int lite_backup(const struct db_settings *settings, const char *to,
		struct db_error *ret_error) JD_MUST_USE;
