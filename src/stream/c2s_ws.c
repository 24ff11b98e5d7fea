/* SPDX-License-Identifier: MIT
 *
 * A client's stream over WebSocket (RFC 7395): every frame is one element, the
 * stream is opened by <open/> and ended by <close/>.
 */
#include "stream/c2s_priv.h"

#define FRAME_COST 8

static bool is_space(char ch)
{
	return ch == ' ' || ch == '\n' || ch == '\t' || ch == '\r';
}

/* White space around the element is let through; a frame of nothing else keeps alive. */
static void on_message(void *p, char *text, size_t n)
{
	size_t sent = n;

	for (; n && is_space(text[0]); n--)
		text++;
	while (n && is_space(text[n - 1]))
		n--;
	/* What is stripped counts too, and the frame around it. */
	pace_bytes(p, sent - n + FRAME_COST);
	if (n)
		c2s_feed(p, text, n);
	else
		c2s_go(p, 0);
}

static void on_control(void *p, struct piece *piece)
{
	c2s_control(p, piece);
}

static void on_goodbye(void *p)
{
	c2s_goodbye(p);
}

static void on_space(void *p)
{
	c2s_space(p);
}

static void on_tick(void *p, jd_usec now)
{
	c2s_tick(p, now);
}

static void on_ended(void *p)
{
	c2s_input_ended(p);
}

static void on_closed(void *p, enum conn_why why)
{
	(void)why;
	c2s_free(p);
}

static const struct ws_user user = {
	.message = on_message,
	.control = on_control,
	.goodbye = on_goodbye,
	.space = on_space,
	.tick = on_tick,
	.ended = on_ended,
	.closed = on_closed,
};

static void on_open(struct c2s *c, struct wire_builder *b)
{
	struct scan_open open = {
		.name = wire_root_name(b),
		.ns = wire_root_ns(b),
		.to = wire_root_attr(b, JD_STR_NULL, "to"),
		.from = wire_root_attr(b, JD_STR_NULL, "from"),
		.version = wire_root_attr(b, JD_STR_NULL, "version"),
		.lang = wire_root_attr(b, JD_STR(JD_NS_XML), "lang"),
	};

	c2s_open(c, &open);
}

void c2s_framing(struct c2s *c, struct wire_builder *b)
{
	struct jd_str name = wire_root_name(b);

	if (jd_str_is(name, "close"))
		c2s_events.close(c);
	else if (c->state == AT_OPENING)
		on_open(c, b);
	else
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

static void ws_opened(struct conn *conn, struct ws *ws, const struct http_request *rq, void *arg)
{
	struct c2s *c = c2s_new(conn, ws, false);

	(void)rq;
	(void)arg;
	ws_set_user(ws, &user, c);
	ws_limit(ws, c->login->settings->before.stanza_bytes);
}

const struct http_route c2s_ws_route = {
	.path = "/xmpp-websocket",
	.ws_protocol = "xmpp",
	.ws_open = ws_opened,
};
