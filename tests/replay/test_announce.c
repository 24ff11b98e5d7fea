/* SPDX-License-Identifier: MIT
 *
 * An announcement on its way to more sessions than are told at a time, while the
 * one whose turn is next, the last one and others go, and new ones come: each one
 * that was there and still is gets it exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "replay/world.h"

#define N          260
#define AT_A_TIME  200 /* as in mod_announce */
#define PER_PERSON 50

static struct fake_link *links[N];

static struct fake_link *come(unsigned i)
{
	char name[16], resource[16];
	struct fake_link *f;

	(void)snprintf(name, sizeof(name), "u%u", i / PER_PERSON);
	(void)snprintf(resource, sizeof(resource), "r%u", i);
	f = world_login("localhost", name, resource);
	assert_non_null(f);
	fake_send(f, JD_STR("<presence/>"));
	return f;
}

static unsigned told(struct fake_link *f)
{
	struct output *o;
	unsigned n = 0;

	while ((o = fake_take(f)) != NULL) {
		n += strstr(o->text, "<body>now</body>") != NULL;
		mem_free(o);
	}
	return n;
}

static void begin(void)
{
	const struct world_settings s = {.modules = "roster presence message announce",
					 .host_conf = "admins = {\"u0@localhost\"}"};
	char name[16];

	world_start(&s);
	for (unsigned i = 0; i <= N / PER_PERSON; i++) {
		(void)snprintf(name, sizeof(name), "u%u", i);
		(void)world_user("localhost", name);
	}
	for (unsigned i = 0; i < N; i++)
		links[i] = come(i);
	world_settle();
	for (unsigned i = 0; i < N; i++)
		(void)told(links[i]);
}

static void go(unsigned i)
{
	fake_close(links[i]);
	links[i] = NULL;
	world_settle();
}

static void test_coming_and_going(void **state)
{
	struct fake_link *late;
	unsigned before = 0;

	(void)state;
	begin();
	fake_send(links[0], JD_STR("<message to='localhost/announce/online'><body>now</body>"
				   "</message>"));
	world_settle();
	for (unsigned i = 0; i < AT_A_TIME; i++)
		before += told(links[i]);
	assert_int_equal(before, AT_A_TIME);
	go(10);
	go(AT_A_TIME);
	go(AT_A_TIME + 1);
	go(230);
	go(N - 1);
	go(N - 2);
	late = come(N - 1);
	world_advance(JD_USEC_PER_SEC);
	for (unsigned i = 0; i < N; i++)
		if (links[i])
			assert_int_equal(told(links[i]), i >= AT_A_TIME);
	assert_int_equal(told(late), 0);
	world_stop();
}

/* All that were left go: it ends without them. */
static void test_everybody_goes(void **state)
{
	(void)state;
	begin();
	fake_send(links[0], JD_STR("<message to='localhost/announce/online'><body>now</body>"
				   "</message>"));
	world_settle();
	for (unsigned i = N; i-- > AT_A_TIME;)
		go(i);
	world_advance(JD_USEC_PER_SEC);
	for (unsigned i = 0; i < AT_A_TIME; i++)
		assert_int_equal(told(links[i]), 1);
	fake_send(links[0], JD_STR("<message to='localhost/announce/online'><body>now</body>"
				   "</message>"));
	world_settle();
	assert_int_equal(told(links[1]), 1);
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coming_and_going),
		cmocka_unit_test(test_everybody_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
