/* SPDX-License-Identifier: MIT
 *
 * What the streams of one I/O thread share: memory for parsers and stanzas, the
 * settings, and two lists that save a timer and a deferred call per connection.
 *
 * The logic thread makes the pools and frees them when the I/O threads have
 * ended and every stanza is back, since a stanza may outlive its connection and
 * its thread.  In between they belong to their thread, which gets them, and
 * each new settings, by io_each().
 */
#include "stream/c2s_priv.h"

#define FLUSH_AFTER (5 * JD_USEC_PER_MSEC)
#define TRIM_EVERY  (2 * JD_USEC_PER_SEC)
/* How often it is looked whether a stream may go on that was too fast. */
#define SLOW_EVERY (100 * JD_USEC_PER_MSEC)

/* All threads of one struct io; logic thread. */
struct stream_io {
	struct list node;
	const struct io *io; /* never looked into once it has stopped */
	unsigned count;
	struct stream_thread threads[];
};

static struct list all = LIST_INIT(all);

static struct stream_io *find(const struct io *io)
{
	for (struct list *n = all.next; n != &all; n = n->next) {
		struct stream_io *sio = container_of(n, struct stream_io, node);

		if (sio->io == io)
			return sio;
	}
	return NULL;
}

static struct stream_io *make(struct io *io)
{
	unsigned count = io_count(io);
	struct stream_io *sio = mem_alloc(sizeof(*sio) + count * sizeof(sio->threads[0]));

	sio->io = io;
	sio->count = count;
	for (unsigned i = 0; i < count; i++) {
		struct stream_thread *t = &sio->threads[i];

		t->io = io_thread_at(io, i);
		t->wires = wire_pool_new();
		t->scans = scan_pool_new(t->wires);
		list_init(&t->flush);
		list_init(&t->turn);
		list_init(&t->slow);
	}
	list_append(&all, &sio->node);
	return sio;
}

/* -- settings ------------------------------------------------------------------------ */

struct change {
	struct stream_io *sio;
	struct stream_settings *settings;
};

static void apply(struct io_thread *io, void *arg)
{
	struct change *change = arg;
	struct stream_thread *t = io_user(io);

	for (unsigned i = 0; !t; i++) {
		JD_ASSERT(i < change->sio->count);
		if (change->sio->threads[i].io == io)
			t = &change->sio->threads[i];
	}
	t->loop = io_loop(io);
	shared_ref(&change->settings->shared);
	if (t->settings)
		shared_unref(&t->settings->shared);
	t->settings = change->settings;
	io_set_user(io, t);
}

static void applied(void *arg)
{
	struct change *change = arg;

	shared_unref(&change->settings->shared);
	mem_free(change);
}

void stream_configure(struct io *io, struct stream_settings *settings)
{
	struct stream_io *sio = find(io);
	struct change *change = mem_new(struct change);

	ROLE_ASSERT(ROLE_LOGIC);
	shared_ref(&settings->shared);
	*change = (struct change){sio ? sio : make(io), settings};
	io_each(io, apply, change, applied);
}

/* -- memory -------------------------------------------------------------------------- */

struct asked {
	void (*fn)(void *arg, const struct stream_memory *memory);
	void *arg;
	struct io *io;
	unsigned count;
	struct stream_memory parts[]; /* one a thread */
};

static void look(struct io_thread *io, void *arg)
{
	struct asked *a = arg;
	const struct stream_thread *t = io_user(io);
	struct scan_pool_stats scans;
	struct stream_memory *m = a->parts;

	/* Each has its own part: they look at the same time. */
	for (unsigned i = 0; io_thread_at(a->io, i) != io; i++)
		m++;
	io_conn_stats(io, &m->connections);
	wire_pool_stats(t->wires, &m->wires);
	scan_pool_stats(t->scans, &scans);
	m->streams = t->streams;
	m->stream_bytes = t->streams * sizeof(struct c2s);
	m->parsers = scans.parsers + scans.pooled;
	m->parser_bytes = scans.bytes;
}

static void slabs_add(struct slab_stats *sum, const struct slab_stats *s)
{
	sum->used += s->used;
	sum->chunks += s->chunks;
	sum->bytes += s->bytes;
}

static void looked(void *arg)
{
	struct asked *a = arg;
	struct stream_memory sum = {.streams = 0};

	for (unsigned i = 0; i < a->count; i++) {
		slabs_add(&sum.connections, &a->parts[i].connections);
		slabs_add(&sum.wires, &a->parts[i].wires);
		sum.streams += a->parts[i].streams;
		sum.stream_bytes += a->parts[i].stream_bytes;
		sum.parsers += a->parts[i].parsers;
		sum.parser_bytes += a->parts[i].parser_bytes;
	}
	a->fn(a->arg, &sum);
	mem_free(a);
}

void stream_memory(struct io *io, void (*fn)(void *arg, const struct stream_memory *memory),
		   void *arg)
{
	unsigned count = io_count(io);
	struct asked *a = mem_alloc(sizeof(*a) + count * sizeof(a->parts[0]));

	a->fn = fn;
	a->arg = arg;
	a->io = io;
	a->count = count;
	io_each(io, look, a, looked);
}

void stream_fini(struct io *io)
{
	struct stream_io *sio = find(io);

	if (!sio)
		return;
	list_remove(&sio->node);
	for (unsigned i = 0; i < sio->count; i++) {
		struct stream_thread *t = &sio->threads[i];

		JD_ASSERT(t->streams == 0);
		scan_pool_free(t->scans);
		wire_pool_free(t->wires);
		if (t->settings)
			shared_unref(&t->settings->shared);
	}
	mem_free(sio);
}

const struct stream_host *stream_host_find(const struct stream_settings *s, struct jd_str name)
{
	for (size_t i = 0; i < s->n_hosts; i++) {
		if (jd_str_eq(s->hosts[i].name, name))
			return &s->hosts[i];
	}
	return NULL;
}

/* -- the I/O thread ------------------------------------------------------------------- */

static void on_trim(struct timer *timer)
{
	struct stream_thread *t = container_of(timer, struct stream_thread, trim_timer);

	wire_pool_trim(t->wires);
	scan_pool_trim(t->scans);
	loop_timer(t->loop, &t->trim_timer, TRIM_EVERY, on_trim);
}

void thread_join(struct c2s *c)
{
	struct stream_thread *t = io_user(io_current());

	JD_ASSERT(t);
	c->thread = t;
	if (t->streams++ == 0)
		loop_timer(t->loop, &t->trim_timer, TRIM_EVERY, on_trim);
}

/* Nothing of ours is armed any more when the last stream has gone, for the loop may end. */
void thread_leave(struct c2s *c)
{
	struct stream_thread *t = c->thread;

	list_remove(&c->node);
	if (--t->streams > 0)
		return;
	loop_timer_cancel(t->loop, &t->flush_timer);
	loop_timer_cancel(t->loop, &t->slow_timer);
	loop_timer_cancel(t->loop, &t->trim_timer);
	defer_cancel(&t->next);
	wire_pool_trim(t->wires);
	scan_pool_trim(t->scans);
}

static void on_flush(struct timer *timer)
{
	struct stream_thread *t = container_of(timer, struct stream_thread, flush_timer);
	struct list now = LIST_INIT(now);

	list_splice(&now, &t->flush);
	while (!list_empty(&now)) {
		struct c2s *c = container_of(now.next, struct c2s, node);

		list_remove(&c->node);
		c2s_flush(c);
	}
}

void thread_flush_soon(struct c2s *c)
{
	struct stream_thread *t = c->thread;

	if (list_linked(&c->node))
		return;
	list_append(&t->flush, &c->node);
	if (!timer_armed(&t->flush_timer))
		loop_timer(t->loop, &t->flush_timer, FLUSH_AFTER, on_flush);
}

static void on_next_turn(struct defer *d)
{
	struct stream_thread *t = container_of(d, struct stream_thread, next);
	struct list now = LIST_INIT(now);

	list_splice(&now, &t->turn);
	while (!list_empty(&now)) {
		struct c2s *c = container_of(now.next, struct c2s, node);

		list_remove(&c->node);
		c2s_go(c, STOP_SHARE);
	}
}

void thread_next_turn(struct c2s *c)
{
	struct stream_thread *t = c->thread;

	list_remove(&c->node);
	list_append(&t->turn, &c->node);
	c2s_stop(c, STOP_SHARE);
	loop_defer(t->loop, &t->next, on_next_turn);
}

static void on_slow(struct timer *timer)
{
	struct stream_thread *t = container_of(timer, struct stream_thread, slow_timer);
	struct list now = LIST_INIT(now);

	list_splice(&now, &t->slow);
	while (!list_empty(&now)) {
		struct c2s *c = container_of(now.next, struct c2s, node);

		list_remove(&c->node);
		if (pace_too_fast(c))
			list_append(&t->slow, &c->node);
		else
			c2s_go(c, STOP_RATE);
	}
	if (!list_empty(&t->slow) && !timer_armed(&t->slow_timer))
		loop_timer(t->loop, &t->slow_timer, SLOW_EVERY, on_slow);
}

void thread_slow_down(struct c2s *c)
{
	struct stream_thread *t = c->thread;

	list_remove(&c->node);
	list_append(&t->slow, &c->node);
	c2s_stop(c, STOP_RATE);
	if (!timer_armed(&t->slow_timer))
		loop_timer(t->loop, &t->slow_timer, SLOW_EVERY, on_slow);
}
