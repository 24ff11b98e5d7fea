/* SPDX-License-Identifier: MIT
 *
 * Mailboxes and the run list.
 *
 * A mailbox that has posts and is not held stands in the run list.  The list gives
 * each its turn, a few posts at a time, so that one busy home delays the others by
 * microseconds and not by its whole queue.  One whose work is charged to an account
 * that has too much waiting already is parked (share.c).
 */
#include "core/core.h"

#define POSTS_PER_VISIT 16
#define POSTS_PER_TURN  256

/* One line of the processor's memory. */
struct post {
	struct list node;
	struct jd_stanza *st; /* NULL: fn */
	size_t bytes;         /* as they were counted: handlers of others edit it meanwhile */
	struct jd_receipt *receipt;
	union {
		struct {
			void (*fn)(void *arg, bool dropped);
			void *arg;
		};
		struct {
			/* Set: the stanza is shared, and copied to there in its turn. */
			struct jd_jid to;
			struct jd_session *ref; /* whose address that is; NULL: the account's */
		};
	};
};
_Static_assert(sizeof(struct post) <= POST_SIZE, "posts come from a slab");

static bool is_copy(const struct post *p)
{
	return p->st && jd_jid_ok(p->to);
}

void mailbox_init(struct mailbox *m, const struct mailbox_kind *kind)
{
	*m = (struct mailbox){.kind = kind};
	list_init(&m->posts);
	list_init(&m->waiters);
	list_init(&m->place);
}

static void leave_place(struct mailbox *m)
{
	list_remove(&m->place);
	m->at = MAILBOX_NOWHERE;
}

static void set_runnable(struct mailbox *m)
{
	bool want = !m->holds && !list_empty(&m->posts);

	if (want && m->at == MAILBOX_NOWHERE) {
		m->at = MAILBOX_RUN;
		list_append(&server.run, &m->place);
	} else if (!want && m->at == MAILBOX_RUN) {
		leave_place(m);
	}
}

static size_t post_bytes(struct jd_stanza *st)
{
	return st ? stanza_of(st)->wire->bytes_len : 0;
}

static void release_waiters(struct mailbox *m)
{
	while (!list_empty(&m->waiters)) {
		struct mailbox *w = container_of(m->waiters.next, struct mailbox, place);

		leave_place(w);
		mailbox_unhold(w);
	}
}

void mailbox_wait_room(struct mailbox *m, struct mailbox *waiter)
{
	if (m->count < m->kind->max_posts / 2 && m->bytes < m->kind->max_bytes / 2)
		return;
	if (waiter->at == MAILBOX_WAITING)
		return;
	leave_place(waiter);
	waiter->at = MAILBOX_WAITING;
	list_append(&m->waiters, &waiter->place);
	mailbox_hold(waiter);
}

/* Takes the first post out; its references go to the caller. */
static struct post post_take(struct mailbox *m)
{
	struct post *p = container_of(m->posts.next, struct post, node);
	struct post out = *p;

	list_remove(&p->node);
	slab_put(p);
	if (out.st)
		m->count--;
	m->bytes -= (uint32_t)out.bytes;
	if (m->count < m->kind->max_posts / 4 && m->bytes < m->kind->max_bytes / 4)
		release_waiters(m);
	return out;
}

static void set_share(struct mailbox *m, struct share *sh)
{
	struct share *old = m->share;

	m->share = share_ref(sh);
	mailbox_unpark(m);
	share_unref(old);
}

/* Work in a mailbox is charged to one account: whose post came first, or, where that has too
 * much waiting, to who comes later and has not. */
static void charge(struct mailbox *m, struct share *sh)
{
	if (m->kind->sender || m->kind->open || m->share == sh)
		return;
	if ((list_empty(&m->posts) && !m->holds) ||
	    (m->share && (!sh || !share_full(sh)) &&
	     (share_full(m->share) || m->at == MAILBOX_PARKED)))
		set_share(m, sh);
}

static void post_add(struct mailbox *m, const struct post *like)
{
	struct post *p = slab_get(server.posts);
	struct jd_stanza *st = like->st;

	charge(m, st && !m->kind->sender && !m->kind->open ? share_of(st) : NULL);
	*p = *like;
	if (st) {
		jd_stanza_ref(st);
		p->bytes = post_bytes(st);
		p->receipt = is_copy(p) ? NULL : receipt_ref(st->receipt);
		m->count++;
		m->bytes += (uint32_t)p->bytes;
	}
	list_append(&m->posts, &p->node);
	set_runnable(m);
}

static void post_free(struct post *p, bool dropped)
{
	if (!p->st) {
		if (p->fn)
			p->fn(p->arg, dropped);
		return;
	}
	jd_receipt_drop(p->receipt);
	jd_stanza_unref(p->st);
	session_unref(p->ref);
}

void mailbox_fini(struct mailbox *m)
{
	while (!list_empty(&m->posts)) {
		struct post p = post_take(m);

		post_free(&p, true);
	}
	release_waiters(m);
	leave_place(m);
	if (m->share)
		share_next(m->share);
	share_unref(m->share);
	m->share = NULL;
	if (server.running == m)
		server.running = NULL;
}

static bool is_full(const struct mailbox *m)
{
	return m->count >= m->kind->max_posts || m->bytes > m->kind->max_bytes;
}

int mailbox_post(struct mailbox *m, struct jd_stanza *st)
{
	if (is_full(m))
		return -JD_ELIMIT;
	post_add(m, &(struct post){.st = st});
	return 0;
}

int mailbox_post_copy(struct mailbox *m, struct jd_stanza *st, struct jd_jid to,
		      struct jd_session *ref)
{
	if (is_full(m))
		return -JD_ELIMIT;
	post_add(m, &(struct post){.st = st, .to = to, .ref = ref ? session_ref(ref) : NULL});
	return 0;
}

void mailbox_repost(struct mailbox *m, struct jd_stanza *st)
{
	post_add(m, &(struct post){.st = st});
}

void mailbox_post_fn(struct mailbox *m, void (*fn)(void *arg, bool dropped), void *arg)
{
	post_add(m, &(struct post){.fn = fn, .arg = arg});
}

void mailbox_hold(struct mailbox *m)
{
	m->holds++;
	set_runnable(m);
}

void mailbox_unhold(struct mailbox *m)
{
	JD_ASSERT(m->holds > 0);
	m->holds--;
	set_runnable(m);
}

static void mailbox_park(struct mailbox *m)
{
	leave_place(m);
	m->at = MAILBOX_PARKED;
	list_append(m->kind->sender ? &m->share->senders : &m->share->homes, &m->place);
}

void mailbox_unpark(struct mailbox *m)
{
	if (m->at != MAILBOX_PARKED)
		return;
	leave_place(m);
	set_runnable(m);
}

bool mailbox_idle(const struct mailbox *m)
{
	return !m->holds && list_empty(&m->posts);
}

static bool availability(const struct jd_stanza *st)
{
	return st->kind == JD_PRESENCE &&
	       (st->type == JD_TYPE_NONE || st->type == JD_TYPE_UNAVAILABLE);
}

bool mailbox_coalesce(struct mailbox *m, struct jd_stanza *st)
{
	if (!availability(st))
		return false;
	for (struct list *n = m->posts.next; n != &m->posts; n = n->next) {
		struct post *p = container_of(n, struct post, node);

		if (!p->st || !availability(p->st) || !jd_jid_eq(p->st->from, st->from) ||
		    !jd_jid_eq(is_copy(p) ? p->to : p->st->to, st->to))
			continue;
		m->bytes += (uint32_t)(post_bytes(st) - p->bytes);
		post_free(p, true);
		p->bytes = post_bytes(st);
		p->st = jd_stanza_ref(st);
		p->to = JD_JID_NULL;
		p->ref = NULL;
		p->receipt = receipt_ref(st->receipt);
		return true;
	}
	return false;
}

/* May the next post be handled? */
static bool goes_on(struct mailbox *m)
{
	if (m->share &&
	    (share_full(m->share) || (m->kind->sender && !list_empty(&m->share->homes)))) {
		mailbox_park(m);
		return false;
	}
	return !m->kind->prepare || m->kind->prepare(m);
}

/* Made now and not when it was posted, a copy has memory that was in use a moment ago. */
static void handle_copy(struct mailbox *m, const struct post *p)
{
	struct jd_stanza *copy = stanza_clone_to(p->st, p->to);

	m->kind->handle(m, copy);
	jd_stanza_unref(copy);
}

/* A few posts of a mailbox, which goes to the end of the run list if it has more.
 * Handling a post may hold the mailbox, or free it (mailbox_fini() tells). */
static unsigned visit(struct mailbox *m)
{
	struct share *sh = share_ref(m->share);
	unsigned n = 0;

	server.running = m;
	while (n < POSTS_PER_VISIT && server.running == m && m->at == MAILBOX_RUN && goes_on(m)) {
		struct post p = post_take(m);

		n++;
		leave_place(m);
		set_runnable(m);
		if (is_copy(&p))
			handle_copy(m, &p);
		else if (p.st)
			m->kind->handle(m, p.st);
		post_free(&p, false);
	}
	server.running = NULL;
	if (sh)
		share_next(sh);
	share_unref(sh);
	return n ? n : 1;
}

static bool run_pending(struct source *self)
{
	(void)self;
	return !list_empty(&server.run);
}

static bool run_drain(struct source *self)
{
	(void)self;
	for (unsigned n = 0; n < POSTS_PER_TURN && !list_empty(&server.run);)
		n += visit(container_of(server.run.next, struct mailbox, place));
	return run_pending(self);
}

void mailboxes_start(void)
{
	list_init(&server.run);
	server.run_source.drain = run_drain;
	server.run_source.pending = run_pending;
	loop_add_source(server.loop, &server.run_source);
}
