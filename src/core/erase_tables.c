/* SPDX-License-Identifier: MIT
 *
 * The tables of schema/ in which accounts have rows, whether or not the module that
 * uses one is loaded.  A test compares this list with the schema: a table with a
 * column `owner` that is missing here fails it.
 */
#include "core/erase.h"

#define ROWS(table, key)                                                                           \
	(&(struct jd_stmt){                                                                        \
		.name = "core.erase_" table,                                                       \
		.lane = JD_LANE_WRITE,                                                             \
		.sql = "DELETE FROM " table " WHERE owner = $1 AND (" key ") IN (SELECT " key      \
		       " FROM " table " WHERE owner = $1 LIMIT " ERASE_ROWS ")",                   \
	})
/* One row at most. */
#define ROW(table)                                                                                 \
	(&(struct jd_stmt){                                                                        \
		.name = "core.erase_" table,                                                       \
		.lane = JD_LANE_WRITE,                                                             \
		.sql = "DELETE FROM " table " WHERE owner = $1",                                   \
	})

struct jd_stmt *const erase_tables[] = {
	ROWS("block_item", "jid"),
	ROWS("private_item", "ns, name"),
	ROW("vcard"),
	ROW("last_seen"),
	ROWS("roster_item", "jid"),
	ROW("roster_version"),
	ROWS("credential", "hash"),
	ROW("motd_seen"),
	ROWS("fast_token", "agent, slot"),
};
const size_t erase_n_tables = JD_ARRAY_SIZE(erase_tables);
