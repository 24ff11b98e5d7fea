/* SPDX-License-Identifier: MIT
 *
 * The scanner's events depend on the bytes alone: not on how they are cut, nor
 * on pauses, renewals and parking in between.
 */
#include "xml_fixture.h"

static const char recorded[] =
	"<?xml version='1.0'?>" HEADER
	"<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
	"<resource>\xC3\xA4\xF0\x9F\x98\x80</resource></bind></iq>\n"
	"<presence/><message to='x@y' id='&lt;&#x1F600;\"&apos;' body='a > b'>"
	"<body>&amp;]]&gt;<![CDATA[ <x> ]] ]]></body><d xmlns:q='qq' q:r='>>>>>>>>>>>>>>' />\r\n"
	"</message> <r xmlns='urn:xmpp:sm:3'/><a><b><c/>t</b>u</a></stream:stream>\n";

#define LEN (sizeof(recorded) - 1)

static const char expected[] =
	"O(stream http://etherx.jabber.org/streams jabber:client to=a)"
	"E(<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
	"<resource>\xC3\xA4\xF0\x9F\x98\x80</resource></bind></iq>)"
	"E(<presence/>)E(<message to='x@y' id='&lt;\xF0\x9F\x98\x80\"&apos;' body='a > b'>"
	"<body>&amp;]]&gt; &lt;x> ]] </body><d xmlns:n1='qq' n1:r='>>>>>>>>>>>>>>'/>\n"
	"</message>)E(<r xmlns='urn:xmpp:sm:3'/>)E(<a><b><c/>t</b>u</a>)C";
#define EVENTS 7

static void feed(struct rec *r, size_t from, size_t to)
{
	assert_int_equal(scan_feed(r->s, recorded + from, to - from), SCAN_OK);
}

static void test_two_pieces(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t cut = 0; cut <= LEN; cut++) {
		rec_again(&r, SCAN_STREAM);
		feed(&r, 0, cut);
		feed(&r, cut, LEN);
		rec_is(&r, expected);
	}
	rec_fini(&r);
}

static void test_three_pieces(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t a = 0; a <= LEN; a += 3) {
		for (size_t b = a; b <= LEN; b += 7) {
			rec_again(&r, SCAN_STREAM);
			feed(&r, 0, a);
			feed(&r, a, b);
			feed(&r, b, LEN);
			rec_is(&r, expected);
		}
	}
	rec_fini(&r);
}

/* In steps of n bytes; with a flush behind each, or parking whenever it is possible. */
static void test_steps(void **state)
{
	struct rec r;
	unsigned parked = 0;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t step = 1; step < 40; step++) {
		for (int how = 0; how < 3; how++) {
			rec_again(&r, SCAN_STREAM);
			for (size_t at = 0; at < LEN; at += step) {
				feed(&r, at, at + step < LEN ? at + step : LEN);
				if (how == 1)
					assert_int_equal(scan_flush(r.s), SCAN_OK);
				if (how == 2)
					parked += scan_park(r.s);
			}
			rec_is(&r, expected);
		}
	}
	assert_true(parked > 20);
	rec_fini(&r);
}

/* Nothing that is complete waits: the event is there with its last byte. */
static void test_prompt(void **state)
{
	struct rec r;
	unsigned before = 0;
	size_t log = 0;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t at = 0; at < LEN; at++) {
		feed(&r, at, at + 1);
		if (scan_wants_flush(r.s)) /* the attribute with many '>' */
			assert_int_equal(scan_flush(r.s), SCAN_OK);
		if (r.events != before) {
			assert_int_equal(recorded[at], '>');
			assert_int_equal(r.events, before + 1);
		}
		before = r.events;
		log = r.log.len;
	}
	assert_int_equal(log, strlen(expected));
	rec_fini(&r);
}

/* -- barriers --------------------------------------------------------------------------- */

/* A pause at each event, then a resume: before it, nothing further has happened. */
static void test_pause_resume(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (unsigned n = 1; n <= EVENTS; n++) {
		for (size_t cut = 0; cut <= LEN; cut++) {
			size_t given = cut;

			rec_again(&r, SCAN_STREAM);
			r.pause_at = n;
			feed(&r, 0, cut);
			if (!scan_paused(r.s)) {
				feed(&r, cut, LEN);
				given = LEN;
			}
			assert_true(scan_paused(r.s));
			assert_int_equal(r.events, n);
			assert_false(scan_park(r.s));
			assert_int_equal(scan_resume(r.s), SCAN_OK);
			assert_false(scan_paused(r.s));
			feed(&r, given, LEN);
			rec_is(&r, expected);
		}
	}
	rec_fini(&r);
}

static void test_pause_all(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t step = 1; step < LEN + 10; step += step < 20 ? 1 : 50) {
		rec_again(&r, SCAN_STREAM);
		r.pause_all = true;
		for (size_t at = 0; at < LEN; at += step) {
			feed(&r, at, at + step < LEN ? at + step : LEN);
			while (scan_paused(r.s)) {
				unsigned events = r.events;

				assert_int_equal(scan_resume(r.s), SCAN_OK);
				assert_true(r.events <= events + 1);
			}
		}
		if (scan_wants_flush(r.s))
			assert_int_equal(scan_flush(r.s), SCAN_OK);
		assert_int_equal(r.events, EVENTS);
		rec_is(&r, expected);
	}
	rec_fini(&r);
}

/* A new document right behind the n-th first-level element: login, in one packet. */
static void test_restart(void **state)
{
	static const char *const firsts[] = {HEADER "<auth/>", HEADER "<auth></auth >",
					     HEADER "<a/><auth><b/></auth>"};
	char all[4096];
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	for (size_t i = 0; i < JD_ARRAY_SIZE(firsts); i++) {
		size_t n1 = strlen(firsts[i]);
		size_t n = (size_t)snprintf(all, sizeof(all), "%s%s", firsts[i], recorded);

		for (size_t cut = 0; cut <= n; cut++) {
			rec_again(&r, SCAN_STREAM);
			r.pause_at = i == 2 ? 3 : 2;
			assert_int_equal(scan_feed(r.s, all, cut), SCAN_OK);
			assert_int_equal(scan_paused(r.s), cut >= n1);
			if (cut < n1)
				assert_int_equal(scan_feed(r.s, all + cut, n - cut), SCAN_OK);
			assert_true(scan_paused(r.s));
			r.log.len = 0;
			assert_int_equal(scan_restart(r.s), SCAN_OK);
			if (cut >= n1)
				assert_int_equal(scan_feed(r.s, all + cut, n - cut), SCAN_OK);
			rec_is(&r, expected);
		}
	}
	rec_fini(&r);
}

/* What came in the same packet as <starttls/> is never looked at. */
static void test_discard(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	r.pause_at = 2;
	assert_int_equal(rec_feed(&r, HEADER "<starttls/><evil/> <!DOCTYPE <<<"), SCAN_OK);
	assert_true(scan_paused(r.s));
	r.log.len = 0;
	scan_discard(r.s);
	assert_false(scan_paused(r.s));
	assert_true(scan_memory(r.s) < 1024);
	feed(&r, 0, LEN);
	rec_is(&r, expected);
	rec_fini(&r);
}

static void test_pause_empty_root(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	r.pause_at = 1;
	assert_int_equal(rec_feed(&r, "<s xmlns='x'/> "), SCAN_OK);
	rec_is(&r, "O(s x x)");
	assert_int_equal(scan_resume(r.s), SCAN_OK);
	rec_is(&r, "O(s x x)C");
	rec_again(&r, SCAN_STREAM);
	r.pause_all = true;
	assert_int_equal(rec_feed(&r, "<s xmlns='x'/> <"), SCAN_OK);
	assert_int_equal(scan_resume(r.s), SCAN_OK);
	rec_is(&r, "O(s x x)C");
	assert_true(scan_paused(r.s));
	assert_int_equal(scan_resume(r.s), SCAN_OK);
	assert_int_equal(rec_feed(&r, "x>"), SCAN_NOT_WELL_FORMED);
	rec_fini(&r);
}

static void test_pause_framed(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_FRAMED);
	r.pause_all = true;
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(rec_feed(&r, "<a xmlns='u'><b/></a>"), SCAN_OK);
		assert_true(scan_paused(r.s));
		assert_int_equal(r.elements, i);
		if (i == 2)
			assert_int_equal(scan_restart(r.s), SCAN_OK);
		else if (i == 3)
			scan_discard(r.s);
		else
			assert_int_equal(scan_resume(r.s), SCAN_OK);
	}
	assert_true(scan_park(r.s));
	/* a bad frame is refused in front of the event, so a pause hides nothing */
	assert_int_equal(rec_feed(&r, "<a xmlns='u'/><b xmlns='u'/>"), SCAN_INVALID_FRAME);
	assert_int_equal(r.elements, 5);
	rec_fini(&r);
}

/* An error behind a pause comes with the resume, and never before. */
static void test_error_behind_pause(void **state)
{
	struct rec r;

	(void)state;
	rec_init(&r, SCAN_STREAM);
	r.pause_at = 2;
	assert_int_equal(rec_feed(&r, HEADER "<a/></b>"), SCAN_OK);
	assert_int_equal(scan_resume(r.s), SCAN_NOT_WELL_FORMED);
	assert_false(scan_paused(r.s));
	rec_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_pieces),
		cmocka_unit_test(test_three_pieces),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_pause_resume),
		cmocka_unit_test(test_pause_all),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_pause_empty_root),
		cmocka_unit_test(test_pause_framed),
		cmocka_unit_test(test_error_behind_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
