/* SPDX-License-Identifier: MIT
 *
 * A client's stream over TCP from its first byte to its end, with a logic side
 * that follows a script: logins, barriers, errors, back-pressure.
 */
#include "c2s_fixture.h"

#define PING_IQ    "<iq type='get' id='p1' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
#define FIVE(x)    x x x x x
#define FIFTY(x)   FIVE(x x x x x x x x x x)
#define HUNDRED(x) FIFTY(x) FIFTY(x)
#define PRESENCE   "<presence/>"

/* -- SCRAM, the client's side ------------------------------------------------------------ */

static const char *const hash_names[] = {
	[CRYPTO_SHA1] = "SCRAM-SHA-1",
	[CRYPTO_SHA256] = "SCRAM-SHA-256",
	[CRYPTO_SHA512] = "SCRAM-SHA-512",
};

struct scram_client {
	enum crypto_hash hash;
	uint8_t salted[CRYPTO_MAX_DIGEST];
	char auth[1024];
};

static size_t decode_body(struct client *cl, const char *name, char out[512])
{
	char open[128];
	size_t n = (size_t)snprintf(open, sizeof(open),
				    "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", name);
	const char *end;

	alarm(60);
	do {
		world_turn(cl->w);
		client_read(cl);
		end = cl->in.len > n ? memmem(cl->in.p + n, cl->in.len - n, "</", 2) : NULL;
	} while (!end);
	alarm(0);
	assert_memory_equal(cl->in.p, open, n);
	assert_int_equal(base64_decode((struct jd_str){cl->in.p + n, (size_t)(end - cl->in.p) - n},
				       out, 511, &n),
			 0);
	out[n] = '\0';
	cl->in.len = 0;
	return n;
}

static void send_sasl(struct client *cl, const char *open, const char *name, const char *text)
{
	char out[2048], body[1024];
	size_t n = base64_encode(text, strlen(text), body);

	(void)snprintf(out, sizeof(out), "<%s xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%.*s</%s>",
		       open, (int)n, body, name);
	client_send(cl, out);
}

static void scram_start(struct client *cl, struct scram_client *sc, const char *user)
{
	char open[64], first[128];

	(void)snprintf(open, sizeof(open), "auth mechanism='%s'", hash_names[sc->hash]);
	(void)snprintf(first, sizeof(first), "n,,n=%s,r=nonce", user);
	send_sasl(cl, open, "auth", first);
}

/* Answers the challenge; keeps what the signature will cover. */
static void scram_respond(struct client *cl, struct scram_client *sc, const char *user,
			  const char *password)
{
	uint8_t key[64], stored[64], signature[64];
	size_t size = crypto_digest_size(sc->hash), n;
	char challenge[512], without[256], final[512], proof[BASE64_LEN(64)];
	const char *comma;

	decode_body(cl, "challenge", challenge);
	assert_memory_equal(challenge, "r=nonce", 7);
	comma = strchr(challenge, ',');
	assert_memory_equal(comma, ",s=c3Nzc3Nzc3Nzc3Nzc3Nzcw==,i=16,h=", 35);
	(void)snprintf(without, sizeof(without), "c=biws,%.*s", (int)(comma - challenge),
		       challenge);
	(void)snprintf(sc->auth, sizeof(sc->auth), "n=%s,r=nonce,%s,%s", user, challenge, without);
	crypto_pbkdf2(sc->hash, jd_cstr(password), "ssssssssssssssss", 16, ITERATIONS, sc->salted);
	crypto_hmac(sc->hash, sc->salted, size, "Client Key", 10, key);
	crypto_digest(sc->hash, key, size, stored);
	crypto_hmac(sc->hash, stored, size, sc->auth, strlen(sc->auth), signature);
	for (size_t i = 0; i < size; i++)
		key[i] ^= signature[i];
	n = base64_encode(key, size, proof);
	(void)snprintf(final, sizeof(final), "%s,p=%.*s", without, (int)n, proof);
	send_sasl(cl, "response", "response", final);
}

static void scram_check(struct client *cl, const struct scram_client *sc)
{
	uint8_t key[64], signature[64];
	char want[2 + BASE64_LEN(64) + 1] = "v=", got[512];
	size_t size = crypto_digest_size(sc->hash), n;

	crypto_hmac(sc->hash, sc->salted, size, "Server Key", 10, key);
	crypto_hmac(sc->hash, key, size, sc->auth, strlen(sc->auth), signature);
	n = base64_encode(signature, size, want + 2);
	want[2 + n] = '\0';
	decode_body(cl, "success", got);
	assert_string_equal(got, want);
}

/* -- logins ---------------------------------------------------------------------------------- */

static void whole_session(struct world *w, struct client *cl)
{
	client_send(cl, HEADER_IN);
	client_expect(cl, HEADER_OUT FEATURES_AFTER);
	client_send(cl, BIND("b1", "<resource>a&amp;b</resource>"));
	client_expect(cl, "<bound/>");
	w->log.len = 0;
	client_send(cl, PING_IQ " \n <presence/>");
	world_told(w, "STANZA " PING_IQ ";STANZA <presence/>;");
	client_send(cl, "</stream:stream>");
	client_expect_end(cl, END_OUT);
	world_told(w, "END;CLOSED;");
}

static void test_login(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	for (int bytewise = 0; bytewise <= 1; bytewise++) {
		for (int hash = CRYPTO_SHA1; hash <= CRYPTO_SHA512; hash++) {
			struct scram_client sc = {.hash = (enum crypto_hash)hash};
			char told[128];

			client_connect(&w, &cl);
			cl.bytewise = bytewise;
			client_open(&cl);
			scram_start(&cl, &sc, "user");
			scram_respond(&cl, &sc, "user", "pencil");
			scram_check(&cl, &sc);
			(void)snprintf(told, sizeof(told), "AUTH %s user@localhost;GOOD user %s;",
				       hash_names[hash] + 6, hash_names[hash]);
			world_told(&w, told);
			whole_session(&w, &cl);
		}
		client_connect(&w, &cl);
		cl.bytewise = bytewise;
		client_open(&cl);
		client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
		client_expect(&cl, SASL_EMPTY("success"));
		world_told(&w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;");
		whole_session(&w, &cl);
	}
	world_stop(&w);
}

static void test_scram_failures(void **state)
{
	static const char *const users[] = {"user", "nobody"};
	struct scram_client sc = {.hash = CRYPTO_SHA256};
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_open(&cl);
	for (size_t i = 0; i < 2; i++) {
		char told[128];

		/* Neither name is told from the other before the end. */
		scram_start(&cl, &sc, users[i]);
		scram_respond(&cl, &sc, users[i], i ? "pencil" : "ink");
		client_expect(&cl, SASL_FAILED("not-authorized"));
		(void)snprintf(told, sizeof(told),
			       "AUTH SHA-256 %s@localhost;BAD %s SCRAM-SHA-256;", users[i],
			       users[i]);
		world_told(&w, told);
	}
	scram_start(&cl, &sc, "user");
	scram_respond(&cl, &sc, "user", "pencil");
	scram_check(&cl, &sc);
	client_cut(&cl);
	world_told(&w, "AUTH SHA-256 user@localhost;GOOD user SCRAM-SHA-256;CLOSED;");
	world_stop(&w);
}

/* Each fails and leaves the stream good for another try. */
static void test_sasl_failures(void **state)
{
	static const struct {
		const char *sent, *answer, *told;
	} cases[] = {
		{AUTH("PLAIN", PLAIN_WRONG), SASL_FAILED("not-authorized"),
		 "AUTH PASSWORD user@localhost;BAD user PLAIN;"},
		{AUTH("X-NONE", ""), SASL_FAILED("invalid-mechanism"), ""},
		{AUTH("plain", PLAIN_GOOD), SASL_FAILED("invalid-mechanism"), ""},
		{SASL_EMPTY("auth"), SASL_FAILED("invalid-mechanism"), ""},
		{AUTH("PLAIN", "!!!!"), SASL_FAILED("incorrect-encoding"), ""},
		{AUTH("PLAIN", "AHVzZXIAcGVuY2ls "), SASL_FAILED("incorrect-encoding"), ""},
		{AUTH("PLAIN", "AHVzZXIAcGVuY2l"), SASL_FAILED("incorrect-encoding"), ""},
		{AUTH("PLAIN", "=AHVzZXIAcGVuY2ls"), SASL_FAILED("incorrect-encoding"), ""},
		{AUTH("PLAIN", "&#65;HVzZXIAaW5r"), SASL_FAILED("not-authorized"),
		 "AUTH PASSWORD user@localhost;BAD user PLAIN;"},
		{AUTH("PLAIN", "<x/>"), SASL_FAILED("incorrect-encoding"), ""},
		{AUTH("PLAIN", "="), SASL_FAILED("malformed-request"), ""},
		{AUTH("PLAIN", "AHVzZXI="), SASL_FAILED("malformed-request"), ""},
		{AUTH("SCRAM-SHA-1", "aGVsbG8="), SASL_FAILED("malformed-request"), ""},
		{AUTH("PLAIN", "eEBsb2NhbGhvc3QAdXNlcgBwZW5jaWw="), SASL_FAILED("invalid-authzid"),
		 "BAD user PLAIN;"},
		{SASL("response", "AHVzZXIAcGVuY2ls"), SASL_FAILED("malformed-request"), ""},
		{SASL_EMPTY("abort"), SASL_FAILED("aborted"), ""},
		{AUTH("PLAIN", "") SASL_EMPTY("abort"),
		 SASL_EMPTY("challenge") SASL_FAILED("aborted"), ""},
		{AUTH("PLAIN", "") AUTH("PLAIN", PLAIN_GOOD),
		 SASL_EMPTY("challenge") SASL_FAILED("malformed-request"), ""},
		{AUTH("PLAIN", "") SASL_EMPTY("response"),
		 SASL_EMPTY("challenge") SASL_FAILED("malformed-request"), ""},
	};
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct client cl;

		client_connect(&w, &cl);
		cl.bytewise = i & 1;
		client_open(&cl);
		client_send(&cl, cases[i].sent);
		client_expect(&cl, cases[i].answer);
		world_told(&w, cases[i].told);
		/* Without an initial response, too. */
		client_send(&cl, AUTH("PLAIN", ""));
		client_expect(&cl, SASL_EMPTY("challenge"));
		client_send(&cl, SASL("response", PLAIN_GOOD));
		client_expect(&cl, SASL_EMPTY("success"));
		client_cut(&cl);
		world_told(&w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;CLOSED;");
	}
	world_stop(&w);
}

static void test_too_many_failures(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_open(&cl);
	for (int i = 0; i < 4; i++) {
		client_send(&cl, AUTH("PLAIN", PLAIN_WRONG));
		client_expect(&cl, SASL_FAILED("not-authorized"));
	}
	w.log.len = 0;
	client_send(&cl, AUTH("PLAIN", PLAIN_WRONG) AUTH("PLAIN", PLAIN_GOOD));
	client_expect_end(
		&cl,
		SASL_FAILED("not-authorized") "<stream:error><policy-violation "
					      "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text "
					      "xmlns='urn:ietf:params:xml:ns:xmpp-streams' "
					      "xml:lang='en'>Too many "
					      "failed logins.</text></stream:error>" END_OUT);
	world_told(&w, "AUTH PASSWORD user@localhost;BAD user PLAIN;CLOSED;");
	world_stop(&w);
}

#define FOREIGN AUTH("PLAIN", "b3RoZXJAbG9jYWxob3N0AHVzZXIAeA==")
#define TOO_MANY                                                                                   \
	"<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"            \
	"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>Too many failed logins."  \
	"</text></stream:error>"

/* Logic hears of every failure, also of the last one with a full ring. */
static void test_failures_and_full_ring(void **state)
{
	(void)state;
	for (unsigned max = 12; max <= 20; max++) {
		struct buf want, told, all;
		struct client cl;
		struct world w;

		world_start_ring(&w, 16);
		w.settings.max_auth_failures = max;
		world_configure(&w);
		client_connect(&w, &cl);
		client_open(&cl);
		buf_init(&want, 1 << 16);
		buf_init(&told, 1 << 16);
		buf_init(&all, 1 << 16);
		for (unsigned i = 0; i < max; i++) {
			assert_int_equal(buf_printf(&want, SASL_FAILED("invalid-authzid")), 0);
			assert_int_equal(buf_printf(&told, "BAD user PLAIN;"), 0);
			assert_int_equal(buf_append(&all, FOREIGN, strlen(FOREIGN)), 0);
		}
		client_send_n(&cl, all.p, all.len);
		assert_int_equal(buf_append(&want, TOO_MANY END_OUT, sizeof(TOO_MANY END_OUT)), 0);
		assert_int_equal(buf_append(&told, "CLOSED;", sizeof("CLOSED;")), 0);
		client_expect_end(&cl, want.p);
		world_told(&w, told.p);
		buf_free(&want);
		buf_free(&told);
		buf_free(&all);
		world_stop(&w);
	}
}

/* Nobody is to blame when the database is away. */
static void test_temporary_failure(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_open(&cl);
	w.auth_status = AUTH_TEMPORARY;
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_FAILED("temporary-auth-failure"));
	world_told(&w, "AUTH PASSWORD user@localhost;");
	w.auth_status = AUTH_GIVEN;
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_EMPTY("success"));
	client_cut(&cl);
	world_told(&w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;CLOSED;");
	world_stop(&w);
}

/* -- barriers -------------------------------------------------------------------------------- */

/* Everything a client may have to say, in one write. */
static void test_pipelined(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	for (int bytewise = 0; bytewise <= 1; bytewise++) {
		client_connect(&w, &cl);
		cl.bytewise = bytewise;
		client_send(&cl, HEADER_IN AUTH("PLAIN", PLAIN_GOOD) HEADER_IN BIND(
					 "b1", "") "<presence/>" PING_IQ "</stream:stream>");
		client_expect_end(&cl, HEADER_OUT FEATURES_BEFORE SASL_EMPTY("success")
					       HEADER_OUT FEATURES_AFTER "<bound/>" END_OUT);
		world_told(&w,
			   "AUTH PASSWORD user@localhost;GOOD user PLAIN;BIND user@localhost/ 7 "
			   "id=b1 lang= tcp PLAIN;STANZA <presence/>;STANZA " PING_IQ
			   ";END;CLOSED;");
	}
	world_stop(&w);
}

/* What follows a question waits for the answer. */
static void test_questions_stop(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	w.deaf = true;
	client_connect(&w, &cl);
	client_open(&cl);
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD) HEADER_IN);
	client_send(&cl, BIND("b1", ""));
	world_told(&w, "AUTH PASSWORD user@localhost;");
	client_expect(&cl, "");
	world_answer(&w);
	client_expect(&cl, SASL_EMPTY("success") HEADER_OUT FEATURES_AFTER);
	world_told(&w, "GOOD user PLAIN;BIND user@localhost/ 7 id=b1 lang= tcp PLAIN;");
	client_send(&cl, "<presence/>");
	client_expect(&cl, "");
	world_told(&w, "");
	world_bind(&w, w.link);
	client_expect(&cl, "<bound/>");
	world_told(&w, "STANZA <presence/>;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* An answer that comes too late finds nobody. */
static void test_answer_to_a_closed_stream(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	w.deaf = true;
	client_connect(&w, &cl);
	client_open(&cl);
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	world_told(&w, "AUTH PASSWORD user@localhost;");
	/* Both within one turn. */
	c2s_end(w.link, STREAM_SYSTEM_SHUTDOWN, NULL);
	world_answer(&w);
	world_control(w.link, C2S_CTL_GO);
	client_expect_end(&cl, ERROR_OUT("system-shutdown") END_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* -- binding ------------------------------------------------------------------------------------
 */

static void test_bind(void **state)
{
	static const char bad[] = "<iq type='error' id='b2'><error type='modify'><bad-request "
				  "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_plain(&cl);
	client_send(&cl, BIND("b2", "<resource>&#x200e;</resource>"));
	client_expect(&cl, bad);
	client_send(&cl, BIND("b2", "<resource>\u2028</resource>"));
	client_expect(&cl, bad);
	client_send(&cl, "<iq type='set'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
	client_expect(&cl, "<iq type='error'><error type='modify'><bad-request "
			   "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
	world_told(&w, "");
	w.refuse = true;
	client_send(&cl, BIND("b3", "<resource>x</resource>"));
	client_expect(&cl, "<refused/>");
	w.refuse = false;
	client_send(&cl, BIND("b4", "<resource>A b/\u2603</resource>"));
	client_expect(&cl, "<bound/>");
	world_told(&w, "BIND user@localhost/x 7 id=b3 lang= tcp PLAIN;"
		       "BIND user@localhost/A b/\u2603 7 id=b4 lang= tcp PLAIN;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_language(void **state)
{
	static const char header[] = "<stream:stream xmlns='jabber:client' "
				     "xmlns:stream='http://etherx.jabber.org/streams' "
				     "to='localhost' version='1.0' xml:lang='de'>";
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_open(&cl);
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(&cl, SASL_EMPTY("success"));
	w.log.len = 0;
	client_send(&cl, header);
	client_expect(&cl, HEADER_OUT FEATURES_AFTER);
	client_send(&cl, BIND("b1", "") "<message/><message xml:lang='fr'/>");
	client_expect(&cl, "<bound/>");
	world_told(&w, "BIND user@localhost/ 7 id=b1 lang=de tcp PLAIN;STANZA <message "
		       "xml:lang='de'/>;STANZA <message xml:lang='fr'/>;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* -- errors
 * ------------------------------------------------------------------------------------------ */

struct error_case {
	const char *sent, *condition;
};

static const struct error_case before_login[] = {
	{"<message to='a@localhost'/>", "not-authorized"},
	{"<presence/>", "not-authorized"},
	{BIND("b", ""), "not-authorized"},
	{"<x xmlns='urn:x'/>", "not-authorized"},
	{SASL_EMPTY("success"), "unsupported-stanza-type"},
	{"<a></b>", "not-well-formed"},
	{"<foo:auth/>", "not-well-formed"},
	{"<!-- x -->", "restricted-xml"},
	{"<auth a='", NULL},
};

static const struct error_case before_binding[] = {
	{"<message to='a@localhost'/>", "not-authorized"},
	{"<presence/>", "not-authorized"},
	{PING_IQ, "not-authorized"},
	{"<iq type='get' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
	 "not-authorized"},
	{"<iq type='set' id='b'><bind xmlns='urn:x'/></iq>", "not-authorized"},
	{"<iq xmlns='jabber:server' type='set' id='b'><bind "
	 "xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
	 "not-authorized"},
	{AUTH("PLAIN", PLAIN_GOOD), "not-authorized"},
	{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "not-authorized"},
};

static const struct error_case bound[] = {
	{"<command/>", "unsupported-stanza-type"},
	{AUTH("PLAIN", PLAIN_GOOD), "unsupported-stanza-type"},
	{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "unsupported-stanza-type"},
	{"<stream:features/>", "unsupported-stanza-type"},
	{"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>", "unsupported-stanza-type"},
	{"<message><body></message>", "not-well-formed"},
	{"hello<presence/>", "not-well-formed"},
	{"<message><!-- x --></message>", "restricted-xml"},
	{"<message a:b='c'/>", "not-well-formed"},
};

static void run_errors(const struct error_case *cases, size_t n, void (*until)(struct client *))
{
	struct world w;

	world_start(&w);
	for (size_t i = 0; i < 2 * n; i++) {
		const struct error_case *e = &cases[i / 2];
		struct client cl;
		char want[512];

		client_connect(&w, &cl);
		until(&cl);
		cl.bytewise = i & 1;
		client_send(&cl, e->sent);
		if (!e->condition) {
			/* Half a token at the end of the connection: nothing is said. */
			assert_int_equal(shutdown(cl.fd, SHUT_WR), 0);
			client_expect_end(&cl, "");
			world_told(&w, "CLOSED;");
			continue;
		}
		/* Nothing behind a mistake counts. */
		client_send(&cl, "<presence/>");
		(void)snprintf(want, sizeof(want),
			       "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
			       "</stream:error>" END_OUT,
			       e->condition);
		client_expect_end(&cl, want);
		world_told(&w, until == client_login ? "END;CLOSED;" : "CLOSED;");
	}
	world_stop(&w);
}

static void test_errors(void **state)
{
	(void)state;
	run_errors(before_login, JD_ARRAY_SIZE(before_login), client_open);
	run_errors(before_binding, JD_ARRAY_SIZE(before_binding), client_plain);
	run_errors(bound, JD_ARRAY_SIZE(bound), client_login);
}

/* 10 000 bytes before the login, a mebibyte after it. */
static void test_limits(void **state)
{
	size_t n = 1024 * 1024;
	char *text = malloc(n + 100);
	struct client cl;
	struct world w;

	(void)state;
	assert_non_null(text);
	memset(text, 'A', n + 100);
	world_start(&w);
	client_connect(&w, &cl);
	client_open(&cl);
	client_send(&cl, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
	client_send_n(&cl, text, 10000);
	client_expect_end(&cl, ERROR_OUT("policy-violation") END_OUT);
	world_told(&w, "CLOSED;");

	client_connect(&w, &cl);
	client_login(&cl);
	w.quiet = true;
	client_send(&cl, "<message><body>");
	client_send_n(&cl, text, n - 100);
	client_send(&cl, "</body></message>");
	world_until(&w, w.elements == 1);
	client_send(&cl, "<message><body>");
	client_send_n(&cl, text, n);
	client_expect_end(&cl, ERROR_OUT("policy-violation") END_OUT);
	world_told(&w, "END;CLOSED;");
	assert_int_equal(w.elements, 1);
	world_stop(&w);
	free(text);
}

/* -- sessions
 * ------------------------------------------------------------------------------------------ */

static void test_nonzas(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	client_send(&cl, "<r xmlns='urn:xmpp:sm:3'/><message xmlns='jabber:evil'/>"
			 "<message xmlns='jabber:server'/>");
	world_told(&w, "NONZA <r xmlns='urn:xmpp:sm:3'/>;NONZA <message xmlns='jabber:evil'/>;"
		       "NONZA <message xmlns='jabber:server'/>;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_logic_ends_it(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	client_send(&cl, "<presence/>");
	world_told(&w, "STANZA <presence/>;");
	world_say(w.link, "<message/>");
	c2s_end(w.link, STREAM_CONFLICT, "Another one.");
	client_expect_end(&cl,
			  "<message/><stream:error><conflict "
			  "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text "
			  "xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>Another one."
			  "</text></stream:error>" END_OUT);
	world_told(&w, "END;CLOSED;");

	/* A close without a word about why: only a server that stops does that. */
	client_connect(&w, &cl);
	client_login(&cl);
	client_send(&cl, "<presence/>");
	world_told(&w, "STANZA <presence/>;");
	link_close(w.link);
	client_expect_end(&cl, SHUTDOWN_OUT END_OUT);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_shutdown(void **state)
{
	struct client young, open, session;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &young);
	client_connect(&w, &open);
	client_open(&open);
	client_connect(&w, &session);
	client_login(&session);
	io_stop(w.io);
	w.log.len = 0;
	client_read(&young);
	client_read(&open);
	client_read(&session);
	assert_int_equal(young.in.len, 0);
	assert_true(jd_str_is(buf_str(&open.in), SHUTDOWN_OUT END_OUT));
	assert_true(jd_str_is(buf_str(&session.in), SHUTDOWN_OUT END_OUT));
	assert_true(young.eof && open.eof && session.eof);
	client_cut(&young);
	client_cut(&open);
	client_cut(&session);
	stream_fini(w.io);
	loop_free(w.logic);
	shared_unref(&w.settings.shared);
	assert_int_equal(w.released, 1);
	buf_free(&w.log);
	clock_fake_stop();
}

/* -- back-pressure
 * ---------------------------------------------------------------------------------------- */

/* HOLD in the middle of many: what comes behind waits, nothing is lost, nothing overtakes. */
static void test_hold(void **state)
{
	struct client cl;
	struct world w;
	unsigned held;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	w.quiet = true;
	w.hold_at = 10;
	client_send(&cl, HUNDRED(HUNDRED("<presence/>")));
	world_settle(&w);
	held = w.elements;
	/* At most what was on its way when it was said. */
	assert_in_range(held, 10, 10 + 3 * C2S_SHARE);
	client_send(&cl, "<presence/>");
	world_settle(&w);
	assert_int_equal(w.elements, held);
	/* What logic says passes. */
	world_say(w.link, "<message/>");
	client_expect(&cl, "<message/>");
	world_control(w.link, C2S_CTL_GO);
	world_until(&w, w.elements == 10001);
	w.quiet = false;
	client_send(&cl, PING_IQ);
	world_told(&w, "STANZA " PING_IQ ";");
	/* Held, and its client goes. */
	world_control(w.link, C2S_CTL_HOLD);
	world_settle(&w);
	client_send(&cl, "<presence/></stream:stream>");
	client_cut(&cl);
	world_settle(&w);
	world_told(&w, "");
	world_control(w.link, C2S_CTL_GO);
	world_told(&w, "STANZA <presence/>;END;CLOSED;");
	world_stop(&w);
}

/* A ring of 16 entries and elements by the thousand, in their order. */
static void test_full_ring(void **state)
{
	struct client cl;
	struct world w;
	char text[64];

	(void)state;
	world_start_ring(&w, 16);
	world_configure(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 100; k++) {
			int n = snprintf(text, sizeof(text), "<presence id='%d'/>", i * 100 + k);

			assert_int_equal(send(cl.fd, text, (size_t)n, MSG_NOSIGNAL), n);
		}
		world_until(&w, w.elements == (unsigned)(i + 1) * 100);
	}
	for (size_t i = 0, at = 0; i < 2000; i++) {
		int n = snprintf(text, sizeof(text), "STANZA <presence id='%zu'/>;", i);

		assert_memory_equal(w.log.p + at, text, (size_t)n);
		at += (size_t)n;
	}
	w.log.len = 0;
	/* Also when the last thing is the end. */
	w.quiet = true;
	client_send(&cl, HUNDRED(PRESENCE) "</stream:stream>");
	client_expect_end(&cl, END_OUT);
	world_told(&w, "END;CLOSED;");
	assert_int_equal(w.elements, 2100);
	/* And when the stream goes in the middle. */
	client_connect(&w, &cl);
	client_login(&cl);
	client_send(&cl, HUNDRED(PRESENCE));
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* -- time
 * ------------------------------------------------------------------------------------------------
 */

/* A stream that ends while it is being bound must not become a session. */
static void test_ends_while_binding(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	w.deaf = true;
	client_connect(&w, &cl);
	client_open(&cl);
	client_send(&cl, AUTH("PLAIN", PLAIN_GOOD) HEADER_IN BIND("b1", ""));
	world_told(&w, "AUTH PASSWORD user@localhost;");
	world_answer(&w);
	client_expect(&cl, SASL_EMPTY("success") HEADER_OUT FEATURES_AFTER);
	world_told(&w, "GOOD user PLAIN;BIND user@localhost/ 7 id=b1 lang= tcp PLAIN;");
	pass_seconds(&w, 31);
	client_expect_end(&cl, ERROR_OUT("connection-timeout") END_OUT);
	world_told(&w, "END;CLOSED;");
	world_stop(&w);
}

static void test_deadline(void **state)
{
	struct client silent, slow, session;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &silent);
	client_connect(&w, &slow);
	client_open(&slow);
	client_connect(&w, &session);
	client_login(&session);
	pass_seconds(&w, 20);
	client_send(&slow, AUTH("PLAIN", PLAIN_WRONG));
	client_expect(&slow, SASL_FAILED("not-authorized"));
	world_told(&w, "AUTH PASSWORD user@localhost;BAD user PLAIN;");
	pass_seconds(&w, 10);
	client_expect_end(&slow, ERROR_OUT("connection-timeout") END_OUT);
	client_expect_end(&silent, HEADER_OUT ERROR_OUT("connection-timeout") END_OUT);
	world_told(&w, "CLOSED;CLOSED;");
	client_send(&session, "<presence/>");
	world_told(&w, "STANZA <presence/>;");
	client_cut(&session);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

static void test_parking(void **state)
{
	struct scan_pool_stats stats;
	struct stream_thread *t;
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	t = io_user(io_thread_at(w.io, 0));
	client_connect(&w, &cl);
	scan_pool_stats(t->scans, &stats);
	assert_int_equal(stats.parsers, 0);
	client_login(&cl);
	scan_pool_stats(t->scans, &stats);
	assert_int_equal(stats.parsers, 1);
	pass_seconds(&w, 40);
	scan_pool_stats(t->scans, &stats);
	assert_int_equal(stats.parsers, 0);
	client_send(&cl, "<presence/>");
	world_told(&w, "STANZA <presence/>;");
	/* Not in the middle of a stanza. */
	client_send(&cl, "<message><body>");
	pass_seconds(&w, 40);
	client_send(&cl, "x</body></message>");
	world_told(&w, "STANZA <message><body>x</body></message>;");
	client_cut(&cl);
	world_told(&w, "CLOSED;");
	world_stop(&w);
}

/* The feeder holds back a token that grows byte by byte; it doesn't wait for more than a moment. */
static void test_flush(void **state)
{
	struct client cl;
	struct world w;

	(void)state;
	world_start(&w);
	client_connect(&w, &cl);
	client_login(&cl);
	client_send(&cl, "<message id='");
	cl.bytewise = true;
	for (int i = 0; i < 40; i++)
		client_send(&cl, "a>");
	client_send(&cl, "'/>");
	world_settle(&w);
	clock_fake_advance(20 * JD_USEC_PER_MSEC);
	world_until(&w, w.elements == 1);
	client_cut(&cl);
	world_until(&w, !w.link);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_scram_failures),
		cmocka_unit_test(test_sasl_failures),
		cmocka_unit_test(test_too_many_failures),
		cmocka_unit_test(test_failures_and_full_ring),
		cmocka_unit_test(test_temporary_failure),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_questions_stop),
		cmocka_unit_test(test_answer_to_a_closed_stream),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_nonzas),
		cmocka_unit_test(test_logic_ends_it),
		cmocka_unit_test(test_ends_while_binding),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_parking),
		cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
