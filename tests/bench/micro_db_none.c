/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL's turn in micro_db, in a build without it.
 */
#include <stdio.h>

#include "micro_db.h"

void bench_pgsql(const char *conninfo, const char *module_dir,
		 void (*compare)(const char *driver, const struct db_settings *settings,
				 const struct bench_direct *direct, const char *where))
{
	(void)conninfo;
	(void)module_dir;
	(void)compare;
	(void)fputs("micro_db: built without PostgreSQL\n", stderr);
}
