/* SPDX-License-Identifier: MIT
 *
 * Faults while a script runs, and who was answered; for script.c.
 */
#pragma once

#include "replay/script.h"

struct asked;

struct torture {
	const struct script_faults *faults; /* NULL: everything is as it should be */
	bool begun;
	struct asked *asked;
};

/* The faults count from the first call on. */
void torture_begin(struct torture *t);
/* A client says this: requests with an id that the server itself answers are remembered. */
void torture_note(struct torture *t, struct fake_link *f, struct jd_str xml);
/* The faults end, and time passes for everything that still waits. False: somebody had not
 * exactly one answer, which why says. ret_hit: something was made to fail. */
bool torture_end(struct torture *t, bool *ret_hit, char *why, size_t why_size);
