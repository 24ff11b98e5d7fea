/* SPDX-License-Identifier: MIT
 *
 * What mod_caps tells other modules: by answers that have the hash, for everybody
 * with that hash; by all others, for nobody but who gave them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <jackdaw/caps.h>

#include "replay/world.h"
#include "util/base64.h"
#include "util/crypto.h"

static const struct jd_caps_ops *ops;
static struct jd_instance *provider;
static unsigned told;

/* -- a module that wants to know ---------------------------------------------------------- */

static void on_caps(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	(void)ev;
	told++;
}

static int start(struct jd_instance *mi)
{
	if (jd_str_is(jd_host_name(jd_instance_host(mi)), "localhost")) {
		ops = jd_service(mi, "caps", &provider);
		assert_non_null(ops);
	}
	return jd_on(mi, session_caps, JD_PRIO_NORMAL, on_caps);
}

static const struct jd_module curious = {
	.abi = JD_ABI, .name = "curious", .needs = "caps", .start = start};

static void begin(const char *conf)
{
	static const struct jd_module *const extras[] = {&curious, NULL};
	const struct world_settings s = {.modules = "roster presence disco caps curious",
					 .host_conf = conf,
					 .extras = extras};

	world_start(&s);
	told = 0;
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
}

/* -- clients ------------------------------------------------------------------------------ */

static void ver_of(const char *text, char *out, size_t size)
{
	uint8_t digest[CRYPTO_MAX_DIGEST];
	size_t n = crypto_digest_size(CRYPTO_SHA1);

	assert_true(size > BASE64_LEN(n));
	crypto_digest(CRYPTO_SHA1, text, strlen(text), digest);
	out[base64_encode(digest, n, out)] = '\0';
}

/* Presence that names the hash of this text. */
static void name_hash(struct fake_link *f, const char *text)
{
	char xml[512], ver[64];

	ver_of(text, ver, sizeof(ver));
	(void)snprintf(xml, sizeof(xml),
		       "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n'"
		       " ver='%s'/></presence>",
		       ver);
	fake_send(f, jd_cstr(xml));
	world_settle();
}

/* The id of the question among what was sent to it; false: it was not asked. */
static bool asked(struct fake_link *f, char *id, size_t size)
{
	bool found = false;
	struct output *o;

	while ((o = fake_take(f)) != NULL) {
		const char *p = strstr(o->text, " id='");

		if (strstr(o->text, "disco#info") && p) {
			(void)snprintf(id, size, "%.*s", (int)strcspn(p + 5, "'"), p + 5);
			found = true;
		}
		mem_free(o);
	}
	return found;
}

static void answer(struct fake_link *f, const char *id, const char *inside)
{
	char xml[4096];

	(void)snprintf(xml, sizeof(xml),
		       "<iq type='result' id='%s' to='localhost'>"
		       "<query xmlns='http://jabber.org/protocol/disco#info'>%s</query></iq>",
		       id, inside);
	fake_send(f, jd_cstr(xml));
	world_settle();
}

static enum jd_caps can(struct fake_link *f, const char *feature)
{
	return ops->session(provider, world_session(f), jd_cstr(feature));
}

/* -- tests ---------------------------------------------------------------------------------- */

#define ID                 "<identity category='client' type='pc' name='X'/>"
#define F(name)            "<feature var='" name "'/>"
#define FIELD(name, value) "<field var='" name "'><value>" value "</value></field>"
#define FORM(type, fields)                                                                         \
	"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>" type \
	"</value></field>" fields "</x>"
#define TEXT "client/pc//X<urn:a<urn:b<urn:c<"

static const struct {
	const char *what, *text, *answer;
	bool shared;
	enum jd_caps own; /* whether who answered has urn:a */
} cases[] = {
	{"features", TEXT, ID F("urn:c") F("urn:a") F("urn:b"), true, JD_CAPS_YES},
	{"a form", TEXT "urn:f<os<1<2<",
	 ID F("urn:c") F("urn:a") F("urn:b")
		 FORM("urn:f", "<field var='os'><value>2</value><value>1</value></field>"),
	 true, JD_CAPS_YES},
	{"two forms", TEXT "a<x<1<b<x<1<",
	 ID FORM("b", FIELD("x", "1")) F("urn:c") F("urn:a") F("urn:b") FORM("a", FIELD("x", "1")),
	 true, JD_CAPS_YES},
	{"a form without type does not count", TEXT,
	 ID F("urn:c") F("urn:a")
		 F("urn:b") "<x xmlns='jabber:x:data' type='result'>" FIELD("os", "1") "</x>",
	 true, JD_CAPS_YES},
	{"another feature", TEXT, ID F("urn:c") F("urn:a"), false, JD_CAPS_YES},
	{"fewer names, same text", TEXT, ID F("urn:a&lt;urn:b&lt;urn:c"), false, JD_CAPS_NO},
	{"features as a form", TEXT, ID FORM("urn:a", FIELD("urn:b", "urn:c")), false, JD_CAPS_NO},
	{"features as an empty field", "client/pc//X<urn:a<urn:b<",
	 ID FORM("urn:a", "<field var='urn:b'/>"), false, JD_CAPS_NO},
	{"features in the identity", TEXT,
	 "<identity category='client' type='pc' name='X&lt;urn:a'/>" F("urn:b") F("urn:c"), false,
	 JD_CAPS_NO},
	{"a feature as an identity", "client/pc//X<http://a/b<urn:a<",
	 ID "<identity category='http:' type='' xml:lang='a' name='b'/>" F("urn:a"), false,
	 JD_CAPS_YES},
	{"a feature twice", TEXT, ID F("urn:a") F("urn:a") F("urn:b") F("urn:c"), false,
	 JD_CAPS_UNKNOWN},
	{"an identity twice", TEXT, ID ID F("urn:a") F("urn:b") F("urn:c"), false, JD_CAPS_UNKNOWN},
	{"a form twice", TEXT, ID F("urn:a") FORM("f", FIELD("x", "1")) FORM("f", FIELD("y", "1")),
	 false, JD_CAPS_UNKNOWN},
	{"a form of two types", TEXT,
	 ID F("urn:a") "<x xmlns='jabber:x:data'><field var='FORM_TYPE' "
		       "type='hidden'><value>a</value>"
		       "<value>b</value></field></x>",
	 false, JD_CAPS_UNKNOWN},
};

static void test_who_is_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		struct fake_link *alice, *bob;
		char id[128];

		begin(NULL);
		alice = world_login("localhost", "alice", "r");
		bob = world_login("localhost", "bob", "r");
		name_hash(alice, cases[i].text);
		name_hash(bob, cases[i].text);
		assert_true(asked(alice, id, sizeof(id)));
		assert_int_equal(can(alice, "urn:a"), JD_CAPS_UNKNOWN);
		answer(alice, id, cases[i].answer);
		if (can(alice, "urn:a") != cases[i].own ||
		    asked(bob, id, sizeof(id)) == cases[i].shared ||
		    can(bob, "urn:a") != (cases[i].shared ? JD_CAPS_YES : JD_CAPS_UNKNOWN))
			fail_msg("%s", cases[i].what);
		assert_int_equal(told, cases[i].shared ? 2 : cases[i].own != JD_CAPS_UNKNOWN);
		world_stop();
	}
}

/* Known once: who comes later is not asked; nor who repeats it; another hash is another client. */
static void test_remembered(void **state)
{
	struct fake_link *alice, *bob;
	char id[128];

	(void)state;
	begin(NULL);
	alice = world_login("localhost", "alice", "r");
	bob = world_login("localhost", "bob", "r");
	name_hash(alice, TEXT);
	assert_true(asked(alice, id, sizeof(id)));
	answer(alice, id, ID F("urn:a") F("urn:b") F("urn:c"));
	name_hash(alice, TEXT);
	name_hash(bob, TEXT);
	assert_false(asked(alice, id, sizeof(id)));
	assert_false(asked(bob, id, sizeof(id)));
	assert_int_equal(told, 2);
	assert_int_equal(can(bob, "urn:c"), JD_CAPS_YES);
	assert_int_equal(can(bob, "urn:d"), JD_CAPS_NO);
	fake_send(bob, JD_STR("<presence><show>away</show></presence>"));
	world_settle();
	assert_int_equal(can(bob, "urn:a"), JD_CAPS_YES);
	assert_int_equal(
		ops->presence(provider, jd_session_presence(world_session(alice)), JD_STR("urn:a")),
		JD_CAPS_YES);
	fake_send(bob, JD_STR("<presence type='unavailable'/>"));
	world_settle();
	assert_int_equal(can(bob, "urn:a"), JD_CAPS_UNKNOWN);
	name_hash(alice, "client/pc//<");
	assert_int_equal(can(alice, "urn:a"), JD_CAPS_UNKNOWN);
	world_stop();
}

/* Two are kept: the one that nobody has used for longest goes, but not from who has it. */
static void test_bounded(void **state)
{
	static const char *const letters[] = {"a", "b", "c"};
	struct fake_link *alice, *bob;
	char id[128], text[64], inside[128];

	(void)state;
	begin("caps { max_known = 2 }");
	alice = world_login("localhost", "alice", "r");
	bob = world_login("localhost", "bob", "r");
	for (size_t i = 0; i < JD_ARRAY_SIZE(letters); i++) {
		(void)snprintf(text, sizeof(text), "client/pc//X<urn:%s<", letters[i]);
		(void)snprintf(inside, sizeof(inside), ID "<feature var='urn:%s'/>", letters[i]);
		name_hash(alice, text);
		assert_true(asked(alice, id, sizeof(id)));
		answer(alice, id, inside);
		if (i == 1) /* a is used again */
			name_hash(bob, "client/pc//X<urn:a<");
	}
	assert_int_equal(can(bob, "urn:a"), JD_CAPS_YES);
	name_hash(alice, "client/pc//X<urn:a<");
	assert_false(asked(alice, id, sizeof(id)));
	name_hash(alice, "client/pc//X<urn:b<");
	assert_true(asked(alice, id, sizeof(id)));
	world_stop();
}

static void test_patience(void **state)
{
	struct fake_link *alice;
	char id[128], text[64];
	int questions = 0;

	(void)state;
	begin("caps { max_hashes = 3 }");
	alice = world_login("localhost", "alice", "r");
	for (int i = 0; i < 10; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		name_hash(alice, text);
		questions += asked(alice, id, sizeof(id));
	}
	assert_int_equal(questions, 3);
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_believed),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
