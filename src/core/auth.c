/* SPDX-License-Identifier: MIT
 *
 * What logins ask of the accounts: the SCRAM keys of a name, or whether a
 * password is right.
 *
 * A name that does not exist gets keys that look like any other's: a salt made
 * from a secret of this installation, so that it is the same at every attempt,
 * and the iteration count in use.  Checking a password costs the same PBKDF2 for
 * such a name as for a real one.
 *
 * Who failed before gets the answer later (auth_backoff.h): it is ready, and waits
 * for its time on a timer.
 */
#include <stdio.h>

#include "core/auth_anonymous.h"
#include "core/auth_backoff.h"
#include "core/conf.h"
#include "core/core.h"
#include "stream/sasl/sasl.h"
#include "util/clock.h"

#define SECRET_LEN 32
#define SALT_LEN   16

static uint8_t secret[SECRET_LEN];

static struct jd_stmt find_keys = {
	.name = "core.find_keys",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, c.salt, c.iterations, c.stored_key, c.server_key, c.hash"
	       " FROM account a JOIN credential c ON c.owner = a.owner AND c.hash = $3"
	       " WHERE a.host = $1 AND a.name = $2",
};

/* Of several keys those of hash $3, else the longest. */
static struct jd_stmt find_some_keys = {
	.name = "core.find_some_keys",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, c.salt, c.iterations, c.stored_key, c.server_key, c.hash"
	       " FROM account a JOIN credential c ON c.owner = a.owner"
	       " WHERE a.host = $1 AND a.name = $2"
	       " ORDER BY CASE WHEN c.hash = $3 THEN 0 ELSE 1 END, c.hash DESC LIMIT 1",
};

static struct jd_stmt find_name = {
	.name = "core.find_name",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
};

static struct jd_stmt make_secret = {
	.name = "core.make_secret",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
};

static struct jd_stmt find_secret = {
	.name = "core.find_secret",
	.lane = JD_LANE_READ,
	.sql = "SELECT value FROM secret WHERE name = $1",
};

/* One question on its way: to the database, perhaps to a worker, and back. */
struct question {
	struct worker_job job; /* first */
	struct jd_owner owner;
	struct client *client;
	struct auth_ask *ask;
	struct auth_answer *answer;
	struct timer timer;    /* until `at` */
	jd_usec at;            /* the answer goes out no sooner; monotonic */
	enum crypto_hash hash; /* of the keys */
	bool right, counted;
};

/* A password is checked with keys that every account should have. */
static enum crypto_hash asked_hash(const struct auth_ask *ask)
{
	static const enum crypto_hash usual[] = {CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA1};

	if (ask->what == AUTH_KEYS)
		return ask->hash;
	for (size_t i = 0; i < JD_ARRAY_SIZE(usual); i++) {
		if (server.scram_hashes & (1u << usual[i]))
			return usual[i];
	}
	return CRYPTO_SHA256;
}

static struct backoff_who who_asks(const struct auth_ask *ask)
{
	return (struct backoff_who){ask->host, ask->name, ask->peer};
}

void auth_answer_send(struct client *c, struct auth_answer *answer)
{
	if (c->closed)
		auth_answer_free(answer);
	else if (link_control(c->link, C2S_CTL_AUTH, answer, auth_answer_free) < 0)
		jd_log(JD_LOG_WARNING, "the answer to a login could not be queued");
	client_ask_done(c);
}

static void question_answer(struct question *q)
{
	struct client *c = q->client;
	struct backoff_who who = who_asks(q->ask);

	c->delayed = NULL;
	if (q->counted)
		backoff_answered(&who);
	auth_ask_free(q->ask);
	auth_answer_send(c, q->answer);
	mem_free(q);
}

static void on_time(struct timer *t)
{
	question_answer(container_of(t, struct question, timer));
}

static void question_end(struct question *q)
{
	jd_usec now = clock_mono();

	if (q->client->closed || q->at <= now) {
		question_answer(q);
		return;
	}
	q->client->delayed = q;
	loop_timer(server.loop, &q->timer, q->at - now, on_time);
}

void auth_closed(struct client *c)
{
	struct question *q = c->delayed;

	if (!q)
		return;
	loop_timer_cancel(server.loop, &q->timer);
	question_answer(q);
}

void auth_end(struct client *c)
{
	struct jd_str name = {c->login, ANONYMOUS_NAME};
	struct jd_host *host;

	if (!c->anonymous)
		return;
	host = host_find(jd_cstr(c->login + ANONYMOUS_NAME + 1));
	anonymous_end(host, name, c->anonymous);
	c->anonymous = 0;
}

/* -- logins that are not bound yet ------------------------------------------------------------ */

static char *login_of(struct jd_str host, struct jd_str name)
{
	char *text = mem_alloc(name.len + 1 + host.len + 1);

	memcpy(text, name.p, name.len);
	text[name.len] = '@';
	memcpy(text + name.len + 1, host.p, host.len);
	return text;
}

void auth_note_login(struct client *c, const struct auth_ask *ask)
{
	mem_free(c->login);
	c->login = login_of(ask->host, ask->name);
}

void auth_revoke(struct jd_host *host, struct jd_str local)
{
	cleanup_free char *login = login_of(jd_host_name(host), local);

	for (struct list *n = server.clients.next; n != &server.clients; n = n->next) {
		struct client *c = container_of(n, struct client, node);

		if (!c->login || c->session || c->closed || strcmp(c->login, login) != 0)
			continue;
		c->ended = true; /* also for a request to bind that is on its way */
		c2s_end(c->link, STREAM_NOT_AUTHORIZED, NULL);
	}
}

/* Keys for a name that has none: stable, and of no use. */
static void fake_keys(const struct auth_ask *ask, struct auth_answer *answer)
{
	uint8_t mac[CRYPTO_MAX_DIGEST];
	char text[2100];
	int n = snprintf(text, sizeof(text), "%d %.*s@%.*s", (int)asked_hash(ask),
			 JD_FMT(ask->name), JD_FMT(ask->host));

	crypto_hmac(CRYPTO_SHA256, secret, sizeof(secret), text, (size_t)n, mac);
	memcpy(answer->salt, mac, SALT_LEN);
	answer->salt_len = SALT_LEN;
	answer->iterations = server.scram_iterations;
	crypto_random(answer->stored_key, sizeof(answer->stored_key));
	crypto_random(answer->server_key, sizeof(answer->server_key));
}

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
		fake_keys(q->ask, q->answer);
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
	}
	question_end(q);
}

static void on_anonymous(void *arg, const char *name, uint64_t owner)
{
	struct question *q = arg;
	struct client *c = q->client;

	q->answer->status = owner ? AUTH_GIVEN : AUTH_TEMPORARY;
	if (owner) {
		_Static_assert(sizeof(q->answer->name) > ANONYMOUS_NAME, "a name fits");
		memcpy(q->answer->name, name, ANONYMOUS_NAME + 1);
		q->answer->owner = owner;
		mem_free(c->login);
		c->login = login_of(q->ask->host, jd_cstr(name));
		c->anonymous = owner;
	}
	question_end(q);
}

static void question_anonymous(struct question *q)
{
	struct jd_host *host = host_find(q->ask->host);

	q->answer->status = AUTH_REFUSED;
	if (!host || !host->conf->anonymous || q->client->anonymous)
		question_end(q);
	else
		anonymous_make(host, on_anonymous, q);
}

static void question_exists(struct question *q)
{
	if (jd_db_query(&q->owner, &find_name,
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

void auth_ask(struct client *c, struct auth_ask *ask)
{
	struct question *q = mem_new(struct question);
	struct backoff_who who = who_asks(ask);
	/* Nothing is guessed at where only the account is looked for. */
	bool guess = ask->what == AUTH_KEYS || ask->what == AUTH_PASSWORD;
	jd_usec delay = guess ? backoff_ask(&who) : 0;

	if (!c->anonymous)
		auth_note_login(c, ask);
	q->client = c;
	q->ask = ask;
	q->answer = mem_new(struct auth_answer);
	q->hash = asked_hash(ask);
	owner_init(&q->owner);
	c->asks++;
	if (delay == UINT64_MAX) {
		q->answer->status = AUTH_TEMPORARY;
		question_answer(q);
		return;
	}
	q->counted = guess;
	q->at = clock_mono() + delay;
	if (ask->what == AUTH_ANONYMOUS)
		question_anonymous(q);
	else if (ask->what == AUTH_EXISTS)
		question_exists(q);
	else
		question_start(q);
}

/* The stream has logged it. */
void auth_result(const struct auth_result *result)
{
	const struct backoff_who who = {result->host, result->name, result->peer};

	backoff_result(&who, result->good);
}

/* -- the secret
 * ------------------------------------------------------------------------------------ */

static int secret_state; /* 0: waiting, 1: there, -1: failed */

static void on_secret(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_str value;

	(void)arg;
	loop_stop(server.loop);
	secret_state = -1;
	if (status != JD_DB_OK || jd_rows_count(rows) != 1)
		return;
	value = jd_row_str(rows, 0, 0);
	if (value.len != SECRET_LEN)
		return;
	memcpy(secret, value.p, SECRET_LEN);
	secret_state = 1;
}

int auth_init(void)
{
	struct jd_str name = JD_STR("auth.fake_salt");
	struct jd_unit *unit = jd_unit_new();
	struct jd_owner owner;
	uint8_t fresh[SECRET_LEN];

	owner_init(&owner);
	crypto_random(fresh, sizeof(fresh));
	secret_state = 0;
	jd_unit_add(unit, &make_secret,
		    JD_PARAMS(jd_text(name),
			      jd_blob((struct jd_str){(const char *)fresh, sizeof(fresh)})));
	jd_unit_add(unit, &find_secret, JD_PARAMS(jd_text(name)));
	if (jd_unit_submit(unit, &owner, on_secret, NULL) < 0)
		return -JD_EDB;
	if (secret_state == 0)
		loop_run(server.loop); /* until on_secret() */
	return secret_state > 0 ? 0 : -JD_EDB;
}

void auth_secret_mac(const char *purpose, const void *data, size_t n,
		     uint8_t ret_mac[CRYPTO_MAX_DIGEST])
{
	uint8_t key[CRYPTO_MAX_DIGEST];

	crypto_hmac(CRYPTO_SHA256, secret, sizeof(secret), purpose, strlen(purpose), key);
	crypto_hmac(CRYPTO_SHA256, key, crypto_digest_size(CRYPTO_SHA256), data, n, ret_mac);
	crypto_wipe(key, sizeof(key));
}

void auth_fini(void)
{
	anonymous_fini();
	backoff_fini();
	crypto_wipe(secret, sizeof(secret));
}
