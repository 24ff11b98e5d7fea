/* SPDX-License-Identifier: MIT
 *
 * HTTP over a connection.  Requests of one connection are answered one after the
 * other, in the order they came; a client that sends many and reads none is
 * stopped when its answers pile up, and goes on when they have left.
 *
 * Deadlines are looked at once a second.  The one for a header is absolute, from
 * its first byte: a client that sends a byte now and then gains nothing.
 */
#include "net/http.h"

#include <stdio.h>

#include "net/http_parse.h"
#include "net/http_reply.h"
#include "net/ws_handshake.h"
#include "rt/loop.h"
#include "util/clock.h"
#include "util/mem.h"

#define HEADER_TIME  (10 * JD_USEC_PER_SEC)
#define IDLE_TIME    (30 * JD_USEC_PER_SEC)
#define STALL_TIME   (30 * JD_USEC_PER_SEC)
#define BODY_GRACE   (10 * JD_USEC_PER_SEC)
#define BODY_RATE    1024 /* bytes a second, behind the grace */
#define READER_RATE  1024 /* the same for answers, behind the stall's time */
#define UNSENT_PAUSE ((size_t)256 << 10)
#define UNSENT_GO    ((size_t)64 << 10)
#define MAX_OUT_HEAD ((size_t)16 << 10)

/* Requests that were read and wait for answers to leave: at most one read. */
struct rest {
	struct defer defer;
	struct http_conn *h;
	size_t at, len;
	char bytes[];
};

struct http_conn {
	struct conn *c;
	const struct http_settings *settings;
	const struct http_route *route; /* of the request that is being answered */
	struct rest *rest;
	struct ws *ws; /* the connection is this one's from now on */
	struct http_parser parser;
	jd_usec since; /* the beginning of what is awaited: a request, its header, its body */
	/* Since when there have always been answers that had not left, and how long they were. */
	jd_usec owing;
	uint64_t owed;
	bool answered;
	bool ended; /* closing: nothing is taken any more */
};

static void end(struct http_conn *h, enum conn_why why)
{
	h->ended = true;
	conn_close(h->c, why);
}

/* -- answers ----------------------------------------------------------------------------- */

static void put(struct http_conn *h, const char *p, size_t n)
{
	if (!conn_unsent(h->c)) {
		h->owing = clock_mono();
		h->owed = 0;
	}
	h->owed += n;
	conn_write(h->c, p, n);
}

static void send_reply(struct http_conn *h, const struct http_reply *reply, unsigned flags)
{
	const struct http_request *rq = h->parser.rq;
	bool head_only = rq && jd_str_is(rq->method, "HEAD");
	struct buf head;

	h->answered = true;
	if (rq && rq->keep_alive && rq->minor == 0)
		flags |= HTTP_OUT_KEEP;
	if (!rq || !rq->keep_alive)
		flags |= HTTP_OUT_CLOSE;
	if (h->route && h->route->cors)
		flags |= HTTP_OUT_CORS;
	buf_init(&head, MAX_OUT_HEAD);
	if (http_reply_head(&head, reply, flags, clock_real()) == 0) {
		put(h, head.p, head.len);
		if (!head_only && reply->body.len)
			put(h, reply->body.p, reply->body.len);
	} else {
		flags |= HTTP_OUT_CLOSE; /* nothing was said: better than half an answer */
	}
	buf_free(&head);
	if (flags & HTTP_OUT_CLOSE)
		end(h, CONN_WE_CLOSED);
}

/* An answer of the layer's own, with a line of text for people. */
static void say(struct http_conn *h, unsigned status, const char *extra_headers, unsigned flags)
{
	struct http_reply reply = {.status = status, .extra_headers = extra_headers};
	char text[64];

	if (status >= 400) {
		(void)snprintf(text, sizeof(text), "%u %s\n", status, http_reason(status));
		reply.type = "text/plain; charset=utf-8";
		reply.body = jd_cstr(text);
	}
	send_reply(h, &reply, flags);
}

void http_respond(struct http_conn *h, const struct http_reply *reply)
{
	JD_ASSERT(!h->answered);
	send_reply(h, reply, 0);
}

/* -- routes --------------------------------------------------------------------------------- */

static const struct http_route *find_route(const struct http_settings *settings, struct jd_str path)
{
	for (size_t i = 0; i < settings->n_routes; i++)
		if (jd_str_is(path, settings->routes[i].path))
			return &settings->routes[i];
	return NULL;
}

static void upgrade(struct http_conn *h, struct http_request *rq)
{
	char accept[WS_ACCEPT_LEN], head[256];
	unsigned status = ws_handshake(rq, h->route->ws_protocol, accept);
	int n;

	if (status == 426) {
		say(h, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
		    HTTP_OUT_UPGRADE | HTTP_OUT_CLOSE);
		return;
	}
	if (status != 101) {
		say(h, status, NULL, HTTP_OUT_CLOSE);
		return;
	}
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		     "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n"
		     "Sec-WebSocket-Protocol: %s\r\n\r\n",
		     WS_ACCEPT_LEN, accept, h->route->ws_protocol);
	JD_ASSERT(n > 0 && (size_t)n < sizeof(head));
	h->ws = ws_new(h->c);
	conn_write(h->c, head, (size_t)n);
	h->route->ws_open(h->c, h->ws, rq, h->route->arg);
}

/* Both what a route answers to OPTIONS and what a browser asks before a foreign page may. */
static void answer_options(struct http_conn *h)
{
	if (!h->route || !h->route->cors)
		say(h, 204, "Allow: GET, HEAD, OPTIONS\r\n", 0);
	else
		say(h, 204,
		    "Allow: GET, HEAD, OPTIONS\r\n"
		    "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
		    "Access-Control-Allow-Headers: Authorization, Content-Type\r\n"
		    "Access-Control-Max-Age: 86400\r\n",
		    0);
}

static void serve(struct http_conn *h)
{
	struct http_request *rq = h->parser.rq;
	bool get = jd_str_is(rq->method, "GET");
	bool options = jd_str_is(rq->method, "OPTIONS");

	rq->secure = conn_tls(h->c) != NULL;
	h->answered = false;
	h->route = find_route(h->settings, rq->path);
	if (!h->route && !(options && jd_str_is(rq->path, "*"))) {
		say(h, 404, NULL, 0);
	} else if (options) {
		answer_options(h);
	} else if (get && h->route->ws_protocol) {
		upgrade(h, rq);
	} else if (!h->route->ws_protocol && (get || jd_str_is(rq->method, "HEAD"))) {
		h->route->get(h, rq, h->route->arg);
		if (!h->answered)
			say(h, 500, NULL, HTTP_OUT_CLOSE);
	} else {
		say(h, 405,
		    h->route->ws_protocol ? "Allow: GET, OPTIONS\r\n"
					  : "Allow: GET, HEAD, OPTIONS\r\n",
		    0);
	}
	h->route = NULL;
}

/* -- what the connection tells ------------------------------------------------------------------
 */

static void rest_due(struct defer *d);

/* One step of the parser; a change of what is awaited starts its time. */
static enum http_parse feed(struct http_conn *h, const char *bytes, size_t n, size_t *ret_used)
{
	bool idle = http_parser_idle(&h->parser), body = http_parser_in_body(&h->parser);
	enum http_parse result = http_parser_feed(&h->parser, bytes, n, ret_used);

	if (idle != http_parser_idle(&h->parser) || body != http_parser_in_body(&h->parser))
		h->since = clock_mono();
	return result;
}

/* Returns how many bytes at the end were not taken: answers have piled up, or the rest is for
 * the WebSocket. */
static size_t take(struct http_conn *h, const char *bytes, size_t n)
{
	size_t used;

	while (n && !h->ended && !h->ws) {
		if (conn_unsent(h->c) > UNSENT_PAUSE)
			return n;
		switch (feed(h, bytes, n, &used)) {
		case HTTP_PARSE_MORE:
			return 0;
		case HTTP_PARSE_DONE:
			serve(h);
			http_parser_reset(&h->parser);
			h->since = clock_mono();
			break;
		case HTTP_PARSE_BAD:
			say(h, h->parser.status, NULL, HTTP_OUT_CLOSE);
			break;
		}
		bytes += used;
		n -= used;
	}
	return h->ended ? 0 : n;
}

static void http_free(struct http_conn *h)
{
	http_parser_free(&h->parser);
	if (h->rest)
		defer_cancel(&h->rest->defer);
	mem_free(h->rest);
	mem_free(h);
}

/* The object goes; what the client sent behind its handshake is for the WebSocket. */
static void hand_over(struct http_conn *h, char *bytes, size_t n)
{
	ws_begin(h->ws, bytes, n);
	http_free(h);
}

static void go_on(struct http_conn *h)
{
	struct rest *rest = h->rest;
	size_t left = take(h, rest->bytes + rest->at, rest->len - rest->at);

	rest->at = rest->len - left;
	if (h->ws) {
		conn_resume(h->c);
		hand_over(h, rest->bytes + rest->at, left);
	} else if (left) {
		loop_defer(io_loop(io_current()), &rest->defer, rest_due);
	} else {
		h->rest = NULL;
		mem_free(rest);
		conn_resume(h->c);
	}
}

/* The connection has tried to write in between. What doesn't leave at once is for the tick. */
static void rest_due(struct defer *d)
{
	struct http_conn *h = container_of(d, struct rest, defer)->h;

	if (conn_unsent(h->c) <= UNSENT_GO)
		go_on(h);
}

static void keep_rest(struct http_conn *h, const char *bytes, size_t n)
{
	struct rest *rest = mem_try_alloc(sizeof(*rest) + n);

	if (!rest) {
		end(h, CONN_WE_CLOSED);
		return;
	}
	*rest = (struct rest){.h = h, .len = n};
	memcpy(rest->bytes, bytes, n);
	h->rest = rest;
	conn_pause(h->c);
	loop_defer(io_loop(io_current()), &rest->defer, rest_due);
}

static void http_data(void *p, char *bytes, size_t n)
{
	struct http_conn *h = p;
	size_t left;

	JD_ASSERT(!h->rest); /* the connection is paused as long as there is one */
	left = take(h, bytes, n);
	if (h->ws)
		hand_over(h, bytes + n - left, left);
	else if (left)
		keep_rest(h, bytes + n - left, left);
}

static bool body_too_slow(const struct http_conn *h, jd_usec took)
{
	return took > BODY_GRACE &&
	       (took - BODY_GRACE) / JD_USEC_PER_SEC * BODY_RATE > h->parser.body_read;
}

/* Not at all, or so slowly that somebody seems to want our memory more than the answers. */
static bool reads_too_slowly(const struct http_conn *h, jd_usec now, jd_usec still)
{
	jd_usec took = now > h->owing ? now - h->owing : 0;

	if (took <= STALL_TIME)
		return false;
	return still > STALL_TIME ||
	       (took - STALL_TIME) / JD_USEC_PER_SEC * READER_RATE > h->owed - conn_unsent(h->c);
}

static void check_deadlines(struct http_conn *h, jd_usec now)
{
	jd_usec took = now > h->since ? now - h->since : 0;
	jd_usec wrote = conn_last_write(h->c);
	jd_usec still = now > wrote ? now - wrote : 0;

	if (conn_unsent(h->c)) {
		if (reads_too_slowly(h, now, still)) {
			h->ended = true;
			conn_abort(h->c, CONN_TIMEOUT);
		}
	} else if (h->rest) {
		return; /* its time begins when it is looked at */
	} else if (http_parser_idle(&h->parser)) {
		jd_usec most = h->answered ? IDLE_TIME : HEADER_TIME;

		if (took > most && still > most)
			end(h, CONN_TIMEOUT);
	} else if (http_parser_in_body(&h->parser) ? body_too_slow(h, took) : took > HEADER_TIME) {
		say(h, 408, NULL, HTTP_OUT_CLOSE);
	}
}

static void http_tick(void *p, jd_usec now)
{
	struct http_conn *h = p;

	if (h->ended)
		return;
	check_deadlines(h, now);
	if (!h->ended && h->rest && conn_unsent(h->c) <= UNSENT_GO)
		go_on(h);
}

static void http_closed(void *p, enum conn_why why)
{
	(void)why;
	http_free(p);
}

static const struct conn_proto http_proto = {
	.name = "http",
	.data = http_data,
	.tick = http_tick,
	.closed = http_closed,
};

void http_accepted(struct conn *c, void *settings)
{
	struct http_conn *h = mem_new(struct http_conn);

	h->c = c;
	h->settings = settings;
	h->since = clock_mono();
	http_parser_init(&h->parser);
	conn_set_proto(c, &http_proto, h);
}
