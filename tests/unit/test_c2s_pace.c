/* SPDX-License-Identifier: MIT
 *
 * Rates and silence: who is too fast waits and loses nothing, who is silent is
 * asked and then ended, who drips a stanza is ended too; and where a session is
 * sent when the server stops.
 */
#include "c2s_fixture.h"

#define TIMEOUT_OUT ERROR_OUT("connection-timeout")
#define DRIPS_OUT                                                                                  \
	"<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"            \
	"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>The stanza took too "     \
	"long to arrive.</text></stream:error>"

/* -- silence ---------------------------------------------------------------------------- */

static void test_silence(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	pass_seconds(&w, 290);
	world_told(&w, "");
	pass_seconds(&w, 20);
	world_told(&w, "IDLE;");
	/* Once is enough. */
	pass_seconds(&w, 200);
	world_told(&w, "");
	/* Whatever comes is life, also what is no stanza and no answer. */
	client_send(&cl, " ");
	pass_seconds(&w, 290);
	world_told(&w, "");
	pass_seconds(&w, 20);
	world_told(&w, "IDLE;");
	client_send(&cl, "<iq type='error' id='x'/>");
	world_told(&w, "STANZA <iq type='error' id='x'/>;");
	pass_seconds(&w, 590);
	world_told(&w, "IDLE;");
	assert_int_equal(w.lost, 0);
	pass_seconds(&w, 20);
	client_expect_end(&cl, TIMEOUT_OUT END_OUT);
	world_told(&w, "CLOSED;");
	assert_int_equal(w.lost, 1);
	world_stop(&w);
}

static void test_silence_switched_off(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.idle_ping = w.settings.idle_timeout = 0;
	world_configure(&w);
	client_connect(&w, &cl);
	client_send(&cl, HEADER_IN AUTH("PLAIN", PLAIN_GOOD) HEADER_IN BIND("b1", ""));
	world_until(&w, w.link && w.elements == 0 && w.log.len > 60);
	w.log.len = 0;
	pass_seconds(&w, 2000);
	world_told(&w, "");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* What is not read cannot be heard. */
static void test_held_is_not_silent(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	world_control(w.link, C2S_CTL_HOLD);
	world_settle(&w);
	client_send(&cl, "<presence/>");
	pass_seconds(&w, 1000);
	world_told(&w, "");
	world_control(w.link, C2S_CTL_GO);
	world_told(&w, "STANZA <presence/>;");
	pass_seconds(&w, 200);
	world_told(&w, "");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	assert_int_equal(w.lost, 1);
	world_stop(&w);
}

/* A stanza that never ends, with a byte every second. */
static void test_drips(void **state)
{
	struct client cl;
	struct world w;
	unsigned n = 0;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.stanza_deadline = 60 * JD_USEC_PER_SEC;
	world_configure(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	w.quiet = true;
	/* Many stanzas, each of them unfinished when it is looked at. */
	for (int i = 0; i < 100; i++) {
		client_send(&cl, i ? "/><presence" : "<presence");
		pass_seconds(&w, 1);
	}
	assert_int_equal(w.elements, 99);
	client_send(&cl, "/><message><body>");
	w.log.len = 0;
	while (n++ < 100 && w.lost == 0 && w.log.len == 0) {
		client_send(&cl, "x");
		pass_seconds(&w, 1);
	}
	assert_in_range(n, 20, 62);
	client_expect_end(&cl, DRIPS_OUT END_OUT);
	w.log.len = 0;
	world_stop(&w);
}

/* -- rates ------------------------------------------------------------------------------- */

static void start_paced(struct world *w, struct client *cl, uint64_t bytes, uint64_t elements)
{
	world_start_ring(w, 0);
	w->settings.rate_after = (struct stream_rate){bytes, elements};
	w->settings.rate_burst = 10 * JD_USEC_PER_SEC;
	world_configure(w);
	client_connect(w, cl);
	client_login(cl);
	w->quiet = true;
}

static void send_presences(struct client *cl, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		client_send(cl, "<presence/>");
}

/* 5 a second, 50 at once. */
static void test_elements(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	start_paced(&w, &cl, 0, 5);
	send_presences(&cl, 200);
	world_settle(&w);
	assert_in_range(w.elements, 50, 51);
	pass_seconds(&w, 3);
	assert_in_range(w.elements, 65, 72);
	pass_seconds(&w, 40);
	assert_int_equal(w.elements, 200);
	/* The bucket has filled again. */
	pass_seconds(&w, 20);
	send_presences(&cl, 50);
	world_settle(&w);
	assert_int_equal(w.elements, 250);
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

static void test_bytes(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	start_paced(&w, &cl, 110, 0); /* 10 presences a second, 100 at once */
	send_presences(&cl, 300);
	world_settle(&w);
	assert_in_range(w.elements, 100, 102);
	pass_seconds(&w, 5);
	/* A read may run into debt, which is paid before the next one. */
	assert_in_range(w.elements, 100, 175);
	pass_seconds(&w, 30);
	assert_int_equal(w.elements, 300);
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

/* White space is paid for. */
static void test_white_space(void **state)
{
	char much[1100];
	struct client cl;
	struct world w;

	(void)state;
	start_paced(&w, &cl, 110, 0);
	memset(much, ' ', sizeof(much));
	client_send_n(&cl, much, sizeof(much));
	world_settle(&w);
	client_send_n(&cl, much, 110);
	world_settle(&w);
	send_presences(&cl, 1);
	world_settle(&w);
	assert_int_equal(w.elements, 0);
	pass_seconds(&w, 12);
	assert_int_equal(w.elements, 1);
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

/* Before the login the rate is another one, and what was used up is forgiven behind it. */
static void test_before_login(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.rate_before = (struct stream_rate){100, 0};
	w.settings.rate_after = (struct stream_rate){100000, 0};
	w.settings.rate_burst = 10 * JD_USEC_PER_SEC;
	world_configure(&w);
	client_connect(&w, &cl);
	client_plain(&cl);
	/* The rest of the bucket, and the request as its last drop. */
	for (int i = 0; i < 200; i++)
		client_send(&cl, " ");
	client_send(&cl, BIND("b1", "") "<presence/>");
	world_until(&w, w.elements == 1);
	w.log.len = 0;
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	client_connect(&w, &cl);
	client_open(&cl);
	for (int i = 0; i < 500; i++)
		client_send(&cl, "  ");
	client_send(&cl, AUTH("PLAIN", "="));
	world_settle(&w);
	client_read(&cl);
	assert_int_equal(cl.in.len, 0);
	pass_seconds(&w, 10);
	client_expect(&cl, SASL_FAILED("malformed-request"));
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

/* -- the end --------------------------------------------------------------------------------- */

static void test_see_other(void **state)
{
	static const struct stream_error stop = {.condition = STREAM_SYSTEM_SHUTDOWN};
	struct client session, stranger;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.see_other = "other.example:5222";
	w.settings.see_other_uri = "wss://other.example/ws";
	world_configure(&w);
	client_connect(&w, &session);
	client_login(&session);
	assert_int_equal(link_control(w.link, C2S_CTL_ERROR, (void *)(uintptr_t)&stop, NULL), 0);
	client_expect_end(
		&session,
		"<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
		"other.example:5222</see-other-host></stream:error>" END_OUT);
	world_told(&w, "END;CLOSED;");
	/* Who has no session is told nothing of it. */
	client_connect(&w, &stranger);
	client_plain(&stranger);
	assert_int_equal(link_control(w.link, C2S_CTL_ERROR, (void *)(uintptr_t)&stop, NULL), 0);
	client_expect_end(&stranger, SHUTDOWN_OUT END_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* Half of the connection is closed, and nothing is read: logic hears of it at once. */
static void test_input_ended(void **state)
{
	static char much[3000000];
	struct client cl;
	struct piece *p;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	p = link_piece(0);
	p->body = much;
	p->body_len = sizeof(much);
	assert_int_equal(link_send(w.link, p), 0);
	world_settle(&w);
	shutdown(cl.fd, SHUT_WR);
	world_until(&w, w.lost == 1);
	world_told(&w, "");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_silence_switched_off),
		cmocka_unit_test(test_held_is_not_silent),
		cmocka_unit_test(test_drips),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_white_space),
		cmocka_unit_test(test_before_login),
		cmocka_unit_test(test_see_other),
		cmocka_unit_test(test_input_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
