/* SPDX-License-Identifier: MIT
 *
 * Questions of ours: IQs that the server sends, and their answers.  An answer is
 * recognised by its id, by who sends it and to whom, before it is routed, so
 * that it never waits behind a mailbox that stands still.
 */
#include "core/core.h"

#define ASKS_MAX 100000

struct ask {
	struct hash_node node; /* by id */
	struct pending pending;
	struct timer deadline;
	struct defer defer;
	struct jd_stanza *question; /* without its content, which may be large */
	struct jd_stanza *answer;
	jd_answer_fn fn;
	void *arg;
};

static struct hash asks;

static void ask_free(struct ask *a)
{
	hash_remove(&asks, &a->node);
	list_remove(&a->pending.node);
	loop_timer_cancel(server.loop, &a->deadline);
	defer_cancel(&a->defer);
	jd_stanza_unref(a->question);
	jd_stanza_unref(a->answer);
	mem_free(a);
}

static void ask_finish(struct ask *a)
{
	struct jd_stanza *answer = a->answer;
	jd_answer_fn fn = a->fn;
	void *arg = a->arg;

	a->answer = NULL;
	ask_free(a);
	fn(arg, answer);
	jd_stanza_unref(answer);
}

static void on_answer(struct defer *d)
{
	ask_finish(container_of(d, struct ask, defer));
}

static void on_deadline(struct timer *t)
{
	ask_finish(container_of(t, struct ask, deadline));
}

static void on_cancel(struct pending *p)
{
	ask_free(container_of(p, struct ask, pending));
}

static struct jd_stanza *head_of(const struct jd_stanza *st)
{
	struct jd_stanza *built = stanza_built(
		stanza_build(server.stanzas, st->kind, st->type, st->from, st->to, st->id));
	struct jd_stanza *head = built ? stanza_keep(built) : NULL;

	jd_stanza_unref(built);
	return head;
}

int jd_ask(struct jd_owner *owner, struct jd_xml *x, jd_usec timeout, jd_answer_fn fn, void *arg)
{
	struct jd_stanza *st = stanza_built(x);
	struct jd_stanza *head = st && asks.count < ASKS_MAX ? head_of(st) : NULL;
	struct ask *a;

	if (!head) {
		jd_stanza_unref(st);
		return -JD_ELIMIT;
	}
	a = mem_new(struct ask);
	a->question = head;
	a->fn = fn;
	a->arg = arg;
	a->pending.cancel = on_cancel;
	a->pending.code = (void (*)(void))fn;
	owner_add(owner, &a->pending);
	hash_insert(&asks, &a->node, hash_str(st->id));
	loop_timer(server.loop, &a->deadline, timeout, on_deadline);
	jd_route(st);
	jd_stanza_unref(st);
	return 0;
}

static bool answers(const struct hash_node *node, const void *key)
{
	const struct ask *a = container_of(node, struct ask, node);
	const struct jd_stanza *st = key;

	return !a->answer && jd_str_eq(a->question->id, st->id) &&
	       jd_jid_eq(a->question->to, st->from) && jd_jid_eq(a->question->from, st->to);
}

bool ask_answered(struct jd_stanza *st)
{
	struct hash_node *n;
	struct ask *a;

	if (!asks.count || !st->id.p)
		return false;
	n = hash_find(&asks, hash_str(st->id), answers, st);
	if (!n)
		return false;
	a = container_of(n, struct ask, node);
	a->answer = jd_stanza_ref(st);
	loop_defer(server.loop, &a->defer, on_answer);
	return true;
}

void ask_fini(void)
{
	struct hash_iter it = {0};
	struct hash_node *n;

	while ((n = hash_each(&asks, &it)) != NULL)
		ask_free(container_of(n, struct ask, node));
	hash_fini(&asks);
}
