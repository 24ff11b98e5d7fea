/* SPDX-License-Identifier: MIT
 *
 * Which thread may run what is asserted, not hoped for.  A thread takes its
 * roles when it starts; with io_threads = 0 one thread has LOGIC and IO.
 */
#pragma once

#include "util/mem.h"

enum role { ROLE_LOGIC = 1, ROLE_IO = 2, ROLE_DB = 4, ROLE_WORKER = 8 };

extern _Thread_local unsigned role_mask;

static inline void role_take(unsigned roles)
{
	role_mask |= roles;
}

static inline bool role_is(enum role role)
{
	return role_mask & role;
}

/* Stays on in release: one load and a branch. */
#define ROLE_ASSERT(role) JD_ASSERT(role_is(role))
