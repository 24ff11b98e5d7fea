/* SPDX-License-Identifier: MIT
 *
 * Two modules for tests of calls: "slow" does with a stanza what its id says
 * (answers, waits, answers later, never); "second" stands behind it in the chain
 * and counts.  Alice asks, Bob's home is asked.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

#define NS "urn:example:slow"

static struct jd_instance *slow_mi, *second_mi;
static struct jd_call *waiting;
static struct jd_iq *asking;
static unsigned second_calls, cancelled, dirty, freed;
static struct fake_link *a, *b;

static bool id_is(const struct jd_stanza *st, const char *id)
{
	return st->id.p && jd_str_is(st->id, id);
}

static void on_timer(void *arg)
{
	(void)arg;
	cancelled += 100;
}

static enum jd_verdict on_message(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (!jd_instance_host(mi) || ev->st->kind != JD_MESSAGE)
		return JD_PASS;
	slow_mi = mi;
	if (id_is(ev->st, "data"))
		*(int *)jd_call_data(ev->call, sizeof(int)) = 7;
	if (id_is(ev->st, "both"))
		(void)jd_timer_start(jd_call_pending(ev->call), JD_USEC_PER_SEC, on_timer, NULL);
	else if (!id_is(ev->st, "wait"))
		return JD_PASS;
	assert_null(waiting);
	waiting = ev->call;
	*(int *)jd_call_data(ev->call, sizeof(int)) = 7;
	return JD_WAIT;
}

static enum jd_verdict on_iq(struct jd_instance *mi, struct jd_iq *iq)
{
	slow_mi = mi;
	asking = iq;
	if (id_is(iq->st, "wait") || id_is(iq->st, "forget")) {
		waiting = iq->call;
		return JD_WAIT;
	}
	if (id_is(iq->st, "async"))
		return JD_ASYNC;
	if (id_is(iq->st, "now-async")) {
		jd_iq_ok(iq);
		return JD_ASYNC;
	}
	if (id_is(iq->st, "pass"))
		return JD_PASS;
	if (id_is(iq->st, "now"))
		jd_iq_ok(iq);
	return JD_DONE; /* "nothing": without an answer */
}

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	freed += *(int *)data == 7;
}

static int slow_start(struct jd_instance *mi)
{
	int r = jd_on(mi, account_in, JD_PRIO_EARLY, on_message);

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT | JD_TO_HOST, NS, "q", on_iq);
	return r;
}

static enum jd_verdict on_second(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	second_mi = mi;
	if (ev->st->kind == JD_MESSAGE)
		second_calls++;
	if (id_is(ev->st, "data")) {
		const char *data = jd_call_data(ev->call, 4096);

		for (unsigned i = 0; i < 4096; i++)
			dirty += data[i] != 0;
	}
	if (!id_is(ev->st, "both"))
		return JD_PASS;
	waiting = ev->call;
	return JD_WAIT;
}

static int second_start(struct jd_instance *mi)
{
	return jd_on(mi, account_in, JD_PRIO_NORMAL, on_second);
}

static const struct jd_module slow = {.abi = JD_ABI,
				      .name = "slow",
				      .start = slow_start,
				      .session_size = sizeof(int),
				      .session_free = session_free};
static const struct jd_module second = {.abi = JD_ABI, .name = "second", .start = second_start};
static const struct jd_module *const extras[] = {&slow, &second, NULL};
static const struct world_settings settings = {.modules = "slow second message", .extras = extras};

static int setup(void **state)
{
	(void)state;
	world_start(&settings);
	waiting = NULL;
	asking = NULL;
	second_calls = cancelled = dirty = freed = 0;
	(void)world_user("localhost", "alice");
	(void)world_user("localhost", "bob");
	a = world_login("localhost", "alice", "r");
	b = world_login("localhost", "bob", "r");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

/* -- helpers ------------------------------------------------------------------------------- */

static inline void say(const char *xml)
{
	fake_send(a, jd_cstr(xml));
	world_settle();
}

static inline void message(const char *id)
{
	char xml[128];

	(void)snprintf(xml, sizeof(xml), "<message id='%s' to='bob@localhost/r'/>", id);
	say(xml);
}

static inline void request(const char *id, const char *to)
{
	char xml[160];

	(void)snprintf(xml, sizeof(xml), "<iq type='get' id='%s' to='%s'><q xmlns='" NS "'/></iq>",
		       id, to);
	say(xml);
}

/* The next thing sent to f has all of these in it; the last is NULL. */
static inline void gets(struct fake_link *f, ...)
{
	struct output *o = fake_take(f);
	const char *part;
	va_list ap;

	assert_non_null(o);
	va_start(ap, f);
	while ((part = va_arg(ap, const char *)) != NULL)
		if (!strstr(o->text, part))
			fail_msg("no %s in %s", part, o->text);
	va_end(ap);
	mem_free(o);
}

static inline void gets_nothing(struct fake_link *f)
{
	struct output *o = fake_take(f);

	if (o)
		fail_msg("got %s", o->text);
}

static inline void resume(enum jd_verdict verdict)
{
	struct jd_call *call = waiting;

	waiting = NULL;
	jd_resume(call, verdict);
	world_settle();
}
