/* SPDX-License-Identifier: MIT
 *
 * Connections of a proxy that has not yet said for whom it connects.
 *
 * They are no connections of the protocol yet: a socket, a reader and a deadline.
 * What is read is looked at first and taken only as far as the header goes, for
 * what follows may be a TLS handshake that libssl reads from the socket itself.
 * All wait equally long, so the oldest is always the next to fail and one timer
 * serves them all.
 */
#include <errno.h>
#include <unistd.h>

#include <jackdaw/log.h>

#include "net/listener_priv.h"
#include "util/mem.h"

#define HEADER_TIME (5 * JD_USEC_PER_SEC)
/* The proxy itself is trusted, but not to be without faults. */
#define MAX_WAITING 4096

struct proxied {
	struct list node;
	struct proxied_queue *queue;
	struct watch watch;
	struct sockaddr_storage proxy;
	struct proxy_reader reader;
	jd_usec until;
};

static void forget(struct proxied *p)
{
	list_remove(&p->node);
	p->queue->n--;
	watch_fini(&p->watch);
	mem_free(p);
}

static void refuse(struct proxied *p, const char *reason)
{
	jd_log_peer(JD_LOG_WARNING, "no header of the PROXY protocol",
		    jd_kv_cstr("reason", reason));
	close(p->watch.fd);
	forget(p);
}

static void whole(struct proxied *p)
{
	struct proxied_queue *q = p->queue;
	struct sockaddr_storage source = p->proxy;
	int fd = p->watch.fd;

	(void)proxy_source(&p->reader, &source);
	forget(p);
	q->arrived(q, fd, &source);
}

static void on_readable(struct watch *w, unsigned events)
{
	struct proxied *p = container_of(w, struct proxied, watch);
	char bytes[512];
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), MSG_PEEK);
	size_t used;
	int e;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		refuse(p, "the connection has ended");
		return;
	}
	e = proxy_feed(&p->reader, bytes, (size_t)n, &used);
	if (e < 0)
		refuse(p, "it begins with something else");
	else if (recv(w->fd, bytes, used, 0) != (ssize_t)used)
		refuse(p, "the connection is broken");
	else if (e == 0)
		whole(p);
}

static void on_deadline(struct timer *timer)
{
	struct proxied_queue *q = container_of(timer, struct proxied_queue, deadline);
	jd_usec now = loop_now(q->loop);

	while (!list_empty(&q->waiting)) {
		struct proxied *p = container_of(q->waiting.next, struct proxied, node);

		if (p->until > now) {
			loop_timer(q->loop, &q->deadline, p->until - now, on_deadline);
			return;
		}
		refuse(p, "it did not come in time");
	}
}

void proxied_init(struct proxied_queue *q, struct loop *loop,
		  void (*arrived)(struct proxied_queue *, int, const struct sockaddr_storage *))
{
	*q = (struct proxied_queue){.loop = loop, .arrived = arrived};
	list_init(&q->waiting);
}

void proxied_fini(struct proxied_queue *q)
{
	while (!list_empty(&q->waiting)) {
		struct proxied *p = container_of(q->waiting.next, struct proxied, node);

		close(p->watch.fd);
		forget(p);
	}
	loop_timer_cancel(q->loop, &q->deadline);
}

void proxied_add(struct proxied_queue *q, int fd, const struct sockaddr_storage *proxy)
{
	struct proxied *p;

	if (q->n >= MAX_WAITING)
		refuse(container_of(q->waiting.next, struct proxied, node), "too many wait");
	p = mem_new(struct proxied);
	p->queue = q;
	p->proxy = *proxy;
	p->until = loop_now(q->loop) + HEADER_TIME;
	list_append(&q->waiting, &p->node);
	q->n++;
	watch_init(&p->watch, q->loop, fd, on_readable);
	watch_set(&p->watch, LOOP_READ);
	if (!timer_armed(&q->deadline))
		loop_timer(q->loop, &q->deadline, HEADER_TIME, on_deadline);
}
