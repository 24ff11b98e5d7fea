/* SPDX-License-Identifier: MIT
 *
 * The loop: the order of a turn, what may be removed while it runs, fds, timers
 * by a held clock, signals, and being woken by another thread.
 */
#include "rt/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"

/* What ran, a letter each. */
static char trail[256];
static struct loop *loop;

static void mark(char c)
{
	size_t n = strlen(trail);

	assert_true(n + 1 < sizeof(trail));
	trail[n] = c;
	trail[n + 1] = '\0';
}

static void turn_gives(const char *want)
{
	trail[0] = '\0';
	loop_turn(loop, false);
	assert_string_equal(trail, want);
}

static int setup(void **state)
{
	(void)state;
	trail[0] = '\0';
	loop = loop_new("test");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	clock_fake_stop();
	return 0;
}

/* -- order --------------------------------------------------------------------- */

static struct defer defer_a, defer_b;
static struct timer timer_a, timer_b;
static int source_items;

static void on_defer_a(struct defer *d)
{
	(void)d;
	mark('a');
}

static void on_defer_again(struct defer *d)
{
	mark('r');
	loop_defer(loop, d, on_defer_again);
}

static void on_timer(struct timer *t)
{
	(void)t;
	mark('t');
	loop_defer(loop, &defer_a, on_defer_a);
	loop_defer(loop, &defer_a, on_defer_a); /* twice is once */
}

static bool source_drain(struct source *s)
{
	(void)s;
	mark('s');
	if (source_items > 0)
		source_items--;
	return source_items > 0;
}

static bool source_pending(struct source *s)
{
	(void)s;
	return source_items > 0;
}

static void on_read(struct watch *w, unsigned events)
{
	char c;

	assert_int_equal(events, LOOP_READ);
	assert_int_equal(read(w->fd, &c, 1), 1);
	mark(c);
}

static void test_order(void **state)
{
	struct source source = {.drain = source_drain, .pending = source_pending};
	struct watch w;
	int fd[2];

	(void)state;
	memset(&defer_a, 0, sizeof(defer_a));
	assert_int_equal(pipe(fd), 0);
	watch_init(&w, loop, fd[0], on_read);
	watch_set(&w, LOOP_READ);
	loop_add_source(loop, &source);
	assert_int_equal(write(fd[1], "xy", 2), 2);
	loop_timer(loop, &timer_a, 0, on_timer);
	turn_gives("tsax");
	turn_gives("sy");
	turn_gives("s");
	watch_fini(&w);
	watch_fini(&w);
	assert_int_equal(write(fd[1], "z", 1), 1);
	turn_gives("s");
	loop_remove_source(&source);
	turn_gives("");
	close(fd[0]);
	close(fd[1]);
}

/* A call that defers itself runs once a turn, and the loop does not sleep meanwhile. */
static void test_defer_again(void **state)
{
	(void)state;
	memset(&defer_a, 0, sizeof(defer_a));
	memset(&defer_b, 0, sizeof(defer_b));
	loop_defer(loop, &defer_b, on_defer_again);
	loop_defer(loop, &defer_a, on_defer_a);
	turn_gives("ra");
	turn_gives("r");
	trail[0] = '\0';
	loop_turn(loop, true);
	assert_string_equal(trail, "r");
	defer_cancel(&defer_b);
	defer_cancel(&defer_b);
	turn_gives("");
}

static void on_defer_cancels(struct defer *d)
{
	(void)d;
	mark('c');
	defer_cancel(&defer_b);
}

static void test_defer_cancel(void **state)
{
	(void)state;
	memset(&defer_a, 0, sizeof(defer_a));
	memset(&defer_b, 0, sizeof(defer_b));
	loop_defer(loop, &defer_a, on_defer_cancels);
	loop_defer(loop, &defer_b, on_defer_a);
	turn_gives("c");
	turn_gives("");
}

/* -- sources ----------------------------------------------------------------------- */

static struct source first, second, third;

static bool drain_swaps(struct source *s)
{
	mark('1');
	loop_remove_source(s);
	loop_remove_source(&second);
	loop_add_source(loop, &third);
	return false;
}

static bool drain_marks(struct source *s)
{
	mark(s == &second ? '2' : '3');
	return false;
}

static void test_source_removal(void **state)
{
	(void)state;
	first = (struct source){.drain = drain_swaps, .pending = source_pending};
	second = (struct source){.drain = drain_marks, .pending = source_pending};
	third = second;
	source_items = 0;
	loop_add_source(loop, &first);
	loop_add_source(loop, &second);
	turn_gives("1");
	turn_gives("3");
	loop_remove_source(&third);
}

/* -- descriptors ---------------------------------------------------------------------- */

static unsigned seen;

static void on_both(struct watch *w, unsigned events)
{
	(void)w;
	seen |= events;
}

static void on_end(struct watch *w, unsigned events)
{
	(void)events;
	mark('e');
	watch_fini(w);
}

static void test_interest(void **state)
{
	static const struct {
		unsigned interest, seen;
	} steps[] = {
		{LOOP_WRITE, LOOP_WRITE},
		{LOOP_READ, LOOP_READ},
		{LOOP_READ | LOOP_WRITE, LOOP_READ | LOOP_WRITE},
		{0, 0},
		{LOOP_READ | LOOP_WRITE, LOOP_READ | LOOP_WRITE},
		{LOOP_READ, LOOP_READ},
		{LOOP_READ, LOOP_READ},
	};
	struct watch w;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(write(fd[1], "x", 1), 1);
	watch_init(&w, loop, fd[0], on_both);
	for (size_t i = 0; i < JD_ARRAY_SIZE(steps); i++) {
		watch_set(&w, steps[i].interest);
		seen = 0;
		loop_turn(loop, false);
		assert_int_equal(seen, steps[i].seen);
	}
	watch_fini(&w);
	/* Readable and writable, and ended by the first of the two calls. */
	watch_init(&w, loop, fd[0], on_end);
	watch_set(&w, LOOP_READ | LOOP_WRITE);
	turn_gives("e");
	close(fd[0]);
	/* The same number again is another descriptor. */
	assert_int_equal(dup2(fd[1], fd[0]), fd[0]);
	watch_init(&w, loop, fd[0], on_both);
	watch_set(&w, LOOP_WRITE);
	seen = 0;
	loop_turn(loop, true);
	assert_true(seen & LOOP_WRITE);
	watch_fini(&w);
	close(fd[0]);
	close(fd[1]);
}

/* -- timers --------------------------------------------------------------------------- */

static void on_stop(struct timer *t)
{
	(void)t;
	mark('!');
	loop_stop(loop);
}

static void test_held_clock(void **state)
{
	(void)state;
	clock_fake(1000, 1000);
	memset(&defer_a, 0, sizeof(defer_a));
	loop_timer(loop, &timer_a, 500, on_timer);
	loop_timer(loop, &timer_b, 600, on_stop);
	turn_gives("");
	assert_int_equal(loop_now(loop), 1000);
	clock_fake_advance(499);
	turn_gives("");
	clock_fake_advance(1);
	turn_gives("ta");
	assert_int_equal(loop_now(loop), 1500);
	loop_timer_cancel(loop, &timer_b);
	clock_fake_advance(1000);
	turn_gives("");
	loop_timer(loop, &timer_b, UINT64_MAX, on_stop);
	turn_gives("");
	loop_timer_cancel(loop, &timer_b);
}

/* With the real clock: loop_run() sleeps until the timer and not less. */
static void test_sleep(void **state)
{
	jd_usec begin = clock_mono();

	(void)state;
	trail[0] = '\0';
	loop_timer(loop, &timer_a, 20000, on_stop);
	loop_run(loop);
	assert_string_equal(trail, "!");
	assert_true(clock_mono() - begin >= 20000);
}

static jd_usec now_at_event;

static void on_late_read(struct watch *w, unsigned events)
{
	on_read(w, events);
	now_at_event = loop_now(loop);
	loop_stop(loop);
}

static void on_write_late(struct timer *t)
{
	(void)t;
	mark('!');
}

static void *write_when_asleep(void *arg)
{
	/* The loop's clock is held; only a poll that has ended can see the new time. */
	clock_fake_advance(777);
	if (write(*(int *)arg, "w", 1) != 1)
		mark('?');
	return NULL;
}

/* What an fd's event finds is the time after the poll. */
static void test_now_after_poll(void **state)
{
	pthread_t thread;
	struct watch w;
	int fd[2];

	(void)state;
	clock_fake(1000, 1000);
	assert_int_equal(pipe(fd), 0);
	watch_init(&w, loop, fd[0], on_late_read);
	watch_set(&w, LOOP_READ);
	loop_timer(loop, &timer_a, 3600 * JD_USEC_PER_SEC, on_write_late);
	assert_int_equal(pthread_create(&thread, NULL, write_when_asleep, &fd[1]), 0);
	trail[0] = '\0';
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_string_equal(trail, "w");
	assert_int_equal(now_at_event, 1777);
	loop_timer_cancel(loop, &timer_a);
	watch_fini(&w);
	close(fd[0]);
	close(fd[1]);
}

/* -- signals ----------------------------------------------------------------------------- */

static void on_signal(int signo, void *arg)
{
	assert_ptr_equal(arg, &seen);
	mark(signo == SIGUSR1 ? 'u' : signo == SIGHUP ? 'h' : '?');
}

static void test_signals(void **state)
{
	(void)state;
	loop_block_signals();
	loop_on_signal(loop, SIGUSR1, on_signal, &seen);
	loop_on_signal(loop, SIGHUP, on_signal, &seen);
	trail[0] = '\0';
	kill(getpid(), SIGUSR1);
	loop_turn(loop, true);
	kill(getpid(), SIGHUP);
	loop_turn(loop, true);
	assert_string_equal(trail, "uh");
	turn_gives("");
}

/* -- waking ------------------------------------------------------------------------------- */

static _Atomic int offered;
static int taken;

#define OFFERED 20000

static bool take_drain(struct source *s)
{
	(void)s;
	taken += atomic_exchange(&offered, 0);
	if (taken == OFFERED)
		loop_stop(loop);
	return false;
}

static bool take_pending(struct source *s)
{
	(void)s;
	return atomic_load(&offered) > 0;
}

static void *offer(void *arg)
{
	struct waker *waker = arg;

	for (int i = 0; i < OFFERED; i++) {
		atomic_fetch_add(&offered, 1);
		waker_wake(waker);
		/* Let it fall asleep often. */
		while (i % 4 == 0 && atomic_load(&offered) > 0)
			sched_yield();
	}
	return NULL;
}

/* A lost wake-up would hang here. */
static void test_wake(void **state)
{
	struct source source = {.drain = take_drain, .pending = take_pending};
	pthread_t thread;

	(void)state;
	taken = 0;
	loop_add_source(loop, &source);
	assert_int_equal(pthread_create(&thread, NULL, offer, loop_waker(loop)), 0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(taken, OFFERED);
	loop_remove_source(&source);
}

/* A kick that comes while the loop is awake: it would sleep for ever, but turns once more. */
static void test_kick(void **state)
{
	struct source source = {.drain = source_drain, .pending = source_pending};

	(void)state;
	source_items = 0;
	loop_add_source(loop, &source);
	waker_kick(loop_waker(loop));
	trail[0] = '\0';
	loop_turn(loop, true);
	assert_string_equal(trail, "s");
	/* Something is pending though drain() did not say so: no sleep either. */
	source_items = 2;
	source.drain = drain_marks;
	loop_turn(loop, true);
	loop_remove_source(&source);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_order),          TEST(test_defer_again),    TEST(test_defer_cancel),
		TEST(test_source_removal), TEST(test_interest),       TEST(test_held_clock),
		TEST(test_sleep),          TEST(test_now_after_poll), TEST(test_signals),
		TEST(test_wake),           TEST(test_kick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
