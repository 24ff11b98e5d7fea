/* SPDX-License-Identifier: MIT
 *
 * When a registration is told.  At most one notification is on its way.  After
 * one that was taken the service is left in peace until the client was there,
 * or until an interval is over: then news that came meanwhile are told together, in
 * case the first notification woke nobody.  A failure is tried again, later each
 * time; when all attempts are used up nothing is sent until there is more news,
 * and no sooner than the last pause is over.  What a service calls final ends
 * the registration.
 */
#include "push.h"

#define BACKOFF_MAX (3600 * JD_USEC_PER_SEC)

/* -- news ------------------------------------------------------------------------------------- */

void push_forget(struct kept_news *k)
{
	jd_free(k->sender);
	jd_free(k->body);
	*k = (struct kept_news){0};
}

void push_keep(struct kept_news *k, const struct news *n)
{
	unsigned count = k->count + n->count;

	push_forget(k);
	k->count = count;
	k->sender = n->sender.p ? jd_strdup(n->sender) : NULL;
	k->body = n->body.p ? jd_strdup(n->body) : NULL;
}

struct news push_kept(const struct kept_news *k)
{
	return (struct news){k->count, jd_cstr(k->sender), jd_cstr(k->body)};
}

/* -- one registration ------------------------------------------------------------------------- */

static void try(struct reg *r);

static void on_time(void *arg)
{
	struct reg *r = arg;

	r->timer = NULL;
	try(r);
}

static void pause_for(struct reg *r, jd_usec how_long)
{
	jd_timer_stop(&r->timer);
	r->timer = jd_timer_start(jd_account_pending(r->account), how_long, on_time, r);
}

static void on_failure(struct reg *r)
{
	const struct options *o = jd_data(r->mi);
	jd_usec wait = o->backoff;

	for (unsigned i = 0; i < r->fails && wait < BACKOFF_MAX; i++)
		wait *= 2;
	r->fails++;
	if (r->fails < (unsigned)o->attempts)
		r->due = true;
	pause_for(r, wait < BACKOFF_MAX ? wait : BACKOFF_MAX);
}

static void on_answer(void *arg, struct jd_stanza *answer)
{
	const struct options *o;
	struct reg *r = arg;
	char result[RESULT_MAX];
	bool final = push_refused(answer, result);

	r->busy = false;
	if (r->dropped) {
		push_drop(r);
		return;
	}
	if (r->asked != r->since) { /* made anew meanwhile: this says nothing about it */
		try(r);
		return;
	}
	push_note(r, jd_cstr(result), final);
	o = jd_data(r->mi);
	if (final) {
		r->ended = true;
		push_forget(&r->news);
		r->due = false;
	} else if (answer && answer->type == JD_TYPE_RESULT) {
		r->fails = 0;
		pause_for(r, o->interval);
	} else {
		on_failure(r);
	}
}

static void try(struct reg *r)
{
	struct news news = push_kept(&r->news);

	if (!r->due || r->ended || r->dropped || r->busy || r->timer || push_awake(r) ||
	    !jd_account_owner(r->account))
		return;
	r->due = false;
	r->asked = r->since;
	r->busy = push_publish(r->mi, jd_account_pending(r->account), jd_cstr(r->request), &news,
			       on_answer, r) == 0;
	if (!r->busy)
		on_failure(r);
}

void push_tell(struct home *h, const char *client, const struct news *news)
{
	if (h->state != LOADED) {
		push_keep(&h->waiting, news);
		push_load(h);
		return;
	}
	for (struct reg *r = h->regs; r; r = r->next) {
		if (r->ended || r->dropped || (client && strcmp(client, r->client) != 0) ||
		    push_awake(r))
			continue;
		push_keep(&r->news, news);
		r->due = true;
		try(r);
	}
}

/* A pause for a service in trouble goes on. */
void push_back(struct reg *r)
{
	r->due = false;
	push_forget(&r->news);
	if (!r->fails)
		jd_timer_stop(&r->timer);
}

void push_reg_free(struct reg *r)
{
	push_forget(&r->news);
	jd_free(r->jid);
	jd_free(r->node);
	jd_free(r->client);
	jd_free(r->request);
	jd_free(r);
}

void push_drop(struct reg *r)
{
	struct home *h = jd_account_data(r->mi, r->account);

	r->dropped = true;
	jd_timer_stop(&r->timer);
	if (r->busy)
		return;
	for (struct reg **at = &h->regs; *at; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			break;
		}
	}
	push_reg_free(r);
}
