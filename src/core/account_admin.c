/* SPDX-License-Identifier: MIT
 *
 * Making, changing and deleting accounts.
 *
 * A password becomes keys for every SCRAM hash at once, on a worker, with a salt
 * each; the password itself is stored nowhere and wiped.  What is written goes
 * in one unit: an account never exists without its keys.  Deleting takes the name and the
 * keys away and leaves a tombstone on the name, so that a stranger cannot take it over by
 * accident; the rest is erased in steps (erase.c).
 */
#include "core/auth_provider.h"
#include "core/erase.h"
#include "core/tokens.h"
#include "stream/sasl/sasl.h"
#include "util/clock.h"
#include "xmpp/jid.h"

#define SALT_LEN 16

static struct jd_stmt bury_not = {
	.name = "core.bury_not",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM account_tombstone WHERE host = $1 AND name = $2",
};

static struct jd_stmt make_account = {
	.name = "core.make_account",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account (host, name, created_at) SELECT $1, $2, $3"
	       " WHERE NOT EXISTS (SELECT 1 FROM account_tombstone WHERE host = $1 AND name = $2)",
	.pgsql =
		"INSERT INTO account (host, name, created_at)"
		" SELECT $1::text, $2::text, $3::bigint"
		" WHERE NOT EXISTS (SELECT 1 FROM account_tombstone WHERE host = $1 AND name = $2)",
	.expect = 1,
};

static struct jd_stmt drop_keys = {
	.name = "core.drop_keys",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM credential WHERE owner ="
	       " (SELECT owner FROM account WHERE host = $1 AND name = $2)",
};

static struct jd_stmt make_keys = {
	.name = "core.make_keys",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO credential (owner, hash, salt, iterations, stored_key, server_key)"
	       " SELECT owner, $3, $4, $5, $6, $7 FROM account WHERE host = $1 AND name = $2",
	.pgsql = "INSERT INTO credential (owner, hash, salt, iterations, stored_key, server_key)"
		 " SELECT owner, $3::int, $4::bytea, $5::int, $6::bytea, $7::bytea"
		 " FROM account WHERE host = $1 AND name = $2",
	.expect = 1,
};

static struct jd_stmt find_owner = {
	.name = "core.find_owner",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
};

static struct jd_stmt drop_keys_of = {
	.name = "core.drop_keys_of",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM credential WHERE owner = $1",
};

static struct jd_stmt bury = {
	.name = "core.bury",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account_tombstone (host, name, owner, deleted_at)"
	       " VALUES ($1, $2, $3, $4) ON CONFLICT (host, name)"
	       " DO UPDATE SET owner = excluded.owner, deleted_at = excluded.deleted_at",
};

static struct jd_stmt leave = {
	.name = "core.leave",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account_leaving (owner, host, name, since)"
	       " SELECT owner, host, name, $2 FROM account WHERE owner = $1",
	.pgsql = "INSERT INTO account_leaving (owner, host, name, since)"
		 " SELECT owner, host, name, $2::bigint FROM account WHERE owner = $1",
	.expect = 1,
};

/* No address has a local part with '@'. */
static struct jd_stmt take_name = {
	.name = "core.take_name",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE account SET name = '@' || owner WHERE owner = $1",
	.expect = 1,
};

struct key_row {
	uint8_t salt[SALT_LEN];
	struct scram_keys keys;
};

/* One administrative change on its way. */
struct change {
	struct worker_job job;      /* first */
	struct auth_question asked; /* of the host's module ... */
	enum jd_auth_status said;   /* ... and what it said */
	struct jd_owner owner;
	struct jd_host *host;
	char *name;
	char *password;
	char *keep; /* the resource of a session that goes on; NULL: none does */
	bool create, force;
	unsigned iterations, hashes;
	struct key_row rows[CRYPTO_HASH_COUNT];
	uint64_t number;
	account_done_fn done;
	void *arg;
};

static struct change *change_new(struct jd_host *host, struct jd_jid jid, account_done_fn done,
				 void *arg)
{
	struct change *c = mem_new(struct change);

	c->host = host;
	c->name = jd_strdup(jd_jid_local(jid));
	c->iterations = server.scram_iterations;
	c->hashes = server.scram_hashes;
	c->done = done;
	c->arg = arg;
	owner_init(&c->owner);
	return c;
}

static void change_free(struct change *c)
{
	owner_cancel_all(&c->owner);
	if (c->password) {
		crypto_wipe(c->password, strlen(c->password));
		mem_free(c->password);
	}
	crypto_wipe(c->rows, sizeof(c->rows));
	mem_free(c->keep);
	mem_free(c->name);
	mem_free(c);
}

static void change_end(struct change *c, int result)
{
	struct jd_str name = jd_cstr(c->name);

	if (result == 0 && c->keep)
		account_end_others(c->host, name, jd_cstr(c->keep), STREAM_NOT_AUTHORIZED);
	else if (result == 0 && c->password && !c->create)
		account_end_sessions(c->host, name, STREAM_NOT_AUTHORIZED);
	else if (result == 0)
		account_forget(c->host, name, STREAM_NOT_AUTHORIZED);
	c->done(c->arg, result);
	change_free(c);
}

static int outcome(enum jd_db_status status, int conflict)
{
	switch (status) {
	case JD_DB_OK:
		return 0;
	case JD_DB_CONFLICT:
		return conflict;
	default:
		return -JD_EDB;
	}
}

/* -- passwords --------------------------------------------------------------------------- */

static void derive_work(struct worker_job *job)
{
	struct change *c = (struct change *)job;

	for (int h = 0; h < CRYPTO_HASH_COUNT; h++) {
		struct key_row *row = &c->rows[h];

		if (!(c->hashes & (1u << h)))
			continue;
		crypto_random(row->salt, sizeof(row->salt));
		scram_derive((enum crypto_hash)h, jd_cstr(c->password), row->salt,
			     sizeof(row->salt), c->iterations, &row->keys);
	}
}

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;

	(void)rows;
	change_end(c, outcome(status, c->create ? -JD_EEXIST : -JD_ENOENT));
}

static void add_keys(struct jd_unit *unit, struct change *c, int h)
{
	const struct key_row *row = &c->rows[h];
	size_t digest = crypto_digest_size((enum crypto_hash)h);

	jd_unit_add(unit, &make_keys,
		    JD_PARAMS(jd_text(jd_host_name(c->host)), jd_text(jd_cstr(c->name)), jd_int(h),
			      jd_blob((struct jd_str){(const char *)row->salt, SALT_LEN}),
			      jd_int(c->iterations),
			      jd_blob((struct jd_str){(const char *)row->keys.stored, digest}),
			      jd_blob((struct jd_str){(const char *)row->keys.server, digest})));
}

static void write_keys(struct change *c)
{
	struct jd_params who = JD_PARAMS(jd_text(jd_host_name(c->host)), jd_text(jd_cstr(c->name)));
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, c->number);
	if (c->create && c->force)
		jd_unit_add(unit, &bury_not, who);
	if (c->create)
		jd_unit_add(unit, &make_account,
			    JD_PARAMS(jd_text(jd_host_name(c->host)), jd_text(jd_cstr(c->name)),
				      jd_int((int64_t)clock_real())));
	else {
		jd_unit_add(unit, &drop_keys, who);
		tokens_drop_of(unit, jd_host_name(c->host), jd_cstr(c->name));
	}
	for (int h = 0; h < CRYPTO_HASH_COUNT; h++) {
		if (c->hashes & (1u << h))
			add_keys(unit, c, h);
	}
	if (jd_unit_submit(unit, &c->owner, on_written, c) < 0)
		change_end(c, -JD_EDB);
}

/* Changed keys go in a row with what logins write in the name of the old ones (tokens, more
 * keys): none of them sees half of the other, or waits for a row that it holds. */
static void on_number(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;

	if (status != JD_DB_OK) {
		change_end(c, -JD_EDB);
	} else if (jd_rows_count(rows) == 0) {
		change_end(c, -JD_ENOENT);
	} else {
		c->number = (uint64_t)jd_row_int(rows, 0, 0);
		write_keys(c);
	}
}

static int find_number(struct change *c, jd_db_fn fn)
{
	return jd_db_query(&c->owner, &find_owner,
			   JD_PARAMS(jd_text(jd_host_name(c->host)), jd_text(jd_cstr(c->name))), fn,
			   c);
}

static void derive_done(struct worker_job *job)
{
	struct change *c = (struct change *)job;

	if (c->create)
		write_keys(c);
	else if (find_number(c, on_number) < 0)
		change_end(c, -JD_EDB);
}

static int derive(struct change *c)
{
	c->job.work = derive_work;
	c->job.done = derive_done;
	return worker_submit(server.workers, &c->job);
}

/* The module has said whether the password is its own affair. */
static void go_on(void *arg)
{
	struct change *c = arg;
	int r;

	if (c->said == JD_AUTH_YES) {
		change_end(c, 0);
	} else if (c->said != JD_AUTH_UNKNOWN) {
		change_end(c, c->said == JD_AUTH_NO ? -JD_EACCESS : -JD_EAGAIN);
	} else {
		r = derive(c);
		if (r < 0)
			change_end(c, r);
	}
}

/* It may have answered at once; who asked for the change hears of it later in any case. */
static void on_said(struct auth_question *asked, enum jd_auth_status status,
		    const struct jd_auth_keys *keys)
{
	struct change *c = container_of(asked, struct change, asked);

	(void)keys;
	c->said = status;
	(void)jd_timer_start(&c->owner, 0, go_on, c);
}

static int set_password(struct change *c, struct jd_str password, bool create, bool force)
{
	char prepared[JD_JID_PART_MAX];
	size_t len;
	int r;

	/* Names of rooms are not accounts that somebody may log in to. */
	if (c->host->component || jid_prep_password(password, prepared, &len) < 0) {
		change_free(c);
		return -JD_EINVAL;
	}
	c->password = jd_strdup((struct jd_str){prepared, len});
	crypto_wipe(prepared, sizeof(prepared));
	c->create = create;
	c->force = force;
	c->asked.answered = on_said;
	c->asked.pub = (struct jd_auth){
		.what = JD_AUTH_SET_PASSWORD,
		.host = c->host,
		.name = jd_cstr(c->name),
		.password = jd_cstr(c->password),
	};
	if (!create && auth_provider_ask(&c->asked))
		return 0;
	r = derive(c);
	if (r < 0)
		change_free(c);
	return r;
}

int account_set_password(struct jd_host *host, struct jd_jid jid, struct jd_str password,
			 bool create, bool force, account_done_fn done, void *arg)
{
	return set_password(change_new(host, jid, done, arg), password, create, force);
}

int account_change_password(struct jd_host *host, struct jd_jid jid, struct jd_str password,
			    struct jd_str resource, account_done_fn done, void *arg)
{
	struct change *c = change_new(host, jid, done, arg);

	c->keep = jd_strdup(resource);
	return set_password(c, password, false, false);
}

/* -- deleting -------------------------------------------------------------------------------- */

static void on_erased(void *arg, int result)
{
	change_end(arg, result);
}

static void on_left(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;
	struct jd_str host = jd_host_name(c->host), name = jd_cstr(c->name);
	char text[2 * JD_JID_PART_MAX + 1];
	struct jd_jid jid = {text, (uint16_t)name.len, (uint16_t)host.len, 0};

	(void)rows;
	if (status != JD_DB_OK) {
		change_end(c, outcome(status, -JD_ENOENT));
		return;
	}
	account_forget(c->host, name, STREAM_NOT_AUTHORIZED);
	memcpy(text, name.p, name.len);
	text[name.len] = '@';
	memcpy(text + name.len + 1, host.p, host.len);
	erase_account(c->host, jid, c->number, on_erased, c);
}

void account_add_leave(struct jd_unit *unit, uint64_t owner)
{
	struct jd_param number = jd_int((int64_t)owner);

	jd_unit_add(unit, &leave, JD_PARAMS(number, jd_int((int64_t)clock_real())));
	jd_unit_add(unit, &take_name, (struct jd_params){&number, 1});
}

/* Sessions end first, so that nothing is written for the account behind its end. The name
 * and the keys go in one unit; the rest in steps (erase.c), also when the server ends first. */
static void leave_name(struct change *c)
{
	struct jd_str domain = jd_host_name(c->host), name = jd_cstr(c->name);
	struct jd_unit *unit = jd_unit_new();
	struct jd_account *a = account_get(c->host, name);
	struct jd_account_event ev = {c->host, a->jid, c->number, unit};
	struct jd_params number = JD_PARAMS(jd_int((int64_t)c->number));
	struct jd_param now = jd_int((int64_t)clock_real());

	account_pin(a);
	account_forget(c->host, name, STREAM_NOT_AUTHORIZED);
	hook_notify_account(JD_HOOK_account_deleting, &ev);
	jd_unit_key(unit, c->number);
	jd_unit_add(unit, &drop_keys_of, number);
	tokens_drop_owner(unit, c->number);
	jd_unit_add(unit, &bury,
		    JD_PARAMS(jd_text(domain), jd_text(name), jd_int((int64_t)c->number), now));
	account_add_leave(unit, c->number);
	if (jd_unit_submit(unit, &c->owner, on_left, c) < 0)
		change_end(c, -JD_EDB);
	account_unpin(a);
}

static void on_owner(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;

	if (status != JD_DB_OK) {
		change_end(c, -JD_EDB);
	} else if (jd_rows_count(rows) == 0) {
		change_end(c, -JD_ENOENT);
	} else {
		c->number = (uint64_t)jd_row_int(rows, 0, 0);
		leave_name(c);
	}
}

int account_delete(struct jd_host *host, struct jd_jid jid, account_done_fn done, void *arg)
{
	struct change *c = change_new(host, jid, done, arg);
	int r = host->component ? -JD_EINVAL : find_number(c, on_owner);

	if (r < 0)
		change_free(c);
	return r;
}
