/* SPDX-License-Identifier: MIT
 *
 * Receipts: what ties a stream's acknowledgement to everything that its stanzas
 * caused.  Each post and call of a stanza holds its receipt, and so does whoever
 * has taken it until a COMMIT.  A session's receipts stand in the order of
 * arrival; those at the front that nobody holds any more are counted as handled.
 */
#include "core/sm.h"

struct jd_receipt *receipt_new(struct jd_session *s, struct jd_stanza *st)
{
	struct jd_receipt *r = slab_get(server.receipts);

	*r = (struct jd_receipt){.session = s, .st = st, .refs = 1};
	list_append(&s->receipts, &r->node);
	s->n_receipts++;
	st->receipt = r;
	return r;
}

struct jd_receipt *jd_receipt_take(struct jd_stanza *st)
{
	return receipt_ref(st->receipt);
}

/* Counts the unbroken run of handled stanzas at the front, and tells who waits for it. */
static void session_advance(struct jd_session *s)
{
	unsigned answers = 0;
	bool late = false;

	while (!list_empty(&s->receipts)) {
		struct jd_receipt *r = container_of(s->receipts.next, struct jd_receipt, node);

		if (r->refs)
			break;
		answers += r->asked;
		late |= r->late;
		s->handled += !r->uncounted;
		list_remove(&r->node);
		s->n_receipts--;
		slab_put(r);
	}
	session_pace(s);
	if (answers || late)
		sm_answer(s, answers ? answers : 1);
	if (s->sm && s->sm->resume && list_empty(&s->receipts))
		sm_caught_up(s);
}

void jd_receipt_drop(struct jd_receipt *r)
{
	if (!r || --r->refs)
		return;
	if (r->st)
		r->st->receipt = NULL;
	r->st = NULL;
	if (r->session)
		session_advance(r->session);
	else
		slab_put(r);
}

/* The session ends: who still holds a receipt keeps it, but nobody counts. */
void receipts_abandon(struct jd_session *s)
{
	while (!list_empty(&s->receipts)) {
		struct jd_receipt *r = container_of(s->receipts.next, struct jd_receipt, node);

		list_remove(&r->node);
		s->n_receipts--;
		r->session = NULL;
		if (!r->refs)
			slab_put(r);
	}
}
