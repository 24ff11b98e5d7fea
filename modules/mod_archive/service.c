/* SPDX-License-Identifier: MIT
 *
 * What other modules may ask for (jackdaw/archive.h), and the erasing of hidden rows,
 * which are gathered for a moment and go together.
 */
#include "archive.h"

#include <stdio.h>

#define DROP_AFTER JD_USEC_PER_SEC
#define DROP_BYTES 4000 /* of ids, before they go at once */

/* Their ids are not given again, whatever becomes of other rows. */
static struct jd_stmt note_last = {
	.name = "archive.note_last",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive_owner SET next_id = $2 WHERE owner = $1 AND next_id < $2",
};

static struct jd_stmt drop_rows = {
	.name = "archive.drop_rows",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive WHERE owner = $1 AND flags & 2 = 2 AND id IN"
	       " (SELECT value FROM json_each($2))",
	.pgsql = "DELETE FROM archive WHERE owner = $1 AND flags & 2 = 2 AND id IN"
		 " (SELECT CAST(value AS BIGINT)"
		 " FROM json_array_elements_text(CAST($2 AS JSON)))",
};

static struct jd_stmt drop_below = {
	.name = "archive.drop_below",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive WHERE owner = $1 AND flags & 2 = 2 AND id <= $2",
};

/* -- erasing hidden rows ------------------------------------------------------------------ */

/* Text behind an op: the ids as JSON, or nothing: all up to op->id. */
static bool drop_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	struct jd_param owner = jd_int((int64_t)log->owner);

	jd_unit_add(unit, &note_last, JD_PARAMS(owner, jd_int((int64_t)log->last_id + 1)));
	if (op->stanza.p)
		jd_unit_add(unit, &drop_rows, JD_PARAMS(owner, jd_text(op->stanza)));
	else
		jd_unit_add(unit, &drop_below, JD_PARAMS(owner, jd_int((int64_t)op->id)));
	return true;
}

static int drop_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	uint64_t affected = (uint64_t)jd_rows_affected(rows);

	(void)op;
	log->hidden -= affected < log->hidden ? affected : log->hidden;
	return 0;
}

static const struct op_kind drop_kind = {.fill = drop_fill, .done = drop_done};

static struct op *drop_op(const struct log *log)
{
	char *p;
	struct op *op = archive_op_new(&drop_kind, NULL, NULL, log->drops.len + 1, &p);

	memcpy(p, log->drops.p, log->drops.len);
	p[log->drops.len] = ']';
	op->stanza = (struct jd_str){p, log->drops.len + 1};
	return op;
}

static void forget_drops(struct log *log)
{
	jd_free((char *)log->drops.p);
	log->drops = JD_STR_NULL;
}

/* What cannot be erased now stays until the next delivery has the position that it is below. */
void archive_drop_first(struct log *log)
{
	if (!log->drops.p)
		return;
	(void)!archive_log_add(log, drop_op(log), NULL);
	forget_drops(log);
}

void archive_drop_now(struct log *log)
{
	struct op *op;
	struct jd_unit *unit;

	if (!log->drops.p || log->state != LOG_READY) {
		forget_drops(log);
		return;
	}
	op = drop_op(log);
	unit = jd_unit_new();
	jd_unit_key(unit, log->owner);
	(void)drop_fill(log, op, unit);
	(void)!jd_unit_submit(unit, NULL, NULL, NULL);
	jd_free(op);
	forget_drops(log);
}

static void on_due(void *arg)
{
	archive_drop_first(arg);
}

static void remember(struct log *log, uint64_t id)
{
	char number[24];
	size_t n = (size_t)snprintf(number, sizeof(number), "%c%llu", log->drops.p ? ',' : '[',
				    (unsigned long long)id);
	char *more;

	if (!log->drops.p) {
		log->drops.p = jd_alloc(DROP_BYTES + sizeof(number));
		(void)jd_timer_start(jd_instance_pending(log->mi), DROP_AFTER, on_due, log);
	}
	more = (char *)log->drops.p + log->drops.len;
	memcpy(more, number, n);
	log->drops.len += n;
	if (log->drops.len >= DROP_BYTES)
		archive_drop_first(log);
}

static void drop(struct jd_instance *mi, uint64_t owner, const uint64_t *ids, size_t n)
{
	struct log *log = archive_log_get(mi, owner);

	for (size_t i = 0; i < n; i++)
		remember(log, ids[i]);
}

static void drop_upto(struct jd_instance *mi, uint64_t owner, uint64_t id)
{
	struct log *log = archive_log_get(mi, owner);
	struct op *op = archive_op_new(&drop_kind, NULL, NULL, 0, NULL);

	op->id = id;
	(void)!archive_log_add(log, op, NULL);
}

/* -- rows --------------------------------------------------------------------------------- */

static int put(struct jd_instance *mi, struct jd_owner *owner, const struct jd_archive_put *row,
	       jd_archive_put_fn fn, void *arg)
{
	bool body = jd_el_ok(jd_el_child(jd_stanza_root(row->st), JD_NS_STANZA, "body"));

	return archive_put(mi, owner, row, body ? FLAG_BODY : 0, false, fn, arg);
}

/* -- how much there is ---------------------------------------------------------------------- */

static bool state_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	(void)log;
	(void)op;
	(void)unit;
	return false;
}

static int state_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	(void)rows;
	op->id = log->last_id;
	op->at = (int64_t)log->total;
	return 0;
}

static const struct op_kind state_kind = {.fill = state_fill, .done = state_done};

/* The two numbers come in the places of a row's id and time. */
int archive_state(struct jd_instance *mi, struct jd_owner *owner, uint64_t log,
		  jd_archive_put_fn fn, void *arg)
{
	return archive_log_add(archive_log_get(mi, log),
			       archive_op_new(&state_kind, fn, arg, 0, NULL), owner);
}

/* -- the answer to Bind 2 (XEP-0386) -------------------------------------------------------- */

/* Behind the op. */
struct preparing {
	void (*done)(void *arg);
	void *arg;
};

static void on_prepared(void *arg, int result, uint64_t last, uint64_t total)
{
	const struct preparing *p = arg;

	(void)result;
	(void)last;
	(void)total;
	p->done(p->arg);
}

static void prepare(struct jd_instance *mi, struct jd_account *account, struct jd_owner *owner,
		    void (*done)(void *arg), void *arg)
{
	char *text;
	struct op *op =
		archive_op_new(&state_kind, on_prepared, NULL, sizeof(struct preparing), &text);
	struct preparing *p = (struct preparing *)(void *)text;

	*p = (struct preparing){done, arg};
	op->arg = p;
	if (archive_log_add(archive_log_get(mi, jd_account_owner(account)), op, owner) < 0)
		done(arg);
}

static void write_bound(struct jd_instance *mi, struct jd_session *session, struct jd_arena *arena,
			struct jd_xml *bound)
{
	archive_write_metadata(bound, arena, mi, jd_account_owner(jd_session_account(session)));
}

int archive_bound_start(struct jd_instance *mi)
{
	static const struct jd_bound_ops ops = {.prepare = prepare, .write = write_bound};

	return jd_on_bound(mi, &ops);
}

static void deliver(struct jd_instance *mi, bool wanted)
{
	((struct archive *)jd_data(mi))->deliver = wanted;
}

int archive_service_start(struct jd_instance *mi)
{
	static const struct jd_archive ops = {
		.put = put,
		.read = archive_read,
		.drop = drop,
		.drop_upto = drop_upto,
		.query = archive_query,
		.retract = archive_retract,
		.deliver = deliver,
		.state = archive_state,
		.room_keeps = archive_room_keeps,
	};
	static struct jd_stmt *const all[] = {&note_last, &drop_rows, &drop_below};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	return r ? r : jd_provide(mi, "archive", &ops);
}
