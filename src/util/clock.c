/* SPDX-License-Identifier: MIT
 *
 * The clocks, real or held by a test.  The held values are atomics only so that
 * a test with threads is not a data race in itself.
 */
#include "util/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic bool fake;
static _Atomic jd_usec fake_mono, fake_real;

static jd_usec ask(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (jd_usec)ts.tv_sec * JD_USEC_PER_SEC + (jd_usec)ts.tv_nsec / 1000;
}

jd_usec clock_mono(void)
{
	if (atomic_load_explicit(&fake, memory_order_relaxed))
		return atomic_load_explicit(&fake_mono, memory_order_relaxed);
	return ask(CLOCK_MONOTONIC);
}

jd_usec clock_real(void)
{
	if (atomic_load_explicit(&fake, memory_order_relaxed))
		return atomic_load_explicit(&fake_real, memory_order_relaxed);
	return ask(CLOCK_REALTIME);
}

void clock_fake(jd_usec mono, jd_usec real)
{
	atomic_store(&fake_mono, mono);
	atomic_store(&fake_real, real);
	atomic_store(&fake, true);
}

void clock_fake_advance(jd_usec by)
{
	atomic_fetch_add(&fake_mono, by);
	atomic_fetch_add(&fake_real, by);
}

void clock_fake_stop(void)
{
	atomic_store(&fake, false);
}
