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
#include "core/auth_priv.h"
#include "core/conf.h"
#include "util/clock.h"

#define SECRET_LEN 32
#define SALT_LEN   16

static uint8_t secret[SECRET_LEN];

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

void question_end(struct question *q)
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
	cleanup_free char *login = NULL;
	uint64_t owner = c->anonymous;

	if (!owner)
		return;
	/* Not the client's any more, which may go on as somebody. */
	login = c->login;
	c->login = NULL;
	c->anonymous = 0;
	anonymous_end(host_find(jd_cstr(login + ANONYMOUS_NAME + 1)),
		      (struct jd_str){login, ANONYMOUS_NAME}, owner);
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
	auth_end(c); /* a login as nobody that has failed at its end */
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

void question_fake_keys(struct question *q)
{
	const struct auth_ask *ask = q->ask;
	struct auth_answer *answer = q->answer;
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

void auth_ask(struct client *c, struct auth_ask *ask)
{
	struct question *q = mem_new(struct question);
	struct backoff_who who = who_asks(ask);
	/* Nothing is guessed at where only the account is looked for. */
	bool guess = ask->what == AUTH_KEYS || ask->what == AUTH_PASSWORD;
	jd_usec delay = guess ? backoff_ask(&who) : 0;

	if (ask->what != AUTH_ANONYMOUS)
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
	else
		question_to_host(q);
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
	if (secret_state < 0)
		return -JD_EDB;
	stanza_id_init();
	return 0;
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
	stanza_id_fini();
	crypto_wipe(secret, sizeof(secret));
}
