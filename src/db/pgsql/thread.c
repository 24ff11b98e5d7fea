/* SPDX-License-Identifier: MIT
 *
 * The driver's thread.  Units arrive by a list under a lock and wait in a queue
 * that all connections of their lane share, writes until seat.c gives them one.  What is
 * done goes home at the end of the turn, all in one piece.
 *
 * Nobody waits for ever.  While the database is away, a unit waits so
 * long and fails; a connection whose oldest question isn't answered in time is given up.
 */
#include <stdio.h>

#include "db/pgsql/pgsql.h"
#include "util/log.h"

#define TICK         (20 * JD_USEC_PER_MSEC)
#define CLOSE_LIMIT  (1 * JD_USEC_PER_SEC) /* the same while closing, from its beginning */
#define ANSWER_LIMIT (PG_SHORT_LIMIT + 5 * JD_USEC_PER_SEC)

static void on_tick(struct timer *timer);

/* -- ends ---------------------------------------------------------------------------- */

static void on_give_back(struct defer *d)
{
	struct pgsql *pg = container_of(d, struct pgsql, give_back);

	db_done_list(pg->db, &pg->done);
	if (pg->close_at && pg->n_units == 0)
		loop_stop(pg->loop);
}

void pgsql_done(struct pgsql *pg, struct jd_unit *unit, enum jd_db_status status,
		const char *reason)
{
	seat_leave(pg, unit, status == JD_DB_UNCERTAIN);
	unit_outcome(unit, status, reason);
	list_remove(&unit->node);
	list_append(&pg->done, &unit->node);
	pg->n_units--;
	loop_defer(pg->loop, &pg->give_back, on_give_back);
}

static void fail_all(struct pgsql *pg, struct list *queue, const char *reason)
{
	while (!list_empty(queue)) {
		struct list *first = queue->next;

		list_remove(first);
		pgsql_done(pg, container_of(first, struct jd_unit, node), JD_DB_FAILED, reason);
	}
}

/* -- which connection ------------------------------------------------------------------ */

static struct jd_unit *head(const struct list *queue)
{
	return list_empty(queue) ? NULL : container_of(queue->next, struct jd_unit, node);
}

/* The elder of its own and of what it shares. */
struct jd_unit *pgsql_next(struct line *c)
{
	struct pgsql *pg = c->pg;
	struct jd_unit *own = head(&c->queue);
	struct jd_unit *shared = NULL;

	if (c->kind == LINE_READ)
		shared = head(&pg->read_queue);
	else if (c->kind == LINE_WRITE)
		shared = seat_next(c);
	if (own && (!shared || own->since <= shared->since))
		return own;
	return shared;
}

/* The one with the least to do of those that take something; NULL: none does. */
static struct line *idlest(struct line *lines, unsigned n)
{
	struct line *best = NULL;

	for (unsigned i = 0; i < n; i++) {
		struct line *c = &lines[i];

		if (c->state == LINE_READY && !c->holding && c->n_flight < PG_DEPTH &&
		    (!best || c->n_flight < best->n_flight))
			best = c;
	}
	return best;
}

/* Gives out what no connection has yet: reads one by one to whoever has the least to do,
 * writes to the first that may take them, as many as it takes. */
static void feed(struct pgsql *pg)
{
	struct line *c;

	while (!list_empty(&pg->read_queue) && (c = idlest(pg->reads, pg->n_lines)))
		if (!flight_send(c))
			line_lost(c, libpq->PQerrorMessage(c->pq));
	for (unsigned i = 0; i < pg->n_lines; i++) {
		flight_pump(&pg->reads[i]);
		flight_pump(&pg->writes[i]);
	}
	flight_pump(&pg->search);
}

/* A read with a key keeps an order with writes. */
static void place(struct pgsql *pg, struct jd_unit *unit)
{
	unit->since = loop_now(pg->loop);
	pg->n_units++;
	if (unit->lane == JD_LANE_LONG) {
		list_append(&pg->search.queue, &unit->node);
		line_want(&pg->search);
	} else if (unit->lane == JD_LANE_READ && !unit->key) {
		list_append(&pg->read_queue, &unit->node);
	} else {
		list_append(&pg->write_queue, &unit->node);
	}
}

/* -- arrivals -------------------------------------------------------------------------- */

static bool source_pending(struct source *source)
{
	struct pgsql *pg = container_of(source, struct pgsql, source);

	return atomic_load(&pg->any_submitted) || (atomic_load(&pg->closing) && !pg->close_at);
}

static void begin_closing(struct pgsql *pg)
{
	static const char reason[] = "the database is being closed";

	pg->close_at = loop_now(pg->loop);
	/* A long query isn't waited for; the server ends it when it misses us. */
	fail_all(pg, &pg->search.queue, reason);
	if (pg->search.state != LINE_DOWN)
		line_lost(&pg->search, reason);
	if (pg->n_units == 0)
		loop_stop(pg->loop);
}

static bool source_drain(struct source *source)
{
	struct pgsql *pg = container_of(source, struct pgsql, source);
	struct list units = LIST_INIT(units);

	if (atomic_load(&pg->any_submitted)) {
		pthread_mutex_lock(&pg->lock);
		list_splice(&units, &pg->submitted);
		atomic_store(&pg->any_submitted, false);
		pthread_mutex_unlock(&pg->lock);
	}
	while (!list_empty(&units)) {
		struct list *first = units.next;

		list_remove(first);
		place(pg, container_of(first, struct jd_unit, node));
	}
	feed(pg);
	if (pg->n_units && !timer_armed(&pg->tick))
		loop_timer(pg->loop, &pg->tick, TICK, on_tick);
	/* What was submitted before closing has been placed by now: look once more. */
	if (atomic_load(&pg->closing) && !pg->close_at && !atomic_load(&pg->any_submitted))
		begin_closing(pg);
	return false;
}

/* -- deadlines --------------------------------------------------------------------------- */

static bool waited_long(const struct pgsql *pg, const struct jd_unit *unit)
{
	jd_usec now = loop_now(pg->loop);

	return now >= unit->since + pg->target.wait_limit ||
	       (pg->close_at && now >= pg->close_at + CLOSE_LIMIT);
}

static void expire(struct pgsql *pg, struct list *queue)
{
	const char *reason = "the database did not come back in time";
	struct jd_unit *unit;

	while ((unit = head(queue)) && waited_long(pg, unit)) {
		list_remove(&unit->node);
		pgsql_done(pg, unit, JD_DB_FAILED, reason);
		reason = NULL; /* a line for all of them */
	}
}

static bool any_ready(const struct line *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (lines[i].state == LINE_READY)
			return true;
	return false;
}

static void look_at(struct line *c)
{
	jd_usec limit = ANSWER_LIMIT;
	const struct segment *oldest;
	jd_usec asked;

	if (c->state != LINE_READY) {
		expire(c->pg, &c->queue);
		return;
	}
	if (list_empty(&c->flight))
		return;
	if (c->kind == LINE_LONG)
		limit += c->pg->target.long_limit;
	oldest = container_of(c->flight.next, struct segment, node);
	asked = oldest->sent > c->progress ? oldest->sent : c->progress;
	if (loop_now(c->pg->loop) >= asked + limit)
		line_lost(c, "it does not answer");
}

static void on_tick(struct timer *timer)
{
	struct pgsql *pg = container_of(timer, struct pgsql, tick);

	for (unsigned i = 0; i < pg->n_lines; i++) {
		look_at(&pg->reads[i]);
		look_at(&pg->writes[i]);
	}
	look_at(&pg->search);
	if (!any_ready(pg->reads, pg->n_lines))
		expire(pg, &pg->read_queue);
	if (!any_ready(pg->writes, pg->n_lines))
		expire(pg, &pg->write_queue);
	feed(pg); /* who was quick isn't any more */
	if (pg->n_units)
		loop_timer(pg->loop, &pg->tick, TICK, on_tick);
}

/* -- life ----------------------------------------------------------------------------- */

void pgsql_guarded(struct pgsql *pg)
{
	if (pg->away)
		jd_log(JD_LOG_NOTICE, "the database is back");
	pg->away = false;
	pg->guard_pid = libpq->PQbackendPID(pg->guard.pq);
	for (unsigned i = 0; i < pg->n_lines; i++) {
		line_want(&pg->reads[i]);
		line_want(&pg->writes[i]);
	}
	if (!list_empty(&pg->search.queue))
		line_want(&pg->search);
}

static void close_all(struct pgsql *pg)
{
	for (unsigned i = 0; i < pg->n_lines; i++) {
		line_close(&pg->reads[i]);
		line_close(&pg->writes[i]);
	}
	line_close(&pg->search);
	line_close(&pg->guard); /* last: it holds the lock */
}

void *pgsql_main(void *arg)
{
	struct pgsql *pg = arg;

	role_take(ROLE_DB);
	log_thread_name("jd-db");
	pg->source.drain = source_drain;
	pg->source.pending = source_pending;
	loop_add_source(pg->loop, &pg->source);
	pgsql_guarded(pg);
	loop_run(pg->loop);
	close_all(pg);
	defer_cancel(&pg->give_back);
	db_done_list(pg->db, &pg->done);
	loop_timer_cancel(pg->loop, &pg->tick);
	loop_remove_source(&pg->source);
	return NULL;
}
