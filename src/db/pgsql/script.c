/* SPDX-License-Identifier: MIT
 *
 * Migrations on a PostgreSQL connection, blocking: a script and its row in
 * schema_migration are one transaction.  Scripts are files of ours; they are the
 * only text that is run as it is, and nothing is put into it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db/pgsql/pgsql.h"
#include "util/clock.h"

static const char create_table[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
				   " component  TEXT    NOT NULL,"
				   " version    INTEGER NOT NULL,"
				   " name       TEXT    NOT NULL,"
				   " applied_at BIGINT  NOT NULL,"
				   " PRIMARY KEY (component, version))";
static const char insert_row[] = "INSERT INTO schema_migration"
				 " (component, version, name, applied_at)"
				 " VALUES ($1, $2::integer, $3, $4::bigint)";
static const char select_version[] = "SELECT coalesce(max(version), 0) FROM schema_migration"
				     " WHERE component = $1";

/* The text of a result that is an error; NULL for a good one. */
static const char *wrong(PGconn *pq, const PGresult *r)
{
	ExecStatusType status = libpq->PQresultStatus(r);
	const char *text;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return NULL;
	text = r ? libpq->PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	return text ? text : libpq->PQerrorMessage(pq);
}

static int command(PGconn *pq, const char *sql, char *reason, size_t size)
{
	PGresult *r = libpq->PQexec(pq, sql);
	const char *text = wrong(pq, r);

	if (text)
		(void)snprintf(reason, size, "%s", text);
	libpq->PQclear(r);
	return text ? -JD_EDB : 0;
}

static int note(PGconn *pq, const struct db_script *s, char *reason, size_t size)
{
	char version[16];
	char at[24];
	const char *values[] = {s->component, version, s->name, at};
	const char *text;
	PGresult *r;

	(void)snprintf(version, sizeof(version), "%u", s->version);
	(void)snprintf(at, sizeof(at), "%llu", (unsigned long long)clock_real());
	r = libpq->PQexecParams(pq, insert_row, 4, NULL, values, NULL, NULL, 0);
	text = wrong(pq, r);
	if (text)
		(void)snprintf(reason, size, "%s", text);
	libpq->PQclear(r);
	return text ? -JD_EDB : 0;
}

int script_run(PGconn *pq, const struct db_script *s, struct db_error *ret_error)
{
	char reason[256] = "";
	int err = command(pq, "BEGIN", reason, sizeof(reason));

	if (!err)
		err = command(pq, s->sql, reason, sizeof(reason));
	if (!err && libpq->PQtransactionStatus(pq) != PQTRANS_INTRANS)
		return db_fail(ret_error, -JD_ECONF,
			       "migration %s (number %u of \"%s\") ends its own transaction",
			       s->name, s->version, s->component);
	if (!err)
		err = note(pq, s, reason, sizeof(reason));
	if (!err)
		err = command(pq, "COMMIT", reason, sizeof(reason));
	if (!err)
		return 0;
	db_fail(ret_error, err, "migration %s (number %u of \"%s\") failed: %s", s->name,
		s->version, s->component, reason);
	(void)command(pq, "ROLLBACK", reason, sizeof(reason));
	return err;
}

int script_version(PGconn *pq, const char *component, unsigned *ret_version,
		   struct db_error *ret_error)
{
	const char *values[] = {component};
	char reason[256] = "";
	const char *text;
	PGresult *r;

	if (command(pq, create_table, reason, sizeof(reason)))
		return db_fail(ret_error, -JD_EDB, "cannot read the version of the tables: %s",
			       reason);
	r = libpq->PQexecParams(pq, select_version, 1, NULL, values, NULL, NULL, 0);
	text = wrong(pq, r);
	if (text)
		db_fail(ret_error, -JD_EDB, "cannot read the version of the tables: %s", text);
	else
		*ret_version = (unsigned)strtoul(libpq->PQgetvalue(r, 0, 0), NULL, 10);
	libpq->PQclear(r);
	return text ? -JD_EDB : 0;
}
