/* SPDX-License-Identifier: MIT
 *
 * A module for scripts that pretends to be an archive: messages with a body get
 * numbers, counted from 1 over all accounts, and what sessions have shown to have
 * is noted.  And it answers elements that are no stanzas, in a namespace of its own:
 * <inactive/>, <active/>, and <page n='100'/>, which is produced as it is read.
 */
#pragma once

#include <jackdaw/module.h>

extern const struct jd_module logbook;
/* Another: all sessions count as bound by Bind 2 (XEP-0386). */
extern const struct jd_module by_bind2;

/* What was told since the last look, as "1 2 3"; "" for nothing. The caller frees it. */
char *logbook_taken(void);
char *logbook_untaken(void);
/* How often sessions were lost, resumed, or were looked at by others than before. */
char *logbook_life(void);
void logbook_clear(void);
