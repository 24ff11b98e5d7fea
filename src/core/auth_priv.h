/* SPDX-License-Identifier: MIT
 *
 * A question of a login on its way, shared by the files that know an answer.
 */
#pragma once

#include "core/auth_provider.h"
#include "stream/sasl/sasl.h"

/* One question on its way: to the database, perhaps to a worker, and back. */
struct question {
	struct worker_job job;      /* first */
	struct auth_question asked; /* of the host's module */
	struct jd_owner owner;
	struct client *client;
	struct auth_ask *ask;
	struct auth_answer *answer;
	struct timer timer;    /* until `at` */
	jd_usec at;            /* the answer goes out no sooner; monotonic */
	enum crypto_hash hash; /* of the keys */
	bool right, counted;
};

/* auth.c: the answer is there, and goes out when its time has come; q is gone then. */
void question_end(struct question *q);
/* Keys for a name that has none: stable, and of no use. */
void question_fake_keys(struct question *q);

/* auth_keys.c: the database is asked. */
void question_to_database(struct question *q);
extern struct jd_stmt auth_find_name;

/* auth_module.c: the host's module first, if it has one, then the database. */
void question_to_host(struct question *q);
