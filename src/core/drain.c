/* SPDX-License-Identifier: MIT
 *
 * Who produces a long answer for a session waits here until the connection has
 * taken what is there already, so that no more of it is in memory than a client
 * reads.
 */
#include "core/sm.h"

struct drain {
	struct drain *next;         /* in session->drains */
	struct jd_session *session; /* NULL once that has ended */
	struct pending pending;
	struct defer defer;
	void (*fn)(void *arg);
	void *arg;
};

static bool has_room(const struct jd_session *s)
{
	if (s->sm && (s->sm->written < s->sm->count || !unacked_has_room(s->sm)))
		return false;
	return s->client && link_queued(s->client->link) < LINK_SOFT_BYTES;
}

static void drain_unlink(struct drain *d)
{
	struct drain **p;

	if (!d->session)
		return;
	for (p = &d->session->drains; *p != d; p = &(*p)->next)
		;
	*p = d->next;
}

static void on_cancel(struct pending *pending)
{
	struct drain *d = container_of(pending, struct drain, pending);

	drain_unlink(d);
	defer_cancel(&d->defer);
	mem_free(d);
}

/* A managed session hears of acknowledgements as well. */
static void ask_link(struct jd_session *s)
{
	if (s->client && link_queued(s->client->link) >= LINK_SOFT_BYTES)
		link_want_drain(s->client->link, LINK_SOFT_BYTES - 1);
}

/* Those before it may have filled the outbox again. */
static void on_room(struct defer *defer)
{
	struct drain *d = container_of(defer, struct drain, defer);
	void (*fn)(void *) = d->fn;
	void *arg = d->arg;

	if (d->session && !has_room(d->session)) {
		ask_link(d->session);
		return;
	}
	drain_unlink(d);
	list_remove(&d->pending.node);
	mem_free(d);
	fn(arg);
}

void jd_session_when_drained(struct jd_session *s, struct jd_owner *owner, void (*fn)(void *arg),
			     void *arg)
{
	struct drain *d = mem_new(struct drain), **end = &s->drains;

	ROLE_ASSERT(ROLE_LOGIC);
	d->fn = fn;
	d->arg = arg;
	d->pending.cancel = on_cancel;
	d->pending.code = (void (*)(void))fn;
	owner_add(owner, &d->pending);
	if (s->bound) {
		d->session = s;
		while (*end)
			end = &(*end)->next;
		*end = d;
	}
	if (!s->bound || has_room(s))
		loop_defer(server.loop, &d->defer, on_room);
	else
		ask_link(s);
}

void session_drained(struct jd_session *s)
{
	for (struct drain *d = s->drains; d; d = d->next)
		loop_defer(server.loop, &d->defer, on_room);
}

void drains_end(struct jd_session *s)
{
	struct drain *next;

	for (struct drain *d = s->drains; d; d = next) {
		next = d->next;
		d->session = NULL;
		loop_defer(server.loop, &d->defer, on_room);
	}
	s->drains = NULL;
}
