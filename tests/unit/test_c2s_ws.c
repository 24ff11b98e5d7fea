/* SPDX-License-Identifier: MIT
 *
 * A client's stream over WebSocket, from the HTTP request on.
 */
#include "c2s_fixture.h"
#include "net/ws_frame.h"

#define OPEN_IN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
#define OPEN_OUT                                                                                   \
	"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='ID' from='localhost' "              \
	"version='1.0' xml:lang='en'/>"
#define CLOSE "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"
#define WS_FEATURES(inside)                                                                        \
	"<stream:features xmlns:stream='http://etherx.jabber.org/streams'>" inside                 \
	"</stream:features>"
#define WS_ERROR(c)                                                                                \
	"<stream:error xmlns:stream='http://etherx.jabber.org/streams'><" c                        \
	" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
#define WS_BIND                                                                                    \
	"<iq xmlns='jabber:client' type='set' id='b1'><bind "                                      \
	"xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
#define PRESENCE "<presence xmlns='jabber:client'/>"

/* -- frames ---------------------------------------------------------------------------- */

static size_t put_frame(char *out, unsigned opcode, const void *data, size_t n)
{
	size_t head = 2;

	out[0] = (char)(0x80 | opcode);
	if (n < 126) {
		out[1] = (char)(0x80 | n);
	} else {
		assert_true(n < 65536);
		out[1] = (char)(0x80 | 126);
		out[2] = (char)(n >> 8);
		out[3] = (char)n;
		head = 4;
	}
	memset(out + head, 0, 4); /* a mask of zeros */
	memcpy(out + head + 4, data, n);
	return head + 4 + n;
}

static void ws_send(struct client *cl, const char *text)
{
	char out[16384];

	client_send_n(cl, out, put_frame(out, WS_OP_TEXT, text, strlen(text)));
}

/* The frames in cl->in as text: each text, one after another with '|' behind it; a close frame
 * as its code. */
static void read_frames(struct client *cl, struct buf *out)
{
	const unsigned char *p;

	client_read(cl);
	for (;;) {
		size_t n, head = 2;

		p = (const unsigned char *)cl->in.p;
		if (cl->in.len < 2)
			return;
		n = p[1];
		if (n == 126) {
			head = 4;
			if (cl->in.len < 4)
				return;
			n = (size_t)p[2] << 8 | p[3];
		}
		if (cl->in.len < head + n)
			return;
		if (p[0] == (0x80 | WS_OP_CLOSE))
			assert_int_equal(buf_printf(out, "%d|", p[2] << 8 | p[3]), 0);
		else
			assert_int_equal(buf_printf(out, "%.*s|", (int)n, (const char *)p + head),
					 0);
		assert_true(p[0] == (0x80 | WS_OP_CLOSE) || p[0] == (0x80 | WS_OP_TEXT));
		buf_consume(&cl->in, head + n);
	}
}

static void ws_expect(struct client *cl, const char *want)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	alarm(60);
	while (got.len < strlen(want) && !cl->eof) {
		world_turn(cl->w);
		read_frames(cl, &got);
		hide_ids(&got);
	}
	alarm(0);
	world_settle(cl->w);
	read_frames(cl, &got);
	assert_int_equal(buf_append(&got, "", 1), 0);
	assert_string_equal(got.p, want);
	buf_free(&got);
}

static const struct http_settings http = {.routes = &c2s_ws_route, .n_routes = 1};

static void ws_connect(struct world *w, struct client *cl)
{
	static const char request[] = "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\n"
				      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
				      "Sec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Protocol: xmpp\r\n\r\n";
	const char *end = NULL;

	client_connect_to(w, cl, NULL, http_accepted, (void *)(uintptr_t)&http);
	cl->raw = true; /* frames have a length */
	client_send(cl, request);
	alarm(60);
	while (!end) {
		world_turn(w);
		client_read(cl);
		end = cl->in.len ? memmem(cl->in.p, cl->in.len, "\r\n\r\n", 4) : NULL;
	}
	alarm(0);
	assert_memory_equal(cl->in.p, "HTTP/1.1 101 ", 13);
	buf_consume(&cl->in, (size_t)(end + 4 - cl->in.p));
}

static void ws_close_answer(struct client *cl)
{
	char out[16];

	client_send_n(cl, out, put_frame(out, WS_OP_CLOSE, "\x03\xe8", 2));
	alarm(60);
	while (!cl->eof) {
		world_turn(cl->w);
		client_read(cl);
	}
	alarm(0);
	client_cut(cl);
}

static void ws_login(struct client *cl)
{
	ws_send(cl, OPEN_IN);
	ws_expect(cl, OPEN_OUT "|" WS_FEATURES(OFFER) "|");
	ws_send(cl, AUTH("PLAIN", PLAIN_GOOD));
	ws_expect(cl, SASL_EMPTY("success") "|");
	ws_send(cl, OPEN_IN);
	ws_expect(cl, OPEN_OUT "|" WS_FEATURES(FEATURES_INSIDE) "|");
	ws_send(cl, WS_BIND);
	ws_expect(cl, "<bound/>|");
	world_told(cl->w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;"
			  "BIND user@localhost/ 7 id=b1 lang= ws framed PLAIN;");
}

/* -- tests ------------------------------------------------------------------------------- */

static void test_session(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	for (int bytewise = 0; bytewise <= 1; bytewise++) {
		ws_connect(&w, &cl);
		cl.bytewise = bytewise;
		ws_login(&cl);
		ws_send(&cl, " \n" PRESENCE "\n ");
		ws_send(&cl, " ");
		ws_send(&cl, "<r xmlns='urn:xmpp:sm:3'/>");
		world_told(&w, "STANZA <presence/>;NONZA <r xmlns='urn:xmpp:sm:3'/>;");
		world_say(w.link, "<message xmlns='jabber:client'/>");
		ws_expect(&cl, "<message xmlns='jabber:client'/>|");
		ws_send(&cl, CLOSE);
		ws_expect(&cl, CLOSE "|1000|");
		ws_close_answer(&cl);
		world_told(&w, "END;CLOSED;");
	}
	world_stop(&w);
}

/* All frames in one write: each waits for the answers to those before it. */
static void test_pipelined(void **state)
{
	static const char *const frames[] = {
		OPEN_IN, AUTH("PLAIN", PLAIN_GOOD), OPEN_IN, WS_BIND, PRESENCE, PRESENCE, CLOSE};
	char out[8192];
	struct client cl;
	struct world w;
	size_t n = 0;

	(void)state;
	world_start(&w);
	ws_connect(&w, &cl);
	for (size_t i = 0; i < JD_ARRAY_SIZE(frames); i++)
		n += put_frame(out + n, WS_OP_TEXT, frames[i], strlen(frames[i]));
	client_send_n(&cl, out, n);
	ws_expect(&cl, OPEN_OUT
		  "|" WS_FEATURES(OFFER) "|" SASL_EMPTY("success") "|" OPEN_OUT "|" WS_FEATURES(
			  FEATURES_INSIDE) "|<bound/>|" CLOSE "|1000|");
	ws_close_answer(&cl);
	world_told(&w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;BIND user@localhost/ 7 id=b1 "
		       "lang= ws framed PLAIN;STANZA <presence/>;STANZA <presence/>;END;CLOSED;");
	world_stop(&w);
}

struct ws_case {
	const char *sent, *said;
};

static const struct ws_case first_frames[] = {
	{"<open to='localhost' version='1.0'/>", OPEN_OUT "|" WS_ERROR("not-well-formed")},
	{"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='nowhere.test' version='1.0'/>",
	 OPEN_OUT "|" WS_ERROR("host-unknown")},
	{"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost'/>",
	 OPEN_OUT "|" WS_ERROR("unsupported-version")},
	{"<oben xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>",
	 OPEN_OUT "|" WS_ERROR("bad-format")},
	{PRESENCE, OPEN_OUT "|" WS_ERROR("invalid-namespace")},
	{HEADER_IN, OPEN_OUT "|" WS_ERROR("not-well-formed")},
	{"hello", OPEN_OUT "|" WS_ERROR("not-well-formed")},
	{OPEN_IN OPEN_IN, OPEN_OUT "|" WS_ERROR("not-well-formed")},
	{"<!DOCTYPE x>", OPEN_OUT "|" WS_ERROR("not-well-formed")},
};

static const struct ws_case session_frames[] = {
	{OPEN_IN, WS_ERROR("unsupported-stanza-type")},
	{"<message/>", WS_ERROR("not-well-formed")},
	{"<message xmlns='jabber:client'>", WS_ERROR("not-well-formed")},
	{"<command xmlns='jabber:client'/>", WS_ERROR("unsupported-stanza-type")},
	{AUTH("PLAIN", PLAIN_GOOD), WS_ERROR("unsupported-stanza-type")},
};

static void check_frame(struct world *w, const struct ws_case *c, bool session)
{
	struct client cl;
	char want[2048];

	ws_connect(w, &cl);
	if (session)
		ws_login(&cl);
	ws_send(&cl, c->sent);
	ws_send(&cl, PRESENCE);
	(void)snprintf(want, sizeof(want), "%s|" CLOSE "|1000|", c->said);
	ws_expect(&cl, want);
	ws_close_answer(&cl);
	world_told(w, session ? "END;CLOSED;" : "CLOSED;");
}

static void test_errors(void **state)
{
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < JD_ARRAY_SIZE(first_frames); i++)
		check_frame(&w, &first_frames[i], false);
	for (size_t i = 0; i < JD_ARRAY_SIZE(session_frames); i++)
		check_frame(&w, &session_frames[i], true);
	world_stop(&w);
}

/* Nothing is said of TLS, and without it nobody logs in. */
static void test_insecure(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.allow_plaintext = false;
	world_configure(&w);
	ws_connect(&w, &cl);
	ws_send(&cl, OPEN_IN);
	ws_expect(&cl, OPEN_OUT "|" WS_FEATURES(LIMITS_BEFORE) "|");
	ws_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	ws_expect(&cl, SASL_FAILED("encryption-required") "|");
	ws_send(&cl, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	ws_expect(&cl, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>|" CLOSE "|1000|");
	ws_close_answer(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_hold(void **state)
{
	char out[40 * sizeof(PRESENCE) + 40 * 8];
	struct client cl;
	struct world w;
	unsigned held;

	(void)state;
	world_start(&w);
	ws_connect(&w, &cl);
	ws_login(&cl);
	w.quiet = true;
	w.hold_at = 5;
	for (int i = 0; i < 50; i++) {
		size_t n = 0;

		for (int k = 0; k < 40; k++)
			n += put_frame(out + n, WS_OP_TEXT, PRESENCE, strlen(PRESENCE));
		client_send_n(&cl, out, n);
	}
	world_settle(&w);
	held = w.elements;
	assert_in_range(held, 5, 5 + 3 * C2S_SHARE);
	world_control(w.link, C2S_CTL_GO);
	world_until(&w, w.elements == 2000);
	/* Pings of the closing handshake and the end pass a held stream. */
	world_control(w.link, C2S_CTL_HOLD);
	world_settle(&w);
	c2s_end(w.link, STREAM_SYSTEM_SHUTDOWN, NULL);
	ws_expect(&cl, WS_ERROR("system-shutdown") "|" CLOSE "|1000|");
	ws_close_answer(&cl);
	world_told(&w, "END;CLOSED;");
	world_stop(&w);
}

static void send_presences(struct client *cl, unsigned count)
{
	char out[200 * (sizeof(PRESENCE) + 8)];
	size_t n = 0;

	assert_true(count <= 200);
	while (count--)
		n += put_frame(out + n, WS_OP_TEXT, PRESENCE, strlen(PRESENCE));
	client_send_n(cl, out, n);
}

/* HOLD holds whenever it comes: also while the framing is about to go on with what it kept when
 * the stream had had its share of a turn. */
static void test_hold_at_any_turn(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	ws_connect(&w, &cl);
	ws_login(&cl);
	w.quiet = true;
	for (unsigned turns = 0; turns < 12; turns++) {
		unsigned held;

		w.elements = 0;
		send_presences(&cl, 200);
		for (unsigned i = 0; i < turns; i++)
			world_turn(&w);
		world_control(w.link, C2S_CTL_HOLD);
		for (int i = 0; i < 3; i++)
			world_turn(&w);
		held = w.elements;
		send_presences(&cl, 200);
		world_settle(&w);
		if (w.elements != held)
			fail_msg("turn %u: %u, then %u", turns, held, w.elements);
		world_control(w.link, C2S_CTL_GO);
		world_until(&w, w.elements == 400);
	}
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* A ping of the WebSocket's own; logic has nothing to do with it. */
static void test_silence(void **state)
{
	struct client cl;
	struct world w;
	char out[16];

	(void)state;
	world_start(&w);
	ws_connect(&w, &cl);
	ws_login(&cl);
	pass_seconds(&w, 310);
	client_read(&cl);
	assert_int_equal(cl.in.len, 2);
	assert_memory_equal(cl.in.p, "\x89\0", 2);
	cl.in.len = 0;
	client_send_n(&cl, out, put_frame(out, WS_OP_PONG, "", 0));
	pass_seconds(&w, 290);
	client_read(&cl);
	assert_int_equal(cl.in.len, 0);
	pass_seconds(&w, 20);
	client_read(&cl);
	assert_int_equal(cl.in.len, 2);
	cl.in.len = 0;
	pass_seconds(&w, 300);
	ws_expect(&cl, WS_ERROR("connection-timeout") "|" CLOSE "|1000|");
	assert_int_equal(w.lost, 1);
	ws_close_answer(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* A frame, or a message of fragments, that never ends. */
static void test_drips(void **state)
{
	static const char *const starts[] = {"\x81", "\x81\xfe\x10", "\x01\x80\0\0\0\0"};
	static const size_t lens[] = {1, 3, 6};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(starts); i++) {
		struct client cl;
		struct world w;

		world_start_ring(&w, 0);
		w.settings.stanza_deadline = 60 * JD_USEC_PER_SEC;
		world_configure(&w);
		ws_connect(&w, &cl);
		ws_login(&cl);
		client_send_n(&cl, starts[i], lens[i]);
		pass_seconds(&w, 50);
		world_told(&w, "");
		pass_seconds(&w, 12);
		world_told(&w, "END;");
		client_cut(&cl);
		world_told(&w, "CLOSED;");
		world_stop(&w);
	}
}

static void test_see_other(void **state)
{
	static const struct stream_error stop = {.condition = STREAM_SYSTEM_SHUTDOWN};
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.see_other_uri = "wss://other.example/ws?a=1&b=2";
	world_configure(&w);
	ws_connect(&w, &cl);
	ws_login(&cl);
	assert_int_equal(link_control(w.link, C2S_CTL_ERROR, (void *)(uintptr_t)&stop, NULL), 0);
	ws_expect(&cl, "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing' "
		       "see-other-uri='wss://other.example/ws?a=1&amp;b=2'/>|1000|");
	ws_close_answer(&cl);
	world_told(&w, "END;CLOSED;");
	world_stop(&w);
}

/* Empty frames cost something too. */
static void test_rate(void **state)
{
	struct client cl;
	struct world w;
	char out[64];

	(void)state;
	world_start_ring(&w, 0);
	w.settings.rate_after = (struct stream_rate){80, 0};
	w.settings.rate_burst = 10 * JD_USEC_PER_SEC;
	world_configure(&w);
	ws_connect(&w, &cl);
	ws_login(&cl);
	for (int i = 0; i < 110; i++)
		client_send_n(&cl, out, put_frame(out, WS_OP_TEXT, "", 0));
	ws_send(&cl, PRESENCE);
	world_settle(&w);
	assert_int_equal(w.elements, 0);
	pass_seconds(&w, 2);
	assert_int_equal(w.elements, 1);
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),   cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_errors),    cmocka_unit_test(test_insecure),
		cmocka_unit_test(test_hold),      cmocka_unit_test(test_hold_at_any_turn),
		cmocka_unit_test(test_silence),   cmocka_unit_test(test_drips),
		cmocka_unit_test(test_see_other), cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
