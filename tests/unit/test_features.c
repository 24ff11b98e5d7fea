/* SPDX-License-Identifier: MIT
 *
 * Stream headers and features: what is answered to each header, and what is
 * offered under which settings.
 */
#include "c2s_fixture.h"

struct header_case {
	const char *sent;
	const char *from;      /* in the answer: " from='localhost'" or with to */
	const char *condition; /* NULL: features */
};

#define NS_OK   " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
#define OPEN(a) "<stream:stream" a ">"

static const struct header_case headers[] = {
	{OPEN(NS_OK " to='localhost' version='1.0'"), "", NULL},
	{OPEN(NS_OK " to='LOCALHOST' version='1.0'"), "", NULL},
	{OPEN(NS_OK " to='localhost.' version='1.0'"), "", NULL},
	{OPEN(NS_OK " to='localhost' version='1.1'"), "", NULL},
	{OPEN(NS_OK " to='localhost' version='01.000'"), "", NULL},
	{OPEN(NS_OK " to='localhost' version='2.0'"), "", NULL},
	{OPEN(NS_OK " to='localhost' version='1.0' xml:lang='de' id='x'"), "", NULL},
	{OPEN(NS_OK " to='localhost' version='1.0' from='a@localhost'"), " to='a@localhost'", NULL},
	{OPEN(NS_OK " to='localhost' version='1.0' from=\"'&lt;\""), " to='&apos;&lt;'", NULL},
	{"<?xml version='1.0'?>\n <s:stream xmlns='jabber:client' "
	 "xmlns:s='http://etherx.jabber.org/streams' to='localhost' version='1.0'>",
	 "", NULL},
	{OPEN(NS_OK " to='nowhere.test' version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " to='a@localhost' version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " to='localhost/x' version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " to='a..b' version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " to='' version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " version='1.0'"), "", "host-unknown"},
	{OPEN(NS_OK " to='localhost'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version=''"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='0.9'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='00.9'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='1'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='1.'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='.1'"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='1.0 '"), "", "unsupported-version"},
	{OPEN(NS_OK " to='localhost' version='one'"), "", "unsupported-version"},
	{OPEN(" xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
	      " to='localhost' version='1.0'"),
	 "", "invalid-namespace"},
	{OPEN(" xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'"), "",
	 "invalid-namespace"},
	{OPEN(" xmlns='jabber:client' xmlns:stream='http://evil/' to='localhost' version='1.0'"),
	 "", "invalid-namespace"},
	{"<stream xmlns='jabber:client' to='localhost' version='1.0'>", "", "invalid-namespace"},
	{"<stream:flow" NS_OK " to='localhost' version='1.0'>", "", "bad-format"},
	{OPEN(" xmlns='jabber:client' to='localhost' version='1.0'"), "", "not-well-formed"},
	{"hello", "", "not-well-formed"},
	{"GET / HTTP/1.1\r\n", "", "not-well-formed"},
	{"<!-- x -->", "", "restricted-xml"},
	{"<!DOCTYPE x>", "", "restricted-xml"},
	{"<?xml version='1.0' encoding='ISO-8859-1'?><x>", "", "unsupported-encoding"},
	{"\xff\xfe<", "", "unsupported-encoding"},
};

static void check_header(struct world *w, const struct header_case *h, bool bytewise)
{
	struct client cl;
	char want[2048];
	int n;

	client_connect(w, &cl);
	cl.bytewise = bytewise;
	client_send(&cl, h->sent);
	n = snprintf(want, sizeof(want),
		     "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
		     "xmlns:stream='http://etherx.jabber.org/streams' id='ID' "
		     "from='localhost'%s version='1.0' xml:lang='en'>",
		     h->from);
	if (h->condition) {
		n += snprintf(want + n, sizeof(want) - (size_t)n,
			      "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
			      "</stream:error></stream:stream>",
			      h->condition);
		client_expect_end(&cl, want);
	} else {
		n += snprintf(want + n, sizeof(want) - (size_t)n, "%s", FEATURES_BEFORE);
		client_expect(&cl, want);
		client_cut(&cl);
	}
	assert_true((size_t)n < sizeof(want));
	world_told(w, "CLOSED;");
}

static void test_headers(void **state)
{
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < JD_ARRAY_SIZE(headers); i++) {
		check_header(&w, &headers[i], false);
		check_header(&w, &headers[i], true);
	}
	world_stop(&w);
}

/* The second host has no modules, and its own header. */
static void test_other_host(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_send(&cl, OPEN(NS_OK " to='example.test' version='1.0'"));
	client_expect(&cl, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			   "xmlns:stream='http://etherx.jabber.org/streams' id='ID' "
			   "from='example.test' version='1.0' xml:lang='en'>" FEATURES_BEFORE);
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_EMPTY("success"));
	world_told(&w, "AUTH PASSWORD user@example.test;GOOD user PLAIN;");
	/* Whoever has logged in to one host is nobody at another. */
	client_send(&cl, HEADER_IN);
	client_expect_end(&cl, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			       "xmlns:stream='http://etherx.jabber.org/streams' id='ID' "
			       "from='example.test' version='1.0' "
			       "xml:lang='en'>" ERROR_OUT("not-authorized") END_OUT);
	world_stop(&w);
}

static void test_without_tls(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.allow_plaintext = false;
	world_configure(&w);
	client_connect(&w, &cl);
	client_send(&cl, HEADER_IN);
	client_expect(&cl, HEADER_OUT "<stream:features>" LIMITS_BEFORE "</stream:features>");
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_FAILED("encryption-required"));
	client_send(&cl, AUTH("SCRAM-SHA-1", ""));
	client_expect(&cl, SASL_FAILED("encryption-required"));
	/* There are no certificates. */
	client_send(&cl, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	client_expect_end(&cl, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" END_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_mechanisms_allowed(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start_ring(&w, 0);
	w.settings.mechanisms = 1u << SASL_SCRAM_SHA_1;
	world_configure(&w);
	client_connect(&w, &cl);
	client_send(&cl, HEADER_IN);
	client_expect(&cl, HEADER_OUT
		      "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
		      "<mechanism>SCRAM-SHA-1</mechanism></mechanisms>" AUTHENTICATION_WITH(
			      "<mechanism>SCRAM-SHA-1</mechanism>", TOKEN_NONE,
			      UPGRADE_OFFERED("1")) LIMITS_BEFORE "</stream:features>");
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_FAILED("invalid-mechanism"));
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* New settings are for new connections and for sessions; a login ends as it began. */
static void test_reload(void **state)
{
	struct stream_settings second;
	struct client old, young;
	struct world w, other;

	(void)state;
	world_start(&w);
	client_connect(&w, &old);
	client_open(&old);
	memset(&other, 0, sizeof(other));
	second = w.settings;
	second.mechanisms = 1u << SASL_SCRAM_SHA_256;
	other.settings = second;
	shared_init(&other.settings.shared, settings_released);
	stream_configure(w.io, &other.settings);
	shared_unref(&other.settings.shared);
	world_settle(&w);
	client_connect(&w, &young);
	client_send(&young, HEADER_IN);
	client_expect(&young, HEADER_OUT
		      "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
		      "<mechanism>SCRAM-SHA-256</mechanism></mechanisms>" AUTHENTICATION_WITH(
			      "<mechanism>SCRAM-SHA-256</mechanism>", TOKEN_NONE,
			      UPGRADE_OFFERED("256")) LIMITS_BEFORE "</stream:features>");
	client_send(&old, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&old, SASL_EMPTY("success"));
	client_cut(&old);
	client_cut(&young);
	world_settle(&w);
	assert_int_equal(other.released, 0);
	world_stop(&w);
	assert_int_equal(other.released, 1);
}

static void test_condition_names(void **state)
{
	(void)state;
	for (int c = 0; c <= STREAM_UNSUPPORTED_VERSION; c++)
		assert_non_null(stream_condition_name((enum stream_condition)c));
	assert_string_equal(stream_condition_name(STREAM_POLICY_VIOLATION), "policy-violation");
	for (int e = SCAN_NOT_WELL_FORMED; e <= SCAN_INVALID_FRAME; e++)
		assert_string_equal(stream_condition_name(stream_condition_of((enum scan_error)e)),
				    scan_error_condition((enum scan_error)e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_condition_names),    cmocka_unit_test(test_headers),
		cmocka_unit_test(test_other_host),         cmocka_unit_test(test_without_tls),
		cmocka_unit_test(test_mechanisms_allowed), cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
