/* SPDX-License-Identifier: MIT
 *
 * The test driver's faults by number; its scripts are in db/db.h.
 */
#pragma once

#include "db/db.h"

/* The n-th unit from now meets this step, the others go as they go; 0 = off. */
void db_test_step_at(struct db *db, unsigned n, const struct db_test_step *step);
/* The same, with nothing but a status. */
void db_test_fail_at(struct db *db, unsigned n, enum jd_db_status status);
/* How many units this, or db_test_fail_every(), has failed since it was set. */
unsigned db_test_failed(struct db *db);
/* The test's own units: neither failed nor counted. */
void db_test_pause(struct db *db, bool pause);
