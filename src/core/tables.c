/* SPDX-License-Identifier: MIT
 *
 * The statements over the tables of tables.def.
 */
#include "core/tables.h"

#define ERASED_AT_ONCE "500"
#define TEXT(n)        #n

#define FIRST(nm, rows, key, rest)                                                                 \
	(&(struct jd_stmt){                                                                        \
		.name = "core.first_" #nm,                                                         \
		.lane = JD_LANE_READ,                                                              \
		.sql = "SELECT " key rest " FROM " #nm " ORDER BY " key " LIMIT " TEXT(rows),      \
	})
#define NEXT(nm, rows, key, marks, rest)                                                           \
	(&(struct jd_stmt){                                                                        \
		.name = "core.next_" #nm,                                                          \
		.lane = JD_LANE_READ,                                                              \
		.sql = "SELECT " key rest " FROM " #nm " WHERE (" key ") > (" marks                \
		       ") ORDER BY " key " LIMIT " TEXT(rows),                                     \
	})
#define PUT(nm, columns, marks)                                                                    \
	(&(struct jd_stmt){                                                                        \
		.name = "core.put_" #nm,                                                           \
		.lane = JD_LANE_WRITE,                                                             \
		.sql = "INSERT INTO " #nm " (" columns ") VALUES (" marks                          \
		       ") ON CONFLICT DO NOTHING",                                                 \
		.pgsql = "INSERT INTO " #nm " (" columns                                           \
			 ") OVERRIDING SYSTEM VALUE VALUES (" marks ") ON CONFLICT DO NOTHING",    \
	})
#define COUNT(nm)                                                                                  \
	(&(struct jd_stmt){                                                                        \
		.name = "core.count_" #nm,                                                         \
		.lane = JD_LANE_READ,                                                              \
		.sql = "SELECT count(*) FROM " #nm,                                                \
	})
#define ERASE(nm, key)                                                                             \
	(&(struct jd_stmt){                                                                        \
		.name = "core.erase_" #nm,                                                         \
		.lane = JD_LANE_WRITE,                                                             \
		.sql = "DELETE FROM " #nm " WHERE owner = $1 AND (" key ") IN (SELECT " key        \
		       " FROM " #nm " WHERE owner = $1 LIMIT " ERASED_AT_ONCE ")",                 \
	})

#define ROWS(nm, rows, key, key_marks, rest, columns, marks, erased)                               \
	{                                                                                          \
		.name = #nm,                                                                       \
		.kinds = (columns),                                                                \
		.n_key = sizeof(key_marks) / 4 + 1,                                                \
		.first = FIRST(nm, rows, key, rest),                                               \
		.next = NEXT(nm, rows, key, key_marks, rest),                                      \
		.put = PUT(nm, key rest, marks),                                                   \
		.count = COUNT(nm),                                                                \
		.erase = (erased),                                                                 \
	},
#define TABLE(nm, rows, key, key_marks, rest, columns, marks)                                      \
	ROWS(nm, rows, key, key_marks, rest, columns, marks, NULL)
#define OWNED(nm, rows, key, key_marks, rest, columns, marks)                                      \
	ROWS(nm, rows, key, key_marks, rest, columns, marks, ERASE(nm, key))

/* clang-format off */
const struct table tables[] = {
#include "core/tables.def"
};
/* clang-format on */
const size_t n_tables = JD_ARRAY_SIZE(tables);
