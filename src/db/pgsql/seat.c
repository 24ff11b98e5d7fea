/* SPDX-License-Identifier: MIT
 *
 * Which connection takes a write.
 *
 * All of one key go to one connection while any of them is under way there, and
 * where the outcome of one is not known, until that connection is back: its
 * process of the server may still be at work.  A seat remembers that; keys that
 * fall on the same one keep together without need.
 *
 * Otherwise the first connection takes everything.  What comes while it commits
 * goes together in the next transaction, and that is the cheapest there is.  The
 * others take something only where those before them are away, wait for an answer
 * of ours, or have been at one transaction for too long.
 */
#include "db/pgsql/pgsql.h"

#define QUICK (20 * JD_USEC_PER_MSEC)

static struct seat *seat_of(struct pgsql *pg, uint64_t key)
{
	return &pg->seats[(key * 0x9e3779b97f4a7c15ULL >> 32) & (PG_SEATS - 1)];
}

static bool is_taken(const struct seat *seat)
{
	return seat->units || seat->stays;
}

static bool is_quick(const struct line *c)
{
	const struct segment *oldest;

	if (c->state != LINE_READY || c->holding)
		return false;
	if (list_empty(&c->flight))
		return true;
	oldest = container_of(c->flight.next, struct segment, node);
	return loop_now(c->pg->loop) < oldest->sent + QUICK;
}

static bool may_help(const struct line *c)
{
	for (const struct line *before = c->pg->writes; before < c; before++)
		if (is_quick(before))
			return false;
	return true;
}

static void sit_down(struct line *c, struct seat *seat, struct jd_unit *unit)
{
	seat->line = c;
	seat->units++;
	unit->seated = true;
}

struct jd_unit *seat_next(struct line *c)
{
	struct list *queue = &c->pg->write_queue;

	while (!list_empty(queue)) {
		struct jd_unit *unit = container_of(queue->next, struct jd_unit, node);
		struct seat *seat = seat_of(c->pg, unit->key);

		if (!unit->key || !is_taken(seat))
			return may_help(c) ? unit : NULL;
		if (seat->line == c)
			return unit;
		sit_down(seat->line, seat, unit);
		list_remove(&unit->node);
		list_append(&seat->line->queue, &unit->node);
	}
	return NULL;
}

void seat_take(struct line *c, struct jd_unit *unit)
{
	if (c->kind == LINE_WRITE && unit->key && !unit->seated)
		sit_down(c, seat_of(c->pg, unit->key), unit);
}

void seat_leave(struct pgsql *pg, struct jd_unit *unit, bool uncertain)
{
	struct seat *seat = seat_of(pg, unit->key);

	if (!unit->seated)
		return;
	unit->seated = false;
	seat->units--;
	seat->stays |= uncertain;
}

void seat_back(const struct line *c)
{
	for (size_t i = 0; i < PG_SEATS; i++)
		if (c->pg->seats[i].line == c)
			c->pg->seats[i].stays = false;
}
