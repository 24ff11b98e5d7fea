/* SPDX-License-Identifier: MIT
 *
 * SQLite used directly, with the same settings of durability as our driver: one thread,
 * prepared statements, a transaction for each write or batch.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micro_db.h"

#define BATCH 128
#define ROWS  20000

char bench_body[BENCH_BODY];

static sqlite3 *db;
static sqlite3_stmt *put, *get, *begin, *commit;
static int64_t next_row;
static int64_t sum;

static void check(int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
		return;
	(void)fprintf(stderr, "micro_db: SQLite: %s\n", sqlite3_errmsg(db));
	exit(1);
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *stmt;

	check(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL));
	return stmt;
}

static void direct_open(const char *where)
{
	check(sqlite3_open_v2(where, &db,
			      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			      NULL));
	check(sqlite3_exec(db,
			   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			   "PRAGMA cache_size = -2048; " BENCH_TABLE_SQLITE,
			   NULL, NULL, NULL));
	put = prepare(BENCH_PUT);
	get = prepare(BENCH_GET);
	begin = prepare("BEGIN IMMEDIATE");
	commit = prepare("COMMIT");
}

static void step(sqlite3_stmt *stmt)
{
	check(sqlite3_step(stmt));
	check(sqlite3_reset(stmt));
}

static void put_row(int64_t n)
{
	check(sqlite3_bind_int64(put, 1, n % 1000));
	check(sqlite3_bind_int64(put, 2, n));
	check(sqlite3_bind_text(put, 3, "juliet@capulet.example", -1, SQLITE_STATIC));
	check(sqlite3_bind_blob(put, 4, bench_body, BENCH_BODY, SQLITE_STATIC));
	step(put);
}

/* What is read is copied, as whoever uses it would have to. */
static void get_row(int64_t n)
{
	char copy[BENCH_BODY + 64];

	check(sqlite3_bind_int64(get, 1, n % ROWS % 1000));
	check(sqlite3_bind_int64(get, 2, n % ROWS));
	while (sqlite3_step(get) == SQLITE_ROW) {
		sum += sqlite3_column_int64(get, 0) + sqlite3_column_bytes(get, 1);
		memcpy(copy, sqlite3_column_text(get, 1), (size_t)sqlite3_column_bytes(get, 1));
		memcpy(copy, sqlite3_column_blob(get, 2), (size_t)sqlite3_column_bytes(get, 2));
		sum += copy[0];
	}
	check(sqlite3_reset(get));
}

static void direct_run(enum bench_what what, uint64_t n)
{
	unsigned group = what == BENCH_BATCH ? BATCH : 1;

	for (uint64_t i = 0; i < n; i++) {
		if (what == BENCH_READ) {
			get_row((int64_t)i);
			continue;
		}
		if (i % group == 0)
			step(begin);
		put_row(next_row++);
		if (i % group == group - 1)
			step(commit);
	}
}

static void direct_close(void)
{
	sqlite3_finalize(put);
	sqlite3_finalize(get);
	sqlite3_finalize(begin);
	sqlite3_finalize(commit);
	check(sqlite3_close(db));
	if (sum == 42)
		(void)puts("");
}

const struct bench_direct bench_direct_sqlite = {direct_open, direct_run, direct_close};
