/* SPDX-License-Identifier: MIT
 *
 * Chains: who is called for which hook on which host, in order of priority and,
 * between equals, of module names.  A chain changes only while modules start and
 * stop; each change makes a new epoch, by which waiting calls notice.
 */
#include "core/core.h"

static int handler_cmp(const struct handler *a, const struct handler *b)
{
	if (a->prio != b->prio)
		return a->prio < b->prio ? -1 : 1;
	return strcmp(a->mi->module->name, b->mi->module->name);
}

static void chain_insert(struct chain *c, struct handler h)
{
	unsigned i;

	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 8;
		c->items = mem_realloc(c->items, c->cap * sizeof(c->items[0]));
	}
	for (i = c->count; i > 0 && handler_cmp(&h, &c->items[i - 1]) < 0; i--)
		c->items[i] = c->items[i - 1];
	c->items[i] = h;
	c->count++;
	c->epoch++;
}

#define HOOK_MAX_HANDLERS 64

/* A global instance is called for every host. */
int jd_hook_add(struct jd_instance *mi, enum jd_hook hook, int prio, void (*fn)(void))
{
	struct handler h = {mi, prio, fn};

	ROLE_ASSERT(ROLE_LOGIC);
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		if (mi->host && mi->host != host)
			continue;
		if (host->chains[hook].count >= HOOK_MAX_HANDLERS)
			return -JD_ELIMIT;
		chain_insert(&host->chains[hook], h);
	}
	return 0;
}

static void chain_remove(struct chain *c, const struct jd_instance *mi)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < c->count; i++)
		if (c->items[i].mi != mi)
			c->items[kept++] = c->items[i];
	if (kept != c->count)
		c->epoch++;
	c->count = kept;
}

void hooks_remove(struct jd_instance *mi)
{
	calls_abandon(mi);
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		for (unsigned i = 0; i < JD_HOOK_COUNT; i++)
			chain_remove(&host->chains[i], mi);
	}
}

/* Where to go on after `at` in a chain that may have changed: behind everything
 * that does not sort after it. */
unsigned chain_after(const struct chain *c, const struct handler *at)
{
	unsigned i = 0;

	while (i < c->count && handler_cmp(&c->items[i], at) <= 0)
		i++;
	return i;
}

void hook_notify_session(enum jd_hook hook, struct jd_session *session)
{
	struct chain *c = &session->host->chains[hook];
	struct jd_session_event ev = {session, session->account, session->host};

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_session_event *) =
			(void (*)(struct jd_instance *, struct jd_session_event *))c->items[i].fn;

		fn(c->items[i].mi, &ev);
	}
}

void hook_notify_taken(enum jd_hook hook, struct jd_taken_event *ev)
{
	struct chain *c = &ev->host->chains[hook];

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_taken_event *) =
			(void (*)(struct jd_instance *, struct jd_taken_event *))c->items[i].fn;

		fn(c->items[i].mi, ev);
	}
}

bool hook_ask_nonza(enum jd_hook hook, struct jd_nonza_event *ev)
{
	struct chain *c = &ev->host->chains[hook];

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		bool (*fn)(struct jd_instance *, struct jd_nonza_event *) =
			(bool (*)(struct jd_instance *, struct jd_nonza_event *))c->items[i].fn;

		if (fn(c->items[i].mi, ev))
			return true;
	}
	return false;
}

void hook_notify_account(enum jd_hook hook, struct jd_account_event *ev)
{
	struct chain *c = &ev->host->chains[hook];

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_account_event *) =
			(void (*)(struct jd_instance *, struct jd_account_event *))c->items[i].fn;

		fn(c->items[i].mi, ev);
	}
}

void hook_notify_host(enum jd_hook hook, struct jd_host *host)
{
	struct chain *c = &host->chains[hook];
	struct jd_host_event ev = {host};

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_host_event *) =
			(void (*)(struct jd_instance *, struct jd_host_event *))c->items[i].fn;

		fn(c->items[i].mi, &ev);
	}
}

void hook_notify_stanza(enum jd_hook hook, struct jd_stanza_event *ev)
{
	struct chain *c = &ev->host->chains[hook];

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_stanza_event *) =
			(void (*)(struct jd_instance *, struct jd_stanza_event *))c->items[i].fn;

		fn(c->items[i].mi, ev);
	}
}

static void catch_up(const struct jd_instance *mi, enum jd_hook hook, struct jd_session *s)
{
	const struct chain *c = &s->host->chains[hook];
	struct jd_session_event ev = {s, s->account, s->host};

	for (unsigned i = 0; i < c->count; i++) {
		void (*fn)(struct jd_instance *, struct jd_session_event *) =
			(void (*)(struct jd_instance *, struct jd_session_event *))c->items[i].fn;

		if (c->items[i].mi == mi && s->bound)
			fn(c->items[i].mi, &ev);
	}
}

void hooks_catch_up(const struct jd_instance *mi)
{
	struct jd_session *s, *next;

	if (list_empty(&server.sessions))
		return;
	for (s = container_of(server.sessions.next, struct jd_session, all); s; s = next) {
		session_ref(s);
		if (!mi->host || s->host == mi->host)
			catch_up(mi, JD_HOOK_session_bound, s);
		if (s->presence && (!mi->host || s->host == mi->host))
			catch_up(mi, JD_HOOK_session_presence, s);
		/* Nobody ends a session from these; if somebody does, that is where it stops. */
		next = s->bound && s->all.next != &server.sessions
			       ? container_of(s->all.next, struct jd_session, all)
			       : NULL;
		session_unref(s);
	}
}

bool hook_ask(struct jd_host *host, enum jd_hook hook, struct jd_stanza_event *ev)
{
	struct chain *c = &host->chains[hook];

	c->calls++;
	for (unsigned i = 0; i < c->count; i++) {
		bool (*fn)(struct jd_instance *, struct jd_stanza_event *) =
			(bool (*)(struct jd_instance *, struct jd_stanza_event *))c->items[i].fn;

		if (fn(c->items[i].mi, ev))
			return true;
	}
	return false;
}
