/* SPDX-License-Identifier: MIT
 *
 * The worker pool.  One mutex guards both lists, the waiting jobs and the
 * finished ones: a job costs milliseconds, so nobody meets at the lock.  The
 * finished list is a source of the home loop, which calls done() in its turn.
 */
#include "rt/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "util/log.h"

#define DONE_PER_TURN 64

struct worker_pool {
	struct source source;
	struct loop *home;
	struct waker *waker;
	pthread_t *threads;
	unsigned count;
	size_t max_jobs;

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list waiting;
	size_t waiting_count;
	struct list finished;
	bool stopping;
};

struct worker_start {
	struct worker_pool *pool;
	unsigned number;
};

/* The next job; NULL when the pool stops and nothing waits any more. */
static struct worker_job *job_take(struct worker_pool *pool)
{
	struct worker_job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	while (list_empty(&pool->waiting) && !pool->stopping)
		pthread_cond_wait(&pool->work, &pool->lock);
	if (!list_empty(&pool->waiting)) {
		job = container_of(pool->waiting.next, struct worker_job, node);
		list_remove(&job->node);
		pool->waiting_count--;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void job_finish(struct worker_pool *pool, struct worker_job *job)
{
	pthread_mutex_lock(&pool->lock);
	list_append(&pool->finished, &job->node);
	pthread_mutex_unlock(&pool->lock);
	waker_wake(pool->waker);
}

static void *worker_main(void *arg)
{
	struct worker_start *start = arg;
	struct worker_pool *pool = start->pool;
	struct worker_job *job;
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", start->number);
	mem_free(start);
	log_thread_name(name);
	role_take(ROLE_WORKER);
	while ((job = job_take(pool))) {
		job->work(job);
		job_finish(pool, job);
	}
	return NULL;
}

static struct worker_job *finished_take(struct worker_pool *pool)
{
	struct worker_job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	if (!list_empty(&pool->finished)) {
		job = container_of(pool->finished.next, struct worker_job, node);
		list_remove(&job->node);
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static bool finished_pending(struct source *source)
{
	struct worker_pool *pool = container_of(source, struct worker_pool, source);
	bool any;

	pthread_mutex_lock(&pool->lock);
	any = !list_empty(&pool->finished);
	pthread_mutex_unlock(&pool->lock);
	return any;
}

static bool finished_drain(struct source *source)
{
	struct worker_pool *pool = container_of(source, struct worker_pool, source);
	struct worker_job *job;

	for (int i = 0; i < DONE_PER_TURN; i++) {
		job = finished_take(pool);
		if (!job)
			return false;
		job->done(job);
	}
	return finished_pending(source);
}

static void thread_start(struct worker_pool *pool, unsigned i)
{
	struct worker_start *start = mem_new(struct worker_start);

	start->pool = pool;
	start->number = i + 1;
	JD_ASSERT(pthread_create(&pool->threads[i], NULL, worker_main, start) == 0);
}

struct worker_pool *worker_pool_new(struct loop *home, unsigned threads, size_t max_jobs)
{
	struct worker_pool *pool = mem_new(struct worker_pool);
	sigset_t all, before;

	JD_ASSERT(threads >= 1);
	pool->home = home;
	pool->waker = loop_waker(home);
	pool->threads = mem_alloc(threads * sizeof(pthread_t));
	pool->count = threads;
	pool->max_jobs = max_jobs;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	list_init(&pool->waiting);
	list_init(&pool->finished);
	pool->source.drain = finished_drain;
	pool->source.pending = finished_pending;
	loop_add_source(home, &pool->source);

	/* A new thread inherits the mask: no signal ever picks a worker. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < threads; i++)
		thread_start(pool, i);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pool;
}

void worker_pool_free(struct worker_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
	while (finished_drain(&pool->source))
		;
	loop_remove_source(&pool->source);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool->threads);
	mem_free(pool);
}

int worker_submit(struct worker_pool *pool, struct worker_job *job)
{
	int r = 0;

	pthread_mutex_lock(&pool->lock);
	if (pool->stopping) {
		r = -JD_ECLOSED;
	} else if (pool->waiting_count >= pool->max_jobs) {
		r = -JD_ELIMIT;
	} else {
		list_append(&pool->waiting, &job->node);
		pool->waiting_count++;
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
	return r;
}
