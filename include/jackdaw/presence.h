/* SPDX-License-Identifier: MIT
 *
 * The service "presence" (mod_presence): what else knows of an account's sessions
 * than its contacts.  The provider is called with the account that is being
 * handled, and only with that one (home rule).
 */
#pragma once

#include <jackdaw/module.h>

struct jd_presence_ops {
	/* Those whom a session of the account has told by directed presence, and for whom
	 * match() says so, hear that it has gone, and nothing more of it. */
	void (*withdraw)(struct jd_instance *presence, struct jd_account *account,
			 bool (*match)(struct jd_jid who, void *arg), void *arg);
};
