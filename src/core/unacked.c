/* SPDX-License-Identifier: MIT
 *
 * What a managed session has been sent and has not confirmed.
 *
 * The queue holds references: the content of a stanza is in memory once, however
 * many sessions have it in their queues.  It is bounded in stanzas and in bytes; a
 * client that confirms nothing comes to the bound, and its session ends.
 *
 * When the session ends for good, the rows in the queue are told as untaken, and
 * each message that nobody else of the account has goes to the account once more,
 * as if addressed to its bare address; a request is answered, the rest was for this
 * session only.
 */
#include <stdlib.h>

#include "core/conf.h"
#include "core/sm.h"
#include "util/clock.h"
#include "xmpp/delay.h"

#define STANZA_COST 256 /* what a stanza counts besides its bytes */

static struct unacked *at(const struct sm *sm, unsigned i)
{
	return &sm->queue[(sm->head + i) & (sm->cap - 1)];
}

static void make_room(struct sm *sm)
{
	unsigned cap = sm->cap ? sm->cap * 2 : 8;
	struct unacked *queue;

	if (sm->count < sm->cap)
		return;
	queue = mem_alloc(cap * sizeof(*queue));
	for (unsigned i = 0; i < sm->count; i++)
		queue[i] = *at(sm, i);
	mem_free(sm->queue);
	sm->queue = queue;
	sm->head = 0;
	sm->cap = cap;
}

static bool is_full(const struct sm *sm)
{
	return sm->count >= (uint64_t)server.conf->limits.resume_stanzas ||
	       sm->bytes > (uint64_t)server.conf->limits.resume_bytes;
}

bool unacked_has_room(const struct sm *sm)
{
	return sm->count < (uint64_t)server.conf->limits.resume_stanzas / 2 &&
	       sm->bytes < (uint64_t)server.conf->limits.resume_bytes / 2;
}

/* -- writing ------------------------------------------------------------------------------ */

static void add_delay(const struct jd_session *s, const struct unacked *u)
{
	struct jd_el old = jd_el_child(jd_stanza_root(u->st), JD_NS_DELAY, "delay");
	struct jd_xml *x;

	if (u->st->kind != JD_MESSAGE || jd_el_ok(old))
		return;
	x = jd_stanza_add(u->st);
	delay_write(x, s->host->jid, u->at);
	jd_stanza_added(u->st, x);
}

static void write_next(struct jd_session *s)
{
	struct sm *sm = s->sm;
	struct unacked *u = at(sm, sm->written);

	if (u->late)
		add_delay(s, u);
	u->late = false;
	sm->written++;
	if (sm->sent < sm->written)
		sm->sent = sm->written;
	if (!session_put(s, u->st))
		session_fail(s);
	else
		sm_note_written(sm);
}

/* The queue is where a stanza waits, not the outbox. */
void unacked_pump(struct jd_session *s)
{
	struct sm *sm = s->sm;

	while (s->client && !s->failing && sm->written < sm->count) {
		if (link_queued(s->client->link) >= LINK_SOFT_BYTES) {
			link_want_drain(s->client->link, LINK_SOFT_BYTES - 1);
			return;
		}
		write_next(s);
	}
}

bool unacked_add(struct jd_session *s, struct jd_stanza *st)
{
	struct sm *sm = s->sm;
	struct unacked *u;

	if (is_full(sm))
		return false;
	make_room(sm);
	u = at(sm, sm->count++);
	*u = (struct unacked){
		.st = stanza_keep(st),
		.at = clock_real(),
		.bytes = stanza_of(st)->wire->bytes_len + STANZA_COST,
		.late = !s->client,
	};
	sm->bytes += u->bytes;
	unacked_pump(s);
	return true;
}

/* -- confirmed ------------------------------------------------------------------------------ */

bool unacked_is_sent(const struct sm *sm, uint32_t h)
{
	return h - sm->acked <= sm->sent;
}

static bool has_row(const struct jd_session *s, const struct unacked *u)
{
	return u->st->row.owner && u->st->row.owner == s->account->number;
}

static struct unacked pop(struct sm *sm)
{
	struct unacked u = *at(sm, 0);

	sm->head = (sm->head + 1) & (sm->cap - 1);
	sm->count--;
	sm->written -= sm->written > 0;
	sm->sent -= sm->sent > 0;
	sm->bytes -= u.bytes;
	return u;
}

bool unacked_confirm(struct jd_session *s, uint32_t h)
{
	struct sm *sm = s->sm;
	uint32_t n = h - sm->acked;
	uint64_t few[16], *rows = few;
	size_t found = 0;

	if (n > sm->sent)
		return false;
	if (n > JD_ARRAY_SIZE(few))
		rows = mem_alloc(n * sizeof(*rows));
	for (uint32_t i = 0; i < n; i++) {
		struct unacked u = pop(sm);

		if (has_row(s, &u))
			rows[found++] = u.st->row.id;
		jd_stanza_unref(u.st);
	}
	sm->acked = h;
	if (!sm->count) {
		mem_free(sm->queue);
		sm->queue = NULL;
		sm->head = sm->cap = 0;
	}
	ledger_tell(JD_HOOK_session_taken, s, rows, found);
	if (rows != few)
		mem_free(rows);
	return true;
}

/* -- taken back ------------------------------------------------------------------------------- */

void jd_session_forget_row(struct jd_session *s, uint64_t row)
{
	struct sm *sm = s->sm;
	unsigned i = sm ? sm->sent : 0;
	struct unacked u;

	while (sm && i < sm->count && !(has_row(s, at(sm, i)) && at(sm, i)->st->row.id == row))
		i++;
	if (!sm || i == sm->count)
		return;
	u = *at(sm, i);
	for (sm->count--; i < sm->count; i++)
		*at(sm, i) = *at(sm, i + 1);
	sm->bytes -= u.bytes;
	jd_stanza_unref(u.st);
	ledger_tell(JD_HOOK_session_taken, s, &row, 1);
}

/* -- the end ---------------------------------------------------------------------------------- */

struct rows {
	uint64_t *ids;
	size_t n;
	bool known;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Rows that other sessions of the account have in their queues: those answer for them. */
static struct rows held_by_others(const struct jd_account *a)
{
	struct rows rows = {.known = true};
	size_t most = 0;

	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		most += (s->sm ? s->sm->count : 0) + ledger_count(s);
	if (!most)
		return rows;
	rows.ids = mem_alloc(most * sizeof(rows.ids[0]));
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		for (unsigned i = 0; s->sm && i < s->sm->count; i++)
			if (has_row(s, at(s->sm, i)))
				rows.ids[rows.n++] = at(s->sm, i)->st->row.id;
		rows.n += ledger_copy(s, rows.ids + rows.n);
	}
	qsort(rows.ids, rows.n, sizeof(rows.ids[0]), compare);
	return rows;
}

static bool is_held(const struct rows *rows, uint64_t id)
{
	return rows->n && bsearch(&id, rows->ids, rows->n, sizeof(id), compare);
}

/* A message to the bare address went to each session that was available. */
static bool others_got_it(const struct jd_session *s, const struct unacked *u)
{
	if (u->st->to.resource_len)
		return false;
	for (struct jd_session *o = jd_session_next(s->account, NULL); o;
	     o = jd_session_next(s->account, o))
		if (o->presence && o->priority >= 0 && o->since <= u->at)
			return true;
	return false;
}

/* What the account itself sends to its sessions (copies, pages, notices) is not for others, nor is
 * a page of a room's archive, for which only this one has asked; a room hears that its occupant
 * has gone. */
static bool may_go_on(const struct jd_session *s, const struct unacked *u)
{
	struct jd_stanza *st = u->st;

	if (st->kind != JD_MESSAGE || st->type == JD_TYPE_ERROR || st->type == JD_TYPE_GROUPCHAT ||
	    jd_el_ok(jd_el_child(jd_stanza_root(st), "urn:xmpp:mam:2", "result")))
		return false;
	return !jd_jid_eq(st->from, s->account->jid) && !others_got_it(s, u);
}

/* The rows of the others are gathered for the first message that is to be looked for. */
static bool goes_on(const struct jd_session *s, const struct unacked *u, struct rows *held)
{
	if (!may_go_on(s, u))
		return false;
	if (!has_row(s, u))
		return true;
	if (!held->known)
		*held = held_by_others(s->account);
	return !is_held(held, u->st->row.id);
}

static void once_more(const struct jd_session *s, const struct unacked *u)
{
	add_delay(s, u);
	jd_stanza_set_to(u->st, s->account->jid);
	stanza_of(u->st)->again = true;
	mailbox_repost(&s->account->mailbox, u->st);
}

static void tell_untaken(struct jd_session *s)
{
	struct sm *sm = s->sm;
	uint64_t *rows = mem_alloc(sm->count * sizeof(*rows));
	size_t found = 0;

	for (unsigned i = 0; i < sm->count; i++)
		if (has_row(s, at(sm, i)))
			rows[found++] = at(sm, i)->st->row.id;
	ledger_tell(JD_HOOK_session_untaken, s, rows, found);
	mem_free(rows);
}

void unacked_end(struct jd_session *s)
{
	struct sm *sm = s->sm;
	struct rows held = {0};

	if (sm->count)
		tell_untaken(s);
	while (sm->count) {
		struct unacked u = pop(sm);

		if (goes_on(s, &u, &held))
			once_more(s, &u);
		else if (u.st->kind == JD_IQ)
			jd_bounce(u.st, JD_SERVICE_UNAVAILABLE, NULL);
		jd_stanza_unref(u.st);
	}
	mem_free(held.ids);
	mem_free(sm->queue);
	sm->queue = NULL;
	sm->cap = 0;
}
