/* SPDX-License-Identifier: MIT
 *
 * Commands that need no running server: see offline.c.
 */
#pragma once

/* Runs the command if it is one of them, and does not return then; else -1. An exit code when
 * its arguments are wrong or its program is missing. */
int offline_run(char **words, int n);
