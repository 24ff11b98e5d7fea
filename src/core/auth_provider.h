/* SPDX-License-Identifier: MIT
 *
 * Modules that know accounts: see <jackdaw/auth.h>.
 */
#pragma once

#include <jackdaw/auth.h>

#include "core/core.h"

/* A question under way; belongs to who asks, and lives until `answered` is called. */
struct auth_question {
	struct jd_auth pub; /* first */
	struct list node;   /* in its provider's open ones */
	void (*answered)(struct auth_question *q, enum jd_auth_status status,
			 const struct jd_auth_keys *keys);
};

/* Asks the host's module. False: it has none that can answer this. */
bool auth_provider_ask(struct auth_question *q);
/* What the host's module can, bits of JD_AUTH_CAN(); 0: there is none. */
unsigned auth_provider_can(const struct jd_host *host);
/* Its questions are answered with JD_AUTH_FAILED. */
void auth_providers_remove(struct jd_instance *mi);
