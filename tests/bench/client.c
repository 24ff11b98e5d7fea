/* SPDX-License-Identifier: MIT
 *
 * The clients of the load generator: sockets, TLS and events.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cut.h"
#include "login.h"

#define SCRATCH       ((size_t)256 << 10)
#define EVENTS        256
#define LOGIN_TIMEOUT 30 /* seconds without anybody getting ready */

void bench_fail(const char *format, ...)
{
	va_list args;

	fputs("jackdaw-bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void *bench_grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		bench_fail("out of memory");
	return p;
}

/* -- the loop ------------------------------------------------------------------------ */

static SSL_CTX *tls_new(const char *alpn)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls)
		bench_fail("no TLS");
	/* The server's certificate is its own; speed is measured, not trust. */
	SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_protos(tls, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	return tls;
}

void bench_loop_init(struct bench_loop *loop)
{
	*loop = (struct bench_loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	if (loop->epoll < 0)
		bench_fail("no epoll");
	loop->tls = tls_new("\x0bxmpp-client");
	loop->tls_ws = tls_new("\x08http/1.1");
	loop->scratch = bench_grow(NULL, SCRATCH);
}

void bench_loop_fini(struct bench_loop *loop)
{
	close(loop->epoll);
	SSL_CTX_free(loop->tls);
	SSL_CTX_free(loop->tls_ws);
	free(loop->scratch);
}

static void interest(struct bench_client *c, int op, bool write)
{
	struct epoll_event ev = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};

	c->want_write = write;
	if (epoll_ctl(c->loop->epoll, op, c->fd, &ev) < 0)
		bench_fail("epoll_ctl: %s", strerror(errno));
}

void bench_client_over(struct bench_client *c, const char *why)
{
	struct bench_loop *loop = c->loop;

	if (c->state == BENCH_OFF)
		return;
	loop->failed++;
	if (!loop->trouble[0])
		snprintf(loop->trouble, sizeof(loop->trouble), "%s in state %u: %s", c->user,
			 c->state, why);
	bench_close(c);
}

/* -- bytes out -------------------------------------------------------------------------- */

/* Bytes taken, 0 when it would block, -1. */
static ssize_t put(struct bench_client *c, const char *p, size_t n)
{
	ssize_t took;

	if (!c->ssl) {
		took = send(c->fd, p, n, MSG_NOSIGNAL);
		return took < 0 && errno == EAGAIN ? 0 : took;
	}
	took = SSL_write(c->ssl, p, n > 16384 ? 16384 : (int)n);
	if (took > 0)
		return took;
	took = SSL_get_error(c->ssl, (int)took);
	return took == SSL_ERROR_WANT_WRITE || took == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void flush(struct bench_client *c)
{
	size_t done = 0;

	while (done < c->out_len) {
		ssize_t n = put(c, c->out + done, c->out_len - done);

		if (n < 0) {
			bench_client_over(c, "the connection broke");
			return;
		}
		if (n == 0)
			break;
		done += (size_t)n;
		c->loop->bytes_out += (size_t)n;
	}
	c->out_len -= done;
	if (c->out_len)
		memmove(c->out, c->out + done, c->out_len);
	if ((c->out_len > 0) != c->want_write)
		interest(c, EPOLL_CTL_MOD, c->out_len > 0);
}

void bench_queue(struct bench_client *c, const void *p, size_t n)
{
	if (c->out_size < c->out_len + n) {
		c->out_size = (c->out_len + n) * 2;
		c->out = bench_grow(c->out, c->out_size);
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
}

/* -- bytes in ------------------------------------------------------------ */

static void got(struct bench_client *c, const char *p, size_t n)
{
	size_t done;

	c->loop->bytes_in += n;
	if (c->in_len) {
		if (c->in_size < c->in_len + n) {
			c->in_size = (c->in_len + n) * 2;
			c->in = bench_grow(c->in, c->in_size);
		}
		memcpy(c->in + c->in_len, p, n);
		n += c->in_len;
		p = c->in;
	}
	if (c->state == BENCH_UPGRADE)
		done = login_upgrade(c, p, n);
	else if (c->framed)
		done = cut_frames(c, p, n);
	else
		done = cut_stream(c, p, n);
	if (c->state == BENCH_OFF)
		return;
	if (p != c->in && c->in_size < n - done) {
		c->in_size = n - done;
		c->in = bench_grow(c->in, c->in_size);
	}
	c->in_len = n - done;
	if (c->in_len)
		memmove(c->in, p + done, c->in_len);
}

/* Bytes, 0 when there are none now, -1 at the end. */
static ssize_t take(struct bench_client *c)
{
	ssize_t n;

	if (!c->ssl) {
		n = recv(c->fd, c->loop->scratch, SCRATCH, 0);
		if (n < 0 && errno == EAGAIN)
			return 0;
		return n > 0 ? n : -1;
	}
	n = SSL_read(c->ssl, c->loop->scratch, (int)SCRATCH);
	if (n > 0)
		return n;
	return SSL_get_error(c->ssl, (int)n) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void read_all(struct bench_client *c)
{
	ssize_t n;

	do {
		n = take(c);
		if (n < 0)
			bench_client_over(c, "the server hung up");
		else if (n > 0)
			got(c, c->loop->scratch, (size_t)n);
	} while (c->state != BENCH_OFF && n > 0 && c->ssl);
}

/* -- connecting ------------------------------------------------------------ */

static void shake(struct bench_client *c)
{
	int r = SSL_connect(c->ssl), why;

	if (r == 1) {
		login_begin(c);
		return;
	}
	why = SSL_get_error(c->ssl, r);
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		bench_client_over(c, "TLS failed");
	else if ((why == SSL_ERROR_WANT_WRITE) != c->want_write)
		interest(c, EPOLL_CTL_MOD, why == SSL_ERROR_WANT_WRITE);
}

void bench_shake(struct bench_client *c)
{
	enum bench_transport t = c->target->transport;

	c->state = BENCH_SHAKE;
	c->ssl = SSL_new(t == BENCH_WSS ? c->loop->tls_ws : c->loop->tls);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		bench_fail("no TLS session");
	SSL_set_tlsext_host_name((SSL *)c->ssl, c->target->host);
	shake(c);
}

static void connected(struct bench_client *c)
{
	int error = 0, one = 1;
	socklen_t len = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		bench_client_over(c, strerror(error));
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	switch (c->target->transport) {
	case BENCH_TLS:
	case BENCH_WSS:
	case BENCH_RAW_TLS:
		bench_shake(c);
		break;
	default:
		login_begin(c);
	}
}

void bench_client_init(struct bench_client *c, struct bench_loop *loop,
		       const struct bench_target *target, const char *user, const char *password)
{
	*c = (struct bench_client){.loop = loop, .target = target, .fd = -1};
	snprintf(c->user, sizeof(c->user), "%s", user);
	snprintf(c->password, sizeof(c->password), "%s", password);
}

bool bench_connect(struct bench_client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)c->target->port)};

	if (inet_pton(AF_INET, c->target->address, &to.sin_addr) != 1)
		bench_fail("%s is not an address", c->target->address);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		bench_fail("socket: %s (ulimit -n?)", strerror(errno));
	c->state = BENCH_CONNECT;
	interest(c, EPOLL_CTL_ADD, true);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		bench_client_over(c, strerror(errno));
		return false;
	}
	return true;
}

void bench_close(struct bench_client *c)
{
	if (c->state == BENCH_READY)
		c->loop->ready--;
	c->state = BENCH_OFF;
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->framed = c->counting = false;
	free(c->scram);
	c->scram = NULL;
	free(c->in);
	free(c->out);
	c->in = c->out = NULL;
	c->in_len = c->in_size = c->out_len = c->out_size = 0;
}

/* -- events ------------------------------------------------------------ */

static void on_event(struct bench_client *c, unsigned events)
{
	c->in_event = true;
	if (c->state == BENCH_CONNECT)
		connected(c);
	else if (c->state == BENCH_SHAKE)
		shake(c);
	else if (c->state != BENCH_OFF && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		read_all(c);
	c->in_event = false;
	/* What the kernel did not take waits for EPOLLOUT. */
	if (c->state > BENCH_SHAKE && (c->out_len || c->want_write))
		flush(c);
}

void bench_send(struct bench_client *c, const char *p, size_t n)
{
	if (c->state != BENCH_READY)
		return;
	login_stanza(c, p, n);
	/* Outside of an event of this client, let epoll say when. */
	if (!c->in_event && !c->want_write)
		interest(c, EPOLL_CTL_MOD, true);
}

void bench_ask(struct bench_client *c)
{
	if (c->state != BENCH_READY)
		return;
	login_say(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm_in);
	login_say(c, "%s", "<r xmlns='urn:xmpp:sm:3'/>");
	if (!c->in_event && !c->want_write)
		interest(c, EPOLL_CTL_MOD, true);
}

void bench_flush(struct bench_client *c)
{
	if (c->state == BENCH_READY && c->out_len)
		flush(c);
}

void bench_loop_turn(struct bench_loop *loop, int milliseconds)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(loop->epoll, events, EVENTS, milliseconds);

	for (int i = 0; i < n; i++)
		on_event(events[i].data.ptr, events[i].events);
}

bool bench_login_all(struct bench_loop *loop, struct bench_client *clients, unsigned n,
		     unsigned at_once)
{
	unsigned begun = 0, before = loop->ready, last = before;
	uint64_t since = bench_now();

	while (loop->ready - before < n && !loop->failed) {
		while (begun < n && begun - (loop->ready - before) < at_once)
			if (!bench_connect(&clients[begun++]))
				return false;
		bench_loop_turn(loop, 1000);
		if (loop->ready != last) {
			last = loop->ready;
			since = bench_now();
		} else if (bench_now() - since > LOGIN_TIMEOUT * 1000000000ull) {
			snprintf(loop->trouble, sizeof(loop->trouble), "%s", "nobody gets ready");
			return false;
		}
	}
	return !loop->failed;
}
