/* SPDX-License-Identifier: MIT
 *
 * A connection's input: one read per event into the thread's scratch buffer,
 * again only when that was filled or when TLS holds more; and the two reasons to
 * read nothing: the protocol's pause and a full ring to logic.
 */
#include <errno.h>
#include <sys/socket.h>

#include "net/conn_priv.h"

/* Reads of one event at most, so that one fast sender doesn't hold up the others. */
#define READS_AT_ONCE 4

/* 0, 1 (nothing now) or -1 (the end has been noted). ret_more: try again at once. */
static int read_plain(struct conn *c, char *buf, size_t *ret_n, bool *ret_more)
{
	ssize_t n;

	do
		n = recv(c->watch.fd, buf, IO_READ_SCRATCH, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*ret_n = (size_t)n;
		*ret_more = (size_t)n == IO_READ_SCRATCH;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return 1;
	if (n < 0)
		conn_die(c, CONN_RESET);
	else
		c->eof = true;
	return -1;
}

/* As many records as have arrived and fit. What came before an end or an error is
 * delivered first; the session says the same again when asked again. */
static int read_tls(struct conn *c, char *buf, size_t *ret_n, bool *ret_more)
{
	size_t have = 0, n;
	int r;

	do {
		r = tls_read(c->tls, buf + have, IO_READ_SCRATCH - have, &n);
		if (r == 0)
			have += n;
	} while (r == 0 && have < IO_READ_SCRATCH && tls_pending(c->tls));
	c->read_waits = r == TLS_WANT_WRITE;
	if (r == -JD_ECLOSED)
		c->eof = true;
	if (have) {
		*ret_n = have;
		*ret_more = r == -JD_EIO || (r == 0 && tls_pending(c->tls));
		return 0;
	}
	if (r == -JD_EIO)
		conn_tls_failed(c);
	return r < 0 ? -1 : 1;
}

void conn_read(struct conn *c)
{
	struct io_thread *t = conn_thread(c);
	char *buf = t->read_scratch;
	bool more = true;
	size_t n = 0;

	for (int i = 0; i < READS_AT_ONCE && more && conn_readable(c) && !c->eof; i++) {
		more = false;
		count_add(&t->counters.reads, 1);
		if ((c->tls ? read_tls(c, buf, &n, &more) : read_plain(c, buf, &n, &more)) != 0)
			break;
		count_add(&t->counters.bytes_in, n);
		c->last_read = loop_now(t->loop);
		c->proto->data(c->p, buf, n);
	}
	/* The poll does not know of what the session holds. */
	c->again |= more && c->tls;
	if (c->eof || c->again || c->read_waits)
		conn_touch(c);
}

void conn_pause(struct conn *c)
{
	c->paused = true;
	conn_touch(c);
}

void conn_resume(struct conn *c)
{
	c->paused = false;
	c->again = c->tls != NULL;
	conn_touch(c);
}

bool conn_paused(const struct conn *c)
{
	return c->paused;
}

void conn_starve(struct conn *c)
{
	if (c->state == CONN_DEAD || list_linked(&c->starved))
		return;
	list_append(&conn_thread(c)->starved, &c->starved);
	conn_touch(c);
}

void conn_feed(struct conn *c)
{
	list_remove(&c->starved);
	if (c->state >= CONN_CLOSING)
		return;
	c->again = c->tls != NULL;
	conn_touch(c);
	if (c->proto->space)
		c->proto->space(c->p);
}
