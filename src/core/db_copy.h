/* SPDX-License-Identifier: MIT
 *
 * Moving all data from one database to another: see db_copy.c.
 */
#pragma once

#include "db/db.h"

/*
 * Copies every table of schema/ from one database to another, each used by nobody else (their
 * locks see to it), and compares both afterwards; says what it does on standard output.
 * -JD_EEXIST: the target has data that is not of a copy; -JD_EDB: broken off, which another
 * call goes on from; or the two differ. Turns a loop of its own. err gets a sentence.
 */
int db_copy(const struct db_settings *from, const struct db_settings *to,
	    struct db_error *ret_error) JD_MUST_USE;

/* Whether a copy into the open database was broken off; turns the loop. -JD_EDB. */
int db_copy_unfinished(struct loop *loop) JD_MUST_USE;
