/* SPDX-License-Identifier: MIT
 *
 * Scripts of several clients.  One statement per line; lines that begin with
 * white space go on with the statement before; '#' begins a comment line.
 *
 *   modules roster presence        the modules of both hosts (default: all); first
 *   conf roster { ... }            a line for the hosts' sections; first
 *   users alice bob@other.example  makes accounts (default host: localhost)
 *   limits resume_stanzas = 20      a line of that section; first
 *   client a alice@localhost/phone connects, binds
 *   connect a                      connects only, then
 *   a binds alice@localhost/x      asks to bind; the answer is got like a stanza
 *   a is bound | refused | held | not held | alive | closed
 *   a is ended: conflict           by this stream error, which ended its connection
 *   a sends: <message .../>        and the server does all that follows from it
 *   a queues: <message .../>       the server sees it with the next statement
 *   a sends 20 times: <.../>       as fast as it can; ${n} counts
 *   a gets: <message .../>         the next thing sent to it (match.h)
 *   a gets 20 times: <.../>
 *   a finds: <message .../>        somewhere among what was sent to it
 *   a gets nothing | nobody gets anything
 *   a ignores | everybody ignores  what has been sent so far
 *   a closes | stops reading | reads | loses its connection
 *   a has got 3                    so many things were sent to it since it was looked at
 *   a resumes alice@localhost ID h 3  logged in, and asks for its session (XEP-0198)
 *   a counts from 4294967295       both counters, as if so much had been sent and confirmed
 *   rows taken: 1 2 | rows untaken: | life: lost resumed   what the logbook has noted (logbook.h)
 *   a has handled 3                XEP-0198's h, as the server counts
 *   advance 30 s                   time passes (ms, s, min)
 *   db fail roster.load            the next unit that begins with this statement
 *   db fail *                      the next unit
 *   db uncertain X | db doubt X    not done, or done, but nobody knows
 *   db hold X | db release         is kept until released
 *   routes: <presence .../>        it comes from anywhere, with its 'from'
 *   deletes alice@localhost        the account
 *   errors 1                       so many error lines were logged since the last look
 *   sessions 2 | accounts 2        in memory
 *
 * At the end nobody may have anything left that it has not looked at.
 */
#pragma once

#include "replay/world.h"

/* Runs the file in a world of its own; 0, or -1 after a sentence with file and line. */
int script_play(const char *path);

/* What goes wrong while a script runs; one of them at a time, 0: not that. */
struct script_faults {
	unsigned db_at; /* the n-th unit has db_status ... */
	enum jd_db_status db_status;
	unsigned db_every;       /* ... or every n-th fails */
	unsigned long mem_at;    /* the n-th allocation that may be refused is ... */
	unsigned long mem_every; /* ... or every n-th */
};

/*
 * Runs the file with these faults, which begin with its first client.  What the
 * script expects is not looked at; what must hold is: the world ends clean, and
 * who is still there has had exactly one answer to each request to the server.
 * ret_hit: something was made to fail; ret_units (may be NULL): what the database
 * was asked to do.
 */
int script_torture(const char *path, const struct script_faults *faults, bool *ret_hit,
		   uint64_t *ret_units);
