/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_csi: mod_csi.c keeps what can wait, light.c says what can.
 */
#pragma once

#include <jackdaw/module.h>

struct options {
	bool presence, chat_states, notifications; /* may wait */
	int64_t max_stanzas;
};

enum light {
	HEAVY, /* it cannot wait */
	LIGHT_PRESENCE,
	LIGHT_CHAT_STATE,
	LIGHT_CARBON, /* the copy of a chat state for another device */
	LIGHT_NOTIFICATION,
};

enum light csi_judge(const struct options *o, const struct jd_stanza_event *ev);
