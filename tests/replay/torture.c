/* SPDX-License-Identifier: MIT
 *
 * Faults while a script runs, and the account of requests and answers.
 */
#include "replay/torture.h"
#include "db/test/play.h"

#include <stdio.h>

struct asked {
	struct asked *next;
	struct fake_link *link;
	char id[];
};

void torture_begin(struct torture *t)
{
	const struct script_faults *f = t->faults;

	if (!f || t->begun)
		return;
	t->begun = true;
	if (f->db_every)
		db_test_fail_every(server.db, f->db_every);
	else
		db_test_fail_at(server.db, f->db_at, f->db_status);
	if (f->mem_every)
		mem_fail_every(f->mem_every);
	else
		mem_fail_at(f->mem_at);
}

void torture_note(struct torture *t, struct fake_link *f, struct jd_str xml)
{
	struct jd_wire *w = t->faults ? fake_parse(xml) : NULL;
	const struct wire_meta *m = w ? &w->meta : NULL;
	struct asked *a;

	if (m && m->flags == 0 && m->kind == JD_IQ && m->id.len && !m->to.resource_len &&
	    (m->type == JD_TYPE_GET || m->type == JD_TYPE_SET)) {
		a = mem_alloc(sizeof(*a) + m->id.len + 1);
		memcpy(a->id, m->id.p, m->id.len);
		a->link = f;
		a->next = t->asked;
		t->asked = a;
	}
	wire_unref(w);
}

/* By its canonical start tag; parsing all that was sent for each request would take long. */
static bool is_answer(const struct output *o, const char *id)
{
	size_t n = strlen(id), tag = strcspn(o->text, ">");
	const char *at = o->text;

	if (strncmp(o->text, "<iq ", 4) != 0 ||
	    (!memmem(at, tag, " type='result'", 14) && !memmem(at, tag, " type='error'", 13)))
		return false;
	at = memmem(at, tag, " id='", 5);
	return at && strncmp(at + 5, id, n) == 0 && at[5 + n] == '\'';
}

static unsigned count_answers(const struct fake_link *f, const char *id)
{
	unsigned n = 0;

	for (struct list *l = f->out.next; l != &f->out; l = l->next)
		n += is_answer(container_of(l, struct output, node), id);
	return n;
}

/* Ids may repeat, so it is numbers that are compared. Who is gone needs no answer. */
static bool answered(const struct torture *t, const struct asked *a, char *why, size_t why_size)
{
	unsigned asked = 0, got;

	if (a->link->ended || a->link->closing)
		return true;
	for (const struct asked *b = t->asked; b; b = b->next)
		asked += b->link == a->link && strcmp(a->id, b->id) == 0;
	got = count_answers(a->link, a->id);
	if (got != asked)
		(void)snprintf(why, why_size, "id '%s' was asked %u times and answered %u times",
			       a->id, asked, got);
	return got == asked;
}

bool torture_end(struct torture *t, bool *ret_hit, char *why, size_t why_size)
{
	bool good = true;

	*ret_hit = db_test_failed(server.db) || mem_refused();
	db_test_fail_every(server.db, 0);
	mem_fail_at(0);
	db_test_release(server.db);
	world_advance(60 * JD_USEC_PER_SEC);
	for (const struct asked *a = t->asked; a && good; a = a->next)
		good = answered(t, a, why, why_size);
	while (t->asked) {
		struct asked *a = t->asked;

		t->asked = a->next;
		mem_free(a);
	}
	return good;
}
