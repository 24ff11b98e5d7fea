/* SPDX-License-Identifier: MIT
 *
 * db_pgsql.so: nothing but the table of pq.h, filled by the linker.
 */
#include "db/pgsql/pq.h"

JD_EXPORT extern const struct pq jd_db_pgsql;

const struct pq jd_db_pgsql = {.version = PQ_TABLE_VERSION,
#define X(name) .name = name,
			       PQ_FUNCTIONS(X)
#undef X
};
