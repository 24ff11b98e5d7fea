/* SPDX-License-Identifier: MIT
 *
 * Stanza errors: names and types, the element, who is answered. And XEP-0082
 * stamps, which share the layer.
 */
#include "xmpp_fixture.h"

#include "xmpp/delay.h"

/* RFC 6120 section 8.3.3 */
static const struct {
	enum jd_condition condition;
	const char *name, *type;
} conditions[] = {
	{JD_BAD_REQUEST, "bad-request", "modify"},
	{JD_CONFLICT, "conflict", "cancel"},
	{JD_FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel"},
	{JD_FORBIDDEN, "forbidden", "auth"},
	{JD_GONE, "gone", "cancel"},
	{JD_INTERNAL_SERVER_ERROR, "internal-server-error", "cancel"},
	{JD_ITEM_NOT_FOUND, "item-not-found", "cancel"},
	{JD_JID_MALFORMED, "jid-malformed", "modify"},
	{JD_NOT_ACCEPTABLE, "not-acceptable", "modify"},
	{JD_NOT_ALLOWED, "not-allowed", "cancel"},
	{JD_NOT_AUTHORIZED, "not-authorized", "auth"},
	{JD_POLICY_VIOLATION, "policy-violation", "modify"},
	{JD_RECIPIENT_UNAVAILABLE, "recipient-unavailable", "wait"},
	{JD_REDIRECT, "redirect", "modify"},
	{JD_REGISTRATION_REQUIRED, "registration-required", "auth"},
	{JD_REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel"},
	{JD_REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait"},
	{JD_RESOURCE_CONSTRAINT, "resource-constraint", "wait"},
	{JD_SERVICE_UNAVAILABLE, "service-unavailable", "cancel"},
	{JD_SUBSCRIPTION_REQUIRED, "subscription-required", "auth"},
	{JD_UNDEFINED_CONDITION, "undefined-condition", "cancel"},
	{JD_UNEXPECTED_REQUEST, "unexpected-request", "wait"},
};

static void test_conditions(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(conditions); i++) {
		struct jd_stanza *st = fx_stanza("<message id='1' from='a@b' to='c@d'/>");
		struct jd_error error = {.condition = conditions[i].condition};
		struct jd_stanza *reply = stanza_error(fx_pool, st, &error);
		char expected[256];

		snprintf(expected, sizeof(expected),
			 "<message to='a@b' from='c@d' id='1' type='error'><error type='%s'>"
			 "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
			 conditions[i].type, conditions[i].name);
		fx_expect(reply, STANZA_STREAM, expected);
		assert_string_equal(jd_condition_name(error.condition), conditions[i].name);
		jd_stanza_unref(st);
		jd_stanza_unref(reply);
	}
	assert_string_equal(jd_condition_name((enum jd_condition)99), "undefined-condition");
}

static void test_everything(void **state)
{
	struct jd_stanza *st =
		fx_stanza("<iq id='&apos;' type='get' to='c@d/e'><q xmlns='u'/></iq>");
	struct jd_error error = {
		.condition = JD_SERVICE_UNAVAILABLE,
		.type = JD_ERRTYPE_WAIT,
		.text = "Full & <closed>",
		.app_ns = "urn:x",
		.app_name = "full",
	};
	struct jd_stanza *reply = stanza_error(NULL, st, &error);

	(void)state;
	assert_int_equal(reply->kind, JD_IQ);
	assert_int_equal(reply->type, JD_TYPE_ERROR);
	fx_expect(reply, STANZA_STREAM,
		  "<iq from='c@d/e' id='&apos;' type='error'><error type='wait'>"
		  "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		  "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>"
		  "Full &amp; &lt;closed></text><full xmlns='urn:x'/></error></iq>");
	jd_stanza_unref(st);
	jd_stanza_unref(reply);
}

static const struct {
	const char *xml;
	bool answered;
} answers[] = {
	{"<message/>", true},
	{"<message type='chat'/>", true},
	{"<message type='groupchat'/>", true},
	{"<message type='headline'/>", true},
	{"<message type='error'/>", false},
	{"<iq type='get' id='1'><a xmlns='b'/></iq>", true},
	{"<iq type='set' id='1'><a xmlns='b'/></iq>", true},
	{"<iq type='result' id='1'/>", false},
	{"<iq type='error' id='1'/>", false},
	{"<iq type='error'/>", false},
	{"<iq type='foo'/>", true},
	{"<iq/>", true},
	{"<presence/>", true},
	{"<presence type='subscribe'/>", true},
	{"<presence type='foo'/>", true},
	{"<presence type='unavailable'/>", false},
	{"<presence type='probe'/>", false},
	{"<presence type='error'/>", false},
};

static void test_who_is_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(answers); i++) {
		struct jd_stanza *st = fx_stanza(answers[i].xml);
		struct jd_error error = {.condition = JD_BAD_REQUEST};
		struct jd_stanza *reply = stanza_error(fx_pool, st, &error);

		if ((reply != NULL) != answers[i].answered)
			fail_msg("%s", answers[i].xml);
		/* The answer itself is not answered. */
		if (reply)
			assert_null(stanza_error(fx_pool, reply, &error));
		jd_stanza_unref(st);
		jd_stanza_unref(reply);
	}
}

/* -- stamps --------------------------------------------------------------------------- */

static const struct {
	const char *text;
	jd_usec at;
} stamps[] = {
	{"1970-01-01T00:00:00.000Z", 0},
	{"2026-11-22T04:45:00.123Z", 1795322700123000},
	{"2000-02-29T23:59:59.999Z", 951868799999000},
	{"2100-03-01T00:00:00.000Z", 4107542400000000},
	{"2024-12-31T12:00:00.500Z", 1735646400500000},
	{"9999-12-31T23:59:59.999Z", 253402300799999000},
};

static void test_stamps(void **state)
{
	char out[DELAY_STAMP_LEN];
	jd_usec at;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(stamps); i++) {
		struct jd_str s = delay_format(stamps[i].at, out);

		if (!jd_str_is(s, stamps[i].text))
			fail_msg("%s became %.*s", stamps[i].text, JD_FMT(s));
		assert_int_equal(delay_parse(jd_cstr(stamps[i].text), &at), 0);
		assert_int_equal(at, stamps[i].at);
	}
	/* Every day of 140 years, at some time of the day. */
	for (jd_usec t = 0; t < 51200ULL * 86400 * JD_USEC_PER_SEC;
	     t += 86399 * JD_USEC_PER_SEC + 7000) {
		assert_int_equal(delay_parse(delay_format(t, out), &at), 0);
		assert_int_equal(at, t);
	}
	assert_true(jd_str_is(delay_format(UINT64_MAX, out), "9999-12-31T23:59:59.999Z"));
}

static const struct {
	const char *text;
	jd_usec at;
} zones[] = {
	{"1970-01-01T00:00:01Z", 1000000},
	{"1970-01-01T00:00:00.5Z", 500000},
	{"1970-01-01T00:00:00.1234567890123Z", 123456},
	{"1970-01-01T02:00:00+02:00", 0},
	{"1970-01-01T00:00:00-05:30", 19800ULL * 1000000},
	{"1970-01-02T00:00:00+00:00", 86400ULL * 1000000},
};

static const char *const no_stamps[] = {
	"",
	"2026",
	"2026-11-22",
	"2026-11-22T04:45:00",
	"2026-11-22 04:45:00Z",
	"2026-11-22t04:45:00z",
	"2026-11-22T04:45Z",
	"2026-11-22T04:45:00.Z",
	"2026-11-22T04:45:00,5Z",
	"2026-11-22T04:45:00Z ",
	" 2026-11-22T04:45:00Z",
	"2026-11-22T04:45:00ZZ",
	"2026-11-22T04:45:00+1:00",
	"2026-11-22T04:45:00+0100",
	"2026-11-22T04:45:00+15:00",
	"2026-11-22T04:45:00+01:60",
	"2026-13-22T04:45:00Z",
	"2026-00-22T04:45:00Z",
	"2026-11-31T04:45:00Z",
	"2026-11-00T04:45:00Z",
	"2025-02-29T04:45:00Z",
	"2100-02-29T04:45:00Z",
	"2026-11-22T24:00:00Z",
	"2026-11-22T23:60:00Z",
	"2026-11-22T23:59:60Z",
	"1969-12-31T23:59:59Z",
	"1970-01-01T00:00:00+00:01",
	"-2026-11-22T04:45:00Z",
	"20260-11-22T04:45:00Z",
	"20261122T04:45:00",
};

static void test_stamps_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(zones); i++) {
		jd_usec at = 1;

		if (delay_parse(jd_cstr(zones[i].text), &at) != 0 || at != zones[i].at)
			fail_msg("%s", zones[i].text);
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(no_stamps); i++) {
		jd_usec at = 4711;

		if (delay_parse(jd_cstr(no_stamps[i]), &at) != -JD_EINVAL || at != 4711)
			fail_msg("%s", no_stamps[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),      cmocka_unit_test(test_everything),
		cmocka_unit_test(test_who_is_answered), cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_stamps_strict),
	};

	return cmocka_run_group_tests(tests, fx_setup, fx_teardown);
}
