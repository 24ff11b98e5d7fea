/* SPDX-License-Identifier: MIT
 *
 * The timer heap against a plain array: random arming, re-arming, cancelling.
 */
#include "util/timerq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "util/mem.h"

#define TIMERS 300

struct probe {
	struct timer timer;
	bool armed;
	unsigned ran;
};

static struct probe probes[TIMERS];
static struct timerq queue;
static jd_usec now, last_due;

static void on_due(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	assert_true(p->armed);
	assert_false(timer_armed(t));
	assert_true(t->due <= now && t->due >= last_due);
	last_due = t->due;
	p->armed = false;
	p->ran++;
}

static unsigned dice(unsigned n)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % n;
}

static jd_usec earliest(void)
{
	jd_usec due = UINT64_MAX;

	for (size_t i = 0; i < TIMERS; i++) {
		assert_int_equal(timer_armed(&probes[i].timer), probes[i].armed);
		if (probes[i].armed && probes[i].timer.due < due)
			due = probes[i].timer.due;
	}
	return due;
}

static void test_random(void **state)
{
	(void)state;
	memset(probes, 0, sizeof(probes));
	timerq_init(&queue);
	now = 0;
	for (int step = 0; step < 20000; step++) {
		struct probe *p = &probes[dice(TIMERS)];
		unsigned what = dice(10);

		if (what < 6) {
			timerq_arm(&queue, &p->timer, now + dice(1000), on_due);
			p->armed = true;
		} else if (what < 8) {
			timerq_cancel(&queue, &p->timer);
			p->armed = false;
		} else {
			now += dice(100);
			last_due = 0;
			while (timerq_run(&queue, now, 3) > 0)
				;
			assert_true(timerq_next(&queue) > now);
		}
		assert_int_equal(timerq_next(&queue), earliest());
	}
	now = UINT64_MAX - 1;
	last_due = 0;
	timerq_run(&queue, now, SIZE_MAX);
	assert_int_equal(earliest(), UINT64_MAX);
	assert_int_equal(timerq_next(&queue), UINT64_MAX);
	timerq_fini(&queue);
}

static void again(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	p->ran++;
	timerq_arm(&queue, t, t->due, again);
}

static void cancel_other(struct timer *t)
{
	(void)t;
	timerq_cancel(&queue, &probes[1].timer);
}

static void test_budget(void **state)
{
	(void)state;
	memset(probes, 0, sizeof(probes));
	timerq_init(&queue);
	/* Arming itself for the past runs once per call. */
	timerq_arm(&queue, &probes[0].timer, 5, again);
	assert_int_equal(timerq_run(&queue, 4, 10), 0);
	assert_int_equal(timerq_run(&queue, 5, 10), 1);
	assert_int_equal(probes[0].ran, 1);
	assert_int_equal(timerq_run(&queue, 5, 0), 0);
	/* One that is cancelled by the one before it does not run. */
	timerq_arm(&queue, &probes[0].timer, 6, cancel_other);
	timerq_arm(&queue, &probes[1].timer, 7, on_due);
	assert_int_equal(timerq_run(&queue, 10, 10), 1);
	assert_int_equal(probes[1].ran, 0);
	timerq_cancel(&queue, &probes[2].timer);
	/* Armed while the queue goes: forgotten, and cancelling it later is fine. */
	timerq_arm(&queue, &probes[0].timer, 6, again);
	timerq_fini(&queue);
	timerq_cancel(&queue, &probes[0].timer);
	assert_false(timer_armed(&probes[0].timer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
