/* SPDX-License-Identifier: MIT
 *
 * The life of a client's stream: bytes in, messages to logic and its answers,
 * stopping and going on, the end.  What the elements mean is told in the files
 * beside this one.
 */
#include "stream/c2s_priv.h"
#include "util/idn.h"

/* -- stopping and going on ------------------------------------------------------------ */

void c2s_stop(struct c2s *c, enum c2s_stop why)
{
	c->stops |= (uint8_t)why;
	if (c->scanning)
		scan_pause(c->scan);
	/* The framing may be about to go on, since an earlier reason to stop has gone. */
	if (c->ws)
		ws_pause(c->ws);
	else
		conn_pause(c->conn);
}

void c2s_barrier(struct c2s *c, enum c2s_then then)
{
	c->then = (uint8_t)then;
	if (c->scanning)
		scan_pause(c->scan);
}

/* Whom the header was for decides, where the handshake does not say. */
static void start_tls(struct c2s *c)
{
	char name[256];

	if (c->login->host && idn_to_ascii(c->login->host->name, name) == 0)
		conn_tls_host(c->conn, name);
	conn_start_tls(c->conn);
}

/* Behind a barrier; the scanner is paused. */
static enum scan_error go_on(struct c2s *c)
{
	enum c2s_then then = c->then;
	enum scan_error e;

	c->then = THEN_CONTINUE;
	if (then == THEN_TLS) {
		scan_discard(c->scan);
		start_tls(c);
		return SCAN_OK;
	}
	c->scanning = true;
	e = then == THEN_RESTART ? scan_restart(c->scan) : scan_resume(c->scan);
	c->scanning = false;
	return e;
}

/* However it has come to its session: it makes no room for others any more, and what it used up
 * of its rate before is forgiven. */
static void become_known(struct c2s *c)
{
	if (c->known || c->state != AT_BOUND)
		return;
	c->known = true;
	conn_known(c->conn);
	pace_reset(c);
}

/* After everything that may have changed what comes next; never beneath the scanner. */
static void settle(struct c2s *c, enum scan_error e)
{
	become_known(c);
	while (!e && c->state != AT_CLOSED && !c->stops && scan_paused(c->scan)) {
		if (pace_too_fast(c))
			thread_slow_down(c);
		else
			e = go_on(c);
	}
	if (e)
		c2s_error(c, stream_condition_of(e), NULL);
	if (c->state == AT_CLOSED || c->stops)
		return;
	if (pace_too_fast(c)) {
		thread_slow_down(c);
		return;
	}
	if (c->ws && conn_paused(c->conn))
		ws_resume(c->ws);
	else if (conn_paused(c->conn))
		conn_resume(c->conn);
	if (scan_wants_flush(c->scan))
		thread_flush_soon(c);
}

void c2s_go(struct c2s *c, enum c2s_stop why)
{
	c->stops &= (uint8_t)~why;
	settle(c, SCAN_OK);
}

void c2s_feed(struct c2s *c, const char *p, size_t n)
{
	enum scan_error e;

	if (c->state == AT_CLOSED)
		return;
	pace_bytes(c, n);
	c->scanning = true;
	e = scan_feed(c->scan, p, n);
	c->scanning = false;
	settle(c, e);
}

void c2s_flush(struct c2s *c)
{
	enum scan_error e;

	if (c->state == AT_CLOSED || c->stops)
		return;
	c->scanning = true;
	e = scan_flush(c->scan);
	c->scanning = false;
	settle(c, e);
}

/* -- to and from logic ------------------------------------------------------------------ */

static void drop_unsent(struct c2s *c)
{
	switch (c->unsent_kind) {
	case C2S_AUTH:
		auth_ask_free(c->unsent);
		break;
	case C2S_UPGRADE:
		upgrade_ask_free(c->unsent);
		break;
	case C2S_LOGIN:
		login_ask_free(c->unsent);
		break;
	case C2S_REGISTER:
		register_ask_free(c->unsent);
		break;
	case C2S_ELEMENT:
		wire_unref(c->unsent);
		break;
	default:
		mem_free(c->unsent);
		break;
	}
	c->unsent = NULL;
	c->unsent_kind = 0;
}

void c2s_post(struct c2s *c, enum stream_msg kind, void *p)
{
	JD_ASSERT(!c->unsent_kind);
	c->end_told |= kind == C2S_END;
	if (io_post(conn_link(c->conn), kind, p, 0))
		return;
	c->unsent_kind = (uint16_t)kind;
	c->unsent = p;
	c2s_stop(c, STOP_FULL);
}

void c2s_space(struct c2s *c)
{
	enum stream_msg kind = c->unsent_kind;

	if (c->state == AT_CLOSED || !kind || !io_post(conn_link(c->conn), kind, c->unsent, 0))
		return;
	c->unsent = NULL;
	c->unsent_kind = 0;
	if (kind == C2S_END)
		c2s_end_stream(c);
	else if (c->login && c->login->over)
		c2s_refuse(c);
	c2s_go(c, STOP_FULL);
}

void c2s_control(struct c2s *c, struct piece *piece)
{
	const struct stream_error *error = piece->arg;

	if (c->state == AT_CLOSED)
		return;
	switch ((enum stream_control)piece->op) {
	case C2S_CTL_AUTH:
		c2s_answered(c, piece->arg);
		break;
	case C2S_CTL_UPGRADE:
		c2s_upgraded(c, piece->arg);
		break;
	case C2S_CTL_LOGIN:
		c2s_logged_in(c, piece->arg);
		break;
	case C2S_CTL_BOUND:
		c2s_bind_answered(c, true);
		break;
	case C2S_CTL_REFUSED:
		c2s_bind_answered(c, false);
		break;
	case C2S_CTL_REGISTERED:
		c2s_registered(c);
		break;
	case C2S_CTL_ERROR:
		c2s_error_detail(c, error->condition, error->text, error->detail);
		break;
	case C2S_CTL_HOLD:
		c2s_stop(c, STOP_HOLD);
		break;
	case C2S_CTL_GO:
		c2s_go(c, STOP_HOLD);
		break;
	}
}

void c2s_end(struct link *link, enum stream_condition condition, const char *text)
{
	c2s_end_detail(link, condition, text, "");
}

void c2s_end_detail(struct link *link, enum stream_condition condition, const char *text,
		    const char *detail)
{
	struct stream_error *error = mem_new(struct stream_error);

	*error = (struct stream_error){condition, text, ""};
	JD_ASSERT(strlen(detail) < sizeof(error->detail));
	memcpy(error->detail, detail, strlen(detail));
	/* Control pieces always pass; the close is for the day when they don't. */
	if (link_control(link, C2S_CTL_ERROR, error, mem_free) < 0)
		link_close(link);
}

/* -- events of the scanner ------------------------------------------------------------------ */

static void on_open(void *arg, const struct scan_open *open)
{
	struct c2s *c = arg;

	if (c->component)
		component_open(c, open);
	else
		c2s_open(c, open);
}

static void take_element(struct c2s *c, struct wire_builder *b)
{
	if (c->ws && jd_str_is(wire_root_ns(b), JD_NS_FRAMING)) {
		c2s_framing(c, b);
		return;
	}
	switch ((enum c2s_state)c->state) {
	case AT_OPENING: /* only frames can come here */
		c2s_error(c, STREAM_INVALID_NAMESPACE, NULL);
		break;
	case AT_HANDSHAKE:
		component_handshake(c, b);
		break;
	case AT_FEATURES:
	case AT_SASL:
	case AT_TASK:
		c2s_negotiate(c, b);
		break;
	case AT_BIND:
		c2s_bind(c, b);
		break;
	case AT_BOUND:
		c2s_pass(c, b);
		break;
	case AT_TLS:
	case AT_ASKING:
	case AT_BINDING:
	case AT_REGISTERING:
	case AT_CLOSED:
		JD_ASSERT(!"an element behind a barrier");
	}
}

static void on_element(void *arg, struct wire_builder *b)
{
	struct c2s *c = arg;

	pace_element(c);
	take_element(c, b);
	if (c->state != AT_CLOSED && !c->stops && pace_too_fast(c))
		thread_slow_down(c);
}

/* The client ended its stream: logic hears of it before it is answered. */
static void on_close(void *arg)
{
	struct c2s *c = arg;

	if (c->state == AT_BOUND)
		c2s_post(c, C2S_END, NULL);
	if (!c->unsent_kind)
		c2s_end_stream(c);
}

const struct scan_events c2s_events = {on_open, on_element, on_close};

/* -- what a stream is asked about ---------------------------------------------------------------
 */

bool c2s_secure(const struct c2s *c)
{
	return conn_tls(c->conn) != NULL;
}

const char *c2s_transport(const struct c2s *c)
{
	if (c->ws)
		return c2s_secure(c) ? "wss" : "ws";
	return c2s_secure(c) ? "tls" : "tcp";
}

bool c2s_may_login(const struct c2s *c)
{
	return c2s_secure(c) || c->login->settings->allow_plaintext;
}

/* -- life
 * ------------------------------------------------------------------------------------------ */

struct c2s *c2s_new(struct conn *conn, struct ws *ws, bool component)
{
	struct c2s *c = mem_new(struct c2s);
	struct login *login = mem_new(struct login);

	/* Thousands of them do nothing most of the time. */
	_Static_assert(sizeof(struct c2s) <= 96, "an idle stream is small");
	c->conn = conn;
	c->ws = ws;
	c->component = component;
	thread_join(c);
	login->settings = c->thread->settings;
	shared_ref(&login->settings->shared);
	login->deadline = loop_now(c->thread->loop) + login->settings->login_deadline;
	c->login = login;
	c->scan = scan_new(c->thread->scans, ws ? SCAN_FRAMED : SCAN_STREAM,
			   component ? JD_NS_COMPONENT : JD_NS_STANZA, &c2s_events, c);
	scan_limits(c->scan, &login->settings->before);
	return c;
}

void c2s_free(struct c2s *c)
{
	thread_leave(c);
	drop_unsent(c);
	scan_free(c->scan);
	login_free(c->login);
	mem_free(c);
}

/* The connection closes by itself, which may take seconds: logic hears of it now. */
void c2s_input_ended(struct c2s *c)
{
	if (c->state == AT_CLOSED)
		return;
	c->lost = true;
	c2s_tell_end(c);
	c->state = AT_CLOSED;
}

void c2s_goodbye(struct c2s *c)
{
	if (c->state == AT_CLOSED)
		return;
	if (c->header_out)
		c2s_say_error(c, stream_condition_name(STREAM_SYSTEM_SHUTDOWN), NULL, "");
	c2s_say_end(c);
	c->state = AT_CLOSED;
}

/* A parser of 10 KiB is not kept for a stream that says nothing. */
static void park(struct c2s *c, jd_usec now)
{
	const struct login *login = c->login;
	jd_usec after = login ? login->settings->park_after : c->thread->settings->park_after;

	if (after && !c->stops && now - conn_last_read(c->conn) >= after)
		(void)scan_park(c->scan);
}

void c2s_tick(struct c2s *c, jd_usec now)
{
	if (c->state == AT_CLOSED)
		return;
	if (c->login && now >= c->login->deadline)
		c2s_error(c, STREAM_CONNECTION_TIMEOUT, NULL);
	else if (!pace_check(c, now))
		park(c, now);
}

/* -- TCP
 * ---------------------------------------------------------------------------------------------- */

static void tcp_data(void *p, char *bytes, size_t n)
{
	c2s_feed(p, bytes, n);
}

static void tcp_control(void *p, struct piece *piece)
{
	c2s_control(p, piece);
}

static void tcp_goodbye(void *p)
{
	c2s_goodbye(p);
}

static void tcp_space(void *p)
{
	c2s_space(p);
}

static void tcp_secured(void *p)
{
	struct c2s *c = p;

	if (c->state == AT_TLS)
		c->state = AT_OPENING;
	c->header_out = false;
}

static void tcp_tick(void *p, jd_usec now)
{
	c2s_tick(p, now);
}

static void tcp_ended(void *p)
{
	c2s_input_ended(p);
}

static void tcp_closed(void *p, enum conn_why why)
{
	(void)why;
	c2s_free(p);
}

static const struct conn_proto tcp_proto = {
	.name = "c2s",
	.data = tcp_data,
	.control = tcp_control,
	.goodbye = tcp_goodbye,
	.space = tcp_space,
	.secured = tcp_secured,
	.tick = tcp_tick,
	.ended = tcp_ended,
	.closed = tcp_closed,
};

void c2s_accepted(struct conn *conn, void *arg)
{
	(void)arg;
	conn_set_proto(conn, &tcp_proto, c2s_new(conn, NULL, false));
}

void component_accepted(struct conn *conn, void *arg)
{
	(void)arg;
	conn_set_proto(conn, &tcp_proto, c2s_new(conn, NULL, true));
}
