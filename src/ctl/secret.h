/* SPDX-License-Identifier: MIT
 *
 * Passwords from a person or a script; for jackdawctl.
 */
#pragma once

#include <jackdaw/types.h>

/*
 * From a terminal: asked for without echo, twice.  Else: one line of standard
 * input.  mem_free() it.  NULL: nothing came, it is empty, or both were not the
 * same (which has been said).
 */
char *secret_read(const char *name);
