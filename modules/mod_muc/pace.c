/* SPDX-License-Identifier: MIT
 *
 * How fast people speak: how much each may send (option messages_per_second), how long he
 * waits between two messages where the room is slow (XEP-0500), and how much is said in the
 * room in an hour (XEP-0502).
 *
 * A pace belongs to an account, whatever names and devices it has in the room, and stays for
 * a while when it has left, so neither another name nor coming back makes it faster.  All
 * this is in memory: with a restart, or when an empty room is forgotten, everybody is free to
 * speak and the counting starts again.
 */
#include "muc.h"

/* What may be sent at once, in seconds of the usual rate. */
#define BURST_SECONDS 3
/* Of those who have left. */
#define AWAY_MAX 256

#define HOUR  (3600 * JD_USEC_PER_SEC)
#define HOURS 24

/* -- the pace of an account ----------------------------------------------------------------- */

/* When it makes no difference any more whether we remember it. */
static jd_usec due(const struct room *r, const struct pace *p)
{
	jd_usec rested = p->credit_at + BURST_SECONDS * JD_USEC_PER_SEC;
	jd_usec free = p->said_at ? p->said_at + r->config.slow * JD_USEC_PER_SEC : 0;

	return free > rested ? free : rested;
}

static void drop(struct room *r, struct pace **at)
{
	struct pace *p = *at;

	*at = p->next;
	r->n_away--;
	jd_free(p);
}

/* Those that are due go; if there are still too many, whichever would be next. */
static void forget(struct room *r)
{
	struct pace **first = NULL, **at = &r->paces;
	jd_usec now = jd_now_mono();

	while (*at) {
		if (!(*at)->occupants && due(r, *at) <= now) {
			drop(r, at);
			continue;
		}
		if (!(*at)->occupants && (!first || due(r, *at) < due(r, *first)))
			first = at;
		at = &(*at)->next;
	}
	if (first && r->n_away > AWAY_MAX)
		drop(r, first);
}

struct pace *muc_pace_get(struct room *r, const char *id)
{
	struct pace *p = r->paces;

	while (p && strcmp(p->id, id) != 0)
		p = p->next;
	if (!p) {
		p = jd_alloc(sizeof(*p));
		memcpy(p->id, id, sizeof(p->id));
		p->credit = (double)(muc_of(r)->messages_per_second * BURST_SECONDS);
		p->credit_at = jd_now_mono();
		p->next = r->paces;
		r->paces = p;
		r->n_away++;
	}
	r->n_away -= p->occupants == 0;
	p->occupants++;
	return p;
}

void muc_pace_put(struct room *r, struct pace *p)
{
	p->occupants--;
	if (p->occupants)
		return;
	r->n_away++;
	forget(r);
}

void muc_paces_free(struct room *r)
{
	while (r->paces)
		drop(r, &r->paces);
	r->n_away = 0;
	jd_free(r->activity);
	r->activity = NULL;
}

bool muc_occupant_pays(struct occupant *o)
{
	double rate = (double)muc_of(o->room)->messages_per_second;
	struct pace *p = o->pace;
	jd_usec now = jd_now_mono();

	p->credit += (double)(now - p->credit_at) / JD_USEC_PER_SEC * rate;
	p->credit_at = now;
	if (p->credit > rate * BURST_SECONDS)
		p->credit = rate * BURST_SECONDS;
	if (p->credit < 1)
		return false;
	p->credit -= 1;
	return true;
}

/* -- rooms that are slow ------------------------------------------------------------------------
 */

/* Only what has a body counts (XEP-0500): chat states, subjects and the like do not. */
static bool is_text(struct jd_el root)
{
	return jd_el_ok(jd_el_child(root, JD_NS_STANZA, "body"));
}

unsigned muc_must_wait(const struct occupant *o, struct jd_stanza *st)
{
	const struct room *r = o->room;
	jd_usec now = jd_now_mono(), until;

	if (!r->config.slow || !o->pace->said_at || !is_text(jd_stanza_root(st)) ||
	    muc_power(r, o->who) >= AFF_ADMIN)
		return 0;
	until = o->pace->said_at + r->config.slow * JD_USEC_PER_SEC;
	if (until <= now)
		return 0;
	return (unsigned)((until - now + JD_USEC_PER_SEC - 1) / JD_USEC_PER_SEC);
}

/* -- how much is said
 * ------------------------------------------------------------------------------ */

/* Messages in each of the last hours, since the first that was counted; the present one is not
 * over. */
struct activity {
	jd_usec since; /* by jd_now_mono() */
	uint64_t hour; /* since then; of the newest number */
	uint32_t said[HOURS + 1];
};

static void turn(struct activity *a)
{
	uint64_t hour = (jd_now_mono() - a->since) / HOUR;

	if (hour > a->hour + HOURS + 1)
		a->hour = hour - HOURS - 1;
	while (a->hour < hour)
		a->said[++a->hour % (HOURS + 1)] = 0;
}

/* Of a room that not everybody may find and enter, nobody is told how much is said (XEP-0502). */
static bool is_open(const struct config *c)
{
	return c->persistent && c->listed && !c->members_only && !c->password.len;
}

static void count(struct room *r)
{
	if (!r->activity) {
		r->activity = jd_alloc(sizeof(*r->activity));
		r->activity->since = jd_now_mono();
	}
	turn(r->activity);
	r->activity->said[r->activity->hour % (HOURS + 1)]++;
}

struct jd_str muc_activity(struct room *r, struct jd_arena *arena)
{
	struct activity *a = r->activity;
	uint64_t sum = 0, hours;

	if (!a || !is_open(&r->config))
		return JD_STR_NULL;
	turn(a);
	hours = a->hour < HOURS ? a->hour : HOURS;
	if (!hours)
		return JD_STR_NULL;
	for (uint64_t i = 1; i <= hours; i++)
		sum += a->said[(a->hour - i) % (HOURS + 1)];
	return jd_arena_printf(arena, "%.2f", (double)sum / (double)hours);
}

/* Corrections and retractions say nothing new. */
void muc_was_said(struct room *r, struct jd_stanza *st)
{
	struct jd_el root = jd_stanza_root(st);
	struct occupant *o;

	if (!is_text(root))
		return;
	o = r->config.slow ? muc_occupant_find(r, jd_jid_resource(st->from)) : NULL;
	if (o)
		o->pace->said_at = jd_now_mono();
	if (is_open(&r->config) && !jd_el_ok(jd_el_child(root, NS_CORRECT, "replace")) &&
	    !jd_el_ok(jd_el_child(root, NS_RETRACT, "retract")))
		count(r);
}
