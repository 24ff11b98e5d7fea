/* SPDX-License-Identifier: MIT
 *
 * Samples for dictionaries: what people say is gone from them, wherever in a stanza it was;
 * what programs say is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "modules/mod_archive/archive.h"

static char *scrubbed(const char *text, uint64_t seed)
{
	size_t len = strlen(text);
	char *in = malloc(len + !len), *out = malloc(len + 1);

	memcpy(in, text, len); /* no byte behind it */
	archive_scrub((struct jd_str){in, len}, seed, out);
	out[len] = '\0';
	free(in);
	return out;
}

static void test_markup_stays(void **state)
{
	static const char text[] =
		"<message xmlns=\"jabber:client\" from='alice@example.org/balcony' "
		"to=\"bob@example.net\" type='chat' xml:lang='en' id='c0ffee-42'><body>Meet me at "
		"Tiffany&apos;s, 10 o&apos;clock</body><request xmlns='urn:xmpp:receipts'/>"
		"<x:y xmlns:x='urn:x' for='urn:xmpp:reply:0' name='secret' by='room.example.com/n'>"
		"</x:y></message>";
	static const char *const kept[] = {"<message xmlns=\"jabber:client\" from='",
					   "@example.org/",
					   "@example.net\" type='chat' xml:lang='en' id='",
					   "'><body>",
					   "</body><request xmlns='urn:xmpp:receipts'/>",
					   "<x:y xmlns:x='urn:x' for='urn:xmpp:reply:0' name='",
					   "' by='room.example.com/",
					   "'></x:y></message>"};
	static const char *const gone[] = {"alice",   "balcony", "bob", "c0ffee", "Meet",
					   "Tiffany", "clock",   "42",  "secret", "apos"};

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		char *out = scrubbed(text, seed * 7919);
		const char *at = out;

		assert_int_equal(strlen(out), strlen(text));
		for (size_t i = 0; i < JD_ARRAY_SIZE(kept); i++) {
			at = strstr(at, kept[i]);
			assert_non_null(at);
			at += strlen(kept[i]);
		}
		assert_int_equal(*at, '\0');
		for (size_t i = 0; i < JD_ARRAY_SIZE(gone); i++)
			assert_true(strlen(gone[i]) < 4 || !strstr(out, gone[i]));
		free(out);
	}
}

/* In places where it would do harm if it were taken for markup. */
static void test_secrets(void **state)
{
	static const char *const texts[] = {
		"<m><body>SECRETsecret12345</body></m>",
		"<m><body>a > SECRETsecret12345 ' \" = </body></m>",
		"<m id='> SECRETsecret12345'/>",
		"<m id=\"' SECRETsecret12345\"/>",
		"<m type='chat SECRETsecret12345'/>",
		"<m xmlns='SECRETsecret12345 secretSECRET'/>",
		"<m from='SECRETsecret12345@a' to='a/SECRETsecret12345' "
		"jid='a@b/x@SECRETsecret12345'/>",
		"<m><a>1</a>SECRETsecret12345<b/>SECRETsecret12345<c></c>SECRETsecret12345</m>",
		"<m thread='SECRETsecret12345'><thread parent='SECRETsecret12345'/></m>",
		"SECRETsecret12345",
		"<m id='SECRETsecret12345",
		"<m id = 'SECRETsecret12345'/>",
		"<m type='chat' id='SECRETsecret12345' xmlns:a='b' what='SECRETsecret12345'/>",
		"<m "
		"from='SECRETsecret12345SECRETsecret12345SECRETsecret12345SECRETsecret12345SECRETs"
		"ecret12345SECRETsecret12345.example'/>",
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(texts); i++) {
		for (uint64_t seed = 1; seed < 50; seed++) {
			char *out = scrubbed(texts[i], seed);

			assert_int_equal(strlen(out), strlen(texts[i]));
			assert_null(strstr(out, "SECRET"));
			assert_null(strstr(out, "secret"));
			assert_null(strstr(out, "12345"));
			free(out);
		}
	}
}

/* Not what was said, but in which script. */
static void test_scripts(void **state)
{
	char *out = scrubbed("<body>Привет 你好</body>", 5);

	(void)state;
	assert_null(strstr(out, "Привет"));
	assert_null(strstr(out, "你好"));
	assert_int_equal((unsigned char)out[6] & 0xfe, 0xd0);
	free(out);
}

static void test_pieces(void **state)
{
	static const char text[] = "<message to='a@b/c' id='x'><body>y</body></message>";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *in = malloc(n + 1), *out;

		memcpy(in, text, n);
		in[n] = '\0';
		out = scrubbed(in, 3);
		assert_int_equal(strlen(out), n);
		free(out);
		free(in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_markup_stays),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
