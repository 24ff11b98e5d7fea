/* SPDX-License-Identifier: MIT
 *
 * Timers of one thread: an intrusive heap ordered by due time, O(log n)
 * to arm and to cancel, nothing allocated per timer.  The loop asks when the
 * next one is due and runs what is due, at most a budget at a time.
 */
#pragma once

#include <jackdaw/types.h>

struct timer {
	jd_usec due;  /* monotonic */
	size_t index; /* place in the heap + 1; 0 = not armed */
	void (*fn)(struct timer *self);
};

struct timerq {
	struct timer **heap;
	size_t count;
	size_t cap;
};

void timerq_init(struct timerq *q);
void timerq_fini(struct timerq *q); /* armed timers are forgotten, not run */

/* Arms or re-arms. fn is kept in the timer. */
void timerq_arm(struct timerq *q, struct timer *t, jd_usec due_mono, void (*fn)(struct timer *));
void timerq_cancel(struct timerq *q, struct timer *t); /* an unarmed one is fine */
static inline bool timer_armed(const struct timer *t)
{
	return t->index != 0;
}

/* UINT64_MAX when none. */
jd_usec timerq_next(const struct timerq *q);

/* Runs what is due at now, at most budget timers; returns how many ran. A timer
 * is disarmed before its fn is called and may arm itself again. */
size_t timerq_run(struct timerq *q, jd_usec now_mono, size_t budget);
