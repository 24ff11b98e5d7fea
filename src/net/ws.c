/* SPDX-License-Identifier: MIT
 *
 * A WebSocket over a connection: what the frames mean.
 *
 * When the user pauses the connection in the middle of a read, the bytes behind
 * the message are kept here.  They are handled before the connection may read
 * again, so what is kept never grows past one read.
 */
#include "net/ws.h"

#include "net/ws_frame.h"
#include "rt/loop.h"
#include "util/clock.h"
#include "util/mem.h"

#define FIRST_LIMIT      10000
#define CLOSE_TIME       (5 * JD_USEC_PER_SEC)
#define CONTROLS_PER_SEC 10
/* A peer that doesn't read what it has is not sent pongs. */
#define MAX_UNSENT_PONG ((size_t)64 << 10)
/* Several reads: more come together only if somebody uses conn_resume() for ws_resume(). */
#define MAX_REST ((size_t)256 << 10)

struct rest {
	struct defer defer;
	struct ws *ws;
	size_t at, len;
	char bytes[];
};

struct ws {
	struct conn *c;
	const struct ws_user *user;
	void *p;
	struct rest *rest;
	struct ws_decoder decoder;
	jd_usec close_by; /* our close frame is out, and the peer's must come until then */
	jd_usec window;   /* of the control frames that are counted */
	uint8_t controls;
	bool said_close;
	bool ended; /* closing: nothing is taken any more */
};

static void drop_rest(struct ws *w)
{
	if (!w->rest)
		return;
	defer_cancel(&w->rest->defer);
	mem_free(w->rest);
	w->rest = NULL;
}

/* -- closing ------------------------------------------------------------------------------ */

static void say_close(struct ws *w, uint16_t code, struct jd_str reason)
{
	char out[2 + WS_MAX_CONTROL];
	size_t n = ws_close_frame(code, reason, out);

	if (w->said_close)
		return;
	w->said_close = true;
	conn_write(w->c, out, n);
}

static void end(struct ws *w, enum conn_why why)
{
	w->ended = true;
	conn_close(w->c, why);
}

/* The peer broke a rule: it is told which, and not listened to any more. */
static void fail(struct ws *w, uint16_t code)
{
	say_close(w, code, JD_STR_NULL);
	end(w, CONN_WE_CLOSED);
}

void ws_close(struct ws *w, uint16_t code, const char *reason)
{
	if (w->said_close || w->ended)
		return;
	say_close(w, code, jd_cstr(reason));
	w->close_by = clock_mono() + CLOSE_TIME;
	/* Or the peer's answer would not be read. */
	if (conn_paused(w->c))
		ws_resume(w);
}

/* -- frames -------------------------------------------------------------------------------- */

static bool too_many_controls(struct ws *w)
{
	jd_usec now = clock_mono();

	if (w->controls == 0 || now - w->window >= JD_USEC_PER_SEC) {
		w->window = now;
		w->controls = 0;
	}
	return ++w->controls > CONTROLS_PER_SEC;
}

static void send_control(struct ws *w, unsigned opcode, struct jd_str data)
{
	char out[2 + WS_MAX_CONTROL];

	conn_write(w->c, out, ws_control_frame(opcode, data.p, data.len, out));
}

static void handle_control(struct ws *w, enum ws_event event, struct jd_str data)
{
	if (too_many_controls(w))
		fail(w, WS_CLOSE_POLICY);
	else if (event == WS_PING && !w->said_close && conn_unsent(w->c) <= MAX_UNSENT_PONG)
		send_control(w, WS_OP_PONG, data);
}

static void handle_close(struct ws *w)
{
	enum conn_why why = w->said_close ? CONN_WE_CLOSED : CONN_PEER_CLOSED;

	say_close(w, w->decoder.code, JD_STR_NULL);
	end(w, why);
}

static void handle(struct ws *w, enum ws_event event, struct jd_str data)
{
	switch (event) {
	case WS_TEXT:
		if (!w->said_close && w->user && w->user->message)
			w->user->message(w->p, (char *)data.p, data.len);
		break;
	case WS_PING:
	case WS_PONG:
		handle_control(w, event, data);
		break;
	case WS_CLOSED:
		handle_close(w);
		break;
	case WS_BAD:
		fail(w, w->decoder.code);
		break;
	case WS_MORE:
		break;
	}
}

/* Returns how many bytes at the end were not taken, because the connection was paused. */
static size_t take(struct ws *w, char *bytes, size_t n)
{
	enum ws_event event;
	struct jd_str data;
	size_t used;

	while (!w->ended && !conn_paused(w->c)) {
		event = ws_decode(&w->decoder, bytes, n, &used, &data);
		bytes += used;
		n -= used;
		if (event == WS_MORE)
			return 0;
		handle(w, event, data);
	}
	/* Lets go of the message that was handed out last. */
	if (!w->ended)
		(void)ws_decode(&w->decoder, bytes, 0, &used, &data);
	return w->ended ? 0 : n;
}

/* -- pausing ---------------------------------------------------------------------------------- */

static void keep_rest(struct ws *w, const char *bytes, size_t n)
{
	size_t before = w->rest ? w->rest->len - w->rest->at : 0;
	struct rest *rest = NULL;

	if (n <= MAX_REST - before)
		rest = mem_try_alloc(sizeof(*rest) + before + n);
	if (!rest) {
		fail(w, WS_CLOSE_INTERNAL);
		return;
	}
	*rest = (struct rest){.ws = w, .len = before + n};
	if (before)
		memcpy(rest->bytes, w->rest->bytes + w->rest->at, before);
	memcpy(rest->bytes + before, bytes, n);
	drop_rest(w);
	w->rest = rest;
}

static void take_rest(struct ws *w)
{
	struct rest *rest = w->rest;
	size_t left = take(w, rest->bytes + rest->at, rest->len - rest->at);
	bool resumed = list_linked(&rest->defer.node);

	rest->at = rest->len - left;
	if (left)
		return;
	drop_rest(w);
	if (resumed)
		conn_resume(w->c);
}

static void rest_due(struct defer *d)
{
	struct ws *w = container_of(d, struct rest, defer)->ws;

	/* Reads nothing before the turn's end: the user may pause again until then. */
	conn_resume(w->c);
	take_rest(w);
}

void ws_pause(struct ws *w)
{
	if (w->rest)
		defer_cancel(&w->rest->defer);
	conn_pause(w->c);
}

void ws_resume(struct ws *w)
{
	if (w->rest)
		loop_defer(io_loop(io_current()), &w->rest->defer, rest_due);
	else
		conn_resume(w->c);
}

/* -- what the connection tells ------------------------------------------------------------------
 */

static void ws_data(void *p, char *bytes, size_t n)
{
	struct ws *w = p;
	size_t left = n;

	if (w->rest)
		take_rest(w);
	if (!w->rest)
		left = take(w, bytes, n);
	if (left && !w->ended)
		keep_rest(w, bytes + n - left, left);
}

static void ws_control(void *p, struct piece *piece)
{
	struct ws *w = p;

	if (w->user && w->user->control)
		w->user->control(w->p, piece);
}

static size_t ws_frame(void *p, uint64_t n, char out[14])
{
	const struct ws *w = p;

	if (w->said_close) /* nothing follows a close frame (RFC 6455 5.5.1) */
		return CONN_NO_FRAME;
	return ws_frame_header(WS_OP_TEXT, n, out);
}

static void ws_goodbye(void *p)
{
	struct ws *w = p;

	if (!w->said_close && w->user && w->user->goodbye)
		w->user->goodbye(w->p);
	say_close(w, WS_CLOSE_NORMAL, JD_STR_NULL);
}

static void ws_space(void *p)
{
	struct ws *w = p;

	if (w->user && w->user->space)
		w->user->space(w->p);
}

static void ws_tick(void *p, jd_usec now)
{
	struct ws *w = p;

	if (w->user && w->user->tick)
		w->user->tick(w->p, now);
	/* Somebody resumed the connection without ws_resume(). */
	if (!w->ended && w->rest && !conn_paused(w->c))
		take_rest(w);
	if (!w->ended && w->close_by && now >= w->close_by)
		end(w, CONN_WE_CLOSED);
}

static void ws_ended(void *p)
{
	struct ws *w = p;

	if (!w->ended && w->user && w->user->ended)
		w->user->ended(w->p);
}

static void ws_closed(void *p, enum conn_why why)
{
	struct ws *w = p;

	if (w->user && w->user->closed)
		w->user->closed(w->p, why);
	drop_rest(w);
	ws_decoder_free(&w->decoder);
	mem_free(w);
}

static const struct conn_proto ws_proto = {
	.name = "websocket",
	.data = ws_data,
	.control = ws_control,
	.frame = ws_frame,
	.goodbye = ws_goodbye,
	.space = ws_space,
	.tick = ws_tick,
	.ended = ws_ended,
	.closed = ws_closed,
};

/* -- for the user
 * ---------------------------------------------------------------------------------- */

struct ws *ws_new(struct conn *c)
{
	struct ws *w = mem_new(struct ws);

	/* Thousands of them do nothing most of the time. */
	_Static_assert(sizeof(struct ws) <= 200, "an idle WebSocket is small");
	w->c = c;
	ws_decoder_init(&w->decoder, FIRST_LIMIT);
	conn_set_proto(c, &ws_proto, w);
	return w;
}

void ws_begin(struct ws *w, char *bytes, size_t n)
{
	if (n && !w->ended)
		ws_data(w, bytes, n);
}

void ws_set_user(struct ws *w, const struct ws_user *user, void *p)
{
	w->user = user;
	w->p = p;
}

void ws_limit(struct ws *w, size_t message_bytes)
{
	ws_decoder_limit(&w->decoder, message_bytes);
}

void ws_ping(struct ws *w)
{
	if (!w->said_close && !w->ended)
		send_control(w, WS_OP_PING, JD_STR_NULL);
}

bool ws_unfinished(const struct ws *w)
{
	return !w->ended && !w->said_close &&
	       (w->decoder.have || w->decoder.in_payload || w->decoder.fragmented);
}

void ws_write(struct ws *w, const void *text, size_t n)
{
	if (!w->said_close && !w->ended)
		conn_write_message(w->c, text, n);
}
