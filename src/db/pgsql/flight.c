/* SPDX-License-Identifier: MIT
 *
 * What has been sent and not been answered.  A *segment* is what ends in a sync:
 * the preparing of a statement, a unit, the end of a guarded one.  Their answers
 * come in the same order.
 *
 * When a connection breaks, each segment tells what became of its unit.  A read,
 * or a guarded unit whose COMMIT wasn't sent, has surely changed nothing and is
 * queued again, in front.  A write whose commit had been sent is UNCERTAIN; unless
 * the server said goodbye in the middle of it, for then it has been undone, and
 * what stands behind it was never begun.
 */
#include <stdio.h>

#include "db/pgsql/pgsql.h"

#define MAX_ATTEMPTS 3 /* a unit that takes its connection down each time is given up */

/* -- segments ----------------------------------------------------------------------------- */

struct segment *segment_new(struct line *c, enum segment_kind kind)
{
	struct segment *s;

	if (list_empty(&c->pg->spare)) {
		s = mem_new(struct segment);
	} else {
		struct list *first = c->pg->spare.next;

		list_remove(first);
		s = container_of(first, struct segment, node);
		memset(s, 0, sizeof(*s));
	}
	s->kind = kind;
	s->sent = loop_now(c->pg->loop);
	/* libpq wants to be told for each statement, before its first answer. */
	if (list_empty(&c->flight))
		c->row_mode_due = true;
	list_append(&c->flight, &s->node);
	return s;
}

void segment_free(struct line *c, struct segment *s)
{
	if (s->unit)
		c->n_flight--;
	list_remove(&s->node);
	list_prepend(&c->pg->spare, &s->node);
}

struct prepared *line_prepared(struct line *c, unsigned id)
{
	unsigned n = (id | 31) + 1;

	if (id >= c->n_prepared) {
		c->prepared = mem_realloc(c->prepared, n * sizeof(*c->prepared));
		memset(c->prepared + c->n_prepared, 0, (n - c->n_prepared) * sizeof(*c->prepared));
		c->n_prepared = n;
	}
	return &c->prepared[id];
}

/* -- sending: false when libpq refuses, which means that the connection is gone ------------ */

static void statement_name(const struct prepared *p, char out[16])
{
	(void)snprintf(out, 16, "s%u", p->name);
}

/* Has a sync of its own: what fails in a unit must not take it along. */
static bool send_prepare(struct line *c, const struct variant *v)
{
	struct prepared *p = line_prepared(c, v->id);
	Oid types[PG_MAX_PARAMS];
	char name[16];
	struct segment *s;

	if (p->state != PREPARED_NOT)
		return true;
	for (unsigned i = 0; i < v->n_params; i++)
		types[i] = value_type(v->kinds[i]);
	p->name = ++c->names;
	statement_name(p, name);
	if (!libpq->PQsendPrepare(c->pq, name, v->sql, (int)v->n_params, types) ||
	    !libpq->PQpipelineSync(c->pq))
		return false;
	p->state = PREPARED_SENT;
	mem_free(p->reason);
	p->reason = NULL;
	s = segment_new(c, SEGMENT_PREPARE);
	s->variant = v;
	return true;
}

static bool send_text(struct line *c, const char *sql)
{
	return libpq->PQsendQueryParams(c->pq, sql, 0, NULL, NULL, NULL, NULL, 1);
}

static bool send_step(struct line *c, const struct unit_step *step)
{
	const struct variant *v = variant_find(&c->pg->book, step);
	struct bound b;
	char name[16];

	value_bind(&b, step);
	statement_name(line_prepared(c, v->id), name);
	return libpq->PQsendQueryPrepared(c->pq, name, (int)step->n_params, b.values, b.lengths,
					  b.formats, 1);
}

static bool needs_guard(const struct jd_unit *unit)
{
	const char *last;

	if (unit->lane != JD_LANE_WRITE || !unit->first)
		return false;
	for (const struct unit_step *s = unit->first; s; s = s->next)
		if (s->statement->stmt.expect > 0)
			return true;
	last = stmt_sql(&unit->last->statement->stmt, "pgsql");
	return last && sql_returns_rows(last);
}

/* What comes before the first step; the number of statements. Negative: refused. */
static int send_head(struct line *c, const struct jd_unit *unit, bool guarded)
{
	if (guarded)
		return send_text(c, "BEGIN") ? 1 : -1;
	/* A read that keeps an order goes where the writes go: it mustn't be one, and all
	 * of it sees one state. */
	if (unit->lane != JD_LANE_WRITE && c->kind == LINE_WRITE && unit->first)
		return send_text(c, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
			       ? 1
			       : -1;
	return 0;
}

static bool send_unit(struct line *c, struct jd_unit *unit)
{
	bool guarded = needs_guard(unit);
	struct segment *s;
	int n;

	for (const struct unit_step *step = unit->first; step; step = step->next)
		if (!send_prepare(c, variant_find(&c->pg->book, step)))
			return false;
	n = send_head(c, unit, guarded);
	for (const struct unit_step *step = unit->first; step && n >= 0; step = step->next)
		if (!send_step(c, step))
			return false;
	if (n < 0 || !libpq->PQpipelineSync(c->pq))
		return false;
	s = segment_new(c, SEGMENT_UNIT);
	s->head = (unsigned)n;
	s->step = unit->first;
	s->guarded = guarded;
	s->unit = unit;
	list_remove(&unit->node);
	c->n_flight++;
	c->holding = guarded;
	return true;
}

/* A statement without a text for this database is nothing to send. */
static bool sendable(const struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *s = unit->first; s; s = s->next)
		if (!variant_find(&c->pg->book, s)->sql)
			return false;
	return true;
}

void flight_pump(struct line *c)
{
	unsigned depth = c->kind == LINE_LONG ? 1 : PG_DEPTH;
	struct jd_unit *unit;

	while (c->state == LINE_READY && !c->holding && c->n_flight < depth &&
	       (unit = pgsql_next(c))) {
		if (!sendable(c, unit)) {
			list_remove(&unit->node);
			pgsql_done(c->pg, unit, JD_DB_FAILED,
				   "the statement has no text for PostgreSQL");
		} else if (!send_unit(c, unit)) {
			/* Half of it may be on its way; without its sync it is nothing. */
			line_lost(c, libpq->PQerrorMessage(c->pq));
			return;
		}
	}
	if (c->state == LINE_READY && !line_flush(c))
		watch_set(&c->watch, LOOP_READ); /* its end is noticed by reading */
}

void flight_decide(struct line *c, struct jd_unit *unit, bool commit)
{
	struct segment *s;

	c->holding = false;
	/* If libpq refuses, the connection is gone, and reading finds out. */
	(void)send_text(c, commit ? "COMMIT" : "ROLLBACK");
	(void)libpq->PQpipelineSync(c->pq);
	s = segment_new(c, commit ? SEGMENT_COMMIT : SEGMENT_ROLLBACK);
	s->unit = unit;
	if (unit)
		c->n_flight++;
}

/* -- losing ------------------------------------------------------------------------------- */

static void queue_again(struct line *c, struct jd_unit *unit)
{
	struct pgsql *pg = c->pg;

	if (unit->key || unit->lane == JD_LANE_LONG)
		list_prepend(&c->queue, &unit->node);
	else
		list_prepend(unit->lane == JD_LANE_READ ? &pg->read_queue : &pg->write_queue,
			     &unit->node);
}

static bool may_be_committed(const struct segment *s)
{
	if (s->goodbye)
		return false;
	return s->kind == SEGMENT_COMMIT ||
	       (s->kind == SEGMENT_UNIT && !s->guarded && s->unit->lane == JD_LANE_WRITE);
}

/* Takes the segments from the flight; units that are to be sent again come to `again`. */
static void sort_out(struct line *c, struct list *again, const char *why)
{
	bool first = true;
	bool never_begun = false;

	while (!list_empty(&c->flight)) {
		struct segment *s = container_of(c->flight.next, struct segment, node);
		struct jd_unit *unit = s->unit;

		if (unit && !never_begun && may_be_committed(s)) {
			pgsql_done(c->pg, unit, JD_DB_UNCERTAIN, why);
		} else if (unit && c->kind == LINE_LONG && c->pg->close_at) {
			pgsql_done(c->pg, unit, JD_DB_FAILED, why);
		} else if (unit && first && ++unit->attempts >= MAX_ATTEMPTS) {
			pgsql_done(c->pg, unit, JD_DB_FAILED,
				   "the connection broke each time it was tried");
		} else if (unit) {
			list_prepend(again, &unit->node); /* the newest first */
		}
		first &= unit == NULL;
		never_begun |= s->goodbye;
		segment_free(c, s);
	}
}

void flight_lost(struct line *c, const char *why)
{
	struct list again = LIST_INIT(again);

	sort_out(c, &again, why);
	while (!list_empty(&again)) {
		struct list *newest = again.next;

		list_remove(newest);
		queue_again(c, container_of(newest, struct jd_unit, node));
	}
}

void flight_again(struct line *c, struct jd_unit *unit)
{
	queue_again(c, unit);
}
