/* SPDX-License-Identifier: MIT
 *
 * Waking a loop.  The loop announces its sleep, looks at its sources once more
 * and polls; a producer publishes and then looks at the announcement.  Both
 * sides write before they read, all four accesses in the one order that seq_cst
 * gives, so at least one of the two sees the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rt/loop_priv.h"

static void on_wake(struct watch *w, unsigned events)
{
	/* Being woken was all. Nobody reads the eventfd: its edge tells of each write, and
	 * what it counts would take centuries to fill. */
	(void)w;
	(void)events;
}

struct waker *waker_new(struct loop *loop)
{
	struct waker *waker = aligned_alloc(_Alignof(struct waker), sizeof(*waker));

	JD_ASSERT(waker);
	memset(waker, 0, sizeof(*waker));
	atomic_init(&waker->sleeping, false);
	atomic_init(&waker->kicked, false);
	waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	JD_ASSERT(waker->fd >= 0);
	watch_init_edge(&waker->watch, loop, waker->fd, on_wake);
	watch_set(&waker->watch, LOOP_READ);
	return waker;
}

void waker_free(struct waker *waker)
{
	watch_fini(&waker->watch);
	close(waker->fd);
	mem_free(waker);
}

bool waker_announce(struct waker *waker)
{
	atomic_store(&waker->sleeping, true);
	return !atomic_exchange(&waker->kicked, false);
}

void waker_awake(struct waker *waker)
{
	atomic_store(&waker->sleeping, false);
}

void waker_wake(struct waker *waker)
{
	const uint64_t one = 1;

	/* Of several producers the one that takes the announcement down makes the call. */
	if (!atomic_load(&waker->sleeping) || !atomic_exchange(&waker->sleeping, false))
		return;
	while (write(waker->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void waker_kick(struct waker *waker)
{
	atomic_store(&waker->kicked, true);
	waker_wake(waker);
}
