/* SPDX-License-Identifier: MIT
 *
 * Accounts of nobody.  Such an account is a row like any other, so that no module
 * needs to know about it, but it is on its way out from the beginning: the unit
 * that makes it also writes it down in account_leaving, so that the next start
 * erases whatever a killed server has left.  When its session ends the name is
 * taken away and the rest is erased in steps, as for any deleted account, but no
 * tombstone stays: names are random and come only once.
 */
#include "core/auth_anonymous.h"
#include "core/auth_priv.h"
#include "core/erase.h"
#include "util/clock.h"

static struct jd_stmt make_account = {
	.name = "core.make_anonymous",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account (host, name, created_at) VALUES ($1, $2, $3)",
	.expect = 1,
};

static struct jd_stmt leave = {
	.name = "core.leave_anonymous",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account_leaving (owner, host, name, since)"
	       " SELECT owner, host, name, $3 FROM account WHERE host = $1 AND name = $2",
	.pgsql = "INSERT INTO account_leaving (owner, host, name, since)"
		 " SELECT owner, host, name, $3::bigint FROM account"
		 " WHERE host = $1 AND name = $2",
	.expect = 1,
};

static struct jd_stmt take_name = {
	.name = "core.end_anonymous",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE account SET name = '@' || owner WHERE owner = $1",
	.expect = 1,
};

/* One that is being made, or goes. */
struct nobody {
	struct list node;
	struct jd_owner owner;
	struct jd_host *host;
	uint64_t number;
	anonymous_fn done;
	void *arg;
	char name[ANONYMOUS_NAME + 1];
};

static struct list all = LIST_INIT(all);
static size_t count; /* accounts that are being made, there, or being erased */

static struct nobody *nobody_new(struct jd_host *host)
{
	struct nobody *n = mem_new(struct nobody);

	n->host = host;
	owner_init(&n->owner);
	list_append(&all, &n->node);
	return n;
}

static void nobody_free(struct nobody *n)
{
	list_remove(&n->node);
	owner_cancel_all(&n->owner);
	mem_free(n);
}

/* -- made ----------------------------------------------------------------------------------- */

static void made(struct nobody *n, uint64_t owner)
{
	count -= owner == 0;
	n->done(n->arg, n->name, owner);
	nobody_free(n);
}

static void on_made(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	bool good = status == JD_DB_OK && jd_rows_count(rows) == 1;

	made(arg, good ? (uint64_t)jd_row_int(rows, 0, 0) : 0);
}

static void too_many(void *arg)
{
	made(arg, 0);
}

void anonymous_make(struct jd_host *host, anonymous_fn done, void *arg)
{
	struct nobody *n = nobody_new(host);
	struct jd_str name = {n->name, ANONYMOUS_NAME};
	struct jd_params row = JD_PARAMS(jd_text(jd_host_name(host)), jd_text(name),
					 jd_int((int64_t)clock_real()));
	uint8_t random[ANONYMOUS_NAME / 2];
	struct jd_unit *unit;

	n->done = done;
	n->arg = arg;
	if (++count > ANONYMOUS_MAX) {
		(void)jd_timer_start(&n->owner, 0, too_many, n);
		return;
	}
	crypto_random(random, sizeof(random));
	crypto_hex(random, sizeof(random), n->name);
	unit = jd_unit_new();
	jd_unit_add(unit, &make_account, row);
	jd_unit_add(unit, &leave, row);
	jd_unit_add(unit, &auth_find_name, JD_PARAMS(jd_text(jd_host_name(host)), jd_text(name)));
	if (jd_unit_submit(unit, &n->owner, on_made, n) < 0)
		(void)jd_timer_start(&n->owner, 0, too_many, n);
}

/* -- gone ----------------------------------------------------------------------------------- */

/* Erasing takes longer than making: who comes and goes must not leave more and more behind. */
static void on_erased(void *arg, int result)
{
	(void)arg;
	(void)result;
	count--;
}

static void on_taken(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct nobody *n = arg;
	struct jd_str host = jd_host_name(n->host);
	char text[JD_JID_MAX];
	struct jd_jid jid = {text, ANONYMOUS_NAME, (uint16_t)host.len, 0};

	(void)rows;
	if (status == JD_DB_OK) { /* else the next start does it */
		memcpy(text, n->name, ANONYMOUS_NAME);
		text[ANONYMOUS_NAME] = '@';
		memcpy(text + ANONYMOUS_NAME + 1, host.p, host.len);
		erase_account(n->host, jid, n->number, on_erased, NULL);
	} else {
		count--;
	}
	nobody_free(n);
}

void anonymous_end(struct jd_host *host, struct jd_str local, uint64_t owner)
{
	struct nobody *n;
	struct jd_unit *unit;

	JD_ASSERT(local.len == ANONYMOUS_NAME && count > 0);
	account_forget(host, local, STREAM_NOT_AUTHORIZED);
	if (server.stopping) {
		count--;
		return;
	}
	n = nobody_new(host);
	n->number = owner;
	memcpy(n->name, local.p, local.len);
	unit = jd_unit_new();
	jd_unit_key(unit, owner);
	jd_unit_add(unit, &take_name, JD_PARAMS(jd_int((int64_t)owner)));
	if (jd_unit_submit(unit, &n->owner, on_taken, n) < 0)
		on_taken(n, JD_DB_FAILED, NULL);
}

size_t anonymous_count(void)
{
	return count;
}

void anonymous_fini(void)
{
	while (!list_empty(&all))
		nobody_free(container_of(all.next, struct nobody, node));
	count = 0;
}

/* -- what it may not do -------------------------------------------------------------------------
 */

static bool is_subscription(const struct jd_stanza *st)
{
	return st->kind == JD_PRESENCE &&
	       (st->type == JD_TYPE_SUBSCRIBE || st->type == JD_TYPE_SUBSCRIBED ||
		st->type == JD_TYPE_UNSUBSCRIBE || st->type == JD_TYPE_UNSUBSCRIBED);
}

/* What is set at the own account is kept there, but for these, which end with the session. */
static bool keeps(struct jd_stanza *st, struct jd_jid own)
{
	struct jd_str ns = jd_el_ns(jd_el_first(jd_stanza_root(st)));

	if (st->kind != JD_IQ || st->type != JD_TYPE_SET)
		return false;
	if (jd_str_is(ns, "jabber:iq:register"))
		return true;
	return jd_jid_bare_eq(st->to, own) && !jd_str_is(ns, JD_NS_SESSION) &&
	       !jd_str_is(ns, "urn:xmpp:carbons:2");
}

bool anonymous_refused(const struct jd_account *a, struct jd_stanza *st)
{
	if (!is_subscription(st) && !keeps(st, a->jid) && host_find(jd_jid_domain(st->to)))
		return false;
	jd_bounce(st, JD_NOT_ALLOWED, NULL);
	return true;
}
