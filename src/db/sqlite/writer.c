/* SPDX-License-Identifier: MIT
 *
 * Group commit.  While a COMMIT waits for the disk, units arrive, and all of them
 * go into the next transaction, a savepoint each, so that one that breaks a
 * constraint is undone alone.
 *
 * Who is told what when a group ends badly:
 *   - full disk, I/O error at a statement: the transaction is gone; all FAILED
 *   - COMMIT refused by a deferred constraint: each unit again, alone
 *   - COMMIT failed while writing the log: the commit record is what is written
 *     last, so nothing was committed; all FAILED
 *   - COMMIT failed otherwise, say at fsync: the record may or may not survive a
 *     crash; all UNCERTAIN
 */
#include <stdio.h>

#include "db/sqlite/sqlite.h"

/* One outcome for the whole group; the reason stands in its first unit alone, so
 * that a full disk is one line in the log and not 256. */
static void group_outcome(struct list *group, enum jd_db_status status, const char *reason)
{
	for (struct list *n = group->next; n != group; n = n->next) {
		struct jd_unit *unit = container_of(n, struct jd_unit, node);

		unit_outcome(unit, status, n == group->next ? reason : NULL);
	}
}

static void group_failed(struct lite *c, struct list *group, enum jd_db_status status, int rc)
{
	char reason[sizeof(((struct jd_unit *)0)->reason)];

	lite_reason(c, rc, reason, sizeof(reason));
	lite_rollback(c);
	group_outcome(group, status, reason);
}

/* One that writes and returns rows: when they are too many, it has succeeded for SQLite. */
static bool writes_and_returns(struct lite *c, const struct unit_step *step)
{
	struct prepared *p;

	return lite_prepare(c, step->statement, &p) == SQLITE_OK && !p->read_only &&
	       sqlite3_column_count(p->stmt) > 0;
}

/* SQLite undoes a statement that fails; so one alone, of which nothing else can be wrong,
 * needs no savepoint. */
static bool needs_savepoint(struct lite *c, const struct jd_unit *unit)
{
	if (unit->count != 1)
		return unit->count > 1;
	return unit->first->statement->stmt.expect || writes_and_returns(c, unit->first);
}

static enum exec_result run_undoable(struct lite *c, struct jd_unit *unit)
{
	bool savepoint = needs_savepoint(c, unit);
	enum exec_result result;

	if (savepoint && lite_control(c, CONTROL_SAVEPOINT)) {
		unit_outcome(unit, JD_DB_FAILED, sqlite3_errmsg(c->db));
		return EXEC_LOST;
	}
	result = lite_exec(c, unit);
	if (!savepoint || result == EXEC_LOST)
		return result;
	if ((result == EXEC_UNDO && lite_control(c, CONTROL_UNDO)) ||
	    lite_control(c, CONTROL_RELEASE)) {
		unit_outcome(unit, JD_DB_FAILED, sqlite3_errmsg(c->db));
		return EXEC_LOST;
	}
	return result;
}

/* Runs the units of an open transaction; false when it was lost. */
static bool run_members(struct lite *c, struct list *group)
{
	for (struct list *n = group->next; n != group; n = n->next) {
		struct jd_unit *unit = container_of(n, struct jd_unit, node);
		char reason[sizeof(unit->reason)];

		if (run_undoable(c, unit) != EXEC_LOST)
			continue;
		(void)snprintf(reason, sizeof(reason), "%s",
			       unit->reason[0] ? unit->reason
					       : "a statement ended the transaction");
		lite_rollback(c);
		group_outcome(group, JD_DB_FAILED, reason);
		return false;
	}
	return true;
}

/* The record that makes a commit valid is the last thing written to the log: when
 * writing failed, it isn't there. */
static bool surely_not_committed(int rc)
{
	return (rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_BUSY || rc == SQLITE_IOERR_WRITE;
}

/* A deferred constraint doesn't say whose it is: everybody again, alone. */
static void run_each(struct lite *c, struct db *db, struct list *group)
{
	struct list done = LIST_INIT(done);

	while (!list_empty(group)) {
		struct list one = LIST_INIT(one);
		struct list *first = group->next;

		list_remove(first);
		list_append(&one, first);
		lite_run_group(c, db, &one);
		list_splice(&done, &one);
	}
	list_splice(group, &done);
}

static void commit_failed(struct lite *c, struct db *db, struct list *group, int rc)
{
	bool alone = group->next == group->prev;

	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		lite_rollback(c);
		if (alone)
			group_outcome(group, JD_DB_CONFLICT, NULL);
		else
			run_each(c, db, group);
	} else if (surely_not_committed(rc)) {
		group_failed(c, group, JD_DB_FAILED, rc);
	} else {
		group_failed(c, group, JD_DB_UNCERTAIN, rc);
	}
}

void lite_run_group(struct lite *c, struct db *db, struct list *group)
{
	int rc = lite_control(c, CONTROL_BEGIN_WRITE);

	if (rc) {
		group_failed(c, group, JD_DB_FAILED, rc);
		return;
	}
	if (!run_members(c, group))
		return;
	rc = lite_control(c, CONTROL_COMMIT);
	if (rc)
		commit_failed(c, db, group, rc);
	else
		db_committed(db);
}
