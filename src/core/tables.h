/* SPDX-License-Identifier: MIT
 *
 * Every table of schema/, with the statements that go through it as a whole: for
 * erasing an account (erase.c) and for moving to another database (db_copy.c).
 */
#pragma once

#include <jackdaw/db.h>

struct table {
	const char *name;
	const char *kinds;     /* of its columns: i, t or b each */
	unsigned n_key;        /* the first columns are the key */
	struct jd_stmt *first; /* a page of rows in the order of the key ... */
	struct jd_stmt *next;  /* ... and those behind the key $1, $2 ... */
	struct jd_stmt *put;   /* a row, if its key isn't there */
	struct jd_stmt *count; /* how many rows there are */
	struct jd_stmt *erase; /* some hundred rows of owner $1; NULL: not an account's */
};

extern const struct table tables[];
extern const size_t n_tables;
