/* SPDX-License-Identifier: MIT
 *
 * The two clocks.  Everything in Jackdaw that wants the time asks here, so that
 * tests can hold and turn it.  Any thread.
 */
#pragma once

#include <jackdaw/types.h>

jd_usec clock_mono(void); /* monotonic: for intervals and deadlines */
jd_usec clock_real(void); /* since the Unix epoch: for stamps */

/* Tests: from now on both clocks stand at these values until turned again.
 * clock_fake_stop() goes back to the real ones. Not thread-safe against readers
 * in other threads: set it before threads start, or in single-threaded tests. */
void clock_fake(jd_usec mono, jd_usec real);
void clock_fake_advance(jd_usec by);
void clock_fake_stop(void);
