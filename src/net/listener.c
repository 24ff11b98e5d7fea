/* SPDX-License-Identifier: MIT
 *
 * Listening sockets, and accepting from them on every I/O thread.
 *
 * When file descriptors run out, the peer that waits is accepted by means of a
 * spare descriptor and closed at once, and accepting pauses for a moment:
 * otherwise a level-triggered poll would spin on a queue that nobody can empty.
 */
#include "net/listener_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <jackdaw/log.h>

#include "net/conn_priv.h"

#define DEFAULT_BACKLOG 1024
/* Accepted per event; the rest may go to other threads. */
#define ACCEPTS_AT_ONCE 8
#define PAUSE           (500 * JD_USEC_PER_MSEC)

struct listener {
	struct listener_settings settings;
	struct listen_sockets sockets;
	struct io *io;
	struct peer_table *peers;
};

struct accepting;

struct socket_watch {
	struct watch watch;
	struct accepting *owner;
};

/* A listener on one I/O thread. */
struct accepting {
	struct list node; /* in io_thread.listening */
	struct listener *listener;
	struct io_thread *t;
	struct tls_store *tls;
	struct socket_watch sockets[LISTEN_SOCKETS];
	struct proxied_queue proxied;
	struct timer pause;
	int spare; /* a descriptor to be given up when there are no more */
};

/* -- accepting (I/O thread) -------------------------------------------------------------- */

static void watch_all(struct accepting *a, unsigned interest)
{
	for (unsigned i = 0; i < a->listener->sockets.n; i++)
		watch_set(&a->sockets[i].watch, interest);
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_over(struct timer *timer)
{
	struct accepting *a = container_of(timer, struct accepting, pause);

	if (a->spare < 0)
		a->spare = open_spare();
	watch_all(a, LOOP_READ);
}

static void out_of_descriptors(struct accepting *a, int fd, int error)
{
	int peer;

	jd_log_peer(JD_LOG_WARNING, "cannot accept connections for a moment",
		    jd_kv_cstr("listener", a->listener->settings.name),
		    jd_kv_cstr("reason", strerrordesc_np(error)));
	if (a->spare >= 0) {
		close(a->spare);
		peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer >= 0)
			close(peer);
		a->spare = open_spare();
	}
	watch_all(a, 0);
	loop_timer(a->t->loop, &a->pause, PAUSE, pause_over);
}

static void welcome(struct accepting *a, int fd, const struct sockaddr_storage *peer)
{
	const struct listener_settings *set = &a->listener->settings;
	struct peer_slot *slot = NULL;
	struct conn *c;

	if (a->listener->peers && !proxy_net_has(set->uncounted, set->n_uncounted, peer)) {
		slot = peer_enter(a->listener->peers, peer);
		if (!slot) {
			jd_log_peer(JD_LOG_INFO, "too many connections from one address",
				    jd_kv_cstr("listener", set->name));
			close(fd);
			return;
		}
	}
	c = conn_new_from(a->t, fd, a->tls, set->direct_tls, peer);
	if (!c) {
		jd_log_peer(JD_LOG_WARNING, "too many connections",
			    jd_kv_cstr("listener", set->name));
		if (slot)
			peer_leave(slot);
		return;
	}
	c->slot = slot;
	conn_set_alpn(c, set->alpn);
	set->accepted(c, set->arg);
}

static void proxied_arrived(struct proxied_queue *q, int fd, const struct sockaddr_storage *source)
{
	welcome(container_of(q, struct accepting, proxied), fd, source);
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct accepting *a, int fd)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(peer);
	int peer_fd = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (peer_fd >= 0) {
		if (proxy_net_has(a->listener->settings.proxies, a->listener->settings.n_proxies,
				  &peer))
			proxied_add(&a->proxied, peer_fd, &peer);
		else
			welcome(a, peer_fd, &peer);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		out_of_descriptors(a, fd, errno);
		return false;
	default:
		/* An error of that one connection: the next may be better. */
		return true;
	}
}

static void on_acceptable(struct watch *w, unsigned events)
{
	struct accepting *a = container_of(w, struct socket_watch, watch)->owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_AT_ONCE && accept_one(a, w->fd); i++)
		;
}

static void accept_from(struct socket_watch *s, struct accepting *a, int fd)
{
	s->owner = a;
	watch_init(&s->watch, a->t->loop, fd, on_acceptable);
}

static void accepting_free(struct accepting *a)
{
	for (unsigned i = 0; i < a->listener->sockets.n; i++)
		watch_fini(&a->sockets[i].watch);
	proxied_fini(&a->proxied);
	loop_timer_cancel(a->t->loop, &a->pause);
	list_remove(&a->node);
	if (a->spare >= 0)
		close(a->spare);
	tls_store_unref(a->tls);
	mem_free(a);
}

static struct accepting *find_accepting(struct io_thread *t, const struct listener *l)
{
	for (struct list *n = t->listening.next; n != &t->listening; n = n->next) {
		struct accepting *a = container_of(n, struct accepting, node);

		if (a->listener == l)
			return a;
	}
	return NULL;
}

void listener_stop_all(struct io_thread *t)
{
	while (!list_empty(&t->listening))
		accepting_free(container_of(t->listening.next, struct accepting, node));
}

/* -- handing out (logic thread) -------------------------------------------------------------- */

/* A listener with the certificates that a call carries to the threads. */
struct hand_out {
	struct listener *listener;
	struct tls_store *tls;
};

static struct hand_out *hand_out_new(struct listener *l, struct tls_store *tls)
{
	struct hand_out *h = mem_new(struct hand_out);

	h->listener = l;
	h->tls = tls ? tls_store_ref(tls) : NULL;
	return h;
}

static void hand_out_free(void *arg)
{
	struct hand_out *h = arg;

	tls_store_unref(h->tls);
	mem_free(h);
}

static void start_on(struct io_thread *t, void *arg)
{
	struct hand_out *h = arg;
	struct listener *l = h->listener;
	struct accepting *a;

	if (t->stopping)
		return;
	a = mem_new(struct accepting);
	a->listener = l;
	a->t = t;
	a->tls = h->tls ? tls_store_ref(h->tls) : NULL;
	a->spare = open_spare();
	proxied_init(&a->proxied, a->t->loop, proxied_arrived);
	list_append(&t->listening, &a->node);
	for (unsigned i = 0; i < l->sockets.n; i++)
		accept_from(&a->sockets[i], a, l->sockets.fds[i]);
	watch_all(a, LOOP_READ);
}

static void set_tls_on(struct io_thread *t, void *arg)
{
	struct hand_out *h = arg;
	struct accepting *a = find_accepting(t, h->listener);

	if (!a)
		return;
	tls_store_unref(a->tls);
	a->tls = h->tls ? tls_store_ref(h->tls) : NULL;
}

static void stop_on(struct io_thread *t, void *arg)
{
	struct accepting *a = find_accepting(t, arg);

	if (a)
		accepting_free(a);
}

static void close_sockets(void *arg)
{
	listen_sockets_close(&((struct listener *)arg)->sockets);
}

void listener_start(struct listener *l, struct io *io, struct tls_store *tls)
{
	JD_ASSERT(!l->io && (tls || !l->settings.direct_tls));
	l->io = io;
	io_each(io, start_on, hand_out_new(l, tls), hand_out_free);
}

void listener_set_tls(struct listener *l, struct tls_store *tls)
{
	if (l->io)
		io_each(l->io, set_tls_on, hand_out_new(l, tls), hand_out_free);
}

void listener_stop(struct listener *l)
{
	if (l->io)
		io_each(l->io, stop_on, l, close_sockets);
	l->io = NULL;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	listen_sockets_close(&l->sockets);
	peer_table_free(l->peers);
	mem_free((char *)l->settings.name);
	mem_free((char *)l->settings.address);
	mem_free((void *)l->settings.uncounted);
	mem_free((void *)l->settings.proxies);
	mem_free(l);
}

uint16_t listener_port(const struct listener *l)
{
	return l->sockets.port;
}

const struct listener_settings *listener_settings(const struct listener *l)
{
	return &l->settings;
}

/* -- opening --------------------------------------------------------------------------------------
 */

static int explain(const struct listener_settings *set, int error, char *err, size_t err_size)
{
	if (error == EADDRINUSE)
		snprintf(err, err_size, "port %u is in use by another program", set->port);
	else if (error == EACCES)
		snprintf(err, err_size, "port %u needs a privilege that this user does not have",
			 set->port);
	else if (error == EADDRNOTAVAIL)
		snprintf(err, err_size, "this machine does not have the address %s", set->address);
	else
		snprintf(err, err_size, "cannot listen on %s port %u: %s", set->address, set->port,
			 strerrordesc_np(error));
	return -JD_EIO;
}

static struct proxy_net *nets_copy(const struct proxy_net *nets, size_t n)
{
	struct proxy_net *copy = NULL;

	if (n) {
		copy = mem_alloc(n * sizeof(*copy));
		memcpy(copy, nets, n * sizeof(*copy));
	}
	return copy;
}

int listener_open(const struct listener_settings *settings, struct listener **ret_listener,
		  char *err, size_t err_size)
{
	struct listener *l;
	int r;

	if (!listen_address_ok(settings->address)) {
		snprintf(err, err_size,
			 "\"%s\" is no address: write \"*\", \"localhost\" or a numeric one",
			 settings->address);
		return -JD_ECONF;
	}
	l = mem_new(struct listener);
	l->settings = *settings;
	l->settings.name = jd_strdup(jd_cstr(settings->name));
	l->settings.address = jd_strdup(jd_cstr(settings->address));
	l->settings.uncounted = nets_copy(settings->uncounted, settings->n_uncounted);
	l->settings.proxies = nets_copy(settings->proxies, settings->n_proxies);
	l->sockets = (struct listen_sockets){
		.unacked = settings->unacked,
		.port = settings->port,
		.backlog = settings->backlog ? settings->backlog : DEFAULT_BACKLOG,
	};
	r = listen_sockets_open(&l->sockets, settings->address);
	if (r < 0) {
		listener_free(l);
		return explain(settings, -r, err, err_size);
	}
	if (settings->max_per_address)
		l->peers = peer_table_new(settings->max_per_address);
	*ret_listener = l;
	return 0;
}
