/* SPDX-License-Identifier: MIT
 *
 * The table of administrative commands, and those that are running.
 *
 * A module registers its commands once per host; they are one entry with several
 * users, and a command that names a host or an address is run by the instance of
 * that host.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/command_priv.h"
#include "core/near.h"
#include "util/crypto.h"

#define DEADLINE (30 * JD_USEC_PER_SEC)

struct list commands;
static struct list running, ending; /* ending: has answered, its memory is still in use */

/* -- the table ------------------------------------------------------------------------- */

struct command_entry *command_entry_find(struct jd_str name)
{
	for (struct list *n = commands.next; n != &commands; n = n->next) {
		struct command_entry *e = container_of(n, struct command_entry, node);

		if (jd_str_is(name, e->def->name))
			return e;
	}
	return NULL;
}

static struct command_entry *entry_new(const struct jd_command_def *def)
{
	struct command_entry *e = mem_new(struct command_entry);
	struct list *n = commands.next;

	e->def = def;
	list_init(&e->users);
	while (n != &commands &&
	       strcmp(container_of(n, struct command_entry, node)->def->name, def->name) < 0)
		n = n->next;
	list_append(n, &e->node); /* in front of n */
	return e;
}

static void entry_free(struct command_entry *e)
{
	list_remove(&e->node);
	mem_free(e);
}

/* Instances of one module bring one table; while it is being replaced there are two. */
static bool may_share(const struct command_entry *e, const struct jd_instance *mi,
		      const struct jd_command_def *def)
{
	for (const struct list *n = e->users.next; n != &e->users; n = n->next) {
		const struct command_user *u = container_of(n, struct command_user, node);
		const struct jd_module *m = u->mi->module;

		if (u->def != def && (m == mi->module || strcmp(m->name, mi->module->name) != 0))
			return false;
	}
	return !e->core;
}

int jd_commands(struct jd_instance *mi, const struct jd_command_def *defs)
{
	for (; defs->name; defs++) {
		struct command_entry *e = command_entry_find(jd_cstr(defs->name));
		struct command_user *user;

		JD_ASSERT(command_n_args(defs) <= JD_COMMAND_MAX_ARGS);
		if (e && !may_share(e, mi, defs))
			return -JD_EEXIST;
		if (!e)
			e = entry_new(defs);
		user = mem_new(struct command_user);
		user->mi = mi;
		user->def = defs;
		list_append(&e->users, &user->node);
	}
	return 0;
}

static void add_core(const struct jd_command_def *defs)
{
	for (; defs->name; defs++)
		entry_new(defs)->core = true;
}

void commands_init(void)
{
	list_init(&commands);
	list_init(&running);
	list_init(&ending);
	add_core(commands_core);
	add_core(commands_tokens);
	add_core(commands_users);
	add_core(commands_db);
	add_core(commands_ban);
	add_core(commands_modules);
	add_core(commands_component);
	add_core(commands_memory);
}

/* -- the life of a running command ---------------------------------------------------------- */

struct jd_command *command_ref(struct jd_command *c)
{
	c->refs++;
	return c;
}

void command_unref(struct jd_command *c)
{
	if (--c->refs)
		return;
	for (unsigned i = 0; i < JD_COMMAND_MAX_ARGS; i++)
		if (c->args[i].secret)
			crypto_wipe((void *)(uintptr_t)c->args[i].text.p, c->args[i].text.len);
	arena_fini(&c->arena);
	mem_free(c->data);
	mem_free(c);
}

static void on_release(struct defer *d)
{
	struct jd_command *c = container_of(d, struct jd_command, release);

	list_remove(&c->node);
	command_unref(c);
}

/* Its handler may still be on the stack: the memory goes later. */
static void command_over(struct jd_command *c)
{
	c->ended = true;
	owner_cancel_all(&c->owner);
	owner_cancel_all(&c->own);
	list_remove(&c->node);
	list_append(&ending, &c->node);
	loop_defer(server.loop, &c->release, on_release);
}

static void command_tell(struct jd_command *c, const struct doc *doc, struct jd_str error)
{
	struct command_front *front = c->front;

	c->front = NULL;
	command_over(c);
	if (!front)
		return;
	front->command = NULL;
	front->done(front, doc, error);
}

void jd_command_done(struct jd_command *c)
{
	if (c->ended)
		return; /* the deadline came first */
	if (c->doc.bytes > DOC_MAX_BYTES)
		jd_command_fail(c, "The answer is too long; ask for less.");
	else
		command_tell(c, &c->doc, JD_STR_NULL);
}

void jd_command_fail(struct jd_command *c, const char *fmt, ...)
{
	struct jd_str sentence;
	va_list ap;

	if (c->ended)
		return;
	va_start(ap, fmt);
	sentence = jd_arena_vprintf(&c->arena, fmt, ap);
	va_end(ap);
	command_tell(c, NULL, sentence);
}

static void on_deadline(void *arg)
{
	jd_command_fail(arg,
			"There was no answer within 30 seconds; what was begun may still happen.");
}

void command_abandon(struct command_front *front)
{
	if (!front->command)
		return;
	/* What it began goes on to its end; only nobody is told. */
	front->command->front = NULL;
	front->command = NULL;
}

void commands_remove(struct jd_instance *mi)
{
	for (struct list *n = running.next, *next; n != &running; n = next) {
		struct jd_command *c = container_of(n, struct jd_command, node);

		next = n->next;
		if (c->mi == mi)
			jd_command_fail(c, "The module of this command is being stopped.");
	}
	for (struct list *n = commands.next, *next; n != &commands; n = next) {
		struct command_entry *e = container_of(n, struct command_entry, node);

		next = n->next;
		for (struct list *u = e->users.next, *after; u != &e->users; u = after) {
			struct command_user *user = container_of(u, struct command_user, node);

			after = u->next;
			if (user->mi != mi)
				continue;
			list_remove(&user->node);
			mem_free(user);
		}
		if (list_empty(&e->users) && !e->core)
			entry_free(e);
		else if (!e->core)
			e->def = container_of(e->users.next, struct command_user, node)->def;
	}
}

void commands_fini(void)
{
	while (!list_empty(&running))
		jd_command_fail(container_of(running.next, struct jd_command, node),
				"The server is stopping.");
	while (!list_empty(&ending)) {
		struct jd_command *c = container_of(ending.next, struct jd_command, node);

		defer_cancel(&c->release);
		on_release(&c->release);
	}
	while (!list_empty(&commands))
		entry_free(container_of(commands.next, struct command_entry, node));
}

/* -- running one ---------------------------------------------------------------------------------
 */

static int unknown(struct jd_str name, char *usage, size_t size)
{
	const char *names[256];
	const char *near;
	char word[64];
	size_t n = 0;

	for (struct list *l = commands.next; l != &commands && n < 255; l = l->next)
		names[n++] = container_of(l, struct command_entry, node)->def->name;
	names[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", JD_FMT(name));
	near = near_find(word, names);
	if (near)
		snprintf(usage, size, "there is no command '%s'; did you mean '%s'?", word, near);
	else
		snprintf(usage, size, "there is no command '%s'; 'help' lists them", word);
	return COMMAND_USAGE;
}

/* One word or two. */
static int lookup(const struct jd_str *argv, size_t argc, struct command_entry **ret_entry,
		  size_t *ret_words, char *usage, size_t size)
{
	struct command_entry *e = NULL;
	char two[128];

	if (argc == 0) {
		snprintf(usage, size, "a command is missing; 'help' lists them");
		return COMMAND_USAGE;
	}
	*ret_words = 1;
	if (argc > 1) {
		int n = snprintf(two, sizeof(two), "%.*s %.*s", JD_FMT(argv[0]), JD_FMT(argv[1]));

		if (n > 0 && (size_t)n < sizeof(two))
			e = command_entry_find(jd_cstr(two));
		if (e)
			*ret_words = 2;
	}
	if (!e)
		e = command_entry_find(argv[0]);
	if (!e)
		return unknown(argv[0], usage, size);
	*ret_entry = e;
	return 0;
}

/* The instance of the host that the arguments name; without one, the first. */
static int choose_instance(struct jd_command *c, char *usage, size_t size)
{
	const struct command_entry *e = c->entry;
	struct jd_host *host = NULL;

	for (unsigned i = 0; i < command_n_args(e->def) && !host; i++)
		if (c->args[i].given && jd_jid_ok(c->args[i].jid))
			host = host_find(jd_jid_domain(c->args[i].jid));
	for (struct list *n = e->users.next; n != &e->users; n = n->next) {
		struct jd_instance *mi = container_of(n, struct command_user, node)->mi;

		if (host && mi->host && mi->host != host)
			continue;
		if (container_of(n, struct command_user, node)->def != e->def) {
			snprintf(usage, size,
				 "module '%s' runs in two versions: reload it on every host that "
				 "has it",
				 mi->module->name);
			return COMMAND_USAGE;
		}
		c->mi = mi;
		return 0;
	}
	if (e->core)
		return 0;
	snprintf(usage, size, "the module of '%s' is not active on host '%s'", e->def->name,
		 host->name);
	return COMMAND_USAGE;
}

struct jd_command *command_new(struct command_front *front, const struct command_entry *e)
{
	struct jd_command *c = mem_new(struct jd_command);

	c->entry = e;
	c->front = front;
	c->refs = 1;
	arena_init(&c->arena, NULL, 0);
	owner_init(&c->owner);
	owner_init(&c->own);
	doc_init(&c->doc, &c->arena);
	return c;
}

/* Who did what: everything but secrets. */
static void command_audit(const struct jd_command *c)
{
	const struct jd_command_def *def = c->entry->def;
	char args[512];
	size_t len = 0;

	args[0] = '\0';
	for (unsigned i = 0; i < command_n_args(def) && len < sizeof(args); i++) {
		const struct arg_value *v = &c->args[i];

		if (v->given)
			len += (size_t)snprintf(args + len, sizeof(args) - len, "%s%s=%.*s",
						len ? " " : "", def->args[i].name,
						v->secret ? 3 : (int)v->text.len,
						v->secret ? "***" : v->text.p);
	}
	jd_log(JD_LOG_INFO, "command", jd_kv_cstr("name", def->name), jd_kv_str("by", c->front->by),
	       jd_kv_cstr("args", args));
}

int command_begin(struct jd_command *c, char *usage, size_t usage_size)
{
	if (choose_instance(c, usage, usage_size)) {
		command_unref(c);
		return COMMAND_USAGE;
	}
	c->front->command = c;
	list_append(&running, &c->node);
	jd_timer_start(&c->own, DEADLINE, on_deadline, c);
	command_audit(c);
	c->entry->def->run(c);
	return COMMAND_RUNS;
}

int command_run(struct command_front *front, const struct jd_str *argv, size_t argc, char *usage,
		size_t usage_size)
{
	struct command_entry *e;
	struct jd_command *c;
	size_t words;
	int err = lookup(argv, argc, &e, &words, usage, usage_size);

	if (err)
		return err;
	c = command_new(front, e);
	err = command_parse(c, argv + words, argc - words, usage, usage_size);
	if (!err)
		return command_begin(c, usage, usage_size);
	command_unref(c);
	return err;
}

int command_secrets(const struct jd_str *argv, size_t argc, char *out, size_t size)
{
	struct command_entry *e;
	size_t words;
	int err = lookup(argv, argc, &e, &words, out, size);

	return err ? err : command_missing_secrets(e->def, argv + words, argc - words, out, size);
}

/* -- for handlers
 * ------------------------------------------------------------------------------------ */

struct jd_instance *jd_command_instance(struct jd_command *c)
{
	return c->mi;
}

struct jd_arena *jd_command_arena(struct jd_command *c)
{
	return &c->arena;
}

struct jd_owner *jd_command_pending(struct jd_command *c)
{
	return &c->owner;
}

void *jd_command_data(struct jd_command *c, size_t size)
{
	if (!c->data)
		c->data = mem_alloc(size);
	return c->data;
}

static const struct arg_value *arg(struct jd_command *c, unsigned i)
{
	JD_ASSERT(i < JD_COMMAND_MAX_ARGS);
	return &c->args[i];
}

struct jd_str jd_arg_text(struct jd_command *c, unsigned i)
{
	return arg(c, i)->text;
}

int64_t jd_arg_int(struct jd_command *c, unsigned i)
{
	return arg(c, i)->num;
}

struct jd_jid jd_arg_jid(struct jd_command *c, unsigned i)
{
	return arg(c, i)->jid;
}

bool jd_arg_flag(struct jd_command *c, unsigned i)
{
	return arg(c, i)->given;
}

bool jd_arg_given(struct jd_command *c, unsigned i)
{
	return arg(c, i)->given;
}

void jd_out_str(struct jd_command *c, const char *key, struct jd_str value)
{
	doc_put(&c->doc, (struct jd_doc_value){.key = key, .kind = JD_DOC_STR, .str = value});
}

void jd_out_int(struct jd_command *c, const char *key, int64_t value)
{
	doc_put(&c->doc, (struct jd_doc_value){.key = key, .kind = JD_DOC_INT, .num = value});
}

void jd_out_bool(struct jd_command *c, const char *key, bool value)
{
	doc_put(&c->doc, (struct jd_doc_value){.key = key, .kind = JD_DOC_BOOL, .num = value});
}

void jd_out_list(struct jd_command *c, const char *key)
{
	doc_list(&c->doc, key);
}

void jd_out_record(struct jd_command *c)
{
	doc_record(&c->doc);
}

void jd_out_end(struct jd_command *c)
{
	doc_end(&c->doc);
}
