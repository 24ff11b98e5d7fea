/* SPDX-License-Identifier: MIT
 *
 * Starting and stopping the I/O threads, and logic's end of their rings.
 *
 * Rings and loops are made before the threads, by the logic thread; what only an
 * I/O thread touches, it sets up itself.  With zero threads the one struct
 * io_thread is set up on the logic thread and lives on its loop.
 */
#include <signal.h>
#include <stdio.h>

#include "net/conn_priv.h"
#include "net/listener_priv.h"
#include "util/log.h"

#define DEFAULT_RING 8192
#define RING_MAX     ((size_t)1 << 24)
#define CALLS_MAX    64 /* io_each() calls in the doorbell rings */
#define MSGS_A_TURN  256
#define CONN_CHUNK   ((size_t)64 << 10)
#define TRIM_EVERY   (10 * JD_USEC_PER_SEC)

static _Thread_local struct io_thread *current;

/* -- an I/O thread -------------------------------------------------------------------- */

struct io_thread *io_current(void)
{
	return current;
}

struct loop *io_loop(struct io_thread *t)
{
	return t->loop;
}

void io_set_user(struct io_thread *t, void *user)
{
	t->user = user;
}

void io_conn_stats(struct io_thread *t, struct slab_stats *sum)
{
	slab_stats_add(t->conns, sum);
}

void *io_user(struct io_thread *t)
{
	return t->user;
}

/* On the thread itself. */
static void thread_init(struct io_thread *t)
{
	role_take(ROLE_IO);
	current = t;
	t->conns = slab_new("connections", sizeof(struct conn), CONN_CHUNK);
	t->read_scratch = mem_alloc_raw(IO_READ_SCRATCH);
	t->write_scratch = mem_alloc_raw(IO_WRITE_SCRATCH);
	t->notices_end = &t->notices;
	list_init(&t->dirty);
	list_init(&t->starved);
	list_init(&t->strangers);
	list_init(&t->listening);
	for (size_t i = 0; i < IO_WHEEL; i++)
		list_init(&t->wheel[i]);
	t->source.drain = io_source_drain;
	t->source.pending = io_source_pending;
	loop_add_source(t->loop, &t->source);
}

static void thread_fini(struct io_thread *t)
{
	loop_remove_source(&t->source);
	defer_cancel(&t->flush);
	defer_cancel(&t->publish);
	loop_timer_cancel(t->loop, &t->tick);
	for (size_t i = 0; i < t->n_chunks; i++)
		mem_free(t->chunks[i]);
	mem_free(t->chunks);
	slab_free(t->conns);
	mem_free(t->read_scratch);
	mem_free(t->write_scratch);
	current = NULL;
}

static void *thread_main(void *arg)
{
	struct io_thread *t = arg;
	char name[16];

	snprintf(name, sizeof(name), "io-%u", t->index);
	log_thread_name(name);
	thread_init(t);
	loop_run(t->loop);
	thread_fini(t);
	/* seq_cst: the waker's protocol. */
	atomic_store(&t->finished, true);
	waker_wake(loop_waker(t->io->logic));
	return NULL;
}

void io_check_finished(struct io_thread *t)
{
	if (!t->stopping || t->live || t->in_use || t->notices)
		return;
	if (t->io->threaded)
		loop_stop(t->loop);
	else
		atomic_store(&t->finished, true);
}

static void stop_thread(struct io_thread *t, void *arg)
{
	(void)arg;
	t->stopping = true;
	listener_stop_all(t);
	conn_shutdown_all(t);
	io_check_finished(t);
}

/* -- io_each() ------------------------------------------------------------------------- */

static void call_start(struct io *io, struct io_call *call)
{
	io->calls++;
	for (unsigned i = 0; i < io->n_threads; i++)
		JD_ASSERT(link_push_door(&io->threads[i], &(struct doorbell){.call = call}));
}

void io_each(struct io *io, void (*fn)(struct io_thread *t, void *arg), void *arg,
	     void (*done)(void *arg))
{
	struct io_call *call = mem_new(struct io_call);

	ROLE_ASSERT(ROLE_LOGIC);
	*call = (struct io_call){.io = io, .fn = fn, .arg = arg, .done = done};
	atomic_init(&call->left, io->n_threads);
	if (io->calls < CALLS_MAX && !io->waiting) {
		call_start(io, call);
		return;
	}
	*io->waiting_end = call;
	io->waiting_end = &call->next;
}

static void call_start_waiting(struct io *io)
{
	while (io->waiting && io->calls < CALLS_MAX) {
		struct io_call *call = io->waiting;

		io->waiting = call->next;
		if (!io->waiting)
			io->waiting_end = &io->waiting;
		call_start(io, call);
	}
}

/* The chain is the newest first; done() is called in the order of finishing. */
static void finish_calls(struct io *io)
{
	struct io_call *chain = atomic_exchange(&io->finished, NULL), *first = NULL, *next;

	for (; chain; chain = next) {
		next = chain->next;
		chain->next = first;
		first = chain;
	}
	for (; first; first = next) {
		next = first->next;
		io->calls--;
		if (first->done)
			first->done(first->arg);
		mem_free(first);
	}
	call_start_waiting(io);
}

/* -- logic's source ----------------------------------------------------------------------- */

static void drain_thread(struct io *io, struct io_thread *t)
{
	struct io_msg msg;

	for (unsigned n = 0; n < MSGS_A_TURN && ring_pop(t->inward, &msg); n++)
		io->receive(&msg, io->arg);
}

static bool drain_threads(struct io *io)
{
	unsigned first = io->turn++ % io->n_threads;
	bool more = false;

	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[(first + i) % io->n_threads];

		drain_thread(io, t);
		more |= ring_pending(t->inward);
	}
	return more;
}

static void join_finished(struct io *io)
{
	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[i];

		if (t->joined || !atomic_load(&t->finished))
			continue;
		if (io->threaded)
			pthread_join(t->thread, NULL);
		t->joined = true;
	}
}

static bool all_done(const struct io *io)
{
	for (unsigned i = 0; i < io->n_threads; i++)
		if (!io->threads[i].joined)
			return false;
	return io->calls == 0;
}

static bool logic_drain(struct source *s)
{
	struct io *io = container_of(s, struct io, source);
	bool more = drain_threads(io);
	jd_usec now = loop_now(io->logic);

	if (atomic_load_explicit(&io->finished, memory_order_relaxed))
		finish_calls(io);
	if (io->stopping)
		join_finished(io);
	if (now - io->trimmed >= TRIM_EVERY) {
		io->trimmed = now;
		link_trim();
	}
	/* io_stop() turns the loop until it is all done: that turn must not sleep. */
	return more || (io->stopping && all_done(io));
}

static bool logic_pending(struct source *s)
{
	struct io *io = container_of(s, struct io, source);

	if (atomic_load(&io->finished))
		return true;
	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[i];

		if (ring_pending(t->inward) || (!t->joined && atomic_load(&t->finished)))
			return true;
	}
	return false;
}

/* -- start and stop -------------------------------------------------------------------------- */

/* libssl writes with write(2), which would kill us when the peer has gone. */
static void ignore_sigpipe(void)
{
	struct sigaction sa;

	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static size_t power_of_two(size_t n)
{
	size_t p = 1;

	JD_ASSERT(n <= RING_MAX);
	while (p < n)
		p *= 2;
	return p;
}

static void thread_new(struct io *io, struct io_thread *t, size_t ring_size)
{
	t->io = io;
	t->index = (unsigned)(t - io->threads);
	t->loop = io->threaded ? loop_new("io") : io->logic;
	t->inward = ring_new(power_of_two(ring_size), sizeof(struct io_msg), loop_waker(io->logic));
	t->doors = ring_new(power_of_two(io->max_links + CALLS_MAX), sizeof(struct doorbell),
			    loop_waker(t->loop));
}

static void threads_start(struct io *io)
{
	if (!io->threaded) {
		thread_init(&io->threads[0]);
		return;
	}
	for (unsigned i = 0; i < io->n_threads; i++)
		JD_ASSERT(pthread_create(&io->threads[i].thread, NULL, thread_main,
					 &io->threads[i]) == 0);
}

struct io *io_start(const struct io_settings *settings, struct loop *logic, io_receive_fn receive,
		    void *arg)
{
	struct io *io = aligned_alloc(_Alignof(struct io), sizeof(*io));
	unsigned n = settings->threads ? settings->threads : 1;

	ROLE_ASSERT(ROLE_LOGIC);
	JD_ASSERT(io && settings->max_links > 0);
	ignore_sigpipe();
	memset(io, 0, sizeof(*io));
	io->logic = logic;
	io->max_links = settings->max_links;
	io->max_strangers = settings->max_strangers;
	io->threaded = settings->threads > 0;
	io->n_threads = n;
	io->receive = receive;
	io->arg = arg;
	io->waiting_end = &io->waiting;
	io->trimmed = loop_now(logic);
	io->threads = aligned_alloc(_Alignof(struct io_thread), n * sizeof(struct io_thread));
	JD_ASSERT(io->threads);
	memset(io->threads, 0, n * sizeof(struct io_thread));
	for (unsigned i = 0; i < n; i++)
		thread_new(io, &io->threads[i],
			   settings->ring_size ? settings->ring_size : DEFAULT_RING);
	io->source.drain = logic_drain;
	io->source.pending = logic_pending;
	loop_add_source(logic, &io->source);
	threads_start(io);
	return io;
}

void io_stop(struct io *io)
{
	if (!io)
		return;
	ROLE_ASSERT(ROLE_LOGIC);
	io->stopping = true;
	io_each(io, stop_thread, NULL, NULL);
	while (!all_done(io))
		loop_turn(io->logic, true);
	if (!io->threaded)
		thread_fini(&io->threads[0]);
	loop_remove_source(&io->source);
	link_flush_doorbells();
	defer_cancel(&io->doorbells);
	for (unsigned i = 0; i < io->n_threads; i++) {
		ring_free(io->threads[i].inward);
		ring_free(io->threads[i].doors);
		if (io->threaded)
			loop_free(io->threads[i].loop);
	}
	link_fini_slabs();
	mem_free(io->threads);
	mem_free(io);
}

unsigned io_count(const struct io *io)
{
	return io->n_threads;
}

struct io_thread *io_thread_at(struct io *io, unsigned i)
{
	JD_ASSERT(i < io->n_threads);
	return &io->threads[i];
}

void io_stats(struct io *io, struct io_stats *ret_stats)
{
	struct io_stats sum = {0};

	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_counters *c = &io->threads[i].counters;

		sum.links += atomic_load_explicit(&c->links, memory_order_relaxed);
		sum.accepted += atomic_load_explicit(&c->accepted, memory_order_relaxed);
		sum.bytes_in += atomic_load_explicit(&c->bytes_in, memory_order_relaxed);
		sum.bytes_out += atomic_load_explicit(&c->bytes_out, memory_order_relaxed);
		sum.reads += atomic_load_explicit(&c->reads, memory_order_relaxed);
		sum.writes += atomic_load_explicit(&c->writes, memory_order_relaxed);
	}
	*ret_stats = sum;
}
