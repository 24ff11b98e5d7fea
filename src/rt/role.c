/* SPDX-License-Identifier: MIT
 *
 * The roles of the calling thread.
 */
#include "rt/role.h"

_Thread_local unsigned role_mask;
