/* SPDX-License-Identifier: MIT
 *
 * The service "roster" (mod_roster): what other modules may know of contacts.
 * The provider is called with the account that is being handled, and only with
 * that one (home rule).  mod_roster loads a roster, by a filter that runs first,
 * before any other handler sees a presence stanza from or to the account;
 * elsewhere ready() tells whether it is in memory.
 */
#pragma once

#include <jackdaw/module.h>

/* RFC 6121 appendix A. */
enum jd_subscription { JD_SUB_NONE = 0, JD_SUB_TO = 1, JD_SUB_FROM = 2, JD_SUB_BOTH = 3 };

struct jd_contact {
	struct jd_jid jid; /* bare */
	enum jd_subscription subscription;
	bool pending_in;  /* they asked to see our presence */
	bool pending_out; /* we asked to see theirs */
};

struct jd_roster_ops {
	/* The roster is in memory; if not, find() and each() know no contacts. */
	bool (*ready)(struct jd_instance *roster, struct jd_account *account);
	/* The contact with this bare address; false: none. Loaded rosters only. */
	bool (*find)(struct jd_instance *roster, struct jd_account *account, struct jd_str jid,
		     struct jd_contact *ret_contact);
	/* Every contact that satisfies subscription & mask (JD_SUB_FROM: who sees us). */
	void (*each)(struct jd_instance *roster, struct jd_account *account, unsigned mask,
		     void (*fn)(const struct jd_contact *contact, void *arg), void *arg);
	/* The stored requests to subscribe to us, each a presence stanza to the account. */
	void (*each_request)(struct jd_instance *roster, struct jd_account *account,
			     void (*fn)(struct jd_stanza *request, void *arg), void *arg);
};
