/* SPDX-License-Identifier: MIT
 *
 * Rings: bounds and batches on one thread, a million entries between two, and
 * two loops that sleep whenever they can, one of them for want of space.
 */
#include "rt/ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

struct entry {
	uint64_t number;
	uint32_t check;
};

static struct entry entry_of(uint64_t i)
{
	return (struct entry){i, (uint32_t)(i * 2654435761u)};
}

static void test_bounds(void **state)
{
	struct ring *r = ring_new(4, sizeof(struct entry), NULL);
	struct entry e;
	uint64_t in = 0, out = 0;

	(void)state;
	assert_false(ring_pop(r, &e));
	assert_false(ring_pending(r));
	for (int round = 0; round < 10; round++) {
		assert_int_equal(ring_space(r), 4);
		for (int i = 0; i < 4; i++) {
			e = entry_of(in++);
			assert_true(ring_push(r, &e));
		}
		assert_false(ring_push(r, &e));
		assert_int_equal(ring_space(r), 0);
		/* Staged, not published: the consumer sees nothing. */
		assert_false(ring_pending(r));
		assert_false(ring_pop(r, &e));
		ring_publish(r);
		ring_publish(r);
		assert_true(ring_pending(r));
		for (int i = 0; i < 4; i++) {
			assert_true(ring_pop(r, &e));
			assert_true(e.number == out && e.check == entry_of(out).check);
			out++;
			assert_int_equal(ring_space(r), i + 1);
		}
		assert_false(ring_pop(r, &e));
	}
	ring_free(r);
	ring_free(NULL);
}

#define STRESS 1000000

static void *stress_producer(void *arg)
{
	struct ring *r = arg;
	struct entry e;

	for (uint64_t i = 0; i < STRESS; i++) {
		e = entry_of(i);
		while (!ring_push(r, &e)) {
			ring_publish(r);
			sched_yield();
		}
		if (i % 7 == 0)
			ring_publish(r);
	}
	ring_publish(r);
	return NULL;
}

static void test_stress(void **state)
{
	struct ring *r = ring_new(128, sizeof(struct entry), NULL);
	uint64_t next = 0, wrong = 0;
	pthread_t thread;
	struct entry e;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stress_producer, r), 0);
	while (next < STRESS) {
		if (!ring_pop(r, &e)) {
			sched_yield();
			continue;
		}
		wrong += e.number != next || e.check != entry_of(next).check;
		next++;
	}
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_false(ring_pending(r));
	ring_free(r);
}

/* Two loops: each end of a small ring is a source; whatever wake-up is lost hangs the test. */

#define PASSED 100000

struct end {
	struct source source;
	struct loop *loop;
	struct ring *ring;
	uint64_t next;
	uint64_t wrong;
	bool stalled;
};

static bool consume(struct source *s)
{
	struct end *end = container_of(s, struct end, source);
	struct entry e;

	for (int i = 0; i < 5; i++) {
		if (!ring_pop(end->ring, &e))
			return false;
		end->wrong += e.number != end->next++;
		if (end->next == PASSED)
			loop_stop(end->loop);
	}
	return ring_pending(end->ring);
}

static bool consume_pending(struct source *s)
{
	return ring_pending(container_of(s, struct end, source)->ring);
}

/* Fills the ring, then waits for space by ring_want_space() alone. */
static bool produce(struct source *s)
{
	struct end *end = container_of(s, struct end, source);
	struct entry e;

	if (end->stalled && ring_space(end->ring) == 0)
		return false;
	end->stalled = false;
	while (end->next < PASSED) {
		e = entry_of(end->next);
		if (!ring_push(end->ring, &e)) {
			end->stalled = true;
			ring_want_space(end->ring, loop_waker(end->loop));
			return false;
		}
		end->next++;
	}
	ring_publish(end->ring);
	loop_stop(end->loop);
	return false;
}

static bool never(struct source *s)
{
	(void)s;
	return false;
}

static void *producer_main(void *arg)
{
	struct end *end = arg;

	loop_run(end->loop);
	return NULL;
}

static void test_loops(void **state)
{
	struct end in = {.source = {.drain = produce, .pending = never}};
	struct end out = {.source = {.drain = consume, .pending = consume_pending}};
	pthread_t thread;

	(void)state;
	in.loop = loop_new("producer");
	out.loop = loop_new("consumer");
	in.ring = out.ring = ring_new(16, sizeof(struct entry), loop_waker(out.loop));
	loop_add_source(in.loop, &in.source);
	loop_add_source(out.loop, &out.source);
	assert_int_equal(pthread_create(&thread, NULL, producer_main, &in), 0);
	loop_run(out.loop);
	pthread_join(thread, NULL);
	assert_int_equal(out.next, PASSED);
	assert_int_equal(out.wrong, 0);
	ring_free(in.ring);
	loop_free(in.loop);
	loop_free(out.loop);
}

/* Both ends on one loop: never beneath the push, and no lost wake-up either. */
static void test_one_loop(void **state)
{
	struct end in = {.source = {.drain = produce, .pending = never}};
	struct end out = {.source = {.drain = consume, .pending = consume_pending}};

	(void)state;
	in.loop = out.loop = loop_new("both");
	in.ring = out.ring = ring_new(16, sizeof(struct entry), loop_waker(out.loop));
	loop_add_source(in.loop, &in.source);
	loop_add_source(in.loop, &out.source);
	/* The producer stops the loop too once it has no more. */
	while (out.next < PASSED)
		loop_run(in.loop);
	assert_int_equal(out.next, PASSED);
	assert_int_equal(out.wrong, 0);
	ring_free(in.ring);
	loop_free(in.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_stress),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_one_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
