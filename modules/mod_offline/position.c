/* SPDX-License-Identifier: MIT
 *
 * The position of an account in its log: which rows a client has, or nobody
 * waits for.  It is loaded when it is first needed and written some seconds after it
 * has changed, and when the last session goes, since nobody waits for that: what a
 * crash forgets is sent again.
 *
 * The set in memory only grows, so what is loaded late is simply added to what has
 * become known meanwhile; but nothing is written before it has been loaded.
 */
#include "offline.h"

#define WRITE_AFTER (5 * JD_USEC_PER_SEC)

/* The last column: whether rows are still there that were to be erased when a client had them. */
static struct jd_stmt load = {
	.name = "offline.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT p.position, p.taken, CASE WHEN EXISTS (SELECT 1 FROM archive a"
	       " WHERE a.owner = $1 AND a.flags & 2 = 2 AND a.id <= p.position)"
	       " THEN 1 ELSE 0 END FROM offline_position p WHERE p.owner = $1",
};

/* Not for an account that is being erased. */
static struct jd_stmt put = {
	.name = "offline.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO offline_position (owner, position, taken)"
	       " SELECT owner, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM account"
	       " WHERE owner = $1 AND NOT EXISTS"
	       " (SELECT 1 FROM account_leaving WHERE owner = $1)"
	       " ON CONFLICT (owner) DO UPDATE"
	       " SET position = excluded.position, taken = excluded.taken",
};

static void write_soon(struct home *h);

struct home *offline_home(struct jd_instance *mi, struct jd_account *account)
{
	struct home *h = jd_account_data(mi, account);

	if (!h->account) {
		h->mi = mi;
		h->account = account;
		h->hidden.keeps_new = true;
	}
	if (!h->owner)
		h->owner = jd_account_owner(account);
	return h;
}

/* -- writing --------------------------------------------------------------------------------- */

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct home *h = arg;

	(void)rows;
	h->writing = false;
	if (status != JD_DB_OK)
		h->changed = true;
	if (h->changed)
		write_soon(h);
}

/* False: not now. */
static bool submit(struct home *h, struct jd_owner *owner, jd_db_fn fn)
{
	char text[IDSET_TEXT];
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, h->owner);
	jd_unit_add(unit, &put,
		    JD_PARAMS(jd_int((int64_t)h->owner), jd_int((int64_t)h->taken.base),
			      jd_text(idset_text(&h->taken, text))));
	return jd_unit_submit(unit, owner, fn, h) == 0;
}

static void write_now(struct home *h)
{
	jd_timer_stop(&h->timer);
	if (!h->changed || h->writing || !h->owner)
		return;
	if (!h->loaded) {
		if (!offline_home_load(h))
			write_soon(h);
		return;
	}
	h->changed = false;
	h->writing = true;
	if (!submit(h, jd_account_pending(h->account), on_written))
		on_written(h, JD_DB_FAILED, NULL);
}

static void on_time(void *arg)
{
	struct home *h = arg;

	h->timer = NULL;
	write_now(h);
}

/* The timer keeps the account in memory, too. */
static void write_soon(struct home *h)
{
	if (!h->timer)
		h->timer = jd_timer_start(jd_account_pending(h->account), WRITE_AFTER, on_time, h);
}

void offline_home_leave(struct home *h)
{
	write_now(h);
}

/* At the end of the server, or of the module: nobody waits for the answer. */
void offline_home_free(struct jd_instance *mi, void *data)
{
	struct home *h = data;

	if (h->changed && h->loaded)
		(void)submit(h, jd_instance_pending(mi), NULL);
	idset_fini(&h->taken);
	idset_fini(&h->hidden);
	offline_gaps_free(h);
}

/* -- loading --------------------------------------------------------------------------------- */

static void tell_sessions(struct home *h, bool good)
{
	struct jd_session *next;

	for (struct jd_session *s = jd_session_next(h->account, NULL); s; s = next) {
		next = jd_session_next(h->account, s);
		drain_loaded(offline_drain(h->mi, s), good);
	}
}

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct home *h = arg;
	const struct offline *o = jd_data(h->mi);

	h->loading = false;
	if (status == JD_DB_OK && jd_rows_count(rows)) {
		idset_add(&h->taken, 1, (uint64_t)jd_row_int(rows, 0, 0));
		idset_add_text(&h->taken, jd_row_str(rows, 0, 1));
		if (jd_row_int(rows, 0, 2))
			o->archive->drop_upto(o->archive_mi, h->owner,
					      (uint64_t)jd_row_int(rows, 0, 0));
	}
	h->loaded = status == JD_DB_OK;
	if (h->changed)
		write_soon(h);
	tell_sessions(h, h->loaded);
}

bool offline_home_load(struct home *h)
{
	if (!h->loading)
		h->loading = jd_db_query(jd_account_pending(h->account), &load,
					 JD_PARAMS(jd_int((int64_t)h->owner)), on_loaded, h) == 0;
	return h->loading;
}

/* -- changing -------------------------------------------------------------------------------- */

void offline_home_take(struct home *h, uint64_t from, uint64_t to, bool lazy)
{
	if (idset_covers(&h->taken, from, to))
		return;
	idset_add(&h->taken, from, to);
	h->changed = true;
	if (!lazy)
		write_soon(h);
}

int offline_position_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load, &put};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
