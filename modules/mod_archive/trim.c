/* SPDX-License-Identifier: MIT
 *
 * What is too old goes, some hundred rows at a time, each step in the turn of its log:
 * nothing waits long behind it, and what is counted stays right.  With the option
 * `expire` the owners of the host are looked at one after the other, round and round.
 */
#include "archive.h"

#define STEP        "500"
#define ROUND_EVERY (3600 * JD_USEC_PER_SEC)
#define AGAIN_AFTER (10 * JD_USEC_PER_SEC)

#define OLD "id IN (SELECT id FROM archive WHERE owner = $1 AND at < $2 ORDER BY at LIMIT " STEP ")"

/* As it is known in memory; so that what is subtracted is subtracted from the right number. */
static struct jd_stmt note = {
	.name = "archive.note",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive_owner SET total = $2, counted = $3, next_id = $4 WHERE owner = $1",
};

static struct jd_stmt subtract = {
	.name = "archive.subtract",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive_owner SET total = total - (SELECT COUNT(*) FROM archive"
	       " WHERE owner = $1 AND " VISIBLE " AND " OLD ") WHERE owner = $1",
};

/* Before the rows themselves, which say which those are. */
static struct jd_stmt erase_text = {
	.name = "archive.erase_text",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive_text WHERE owner = $1 AND " OLD,
};

static struct jd_stmt erase = {
	.name = "archive.erase",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive WHERE owner = $1 AND " OLD,
};

/* The owners of a host, and how old their oldest rows are. */
static struct jd_stmt owners = {
	.name = "archive.owners",
	.lane = JD_LANE_LONG,
	.sql = "SELECT o.owner, (SELECT at FROM archive WHERE owner = o.owner ORDER BY at LIMIT 1)"
	       " FROM archive_owner o JOIN account a ON a.owner = o.owner"
	       " WHERE a.host = $1 AND o.owner > $2 ORDER BY o.owner LIMIT 100",
};

/* -- a step ------------------------------------------------------------------------------- */

/* op->at: rows from before. */
static bool trim_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	struct jd_param owner = jd_int((int64_t)log->owner), before = jd_int(op->at);

	jd_unit_add(unit, &note,
		    JD_PARAMS(owner, jd_int((int64_t)log->total), jd_int((int64_t)log->resolved),
			      jd_int((int64_t)log->last_id + 1)));
	jd_unit_add(unit, &subtract, JD_PARAMS(owner, before));
	jd_unit_add(unit, &erase_text, JD_PARAMS(owner, before));
	jd_unit_add(unit, &erase, JD_PARAMS(owner, before));
	return true;
}

static int trim_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	op->id = (uint64_t)jd_rows_affected(rows);
	if (op->id)
		archive_log_forget(log);
	return 0;
}

static const struct op_kind trim_kind = {.fill = trim_fill, .done = trim_done};

int archive_trim(struct jd_instance *mi, struct jd_owner *owner, uint64_t log, jd_usec before,
		 jd_archive_put_fn fn, void *arg)
{
	struct op *op = archive_op_new(&trim_kind, fn, arg, 0, NULL);

	op->at = before > INT64_MAX ? INT64_MAX : (int64_t)before;
	return archive_log_add(archive_log_get(mi, log), op, owner);
}

/* -- expiry ------------------------------------------------------------------------------- */

#define AT_ONCE 100 /* owners */

/* Behind archive.expiry. */
struct expiry {
	struct jd_instance *mi;
	uint64_t last;           /* owner that was looked at */
	uint64_t found[AT_ONCE]; /* those with something to erase */
	size_t n;
	bool more;
};

static void look(void *arg);
static void next(struct expiry *e);

static void later(struct expiry *e, jd_usec after)
{
	(void)jd_timer_start(jd_instance_pending(e->mi), after, look, e);
}

static jd_usec cutoff(const struct expiry *e)
{
	return jd_now() - ((const struct archive *)jd_data(e->mi))->expire;
}

static void on_step(void *arg, int result, uint64_t id, jd_usec at)
{
	struct expiry *e = arg;

	(void)at;
	if (result < 0 || id == 0) /* what failed is found again in the next round */
		e->n--;
	next(e);
}

static void next(struct expiry *e)
{
	if (e->n) {
		if (archive_trim(e->mi, jd_instance_pending(e->mi), e->found[e->n - 1], cutoff(e),
				 on_step, e) < 0)
			later(e, AGAIN_AFTER);
	} else if (e->more) {
		look(e);
	} else {
		e->last = 0;
		later(e, ROUND_EVERY);
	}
}

static void on_owners(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct expiry *e = arg;

	if (status != JD_DB_OK) {
		later(e, AGAIN_AFTER);
		return;
	}
	e->n = 0;
	e->more = jd_rows_count(rows) == AT_ONCE;
	for (size_t i = 0; i < jd_rows_count(rows) && i < AT_ONCE; i++) {
		e->last = (uint64_t)jd_row_int(rows, i, 0);
		if (!jd_row_null(rows, i, 1) && (jd_usec)jd_row_int(rows, i, 1) < cutoff(e))
			e->found[e->n++] = e->last;
	}
	next(e);
}

static void look(void *arg)
{
	struct expiry *e = arg;

	if (jd_db_query(jd_instance_pending(e->mi), &owners,
			JD_PARAMS(jd_text(jd_host_name(jd_instance_host(e->mi))),
				  jd_int((int64_t)e->last)),
			on_owners, e) < 0)
		later(e, AGAIN_AFTER);
}

int archive_trim_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&note, &subtract, &erase_text, &erase, &owners};
	struct archive *a = jd_data(mi);
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0 && a->expire) {
		a->expiry = jd_alloc(sizeof(*a->expiry));
		a->expiry->mi = mi;
		later(a->expiry, 0);
	}
	return r;
}

void archive_trim_stop(struct jd_instance *mi)
{
	struct archive *a = jd_data(mi);

	jd_free(a->expiry);
	a->expiry = NULL;
}
