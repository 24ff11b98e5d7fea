/* SPDX-License-Identifier: MIT
 *
 * What the database answers to a login: keys, whether a password is right (on a
 * worker, and as slowly for a name that does not exist), whether a name exists.
 */
#include "core/auth_priv.h"

static struct jd_stmt find_keys = {
	.name = "core.find_keys",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, c.salt, c.iterations, c.stored_key, c.server_key, c.hash,"
	       " EXISTS (SELECT 1 FROM account_ban b WHERE b.owner = a.owner)"
	       " FROM account a JOIN credential c ON c.owner = a.owner AND c.hash = $3"
	       " WHERE a.host = $1 AND a.name = $2",
};

/* Of several keys those of hash $3, else the longest. */
static struct jd_stmt find_some_keys = {
	.name = "core.find_some_keys",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, c.salt, c.iterations, c.stored_key, c.server_key, c.hash,"
	       " EXISTS (SELECT 1 FROM account_ban b WHERE b.owner = a.owner)"
	       " FROM account a JOIN credential c ON c.owner = a.owner"
	       " WHERE a.host = $1 AND a.name = $2"
	       " ORDER BY CASE WHEN c.hash = $3 THEN 0 ELSE 1 END, c.hash DESC LIMIT 1",
};

struct jd_stmt auth_find_name = {
	.name = "core.find_name",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, EXISTS (SELECT 1 FROM account_ban b WHERE b.owner = a.owner)"
	       " FROM account a WHERE a.host = $1 AND a.name = $2",
};

static int real_keys(struct question *q, const struct jd_rows *rows)
{
	struct auth_answer *answer = q->answer;
	struct jd_str salt = jd_row_str(rows, 0, 1), stored = jd_row_str(rows, 0, 3),
		      key = jd_row_str(rows, 0, 4);
	int64_t hash = jd_row_int(rows, 0, 5);
	size_t digest;

	if (hash < 0 || hash >= CRYPTO_HASH_COUNT)
		return -JD_EDB;
	q->hash = (enum crypto_hash)hash;
	digest = crypto_digest_size(q->hash);
	if (!salt.len || salt.len > AUTH_SALT_MAX || stored.len != digest || key.len != digest)
		return -JD_EDB;
	answer->owner = (uint64_t)jd_row_int(rows, 0, 0);
	answer->banned = jd_row_int(rows, 0, 6) != 0;
	answer->iterations = (unsigned)jd_row_int(rows, 0, 2);
	answer->salt_len = salt.len;
	memcpy(answer->salt, salt.p, salt.len);
	memcpy(answer->proof.salt, salt.p, salt.len);
	answer->proof.salt_len = salt.len;
	memcpy(answer->stored_key, stored.p, stored.len);
	memcpy(answer->server_key, key.p, key.len);
	return 0;
}

/* -- a password: on a worker ------------------------------------------------------------------ */

static void check_work(struct worker_job *job)
{
	struct question *q = (struct question *)job;
	struct scram_keys keys;

	scram_derive(q->hash, q->ask->password, q->answer->salt, q->answer->salt_len,
		     q->answer->iterations, &keys);
	q->right = crypto_equal(keys.stored, q->answer->stored_key, crypto_digest_size(q->hash));
	crypto_wipe(&keys, sizeof(keys));
}

static void check_done(struct worker_job *job)
{
	struct question *q = (struct question *)job;

	q->answer->status = q->right && q->answer->owner ? AUTH_GIVEN : AUTH_REFUSED;
	question_end(q);
}

static void check_password(struct question *q)
{
	q->job.work = check_work;
	q->job.done = check_done;
	if (worker_submit(server.workers, &q->job) == 0)
		return;
	q->answer->status = AUTH_TEMPORARY;
	question_end(q);
}

static void on_keys(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct question *q = arg;

	if (status != JD_DB_OK || (jd_rows_count(rows) && real_keys(q, rows) < 0)) {
		q->answer->status = AUTH_TEMPORARY;
		question_end(q);
		return;
	}
	if (!jd_rows_count(rows))
		question_fake_keys(q);
	q->answer->status = AUTH_GIVEN;
	if (q->ask->what == AUTH_PASSWORD)
		check_password(q);
	else
		question_end(q);
}

static void on_name(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct question *q = arg;

	q->answer->status = AUTH_REFUSED;
	if (status != JD_DB_OK) {
		q->answer->status = AUTH_TEMPORARY;
	} else if (jd_rows_count(rows)) {
		q->answer->status = AUTH_GIVEN;
		q->answer->owner = (uint64_t)jd_row_int(rows, 0, 0);
		q->answer->banned = jd_row_int(rows, 0, 1) != 0;
	}
	question_end(q);
}

static void question_exists(struct question *q)
{
	if (jd_db_query(&q->owner, &auth_find_name,
			JD_PARAMS(jd_text(q->ask->host), jd_text(q->ask->name)), on_name, q) < 0)
		on_name(q, JD_DB_FAILED, NULL);
}

static void question_start(struct question *q)
{
	const struct auth_ask *ask = q->ask;
	struct jd_params params =
		JD_PARAMS(jd_text(ask->host), jd_text(ask->name), jd_int((int64_t)q->hash));

	if (jd_db_query(&q->owner, ask->what == AUTH_KEYS ? &find_keys : &find_some_keys, params,
			on_keys, q) < 0)
		on_keys(q, JD_DB_FAILED, NULL);
}

void question_to_database(struct question *q)
{
	if (q->ask->what == AUTH_EXISTS)
		question_exists(q);
	else
		question_start(q);
}
