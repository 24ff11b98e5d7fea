/* SPDX-License-Identifier: MIT
 *
 * Signals as events: blocked everywhere and read from a signalfd by the loop
 * that asked for them, so that no handler ever interrupts anything.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "rt/loop_priv.h"

#define HANDLERS_MAX 8

struct handler {
	int signo;
	void (*fn)(int signo, void *arg);
	void *arg;
};

struct loop_signals {
	struct watch watch;
	int fd;
	sigset_t set;
	size_t count;
	struct handler handlers[HANDLERS_MAX];
};

void loop_block_signals(void)
{
	static const int ours[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < JD_ARRAY_SIZE(ours); i++)
		sigaddset(&set, ours[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A peer that has gone is told by EPIPE. */
	signal(SIGPIPE, SIG_IGN);
}

static void dispatch(struct loop_signals *s, int signo)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->handlers[i].signo == signo)
			s->handlers[i].fn(signo, s->handlers[i].arg);
	}
}

static void on_signalfd(struct watch *w, unsigned events)
{
	struct loop_signals *s = container_of(w, struct loop_signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	/* One per turn is enough: the poll tells if there are more. */
	if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		dispatch(s, (int)info.ssi_signo);
}

static struct loop_signals *signals_new(struct loop *loop)
{
	struct loop_signals *s = mem_new(struct loop_signals);

	sigemptyset(&s->set);
	s->fd = signalfd(-1, &s->set, SFD_CLOEXEC | SFD_NONBLOCK);
	JD_ASSERT(s->fd >= 0);
	watch_init(&s->watch, loop, s->fd, on_signalfd);
	watch_set(&s->watch, LOOP_READ);
	return s;
}

void loop_on_signal(struct loop *loop, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	struct loop_signals **at = loop_signals_of(loop);
	struct loop_signals *s;

	if (!*at)
		*at = signals_new(loop);
	s = *at;
	JD_ASSERT(s->count < HANDLERS_MAX);
	s->handlers[s->count++] = (struct handler){signo, fn, arg};
	sigaddset(&s->set, signo);
	/* Blocked here too, for a signal that loop_block_signals() does not know. */
	pthread_sigmask(SIG_BLOCK, &s->set, NULL);
	JD_ASSERT(signalfd(s->fd, &s->set, 0) == s->fd);
}

void loop_signals_free(struct loop_signals *s)
{
	if (!s)
		return;
	watch_fini(&s->watch);
	close(s->fd);
	mem_free(s);
}
