/* SPDX-License-Identifier: MIT
 *
 * SASL2 on a client's stream: what is asked of logic, when, and what becomes of
 * the answers; with whole writes and byte by byte.
 */
#include "c2s_fixture.h"

#define DEVICE              "d4565fa7-4d72-4749-b3d3-740edbf87770"
#define AGENT               "<user-agent id='" DEVICE "'><software>S</software><device>D</device></user-agent>"
#define SASL2(name, inside) "<" name " xmlns='urn:xmpp:sasl:2'>" inside "</" name ">"
#define AUTHENTICATE(mechanism, text, inside)                                                      \
	"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='" mechanism "'><initial-response>" text  \
	"</initial-response>" inside "</authenticate>"
#define BIND2      "<bind xmlns='urn:xmpp:bind:0'><tag>Tag</tag><x xmlns='urn:x'/></bind>"
#define REQUEST    "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
#define FAST       "<fast xmlns='urn:xmpp:fast:0' count='7' invalidate='true'/>"
#define UPGRADE    "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
#define SUCCESS    SASL2("success", "<done/>")
#define FAILURE(c) SASL2("failure", "<" c " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
#define CONTINUE   SASL2("continue", "<tasks><task>UPGR-SCRAM-SHA-512</task></tasks>")
#define NEXT       "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>"
#define FEATURES_BOUND                                                                             \
	"<stream:features><sm xmlns='urn:xmpp:sm:3'/><ver xmlns='urn:xmpp:features:rosterver'/>"   \
	"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>1048576</max-bytes>"                  \
	"<idle-seconds>300</idle-seconds></limits></stream:features>"
/* NUL user's token: user NUL 32 x 't' */
#define TOKEN_PROOF "dXNlcgB0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dA=="
#define ASKED       "AUTH PASSWORD user@localhost;"

static void begin(struct world *w, struct client *cl)
{
	world_start(w);
	client_connect(w, cl);
	client_send(cl, HEADER_IN);
	client_expect(cl, HEADER_OUT FEATURES_BEFORE);
}

static void end(struct world *w, struct client *cl)
{
	client_cut(cl);
	world_settle(w);
	world_stop(w);
}

static void test_bound(void **state)
{
	struct world w;
	struct client cl;

	(void)state;
	for (int bytewise = 0; bytewise < 2; bytewise++) {
		begin(&w, &cl);
		cl.bytewise = bytewise;
		/* What is behind waits until the session is there. */
		client_send(&cl,
			    AUTHENTICATE("PLAIN", PLAIN_GOOD, AGENT BIND2 REQUEST) "<presence/>");
		client_expect(&cl, SUCCESS FEATURES_BOUND);
		world_told(&w, ASKED "LOGIN user@localhost 7 PLAIN bind=Tag device=" DEVICE
				     " S D token=HT-SHA-256-NONE request=2;STANZA <presence/>;");
		client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, ""));
		client_expect_end(&cl, ERROR_OUT("unsupported-stanza-type") END_OUT);
		world_told(&w, "END;CLOSED;");
		world_stop(&w);
	}
}

static void test_unbound(void **state)
{
	struct world w;
	struct client cl;

	(void)state;
	begin(&w, &cl);
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, AGENT));
	client_expect(&cl, SUCCESS FEATURES_AFTER);
	world_told(&w, ASKED "LOGIN user@localhost 7 PLAIN device=" DEVICE " S D request=0;");
	client_send(&cl, BIND("b", "<resource>r</resource>"));
	client_expect(&cl, "<bound/>");
	world_told(&w, "BIND user@localhost/r 7 id=b lang= tcp PLAIN;");
	end(&w, &cl);
}

static void test_token(void **state)
{
	struct world w;
	struct client cl;

	(void)state;
	begin(&w, &cl);
	client_send(&cl, AUTHENTICATE("HT-SHA-256-NONE", TOKEN_PROOF, AGENT BIND2 FAST));
	client_expect(&cl, SASL2("success", "<additional-data>cnJycnJycnJycnJycnJycnJycnJycnJycnJyc"
					    "nJycnI=</additional-data><done/>") FEATURES_BOUND);
	world_told(&w, "AUTH TOKEN user@localhost device=" DEVICE " HT-SHA-256-NONE binding=0 "
		       "count=7 invalidate;LOGIN user@localhost 7 HT-SHA-256-NONE bind=Tag "
		       "device=" DEVICE " S D proof=token request=2;");
	end(&w, &cl);
}

/* Nothing of a request is done when the login fails, and the stream is as before. */
static void test_refused(void **state)
{
	struct world w;
	struct client cl;

	(void)state;
	begin(&w, &cl);
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_WRONG, AGENT BIND2 REQUEST));
	client_expect(&cl, FAILURE("not-authorized"));
	world_told(&w, ASKED "BAD user PLAIN;");
	w.fail_login = true;
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, BIND2));
	client_expect(&cl, FAILURE("temporary-auth-failure"));
	world_told(&w, ASKED "LOGIN user@localhost 7 PLAIN bind=Tag request=1;");
	w.fail_login = false;
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, BIND2));
	client_expect(&cl, SUCCESS FEATURES_BOUND);
	world_told(&w, ASKED "LOGIN user@localhost 7 PLAIN bind=Tag request=1;");
	end(&w, &cl);
}

static void test_upgrade(void **state)
{
	struct world w;
	struct client cl;
	uint8_t salted[64];
	char body[BASE64_LEN(64)], text[400];
	size_t n;

	(void)state;
	begin(&w, &cl);
	w.lacks = 1u << CRYPTO_SHA512;
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, BIND2 UPGRADE));
	client_expect(&cl, CONTINUE);
	world_told(&w, ASKED "LACKS 7;");
	client_send(&cl, NEXT);
	do {
		world_turn(&w);
		client_read(&cl);
	} while (!memmem(cl.in.p, cl.in.len, "</task-data>", 12));
	cl.in.len = 0;
	memset(salted, 's', sizeof(salted));
	n = base64_encode(salted, sizeof(salted), body);
	(void)snprintf(text, sizeof(text),
		       SASL2("task-data", "<hash xmlns='urn:xmpp:scram-upgrade:0'>%.*s</hash>"),
		       (int)n, body);
	client_send(&cl, text);
	client_expect(&cl, SUCCESS FEATURES_BOUND);
	world_told(&w, "KEYS 7 SHA-512 16 4096;LOGIN user@localhost 7 PLAIN bind=Tag request=2;");
	end(&w, &cl);
}

/* A stream that ends while logic completes its login becomes no session. */
static void test_ends_meanwhile(void **state)
{
	struct world w;
	struct client cl;

	(void)state;
	begin(&w, &cl);
	w.hold_login = true;
	client_send(&cl, AUTHENTICATE("PLAIN", PLAIN_GOOD, BIND2));
	world_told(&w, ASKED "LOGIN user@localhost 7 PLAIN bind=Tag request=1;");
	c2s_end(w.link, STREAM_SYSTEM_SHUTDOWN, NULL);
	client_expect_end(&cl, SHUTDOWN_OUT END_OUT);
	world_told(&w, "END;CLOSED;");
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),   cmocka_unit_test(test_unbound),
		cmocka_unit_test(test_token),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_upgrade), cmocka_unit_test(test_ends_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
