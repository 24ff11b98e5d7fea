/* SPDX-License-Identifier: MIT
 *
 * One event loop per thread, over libevent's event_base.  A turn of the loop is
 *
 *     run due timers, drain the attached rings, run deferred calls,
 *     then poll: without waiting if anything is left to do, else until an fd,
 *     a timer or another thread's wake. A turn that leaves work for the next may
 *     go without the poll, but not many of them one after another.
 *
 * Callbacks are never called beneath the call that asked for them.  Other
 * threads reach a loop only through its waker (an eventfd): they publish into a
 * ring and wake.  libevent's own locking is off.
 *
 * Every function is for the loop's own thread unless it says otherwise.
 */
#pragma once

#include "rt/role.h"
#include "util/list.h"
#include "util/timerq.h"

struct loop;
struct event;

struct loop *loop_new(const char *name);
/* NULL is fine. Every watch must have been ended; timers and deferred calls are forgotten. */
void loop_free(struct loop *loop);

/* Runs turns until loop_stop(). */
void loop_run(struct loop *loop);
/* One turn; may_block = false polls only. For tests and for draining at the end. */
void loop_turn(struct loop *loop, bool may_block);
void loop_stop(struct loop *loop);
/* The monotonic time at the start of this turn (no system call); what runs on an fd's
 * event sees the time at which the poll ended. */
jd_usec loop_now(const struct loop *loop);

/* -- file descriptors ----------------------------------------------------- */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* Embedded in its owner. Level-triggered; set only the interest that is wanted. When an fd
 * is readable and writable at once, fn may be called once for each. */
struct watch {
	struct event *event; /* for reading */
	struct event *write; /* only while it is wanted, which is seldom: it takes 128 bytes */
	struct loop *loop;
	int fd;
	unsigned interest;
	void (*fn)(struct watch *self, unsigned events);
};

void watch_init(struct watch *w, struct loop *loop, int fd,
		void (*fn)(struct watch *, unsigned events));
/* The same for an eventfd that is never read: fn comes once for each write to it. */
void watch_init_edge(struct watch *w, struct loop *loop, int fd,
		     void (*fn)(struct watch *, unsigned events));
/* No system call when the interest does not change. */
void watch_set(struct watch *w, unsigned interest);
/* Before the fd is closed; fn is not called afterwards. */
void watch_fini(struct watch *w);

/* -- deferred calls: at the end of this turn, before the next poll ---------- */

struct defer {
	struct list node;
	void (*fn)(struct defer *self);
};

/* Asking twice before it ran is one call. */
void loop_defer(struct loop *loop, struct defer *d, void (*fn)(struct defer *));
void defer_cancel(struct defer *d);

/* -- timers ---------------------------------------------------------------- */

void loop_timer(struct loop *loop, struct timer *t, jd_usec after, void (*fn)(struct timer *));
void loop_timer_cancel(struct loop *loop, struct timer *t);

/* -- sources: rings and other queues that are looked at in every turn ------- */

/*
 * drain() handles at most a budget of items and returns whether more are left
 * (then the loop does not sleep).  pending() tells without side effects whether
 * anything is there: the loop calls it once more after it has announced that it
 * is going to sleep.
 */
struct source {
	struct list node;
	bool (*drain)(struct source *self);
	bool (*pending)(struct source *self);
};

void loop_add_source(struct loop *loop, struct source *s);
void loop_remove_source(struct source *s);

/* -- waking from other threads --------------------------------------------- */

struct waker;
struct waker *loop_waker(struct loop *loop); /* lives as long as the loop */

/* Any thread. Costs a system call only if the loop has announced its sleep.
 * The order that makes this right: the producer publishes its item
 * (seq_cst store), then loads the sleep flag (seq_cst); the loop sets the flag
 * (seq_cst store), then looks at its sources once more (seq_cst load). */
void waker_wake(struct waker *waker);

/* Any thread. The same, and the loop is sure to run one more whole turn before it sleeps,
 * even if it is awake and none of its sources has anything pending. */
void waker_kick(struct waker *waker);

/* Signals read by this loop (the logic thread's): blocked in every thread by
 * loop_block_signals(), which main calls before the first thread starts. */
void loop_block_signals(void);
void loop_on_signal(struct loop *loop, int signo, void (*fn)(int signo, void *arg), void *arg);
