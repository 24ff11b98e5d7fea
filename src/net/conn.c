/* SPDX-License-Identifier: MIT
 *
 * A connection's life: events, the handshake, closing, the wheel.
 *
 * Whatever happens to a connection, it is only marked ("touched"): at the end of
 * the turn conn_settle() reads what TLS still holds, writes what was queued, sets
 * the interest in the socket once, and ends what is dead.  So nothing is freed
 * or called beneath a callback, what one turn says leaves in one write, and
 * pausing and resuming within a turn costs no system call.
 */
#include "net/conn_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <jackdaw/log.h>

#include "net/listener_priv.h"

#define SHAKE_TIME  (10 * JD_USEC_PER_SEC)
#define FLUSH_TIME  (5 * JD_USEC_PER_SEC)
#define LINGER_TIME (2 * JD_USEC_PER_SEC)

static void conn_settle(struct conn *c);

/* -- the turn's end ---------------------------------------------------------------- */

static void settle_all(struct defer *d)
{
	struct io_thread *t = container_of(d, struct io_thread, flush);
	struct list now = LIST_INIT(now);

	/* What is touched from now on is for the next turn: nobody can spin in here. */
	list_splice(&now, &t->dirty);
	while (!list_empty(&now)) {
		struct conn *c = container_of(now.next, struct conn, dirty);

		list_remove(&c->dirty);
		conn_settle(c);
	}
}

void conn_touch(struct conn *c)
{
	struct io_thread *t = conn_thread(c);

	if (list_linked(&c->dirty))
		return;
	list_append(&t->dirty, &c->dirty);
	loop_defer(t->loop, &t->flush, settle_all);
}

bool conn_readable(const struct conn *c)
{
	return c->state == CONN_OPEN && !c->paused && !c->tls_wanted && !list_linked(&c->starved);
}

static unsigned interest(const struct conn *c)
{
	unsigned want = 0;

	if (c->blocked || c->read_waits)
		want |= LOOP_WRITE;
	if (c->state == CONN_SHAKING ? !c->blocked : conn_readable(c) && !c->eof)
		want |= LOOP_READ;
	if (c->state == CONN_CLOSING && c->shut)
		want = LOOP_READ;
	return want;
}

/* -- the end ---------------------------------------------------------------------------- */

static void conn_end(struct conn *c)
{
	struct link *link = c->link;
	struct io_thread *t = link->io;
	int why = c->why;

	list_remove(&c->dirty);
	list_remove(&c->wheel);
	conn_known(c);
	if (c->proto)
		c->proto->closed(c->p, why);
	/* closed() may have tried to post. */
	list_remove(&c->starved);
	list_remove(&c->dirty);
	conn_drop_out(c);
	tls_session_free(c->tls);
	tls_store_unref(c->store);
	mem_free(c->tls_host);
	close(c->watch.fd);
	if (c->slot)
		peer_leave(c->slot);
	slab_put(c);
	t->live--;
	link_closed(link, why);
}

void conn_die(struct conn *c, enum conn_why why)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->state != CONN_CLOSING)
		c->why = (uint8_t)why;
	c->state = CONN_DEAD;
	/* Now, so that no event of this poll comes any more. */
	watch_fini(&c->watch);
	conn_touch(c);
}

void conn_abort(struct conn *c, enum conn_why why)
{
	conn_die(c, why);
}

void conn_close(struct conn *c, enum conn_why why)
{
	if (c->state >= CONN_CLOSING)
		return;
	if (c->state == CONN_SHAKING) {
		conn_die(c, why);
		return;
	}
	c->why = (uint8_t)why;
	c->state = CONN_CLOSING;
	c->deadline = loop_now(conn_thread(c)->loop) + FLUSH_TIME;
	conn_touch(c);
}

/* Whether the peer may still be sending and should get our last words. */
static bool lingers(const struct conn *c)
{
	return c->why == CONN_WE_CLOSED || c->why == CONN_TIMEOUT || c->why == CONN_TLS_FAILED;
}

/* CLOSING, and everything is flushed. */
static void shut_our_end(struct conn *c)
{
	jd_usec limit = loop_now(conn_thread(c)->loop) + LINGER_TIME;

	if (c->shut)
		return;
	c->shut = true;
	if (c->tls && c->why != CONN_TLS_FAILED)
		tls_goodbye(c->tls);
	if (shutdown(c->watch.fd, SHUT_WR) < 0 || !lingers(c) || conn_thread(c)->stopping)
		conn_die(c, c->why);
	else if (c->deadline > limit)
		c->deadline = limit;
}

/* The peer still talks to our closed ears; its end of file ends it all. */
static void linger(struct conn *c)
{
	struct io_thread *t = conn_thread(c);
	ssize_t n = recv(c->watch.fd, t->read_scratch, IO_READ_SCRATCH, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_die(c, c->why);
}

/* -- TLS ----------------------------------------------------------------------------------- */

/* What libssl had to say to the peer is written; wait a moment, so that it is read. */
void conn_tls_failed(struct conn *c)
{
	jd_log_peer(JD_LOG_INFO, "TLS failed", jd_kv_str("peer", conn_peer(c)),
		    jd_kv_cstr("reason", tls_reason(c->tls)));
	conn_drop_out(c);
	c->why = CONN_TLS_FAILED;
	c->state = CONN_CLOSING;
	c->blocked = c->read_waits = false;
	c->deadline = loop_now(conn_thread(c)->loop) + LINGER_TIME;
	conn_touch(c);
}

static void shake(struct conn *c)
{
	int r = tls_handshake(c->tls);

	if (r == -JD_ECLOSED) {
		conn_die(c, CONN_PEER_CLOSED);
	} else if (r < 0) {
		conn_tls_failed(c);
	} else if (r > 0) {
		c->blocked = r == TLS_WANT_WRITE;
		conn_touch(c);
	} else {
		c->state = CONN_OPEN;
		c->blocked = false;
		c->deadline = 0;
		/* The first bytes may have come with the end of the handshake. */
		c->again = true;
		conn_touch(c);
		if (c->proto && c->proto->secured)
			c->proto->secured(c->p);
	}
}

void conn_shake(struct conn *c)
{
	c->tls = tls_session_new(c->store, c->watch.fd, c->alpn);
	if (c->tls_host)
		tls_prefer(c->tls, c->tls_host);
	c->state = CONN_SHAKING;
	c->tls_wanted = false;
	c->blocked = false;
}

void conn_tls_host(struct conn *c, const char *name)
{
	mem_free(c->tls_host);
	c->tls_host = jd_strdup(jd_cstr(name));
}

void conn_start_tls(struct conn *c)
{
	struct piece *mark;

	if (c->state != CONN_OPEN)
		return;
	JD_ASSERT(!c->tls && !c->tls_wanted && c->store);
	mark = piece_new_local(0);
	mark->kind = PIECE_TLS;
	conn_queue(c, mark);
	c->tls_wanted = true;
	c->paused = false;
	c->deadline = loop_now(conn_thread(c)->loop) + SHAKE_TIME;
}

bool conn_can_tls(const struct conn *c)
{
	return c->store && !c->tls;
}

struct tls_session *conn_tls(struct conn *c)
{
	return c->state == CONN_SHAKING ? NULL : c->tls;
}

/* -- events --------------------------------------------------------------------------------------
 */

static void on_event(struct watch *w, unsigned events)
{
	struct conn *c = container_of(w, struct conn, watch);

	if (c->state == CONN_SHAKING) {
		shake(c);
	} else if (c->state == CONN_CLOSING && c->shut) {
		linger(c);
	} else {
		if (events & LOOP_WRITE) {
			c->blocked = false;
			c->again |= c->read_waits;
			c->read_waits = false;
			conn_touch(c);
		}
		if (events & LOOP_READ)
			conn_read(c);
	}
}

static void conn_settle(struct conn *c)
{
	if (c->again) {
		c->again = false;
		if (conn_readable(c) && c->tls)
			conn_read(c);
	}
	if (c->eof && conn_readable(c)) {
		if (c->proto && c->proto->ended)
			c->proto->ended(c->p);
		conn_close(c, CONN_PEER_CLOSED);
	}
	if (c->state == CONN_OPEN || c->state == CONN_CLOSING)
		conn_flush(c);
	if (c->state == CONN_CLOSING && !c->out)
		shut_our_end(c);
	if (c->state == CONN_DEAD)
		conn_end(c);
	else
		watch_set(&c->watch, interest(c));
}

/* -- the wheel ----------------------------------------------------------------------------------
 */

static void conn_tick(struct conn *c, jd_usec now)
{
	if (c->deadline && now >= c->deadline)
		conn_die(c, CONN_TIMEOUT);
	else if (c->state < CONN_CLOSING && c->proto && c->proto->tick)
		c->proto->tick(c->p, now);
}

/* Nothing is unlinked from the wheel before the turn ends. */
static void on_tick(struct timer *timer)
{
	struct io_thread *t = container_of(timer, struct io_thread, tick);
	struct list *head;
	jd_usec now = loop_now(t->loop);

	t->hand = (t->hand + 1) % IO_WHEEL;
	head = &t->wheel[t->hand];
	for (struct list *n = head->next; n != head; n = n->next)
		conn_tick(container_of(n, struct conn, wheel), now);
	if (t->hand == 0)
		slab_trim(t->conns);
	if (t->live)
		loop_timer(t->loop, &t->tick, IO_TICK, on_tick);
}

static void enter_wheel(struct conn *c)
{
	struct io_thread *t = conn_thread(c);

	list_append(&t->wheel[c->link->index % IO_WHEEL], &c->wheel);
	if (!timer_armed(&t->tick))
		loop_timer(t->loop, &t->tick, IO_TICK, on_tick);
}

static void shutdown_conn(struct conn *c)
{
	if (c->state == CONN_CLOSING && c->shut) {
		conn_die(c, c->why);
		return;
	}
	if (c->state == CONN_OPEN && c->proto && c->proto->goodbye)
		c->proto->goodbye(c->p);
	conn_close(c, CONN_SHUTDOWN);
}

void conn_shutdown_all(struct io_thread *t)
{
	for (size_t i = 0; i < IO_WHEEL; i++)
		for (struct list *n = t->wheel[i].next; n != &t->wheel[i]; n = n->next)
			shutdown_conn(container_of(n, struct conn, wheel));
}

/* -- the beginning --------------------------------------------------------------------------------
 */

static void name_peer(struct conn *c, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
	const unsigned char *v4 = NULL;

	if (peer->ss_family == AF_INET)
		v4 = (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
	else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		v4 = in6->sin6_addr.s6_addr + 12;
	if (v4) {
		c->local = v4[0] == 127;
		inet_ntop(AF_INET, v4, c->peer, sizeof(c->peer));
	} else if (peer->ss_family == AF_INET6) {
		c->local = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
		inet_ntop(AF_INET6, &in6->sin6_addr, c->peer, sizeof(c->peer));
	} else {
		c->local = peer->ss_family == AF_UNIX;
		memcpy(c->peer, "local", sizeof("local"));
	}
	c->peer_len = (uint8_t)strlen(c->peer);
}

void conn_known(struct conn *c)
{
	if (!list_linked(&c->stranger))
		return;
	list_remove(&c->stranger);
	conn_thread(c)->n_strangers--;
}

/* A flood of connections that never log in must not keep out those that will: who has had
 * the most time for it goes first. */
static void make_room(struct io_thread *t)
{
	struct conn *oldest;

	if (!t->io->max_strangers || t->n_strangers < t->io->max_strangers)
		return;
	oldest = container_of(t->strangers.next, struct conn, stranger);
	jd_log_peer(JD_LOG_INFO, "too many connections that have not logged in",
		    jd_kv_str("peer", conn_peer(oldest)));
	conn_known(oldest);
	conn_die(oldest, CONN_TIMEOUT);
}

struct conn *conn_new_from(struct io_thread *t, int fd, struct tls_store *tls, bool direct_tls,
			   const struct sockaddr_storage *peer)
{
	struct link *link;
	struct conn *c;
	int on = 1;

	ROLE_ASSERT(ROLE_IO);
	make_room(t);
	link = t->stopping ? NULL : link_alloc(t);
	if (!link) {
		close(fd);
		return NULL;
	}
	c = slab_get(t->conns);
	*c = (struct conn){.link = link, .state = CONN_OPEN};
	link->conn = c;
	c->out_end = &c->out;
	c->store = tls ? tls_store_ref(tls) : NULL;
	c->last_read = c->last_write = loop_now(t->loop);
	name_peer(c, peer);
	/* Refused by what is not TCP. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch_init(&c->watch, t->loop, fd, on_event);
	t->live++;
	count_add(&t->counters.accepted, 1);
	enter_wheel(c);
	list_append(&t->strangers, &c->stranger);
	t->n_strangers++;
	conn_touch(c);
	if (direct_tls) {
		JD_ASSERT(tls);
		conn_shake(c);
		c->deadline = loop_now(t->loop) + SHAKE_TIME;
	}
	return c;
}

struct conn *conn_new(struct io_thread *t, int fd, struct tls_store *tls, bool direct_tls)
{
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(peer);

	(void)getpeername(fd, (struct sockaddr *)&peer, &len);
	return conn_new_from(t, fd, tls, direct_tls, &peer);
}

void conn_set_alpn(struct conn *c, enum tls_alpn alpn)
{
	c->alpn = (uint8_t)alpn;
	if (c->tls)
		tls_set_alpn(c->tls, alpn);
}

void conn_set_proto(struct conn *c, const struct conn_proto *proto, void *p)
{
	c->proto = proto;
	c->p = p;
}

struct link *conn_link(struct conn *c)
{
	return c->link;
}

struct jd_str conn_peer(const struct conn *c)
{
	return (struct jd_str){c->peer, c->peer_len};
}

bool conn_is_local(const struct conn *c)
{
	return c->local;
}

jd_usec conn_last_read(const struct conn *c)
{
	return c->last_read;
}

jd_usec conn_last_write(const struct conn *c)
{
	return c->last_write;
}

size_t conn_unsent(const struct conn *c)
{
	return c->unsent;
}
