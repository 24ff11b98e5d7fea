/* SPDX-License-Identifier: MIT
 *
 * What the tests of net/ share: a logic loop on the test's own thread, I/O
 * threads, and an echo: the protocol posts what it reads, logic sends it back.
 * Clients are threads with blocking sockets, while the test turns the loop.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "util/clock.h"

/* For what is not the test's thread: cmocka jumps, and only there may it. */
#define CHECK(cond) JD_ASSERT(cond)

enum { MSG_HELLO = IO_USER, MSG_BYTES };
enum { OP_PAUSE = 1, OP_RESUME, OP_CLOSE, OP_SAY, OP_TLS, OP_ABORT };

struct fx {
	struct loop *logic;
	struct io *io;
	/* logic */
	size_t hellos, closed, drained, bytes;
	int last_why;
	struct link *last;
	bool mute;  /* logic does not echo */
	bool hoard; /* links are not released */
	void (*hello)(struct fx *f, struct link *link);
	void (*other)(struct fx *f, const struct io_msg *msg);
};

struct msg {
	struct msg *next;
	size_t n;
	char data[];
};

/* -- the protocol -------------------------------------------------------------------- */

struct echo {
	struct conn *c;
	struct msg *held, **held_end; /* what the full ring refused, in order */
	bool greeted;
};

/* What happened on I/O threads. */
static _Atomic size_t echo_ticks, echo_secured, echo_closed, echo_said_goodbye, echo_refused,
	echo_ended;

static inline void echo_post(struct echo *e)
{
	if (!e->greeted) {
		if (!io_post(conn_link(e->c), MSG_HELLO, NULL, 0)) {
			echo_refused++;
			return;
		}
		e->greeted = true;
	}
	while (e->held) {
		struct msg *m = e->held, *next = m->next;

		/* Once it is posted, it is logic's. */
		if (!io_post(conn_link(e->c), MSG_BYTES, m, m->n)) {
			echo_refused++;
			return;
		}
		e->held = next;
		if (!e->held)
			e->held_end = &e->held;
	}
}

static inline void echo_data(void *p, char *bytes, size_t n)
{
	struct echo *e = p;
	struct msg *m = mem_alloc_raw(sizeof(*m) + n);

	m->next = NULL;
	m->n = n;
	memcpy(m->data, bytes, n);
	*e->held_end = m;
	e->held_end = &m->next;
	echo_post(e);
}

static inline void echo_control(void *p, struct piece *piece)
{
	struct echo *e = p;

	switch (piece->op) {
	case OP_PAUSE:
		conn_pause(e->c);
		break;
	case OP_RESUME:
		conn_resume(e->c);
		break;
	case OP_CLOSE:
		conn_close(e->c, CONN_WE_CLOSED);
		break;
	case OP_ABORT:
		conn_abort(e->c, CONN_WE_CLOSED);
		break;
	case OP_SAY:
		conn_write(e->c, piece->arg, strlen(piece->arg));
		break;
	case OP_TLS:
		conn_start_tls(e->c);
		break;
	}
}

static inline void echo_goodbye(void *p)
{
	conn_write(((struct echo *)p)->c, "BYE", 3);
	echo_said_goodbye++;
}

static inline void echo_space(void *p)
{
	echo_post(p);
}

static inline void echo_secured_fn(void *p)
{
	(void)p;
	echo_secured++;
}

static inline void echo_tick(void *p, jd_usec now)
{
	(void)p;
	(void)now;
	echo_ticks++;
}

static inline void echo_ended_fn(void *p)
{
	(void)p;
	echo_ended++;
}

static inline void echo_closed_fn(void *p, enum conn_why why)
{
	struct echo *e = p;
	struct msg *next;

	(void)why;
	for (struct msg *m = e->held; m; m = next) {
		next = m->next;
		mem_free(m);
	}
	mem_free(e);
	echo_closed++;
}

static const struct conn_proto echo_proto = {
	.name = "echo",
	.data = echo_data,
	.control = echo_control,
	.goodbye = echo_goodbye,
	.space = echo_space,
	.secured = echo_secured_fn,
	.tick = echo_tick,
	.ended = echo_ended_fn,
	.closed = echo_closed_fn,
};

static inline void echo_accepted(struct conn *c, void *proto)
{
	struct echo *e = mem_new(struct echo);

	e->c = c;
	e->held_end = &e->held;
	conn_set_proto(c, proto ? proto : &echo_proto, e);
	echo_post(e);
}

/* -- logic --------------------------------------------------------------------------------- */

static inline struct piece *fx_piece(const void *data, size_t n)
{
	struct piece *p = link_piece(n);

	memcpy(p->text, data, n);
	p->head_len = (uint32_t)n;
	return p;
}

static inline void fx_receive(const struct io_msg *msg, void *arg)
{
	struct fx *f = arg;
	struct msg *m = msg->p;

	CHECK(msg->generation == msg->link->generation);
	f->last = msg->link;
	switch (msg->kind) {
	case MSG_HELLO:
		f->hellos++;
		if (f->hello)
			f->hello(f, msg->link);
		break;
	case MSG_BYTES:
		f->bytes += m->n;
		if (!f->mute)
			CHECK(link_send(msg->link, fx_piece(m->data, m->n)) == 0);
		break;
	case IO_DRAINED:
		f->drained++;
		break;
	case IO_CLOSED:
		f->closed++;
		f->last_why = (int)msg->n;
		if (!f->hoard)
			link_release(msg->link);
		break;
	}
	if (f->other)
		f->other(f, msg);
	mem_free(m);
}

static inline void fx_start_io(struct fx *f, const struct io_settings *settings)
{
	role_take(ROLE_LOGIC);
	*f = (struct fx){.logic = loop_new("logic")};
	echo_ticks = echo_secured = echo_closed = echo_said_goodbye = echo_refused = 0;
	echo_ended = 0;
	f->io = io_start(settings, f->logic, fx_receive, f);
}

static inline void fx_start_ring(struct fx *f, unsigned threads, size_t max_links, size_t ring)
{
	const struct io_settings settings = {
		.threads = threads, .max_links = max_links, .ring_size = ring};

	fx_start_io(f, &settings);
}

static inline void fx_start(struct fx *f, unsigned threads)
{
	fx_start_ring(f, threads, 2000, 0);
}

static inline void fx_stop(struct fx *f)
{
	io_stop(f->io);
	loop_free(f->logic);
}

/* Turns the loop until cond holds; a test that waits for ever is ended by the alarm. */
#define fx_until(f, cond)                                                                          \
	do {                                                                                       \
		alarm(60);                                                                         \
		while (!(cond))                                                                    \
			loop_turn((f)->logic, false);                                              \
		alarm(0);                                                                          \
	} while (0)

/* -- clients ------------------------------------------------------------------------------- */

struct fx_birth {
	struct io *io;
	unsigned thread;
	int fd;
	struct tls_store *tls;
	bool direct_tls;
	const struct conn_proto *proto;
	bool refused;
	_Atomic bool done;
};

static inline void fx_give_birth(struct io_thread *t, void *arg)
{
	struct fx_birth *b = arg;
	struct conn *c;

	if (io_thread_at(b->io, b->thread) != t)
		return;
	c = conn_new(t, b->fd, b->tls, b->direct_tls);
	b->refused = !c;
	if (c)
		echo_accepted(c, (void *)b->proto);
}

static inline void fx_born(void *arg)
{
	((struct fx_birth *)arg)->done = true;
}

/* A connection on that thread; returns the client's end of it, -1 when it was refused. */
static inline int fx_connect_as(struct fx *f, struct fx_birth b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	b.io = f->io;
	b.fd = fds[0];
	io_each(f->io, fx_give_birth, &b, fx_born);
	fx_until(f, b.done);
	if (!b.refused)
		return fds[1];
	close(fds[1]);
	return -1;
}

static inline int fx_connect(struct fx *f, unsigned thread)
{
	return fx_connect_as(f, (struct fx_birth){.thread = thread});
}

struct fx_client {
	pthread_t thread;
	struct fx *f;
	void (*fn)(int fd, void *arg);
	int fd;
	void *arg;
	_Atomic bool done;
};

static inline void *fx_client_main(void *arg)
{
	struct fx_client *c = arg;

	c->fn(c->fd, c->arg);
	c->done = true;
	waker_kick(loop_waker(c->f->logic));
	return NULL;
}

/* Runs fn(fd, arg) beside the loop until it returns. */
static inline void fx_client_start(struct fx *f, struct fx_client *c, void (*fn)(int, void *),
				   int fd, void *arg)
{
	c->f = f;
	c->fn = fn;
	c->fd = fd;
	c->arg = arg;
	c->done = false;
	assert_int_equal(pthread_create(&c->thread, NULL, fx_client_main, c), 0);
}

static inline void fx_client_wait(struct fx *f, struct fx_client *c)
{
	alarm(120);
	while (!c->done)
		loop_turn(f->logic, true);
	alarm(0);
	pthread_join(c->thread, NULL);
}

static inline void fx_run_client(struct fx *f, void (*fn)(int, void *), int fd, void *arg)
{
	struct fx_client c;

	fx_client_start(f, &c, fn, fd, arg);
	fx_client_wait(f, &c);
}

static inline void write_all(int fd, const void *data, size_t n)
{
	while (n) {
		ssize_t r = send(fd, data, n, MSG_NOSIGNAL);

		CHECK(r > 0);
		data = (const char *)data + r;
		n -= (size_t)r;
	}
}

/* As much as comes, at most n; less only at the end of file. */
static inline size_t read_all(int fd, void *data, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = recv(fd, (char *)data + have, n - have, 0);

		CHECK(r >= 0);
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return have;
}

/* Turns the loop until n bytes have come, which must be the text. */
static inline void fx_expect(struct fx *f, int fd, const char *text)
{
	char buf[4096];
	size_t n = strlen(text), have = 0;

	alarm(60);
	while (have < n) {
		ssize_t r = recv(fd, buf + have, n - have, MSG_DONTWAIT);

		if (r > 0)
			have += (size_t)r;
		else if (r == 0)
			break;
		else
			loop_turn(f->logic, false);
	}
	alarm(0);
	buf[have] = '\0';
	assert_string_equal(buf, text);
}

/* Turns the loop until the peer has shut its end. */
static inline void fx_expect_eof(struct fx *f, int fd)
{
	char c;
	ssize_t r;

	alarm(60);
	while ((r = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		loop_turn(f->logic, false);
	alarm(0);
	assert_int_equal(r, 0);
}
