/* SPDX-License-Identifier: MIT
 *
 * Logs in memory: for each owner whose log is in use, the ids that have been given
 * and what waits to be written.
 *
 * There is one writer per log, and it does one thing at a time: what it has handed to the
 * database is settled before anything newer of that owner is handed over.  So
 * rows are committed in the order of their ids, also where a COMMIT broke and has to
 * be tried again, and a client that pages with "after" misses none.  What comes
 * meanwhile waits here and goes together, in one unit.
 *
 * The next id is known in memory, so a row costs one INSERT.  A log that nobody has
 * used for a while is forgotten; what it knew is read again from the rows.
 */
#include "archive.h"

#define SWEEP_EVERY (30 * JD_USEC_PER_SEC)
#define OPS_MAX     1000
#define BUCKETS_MIN 64

static struct jd_stmt load = {
	.name = "archive.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT o.next_id, o.total, o.counted,"
	       " (SELECT MAX(id) FROM archive WHERE owner = $1),"
	       " (SELECT MAX(at) FROM archive WHERE owner = $1),"
	       " (SELECT COUNT(*) FROM archive WHERE owner = $1 AND id > o.counted AND " VISIBLE
	       "), (SELECT COUNT(*) FROM archive WHERE owner = $1 AND flags & 2 = 2),"
	       " (SELECT id FROM archive WHERE owner = $1 AND " VISIBLE " ORDER BY id LIMIT 1),"
	       " (SELECT at FROM archive WHERE owner = $1 AND " VISIBLE " ORDER BY id LIMIT 1),"
	       " (SELECT id FROM archive WHERE owner = $1 AND " VISIBLE
	       " ORDER BY id DESC LIMIT 1),"
	       " (SELECT at FROM archive WHERE owner = $1 AND " VISIBLE " ORDER BY id DESC LIMIT 1)"
	       " FROM archive_owner o WHERE o.owner = $1",
};

/* Not for an account that is being erased. */
static struct jd_stmt make_owner = {
	.name = "archive.make_owner",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_owner (owner, next_id, total, counted)"
	       " SELECT owner, 1, 0, 0 FROM account WHERE owner = $1 AND NOT EXISTS"
	       " (SELECT 1 FROM account_leaving WHERE owner = $1) ON CONFLICT (owner) DO NOTHING",
};

/* -- in memory -------------------------------------------------------------------------- */

static size_t bucket_of(const struct archive *a, uint64_t owner)
{
	return (owner * 0x9e3779b97f4a7c15ULL >> 32) & (a->n_buckets - 1);
}

struct log *archive_log_find(struct jd_instance *mi, uint64_t owner)
{
	const struct archive *a = jd_data(mi);
	struct log *log = a->logs[bucket_of(a, owner)];

	while (log && log->owner != owner)
		log = log->next;
	return log;
}

static void insert(struct archive *a, struct log *log)
{
	struct log **bucket = &a->logs[bucket_of(a, log->owner)];

	log->next = *bucket;
	*bucket = log;
}

static void grow(struct archive *a)
{
	struct log **old = a->logs;
	size_t n = a->n_buckets;

	a->n_buckets *= 2;
	a->logs = jd_alloc(a->n_buckets * sizeof(struct log *));
	for (size_t i = 0; i < n; i++) {
		for (struct log *log = old[i], *next; log; log = next) {
			next = log->next;
			insert(a, log);
		}
	}
	jd_free(old);
}

struct log *archive_log_get(struct jd_instance *mi, uint64_t owner)
{
	struct archive *a = jd_data(mi);
	struct log *log = archive_log_find(mi, owner);

	if (!log) {
		if (a->n_logs >= a->n_buckets)
			grow(a);
		log = jd_alloc(sizeof(*log));
		log->mi = mi;
		log->owner = owner;
		log->end = &log->first;
		insert(a, log);
		a->n_logs++;
	}
	log->used = true;
	return log;
}

static void sweep(void *arg)
{
	struct jd_instance *mi = arg;
	struct archive *a = jd_data(mi);

	for (size_t i = 0; i < a->n_buckets; i++) {
		for (struct log **p = &a->logs[i]; *p;) {
			struct log *log = *p;

			if (log->used || log->busy || log->first || log->drops.p) {
				log->used = false;
				p = &log->next;
			} else {
				*p = log->next;
				jd_free(log);
				a->n_logs--;
			}
		}
	}
	(void)jd_timer_start(jd_instance_pending(mi), SWEEP_EVERY, sweep, mi);
}

void archive_log_forget(struct log *log)
{
	log->state = LOG_NEW;
}

/* -- what waits ------------------------------------------------------------------------- */

struct op *archive_op_new(const struct op_kind *kind, jd_archive_put_fn fn, void *arg, size_t text,
			  char **ret_text)
{
	struct op *op = jd_alloc(sizeof(*op) + text);

	op->kind = kind;
	op->fn = fn;
	op->arg = arg;
	if (ret_text)
		*ret_text = (char *)(op + 1);
	return op;
}

/* Nobody waits any more. It is done all the same: it may have been begun. */
static void on_broken(void *arg)
{
	struct op *op = arg;

	op->promise = NULL;
	op->fn = NULL;
}

int archive_log_add(struct log *log, struct op *op, struct jd_owner *owner)
{
	if (log->n_ops >= OPS_MAX) {
		jd_free(op);
		return -JD_ELIMIT;
	}
	if (owner)
		op->promise = jd_promise_new(owner, (void (*)(void))op->fn, on_broken, op);
	*log->end = op;
	log->end = &op->next;
	log->n_ops++;
	log->used = true;
	archive_log_run(log);
	return 0;
}

static struct op *take(struct log *log)
{
	struct op *op = log->first;

	log->first = op->next;
	if (!log->first)
		log->end = &log->first;
	log->n_ops--;
	return op;
}

static void op_end(struct op *op, int result)
{
	/* When we go, whoever waits is told by the core. */
	jd_archive_put_fn fn = result == -JD_ECLOSED && op->promise ? NULL : op->fn;
	void *arg = op->arg;
	uint64_t id = op->id;
	jd_usec at = (jd_usec)op->at;

	jd_promise_end(op->promise);
	if (fn)
		fn(arg, result, id, at);
	jd_free(op->extra);
	jd_free(op);
}

/* Their callbacks may add others. */
void archive_log_end(struct log *log, unsigned n, int result)
{
	struct op *ended = NULL, **end = &ended;

	while (n--) {
		*end = take(log);
		end = &(*end)->next;
	}
	*end = NULL;
	while (ended) {
		struct op *op = ended;

		ended = op->next;
		op_end(op, op->result ? op->result : result);
	}
}

/* -- loading ---------------------------------------------------------------------------- */

static void load_it(void *arg);

/* What can be refused is refused; the rest is tried again. */
static void load_failed(void *arg)
{
	struct log *log = arg;
	unsigned n = 0;

	log->busy = false;
	log->state = LOG_NEW;
	for (struct op *op = log->first; op && !op->stubborn; op = op->next)
		n++;
	archive_log_end(log, n, -JD_EDB);
	if (log->first && !log->busy)
		archive_log_later(log, JD_USEC_PER_SEC, load_it);
}

static uint64_t number(const struct jd_rows *rows, unsigned col)
{
	return (uint64_t)jd_row_int(rows, 0, col);
}

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct log *log = arg;
	int64_t at;

	if (status != JD_DB_OK) {
		load_failed(log);
		return;
	}
	log->busy = false;
	if (!jd_rows_count(rows)) { /* there is no such owner any more */
		log->state = LOG_NEW;
		archive_log_end(log, log->n_ops, -JD_ENOENT);
		return;
	}
	log->state = LOG_READY;
	log->last_id = number(rows, 0) - 1;
	if (number(rows, 3) > log->last_id)
		log->last_id = number(rows, 3);
	log->resolved = log->last_id;
	log->counted = number(rows, 2);
	log->total = number(rows, 1) + number(rows, 5);
	log->hidden = number(rows, 6);
	log->oldest = (struct place){number(rows, 7), jd_row_int(rows, 0, 8)};
	log->newest = (struct place){number(rows, 9), jd_row_int(rows, 0, 10)};
	at = jd_row_int(rows, 0, 4);
	if (at > log->last_at)
		log->last_at = at;
	archive_log_run(log);
}

static void on_made(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct log *log = arg;

	(void)rows;
	if (status != JD_DB_OK ||
	    jd_db_query(jd_instance_pending(log->mi), &load, JD_PARAMS(jd_int((int64_t)log->owner)),
			on_loaded, log) < 0)
		load_failed(log);
}

/* An owner's first row. */
static void on_found(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct log *log = arg;
	struct jd_unit *unit;

	if (status != JD_DB_OK || jd_rows_count(rows)) {
		on_loaded(arg, status, rows);
		return;
	}
	unit = jd_unit_new();
	jd_unit_key(unit, log->owner);
	jd_unit_add(unit, &make_owner, JD_PARAMS(jd_int((int64_t)log->owner)));
	if (jd_unit_submit(unit, jd_instance_pending(log->mi), on_made, log) < 0)
		load_failed(log);
}

static void load_it(void *arg)
{
	struct log *log = arg;

	log->busy = true;
	log->state = LOG_LOADING;
	if (jd_db_query(jd_instance_pending(log->mi), &load, JD_PARAMS(jd_int((int64_t)log->owner)),
			on_found, log) < 0)
		archive_log_later(log, 0, load_failed);
}

/* -- going on --------------------------------------------------------------------------- */

void archive_log_later(struct log *log, jd_usec after, void (*fn)(void *arg))
{
	log->busy = true;
	(void)jd_timer_start(jd_instance_pending(log->mi), after, fn, log);
}

void archive_log_run(struct log *log)
{
	if (log->busy || !log->first)
		return;
	if (log->state == LOG_READY)
		archive_write(log);
	else
		load_it(log);
}

/* -- the instance ----------------------------------------------------------------------- */

int archive_log_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load, &make_owner};
	struct archive *a = jd_data(mi);

	a->n_buckets = BUCKETS_MIN;
	a->logs = jd_alloc(a->n_buckets * sizeof(struct log *));
	(void)jd_timer_start(jd_instance_pending(mi), SWEEP_EVERY, sweep, mi);
	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}

void archive_log_stop(struct jd_instance *mi)
{
	struct archive *a = jd_data(mi);

	for (size_t i = 0; i < a->n_buckets; i++) {
		for (struct log *log = a->logs[i], *next; log; log = next) {
			next = log->next;
			log->busy = true;
			archive_drop_now(log);
			archive_log_end(log, log->n_ops, -JD_ECLOSED);
			jd_free(log);
		}
	}
	jd_free(a->logs);
	a->logs = NULL;
	a->n_buckets = a->n_logs = 0;
}
