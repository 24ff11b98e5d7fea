/* SPDX-License-Identifier: MIT
 *
 * A connection's output: a queue of pieces, written without copying what they
 * refer to, unless that is little.  Plain sockets get frame, head, body and tail of
 * many pieces with one call; TLS gets records that are gathered from them.
 *
 * Bytes from logic stay counted in the link until the kernel has them.
 */
#include "net/conn_priv.h"

#include <errno.h>
#include <sys/uio.h>

#define IOV_MAX_AT_ONCE 64
/* Writes of one turn at most, so that one fast reader doesn't hold up the others. */
#define WRITES_AT_ONCE 16
#define LOCAL_TEXT     ((size_t)512)
/* The kernel takes longer to read a list of parts than we to copy so little. */
#define COPY_BELOW ((size_t)1024)

/* -- pieces as bytes --------------------------------------------------------------- */

static size_t piece_total(const struct piece *p)
{
	return (size_t)p->frame_len + p->head_len + p->body_len + p->tail_len;
}

/* The parts of p from off on; returns their number, at most 4. */
static int piece_parts(const struct piece *p, size_t off, struct iovec iov[4])
{
	const struct iovec all[4] = {
		{(void *)p->frame, p->frame_len},
		{(void *)p->text, p->head_len},
		{(void *)p->body, p->body_len},
		{(void *)(p->text + p->head_len), p->tail_len},
	};
	int n = 0;

	for (int i = 0; i < 4; i++) {
		if (off >= all[i].iov_len) {
			off -= all[i].iov_len;
			continue;
		}
		iov[n].iov_base = (char *)all[i].iov_base + off;
		iov[n++].iov_len = all[i].iov_len - off;
		off = 0;
	}
	return n;
}

/* -- the queue ------------------------------------------------------------------------ */

void conn_queue(struct conn *c, struct piece *p)
{
	p->next = NULL;
	*c->out_end = p;
	c->out_end = &p->next;
	c->unsent += piece_total(p);
	conn_touch(c);
}

static void pop_first(struct conn *c)
{
	struct piece *p = c->out;

	c->out = p->next;
	if (!c->out)
		c->out_end = &c->out;
	c->out_off = 0;
	piece_free(p);
}

void conn_drop_out(struct conn *c)
{
	size_t counted = 0;

	while (c->out) {
		if (c->out->kind == PIECE_DATA) {
			size_t gone =
				c->out_off > c->out->frame_len ? c->out_off - c->out->frame_len : 0;

			counted += piece_cost(c->out) - gone;
		}
		pop_first(c);
	}
	c->unsent = 0;
	link_uncount(c->link, counted);
}

/* n bytes of the queue are written. */
static void advance(struct conn *c, size_t n)
{
	size_t counted = 0;

	c->unsent -= n;
	while (c->out && c->out->kind != PIECE_TLS) {
		struct piece *p = c->out;
		size_t left = piece_total(p) - c->out_off;
		size_t from = c->out_off > p->frame_len ? c->out_off : p->frame_len;
		size_t took = n < left ? n : left;

		n -= took;
		c->out_off += took;
		if (p->kind == PIECE_DATA && c->out_off > from)
			counted += c->out_off - from;
		if (took < left)
			break;
		if (p->kind == PIECE_DATA)
			counted += PIECE_COST;
		pop_first(c);
	}
	link_uncount(c->link, counted);
}

/* -- writing ------------------------------------------------------------------------------ */

/* Fills iov from the queue, up to the mark of the handshake. */
static int gather(const struct conn *c, struct iovec *iov, size_t *ret_bytes)
{
	size_t off = c->out_off, bytes = 0;
	int n = 0;

	for (struct piece *p = c->out; p && p->kind != PIECE_TLS; p = p->next) {
		if (n + 4 > IOV_MAX_AT_ONCE)
			break;
		bytes += piece_total(p) - off;
		n += piece_parts(p, off, iov + n);
		off = 0;
	}
	*ret_bytes = bytes;
	return n;
}

/* Into the thread's scratch, as much as fits; returns how much. */
static size_t copy_parts(const struct conn *c, const struct iovec *iov, int n)
{
	char *to = conn_thread(c)->write_scratch;
	size_t have = 0;

	for (int i = 0; i < n && have < IO_WRITE_SCRATCH; i++) {
		size_t part = iov[i].iov_len;

		if (part > IO_WRITE_SCRATCH - have)
			part = IO_WRITE_SCRATCH - have;
		memcpy(to + have, iov[i].iov_base, part);
		have += part;
	}
	return have;
}

/* How many bytes were taken; blocked is set when that was not all. */
static size_t write_plain(struct conn *c, struct iovec *iov, int n, size_t bytes)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
	bool copy = bytes <= COPY_BELOW;
	ssize_t took;

	if (copy)
		(void)copy_parts(c, iov, n);
	do
		took = copy ? send(c->watch.fd, conn_thread(c)->write_scratch, bytes, MSG_NOSIGNAL)
			    : sendmsg(c->watch.fd, &msg, MSG_NOSIGNAL);
	while (took < 0 && errno == EINTR);
	if (took < 0 && errno != EAGAIN) {
		conn_die(c, CONN_RESET);
		return 0;
	}
	if (took < 0)
		took = 0;
	c->blocked = (size_t)took < bytes;
	return (size_t)took;
}

/* After TLS_WANT_WRITE libssl wants to be given the same bytes again: they are still
 * the first of the queue, and never fewer than before. */
static size_t write_tls(struct conn *c, const struct iovec *iov, int n)
{
	size_t have = copy_parts(c, iov, n), took = 0;
	int r = tls_write(c->tls, conn_thread(c)->write_scratch, have, &took);

	if (r < 0)
		conn_die(c, CONN_RESET);
	else if (r > 0)
		c->blocked = true;
	return r == 0 ? took : 0;
}

/* False when nothing more can be written now. */
static bool write_some(struct conn *c)
{
	struct io_thread *t = conn_thread(c);
	struct iovec iov[IOV_MAX_AT_ONCE];
	size_t bytes, took;
	int n = gather(c, iov, &bytes);

	if (n == 0) {
		/* Only empty pieces in front. */
		advance(c, 0);
		return c->out && c->out->kind != PIECE_TLS;
	}
	count_add(&t->counters.writes, 1);
	took = c->tls ? write_tls(c, iov, n) : write_plain(c, iov, n, bytes);
	if (took) {
		count_add(&t->counters.bytes_out, took);
		c->last_write = loop_now(t->loop);
		advance(c, took);
	}
	return took && !c->blocked && c->out && c->out->kind != PIECE_TLS;
}

void conn_flush(struct conn *c)
{
	int rounds = 0;

	if (!c->out || c->blocked)
		return;
	while (write_some(c) && ++rounds < WRITES_AT_ONCE)
		;
	if (c->state != CONN_DEAD && c->out && c->out->kind == PIECE_TLS) {
		/* Behind it all would have been encrypted: a connection that closes is done. */
		if (c->state == CONN_CLOSING) {
			conn_drop_out(c);
		} else {
			pop_first(c);
			conn_shake(c);
		}
	} else if (c->out && !c->blocked && c->state != CONN_DEAD) {
		conn_touch(c);
	}
	link_check_drain(c->link);
}

/* -- what comes in: from logic and from the protocol ------------------------------------------ */

/* False: it must not go out any more. */
static bool frame(struct conn *c, struct piece *p)
{
	uint64_t n = (uint64_t)p->head_len + p->body_len + p->tail_len;
	size_t len;

	if (!c->proto || !c->proto->frame)
		return true;
	len = c->proto->frame(c->p, n, p->frame);
	if (len == CONN_NO_FRAME)
		return false;
	p->frame_len = (uint8_t)len;
	return true;
}

static void take_one(struct conn *c, struct piece *p)
{
	switch (p->kind) {
	case PIECE_DATA:
		if (frame(c, p)) {
			conn_queue(c, p);
			return;
		}
		link_uncount(c->link, piece_cost(p));
		break;
	case PIECE_CONTROL:
		if (c->proto && c->proto->control)
			c->proto->control(c->p, p);
		break;
	case PIECE_CLOSE:
		if (c->proto && c->proto->goodbye)
			c->proto->goodbye(c->p);
		conn_close(c, CONN_WE_CLOSED);
		break;
	default:
		JD_ASSERT(!"a piece of an unknown kind");
	}
	piece_free(p);
}

void conn_take(struct conn *c, struct piece *chain)
{
	while (chain && c->state < CONN_CLOSING) {
		struct piece *p = chain;

		chain = p->next;
		take_one(c, p);
	}
	link_drop_chain(c->link, chain);
}

/* Small things said one after another share a piece. */
static struct piece *room_for(struct conn *c, size_t n)
{
	struct piece *last = c->out ? container_of(c->out_end, struct piece, next) : NULL;

	if (last && last->kind == PIECE_LOCAL && last->op >= n)
		return last;
	last = piece_new_local(n > LOCAL_TEXT ? n : LOCAL_TEXT);
	last->kind = PIECE_LOCAL;
	last->op = n > LOCAL_TEXT ? 0 : (uint16_t)LOCAL_TEXT;
	conn_queue(c, last);
	return last;
}

void conn_write(struct conn *c, const void *data, size_t n)
{
	struct piece *p;

	if (n == 0 || c->state == CONN_DEAD || c->shut)
		return;
	if (n > UINT32_MAX || c->unsent + n > CONN_UNSENT_MAX) {
		conn_die(c, CONN_RESET);
		return;
	}
	p = room_for(c, n);
	memcpy(p->text + p->head_len, data, n);
	p->head_len += (uint32_t)n;
	p->op = p->op > n ? (uint16_t)(p->op - n) : 0;
	c->unsent += n;
	conn_touch(c);
}

void conn_write_message(struct conn *c, const void *data, size_t n)
{
	char frame[sizeof(((struct piece *)0)->frame)];

	if (c->proto && c->proto->frame)
		conn_write(c, frame, c->proto->frame(c->p, n, frame));
	conn_write(c, data, n);
}
