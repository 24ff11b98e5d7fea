/* SPDX-License-Identifier: MIT
 *
 * What has been written to a session of rows of its account's log, and whether
 * its client has them.  With XEP-0198 its acknowledgements say so (sm.c).  Without
 * it the session is asked: about a second after a row has been written it gets a
 * ping, at most one at a time, and the answer stands for every row before it.
 */
#include "core/core.h"

#define ASK_AFTER    JD_USEC_PER_SEC
#define ASK_DEADLINE (60 * JD_USEC_PER_SEC)
/* Whoever has not answered for so many rows has not got the older half of them. */
#define LEDGER_ROWS 4096

struct ledger {
	struct jd_session *session;
	struct timer timer; /* armed while there are rows that nobody asked about */
	uint64_t *rows;
	size_t n, cap;
	size_t asked; /* so many of them were written before the ping that is on its way */
	bool asking;
};

void ledger_tell(enum jd_hook hook, struct jd_session *s, const uint64_t *rows, size_t n)
{
	struct jd_taken_event ev = {s, s->account, s->host, rows, n};

	if (n)
		hook_notify_taken(hook, &ev);
}

/* The first n go. */
static void forget(struct ledger *l, size_t n)
{
	l->n -= n;
	memmove(l->rows, l->rows + n, l->n * sizeof(l->rows[0]));
}

static void ask(struct timer *t);

static void ask_soon(struct ledger *l)
{
	if (!l->asking && !timer_armed(&l->timer))
		loop_timer(server.loop, &l->timer, ASK_AFTER, ask);
}

/* Only an answer of the client itself says something: st can be an error of ours. */
static void on_answer(void *arg, struct jd_stanza *st)
{
	struct jd_session *s = arg;
	struct ledger *l = s->ledger;
	size_t n = st && st->origin == s ? l->asked : 0;
	uint64_t *taken = mem_alloc(n * sizeof(*taken) + 1);

	memcpy(taken, l->rows, n * sizeof(*taken));
	forget(l, n);
	l->asking = false;
	l->asked = 0;
	session_ref(s); /* whoever is told may end it */
	ledger_tell(JD_HOOK_session_taken, s, taken, n);
	l = s->ledger;
	if (l && l->n && st)
		ask_soon(l);
	session_unref(s);
	mem_free(taken);
}

static void ask(struct timer *t)
{
	struct ledger *l = container_of(t, struct ledger, timer);
	struct jd_session *s = l->session;
	struct jd_xml *x = jd_stanza_new(JD_IQ, JD_TYPE_GET, s->host->jid, s->jid, JD_STR_NULL);

	jd_xml_start(x, "urn:xmpp:ping", "ping");
	jd_xml_end(x);
	if (jd_ask(&s->owner, x, ASK_DEADLINE, on_answer, s) < 0) {
		ask_soon(l);
		return;
	}
	l->asking = true;
	l->asked = l->n;
}

static void make_room(struct ledger *l)
{
	size_t half = l->n / 2;

	if (l->n < l->cap)
		return;
	if (l->cap < LEDGER_ROWS) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->rows = mem_realloc(l->rows, l->cap * sizeof(l->rows[0]));
		return;
	}
	ledger_tell(JD_HOOK_session_untaken, l->session, l->rows, half);
	forget(l, half);
	l->asked = l->asked > half ? l->asked - half : 0;
}

void ledger_note(struct jd_session *s, const struct jd_stanza *st)
{
	struct ledger *l = s->ledger;

	if (!st->row.owner || st->row.owner != s->account->number)
		return;
	if (!l) {
		l = s->ledger = mem_new(struct ledger);
		l->session = s;
	}
	make_room(l);
	l->rows[l->n++] = st->row.id;
	ask_soon(l);
}

size_t ledger_count(const struct jd_session *s)
{
	return s->ledger ? s->ledger->n : 0;
}

size_t ledger_copy(const struct jd_session *s, uint64_t *out)
{
	if (s->ledger)
		memcpy(out, s->ledger->rows, s->ledger->n * sizeof(*out));
	return ledger_count(s);
}

void ledger_end(struct jd_session *s)
{
	struct ledger *l = s->ledger;

	if (!l)
		return;
	s->ledger = NULL;
	loop_timer_cancel(server.loop, &l->timer);
	ledger_tell(JD_HOOK_session_untaken, s, l->rows, l->n);
	mem_free(l->rows);
	mem_free(l);
}
