/* SPDX-License-Identifier: MIT
 *
 * The command table: arguments, documents in both forms, the life of a command
 * that takes its time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/command_priv.h"
#include "core/conf.h"
#include "core/json.h"
#include "core/near.h"
#include "util/clock.h"

static const char *no_modules[] = {NULL};
static const char *a_admins[] = {"boss@a.example", NULL};
static const char *all_admins[] = {"root@b.example", NULL};
static const struct conf all = {.admins = all_admins};
static const struct conf_host host_confs[] = {
	{.name = "a.example", .modules = no_modules, .admins = a_admins},
	{.name = "b.example", .modules = no_modules}};

/* -- a front end that notes what it is told ------------------------------------------- */

struct told {
	struct command_front front;
	unsigned times;
	bool ok;
	char json[4096], text[4096], error[512];
};

static void note(char *out, size_t size, struct jd_str s)
{
	snprintf(out, size, "%.*s", s.p ? (int)s.len : 0, s.p ? s.p : "");
}

static void on_done(struct command_front *front, const struct doc *doc, struct jd_str error)
{
	struct told *t = (struct told *)front;
	struct buf b;

	t->times++;
	t->ok = doc != NULL;
	note(t->error, sizeof(t->error), error);
	if (!doc)
		return;
	buf_init(&b, 1 << 20);
	assert_int_equal(doc_json(doc, &b), 0);
	note(t->json, sizeof(t->json), buf_str(&b));
	b.len = 0;
	assert_int_equal(doc_text(doc, &b), 0);
	note(t->text, sizeof(t->text), buf_str(&b));
	buf_free(&b);
}

static char usage[1024];

/* line: words separated by single spaces. */
static int run(struct told *t, const char *line)
{
	struct jd_str argv[20];
	size_t n = 0;

	memset(t, 0, sizeof(*t));
	t->front.done = on_done;
	usage[0] = '\0';
	for (const char *p = line; *p; p += *p == ' ') {
		argv[n] = (struct jd_str){p, strcspn(p, " ")};
		p += argv[n++].len;
	}
	return command_run(&t->front, argv, n, usage, sizeof(usage));
}

/* -- commands of a module ------------------------------------------------------------------ */

static struct jd_command *held;

static void cmd_echo(struct jd_command *c)
{
	jd_out_str(c, "jid", jd_jid_str(jd_arg_jid(c, 0)));
	jd_out_int(c, "number", jd_arg_int(c, 1));
	jd_out_bool(c, "flag", jd_arg_flag(c, 2));
	jd_out_str(c, "secret", jd_arg_text(c, 3));
	jd_out_str(c, "host", jd_host_name(jd_instance_host(jd_command_instance(c))));
	jd_command_done(c);
}

static void cmd_list(struct jd_command *c)
{
	jd_out_str(c, "title", JD_STR("tab\t quote\" back\\ line\n e\xcc\x81 bad\xff"));
	jd_out_list(c, "things");
	jd_out_record(c);
	jd_out_str(c, "name", JD_STR("one"));
	jd_out_int(c, "size", -5);
	jd_out_record(c);
	jd_out_str(c, "name", JD_STR("\xc3\xa4\xc3\xb6\xc3\xbc long"));
	jd_out_bool(c, "here", true);
	jd_out_end(c);
	jd_out_list(c, "empty");
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_hold(struct jd_command *c)
{
	held = c;
}

static void cmd_fail(struct jd_command *c)
{
	jd_out_str(c, "unseen", JD_STR("x"));
	jd_command_fail(c, "It is %d degrees too cold.", 3);
}

static void cmd_flood(struct jd_command *c)
{
	static const char line[4096] = "x";

	jd_out_list(c, "flood");
	for (int i = 0; i < 4000; i++) {
		jd_out_record(c);
		jd_out_str(c, "line", (struct jd_str){line, sizeof(line)});
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_where(struct jd_command *c)
{
	jd_out_str(c, "host", jd_arg_text(c, 1));
	jd_command_done(c);
}

static const struct jd_arg where_args[] = {
	{JD_ARG_BARE_JID, "JID", true, "An account."},
	{JD_ARG_HOST, "HOST", true, "A host."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg room_args[] = {
	{JD_ARG_ROOM, "ROOM", false, "A room."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg echo_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "An account."},
	{JD_ARG_INT, "NUMBER", true, "A number."},
	{JD_ARG_FLAG, "loud", true, "A flag."},
	{JD_ARG_SECRET, "SECRET", false, "A secret."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def defs[] = {
	{"echo", "Says what it was told.", echo_args, cmd_echo},
	{"room list", "Two words.", NULL, cmd_list},
	{"hold", "Takes its time.", NULL, cmd_hold},
	{"freeze", "Fails.", NULL, cmd_fail},
	{"flood", "Answers too much.", NULL, cmd_flood},
	{"room look", "Names a room.", room_args, cmd_list},
	{"where", "Says which host it was given.", where_args, cmd_where},
	{NULL, NULL, NULL, NULL},
};

static const struct jd_command_def clash[] = {
	{"echo", "Another one.", NULL, cmd_list},
	{NULL, NULL, NULL, NULL},
};

static const struct conf_host rooms_conf = {.name = "rooms.a.example", .component = true};
static const struct jd_module module = {.abi = JD_ABI, .name = "sample"};
static struct jd_instance one = {.module = &module}, two = {.module = &module};

/* -- the world -------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	role_take(ROLE_LOGIC);
	clock_fake(1000000, 1800000000 * JD_USEC_PER_SEC);
	server.loop = loop_new("test");
	server.conf = &all;
	assert_int_equal(core_init(), 0);
	one.host = host_add("a.example", &host_confs[0]);
	two.host = host_add("b.example", &host_confs[1]);
	(void)host_add("rooms.a.example", &rooms_conf);
	commands_init();
	assert_int_equal(jd_commands(&one, defs), 0);
	assert_int_equal(jd_commands(&two, defs), 0);
	held = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	commands_remove(&one);
	commands_remove(&two);
	commands_fini();
	core_unload();
	core_fini();
	loop_free(server.loop);
	clock_fake_stop();
	server.conf = NULL;
	return 0;
}

/* -- arguments -----------------------------------------------------------------------------------
 */

static const struct {
	const char *line;
	const char *want; /* of the usage text */
} wrong[] = {
	{"", "a command is missing; 'help' lists them"},
	{"ecko", "there is no command 'ecko'; did you mean 'echo'?"},
	{"qqqqqq", "there is no command 'qqqqqq'; 'help' lists them"},
	{"echo", "JID is missing\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example 1", "SECRET is missing\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example many --secret s",
	 "NUMBER must be a number, not 'many'\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example 1 2", "'2' is one argument too many\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example --laud", "there is no option --laud\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example --number", "--number needs a value\nusage: echo JID [NUMBER] [--loud]"},
	{"echo @a.example", "'@a.example' is not an address\nusage: echo JID [NUMBER] [--loud]"},
	{"echo a.example",
	 "'a.example' is not an address of the form user@host\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@a.example/r", "'x@a.example/r' is not an address of the form user@host\n"
			       "usage: echo JID [NUMBER] [--loud]"},
	{"echo x@c.example", "this server has no host 'c.example'; it has a.example, b.example, "
			     "rooms.a.example\nusage: echo JID [NUMBER] [--loud]"},
	{"echo x@rooms.a.example", "rooms.a.example is a component: it has no users\n"
				   "usage: echo JID [NUMBER] [--loud]"},
	{"room look x@a.example", "a.example is a host: it has no rooms\nusage: room look ROOM"},
	{"room look rooms.a.example",
	 "'rooms.a.example' is not an address of the form room@component\n"
	 "usage: room look ROOM"},
	{"status now", "'now' is one argument too many\nusage: status"},
};

static void test_wrong_arguments(void **state)
{
	struct told t;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(wrong); i++) {
		assert_int_equal(run(&t, wrong[i].line), COMMAND_USAGE);
		assert_string_equal(usage, wrong[i].want);
		assert_int_equal(t.times, 0);
	}
}

static void test_arguments(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "echo --loud X@B.example --secret --s --number -7"), COMMAND_RUNS);
	assert_int_equal(t.times, 1);
	assert_string_equal(t.json,
			    "{\"jid\": \"x@b.example\",\n \"number\": -7,\n \"flag\": true,\n"
			    " \"secret\": \"--s\",\n \"host\": \"b.example\"}\n");
	assert_int_equal(run(&t, "echo --secret s -- x@a.example"), COMMAND_RUNS);
	assert_string_equal(t.text,
			    "jid: x@a.example\nnumber: 0\nflag: no\nsecret: s\nhost: a.example\n");
}

static void test_secrets(void **state)
{
	struct jd_str words[] = {JD_STR("echo"), JD_STR("x@a.example"), JD_STR("5")};
	struct jd_str given[] = {JD_STR("echo"), JD_STR("x@a.example"), JD_STR("--secret"),
				 JD_STR("typed")};
	char out[256];

	(void)state;
	assert_int_equal(command_secrets(words, 3, out, sizeof(out)), 0);
	assert_string_equal(out, "SECRET\n");
	assert_int_equal(command_secrets(words, 1, out, sizeof(out)), COMMAND_USAGE);
	/* What is typed into a command line is no secret. */
	assert_int_equal(command_secrets(given, 4, out, sizeof(out)), COMMAND_USAGE);
}

/* -- documents
 * -------------------------------------------------------------------------------------- */

static void test_documents(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "room list"), COMMAND_RUNS);
	assert_string_equal(
		t.json,
		"{\"title\": \"tab\\t quote\\\" back\\\\ line\\n e\xcc\x81 bad\xef\xbf\xbd\",\n"
		" \"things\": [\n"
		"  {\"name\": \"one\", \"size\": -5},\n"
		"  {\"name\": \"\xc3\xa4\xc3\xb6\xc3\xbc long\", \"here\": true}],\n"
		" \"empty\": []}\n");
	assert_string_equal(t.text, "title: tab? quote\" back\\ line? e\xcc\x81 bad?\n"
				    "\nthings\n"
				    "name      size  here\n"
				    "one       -5\n"
				    "\xc3\xa4\xc3\xb6\xc3\xbc long        yes\n"
				    "empty: none\n");
}

static void test_failure(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "freeze"), COMMAND_RUNS);
	assert_int_equal(t.times, 1);
	assert_false(t.ok);
	assert_string_equal(t.error, "It is 3 degrees too cold.");
	assert_string_equal(t.json, "");
}

static void test_too_long(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "flood"), COMMAND_RUNS);
	assert_false(t.ok);
	assert_string_equal(t.error, "The answer is too long; ask for less.");
}

/* -- the life of a command
 * ------------------------------------------------------------------------------ */

static void test_later(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "hold"), COMMAND_RUNS);
	assert_int_equal(t.times, 0);
	jd_out_int(held, "n", 1);
	jd_command_done(held);
	assert_int_equal(t.times, 1);
	assert_null(t.front.command);
	loop_turn(server.loop, false);
}

static void test_deadline(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "hold"), COMMAND_RUNS);
	clock_fake_advance(29 * JD_USEC_PER_SEC);
	loop_turn(server.loop, false);
	assert_int_equal(t.times, 0);
	clock_fake_advance(2 * JD_USEC_PER_SEC);
	loop_turn(server.loop, false);
	assert_int_equal(t.times, 1);
	assert_false(t.ok);
}

static void test_front_gone(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "hold"), COMMAND_RUNS);
	command_abandon(&t.front);
	jd_command_done(held);
	assert_int_equal(t.times, 0);
}

static void test_module_gone(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "hold"), COMMAND_RUNS);
	commands_remove(&one);
	assert_int_equal(t.times, 1);
	assert_false(t.ok);
	/* The other host's instance still has it. */
	assert_int_equal(run(&t, "echo --secret s x@b.example"), COMMAND_RUNS);
	assert_int_equal(run(&t, "echo --secret s x@a.example"), COMMAND_USAGE);
	assert_string_equal(usage, "the module of 'echo' is not active on host 'a.example'");
	commands_remove(&two);
	assert_int_equal(run(&t, "echo --secret s x@b.example"), COMMAND_USAGE);
	/* The core's own stay. */
	assert_int_equal(run(&t, "help"), COMMAND_RUNS);
}

/* -- for administrators with a client
 * ------------------------------------------------------------------------------ */

struct asking {
	unsigned times;
	bool ok;
	char first[64], error[256];
};

static void on_end(void *arg, const struct jd_doc_part *doc, struct jd_str error)
{
	struct asking *a = arg;

	a->times++;
	a->ok = !error.p;
	note(a->first, sizeof(a->first), doc ? doc->value.str : JD_STR_NULL);
	note(a->error, sizeof(a->error), error);
}

static int start_by(struct asking *a, struct jd_owner *owner, const char *by, const char *name,
		    const char *first, const char *second)
{
	struct jd_command_request r = {.host = one.host};
	struct jd_arena arena;
	int err;

	memset(a, 0, sizeof(*a));
	owner_init(owner);
	arena_init(&arena, NULL, 0);
	r.def = jd_command_find(one.host, jd_cstr(name));
	assert_non_null(r.def);
	assert_int_equal(jd_jid_parse(&arena, jd_cstr(by), &r.by), 0);
	r.values[0] = jd_cstr(first);
	r.values[1] = jd_cstr(second);
	usage[0] = '\0';
	err = jd_command_start(owner, &r, on_end, a, usage, sizeof(usage));
	arena_fini(&arena);
	assert_int_equal(a->times, 0); /* never beneath the call */
	loop_turn(server.loop, false);
	return err;
}

static void test_who_may(void **state)
{
	static const struct {
		const char *by, *name, *first, *second;
		int err;
		const char *answer;
	} cases[] = {
		{"boss@a.example/x", "where", NULL, NULL, 0, "a.example"},
		{"boss@a.example", "where", NULL, "a.example", 0, "a.example"},
		{"boss@a.example", "where", NULL, "b.example", -JD_EACCESS, NULL},
		{"boss@a.example", "where", "x@b.example", NULL, -JD_EACCESS, NULL},
		{"boss@a.example", "where", "x@a.example", NULL, 0, "a.example"},
		{"boss@a.example", "where", "x@c.example", NULL, -JD_EINVAL, NULL},
		{"boss@a.example", "room list", NULL, NULL, -JD_EACCESS, NULL},
		{"boss@a.example", "kick", NULL, NULL, -JD_EINVAL, NULL},
		{"boss@a.example", "kick", "b.example", NULL, -JD_EACCESS, NULL},
		{"boss@b.example", "where", NULL, "a.example", -JD_EACCESS, NULL},
		{"a.example", "where", NULL, "a.example", -JD_EACCESS, NULL},
		{"root@b.example", "where", NULL, "b.example", 0, "b.example"},
		{"root@b.example", "where", NULL, NULL, 0, ""},
		{"root@b.example", "room list", NULL, NULL, 0, "tab\t quote"},
		{"root@b.example", "where", "nonsense@@", NULL, -JD_EINVAL, NULL},
	};
	struct jd_owner owner;
	struct asking a;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(cases); i++) {
		int err = start_by(&a, &owner, cases[i].by, cases[i].name, cases[i].first,
				   cases[i].second);

		if (err != cases[i].err)
			fail_msg("case %zu: %d, %s", i, err, usage);
		assert_int_equal(a.times, err ? 0 : 1);
		assert_true(!err || usage[0]);
		if (cases[i].answer)
			assert_memory_equal(a.first, cases[i].answer, strlen(cases[i].answer));
		assert_true(list_empty(&owner.pending));
	}
}

static void test_owner_gone(void **state)
{
	struct jd_owner owner;
	struct asking a;

	(void)state;
	assert_int_equal(start_by(&a, &owner, "root@b.example", "hold", NULL, NULL), 0);
	owner_cancel_all(&owner);
	jd_command_done(held);
	loop_turn(server.loop, false);
	assert_int_equal(a.times, 0);
	assert_int_equal(start_by(&a, &owner, "root@b.example", "hold", NULL, NULL), 0);
	jd_command_fail(held, "No.");
	owner_cancel_all(&owner);
	loop_turn(server.loop, false);
	assert_int_equal(a.times, 0);
	assert_int_equal(start_by(&a, &owner, "root@b.example", "freeze", NULL, NULL), 0);
	assert_string_equal(a.error, "It is 3 degrees too cold.");
}

static void test_same_name(void **state)
{
	(void)state;
	assert_int_equal(jd_commands(&one, clash), -JD_EEXIST);
}

static void test_core_commands(void **state)
{
	struct told t;

	(void)state;
	assert_int_equal(run(&t, "help"), COMMAND_RUNS);
	assert_non_null(strstr(t.text, "adduser JID [--force]"));
	assert_non_null(strstr(t.text, "room list"));
	assert_int_equal(run(&t, "help adduser"), COMMAND_RUNS);
	assert_non_null(strstr(t.text, "PASSWORD"));
	assert_int_equal(run(&t, "help nothing"), COMMAND_RUNS);
	assert_false(t.ok);
	assert_int_equal(run(&t, "status"), COMMAND_RUNS);
	assert_non_null(strstr(t.json, "\"version\": \"" JD_VERSION "\""));
	assert_non_null(strstr(t.json, "{\"name\": \"b.example\", \"sessions\": 0}"));
	assert_int_equal(run(&t, "sessions"), COMMAND_RUNS);
	assert_string_equal(t.text, "sessions: none\n");
	assert_int_equal(run(&t, "kick x@a.example"), COMMAND_RUNS);
	assert_string_equal(t.error, "'x@a.example' has no session.");
	assert_int_equal(run(&t, "kick a.example"), COMMAND_RUNS);
	assert_false(t.ok);
}

static void test_near(void **state)
{
	static const char *const names[] = {"port", "address", "kind", NULL};

	(void)state;
	assert_string_equal(near_find("prot", names), "port");
	assert_string_equal(near_find("adress", names), "address");
	assert_string_equal(near_find("kinds", names), "kind");
	assert_null(near_find("zzz", names));
	assert_null(near_find("", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_front_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_module_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_may, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_commands, setup, teardown),
		cmocka_unit_test(test_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
