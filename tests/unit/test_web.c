/* SPDX-License-Identifier: MIT
 *
 * HTTP and WebSocket over real connections: one end of a socket pair is the
 * server's, on one loop that is turned by hand; the clock is turned by hand too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http.h"
#include "net/ws_frame.h"
#include "rt/loop.h"
#include "util/clock.h"

#define BIG   50000
#define REAL  (784111777 * JD_USEC_PER_SEC)
#define TURNS 12

struct world {
	struct loop *loop;
	struct io *io;
	struct link *link;
	int fd;     /* the client's end */
	bool eof;   /* the server's end is shut */
	int sndbuf; /* of the server's end, from the next connection on; 0: as it is */
	int closed; /* enum conn_why of the server's connection, once it is gone */
	char *heard;
	size_t n_heard, room;
	unsigned gets;
	char path[64];
	/* WebSocket */
	struct ws *ws;
	struct conn *conn;
	char messages[256];
	unsigned n_messages, pause_each;
	bool user_closed, said_goodbye;
};

static struct world world;

/* -- the server's side ------------------------------------------------------------------ */

static void get_small(struct http_conn *h, const struct http_request *rq, void *arg)
{
	struct world *w = arg;

	w->gets++;
	(void)snprintf(w->path, sizeof(w->path), "%.*s?%.*s@%.*s", JD_FMT(rq->path),
		       JD_FMT(rq->query), JD_FMT(rq->host));
	assert_false(rq->secure);
	http_respond(h, &(struct http_reply){.status = 200,
					     .type = "text/plain",
					     .body = JD_STR("small"),
					     .extra_headers = "X-Extra: 1\r\n"});
}

static void get_big(struct http_conn *h, const struct http_request *rq, void *arg)
{
	static char body[BIG];
	struct world *w = arg;

	(void)rq;
	memset(body, 'b', sizeof(body));
	w->gets++;
	http_respond(h, &(struct http_reply){.status = 200, .body = {body, sizeof(body)}});
}

static void get_nothing(struct http_conn *h, const struct http_request *rq, void *arg)
{
	(void)h;
	(void)rq;
	(void)arg;
}

/* Remembers the message and says it again; "pause", "close" and "end" do what they say. */
static void on_message(void *p, char *text, size_t n)
{
	struct world *w = p;
	struct jd_str s = {text, n};

	assert_false(w->user_closed);
	w->n_messages++;
	if (strlen(w->messages) + n + 2 < sizeof(w->messages))
		(void)snprintf(w->messages + strlen(w->messages), n + 2, "%.*s ", JD_FMT(s));
	ws_write(w->ws, text, n);
	if (w->pause_each || jd_str_is(s, "pause"))
		ws_pause(w->ws);
	if (jd_str_is(s, "close"))
		ws_close(w->ws, 1001, "as you say");
	if (jd_str_is(s, "limit"))
		ws_limit(w->ws, 4);
	if (jd_str_is(s, "ping"))
		ws_ping(w->ws);
}

static void on_goodbye(void *p)
{
	struct world *w = p;

	w->said_goodbye = true;
	ws_write(w->ws, "bye", 3);
}

static void on_closed(void *p, enum conn_why why)
{
	struct world *w = p;

	(void)why;
	w->user_closed = true;
	w->ws = NULL;
}

static const struct ws_user user = {
	.message = on_message, .goodbye = on_goodbye, .closed = on_closed};

static void open_ws(struct conn *c, struct ws *ws, const struct http_request *rq, void *arg)
{
	struct world *w = arg;

	assert_true(jd_str_is(rq->path, "/ws"));
	w->conn = c;
	w->ws = ws;
	ws_set_user(ws, &user, w);
}

static const struct http_route routes[] = {
	{.path = "/small", .get = get_small, .arg = &world},
	{.path = "/open", .get = get_small, .arg = &world, .cors = true},
	{.path = "/big", .get = get_big, .arg = &world},
	{.path = "/nothing", .get = get_nothing, .arg = &world},
	{.path = "/ws", .ws_protocol = "xmpp", .ws_open = open_ws, .arg = &world},
};
static struct http_settings settings = {routes, JD_ARRAY_SIZE(routes)};

static void receive(const struct io_msg *msg, void *arg)
{
	struct world *w = arg;

	if (msg->kind == IO_CLOSED) {
		w->closed = (int)msg->n;
		link_release(msg->link);
	}
}

/* -- the client's side ------------------------------------------------------------------- */

static void hear(struct world *w)
{
	ssize_t n;

	do {
		if (w->room - w->n_heard < 65536)
			w->heard = realloc(w->heard, w->room += 1 << 20);
		assert_non_null(w->heard);
		n = recv(w->fd, w->heard + w->n_heard, 65535, MSG_DONTWAIT);
		if (n > 0)
			w->n_heard += (size_t)n;
	} while (n > 0);
	w->eof |= n == 0;
	w->heard[w->n_heard] = '\0';
}

static void turn(struct world *w)
{
	link_flush_doorbells();
	for (int i = 0; i < TURNS; i++)
		loop_turn(w->loop, false);
}

/* Everything in one write, then as many turns as anything here needs, then what came back. */
static void talk(struct world *w, const char *bytes, size_t n)
{
	assert_int_equal(send(w->fd, bytes, n, MSG_NOSIGNAL), n);
	turn(w);
	hear(w);
}

static void talk_slowly(struct world *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		talk(w, bytes + i, 1);
}

static void forget(struct world *w)
{
	w->n_heard = 0;
	if (w->heard)
		w->heard[0] = '\0';
}

/* Second by second, as the ticks come. */
static void pass(struct world *w, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 8; i++) {
		clock_fake_advance(JD_USEC_PER_SEC / 8);
		loop_turn(w->loop, false);
	}
	turn(w);
	hear(w);
}

static void connect_again(struct world *w)
{
	int fds[2];
	struct conn *c;

	if (w->fd >= 0)
		close(w->fd);
	turn(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (w->sndbuf)
		assert_int_equal(
			setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &w->sndbuf, sizeof(w->sndbuf)),
			0);
	w->fd = fds[0];
	w->eof = w->user_closed = w->said_goodbye = false;
	w->closed = 0;
	w->gets = w->n_messages = w->pause_each = 0;
	w->messages[0] = w->path[0] = '\0';
	forget(w);
	c = conn_new(io_thread_at(w->io, 0), fds[1], NULL, false);
	assert_non_null(c);
	w->link = conn_link(c);
	http_accepted(c, &settings);
}

static int set_up(void **state)
{
	struct world *w = &world;

	role_take(ROLE_LOGIC);
	(void)alarm(120); /* an endless loop is a failure too */
	clock_fake(1000 * JD_USEC_PER_SEC, REAL);
	*w = (struct world){.fd = -1};
	w->loop = loop_new("test");
	w->io = io_start(&(struct io_settings){.max_links = 8}, w->loop, receive, w);
	connect_again(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	close(w->fd);
	turn(w);
	io_stop(w->io);
	loop_free(w->loop);
	free(w->heard);
	clock_fake_stop();
	return 0;
}

#define TALK(w, literal) talk((w), (literal), sizeof(literal) - 1)
#define HOST             "Host: A.b:80\r\n"
#define DATE             "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define SAFE             "X-Content-Type-Options: nosniff\r\n"
#define TEXT_PLAIN       "Content-Type: text/plain; charset=utf-8\r\n"

/* -- requests -------------------------------------------------------------------------------- */

static const struct {
	const char *request;
	const char *answer;
	bool ends;
} exchanges[] = {
	{"GET /small?q HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" SAFE
	 "Content-Type: text/plain\r\nX-Extra: 1\r\n\r\nsmall",
	 false},
	{"HEAD /small HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" SAFE
	 "Content-Type: text/plain\r\nX-Extra: 1\r\n\r\n",
	 false},
	{"GET /small HTTP/1.0\r\n\r\n",
	 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" SAFE
	 "Content-Type: text/plain\r\nConnection: close\r\nX-Extra: 1\r\n\r\nsmall",
	 true},
	{"HEAD /small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" SAFE
	 "Content-Type: text/plain\r\nConnection: keep-alive\r\nX-Extra: 1\r\n\r\n",
	 false},
	{"GET /open HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
	 "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 5\r\n" SAFE
	 "Content-Type: text/plain\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n"
	 "X-Extra: 1\r\n\r\nsmall",
	 true},
	{"OPTIONS /open HTTP/1.1\r\n" HOST "Origin: http://c\r\n\r\n",
	 "HTTP/1.1 204 No Content\r\n" DATE "Access-Control-Allow-Origin: *\r\n"
	 "Allow: GET, HEAD, OPTIONS\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
	 "Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
	 "Access-Control-Max-Age: 86400\r\n\r\n",
	 false},
	{"OPTIONS /small HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 204 No Content\r\n" DATE "Allow: GET, HEAD, OPTIONS\r\n\r\n", false},
	{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 204 No Content\r\n" DATE "Allow: GET, HEAD, OPTIONS\r\n\r\n", false},
	{"POST /small HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
	 "HTTP/1.1 405 Method Not Allowed\r\n" DATE "Content-Length: 23\r\n" SAFE TEXT_PLAIN
	 "Allow: GET, HEAD, OPTIONS\r\n\r\n405 Method Not Allowed\n",
	 false},
	{"HEAD /ws HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 405 Method Not Allowed\r\n" DATE "Content-Length: 23\r\n" SAFE TEXT_PLAIN
	 "Allow: GET, OPTIONS\r\n\r\n",
	 false},
	{"GET /other HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 404 Not Found\r\n" DATE "Content-Length: 14\r\n" SAFE TEXT_PLAIN
	 "\r\n404 Not Found\n",
	 false},
	{"GET /nothing HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 500 Internal Server Error\r\n" DATE "Content-Length: 26\r\n" SAFE TEXT_PLAIN
	 "Connection: close\r\n\r\n500 Internal Server Error\n",
	 true},
	{"GET /ws HTTP/1.1\r\n" HOST "\r\n",
	 "HTTP/1.1 426 Upgrade Required\r\n" DATE "Content-Length: 21\r\n" SAFE TEXT_PLAIN
	 "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
	 "426 Upgrade Required\n",
	 true},
	{"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	 "HTTP/1.1 400 Bad Request\r\n" DATE "Content-Length: 16\r\n" SAFE TEXT_PLAIN
	 "Connection: close\r\n\r\n400 Bad Request\n",
	 true},
	{"GET / HTTP/1.1\n",
	 "HTTP/1.1 400 Bad Request\r\n" DATE "Content-Length: 16\r\n" SAFE TEXT_PLAIN
	 "Connection: close\r\n\r\n400 Bad Request\n",
	 true},
};

static void check_exchange(struct world *w, size_t i)
{
	assert_string_equal(w->heard, exchanges[i].answer);
	assert_int_equal(w->eof, exchanges[i].ends);
}

static void test_exchanges(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < JD_ARRAY_SIZE(exchanges); i++) {
		const char *rq = exchanges[i].request;

		connect_again(w);
		talk(w, rq, strlen(rq));
		check_exchange(w, i);
		connect_again(w);
		talk_slowly(w, rq, strlen(rq));
		check_exchange(w, i);
		if (exchanges[i].ends)
			continue;
		/* The connection goes on as if nothing had been. */
		forget(w);
		talk(w, rq, strlen(rq));
		check_exchange(w, i);
	}
}

static void test_request_seen(void **state)
{
	struct world *w = *state;

	TALK(w, "GET /s%6dall?x=%20 HTTP/1.1\r\n" HOST "\r\n");
	assert_string_equal(w->path, "/small?x=%20@a.b");
}

static void test_pipeline_in_order(void **state)
{
	struct world *w = *state;
	const char *first, *second;

	TALK(w, "GET /small HTTP/1.1\r\n" HOST "\r\nGET /x HTTP/1.1\r\n" HOST
		"Connection: close\r\n\r\nGET /small HTTP/1.1\r\n" HOST "\r\n");
	first = strstr(w->heard, "200 OK");
	second = strstr(w->heard, "404 Not Found");
	assert_non_null(first);
	assert_true(second > first);
	/* Behind "close" nothing is answered any more. */
	assert_int_equal(w->gets, 1);
	assert_true(w->eof);
}

static size_t count(const struct world *w, const char *what)
{
	size_t n = 0;

	for (const char *p = w->heard; (p = strstr(p, what)); p++)
		n++;
	return n;
}

/* A client that asks for much and reads nothing makes us stop; when it reads, all comes. */
static void test_pipeline_is_bounded(void **state)
{
	static const char rq[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";
	struct world *w = *state;
	const unsigned n = 200;
	size_t at = 0;
	char *in = malloc(n * sizeof(rq));

	assert_non_null(in);
	for (unsigned i = 0; i < n; i++, at += sizeof(rq) - 1)
		memcpy(in + at, rq, sizeof(rq) - 1);
	assert_int_equal(send(w->fd, in, at, MSG_NOSIGNAL), at);
	free(in);
	turn(w);
	assert_in_range(w->gets, 2, 30);
	for (unsigned i = 0; i < 2 * n && w->gets < n; i++)
		pass(w, 1);
	pass(w, 1);
	assert_int_equal(w->gets, n);
	assert_int_equal(count(w, "HTTP/1.1 200 OK"), n);
	assert_false(w->eof);
}

/* -- deadlines --------------------------------------------------------------------------------- */

static void expect_idle_end(struct world *w)
{
	assert_true(w->eof);
	assert_int_equal(w->n_heard, 0);
	close(w->fd);
	w->fd = -1;
	turn(w);
	assert_int_equal(w->closed, CONN_TIMEOUT);
	connect_again(w);
}

/* The first request has 10 s, a further one 30. */
static void test_idle(void **state)
{
	struct world *w = *state;

	pass(w, 8);
	TALK(w, "GET /small HTTP/1.1\r\n" HOST "\r\n");
	forget(w);
	pass(w, 29);
	assert_false(w->eof);
	pass(w, 3);
	expect_idle_end(w);
	pass(w, 12);
	expect_idle_end(w);
}

/* A byte each second does not help. */
static void test_slow_header(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 9; i++) {
		TALK(w, "G");
		pass(w, 1);
	}
	assert_int_equal(w->n_heard, 0);
	TALK(w, "G");
	pass(w, 3);
	assert_non_null(strstr(w->heard, "HTTP/1.1 408 Request Timeout"));
	assert_true(w->eof);
}

static void test_slow_body(void **state)
{
	struct world *w = *state;
	char kib[1024] = {0};

	TALK(w, "GET /small HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n");
	for (unsigned i = 0; i < 20; i++) {
		talk(w, kib, sizeof(kib));
		pass(w, 1);
	}
	assert_int_equal(w->n_heard, 0);
	pass(w, 9);
	assert_int_equal(w->n_heard, 0);
	pass(w, 4);
	assert_non_null(strstr(w->heard, "HTTP/1.1 408 Request Timeout"));
	assert_int_equal(w->gets, 0);
	assert_true(w->eof);
}

static void test_slow_reader(void **state)
{
	struct world *w = *state;
	static const char rq[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";

	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(send(w->fd, rq, sizeof(rq) - 1, MSG_NOSIGNAL), sizeof(rq) - 1);
	for (unsigned i = 0; i < 8 * 34; i++) {
		clock_fake_advance(JD_USEC_PER_SEC / 8);
		loop_turn(w->loop, false);
	}
	turn(w);
	assert_int_equal(w->closed, CONN_TIMEOUT);
}

/* Half a KiB a second is too little, though something moves all the time. */
static void test_dribbling_reader(void **state)
{
	struct world *w = *state;
	static const char rq[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";
	char in[4096];

	/* Or the kernel hides in large steps how slowly somebody reads. */
	w->sndbuf = 4096;
	connect_again(w);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(send(w->fd, rq, sizeof(rq) - 1, MSG_NOSIGNAL), sizeof(rq) - 1);
	for (unsigned i = 0; i < 8 * 300 && !w->closed; i++) {
		clock_fake_advance(JD_USEC_PER_SEC / 8);
		loop_turn(w->loop, false);
		if (i % 64 == 0)
			(void)recv(w->fd, in, sizeof(in), MSG_DONTWAIT);
	}
	turn(w);
	assert_int_equal(w->closed, CONN_TIMEOUT);
}

/* -- WebSocket ------------------------------------------------------------------------------------
 */

#define HANDSHAKE                                                                                  \
	"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"    \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: x, xmpp\r\n"                         \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define HANDSHAKE_ANSWER                                                                           \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"        \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: "           \
	"xmpp\r\n\r\n"

/* Frames with the mask 0: readable. At most 125 bytes. */
#define M          "\0\0\0\0"
#define SAY(n, s)  "\x81" n M s
#define PING_AB    "\x89\x82" M "ab"
#define CLOSE_1000 "\x88\x82" M "\x03\xe8"

static void heard_is(struct world *w, const char *bytes, size_t n)
{
	assert_int_equal(w->n_heard, n);
	assert_memory_equal(w->heard, bytes, n);
	forget(w);
}
#define HEARD(w, literal) heard_is((w), (literal), sizeof(literal) - 1)

static void upgrade(struct world *w)
{
	TALK(w, HANDSHAKE);
	HEARD(w, HANDSHAKE_ANSWER);
	assert_non_null(w->ws);
}

static void test_ws_talk(void **state)
{
	struct world *w = *state;

	upgrade(w);
	TALK(w, SAY("\x82", "hi"));
	HEARD(w, "\x81\x02hi");
	TALK(w, "\x01\x81" M "a" PING_AB "\x80\x81" M "b");
	HEARD(w, "\x8a\x02"
		 "ab"
		 "\x81\x02"
		 "ab");
	talk_slowly(w, "\x01\x81" M "c" PING_AB "\x80\x81" M "d", 22);
	HEARD(w, "\x8a\x02"
		 "ab"
		 "\x81\x02"
		 "cd");
	assert_string_equal(w->messages, "hi ab cd ");
	TALK(w, SAY("\x84", "ping"));
	HEARD(w, "\x81\x04ping\x89\x00");
	TALK(w, "\x8a\x80" M CLOSE_1000);
	HEARD(w, "\x88\x02\x03\xe8");
	assert_true(w->eof);
	assert_int_equal(w->closed, CONN_PEER_CLOSED);
	assert_true(w->user_closed);
	assert_false(w->said_goodbye);
}

/* A client need not wait for our answer to be heard. */
static void test_ws_early_message(void **state)
{
	struct world *w = *state;

	TALK(w, HANDSHAKE SAY("\x82", "hi") "\x88\x80" M);
	HEARD(w, HANDSHAKE_ANSWER "\x81\x02hi\x88\x00");
	connect_again(w);
	talk_slowly(w, HANDSHAKE SAY("\x82", "hi"), sizeof(HANDSHAKE SAY("\x82", "hi")) - 1);
	HEARD(w, HANDSHAKE_ANSWER "\x81\x02hi");
}

static void test_ws_refusals(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		uint16_t code;
	} bad[] = {
		{"\x81\x01"
		 "a",
		 3, 1002},
		{"\x82\x81" M "a", 7, 1003},
		{"\x81\x81" M "\xff", 7, 1007},
		{"\x81\xfe\x27\x11" M, 8, 1009}, /* 10 001 */
	};
	struct world *w = *state;

	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++) {
		connect_again(w);
		upgrade(w);
		talk(w, bad[i].in, bad[i].n);
		assert_int_equal(w->n_heard, 4);
		assert_memory_equal(w->heard, "\x88\x02", 2);
		assert_int_equal((uint8_t)w->heard[2] << 8 | (uint8_t)w->heard[3], bad[i].code);
		assert_true(w->eof);
		assert_int_equal(w->n_messages, 0);
	}
}

static void test_ws_limit(void **state)
{
	struct world *w = *state;

	upgrade(w);
	TALK(w, SAY("\x85", "limit") SAY("\x84", "four") SAY("\x85", "fives"));
	HEARD(w, "\x81\x05limit\x81\x04"
		 "four\x88\x02\x03\xf1");
}

static void test_ws_flood(void **state)
{
	struct world *w = *state;

	upgrade(w);
	for (unsigned i = 0; i < 10; i++)
		TALK(w, "\x89\x80" M);
	assert_int_equal(w->n_heard, 20);
	pass(w, 1);
	forget(w);
	for (unsigned i = 0; i < 10; i++)
		TALK(w, "\x8a\x80" M);
	assert_int_equal(w->n_heard, 0);
	TALK(w, "\x8a\x80" M);
	HEARD(w, "\x88\x02\x03\xf0");
	assert_true(w->eof);
}

/* Each message pauses; what came with it waits, in order, and nothing is read meanwhile. */
static void test_ws_pause(void **state)
{
	struct world *w = *state;

	upgrade(w);
	w->pause_each = 1;
	TALK(w, SAY("\x81", "a") SAY("\x81", "b") SAY("\x81", "c") "\x81\x81" M);
	TALK(w, "d" SAY("\x81", "e"));
	for (unsigned i = 1; i <= 5; i++) {
		turn(w);
		assert_int_equal(w->n_messages, i);
		ws_resume(w->ws);
		assert_int_equal(w->n_messages, i); /* never beneath */
		turn(w);
	}
	assert_string_equal(w->messages, "a b c d e ");
	/* Thinking twice within a turn. */
	w->messages[0] = '\0';
	TALK(w, SAY("\x81", "f") SAY("\x81", "g"));
	ws_resume(w->ws);
	ws_pause(w->ws);
	turn(w);
	assert_string_equal(w->messages, "f ");
	ws_resume(w->ws);
	turn(w);
	assert_string_equal(w->messages, "f g ");
	/* Somebody who knows only the connection. */
	TALK(w, SAY("\x81", "h"));
	ws_resume(w->ws);
	turn(w);
	TALK(w, SAY("\x81", "i"));
	conn_resume(w->conn);
	pass(w, 2);
	assert_string_equal(w->messages, "f g h i ");
}

/* The end while messages wait, and while they are about to be handled. */
static void test_ws_paused_end(void **state)
{
	struct world *w = *state;

	for (unsigned resumed = 0; resumed < 2; resumed++) {
		connect_again(w);
		upgrade(w);
		TALK(w, SAY("\x85", "pause") SAY("\x81", "b"));
		assert_int_equal(w->n_messages, 1);
		if (resumed)
			ws_resume(w->ws);
		conn_abort(w->conn, CONN_WE_CLOSED);
		turn(w);
		assert_true(w->user_closed);
		assert_int_equal(w->closed, CONN_WE_CLOSED);
	}
}

static void test_ws_our_close(void **state)
{
	struct world *w = *state;

	upgrade(w);
	/* What comes behind our close frame is not for the user. */
	TALK(w, SAY("\x85", "close") SAY("\x81", "b") PING_AB);
	HEARD(w, "\x81\x05"
		 "close\x88\x0c\x03\xe9"
		 "as you say");
	assert_false(w->eof);
	ws_close(w->ws, 1000, NULL);
	ws_write(w->ws, "x", 1);
	ws_ping(w->ws);
	TALK(w, SAY("\x81", "c"));
	assert_int_equal(w->n_heard, 0);
	TALK(w, CLOSE_1000);
	assert_int_equal(w->n_heard, 0);
	assert_true(w->eof);
	assert_string_equal(w->messages, "close ");
}

static void test_ws_our_close_unanswered(void **state)
{
	struct world *w = *state;

	upgrade(w);
	/* Also when it was paused. */
	TALK(w, SAY("\x85", "pause") SAY("\x81", "b"));
	ws_close(w->ws, 1000, NULL);
	forget(w);
	pass(w, 4);
	HEARD(w, "\x88\x02\x03\xe8");
	assert_false(w->eof);
	pass(w, 3);
	assert_true(w->eof);
	assert_string_equal(w->messages, "pause ");
}

static void test_ws_from_logic(void **state)
{
	struct world *w = *state;
	struct piece *p = link_piece(5);

	upgrade(w);
	memcpy(p->text, "<a/>!", 5);
	p->head_len = 4;
	p->tail_len = 1;
	assert_int_equal(link_send(w->link, p), 0);
	turn(w);
	hear(w);
	HEARD(w, "\x81\x05<a/>!");
	link_close(w->link);
	turn(w);
	hear(w);
	HEARD(w, "\x81\x03"
		 "bye\x88\x02\x03\xe8");
	assert_true(w->said_goodbye);
	assert_true(w->eof);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exchanges),
		TEST(test_request_seen),
		TEST(test_pipeline_in_order),
		TEST(test_pipeline_is_bounded),
		TEST(test_idle),
		TEST(test_slow_header),
		TEST(test_slow_body),
		TEST(test_slow_reader),
		TEST(test_dribbling_reader),
		TEST(test_ws_talk),
		TEST(test_ws_early_message),
		TEST(test_ws_refusals),
		TEST(test_ws_limit),
		TEST(test_ws_flood),
		TEST(test_ws_pause),
		TEST(test_ws_paused_end),
		TEST(test_ws_our_close),
		TEST(test_ws_our_close_unanswered),
		TEST(test_ws_from_logic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
