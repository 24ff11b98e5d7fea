/* SPDX-License-Identifier: MIT
 *
 * Modules are stopped while what they have asked the database is held, and are
 * started again: every request has exactly one answer, whichever of the answers'
 * modules goes first, and afterwards all is as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/registry.h"
#include "replay/world.h"

#define MAX 40

struct kept {
	const struct jd_module *module;
	void *options;
};

static const char *const requests[] = {
	"<iq type='get' id='r0'><query xmlns='jabber:iq:roster'/></iq>",
	"<iq type='get' id='r1'><query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query></iq>",
	"<iq type='get' id='r2'><vCard xmlns='vcard-temp'/></iq>",
	"<iq type='get' id='r3'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
	"<iq type='get' id='r4' to='b@localhost'><vCard xmlns='vcard-temp'/></iq>",
	"<presence/>",
	"<iq type='get' id='r5' to='b@localhost'><query xmlns='jabber:iq:last'/></iq>",
	"<iq type='get' id='r6' to='localhost'><time xmlns='urn:xmpp:time'/></iq>",
};
#define ANSWERS 7

static struct jd_instance *last_of(struct jd_host *host)
{
	return container_of(host->instances.prev, struct jd_instance, node);
}

static struct kept keep(const struct jd_instance *mi)
{
	struct kept k = {mi->module, mem_alloc(mi->module->data_size + 1)};

	memcpy(k.options, mi->options, mi->module->data_size);
	return k;
}

/* How many of the requests have been answered, once each. */
static unsigned answered(struct fake_link *f, unsigned counts[ANSWERS])
{
	struct output *o;
	unsigned once = 0;

	while ((o = fake_take(f)) != NULL) {
		for (unsigned i = 0; i < ANSWERS; i++) {
			char id[16];

			(void)snprintf(id, sizeof(id), "id='r%u'", i);
			counts[i] += strstr(o->text, id) != NULL;
		}
		mem_free(o);
	}
	for (unsigned i = 0; i < ANSWERS; i++) {
		assert_true(counts[i] <= 1);
		once += counts[i];
	}
	return once;
}

static struct fake_link *begin(void)
{
	struct fake_link *f;

	world_start(NULL);
	(void)world_user("localhost", "a");
	(void)world_user("localhost", "b");
	f = world_login("localhost", "a", "x");
	assert_non_null(f);
	return f;
}

static void ask_all(struct fake_link *f)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(requests); i++)
		fake_send(f, jd_cstr(requests[i]));
	world_settle();
}

/* What the n-th unit from now on asks is kept back, and so is what comes behind it. */
static void hold(unsigned n)
{
	struct db_test_step steps[8] = {{.hold = false}};

	for (unsigned i = 0; i < n; i++)
		steps[i].status = JD_DB_OK;
	steps[n].hold = true;
	db_test_script(server.db, steps, n + 1);
}

/* All but the first `left` of them go, with what they wait for, and come back. */
static void play(unsigned held, unsigned left)
{
	struct fake_link *f = begin();
	struct jd_host *host = world_host("localhost");
	unsigned counts[ANSWERS] = {0}, again[ANSWERS] = {0};
	struct kept kept[MAX];
	unsigned n = 0, running = 0;
	char err[256];

	for (struct list *l = host->instances.next; l != &host->instances; l = l->next)
		running++;
	hold(held);
	ask_all(f);
	for (; running > left; running--) {
		assert_true(n < MAX);
		kept[n++] = keep(last_of(host));
		instance_stop(last_of(host));
	}
	world_settle();
	db_test_release(server.db);
	world_advance(31 * JD_USEC_PER_SEC);
	assert_int_equal(answered(f, counts), ANSWERS);
	while (n > 0) {
		struct kept *k = &kept[--n];

		assert_int_equal(instance_start(k->module, host, &k->options, err, sizeof(err)), 0);
	}
	world_settle();
	while (fake_next(NULL) && answered(f, again) != 0)
		memset(again, 0, sizeof(again));
	ask_all(f);
	assert_int_equal(answered(f, again), ANSWERS);
	world_stop();
}

static void test_while_it_waits(void **state)
{
	(void)state;
	for (unsigned held = 0; held < 6; held++)
		for (unsigned left = 0; left < 20; left += 3)
			play(held, left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
