/* SPDX-License-Identifier: MIT
 *
 * What a log writes, and what becomes of it.
 *
 *   committed    the callbacks run, in the order of the ids
 *   uncertain    the same rows are inserted again under the same ids, where they are
 *                not there yet, for as long as it takes: an insert that is still on its
 *                way in a connection that broke can come before or behind it, once
 *   conflict     memory was behind the database (it has been restored, say): the log is
 *                loaded again, and the row gets another id
 *   failed       of several, each is tried alone, so that a bad row takes no other with
 *                it.  A row that can still be refused is; one whose message has gone on
 *                is tried again for a minute
 *
 * Nobody counts while rows are written.  How many there are is known in memory and
 * written every now and then, with the id up to which it counts.
 */
#include "archive.h"

#define TOGETHER    64
#define COUNT_EVERY 256
#define AGAIN_AFTER JD_USEC_PER_SEC
#define MAX_RELOADS 3

/* A second apart at least; while the database is away each takes some seconds. */
#define STUBBORN_ATTEMPTS 12
#define AGAIN_ATTEMPTS    300

static struct jd_stmt count = {
	.name = "archive.count",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive_owner SET total = $2, counted = $3 WHERE owner = $1",
};

#define PUT                                                                                        \
	"INSERT INTO archive (owner, id, at, peer, resource, direction, type, origin_id, flags,"   \
	" format, stanza) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM archive_owner"  \
	" WHERE owner = $1"

/* Into what is being erased nothing is put: no row is affected then. */
static struct jd_stmt put = {
	.name = "archive.put",
	.lane = JD_LANE_WRITE,
	.sql = PUT,
};

static struct jd_stmt put_again = {
	.name = "archive.put_again",
	.lane = JD_LANE_WRITE,
	.sql = PUT " ON CONFLICT (owner, id) DO UPDATE SET at = excluded.at",
};

/* -- rows ------------------------------------------------------------------------------- */

/* Times grow, whatever the clock does. */
static int64_t next_time(struct log *log)
{
	int64_t now = (int64_t)jd_now();

	log->last_at = now > log->last_at ? now : log->last_at + 1;
	return log->last_at;
}

static bool is_full(const struct log *log)
{
	const struct archive *a = jd_data(log->mi);

	return log->hidden >= (uint64_t)a->quota;
}

static bool put_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	if (op->flags & FLAG_HIDDEN && !op->again && is_full(log))
		op->result = -JD_ELIMIT;
	if (op->result)
		return false;
	if (!op->id) {
		op->id = ++log->last_id;
		op->at = next_time(log);
	}
	if (op->terms.p)
		archive_terms_put(unit, log->owner, op->id, op->terms, true);
	jd_unit_add(unit, op->again ? &put_again : &put,
		    JD_PARAMS(jd_int((int64_t)log->owner), jd_int((int64_t)op->id), jd_int(op->at),
			      jd_text(op->peer), jd_text(op->resource), jd_int(op->out),
			      jd_int(op->type), jd_text(op->name), jd_int(op->flags),
			      jd_int(op->format), jd_blob(op->stanza)));
	return true;
}

static int put_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	if (op->result)
		return op->result;
	log->resolved = op->id;
	if (!jd_rows_affected(rows))
		return -JD_ENOENT;
	if (op->flags & FLAG_HIDDEN) {
		log->hidden++;
		return 0;
	}
	log->total++;
	log->newest = (struct place){op->id, op->at};
	if (!log->oldest.id)
		log->oldest = log->newest;
	return 0;
}

static const struct op_kind put_kind = {.joins = true, .fill = put_fill, .done = put_done};

struct jd_str archive_copy(char **p, struct jd_str s)
{
	struct jd_str out = {s.p ? *p : NULL, s.len};

	if (s.len)
		memcpy(*p, s.p, s.len);
	*p += s.len;
	return out;
}

/* What the sender calls it: by this it can be taken back. */
static struct jd_str name_of(struct jd_stanza *st)
{
	struct jd_str name = st->id;

	if (!name.len)
		name = jd_el_attr(jd_el_child(jd_stanza_root(st), JD_NS_SID, "origin-id"), "id");
	return name.len > NAME_BYTES ? JD_STR_NULL : name;
}

int archive_put(struct jd_instance *mi, struct jd_owner *owner, const struct jd_archive_put *row,
		int flags, bool stubborn, jd_archive_put_fn fn, void *arg)
{
	struct jd_str stanza = jd_stanza_bytes(row->st, row->st->arena);
	struct jd_str peer = jd_jid_bare_str(row->peer), resource = jd_jid_resource(row->peer);
	struct jd_str name = name_of(row->st), terms = JD_STR_NULL;
	struct log *log = archive_log_get(mi, row->owner);
	char found[TERMS_BYTES], *p;
	int format = archive_pack(mi, &stanza);
	struct op *op;

	if (!row->hidden)
		terms = archive_terms(mi, row->owner, row->st, found);
	op = archive_op_new(&put_kind, fn, arg,
			    peer.len + resource.len + name.len + stanza.len + terms.len, &p);

	op->stubborn = stubborn;
	op->out = row->out;
	op->type = row->st->type == JD_TYPE_CHAT;
	op->format = format;
	op->flags = flags | (row->hidden ? FLAG_HIDDEN : 0);
	op->peer = archive_copy(&p, peer);
	op->resource = archive_copy(&p, resource);
	op->name = archive_copy(&p, name);
	op->stanza = archive_copy(&p, stanza);
	op->terms = archive_copy(&p, terms);
	if (row->hidden && is_full(log)) /* what is delivered does not count */
		archive_drop_first(log);
	return archive_log_add(log, op, owner);
}

/* -- outcomes --------------------------------------------------------------------------- */

static void again(void *arg)
{
	struct log *log = arg;

	log->busy = false;
	archive_log_run(log);
}

static void committed(struct log *log, const struct jd_rows *rows)
{
	unsigned n = log->n_running, i = 0;

	log->failures = 0;
	log->alone -= log->alone < n ? log->alone : n;
	if (log->counting)
		log->counted = log->counting;
	for (struct op *op = log->first; i < n; op = op->next, i++)
		op->result = op->kind->done(log, op, rows);
	if (log->first->result != OP_MORE) {
		archive_log_end(log, n, 0);
		return;
	}
	log->first->result = 0;
	log->first->attempts = 0;
	log->first->again = false;
}

static void uncertain(struct log *log)
{
	unsigned i = 0;

	for (struct op *op = log->first; i < log->n_running; op = op->next, i++)
		op->again = true;
	archive_log_later(log, log->first->attempts++ ? AGAIN_AFTER : 0, again);
}

/* The rows behind it are refused as well, or wait: the database is not there. */
static void refuse(struct log *log, int result)
{
	unsigned n = 1, i = 0;

	if (log->failures > 1)
		for (struct op *op = log->first->next; op && !op->stubborn && !op->again;
		     op = op->next)
			n++;
	for (struct op *op = log->first; i < n; op = op->next, i++)
		if (op->id && op->kind->joins)
			log->resolved = op->id;
	archive_log_end(log, n, result);
}

/* How often it is tried. */
static unsigned patience(const struct op *op, bool conflict)
{
	if (op->again)
		return AGAIN_ATTEMPTS;
	return op->stubborn && !conflict ? STUBBORN_ATTEMPTS : 0;
}

static void failed(struct log *log, bool conflict)
{
	struct op *op = log->first;

	if (log->n_running > 1) {
		log->alone = log->n_running;
		archive_log_run(log);
		return;
	}
	log->alone -= log->alone > 0;
	if (conflict && op->kind->joins && !op->again && op->attempts++ < MAX_RELOADS) {
		op->id = 0;
		archive_log_forget(log);
		archive_log_run(log);
		return;
	}
	log->failures++;
	if (op->attempts++ < patience(op, conflict))
		archive_log_later(log, AGAIN_AFTER, again);
	else
		refuse(log, -JD_EDB);
}

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct log *log = arg;

	log->busy = false;
	switch (status) {
	case JD_DB_OK:
		committed(log, rows);
		break;
	case JD_DB_UNCERTAIN:
		uncertain(log);
		break;
	case JD_DB_CONFLICT:
	case JD_DB_FAILED:
		failed(log, status == JD_DB_CONFLICT);
		break;
	}
	archive_log_run(log);
}

static void on_nothing(void *arg)
{
	on_written(arg, JD_DB_OK, NULL);
}

static void on_refused(void *arg)
{
	on_written(arg, JD_DB_FAILED, NULL);
}

/* -- writing ---------------------------------------------------------------------------- */

static bool fill(struct log *log, struct jd_unit *unit)
{
	unsigned most = log->alone ? 1 : TOGETHER;
	struct op *op = log->first;
	bool any = false;

	log->counting = 0;
	if (log->resolved - log->counted >= COUNT_EVERY && op->kind->joins) {
		log->counting = log->resolved;
		jd_unit_add(unit, &count,
			    JD_PARAMS(jd_int((int64_t)log->owner), jd_int((int64_t)log->total),
				      jd_int((int64_t)log->resolved)));
	}
	log->n_running = 0;
	do {
		any |= op->kind->fill(log, op, unit);
		log->n_running++;
		op = op->next;
	} while (op && op->kind->joins && log->first->kind->joins && log->n_running < most);
	return any;
}

void archive_write(struct log *log)
{
	struct jd_unit *unit = jd_unit_new();

	log->busy = true;
	jd_unit_key(unit, log->owner);
	if (!fill(log, unit)) {
		jd_unit_free(unit);
		log->counting = 0;
		archive_log_later(log, 0, on_nothing);
	} else if (jd_unit_submit(unit, jd_instance_pending(log->mi), on_written, log) < 0) {
		archive_log_later(log, 0, on_refused);
	}
}

int archive_write_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&count, &put, &put_again};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
