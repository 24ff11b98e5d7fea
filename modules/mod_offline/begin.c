/* SPDX-License-Identifier: MIT
 *
 * Where a session begins to read the log: at the position of its account, but for
 * two kinds.  Where too much waits, it is the newest rows only; and a client that
 * came by Bind 2 asks the archive for what was there when it was bound.  Below where
 * they begin these get the rows that the archive does not show: the hidden ones.
 */
#include "offline.h"

#define NEWEST_STR  "2000"
#define NEWEST      2000
#define HIDDEN_STR  "1024"
#define HIDDEN_MOST 1024

/* Where the newest rows begin. */
static struct jd_stmt newest = {
	.name = "offline.newest",
	.lane = JD_LANE_READ,
	.sql = "SELECT id FROM archive WHERE owner = $1 AND id > $2 AND direction = 0"
	       " ORDER BY id DESC LIMIT 1 OFFSET " NEWEST_STR,
};

static struct jd_stmt hidden = {
	.name = "offline.hidden",
	.lane = JD_LANE_READ,
	.sql = "SELECT id FROM archive WHERE owner = $1 AND flags & 2 = 2 AND direction = 0"
	       " AND id <= $2 ORDER BY id LIMIT " HIDDEN_STR,
};

/* The last row, as everybody sees it. */
static struct jd_stmt there = {
	.name = "offline.there",
	.lane = JD_LANE_READ,
	.sql = "SELECT COALESCE(MAX(id), 0) FROM archive WHERE owner = $1",
};

/* -- hidden rows below it -------------------------------------------------------------------- */

static void on_hidden_rows(void *arg, int result, const struct jd_archived *rows, size_t n,
			   bool more)
{
	struct drain *d = arg;
	uint64_t last = n ? rows[n - 1].id : 0;
	bool good = true;

	if (!drain_wanted(d))
		return;
	if (result < 0) {
		drain_retry(d);
		return;
	}
	for (size_t i = 0; good && i < n; i++)
		good = !rows[i].hidden || drain_write(d, &rows[i]);
	if (!good) {
		drain_retry(d);
		return;
	}
	if (!more || !n)
		last = d->asked;
	while (d->i_hidden < d->n_hidden && d->hidden[d->i_hidden] <= last)
		d->i_hidden++;
	drain_next_page(d);
}

/* Those that stand close to each other come together. */
void begin_hidden(struct drain *d)
{
	size_t i = d->i_hidden, k = i + 1;

	if (i == d->n_hidden) {
		jd_free(d->hidden);
		d->hidden = NULL;
		d->n_hidden = d->i_hidden = 0;
		d->phase = PHASE_ROWS;
		drain_rows(d);
		return;
	}
	while (k < d->n_hidden && d->hidden[k] - d->hidden[i] < DRAIN_PAGE)
		k++;
	d->asked = d->hidden[k - 1];
	d->busy = true;
	if (drain_read(d, d->hidden[i] - 1, d->asked + 1, on_hidden_rows) < 0)
		drain_retry(d);
}

/* What is below the beginning and not among these rows is left to the archive. */
static void leave_older(struct drain *d, const struct jd_rows *rows)
{
	struct home *h = drain_home(d);
	uint64_t at = h->taken.base;

	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		uint64_t id = (uint64_t)jd_row_int(rows, i, 0);

		if (id > at + 1)
			offline_home_take(h, at + 1, id - 1, true);
		if (id > at)
			at = id;
	}
	/* there may be more of them behind the last one that was listed */
	if (d->at > at && jd_rows_count(rows) < HIDDEN_MOST)
		offline_home_take(h, at + 1, d->at, true);
}

static void list_hidden(struct drain *d, const struct jd_rows *rows)
{
	size_t n = jd_rows_count(rows);

	jd_free(d->hidden);
	d->hidden = jd_alloc((n ? n : 1) * sizeof(*d->hidden));
	d->n_hidden = n;
	d->i_hidden = 0;
	for (size_t i = 0; i < n; i++)
		d->hidden[i] = (uint64_t)jd_row_int(rows, i, 0);
}

static void on_hidden(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct drain *d = arg;

	if (!drain_wanted(d))
		return;
	if (status != JD_DB_OK) {
		drain_retry(d);
		return;
	}
	list_hidden(d, rows);
	if (!jd_session_bind2(d->session))
		leave_older(d, rows);
	d->phase = PHASE_HIDDEN;
	drain_step(d);
}

/* From where we are. */
static void find(struct drain *d, struct jd_stmt *stmt, jd_db_fn fn)
{
	d->busy = true;
	if (jd_db_query(jd_session_pending(d->session), stmt,
			JD_PARAMS(jd_int((int64_t)drain_home(d)->owner), jd_int((int64_t)d->at)),
			fn, d) < 0)
		drain_retry(d);
}

/* -- where it begins ------------------------------------------------------------------------- */

static void on_newest(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct drain *d = arg;

	if (!drain_wanted(d))
		return;
	if (status != JD_DB_OK) {
		drain_retry(d);
		return;
	}
	if (jd_rows_count(rows))
		d->at = (uint64_t)jd_row_int(rows, 0, 0);
	if (d->at > drain_home(d)->taken.base) {
		find(d, &hidden, on_hidden);
		return;
	}
	d->phase = PHASE_ROWS;
	drain_step(d);
}

/* The database may have been asked long before it looked. */
static void set_bound(struct drain *d, uint64_t last)
{
	d->bound_known = true;
	d->bound_at = d->bound_first && last >= d->bound_first ? d->bound_first - 1 : last;
}

/* Bind 2: what is there now the client asks the archive for. */
static void on_bound(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct drain *d = arg;

	d->busy = d->stale = false;
	if (status == JD_DB_OK && jd_rows_count(rows))
		set_bound(d, (uint64_t)jd_row_int(rows, 0, 0));
	drain_step(d);
}

static void begin_bind2(struct drain *d, uint64_t last)
{
	if (!d->bound_known)
		set_bound(d, last);
	if (d->bound_at > d->at)
		d->at = d->bound_at;
	find(d, &hidden, on_hidden);
}

static void on_last(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct drain *d = arg;
	struct home *h = drain_home(d);
	uint64_t last;

	if (!drain_wanted(d))
		return;
	if (status != JD_DB_OK) {
		drain_retry(d);
		return;
	}
	last = (uint64_t)jd_row_int(rows, 0, 0);
	d->at = h->taken.base;
	if (jd_session_bind2(d->session)) {
		begin_bind2(d, last);
	} else if (last > d->at + NEWEST) {
		find(d, &newest, on_newest);
	} else if (last > d->at && !idset_covers(&h->taken, d->at + 1, last)) {
		d->phase = PHASE_ROWS;
		drain_rows(d);
	} else {
		d->phase = PHASE_ROWS;
		d->at = last > d->at ? last : d->at;
		drain_end(d);
	}
}

void begin_step(struct drain *d)
{
	struct home *h = drain_home(d);

	if (!h->loaded) { /* then drain_loaded() */
		if (!offline_home_load(h))
			drain_retry(d);
		return;
	}
	d->busy = true;
	if (jd_db_query(jd_session_pending(d->session), &there,
			JD_PARAMS(jd_int((int64_t)h->owner)), on_last, d) < 0)
		drain_retry(d);
}

void drain_bound(struct drain *d)
{
	if (!jd_session_bind2(d->session) || !drain_home(d)->owner)
		return;
	d->busy = jd_db_query(jd_session_pending(d->session), &there,
			      JD_PARAMS(jd_int((int64_t)drain_home(d)->owner)), on_bound, d) == 0;
}

int offline_begin_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&newest, &hidden, &there};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
