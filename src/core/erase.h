/* SPDX-License-Identifier: MIT
 *
 * Erasing what belonged to an account: see erase.c.
 */
#pragma once

#include "core/core.h"

/*
 * The name has been taken from the account and account_leaving has its row: erases
 * what is left of it, in steps.  done(arg, 0) when nothing is left; -JD_ECLOSED when the
 * server stops first (it goes on at the next start).
 */
void erase_account(struct jd_host *host, struct jd_jid jid, uint64_t owner, account_done_fn done,
		   void *arg);
/* Goes on with accounts that were being erased when the server ended; when modules run. */
void erase_resume(void);
/* The server stops: before the modules do. */
void erase_fini(void);
/* What mi has registered with jd_on_erase() is not called any more. */
void erasers_remove(struct jd_instance *mi);
size_t erase_count(void); /* under way */
