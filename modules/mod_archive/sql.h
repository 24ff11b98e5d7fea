/* SPDX-License-Identifier: MIT
 *
 * How rows are read: a run of one index, whatever there is.
 *
 * Numbers and times of rows grow together, so the times that somebody names become
 * bounds of numbers by two look-ups in an index, and what is left is a run of
 * an index over numbers.  There is one bound on either side, because a database
 * begins where one of them says and tries the others row by row.
 *
 * The inner query takes one row more than is wanted, which tells whether there is
 * more; the outer one cuts where the stanzas would be too large together, before
 * any of them is read in full.
 */
#pragma once

/* $1 owner, $2 after, $3 before, $4 start, $5 end. */
#define RANGE(place, greatest, least)                                                              \
	"owner = $1 AND " place " > " greatest "(CAST($2 AS BIGINT), COALESCE((SELECT id - 1"      \
	" FROM archive WHERE owner = $1 AND at >= $4 ORDER BY at LIMIT 1), 9223372036854775806))"  \
	" AND " place " < " least "(CAST($3 AS BIGINT), COALESCE((SELECT id + 1"                   \
	" FROM archive WHERE owner = $1 AND at <= $5 ORDER BY at DESC LIMIT 1), 0))"
#define RANGE_SQLITE RANGE("id", "MAX", "MIN")
/* PostgreSQL takes two bounds for a narrow range, whatever they turn out to be, and would read all
 * of it to sort it. A comparison of rows is a bound of the index just as well, and no such pair. */
#define RANGE_PGSQL                                                                                \
	"owner = $1 AND id > GREATEST(CAST($2 AS BIGINT), COALESCE((SELECT id - 1"                 \
	" FROM archive WHERE owner = $1 AND at >= $4 ORDER BY at LIMIT 1), 9223372036854775806))"  \
	" AND (id, 0) < (LEAST(CAST($3 AS BIGINT), COALESCE((SELECT id + 1"                        \
	" FROM archive WHERE owner = $1 AND at <= $5 ORDER BY at DESC LIMIT 1), 0)), 0)"

#define OVER(dir) "OVER (ORDER BY id " dir " ROWS UNBOUNDED PRECEDING)"
#define FITS      "(p.ahead = 0 OR p.ahead + p.bytes <= " PAGE_BYTES ")"

/* Columns of what follows. */
enum { ROW_ID, ROW_AT, ROW_FLAGS, ROW_FORMAT, ROW_STANZA, ROW_OUT, ROW_FOUND };

/* SQLite would carry the stanzas through the window; so it reads them last. page: ids and bytes. */
#define ROWS_OF_SQLITE(page, dir)                                                                  \
	"SELECT a.id, a.at, a.flags, a.format, a.stanza, a.direction, p.n FROM (SELECT id, bytes," \
	" SUM(bytes) " OVER(dir) " - bytes AS ahead, COUNT(*) OVER () AS n"                        \
				 " FROM (" page ") AS page) AS p"                                  \
				 " CROSS JOIN archive AS a WHERE a.owner = $1 AND a.id = p.id"     \
				 " AND " FITS " ORDER BY p.id " dir
/* where: what stands behind "FROM archive". */
#define ROWS_SQLITE(where, dir, limit)                                                             \
	ROWS_OF_SQLITE("SELECT id, length(stanza) AS bytes FROM archive" where " ORDER BY id " dir \
		       " LIMIT " limit,                                                            \
		       dir)
/* PostgreSQL carries a reference to a large one, and plans without a join. page: whole rows, with
 * their bytes. */
#define ROWS_OF_PGSQL(page, dir)                                                                   \
	"SELECT p.id, p.at, p.flags, p.format, p.stanza, p.direction, p.n FROM (SELECT id, at,"    \
	" flags, format, stanza, direction, bytes,"                                                \
	" SUM(bytes) " OVER(dir) " - bytes AS ahead, COUNT(*) OVER () AS n FROM (" page            \
				 ") AS page) AS p WHERE " FITS " ORDER BY p.id " dir
#define ROWS_PGSQL(where, dir, limit)                                                              \
	ROWS_OF_PGSQL("SELECT id, at, flags, format, stanza, direction, length(stanza) AS bytes"   \
		      " FROM archive" where " ORDER BY id " dir " LIMIT " limit,                   \
		      dir)

/* What is found by words, behind the columns: $12 terms, $13 phrases as JSON, $14 peer or NULL, $15
 * resource or NULL, $16 ids as JSON or NULL, $17 how many. Where the index begins and ends is said
 * in its own numbers. */
#define FROM_TIME "(SELECT id - 1 FROM archive WHERE owner = $1 AND at >= $4 ORDER BY at LIMIT 1)"
#define UPTO_TIME                                                                                  \
	"(SELECT id + 1 FROM archive WHERE owner = $1 AND at <= $5 ORDER BY at DESC LIMIT 1)"
#define WITH_TEXT(listed)                                                                          \
	" AND (CAST($14 AS TEXT) IS NULL OR a.peer = $14)"                                         \
	" AND (CAST($15 AS TEXT) IS NULL OR a.resource = $15)"                                     \
	" AND (CAST($16 AS TEXT) IS NULL OR a.id IN " listed                                       \
	") AND (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id IN " listed ") = $17"
#define BASE "$1 * 4294967296"
#define TEXT_SQLITE                                                                                \
	" FROM archive_words AS w CROSS JOIN archive AS a WHERE w.archive_words MATCH $12"         \
	" AND w.rowid > " BASE " + MIN(MAX(CAST($2 AS BIGINT), COALESCE(" FROM_TIME                \
	", 4294967295)), 4294967295)"                                                              \
	" AND w.rowid < " BASE " + MIN(CAST($3 AS BIGINT), COALESCE(" UPTO_TIME                    \
	", 0), 4294967295)"                                                                        \
	" AND a.owner = $1 AND a.id = w.rowid - " BASE                                             \
	" AND NOT EXISTS (SELECT 1 FROM json_each($13) AS j WHERE instr((SELECT terms"             \
	" FROM archive_text WHERE owner = $1 AND id = a.id), j.value) = 0)" WITH_TEXT(             \
		"(SELECT value FROM json_each($16))")
/* The index gives what it has in no order; it is put in order before the rows are looked at. "+ 0"
 * keeps the range of the owner's rows from being walked through instead. */
#define TEXT_PGSQL(dir)                                                                            \
	" FROM (SELECT t.id AS found FROM archive_text AS t WHERE t.owner + 0 = $1"                \
	" AND array_to_tsvector(array_remove(string_to_array(t.terms, ' '), ''))"                  \
	" @@ CAST(replace($12, ' ', ' & ') AS TSQUERY)"                                            \
	" AND t.id + 0 > GREATEST(CAST($2 AS BIGINT), COALESCE(" FROM_TIME                         \
	", 9223372036854775806))"                                                                  \
	" AND t.id + 0 < LEAST(CAST($3 AS BIGINT), COALESCE(" UPTO_TIME ", 0))"                    \
	" AND NOT EXISTS (SELECT 1 FROM json_array_elements_text(CAST($13 AS JSON)) AS j (value)"  \
	" WHERE strpos(t.terms, j.value) = 0) ORDER BY t.id " dir ") AS f"                         \
	" CROSS JOIN LATERAL (SELECT * FROM archive WHERE owner = $1 AND id = f.found OFFSET 0)"   \
	" AS a WHERE true" WITH_TEXT("(SELECT CAST(value AS BIGINT) FROM"                          \
				     " json_array_elements_text(CAST($16 AS JSON)))")
