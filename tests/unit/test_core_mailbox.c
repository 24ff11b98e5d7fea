/* SPDX-License-Identifier: MIT
 *
 * Mailboxes by themselves: bounds, holding, functions in their place, presence
 * that replaces presence, turns for everybody, and being freed from within.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/world.h"

static struct mailbox box, other;
static char order[4096];
static bool end_inside, hold_inside;
static char name_fn[] = "fn", name_first[] = "first", name_last[] = "last";

static void handle(struct mailbox *m, struct jd_stanza *st)
{
	size_t n = strlen(order);

	(void)snprintf(order + n, sizeof(order) - n, "%.*s%s", JD_FMT(st->id),
		       m == &other ? "' " : " ");
	if (hold_inside)
		mailbox_hold(m);
	if (end_inside)
		mailbox_fini(m);
}

static void on_fn(void *arg, bool dropped)
{
	size_t n = strlen(order);

	(void)snprintf(order + n, sizeof(order) - n, "%s%s ", (const char *)arg,
		       dropped ? "-dropped" : "");
}

static const struct mailbox_kind kind = {
	.max_posts = MAILBOX_HOME_POSTS, .max_bytes = MAILBOX_HOME_BYTES, .handle = handle};

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	mailbox_init(&box, &kind);
	mailbox_init(&other, &kind);
	order[0] = '\0';
	end_inside = hold_inside = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mailbox_fini(&box);
	mailbox_fini(&other);
	world_stop();
	return 0;
}

static struct jd_stanza *stanza(const char *fmt, ...) JD_PRINTF(1, 2);

static struct jd_stanza *stanza(const char *fmt, ...)
{
	struct jd_stanza *st;
	char xml[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(xml, sizeof(xml), fmt, ap);
	va_end(ap);
	st = jd_stanza_parse(jd_cstr(xml));
	assert_non_null(st);
	return st;
}

static int post(struct mailbox *m, int id)
{
	struct jd_stanza *st = stanza("<message xmlns='jabber:client' id='%d'/>", id);
	int r = mailbox_post(m, st);

	jd_stanza_unref(st);
	return r;
}

static void test_bound(void **state)
{
	(void)state;
	mailbox_hold(&box);
	for (int i = 0; i < MAILBOX_HOME_POSTS; i++)
		assert_int_equal(post(&box, i), 0);
	assert_int_equal(post(&box, 999), -JD_ELIMIT);
	mailbox_post_fn(&box, on_fn, name_fn); /* not bounded */
	mailbox_unhold(&box);
	assert_false(mailbox_idle(&box));
	world_settle();
	assert_true(mailbox_idle(&box));
	assert_null(strstr(order, "999"));
	assert_non_null(strstr(order, "254 255 fn"));
	assert_int_equal(box.bytes, 0);
	assert_int_equal(post(&box, 5), 0);
}

static void test_bytes(void **state)
{
	size_t size = 512 << 10;
	char *xml = mem_alloc(size + 128);
	struct jd_stanza *st;
	int n = 0;

	(void)state;
	(void)snprintf(xml, 64, "<message xmlns='jabber:client' id='b'><body>");
	memset(xml + strlen(xml), 'x', size);
	(void)snprintf(xml + strlen(xml), 32, "</body></message>");
	st = jd_stanza_parse(jd_cstr(xml));
	assert_non_null(st);
	mailbox_hold(&box);
	while (mailbox_post(&box, st) == 0)
		n++;
	assert_true(n >= 8 && n <= 9);
	mailbox_unhold(&box);
	world_settle();
	assert_int_equal(box.bytes, 0);
	jd_stanza_unref(st);
	mem_free(xml);
}

static bool any(struct jd_el child, const void *arg)
{
	(void)child;
	(void)arg;
	return true;
}

/* What was counted is what is taken off, though another home has edited it meanwhile. */
static void test_bytes_of_an_edited_one(void **state)
{
	struct jd_stanza *st =
		stanza("<message xmlns='jabber:client' from='a@localhost/x'"
		       " to='b@localhost'><body>%s</body><x xmlns='urn:x'/></message>",
		       "long");

	(void)state;
	mailbox_hold(&box);
	assert_int_equal(mailbox_post(&box, st), 0);
	assert_int_equal(mailbox_post(&box, st), 0);
	assert_int_equal(jd_stanza_remove(st, any, NULL), 2);
	assert_int_equal(mailbox_post(&box, st), 0);
	jd_stanza_unref(st);
	mailbox_unhold(&box);
	world_settle();
	assert_int_equal(box.bytes, 0);
}

static void test_hold_counts(void **state)
{
	(void)state;
	mailbox_hold(&box);
	mailbox_hold(&box);
	assert_int_equal(post(&box, 1), 0);
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "");
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "1 ");
}

static void test_hold_inside(void **state)
{
	(void)state;
	hold_inside = true;
	assert_int_equal(post(&box, 1), 0);
	assert_int_equal(post(&box, 2), 0);
	mailbox_post_fn(&box, on_fn, name_fn);
	world_settle();
	assert_string_equal(order, "1 ");
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "1 2 ");
	hold_inside = false;
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "1 2 fn ");
}

static void test_end_inside(void **state)
{
	(void)state;
	end_inside = true;
	mailbox_post_fn(&box, on_fn, name_first);
	assert_int_equal(post(&box, 1), 0);
	assert_int_equal(post(&box, 2), 0);
	mailbox_post_fn(&box, on_fn, name_last);
	world_settle();
	assert_string_equal(order, "first 1 last-dropped ");
}

/* A long queue does not keep a short one waiting to its end. */
static void test_turns(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(post(&box, i), 0);
	assert_int_equal(post(&other, 7), 0);
	world_settle();
	assert_non_null(strstr(order, "99 "));
	assert_true(strstr(order, "7' ") < strstr(order, " 50 "));
}

#define FROM "from='a@localhost/%s' to='b@localhost'"

static bool coalesce(const char *resource, const char *type, int id)
{
	struct jd_stanza *st =
		stanza("<presence xmlns='jabber:client' " FROM " %s id='%d'/>", resource, type, id);
	bool done = mailbox_coalesce(&box, st);

	jd_stanza_unref(st);
	return done;
}

static void test_coalesce(void **state)
{
	struct jd_stanza *st = stanza("<presence xmlns='jabber:client' " FROM " id='1'/>", "x");

	(void)state;
	mailbox_hold(&box);
	assert_false(coalesce("x", "", 9));
	assert_int_equal(post(&box, 0), 0);
	assert_int_equal(mailbox_post(&box, st), 0);
	jd_stanza_unref(st);
	assert_int_equal(post(&box, 2), 0);
	assert_false(coalesce("y", "", 9));
	assert_false(coalesce("x", "type='subscribe'", 9));
	assert_true(coalesce("x", "", 3));
	assert_true(coalesce("x", "type='unavailable'", 4));
	assert_int_equal(box.count, 3);
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "0 4 2 ");
	assert_int_equal(box.bytes, 0);
}

static void handle_addressed(struct mailbox *m, struct jd_stanza *st)
{
	size_t n = strlen(order);

	(void)m;
	(void)snprintf(order + n, sizeof(order) - n, "%.*s%s ", JD_FMT(jd_jid_str(st->to)),
		       jd_el_ok(jd_el_first(jd_stanza_root(st))) ? "" : "-empty");
	(void)jd_stanza_remove(st, any, NULL);
}

/* Each gets one of its own, and what is done to that is not seen by the next; presence that
 * comes later takes the place of a copy, too. */
static void test_copies(void **state)
{
	static const struct mailbox_kind small = {
		.max_posts = 3, .max_bytes = MAILBOX_HOME_BYTES, .handle = handle_addressed};
	struct jd_stanza *st =
		stanza("<presence xmlns='jabber:client' " FROM "><x/></presence>", "x");
	struct jd_stanza *new = stanza("<presence xmlns='jabber:client' from='a@localhost/x' "
				       "to='c@localhost' id='1'/>");
	struct jd_jid to;

	(void)state;
	mailbox_init(&box, &small);
	mailbox_hold(&box);
	for (const char *name = "cde"; *name; name++) {
		char text[] = "?@localhost";

		text[0] = *name;
		assert_int_equal(jd_jid_parse(st->arena, jd_cstr(text), &to), 0);
		assert_int_equal(mailbox_post_copy(&box, st, to, NULL), 0);
	}
	assert_int_equal(mailbox_post_copy(&box, st, to, NULL), -JD_ELIMIT);
	assert_true(mailbox_coalesce(&box, new));
	jd_stanza_unref(new);
	mailbox_unhold(&box);
	world_settle();
	assert_string_equal(order, "c@localhost-empty d@localhost e@localhost ");
	assert_int_equal(box.bytes, 0);
	jd_stanza_unref(st);
}

static void test_fini_drops(void **state)
{
	(void)state;
	assert_int_equal(post(&box, 1), 0);
	mailbox_post_fn(&box, on_fn, name_fn);
	mailbox_fini(&box);
	world_settle();
	assert_string_equal(order, "fn-dropped ");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bound),       T(test_bytes),
		T(test_hold_counts), T(test_bytes_of_an_edited_one),
		T(test_hold_inside), T(test_end_inside),
		T(test_turns),       T(test_coalesce),
		T(test_fini_drops),  T(test_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
