/* SPDX-License-Identifier: MIT
 *
 * The real logic thread in a pretended world: core, modules and a SQLite
 * database in memory behind the driver that plays faults; network and clock are
 * fakes.  One world at a time.
 *
 * Nothing happens by itself: world_settle() turns the loop until nobody has
 * anything left to do, world_advance() lets time pass.
 */
#pragma once

#include "replay/fake_net.h"

struct world_settings {
	const char *modules;                   /* separated by spaces; NULL: all of ours */
	const char *host_conf;                 /* more lines for the host's section; NULL: none */
	const char *conf;                      /* more sections; NULL: none */
	const struct jd_module *const *extras; /* modules of the test, ends with NULL; or NULL */
};

extern unsigned world_errors; /* log lines of level error that nobody has announced yet */

/* A host "localhost", and "other.example" with the same modules. */
void world_start(const struct world_settings *settings);
/* A graceful stop; aborts if anything is left, or if an error line was not announced. */
void world_stop(void);

/* Turns the loop until nothing is left to be done without time passing or a release. */
void world_settle(void);
void world_advance(jd_usec by);
/* n lines of level error were expected since the last look; false: there were others. */
bool world_announced(unsigned n);

/* An account's row, made directly; its owner. */
uint64_t world_user(const char *host, const char *name);
/* 0: there is no such account. */
uint64_t world_owner(const char *host, const char *name);
/* Runs one statement; the first number of the first row, or -1. */
int64_t world_number(struct jd_stmt *stmt, struct jd_params params);

/* Connects and binds name@host/resource; NULL: refused. */
struct fake_link *world_login(const char *host, const char *name, const char *resource);
struct jd_session *world_session(struct fake_link *f);
struct jd_host *world_host(const char *name);
