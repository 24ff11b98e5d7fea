/* SPDX-License-Identifier: MIT
 *
 * What a login by SASL2 wants done at once.  Logic thread.
 */
#pragma once

#include "core/core.h"

void login_complete(struct client *c, struct login_ask *ask);  /* takes over ask */
void login_upgrade(struct client *c, struct upgrade_ask *ask); /* takes over ask */
