/* SPDX-License-Identifier: MIT
 *
 * What has been sent and not been answered.  A *segment* is what ends in a sync:
 * the preparing of a statement, units, the end of a guarded one.  Their answers
 * come in the same order.
 *
 * When a connection breaks, each segment tells what became of its units.  A read,
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
	list_init(&s->units);
	s->sent = loop_now(c->pg->loop);
	/* libpq wants to be told for each statement, before its first answer. */
	if (list_empty(&c->flight))
		c->row_mode_due = true;
	list_append(&c->flight, &s->node);
	return s;
}

void segment_free(struct line *c, struct segment *s)
{
	JD_ASSERT(list_empty(&s->units));
	if (s->counted)
		c->n_flight--;
	list_remove(&s->node);
	list_prepend(&c->pg->spare, &s->node);
}

void segment_take(struct line *c, struct segment *s, struct jd_unit *unit)
{
	seat_take(c, unit);
	list_remove(&unit->node);
	list_append(&s->units, &unit->node);
	s->n_units++;
	if (!s->counted)
		c->n_flight++;
	s->counted = true;
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

static bool needs_guard(const struct line *c, const struct jd_unit *unit)
{
	if (unit->lane != JD_LANE_WRITE || !unit->first)
		return false;
	for (const struct unit_step *s = unit->first; s; s = s->next)
		if (s->statement->stmt.expect > 0)
			return true;
	return variant_find(&c->pg->book, unit->last)->returns_rows;
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

static bool send_prepares(struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *step = unit->first; step; step = step->next)
		if (!send_prepare(c, variant_find(&c->pg->book, step)))
			return false;
	return true;
}

static bool send_steps(struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *step = unit->first; step; step = step->next)
		if (!send_step(c, step))
			return false;
	return true;
}

/* What can share a transaction: a write of which nothing but an error can be wrong. */
static bool sociable(const struct line *c, const struct jd_unit *unit)
{
	return unit->lane == JD_LANE_WRITE && unit->first && !unit->alone && !needs_guard(c, unit);
}

/* A statement without a text for this database is nothing to send. */
static bool sendable(const struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *s = unit->first; s; s = s->next)
		if (!variant_find(&c->pg->book, s)->sql)
			return false;
	return true;
}

/* The next unit that can be sent; those that cannot fail here. */
static struct jd_unit *next_unit(struct line *c)
{
	struct jd_unit *unit;

	while ((unit = pgsql_next(c)) && !sendable(c, unit))
		pgsql_done(c->pg, unit, JD_DB_FAILED, "the statement has no text for PostgreSQL");
	return unit;
}

/* Moves the units of the next transaction to the segment, in their order. */
static bool gather(struct line *c, struct segment *s)
{
	struct jd_unit *unit = next_unit(c);
	size_t bytes = 0;

	s->guarded = needs_guard(c, unit);
	do {
		/* Before anything of the transaction, for it has a sync of its own. */
		if (!send_prepares(c, unit))
			return false;
		bytes += unit->bytes;
		segment_take(c, s, unit);
		if (!sociable(c, unit))
			break;
		unit = next_unit(c);
	} while (unit && sociable(c, unit) && s->n_units < c->group && bytes < PG_GROUP_BYTES);
	return true;
}

/*
 * A connection that was closed while nobody looked: what is sent on it would be
 * uncertain, without need.  The first look may find a goodbye, the second the end,
 * which may come later.
 */
static bool still_there(struct line *c)
{
	for (int i = 0; i < 2; i++)
		if (!libpq->PQconsumeInput(c->pq))
			return false;
	(void)libpq->PQisBusy(c->pq); /* parses */
	return !c->farewell;
}

bool flight_send(struct line *c)
{
	struct segment *s;
	struct jd_unit *first;
	int n;

	if (c->kind == LINE_WRITE && list_empty(&c->flight) && !still_there(c))
		return false;
	s = segment_new(c, SEGMENT_UNIT);

	/* Behind the segments of what is prepared for it. */
	list_remove(&s->node);
	if (!gather(c, s)) {
		list_append(&c->flight, &s->node);
		return false;
	}
	list_append(&c->flight, &s->node);
	first = container_of(s->units.next, struct jd_unit, node);
	n = send_head(c, first, s->guarded);
	s->head = n > 0 ? (unsigned)n : 0;
	s->unit = first;
	s->step = first->first;
	c->holding = s->guarded;
	for (struct list *u = s->units.next; u != &s->units && n >= 0; u = u->next)
		if (!send_steps(c, container_of(u, struct jd_unit, node)))
			n = -1;
	s->sent_whole = n >= 0 && libpq->PQpipelineSync(c->pq);
	return s->sent_whole;
}

static bool takes_more(const struct line *c)
{
	unsigned depth = c->kind == LINE_READ ? PG_DEPTH : 1;

	return c->state == LINE_READY && !c->holding && c->n_flight < depth;
}

void flight_pump(struct line *c)
{
	while (takes_more(c) && next_unit(c)) {
		if (!flight_send(c)) {
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
	if (unit)
		segment_take(c, s, unit);
}

/* -- losing ------------------------------------------------------------------------------- */

static void queue_again(struct line *c, struct jd_unit *unit)
{
	struct pgsql *pg = c->pg;

	list_remove(&unit->node);
	if (unit->key || unit->lane == JD_LANE_LONG)
		list_prepend(&c->queue, &unit->node);
	else
		list_prepend(unit->lane == JD_LANE_READ ? &pg->read_queue : &pg->write_queue,
			     &unit->node);
}

/* The last first, so that they stand in their order in front of the queue. */
void flight_again(struct line *c, struct list *units)
{
	while (!list_empty(units))
		queue_again(c, container_of(units->prev, struct jd_unit, node));
}

static bool may_be_committed(const struct segment *s, const struct jd_unit *unit)
{
	if (s->goodbye || (s->kind == SEGMENT_UNIT && !s->sent_whole))
		return false;
	return s->kind == SEGMENT_COMMIT ||
	       (s->kind == SEGMENT_UNIT && !s->guarded && unit->lane == JD_LANE_WRITE);
}

/* Ends the units of a segment, or moves those that are to be sent again. */
static void sort_out_units(struct line *c, struct segment *s, bool first, bool never_begun,
			   struct list *again, const char *why)
{
	const char *reason = why; /* stands in the first of a group alone: one line in the log */

	while (!list_empty(&s->units)) {
		struct jd_unit *unit = container_of(s->units.next, struct jd_unit, node);

		if (!never_begun && may_be_committed(s, unit)) {
			pgsql_done(c->pg, unit, JD_DB_UNCERTAIN, reason);
			reason = NULL;
		} else if (c->kind == LINE_LONG && c->pg->close_at) {
			pgsql_done(c->pg, unit, JD_DB_FAILED, why);
		} else if (first && ++unit->attempts >= MAX_ATTEMPTS) {
			pgsql_done(c->pg, unit, JD_DB_FAILED,
				   "the connection broke each time it was tried");
		} else {
			list_remove(&unit->node);
			list_append(again, &unit->node);
		}
	}
}

void flight_lost(struct line *c, const char *why)
{
	struct list again = LIST_INIT(again);
	bool first = true; /* what the server was at */
	bool never_begun = false;

	while (!list_empty(&c->flight)) {
		struct segment *s = container_of(c->flight.next, struct segment, node);
		bool had_units = s->n_units > 0;

		sort_out_units(c, s, first, never_begun, &again, why);
		first &= !had_units;
		never_begun |= s->goodbye;
		segment_free(c, s);
	}
	flight_again(c, &again);
}
