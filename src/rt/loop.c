/* SPDX-License-Identifier: MIT
 *
 * The loop's turn, over libevent.  libevent does what it is best at, polling
 * file descriptors; timers, deferred calls and sources are ours, so that their
 * order is ours too.
 *
 * A turn has a time, read when it starts and once more when a poll that may have
 * slept brings the first event: what an event handler calls "now" must not be
 * the moment before the sleep.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "rt/loop_priv.h"
#include "util/clock.h"

#define TIMERS_PER_TURN ((size_t)256)
/* A stanza that comes alone is handled over two or three turns: no poll between them. */
#define UNPOLLED_TURNS 3

struct loop {
	const char *name;
	struct event_base *base;
	struct event wait_end; /* ends a poll when the next timer is due */
	struct waker *waker;
	struct loop_signals *signals;
	struct list sources;
	struct list deferred;
	struct timerq timers;
	jd_usec now;
	size_t watches;
	unsigned unpolled; /* turns since the last poll */
	bool in_turn;
	bool polling; /* in the poll, and no event of it has been handed out yet */
	bool stop;
};

/* The poll is over: called for its first event, and at its end when there was none. */
static void awake(struct loop *loop)
{
	if (!loop->polling)
		return;
	loop->polling = false;
	waker_awake(loop->waker);
	loop->now = clock_mono();
}

static void on_wait_end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	awake(arg);
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	JD_ASSERT(config);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	event_config_avoid_method(config, "select");
	event_config_avoid_method(config, "poll");
	base = event_base_new_with_config(config);
	event_config_free(config);
	JD_ASSERT(base);
	return base;
}

struct loop *loop_new(const char *name)
{
	struct loop *loop = mem_new(struct loop);

	loop->name = name;
	loop->base = base_new();
	evtimer_assign(&loop->wait_end, loop->base, on_wait_end, loop);
	list_init(&loop->sources);
	list_init(&loop->deferred);
	timerq_init(&loop->timers);
	loop->now = clock_mono();
	loop->waker = waker_new(loop);
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	JD_ASSERT(!loop->in_turn);
	loop_signals_free(loop->signals);
	waker_free(loop->waker);
	/* A watch that is left would touch the base when its owner ends it. */
	JD_ASSERT(loop->watches == 0);
	while (!list_empty(&loop->sources))
		list_remove(loop->sources.next);
	while (!list_empty(&loop->deferred))
		list_remove(loop->deferred.next);
	timerq_fini(&loop->timers);
	event_del(&loop->wait_end);
	event_base_free(loop->base);
	mem_free(loop);
}

struct waker *loop_waker(struct loop *loop)
{
	return loop->waker;
}

struct loop_signals **loop_signals_of(struct loop *loop)
{
	return &loop->signals;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

jd_usec loop_now(const struct loop *loop)
{
	return loop->now;
}

/* -- the turn ------------------------------------------------------------------ */

/* True when a source has more. Sources may come and go while this runs. */
static bool drain_sources(struct loop *loop)
{
	struct list now = LIST_INIT(now);
	bool more = false;

	list_splice(&now, &loop->sources);
	while (!list_empty(&now)) {
		struct source *s = container_of(now.next, struct source, node);

		list_remove(&s->node);
		list_append(&loop->sources, &s->node);
		more |= s->drain(s);
	}
	return more;
}

/* What is deferred while this runs is for the next turn. */
static void run_deferred(struct loop *loop)
{
	struct list now = LIST_INIT(now);

	list_splice(&now, &loop->deferred);
	while (!list_empty(&now)) {
		struct defer *d = container_of(now.next, struct defer, node);

		list_remove(&d->node);
		d->fn(d);
	}
}

static bool source_pending(const struct loop *loop)
{
	for (struct list *n = loop->sources.next; n != &loop->sources; n = n->next) {
		struct source *s = container_of(n, struct source, node);

		if (s->pending(s))
			return true;
	}
	return false;
}

/* Asks libevent to end the poll when the next timer is due, rounded up to a
 * millisecond, since a poll that ends early would only come back for the rest. */
static void set_wait_end(struct loop *loop)
{
	jd_usec next = timerq_next(&loop->timers), wait;
	struct timeval tv;

	if (next == UINT64_MAX)
		return;
	wait = next > loop->now ? next - loop->now : 0;
	if (wait > 86400 * JD_USEC_PER_SEC)
		wait = 86400 * JD_USEC_PER_SEC;
	wait = (wait + JD_USEC_PER_MSEC - 1) / JD_USEC_PER_MSEC * JD_USEC_PER_MSEC;
	tv.tv_sec = (time_t)(wait / JD_USEC_PER_SEC);
	tv.tv_usec = (suseconds_t)(wait % JD_USEC_PER_SEC);
	evtimer_add(&loop->wait_end, &tv);
}

/* The order is that of waker_wake() in loop.h: announce, then look once more. */
static bool may_sleep(struct loop *loop)
{
	return waker_announce(loop->waker) && !source_pending(loop);
}

static void poll_events(struct loop *loop, bool sleep)
{
	loop->unpolled = 0;
	loop->polling = true;
	if (sleep)
		set_wait_end(loop);
	/* ONCE in either case: without it libevent polls again as long as anything is ready. */
	event_base_loop(loop->base, sleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
	awake(loop);
	if (sleep)
		evtimer_del(&loop->wait_end);
}

/* The end of a turn whose caller does not mind whether it polls. */
static void poll_or_go_on(struct loop *loop, bool work_left)
{
	bool sleep = !work_left && may_sleep(loop);

	if (sleep || loop->unpolled++ >= UNPOLLED_TURNS)
		poll_events(loop, sleep);
	else
		waker_awake(loop->waker);
}

void loop_turn(struct loop *loop, bool may_block)
{
	bool work_left;

	JD_ASSERT(!loop->in_turn);
	loop->in_turn = true;
	loop->now = clock_mono();
	timerq_run(&loop->timers, loop->now, TIMERS_PER_TURN);
	work_left = drain_sources(loop);
	run_deferred(loop);
	work_left |= !list_empty(&loop->deferred) || timerq_next(&loop->timers) <= loop->now;
	if (may_block && !loop->stop)
		poll_or_go_on(loop, work_left);
	else
		poll_events(loop, false);
	loop->in_turn = false;
}

void loop_run(struct loop *loop)
{
	while (!loop->stop)
		loop_turn(loop, true);
	loop->stop = false;
}

/* -- file descriptors ------------------------------------------------------------ */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	awake(w->loop);
	w->fn(w, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

/* Two events, as changing the flags of one would mean to remove and to add it: two
 * epoll_ctl() where one does. */
static struct event *event_make(struct watch *w, short what)
{
	struct event *ev = mem_alloc(sizeof(*ev));

	event_assign(ev, w->loop->base, w->fd, (short)(what | EV_PERSIST), on_event, w);
	return ev;
}

static void init(struct watch *w, struct loop *loop, int fd, short what,
		 void (*fn)(struct watch *, unsigned events))
{
	*w = (struct watch){.loop = loop, .fd = fd, .fn = fn};
	w->event = event_make(w, what);
	loop->watches++;
}

void watch_init(struct watch *w, struct loop *loop, int fd,
		void (*fn)(struct watch *, unsigned events))
{
	init(w, loop, fd, EV_READ, fn);
}

void watch_init_edge(struct watch *w, struct loop *loop, int fd,
		     void (*fn)(struct watch *, unsigned events))
{
	init(w, loop, fd, EV_READ | EV_ET, fn);
}

static void event_switch(struct event *ev, bool on)
{
	/* Fails only for lack of memory or for a descriptor that is not open. */
	JD_ASSERT((on ? event_add(ev, NULL) : event_del(ev)) == 0);
}

static void write_switch(struct watch *w, bool on)
{
	if (on)
		w->write = event_make(w, EV_WRITE);
	event_switch(w->write, on);
	if (on)
		return;
	mem_free(w->write);
	w->write = NULL;
}

void watch_set(struct watch *w, unsigned interest)
{
	unsigned changed = interest ^ w->interest;

	if (!changed)
		return;
	JD_ASSERT(w->event);
	w->interest = interest;
	if (changed & LOOP_READ)
		event_switch(w->event, interest & LOOP_READ);
	if (changed & LOOP_WRITE)
		write_switch(w, interest & LOOP_WRITE);
}

void watch_fini(struct watch *w)
{
	if (!w->event)
		return;
	watch_set(w, 0);
	mem_free(w->event);
	w->event = NULL;
	w->loop->watches--;
}

/* -- deferred calls, timers, sources ------------------------------------------------ */

void loop_defer(struct loop *loop, struct defer *d, void (*fn)(struct defer *))
{
	d->fn = fn;
	if (!list_linked(&d->node))
		list_append(&loop->deferred, &d->node);
}

void defer_cancel(struct defer *d)
{
	list_remove(&d->node);
}

void loop_timer(struct loop *loop, struct timer *t, jd_usec after, void (*fn)(struct timer *))
{
	/* Between turns, while things are being set up, the time of a turn is an old one. */
	jd_usec now = loop->in_turn ? loop->now : clock_mono();

	timerq_arm(&loop->timers, t, after < UINT64_MAX - now ? now + after : UINT64_MAX - 1, fn);
}

void loop_timer_cancel(struct loop *loop, struct timer *t)
{
	timerq_cancel(&loop->timers, t);
}

void loop_add_source(struct loop *loop, struct source *s)
{
	list_append(&loop->sources, &s->node);
}

void loop_remove_source(struct source *s)
{
	list_remove(&s->node);
}
