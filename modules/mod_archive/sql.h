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

/* where: what stands behind "FROM archive". SQLite would carry the stanzas through the window;
 * so it reads them last. */
#define ROWS_SQLITE(where, dir, limit)                                                             \
	"SELECT a.id, a.at, a.flags, a.format, a.stanza, a.direction, p.n FROM (SELECT id, bytes," \
	" SUM(bytes) " OVER(dir) " - bytes AS ahead, COUNT(*) OVER () AS n"                        \
				 " FROM (SELECT id, length(stanza) AS bytes FROM archive" where    \
				 " ORDER BY id " dir " LIMIT " limit ") AS page) AS p"             \
				 " CROSS JOIN archive AS a WHERE a.owner = $1 AND a.id = p.id"     \
				 " AND " FITS " ORDER BY p.id " dir
/* PostgreSQL carries a reference to a large one, and plans without a join. */
#define ROWS_PGSQL(where, dir, limit)                                                              \
	"SELECT p.id, p.at, p.flags, p.format, p.stanza, p.direction, p.n FROM (SELECT id, at,"    \
	" flags, format, stanza, direction, bytes,"                                                \
	" SUM(bytes) " OVER(dir) " - bytes AS ahead, COUNT(*) OVER () AS n FROM (SELECT id, at,"   \
				 " flags, format, stanza, direction, length(stanza) AS bytes"      \
				 " FROM archive" where " ORDER BY id " dir " LIMIT " limit         \
				 ") AS page) AS p WHERE " FITS " ORDER BY p.id " dir
