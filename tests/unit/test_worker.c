/* SPDX-License-Identifier: MIT
 *
 * The worker pool: each job is worked on once and comes back once, on the loop's
 * thread, never beneath the submit; the bound; what freeing the pool delivers.
 */
#include "rt/worker.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

#define JOBS 2000

struct square {
	struct worker_job job;
	struct worker_pool *pool;
	unsigned in, out, done;
};

static struct square squares[JOBS];
static struct loop *loop;
static unsigned submitted, finished;
static pthread_t home;

static void square_work(struct worker_job *job)
{
	struct square *s = container_of(job, struct square, job);

	ROLE_ASSERT(ROLE_WORKER);
	s->out = s->in * s->in;
}

static void submit_more(struct worker_pool *pool);

static void square_done(struct worker_job *job)
{
	struct square *s = container_of(job, struct square, job);

	assert_true(pthread_equal(pthread_self(), home));
	assert_int_equal(s->out, s->in * s->in);
	s->done++;
	finished++;
	submit_more(s->pool);
	if (finished == JOBS)
		loop_stop(loop);
}

/* As many as the pool takes. */
static void submit_more(struct worker_pool *pool)
{
	unsigned before = finished;

	while (submitted < JOBS) {
		struct square *s = &squares[submitted];

		*s = (struct square){.job = {.work = square_work, .done = square_done},
				     .pool = pool,
				     .in = submitted + 1};
		if (worker_submit(pool, &s->job) < 0)
			break;
		submitted++;
	}
	assert_int_equal(finished, before);
}

static void test_each_once(void **state)
{
	struct worker_pool *pool;

	(void)state;
	home = pthread_self();
	submitted = finished = 0;
	loop = loop_new("home");
	pool = worker_pool_new(loop, 3, 16);
	submit_more(pool);
	loop_run(loop);
	for (size_t i = 0; i < JOBS; i++)
		assert_int_equal(squares[i].done, 1);
	worker_pool_free(pool);
	worker_pool_free(NULL);
	loop_free(loop);
}

/* Jobs that wait until they are let go: what is in a pool is then known. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static unsigned at_gate;

static void gate_work(struct worker_job *job)
{
	(void)job;
	pthread_mutex_lock(&gate_lock);
	at_gate++;
	pthread_cond_broadcast(&gate_cond);
	while (!gate_open)
		pthread_cond_wait(&gate_cond, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

static void gate_done(struct worker_job *job)
{
	struct square *s = container_of(job, struct square, job);

	s->done++;
	/* The pool is going: it takes nothing any more. */
	assert_int_equal(worker_submit(s->pool, job), -JD_ECLOSED);
}

static void test_bound_and_free(void **state)
{
	struct worker_pool *pool;

	(void)state;
	loop = loop_new("home");
	pool = worker_pool_new(loop, 2, 3);
	for (size_t i = 0; i < 6; i++)
		squares[i] = (struct square){.job = {.work = gate_work, .done = gate_done},
					     .pool = pool};
	/* Two at work, three waiting, the sixth refused. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(worker_submit(pool, &squares[i].job), 0);
		pthread_mutex_lock(&gate_lock);
		while (at_gate <= i)
			pthread_cond_wait(&gate_cond, &gate_lock);
		pthread_mutex_unlock(&gate_lock);
	}
	for (size_t i = 2; i < 5; i++)
		assert_int_equal(worker_submit(pool, &squares[i].job), 0);
	assert_int_equal(worker_submit(pool, &squares[5].job), -JD_ELIMIT);
	pthread_mutex_lock(&gate_lock);
	gate_open = true;
	pthread_cond_broadcast(&gate_cond);
	pthread_mutex_unlock(&gate_lock);
	worker_pool_free(pool);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(squares[i].done, i < 5);
	assert_int_equal(at_gate, 5);
	loop_free(loop);
}

static void test_roles(void **state)
{
	(void)state;
	assert_false(role_is(ROLE_LOGIC));
	role_take(ROLE_LOGIC | ROLE_IO);
	assert_true(role_is(ROLE_LOGIC) && role_is(ROLE_IO));
	assert_false(role_is(ROLE_WORKER));
	ROLE_ASSERT(ROLE_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_bound_and_free),
		cmocka_unit_test(test_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
