/* SPDX-License-Identifier: MIT
 *
 * Public timers: the loop's timers with an owner.
 */
#include "core/core.h"
#include "util/clock.h"

struct jd_timer {
	struct timer timer;
	struct pending pending;
	jd_timer_fn fn;
	void *arg;
};

static void on_due(struct timer *t)
{
	struct jd_timer *jt = container_of(t, struct jd_timer, timer);
	jd_timer_fn fn = jt->fn;
	void *arg = jt->arg;

	list_remove(&jt->pending.node);
	mem_free(jt);
	fn(arg);
}

static void on_cancel(struct pending *p)
{
	struct jd_timer *jt = container_of(p, struct jd_timer, pending);

	loop_timer_cancel(server.loop, &jt->timer);
	mem_free(jt);
}

struct jd_timer *jd_timer_start(struct jd_owner *owner, jd_usec after, jd_timer_fn fn, void *arg)
{
	struct jd_timer *jt = mem_new(struct jd_timer);

	jt->fn = fn;
	jt->arg = arg;
	jt->pending.cancel = on_cancel;
	jt->pending.code = (void (*)(void))fn;
	owner_add(owner, &jt->pending);
	loop_timer(server.loop, &jt->timer, after, on_due);
	return jt;
}

void jd_timer_stop(struct jd_timer **timer)
{
	struct jd_timer *jt = *timer;

	*timer = NULL;
	if (!jt)
		return;
	list_remove(&jt->pending.node);
	on_cancel(&jt->pending);
}

jd_usec jd_now(void)
{
	return clock_real();
}

jd_usec jd_now_mono(void)
{
	return clock_mono();
}
