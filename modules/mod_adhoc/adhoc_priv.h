/* SPDX-License-Identifier: MIT
 *
 * What the files of mod_adhoc share: the sessions of commands.
 */
#pragma once

#include <jackdaw/adhoc.h>

#define NS_COMMANDS "http://jabber.org/protocol/commands"

#define MAX_SOURCES 32
#define ENDED_KEPT  64 /* ids of sessions that were, to tell "expired" from "never was" */
#define ID_BYTES    16
#define ID_SIZE     64

struct session {
	struct session *next;
	struct jd_instance *mi;
	char id[ID_SIZE];
	char *node;
	char *owner; /* the full address of who runs it */
	unsigned number, actions;
	enum jd_adhoc_action execute;
	struct jd_timer *timer;
	void *data;
	bool busy; /* a stage is being answered */
	bool gone; /* ends with that answer */
};

struct adhoc {
	int64_t max_sessions, max_per_account;
	jd_usec timeout;
	struct {
		struct jd_instance *mi;
		const struct jd_adhoc_source *source;
	} sources[MAX_SOURCES];
	unsigned n_sources;
	struct session *sessions;
	char ended[ENDED_KEPT][ID_SIZE];
	unsigned next_ended;
};

/* NULL: there are too many of them already. */
struct session *adhoc_session_new(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node);
struct session *adhoc_session_find(struct jd_instance *mi, struct jd_str id, struct jd_jid owner);
/* Frees it, unless a stage of it is being answered: then after that. */
void adhoc_session_end(struct session *s);
void adhoc_session_touch(struct session *s); /* its time begins anew */
bool adhoc_session_has_ended(struct jd_instance *mi, struct jd_str id);
void adhoc_sessions_end_of(struct jd_instance *mi, struct jd_jid owner);
void adhoc_sessions_free(struct jd_instance *mi);
