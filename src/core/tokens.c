/* SPDX-License-Identifier: MIT
 *
 * Tokens of devices (XEP-0484).
 *
 * A device has at most two: the one it used last, and one that was handed out
 * since and has not been used.  Using the second makes it the first; until then
 * both are good, because the answer that carried it may have been lost.  A login
 * is answered only when its use of a token is in the database: the counter that
 * stops replays, and the end of the older token.
 *
 * The token's text is an HMAC of its row under a secret of this installation, so
 * that the rows alone are of no use to whoever gets to read them.  The proof of a
 * client is an HMAC whose key is that text: it cannot be stored as a hash.
 *
 * What a login asks for is written only while the credentials that it has shown
 * are still those of the account: see struct login_proof.
 */
#include "core/tokens.h"

#include "util/base64.h"
#include "util/clock.h"
#include "xmpp/jid.h"

#define MAX_DEVICES 50 /* with tokens, of one account; the one renewed longest ago goes */
#define SWEEP_EVERY (3600 * JD_USEC_PER_SEC)
/* So long an expired token is still known, and its device told that it has expired. */
#define SWEEP_AFTER (7 * 86400 * JD_USEC_PER_SEC)
#define SWEEP_ROWS  1000

static jd_usec lifetime = 21 * 86400 * JD_USEC_PER_SEC;
static struct jd_owner sweeping;

/* -- statements ---------------------------------------------------------------------------- */

static struct jd_stmt find_tokens = {
	.name = "core.find_tokens",
	.lane = JD_LANE_READ,
	.sql = "SELECT t.owner, t.mechanism, t.nonce, t.counter, t.issued_at, t.expires_at,"
	       " (SELECT c.salt FROM credential c WHERE c.owner = t.owner ORDER BY c.hash LIMIT 1),"
	       " EXISTS (SELECT 1 FROM account_ban b WHERE b.owner = a.owner)"
	       " FROM fast_token t JOIN account a ON a.owner = t.owner"
	       " WHERE a.host = $1 AND a.name = $2 AND t.agent = $3 ORDER BY t.slot DESC",
};

static struct jd_stmt use_counted = {
	.name = "core.use_counted_token",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE fast_token SET used_at = $4, counter = $5"
	       " WHERE owner = $1 AND agent = $2 AND nonce = $3 AND counter < $5",
	.expect = 1,
};

static struct jd_stmt use_uncounted = {
	.name = "core.use_token",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE fast_token SET used_at = $4"
	       " WHERE owner = $1 AND agent = $2 AND nonce = $3 AND counter = -1",
	.expect = 1,
};

static struct jd_stmt drop_older = {
	.name = "core.drop_older_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 AND agent = $2 AND nonce <> $3"
	       " AND (slot = 0 OR expires_at < $4)",
};

static struct jd_stmt make_current = {
	.name = "core.make_token_current",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE fast_token SET slot = 0 WHERE owner = $1 AND agent = $2 AND nonce = $3",
};

static struct jd_stmt drop_agent = {
	.name = "core.drop_agent_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 AND agent = $2",
};

static struct jd_stmt drop_next = {
	.name = "core.drop_next_token",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 AND agent = $2 AND slot = 1",
};

#define TOKEN_COLUMNS                                                                              \
	"INSERT INTO fast_token (owner, agent, slot, mechanism, nonce, counter, issued_at,"        \
	" expires_at, software, device)"
#define TOKEN_VALUES " SELECT $1, $2, 1, $3, $4, -1, $5, $6, $7, $8"
#define TOKEN_VALUES_PG                                                                            \
	" SELECT $1::bigint, $2::text, 1, $3::text, $4::bytea, -1, $5::bigint, $6::bigint,"        \
	" $7::text, $8::text"
#define SAME_PASSWORD " WHERE EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND salt = $9)"
/* PostgreSQL must keep the row as it is until the token is there: a change of the password, which
 * takes keys away first and then tokens, waits for it and finds the token. */
#define SAME_PASSWORD_PG                                                                           \
	" WHERE EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND salt = $9 FOR SHARE)"
#define SAME_TOKEN                                                                                 \
	" AND EXISTS (SELECT 1 FROM fast_token WHERE owner = $1 AND agent = $2 AND nonce = $10)"

static struct jd_stmt make_token = {
	.name = "core.make_token",
	.lane = JD_LANE_WRITE,
	.sql = TOKEN_COLUMNS TOKEN_VALUES SAME_PASSWORD,
	.pgsql = TOKEN_COLUMNS TOKEN_VALUES_PG SAME_PASSWORD_PG,
	.expect = 1,
};

static struct jd_stmt renew_token = {
	.name = "core.renew_token",
	.lane = JD_LANE_WRITE,
	.sql = TOKEN_COLUMNS TOKEN_VALUES SAME_PASSWORD SAME_TOKEN,
	.pgsql = TOKEN_COLUMNS TOKEN_VALUES_PG SAME_PASSWORD_PG SAME_TOKEN,
	.expect = 1,
};

static struct jd_stmt trim_tokens = {
	.name = "core.trim_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 AND agent NOT IN"
	       " (SELECT agent FROM fast_token WHERE owner = $1 GROUP BY agent"
	       " ORDER BY max(issued_at) DESC, agent LIMIT $2)",
};

static struct jd_stmt drop_of_name = {
	.name = "core.drop_tokens_of_name",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner ="
	       " (SELECT owner FROM account WHERE host = $1 AND name = $2)",
};

static struct jd_stmt drop_of_owner = {
	.name = "core.drop_tokens_of_owner",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1",
};

static struct jd_stmt sweep_tokens = {
	.name = "core.sweep_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE (owner, agent, slot) IN"
	       " (SELECT owner, agent, slot FROM fast_token WHERE expires_at < $1 LIMIT $2)",
};

/* -- text and proof ------------------------------------------------------------------------ */

/* The token of a row, terminated. */
static void token_text(uint64_t owner, struct jd_str agent, const char *mechanism,
		       const uint8_t nonce[TOKEN_NONCE], char out[TOKEN_TEXT + 1])
{
	uint8_t data[sizeof(owner) + TOKEN_NONCE + 128], mac[CRYPTO_MAX_DIGEST];
	size_t n = sizeof(owner) + TOKEN_NONCE, len = strlen(mechanism);

	JD_ASSERT(n + agent.len + 1 + len <= sizeof(data));
	for (size_t i = 0; i < sizeof(owner); i++)
		data[i] = (uint8_t)(owner >> (56 - 8 * i));
	memcpy(data + sizeof(owner), nonce, TOKEN_NONCE);
	memcpy(data + n, agent.p, agent.len);
	n += agent.len;
	data[n++] = '\0';
	memcpy(data + n, mechanism, len);
	auth_secret_mac("token", data, n + len, mac);
	out[base64url_encode(mac, crypto_digest_size(CRYPTO_SHA256), out)] = '\0';
	crypto_wipe(mac, sizeof(mac));
}

static void token_hmac(const char *token, const char *who, struct jd_str binding, uint8_t *out)
{
	char data[16 + CRYPTO_MAX_DIGEST];
	size_t n = strlen(who);

	JD_ASSERT(n + binding.len <= sizeof(data));
	memcpy(data, who, n);
	if (binding.len)
		memcpy(data + n, binding.p, binding.len);
	crypto_hmac(CRYPTO_SHA256, token, strlen(token), data, n + binding.len, out);
}

/* -- using one --------------------------------------------------------------------------------- */

struct use {
	struct jd_owner owner;
	struct client *client;
	struct auth_ask *ask;
	struct auth_answer *answer;
	uint64_t account;
	jd_usec expires;
};

static void use_end(struct use *u, int status)
{
	u->answer->status = status;
	if (status != AUTH_GIVEN)
		u->answer->owner = 0;
	auth_answer_send(u->client, u->answer);
	auth_ask_free(u->ask);
	mem_free(u);
}

static void on_used(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct use *u = arg;

	(void)rows;
	/* A conflict: used or revoked by somebody else between our look and our write. */
	if (status == JD_DB_CONFLICT)
		use_end(u, AUTH_REFUSED);
	else
		use_end(u, status == JD_DB_OK ? AUTH_GIVEN : AUTH_TEMPORARY);
}

static void write_use(struct use *u)
{
	const struct auth_ask *ask = u->ask;
	struct jd_param owner = jd_int((int64_t)u->account), agent = jd_text(ask->device);
	struct jd_str text = {(const char *)u->answer->proof.nonce, TOKEN_NONCE};
	struct jd_param nonce = jd_blob(text), now = jd_int((int64_t)clock_real());
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, u->account);
	if (ask->count >= 0)
		jd_unit_add(unit, &use_counted,
			    JD_PARAMS(owner, agent, nonce, now, jd_int(ask->count)));
	else
		jd_unit_add(unit, &use_uncounted, JD_PARAMS(owner, agent, nonce, now));
	if (ask->invalidate) {
		jd_unit_add(unit, &drop_agent, JD_PARAMS(owner, agent));
	} else {
		jd_unit_add(unit, &drop_older,
			    JD_PARAMS(owner, agent, nonce, jd_int((int64_t)u->expires)));
		jd_unit_add(unit, &make_current, JD_PARAMS(owner, agent, nonce));
	}
	if (jd_unit_submit(unit, &u->owner, on_used, u) < 0)
		on_used(u, JD_DB_FAILED, NULL);
}

/* The row is the one whose token the client has shown. Its proof of ours goes into the answer. */
static bool is_shown(const struct use *u, const struct jd_rows *rows, size_t row)
{
	const struct auth_ask *ask = u->ask;
	uint8_t want[CRYPTO_MAX_DIGEST], nonce[TOKEN_NONCE];
	struct jd_str stored = jd_row_str(rows, row, 2);
	char text[TOKEN_TEXT + 1];
	bool right;

	if (stored.len != TOKEN_NONCE || !jd_str_is(jd_row_str(rows, row, 1), ask->mechanism))
		return false;
	memcpy(nonce, stored.p, TOKEN_NONCE);
	token_text((uint64_t)jd_row_int(rows, row, 0), ask->device, ask->mechanism, nonce, text);
	token_hmac(text, "Initiator", ask->binding, want);
	right = ask->password.len == crypto_digest_size(CRYPTO_SHA256) &&
		crypto_equal(want, ask->password.p, ask->password.len);
	if (right)
		token_hmac(text, "Responder", ask->binding, u->answer->server_key);
	crypto_wipe(text, sizeof(text));
	return right;
}

static bool count_ok(const struct auth_ask *ask, int64_t counter)
{
	/* Who has counted once, counts always. */
	return ask->count >= 0 ? ask->count > counter : counter < 0;
}

/* A token is replaced when a quarter of its life is over: a device that comes back now and
 * then is never logged out. */
static bool is_old(jd_usec now, jd_usec issued, jd_usec expires)
{
	return now >= issued + (expires - issued) / 4;
}

static void take_row(struct use *u, const struct jd_rows *rows, size_t row)
{
	jd_usec now = clock_real(), issued = (jd_usec)jd_row_int(rows, row, 4);
	struct jd_str salt = jd_row_str(rows, row, 6);
	struct login_proof *proof = &u->answer->proof;

	u->account = u->answer->owner = (uint64_t)jd_row_int(rows, row, 0);
	u->answer->banned = jd_row_int(rows, row, 7) != 0;
	u->expires = (jd_usec)jd_row_int(rows, row, 5);
	if (now >= u->expires) {
		use_end(u, AUTH_EXPIRED);
		return;
	}
	if (!count_ok(u->ask, jd_row_int(rows, row, 3))) {
		use_end(u, AUTH_REFUSED);
		return;
	}
	if (salt.len <= AUTH_SALT_MAX && salt.len) {
		memcpy(proof->salt, salt.p, salt.len);
		proof->salt_len = salt.len;
	}
	proof->token = true;
	proof->token_gone = u->ask->invalidate;
	proof->token_old = is_old(now, issued, u->expires);
	memcpy(proof->nonce, jd_row_str(rows, row, 2).p, TOKEN_NONCE);
	write_use(u);
}

static void on_found(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct use *u = arg;

	if (status != JD_DB_OK) {
		use_end(u, AUTH_TEMPORARY);
		return;
	}
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		if (is_shown(u, rows, i)) {
			take_row(u, rows, i);
			return;
		}
	}
	use_end(u, AUTH_REFUSED);
}

void token_ask(struct client *c, struct auth_ask *ask)
{
	struct use *u = mem_new(struct use);

	auth_note_login(c, ask);
	u->client = c;
	u->ask = ask;
	u->answer = mem_new(struct auth_answer);
	owner_init(&u->owner);
	c->asks++;
	if (jd_db_query(&u->owner, &find_tokens,
			JD_PARAMS(jd_text(ask->host), jd_text(ask->name), jd_text(ask->device)),
			on_found, u) < 0)
		on_found(u, JD_DB_FAILED, NULL);
}

/* -- issuing one --------------------------------------------------------------------------- */

struct issue {
	token_fn fn;
	void *arg;
	struct token_issued issued;
};

static void on_issued(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct issue *i = arg;
	struct issue copy = *i;

	(void)rows;
	if (status != JD_DB_OK) {
		if (status != JD_DB_CONFLICT)
			jd_log(JD_LOG_WARNING, "a token could not be written");
		copy.issued.text[0] = '\0';
	}
	crypto_wipe(i, sizeof(*i));
	mem_free(i);
	copy.fn(copy.arg, &copy.issued);
	crypto_wipe(&copy, sizeof(copy));
}

bool token_wanted(const struct login_ask *ask)
{
	const struct login_proof *p = &ask->proof;

	if (!p->salt_len || !ask->bind.device.len)
		return false;
	return ask->wants_token || (p->token && p->token_old && !p->token_gone);
}

void token_issue(struct jd_owner *owner, const struct login_ask *ask, token_fn fn, void *arg)
{
	const char *mechanism = ask->wants_token ? ask->wants_token : ask->bind.mechanism;
	const struct login_proof *proof = &ask->proof;
	struct issue *i = mem_new(struct issue);
	jd_usec now = clock_real();
	uint8_t nonce[TOKEN_NONCE];
	struct jd_param number = jd_int((int64_t)ask->bind.owner);
	struct jd_param agent = jd_text(ask->bind.device);
	struct jd_unit *unit = jd_unit_new();
	bool by_token = proof->token && !proof->token_gone;
	struct jd_param values[10];

	*i = (struct issue){.fn = fn, .arg = arg};
	i->issued.expires = now + lifetime;
	crypto_random(nonce, sizeof(nonce));
	token_text(ask->bind.owner, ask->bind.device, mechanism, nonce, i->issued.text);
	values[0] = number;
	values[1] = agent;
	values[2] = jd_text(jd_cstr(mechanism));
	values[3] = jd_blob((struct jd_str){(const char *)nonce, sizeof(nonce)});
	values[4] = jd_int((int64_t)now);
	values[5] = jd_int((int64_t)i->issued.expires);
	values[6] = jd_text(ask->software.len ? ask->software : JD_STR_NULL);
	values[7] = jd_text(ask->device_name.len ? ask->device_name : JD_STR_NULL);
	values[8] = jd_blob((struct jd_str){(const char *)proof->salt, proof->salt_len});
	values[9] = jd_blob((struct jd_str){(const char *)proof->nonce, TOKEN_NONCE});
	jd_unit_key(unit, ask->bind.owner);
	jd_unit_add(unit, &drop_next, JD_PARAMS(number, agent));
	jd_unit_add(unit, by_token ? &renew_token : &make_token,
		    (struct jd_params){values, by_token ? 10 : 9});
	jd_unit_add(unit, &trim_tokens, JD_PARAMS(number, jd_int(MAX_DEVICES)));
	if (jd_unit_submit(unit, owner, on_issued, i) < 0)
		on_issued(i, JD_DB_FAILED, NULL);
}

/* -- revoking --------------------------------------------------------------------------------- */

void tokens_drop_of(struct jd_unit *unit, struct jd_str host, struct jd_str name)
{
	jd_unit_add(unit, &drop_of_name, JD_PARAMS(jd_text(host), jd_text(name)));
}

void tokens_drop_owner(struct jd_unit *unit, uint64_t owner)
{
	jd_unit_add(unit, &drop_of_owner, JD_PARAMS(jd_int((int64_t)owner)));
}

/* -- housekeeping ----------------------------------------------------------------------------- */

static void sweep(void *arg)
{
	jd_usec now = clock_real();

	(void)arg;
	if (now > SWEEP_AFTER &&
	    jd_db_query(&sweeping, &sweep_tokens,
			JD_PARAMS(jd_int((int64_t)(now - SWEEP_AFTER)), jd_int(SWEEP_ROWS)), NULL,
			NULL) < 0)
		jd_log(JD_LOG_INFO, "old tokens stay for another hour: the database is busy");
	jd_timer_start(&sweeping, SWEEP_EVERY, sweep, NULL);
}

void tokens_configure(jd_usec of)
{
	lifetime = of;
}

void tokens_start(void)
{
	owner_init(&sweeping);
	sweep(NULL);
}

void tokens_fini(void)
{
	if (sweeping.pending.next)
		owner_cancel_all(&sweeping);
}
