/* SPDX-License-Identifier: MIT
 *
 * The stream of an external component, from its first byte to the end, in one piece
 * and byte by byte; what must not be said before the handshake; and its silence.
 */
#include "c2s_fixture.h"

#define WRONG_OUT ERROR_OUT("not-authorized") END_OUT

static void connect_as(struct world *w, struct client *cl, bool bytewise)
{
	client_connect_to(w, cl, NULL, component_accepted, NULL);
	cl->bytewise = bytewise;
}

static void ready(struct world *w, struct client *cl, bool bytewise)
{
	char handshake[128];

	connect_as(w, cl, bytewise);
	component_shake(cl, "brush", handshake);
	client_send(cl, handshake);
	client_expect(cl, "<handshake/>");
	world_told(w, "COMPONENT bots.localhost;");
}

static void test_life(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		world_start(&w);
		ready(&w, &cl, bytewise);
		client_send(&cl, "<message from='a@bots.localhost' to='b@c'><body>&lt;</body>"
				 "<x xmlns='jabber:client'/></message>");
		world_told(&w, "STANZA <message from='a@bots.localhost' to='b@c'><body>&lt;</body>"
			       "<x xmlns='jabber:client'/></message>;");
		/* What logic writes says no namespace: it is the stream's. */
		world_say(w.link, "<presence/>");
		client_expect(&cl, "<presence/>");
		client_send(&cl, "</stream:stream>");
		client_expect_end(&cl, END_OUT);
		world_told(&w, "END;CLOSED;");
		world_stop(&w);
	}
}

/* What comes right behind the handshake waits for logic's answer. */
static void test_waits(void **state)
{
	char handshake[256];
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	w.deaf = true;
	connect_as(&w, &cl, false);
	component_shake(&cl, "brush", handshake);
	strcat(handshake, "<iq/>");
	client_send(&cl, handshake);
	world_told(&w, "COMPONENT bots.localhost;");
	client_expect(&cl, "");
	world_control(w.link, C2S_CTL_BOUND);
	client_expect(&cl, "<handshake/>");
	world_told(&w, "STANZA <iq/>;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_refused(void **state)
{
	char handshake[128];
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	w.refuse = true;
	connect_as(&w, &cl, false);
	component_shake(&cl, "brush", handshake);
	client_send(&cl, handshake);
	client_expect_end(&cl, ERROR_OUT("conflict") END_OUT);
	world_told(&w, "COMPONENT bots.localhost;END;CLOSED;");
	connect_as(&w, &cl, false);
	component_shake(&cl, "pencil", handshake);
	client_send(&cl, handshake);
	client_expect_end(&cl, WRONG_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* Nothing of this reaches logic. */
static void test_before_handshake(void **state)
{
	static const char *const said[] = {
		"<iq/>",
		"<handshake xmlns='jabber:client'/>",
		"<handshake/>",
		"<message from='a@bots.localhost' to='b@localhost'/>",
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		AUTH("PLAIN", PLAIN_GOOD),
		BIND("b1", ""),
	};
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < JD_ARRAY_SIZE(said); i++) {
		connect_as(&w, &cl, i % 2);
		client_send(&cl, COMPONENT_IN);
		client_send(&cl, said[i]);
		client_expect_end(&cl, COMPONENT_OUT WRONG_OUT);
		world_told(&w, "CLOSED;");
	}
	world_stop(&w);
}

static void test_headers(void **state)
{
	static const struct {
		const char *said, *error;
	} headers[] = {
		{"<stream:stream xmlns='jabber:component:accept' to='localhost' "
		 "xmlns:stream='http://etherx.jabber.org/streams'>",
		 ERROR_OUT("host-unknown") END_OUT},
		{"<stream:stream xmlns='jabber:component:accept' "
		 "xmlns:stream='http://etherx.jabber.org/streams'>",
		 ERROR_OUT("host-unknown") END_OUT},
		{HEADER_IN, ERROR_OUT("invalid-namespace") END_OUT},
		{"<?xml version='1.0'?><!-- -->", ERROR_OUT("restricted-xml") END_OUT},
	};
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < JD_ARRAY_SIZE(headers); i++) {
		char want[512];

		(void)snprintf(want, sizeof(want), "%s%s",
			       "<?xml version='1.0'?><stream:stream "
			       "xmlns='jabber:component:accept' "
			       "xmlns:stream='http://etherx.jabber.org/streams' id='ID'>",
			       headers[i].error);
		connect_as(&w, &cl, i % 2);
		client_send(&cl, headers[i].said);
		client_expect_end(&cl, want);
		world_told(&w, "CLOSED;");
	}
	world_stop(&w);
}

/* It may be silent for ever: something is said to it from time to time. Before the handshake
 * there is the deadline; and what has begun must end. */
static void test_silence(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	ready(&w, &cl, false);
	pass_seconds(&w, 290);
	client_expect(&cl, "");
	pass_seconds(&w, 20);
	client_expect(&cl, " ");
	pass_seconds(&w, 1000);
	client_expect(&cl, "   ");
	world_told(&w, "");
	w.settings.stanza_deadline = 60 * JD_USEC_PER_SEC;
	client_send(&cl, "<message>");
	pass_seconds(&w, 70);
	alarm(60);
	while (!cl.eof) {
		world_turn(&w);
		client_read(&cl);
	}
	alarm(0);
	assert_non_null(memmem(cl.in.p, cl.in.len, "policy-violation", 16));
	world_told(&w, "END;CLOSED;");
	client_cut(&cl);
	connect_as(&w, &cl, false);
	client_send(&cl, COMPONENT_IN);
	client_expect(&cl, COMPONENT_OUT);
	pass_seconds(&w, 31);
	client_expect_end(&cl, ERROR_OUT("connection-timeout") END_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),    cmocka_unit_test(test_waits),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_before_handshake),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
