/* SPDX-License-Identifier: MIT
 *
 * The inside of mod_announce: what is told to everybody who is there (online.c),
 * and the message of the day (motd.c).
 */
#pragma once

#include <jackdaw/module.h>

/* -- online.c ----------------------------------------------------------------------------- */

/* The data of a session: its place among those that are there. */
struct online {
	struct jd_session *session;
	struct online *next, *prev;
	bool listed, available;
};

/* A text on its way to all who were there when it was given. */
struct announcement {
	struct announcement *next;
	struct online *at; /* whose turn is next */
	struct online *last;
	char *subject, *body;
};

struct crowd {
	struct online *first, *last;
	size_t available;
	struct announcement *going;
	unsigned n_going;
	struct jd_timer *timer;
};

/* What is told: subject.p NULL: none. */
struct text {
	struct jd_str subject, body;
};

int crowd_start(struct jd_instance *mi);
void crowd_stop(struct jd_instance *mi);
/* The session_free of the module. */
void crowd_forget(struct jd_instance *mi, void *data);
/* The number of sessions that it will reach; -JD_ELIMIT: too many are under way. */
int64_t crowd_tell(struct jd_instance *mi, struct text text);
void send_text(struct jd_instance *mi, struct jd_jid to, struct text text);

/* -- motd.c ------------------------------------------------------------------------------- */

/* id is the time at which it was set, in microseconds; 0: there is none. */
struct motd {
	int64_t id, latest;
	char *subject, *body;
};

/* The data of an account. */
struct seen {
	int64_t id; /* of the last one told */
	bool asking;
	struct jd_instance *mi; /* while asking */
	struct jd_account *account;
};

struct announce {
	int64_t max_bytes;
	/* not options: */
	struct crowd crowd;
	struct motd motd;
};

int motd_start(struct jd_instance *mi);
void motd_stop(struct jd_instance *mi);
/* body.p NULL: there is none any more. fn is called when it has been written, or could not be. */
int motd_set(struct jd_instance *mi, struct jd_owner *owner, struct text text, jd_db_fn fn,
	     void *arg);
