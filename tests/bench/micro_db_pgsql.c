/* SPDX-License-Identifier: MIT
 *
 * libpq used directly: one connection, prepared statements, binary parameters, pipeline
 * mode with as many queries on their way as the interface has; a batch is one
 * transaction of 128 inserts in one pipeline.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "micro_db.h"

#define AT_ONCE 64
#define BATCH   128
#define ROWS    20000

static PGconn *conn;
static int64_t next_row;
static int64_t sum;

_Noreturn static void give_up(void)
{
	(void)fprintf(stderr, "micro_db: libpq: %s\n", PQerrorMessage(conn));
	exit(1);
}

static void check(bool good)
{
	if (!good)
		give_up();
}

static void done(PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);

	check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	      status == PGRES_PIPELINE_SYNC);
	PQclear(r);
}

static void direct_open(const char *where)
{
	conn = PQconnectdb(where);
	check(PQstatus(conn) == CONNECTION_OK);
	done(PQexec(conn, "DROP TABLE IF EXISTS bench_direct"));
	done(PQexec(conn, "CREATE TABLE bench_direct " BENCH_COLUMNS("BIGINT", "BYTEA")));
	done(PQprepare(conn, "put",
		       "INSERT INTO bench_direct (owner, id, peer, body) VALUES ($1, $2, $3, $4)",
		       0, NULL));
	done(PQprepare(conn, "get",
		       "SELECT id, peer, body FROM bench_direct WHERE owner = $1 AND id = $2", 0,
		       NULL));
	done(PQprepare(conn, "begin", "BEGIN", 0, NULL));
	done(PQprepare(conn, "commit", "COMMIT", 0, NULL));
	check(PQenterPipelineMode(conn) == 1);
}

static void big_endian(int64_t n, char out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (char)(uint64_t)((uint64_t)n >> (56 - 8 * i));
}

static void send_row(const char *stmt, int64_t owner, int64_t id, int n_params)
{
	static const char peer[] = "juliet@capulet.example";
	static const int formats[] = {1, 1, 1, 1};
	char a[8], b[8];
	const char *values[] = {a, b, peer, bench_body};
	const int lengths[] = {8, 8, sizeof(peer) - 1, BENCH_BODY};

	big_endian(owner, a);
	big_endian(id, b);
	check(PQsendQueryPrepared(conn, stmt, n_params, values, lengths, formats, 1) == 1);
}

static void take_row(const PGresult *r)
{
	char copy[BENCH_BODY + 64];
	int n = PQgetlength(r, 0, 2);

	if (PQntuples(r) != 1)
		return;
	sum += PQgetlength(r, 0, 1);
	memcpy(copy, PQgetvalue(r, 0, 1), (size_t)PQgetlength(r, 0, 1));
	memcpy(copy, PQgetvalue(r, 0, 2), (size_t)n);
	sum += copy[0];
}

/* The answers to n queries, and the sync behind all of them or behind each. */
static void collect(unsigned n, bool each)
{
	PGresult *r;

	for (unsigned i = 0; i < n; i++) {
		r = PQgetResult(conn);
		if (PQresultStatus(r) == PGRES_TUPLES_OK)
			take_row(r);
		done(r);
		r = PQgetResult(conn); /* the end of this query */
		check(r == NULL);
		if (each)
			done(PQgetResult(conn));
	}
	if (!each)
		done(PQgetResult(conn));
}

static void run_reads(uint64_t n)
{
	for (uint64_t i = 0; i < n; i += AT_ONCE) {
		unsigned now = n - i < AT_ONCE ? (unsigned)(n - i) : AT_ONCE;

		/* One that fails takes no other along: a sync each, which is a transaction each. */
		for (unsigned k = 0; k < now; k++) {
			send_row("get", (int64_t)(i + k) % ROWS % 1000, (int64_t)(i + k) % ROWS, 2);
			check(PQpipelineSync(conn) == 1);
		}
		collect(now, true);
	}
}

static void run_writes(uint64_t n, unsigned group)
{
	for (uint64_t i = 0; i < n; i += group) {
		bool transaction = group > 1;

		if (transaction)
			check(PQsendQueryPrepared(conn, "begin", 0, NULL, NULL, NULL, 1) == 1);
		for (unsigned k = 0; k < group; k++, next_row++)
			send_row("put", next_row % 1000, next_row, 4);
		if (transaction)
			check(PQsendQueryPrepared(conn, "commit", 0, NULL, NULL, NULL, 1) == 1);
		check(PQpipelineSync(conn) == 1);
		collect(group + (transaction ? 2 : 0), false);
	}
}

static void direct_run(enum bench_what what, uint64_t n)
{
	if (what == BENCH_READ)
		run_reads(n);
	else
		run_writes(n, what == BENCH_BATCH ? BATCH : 1);
}

static void direct_close(void)
{
	PQfinish(conn);
	if (sum == 42)
		(void)puts("");
}

void bench_pgsql(const char *conninfo, const char *module_dir,
		 void (*compare)(const char *driver, const struct db_settings *settings,
				 const struct bench_direct *direct, const char *where))
{
	static const struct bench_direct direct = {direct_open, direct_run, direct_close};
	struct db_settings settings = {
		.driver = "pgsql", .conninfo = conninfo, .module_dir = module_dir};

	compare("pgsql", &settings, &direct, conninfo);
}
