/* SPDX-License-Identifier: MIT
 *
 * Erasing an account, in bounded steps.
 *
 * An account with years of history has more rows than one unit should touch, and
 * a server may be killed at any moment.  So deleting is two things.  First one
 * unit takes the name and the keys away (account_admin.c): from then on there is
 * no such account for anybody, and a row in account_leaving remembers that there
 * is something left.  Then the steps here: modules have their say (farewells, files;
 * jd_on_erase()), each table of schema/ is emptied of the owner by some hundred
 * rows at a time, and in the end the owner's last rows go together.  Every step can be
 * done again, and the next start goes on with whatever account_leaving has.
 *
 * What fails is tried again a little later: the database may be away.
 */
#include "core/erase.h"
#include "core/tables.h"

#define AGAIN_AFTER JD_USEC_PER_SEC

static struct jd_stmt drop_leaving = {
	.name = "core.drop_leaving",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM account_leaving WHERE owner = $1",
};

static struct jd_stmt drop_account = {
	.name = "core.drop_account",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM account WHERE owner = $1",
};

static struct jd_stmt next_leaving = {
	.name = "core.next_leaving",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner, host, name FROM account_leaving WHERE owner > $1 AND since < $2"
	       " ORDER BY owner LIMIT 1",
};

struct eraser {
	struct list node;
	struct jd_instance *mi;
	jd_erase_fn fn;
};

struct jd_erasure {
	struct list node;
	struct jd_owner pending;
	struct jd_host *host; /* NULL: not served any more */
	struct jd_jid jid;    /* text behind the struct */
	uint64_t owner;
	struct list *eraser; /* the module's whose turn it is; the list's head: all had it */
	bool asked;          /* and it has not answered yet */
	size_t table;
	account_done_fn done; /* NULL: nobody waits */
	void *arg;
	char text[];
};

static struct list erasers = LIST_INIT(erasers);
static struct list erasures = LIST_INIT(erasures);

static void step(void *arg);

static struct jd_params number(const struct jd_erasure *e, struct jd_param *p)
{
	*p = jd_int((int64_t)e->owner);
	return (struct jd_params){p, 1};
}

static void step_later(struct jd_erasure *e, jd_usec after)
{
	(void)jd_timer_start(&e->pending, after, step, e);
}

static void erasure_end(struct jd_erasure *e, int result)
{
	list_remove(&e->node);
	owner_cancel_all(&e->pending);
	if (e->done)
		e->done(e->arg, result);
	mem_free(e);
}

/* -- tables ------------------------------------------------------------------------------ */

static void on_erased(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_erasure *e = arg;

	if (status == JD_DB_OK && jd_rows_affected(rows) == 0)
		e->table++;
	step_later(e, status == JD_DB_OK ? 0 : AGAIN_AFTER);
}

static void on_gone(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_erasure *e = arg;

	(void)rows;
	if (status != JD_DB_OK) {
		step_later(e, AGAIN_AFTER);
		return;
	}
	jd_log(JD_LOG_NOTICE, "an account has been erased", jd_kv_str("jid", jd_jid_str(e->jid)));
	erasure_end(e, 0);
}

/* Behind whatever else is on its way for this account. */
static int erase_rows(struct jd_erasure *e)
{
	struct jd_unit *unit = jd_unit_new();
	struct jd_param p;
	bool last;

	while (e->table < n_tables && !tables[e->table].erase)
		e->table++;
	last = e->table == n_tables;
	jd_unit_key(unit, e->owner);
	if (last) {
		jd_unit_add(unit, &drop_leaving, number(e, &p));
		jd_unit_add(unit, &drop_account, number(e, &p));
	} else {
		jd_unit_add(unit, tables[e->table].erase, number(e, &p));
	}
	return jd_unit_submit(unit, &e->pending, last ? on_gone : on_erased, e);
}

/* -- modules ------------------------------------------------------------------------------- */

/* The next module of this host. */
static struct eraser *whose_turn(struct jd_erasure *e)
{
	while (e->host && e->eraser != &erasers) {
		struct eraser *r = container_of(e->eraser, struct eraser, node);

		if (!r->mi->host || r->mi->host == e->host)
			return r;
		e->eraser = e->eraser->next;
	}
	return NULL;
}

static void step(void *arg)
{
	struct jd_erasure *e = arg;
	struct eraser *r = whose_turn(e);

	if (r) {
		e->asked = true;
		r->fn(r->mi, e);
	} else if (erase_rows(e) < 0) {
		step_later(e, AGAIN_AFTER);
	}
}

void jd_erase_done(struct jd_erasure *e, bool good)
{
	JD_ASSERT(e->asked);
	e->asked = false;
	if (good)
		e->eraser = e->eraser->next;
	step_later(e, good ? 0 : AGAIN_AFTER);
}

int jd_on_erase(struct jd_instance *mi, jd_erase_fn fn)
{
	struct eraser *r = mem_new(struct eraser);

	r->mi = mi;
	r->fn = fn;
	list_append(&erasers, &r->node);
	return 0;
}

void erasers_remove(struct jd_instance *mi)
{
	struct list *next;

	for (struct list *n = erasers.next; n != &erasers; n = next) {
		struct eraser *r = container_of(n, struct eraser, node);

		next = n->next;
		if (r->mi != mi)
			continue;
		for (struct list *l = erasures.next; l != &erasures; l = l->next) {
			struct jd_erasure *e = container_of(l, struct jd_erasure, node);

			if (e->eraser != n)
				continue;
			e->eraser = next;
			owner_cancel_all(&e->pending); /* what it waits for */
			step_later(e, 0);
			e->asked = false;
		}
		list_remove(n);
		mem_free(r);
	}
}

struct jd_jid jd_erasure_jid(const struct jd_erasure *e)
{
	return e->jid;
}

struct jd_owner *jd_erasure_pending(struct jd_erasure *e)
{
	return &e->pending;
}

uint64_t jd_erasure_owner(const struct jd_erasure *e)
{
	return e->owner;
}

/* -- beginning, going on, stopping --------------------------------------------------------------
 */

void erase_account(struct jd_host *host, struct jd_jid jid, uint64_t owner, account_done_fn done,
		   void *arg)
{
	struct jd_str text = jd_jid_str(jid);
	struct jd_erasure *e = mem_alloc(sizeof(*e) + text.len);

	*e = (struct jd_erasure){
		.host = host, .jid = jid, .owner = owner, .done = done, .arg = arg};
	memcpy(e->text, text.p, text.len);
	e->jid.p = e->text;
	e->eraser = erasers.next;
	owner_init(&e->pending);
	list_append(&erasures, &e->node);
	step_later(e, 0);
}

static bool under_way(uint64_t owner)
{
	for (const struct list *n = erasures.next; n != &erasures; n = n->next)
		if (container_of(n, struct jd_erasure, node)->owner == owner)
			return true;
	return false;
}

/* One after the other: there may be many. */
static struct {
	struct jd_owner pending;
	uint64_t owner; /* whose turn it was */
} resuming;

static void resume_next(void *arg);

static void on_resumed(void *arg, int result)
{
	if (result == 0)
		resume_next(arg);
}

static void on_leaving(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	char text[2 * JD_JID_PART_MAX + 1];
	struct jd_str host, name;
	struct jd_jid jid;

	if (status != JD_DB_OK) {
		(void)jd_timer_start(&resuming.pending, AGAIN_AFTER, resume_next, arg);
		return;
	}
	if (!jd_rows_count(rows))
		return;
	resuming.owner = (uint64_t)jd_row_int(rows, 0, 0);
	host = jd_row_str(rows, 0, 1);
	name = jd_row_str(rows, 0, 2);
	if (under_way(resuming.owner) || host.len + name.len + 1 > sizeof(text)) {
		resume_next(arg);
		return;
	}
	jid = (struct jd_jid){text, (uint16_t)name.len, (uint16_t)host.len, 0};
	memcpy(text, name.p, name.len);
	text[name.len] = '@';
	memcpy(text + name.len + 1, host.p, host.len);
	jd_log(JD_LOG_NOTICE, "going on with erasing an account",
	       jd_kv_str("jid", jd_jid_str(jid)));
	erase_account(host_find(host), jid, resuming.owner, on_resumed, NULL);
}

/* What this server itself has written there is under way, or a session's (auth_anonymous.c). */
static void resume_next(void *arg)
{
	if (jd_db_query(&resuming.pending, &next_leaving,
			JD_PARAMS(jd_int((int64_t)resuming.owner), jd_int((int64_t)server.started)),
			on_leaving, arg) < 0)
		(void)jd_timer_start(&resuming.pending, AGAIN_AFTER, resume_next, arg);
}

void erase_resume(void)
{
	owner_init(&resuming.pending);
	resuming.owner = 0;
	resume_next(NULL);
}

void erase_fini(void)
{
	if (resuming.pending.pending.next)
		owner_cancel_all(&resuming.pending);
	while (!list_empty(&erasures))
		erasure_end(container_of(erasures.next, struct jd_erasure, node), -JD_ECLOSED);
}

size_t erase_count(void)
{
	size_t n = 0;

	for (const struct list *l = erasures.next; l != &erasures; l = l->next)
		n++;
	return n;
}
