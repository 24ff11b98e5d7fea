/* SPDX-License-Identifier: MIT
 *
 * The service "caps" (mod_caps): what clients can do, as far as their presence
 * says it and an answer of theirs has proved it (XEP-0115).  The hook
 * session_caps tells when that has become known for a session or is another.
 */
#pragma once

#include <jackdaw/module.h>

enum jd_caps {
	JD_CAPS_UNKNOWN, /* nothing is known, perhaps not yet */
	JD_CAPS_NO,
	JD_CAPS_YES,
};

struct jd_caps_ops {
	/* Whether the client of this session has the feature. */
	enum jd_caps (*session)(struct jd_instance *caps, struct jd_session *session,
				struct jd_str feature);
	/* The same for whoever sent this presence; nobody is asked for it. */
	enum jd_caps (*presence)(struct jd_instance *caps, struct jd_stanza *presence,
				 struct jd_str feature);
	/* Calls fn for every feature of the session's client; false: they are unknown. */
	bool (*each)(struct jd_instance *caps, struct jd_session *session,
		     void (*fn)(struct jd_str feature, void *arg), void *arg);
	/* True: this node of disco#info stands for the host itself, as it is now. */
	bool (*own_node)(struct jd_instance *caps, struct jd_str node, struct jd_arena *arena);
};
