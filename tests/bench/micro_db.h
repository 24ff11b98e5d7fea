/* SPDX-License-Identifier: MIT
 *
 * The direct use of a database, for micro_db.c: what somebody would write who needs
 * nothing but these three loads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum bench_what { BENCH_READ, BENCH_WRITE, BENCH_BATCH };

struct bench_direct {
	void (*open)(const char *where); /* makes an empty table */
	void (*run)(enum bench_what what, uint64_t n);
	void (*close)(void);
};
extern const struct bench_direct bench_direct_sqlite;

#define BENCH_BODY 300
extern char bench_body[BENCH_BODY];

/* About what a row of an archive holds. */
#define BENCH_COLUMNS(integer, blob)                                                               \
	"(owner " integer " NOT NULL, id " integer " NOT NULL, peer TEXT NOT NULL, body " blob     \
	" NOT NULL, PRIMARY KEY (owner, id))"
#define BENCH_TABLE_SQLITE "CREATE TABLE bench_row " BENCH_COLUMNS("INTEGER", "BLOB")
#define BENCH_TABLE_PGSQL  "CREATE TABLE bench_row " BENCH_COLUMNS("BIGINT", "BYTEA")
#define BENCH_PUT          "INSERT INTO bench_row (owner, id, peer, body) VALUES ($1, $2, $3, $4)"
#define BENCH_GET          "SELECT id, peer, body FROM bench_row WHERE owner = $1 AND id = $2"

struct db_settings;
/* PostgreSQL's turn, when this build has it. */
void bench_pgsql(const char *conninfo, const char *module_dir,
		 void (*compare)(const char *driver, const struct db_settings *settings,
				 const struct bench_direct *direct, const char *where));
