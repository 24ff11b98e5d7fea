/* SPDX-License-Identifier: MIT
 *
 * Migrations on a SQLite connection: a script and its row in schema_migration
 * are one transaction.  Scripts are files of ours; they are the only text that
 * is run as it is, and nothing is put into it.
 */
#include "db/sqlite/sqlite.h"
#include "util/clock.h"

static const char create_table[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
				   " component  TEXT    NOT NULL,"
				   " version    INTEGER NOT NULL,"
				   " name       TEXT    NOT NULL,"
				   " applied_at INTEGER NOT NULL,"
				   " PRIMARY KEY (component, version))";
static const char insert_row[] = "INSERT INTO schema_migration"
				 " (component, version, name, applied_at) VALUES (?, ?, ?, ?)";
static const char select_version[] = "SELECT coalesce(max(version), 0) FROM schema_migration"
				     " WHERE component = ?";

static int note(struct lite *c, const struct db_script *s)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(c->db, insert_row, -1, &stmt, NULL);

	if (rc)
		return rc;
	sqlite3_bind_text(stmt, 1, s->component, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, s->version);
	sqlite3_bind_text(stmt, 3, s->name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, (sqlite3_int64)clock_real());
	sqlite3_step(stmt);
	return sqlite3_finalize(stmt);
}

static int run(struct lite *c, const struct db_script *s)
{
	int rc = lite_control(c, CONTROL_BEGIN_WRITE);

	if (!rc)
		rc = sqlite3_exec(c->db, s->sql, NULL, NULL, NULL);
	if (!rc && !lite_in_transaction(c))
		return SQLITE_MISUSE; /* a COMMIT in the script */
	if (!rc)
		rc = note(c, s);
	if (!rc)
		rc = lite_control(c, CONTROL_COMMIT);
	return rc;
}

int lite_script(struct lite *c, const struct db_script *s, struct db_error *ret_error)
{
	int rc = run(c, s);
	int err = 0;

	if (rc == SQLITE_MISUSE)
		err = db_fail(ret_error, -JD_ECONF,
			      "migration %s (number %u of \"%s\") ends its own transaction",
			      s->name, s->version, s->component);
	else if (rc)
		err = db_fail(ret_error, -JD_EDB, "migration %s (number %u of \"%s\") failed: %s",
			      s->name, s->version, s->component, sqlite3_errmsg(c->db));
	lite_rollback(c);
	return err;
}

static int read_version(struct lite *c, const char *component, unsigned *ret_version)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_exec(c->db, create_table, NULL, NULL, NULL);

	if (!rc)
		rc = sqlite3_prepare_v2(c->db, select_version, -1, &stmt, NULL);
	if (rc)
		return rc;
	sqlite3_bind_text(stmt, 1, component, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*ret_version = (unsigned)sqlite3_column_int64(stmt, 0);
	return sqlite3_finalize(stmt);
}

int lite_version(struct lite *c, const char *component, unsigned *ret_version,
		 struct db_error *ret_error)
{
	if (read_version(c, component, ret_version))
		return db_fail(ret_error, -JD_EDB, "cannot read the version of the tables: %s",
			       sqlite3_errmsg(c->db));
	return 0;
}
