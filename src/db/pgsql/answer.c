/* SPDX-License-Identifier: MIT
 *
 * Reading what the server answers.  The answers of a statement end in a NULL from
 * libpq, those of a segment in a sync; rows come one by one, so that a result that
 * never ends is noticed before it fills the memory.
 *
 * What an error means is read from its SQLSTATE: a constraint, something to try
 * again, a connection that is going, or a failure of this unit alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db/pgsql/pgsql.h"

#define MAX_ATTEMPTS 5 /* for deadlocks and the like */

/* -- outcomes ------------------------------------------------------------------------------ */

static bool state_is(const struct segment *s, const char *prefix)
{
	return !strncmp(s->sqlstate, prefix, strlen(prefix));
}

/* Prepared statements that the server doesn't have any more, or not as they were. */
static void prepare_anew(struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *step = unit->first; step; step = step->next)
		line_prepared(c, variant_find(&c->pg->book, step)->id)->state = PREPARED_NOT;
}

/* The reason why one of its statements could not be prepared; NULL: all could. */
static const char *not_prepared(struct line *c, const struct jd_unit *unit)
{
	for (const struct unit_step *step = unit->first; step; step = step->next) {
		const struct prepared *p = line_prepared(c, variant_find(&c->pg->book, step)->id);

		if (p->reason)
			return p->reason;
	}
	return NULL;
}

/* Worth another try, at the same place of the order. */
static bool try_again(struct line *c, const struct segment *s, struct jd_unit *unit)
{
	bool stale = state_is(s, "26000") || state_is(s, "0A000");

	if (stale && unit->attempts == 0 && !not_prepared(c, unit))
		prepare_anew(c, unit);
	else if (!state_is(s, "40001") && !state_is(s, "40P01") && !state_is(s, "55P03"))
		return false;
	return ++unit->attempts < MAX_ATTEMPTS;
}

static const char *reason_of(struct line *c, const struct segment *s, const struct jd_unit *unit,
			     char *out, size_t size)
{
	const char *unprepared = state_is(s, "26000") ? not_prepared(c, unit) : NULL;

	if (unprepared)
		return unprepared;
	if (state_is(s, "57014"))
		return "it took longer than it may";
	if (state_is(s, "25006"))
		return "it writes, but not in the lane for writes";
	(void)snprintf(out, size, "%.120s (%s)", s->reason, s->sqlstate);
	return out;
}

static struct jd_unit *first_unit(const struct segment *s)
{
	return container_of(s->units.next, struct jd_unit, node);
}

/* An error came for a unit that had its transaction for itself; the connection is there. */
static void unit_failed(struct line *c, struct segment *s)
{
	struct jd_unit *unit = first_unit(s);
	char reason[160];

	if (state_is(s, "23")) {
		pgsql_done(c->pg, unit, JD_DB_CONFLICT, NULL);
	} else if (state_is(s, "25006") && unit->lane == JD_LANE_WRITE) {
		/* The server we knew is a standby now: another may take writes. */
		c->drop = true;
		if (++unit->attempts < MAX_ATTEMPTS)
			flight_again(c, &s->units);
		else
			pgsql_done(c->pg, unit, JD_DB_FAILED, "the database can only be read");
	} else if (try_again(c, s, unit)) {
		flight_again(c, &s->units);
	} else {
		pgsql_done(c->pg, unit, JD_DB_FAILED,
			   reason_of(c, s, unit, reason, sizeof(reason)));
	}
}

/*
 * One of several failed, and all were undone.  Whose statement it was is known: it
 * will be alone, behind those that stood before it, and then its outcome is its own.
 * When COMMIT said no, by a deferred constraint, halves tell whose it was.
 */
static void group_failed(struct line *c, struct segment *s)
{
	if (s->culprit)
		s->culprit->alone = true;
	else
		c->group = s->n_units / 2;
	flight_again(c, &s->units);
}

/* Every statement was fine; is what they did what was wanted? */
static bool unwanted(struct line *c, const struct segment *s)
{
	struct jd_unit *unit = first_unit(s);

	if (s->conflict)
		pgsql_done(c->pg, unit, JD_DB_CONFLICT, NULL);
	else if (s->too_large)
		pgsql_done(c->pg, unit, JD_DB_FAILED, "its result is larger than 16 MiB");
	else if (s->unknown_type)
		pgsql_done(c->pg, unit, JD_DB_FAILED,
			   "a column is neither number, text nor bytea: cast it");
	else
		return false;
	return true;
}

static void committed(struct line *c, struct segment *s)
{
	if (first_unit(s)->lane == JD_LANE_WRITE)
		db_committed(c->pg->db);
	if (c->group < PG_GROUP)
		c->group *= 2;
	while (!list_empty(&s->units))
		pgsql_done(c->pg, first_unit(s), JD_DB_OK, NULL);
}

static void unit_end(struct line *c, struct segment *s)
{
	if (list_empty(&s->units)) /* it has ended before its answers */
		return;
	if (s->failed) {
		if (s->guarded)
			flight_decide(c, NULL, false);
		if (s->n_units > 1)
			group_failed(c, s);
		else
			unit_failed(c, s);
	} else if (unwanted(c, s)) {
		if (s->guarded)
			flight_decide(c, NULL, false);
	} else if (s->guarded) {
		flight_decide(c, first_unit(s), true);
	} else {
		committed(c, s);
	}
}

static void prepare_end(struct line *c, struct segment *s)
{
	struct prepared *p = line_prepared(c, s->variant->id);

	p->state = s->failed ? PREPARED_NOT : PREPARED_DONE;
	if (!s->failed)
		return;
	mem_free(p->reason);
	p->reason = jd_strdup(jd_cstr(s->reason));
}

static void segment_end(struct line *c, struct segment *s)
{
	switch (s->kind) {
	case SEGMENT_PREPARE:
		prepare_end(c, s);
		break;
	case SEGMENT_UNIT:
		unit_end(c, s);
		break;
	case SEGMENT_COMMIT:
		if (s->failed)
			unit_failed(c, s);
		else
			committed(c, s);
		break;
	case SEGMENT_ROLLBACK:
		break;
	}
	segment_free(c, s);
}

/* -- results ------------------------------------------------------------------------------- */

static void take_rows(struct line *c, struct segment *s, const PGresult *r)
{
	struct jd_unit *unit = s->unit;
	int err;

	if (s->too_large || s->unknown_type)
		return;
	err = value_rows(&unit->rows, &s->capacity, &s->bytes, r);
	s->too_large = err == -JD_ELIMIT;
	s->unknown_type = err == -JD_EINVAL;
	/* What goes on and on is cut off with the connection, where only reads share it;
	 * for writes the rest is skipped. */
	if (s->too_large && c->kind != LINE_WRITE) {
		(void)unwanted(c, s);
		s->unit = NULL;
		c->drop = true;
	}
}

static void take_step(struct line *c, struct segment *s, const PGresult *r)
{
	bool last = s->unit && s->step == s->unit->last;
	int expect;

	if (!s->unit || s->op < s->head || !s->step)
		return;
	if (last)
		take_rows(c, s, r);
	if (!s->unit || libpq->PQresultStatus(r) == PGRES_SINGLE_TUPLE)
		return;
	expect = s->step->statement->stmt.expect;
	s->unit->rows.affected = atoll(libpq->PQcmdTuples((PGresult *)(uintptr_t)r));
	if (expect > 0 && s->unit->rows.affected != expect)
		s->conflict = true;
}

static void take_error(struct line *c, struct segment *s, const PGresult *r)
{
	const char *state = libpq->PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = libpq->PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *severity = libpq->PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

	/* Without a SQLSTATE it is libpq that speaks: the connection is gone. */
	if (!state || !severity || strcmp(severity, "ERROR") != 0) {
		/* Told to go (an operator stops it) while a statement ran: undone. */
		s->goodbye = state && !strcmp(state, "57P01") &&
			     (s->step || s->kind == SEGMENT_PREPARE || s->kind == SEGMENT_ROLLBACK);
		c->drop = true;
		return;
	}
	if (s->failed)
		return;
	s->failed = true;
	s->culprit = s->op < s->head ? NULL : s->unit;
	(void)snprintf(s->sqlstate, sizeof(s->sqlstate), "%s", state);
	(void)snprintf(s->reason, sizeof(s->reason), "%s", text ? text : "");
}

/* False: nothing more is to be read from this connection. */
static bool take(struct line *c, PGresult *r)
{
	struct segment *s = container_of(c->flight.next, struct segment, node);

	c->progress = loop_now(c->pg->loop);
	switch (libpq->PQresultStatus(r)) {
	case PGRES_PIPELINE_SYNC:
		segment_end(c, s);
		c->row_mode_due = true;
		break;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
		take_step(c, s, r);
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	case PGRES_FATAL_ERROR:
	case PGRES_BAD_RESPONSE:
		take_error(c, s, r);
		break;
	default: /* COPY has no place here */
		c->drop = true;
	}
	return !c->drop;
}

/* The next step of this unit, or the first of the next one. */
static void next_step(struct segment *s)
{
	struct list *next;

	if (!s->unit)
		return;
	s->step = s->step ? s->step->next : NULL;
	if (s->step)
		return;
	next = s->unit->node.next;
	s->unit = next == &s->units ? NULL : container_of(next, struct jd_unit, node);
	s->step = s->unit ? s->unit->first : NULL;
}

static void next_statement(struct line *c)
{
	struct segment *s = container_of(c->flight.next, struct segment, node);

	if (s->op++ >= s->head)
		next_step(s);
	c->row_mode_due = true;
}

bool answer_read(struct line *c)
{
	bool open = libpq->PQconsumeInput(c->pq);
	bool again = true;
	unsigned nothing = 0;

	while (again && !list_empty(&c->flight)) {
		PGresult *r;

		if (c->row_mode_due)
			(void)libpq->PQsetSingleRowMode(c->pq);
		c->row_mode_due = false;
		if (libpq->PQisBusy(c->pq))
			break;
		r = libpq->PQgetResult(c->pq);
		if (r) {
			nothing = 0;
			again = take(c, r);
			libpq->PQclear(r);
		} else if (++nothing < 3) {
			next_statement(c);
		} else {
			c->drop = true; /* libpq and we disagree on what was asked */
			again = false;
		}
	}
	if (list_empty(&c->flight))
		(void)libpq->PQisBusy(c->pq); /* parses what wasn't asked for */
	return open && !c->drop && !c->farewell && libpq->PQstatus(c->pq) == CONNECTION_OK;
}
