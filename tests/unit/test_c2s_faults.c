/* SPDX-License-Identifier: MIT
 *
 * Streams while memory is refused: the n-th allocation that may be, for n = 1, 2
 * ... until the script needs no more of them.  The script is two clients' way
 * from the first byte to the last stanza, by TCP and by WebSocket, with stanzas
 * large enough for blocks of their own.
 *
 * Every time: no crash, no leak (the sanitizer looks), and nothing lost in
 * silence: if logic has not had everything that was sent, the client's stream was
 * ended, or its login refused.
 */
#include "c2s_fixture.h"

#include "stream/sasl/sasl_priv.h"

#define STANZAS 6
#define LARGE   40000
#define WS_GET                                                                                     \
	"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                   \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
#define WS_OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"

static char *stanzas[STANZAS];

/* Attributes and text that need references, children, many elements, a large text. */
static void make_stanzas(void)
{
	for (unsigned i = 0; i < STANZAS; i++) {
		struct buf b;

		buf_init(&b, 1 << 20);
		assert_int_equal(
			buf_printf(&b,
				   "<message xmlns='jabber:client' id='%u' to='a@b/&lt;&apos;'>",
				   i),
			0);
		for (unsigned k = 0; k < i * 20; k++)
			assert_int_equal(
				buf_printf(&b, "<x xmlns='u:%u' a='1' b='&#10;'><y/></x>", k), 0);
		assert_int_equal(buf_append(&b, "<body>&amp;", 11), 0);
		assert_int_equal(buf_reserve(&b, LARGE), 0);
		memset(b.p + b.len, 'x', LARGE);
		b.len += i % 2 ? LARGE : 20;
		assert_int_equal(buf_append(&b, "</body></message>", 18), 0);
		stanzas[i] = b.p;
	}
}

/* -- a client that does not wait for answers ---------------------------------------------- */

static void put(struct client *cl, const void *data, size_t n)
{
	client_send_n(cl, data, n);
	world_settle(cl->w);
	client_read(cl);
}

static void say(struct client *cl, bool framed, const char *text)
{
	size_t n = strlen(text), head_len = n < 126 ? 6 : 8;
	char head[8] = {(char)0x81, (char)(0x80 | (n < 126 ? n : 126)), (char)(n >> 8), (char)n};

	assert_true(n < 65536);
	if (n < 126)
		memset(head + 2, 0, 4);
	if (framed)
		client_send_n(cl, head, head_len);
	put(cl, text, n);
}

static void begin(struct client *cl, bool framed)
{
	if (framed)
		put(cl, WS_GET, strlen(WS_GET));
	say(cl, framed, framed ? WS_OPEN : HEADER_IN);
	say(cl, framed, AUTH("PLAIN", PLAIN_GOOD));
	say(cl, framed, framed ? WS_OPEN : HEADER_IN);
	say(cl, framed,
	    "<iq xmlns='jabber:client' type='set' id='b'><bind "
	    "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>");
}

static bool contains(const struct client *cl, const char *text)
{
	return cl->in.len && memmem(cl->in.p, cl->in.len, text, strlen(text));
}

/* Returns whether anything was refused. */
static bool play(bool framed, unsigned long n)
{
	static const struct http_settings http = {.routes = &c2s_ws_route, .n_routes = 1};
	struct client cl;
	struct world w;
	unsigned seen;
	bool refused;

	world_start(&w);
	w.quiet = true;
	client_connect_to(&w, &cl, NULL, framed ? http_accepted : c2s_accepted,
			  framed ? (void *)(uintptr_t)&http : NULL);
	cl.raw = true;
	/* What the test itself needs is not to be refused. */
	assert_int_equal(buf_reserve(&w.log, 100000), 0);
	assert_int_equal(buf_reserve(&cl.in, 300000), 0);
	mem_fail_at(n);
	begin(&cl, framed);
	for (unsigned i = 0; i < STANZAS; i++)
		say(&cl, framed, stanzas[i]);
	refused = mem_refused();
	mem_fail_at(0);
	clock_fake_advance(JD_USEC_PER_SEC);
	world_settle(&w);
	client_read(&cl);
	seen = w.elements;
	if (!refused)
		assert_int_equal(seen, STANZAS);
	/* What did not come was not passed over in silence. */
	if (seen < STANZAS && !cl.eof && !contains(&cl, "</stream:stream>") &&
	    !contains(&cl, "<close "))
		assert_true(contains(&cl, "temporary-auth-failure"));
	client_cut(&cl);
	world_until(&w, !w.link);
	world_settle(&w);
	world_stop(&w);
	return refused;
}

static void test_tcp(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (play(false, n))
		n++;
	assert_true(n > 20); /* something was tried */
}

static void test_websocket(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (play(true, n))
		n++;
	assert_true(n > 20);
}

/* -- mechanisms alone ------------------------------------------------------------------------- */

static enum sasl_step answer(struct sasl *s)
{
	struct auth_answer a = {.status = AUTH_GIVEN, .owner = 7, .iterations = 16, .salt_len = 16};

	auth_ask_free(s->ask);
	s->ask = NULL;
	return sasl_answer(s, &a);
}

/* Refused memory is a temporary failure, and nobody's success. */
static void test_mechanisms(void **state)
{
	static const char *const firsts[] = {
		"n,a=user@localhost,n=user,r=abcdefgh",
		"p=tls-exporter,,n=user,r=abcdefgh",
		"\0user\0pencil",
	};

	(void)state;
	for (unsigned m = 0; m < SASL_MECHANISM_COUNT * JD_ARRAY_SIZE(firsts); m++) {
		const char *first = firsts[m % JD_ARRAY_SIZE(firsts)];
		struct jd_str text = {first, *first ? strlen(first) : 12};
		bool refused = true;

		for (unsigned long n = 1; refused; n++) {
			struct sasl_env env = {.host = JD_STR("localhost"),
					       .peer = JD_STR("192.0.2.1"),
					       .offered = (1u << SASL_MECHANISM_COUNT) - 1};
			struct sasl *s;
			enum sasl_step step;

			env.bindings.len[SASL_TLS_EXPORTER] = 32;
			s = sasl_new((enum sasl_mechanism)(m / JD_ARRAY_SIZE(firsts)), &env);
			mem_fail_at(n);
			step = sasl_message(s, text);
			if (step == SASL_ASK)
				step = answer(s);
			if (step == SASL_CHALLENGE)
				step = sasl_message(s, JD_STR("c=biws,r=abcdefgh,p=AAAA"));
			refused = mem_refused();
			mem_fail_at(0);
			if (refused)
				assert_int_equal(step, SASL_FAILURE);
			sasl_free(s);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_mechanisms),
	};
	int failed;

	make_stanzas();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (unsigned i = 0; i < STANZAS; i++)
		mem_free(stanzas[i]);
	return failed;
}
