/* SPDX-License-Identifier: MIT
 *
 * A login that the host's module is asked about.  What it allows is an account like
 * any other: it gets its row, since everything else needs its number, unless the
 * name has been given up.
 */
#include "core/auth_priv.h"
#include "util/clock.h"

/* The row of an account whose login a module has allowed; not for a name that was given up. */
static struct jd_stmt make_row = {
	.name = "core.make_known",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account (host, name, created_at) SELECT $1, $2, $3"
	       " WHERE NOT EXISTS (SELECT 1 FROM account_tombstone WHERE host = $1 AND name = $2)"
	       " ON CONFLICT (host, name) DO NOTHING",
	.pgsql = "INSERT INTO account (host, name, created_at)"
		 " SELECT $1::text, $2::text, $3::bigint"
		 " WHERE NOT EXISTS"
		 " (SELECT 1 FROM account_tombstone WHERE host = $1 AND name = $2)"
		 " ON CONFLICT (host, name) DO NOTHING",
};

/* Its account has a number now. */
static void on_row(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct question *q = arg;

	if (status != JD_DB_OK) {
		q->answer->status = AUTH_TEMPORARY;
	} else if (jd_rows_count(rows) == 0) {
		q->answer->status = AUTH_REFUSED; /* the name has been given up */
	} else {
		q->answer->owner = (uint64_t)jd_row_int(rows, 0, 0);
		q->answer->banned = jd_row_int(rows, 0, 1) != 0;
	}
	question_end(q);
}

static void find_row(struct question *q)
{
	struct jd_params who = JD_PARAMS(jd_text(q->ask->host), jd_text(q->ask->name));

	if (jd_db_query(&q->owner, &auth_find_name, who, on_row, q) < 0)
		on_row(q, JD_DB_FAILED, NULL);
}

static void on_row_made(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	if (status == JD_DB_OK)
		find_row(arg);
	else
		on_row(arg, status, rows);
}

static void on_row_sought(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct question *q = arg;

	if (status != JD_DB_OK || jd_rows_count(rows)) {
		on_row(q, status, rows);
		return;
	}
	if (jd_db_query(&q->owner, &make_row,
			JD_PARAMS(jd_text(q->ask->host), jd_text(q->ask->name),
				  jd_int((int64_t)clock_real())),
			on_row_made, q) < 0)
		on_row(q, JD_DB_FAILED, NULL);
}

static void take_keys(struct auth_answer *answer, const struct jd_auth_keys *keys)
{
	answer->iterations = keys->iterations;
	answer->salt_len = keys->salt.len;
	memcpy(answer->salt, keys->salt.p, keys->salt.len);
	memcpy(answer->stored_key, keys->stored_key.p, keys->stored_key.len);
	memcpy(answer->server_key, keys->server_key.p, keys->server_key.len);
}

static void on_said(struct auth_question *asked, enum jd_auth_status status,
		    const struct jd_auth_keys *keys)
{
	struct question *q = container_of(asked, struct question, asked);
	struct jd_params who = JD_PARAMS(jd_text(q->ask->host), jd_text(q->ask->name));

	if (status == JD_AUTH_UNKNOWN) {
		question_to_database(q);
		return;
	}
	q->answer->status = status == JD_AUTH_FAILED ? AUTH_TEMPORARY : AUTH_REFUSED;
	if (status == JD_AUTH_NO && q->ask->what == AUTH_KEYS) {
		question_fake_keys(q);
		q->answer->status = AUTH_GIVEN;
	}
	if (status != JD_AUTH_YES) {
		question_end(q);
		return;
	}
	if (keys)
		take_keys(q->answer, keys);
	q->answer->status = AUTH_GIVEN;
	if (jd_db_query(&q->owner, &auth_find_name, who, on_row_sought, q) < 0)
		on_row(q, JD_DB_FAILED, NULL);
}

void question_to_host(struct question *q)
{
	static const enum jd_auth_what what[] = {
		[AUTH_KEYS] = JD_AUTH_KEYS,
		[AUTH_PASSWORD] = JD_AUTH_PASSWORD,
		[AUTH_EXISTS] = JD_AUTH_EXISTS,
	};
	const struct auth_ask *ask = q->ask;

	_Static_assert((int)CRYPTO_SHA1 == JD_SHA_1 && (int)CRYPTO_SHA512 == JD_SHA_512, "alike");
	q->asked.answered = on_said;
	q->asked.pub = (struct jd_auth){
		.what = what[ask->what],
		.host = host_find(ask->host),
		.name = ask->name,
		.password = ask->password,
		.hash = (enum jd_hash)q->hash,
	};
	if (!auth_provider_ask(&q->asked))
		question_to_database(q);
}
