/* SPDX-License-Identifier: MIT
 *
 * The core's own commands about the server: status, sessions, kick, modules,
 * hooks, check, help, stop.
 */
#include <unistd.h>

#include "core/command_priv.h"
#include "core/conf.h"
#include "core/sm.h"
#include "core/start.h"
#include "util/clock.h"

#define MAX_SESSIONS 10000 /* listed at once */

/* -- status ------------------------------------------------------------------------------ */

static void status_hosts(struct jd_command *c)
{
	jd_out_list(c, "hosts");
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		if (host->component)
			continue;
		jd_out_record(c);
		jd_out_str(c, "name", jd_cstr(host->name));
		jd_out_int(c, "sessions", (int64_t)host->sessions);
	}
	jd_out_end(c);
}

static void status_listeners(struct jd_command *c)
{
	size_t n;
	struct listener *const *listeners = server_listeners(&n);

	jd_out_list(c, "listeners");
	for (size_t i = 0; i < n; i++) {
		const struct listener_settings *s = listener_settings(listeners[i]);

		jd_out_record(c);
		jd_out_str(c, "name", jd_cstr(s->name));
		jd_out_str(c, "address", jd_cstr(s->address));
		jd_out_int(c, "port", listener_port(listeners[i]));
		jd_out_bool(c, "tls", s->direct_tls);
	}
	jd_out_end(c);
}

static void cmd_status(struct jd_command *c)
{
	struct io_stats io = {0};
	struct db_stats db = {0};

	if (server.io)
		io_stats(server.io, &io);
	if (server.db)
		db_stats(server.db, &db);
	jd_out_str(c, "version", jd_cstr(JD_VERSION));
	jd_out_int(c, "pid", getpid());
	jd_out_str(c, "started", jd_time_text(jd_command_arena(c), server.started));
	jd_out_int(c, "uptime", (int64_t)((clock_real() - server.started) / JD_USEC_PER_SEC));
	jd_out_int(c, "sessions", (int64_t)server.n_sessions);
	jd_out_int(c, "connections", (int64_t)io.links);
	jd_out_int(c, "connections_accepted", (int64_t)io.accepted);
	jd_out_int(c, "accounts_in_memory", (int64_t)server.n_accounts);
	jd_out_int(c, "stanzas_in", (int64_t)server.stanzas_in);
	jd_out_int(c, "stanzas_out", (int64_t)server.stanzas_out);
	jd_out_int(c, "bytes_in", (int64_t)io.bytes_in);
	jd_out_int(c, "bytes_out", (int64_t)io.bytes_out);
	jd_out_int(c, "reads", (int64_t)io.reads);
	jd_out_int(c, "writes", (int64_t)io.writes);
	jd_out_int(c, "database_waiting", (int64_t)db.waiting);
	jd_out_int(c, "database_units", (int64_t)db.units);
	jd_out_int(c, "database_commits", (int64_t)db.commits);
	jd_out_int(c, "database_failures", (int64_t)db.failures);
	status_hosts(c);
	status_listeners(c);
	jd_command_done(c);
}

/* -- sessions -----------------------------------------------------------------------------------
 */

/* address: a host, an account or one session of it; none: everybody. */
static bool is_at(const struct jd_session *s, struct jd_jid address)
{
	if (!jd_jid_ok(address))
		return true;
	if (!address.local_len)
		return jd_str_eq(jd_jid_domain(s->jid), jd_jid_domain(address));
	if (!address.resource_len)
		return jd_jid_bare_eq(s->jid, address);
	return jd_jid_eq(s->jid, address);
}

static void out_session(struct jd_command *c, const struct jd_session *s)
{
	jd_out_record(c);
	jd_out_str(c, "jid", jd_jid_str(s->jid));
	jd_out_str(c, "transport", jd_cstr(s->transport));
	jd_out_str(c, "peer", session_peer(s));
	jd_out_str(c, "since", jd_time_text(jd_command_arena(c), s->since));
	jd_out_str(c, "mechanism", jd_cstr(s->mechanism));
	jd_out_int(c, "priority", s->priority);
	jd_out_bool(c, "available", s->presence != NULL);
	jd_out_bool(c, "managed", s->sm != NULL);
	if (s->sm) {
		jd_out_bool(c, "connected", s->client != NULL);
		jd_out_int(c, "unconfirmed", s->sm->count);
	}
}

static void cmd_sessions(struct jd_command *c)
{
	struct jd_jid address = jd_arg_jid(c, 0);
	size_t listed = 0, more = 0;

	jd_out_list(c, "sessions");
	for (struct list *n = server.sessions.next; n != &server.sessions; n = n->next) {
		const struct jd_session *s = container_of(n, struct jd_session, all);

		if (!s->bound || !is_at(s, address))
			continue;
		if (listed == MAX_SESSIONS) {
			more++;
			continue;
		}
		listed++;
		out_session(c, s);
	}
	jd_out_end(c);
	if (more)
		jd_out_int(c, "not listed", (int64_t)more);
	jd_command_done(c);
}

static struct jd_session *next_at(struct jd_jid address)
{
	for (struct list *n = server.sessions.next; n != &server.sessions; n = n->next) {
		struct jd_session *s = container_of(n, struct jd_session, all);

		if (s->bound && is_at(s, address))
			return s;
	}
	return NULL;
}

int64_t sessions_end(struct jd_jid address, enum stream_condition why, const char *text)
{
	struct jd_session *s;
	int64_t ended = 0;

	/* Ending one takes it out of the list, and who is told may end others. */
	while ((s = next_at(address)) != NULL) {
		session_end(s, why, text);
		ended++;
	}
	return ended;
}

static void cmd_kick(struct jd_command *c)
{
	struct jd_jid address = jd_arg_jid(c, 0);
	int64_t ended;

	if (!host_find(jd_jid_domain(address))) {
		jd_command_fail(c, "This server has no host '%.*s'.",
				JD_FMT(jd_jid_domain(address)));
		return;
	}
	if (!address.local_len) {
		jd_command_fail(c, "'%.*s' is a whole host; give user@host or user@host/resource.",
				JD_FMT(jd_jid_str(address)));
		return;
	}
	if (host_find(jd_jid_domain(address))->component) {
		jd_command_fail(c, "%.*s is a component: it has no users.",
				JD_FMT(jd_jid_domain(address)));
		return;
	}
	ended = sessions_end(address, STREAM_POLICY_VIOLATION,
			     "An administrator has ended this session.");
	if (!ended) {
		jd_command_fail(c, "'%.*s' has no session.", JD_FMT(jd_jid_str(address)));
		return;
	}
	jd_out_int(c, "ended", ended);
	jd_command_done(c);
}

/* -- modules and hooks
 * ------------------------------------------------------------------------------- */

static void out_modules(struct jd_command *c, const struct list *instances, const char *host)
{
	for (struct list *n = instances->next; n != instances; n = n->next) {
		const struct jd_instance *mi = container_of(n, struct jd_instance, node);

		jd_out_record(c);
		jd_out_str(c, "name", jd_cstr(mi->module->name));
		jd_out_str(c, "host", jd_cstr(host));
		jd_out_str(c, "summary", jd_cstr(mi->module->summary ? mi->module->summary : ""));
	}
}

static void cmd_modules(struct jd_command *c)
{
	jd_out_list(c, "modules");
	out_modules(c, &server.globals, "*");
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		const struct jd_host *host = container_of(n, struct jd_host, node);

		out_modules(c, &host->instances, host->name);
	}
	jd_out_end(c);
	jd_command_done(c);
}

static const char *const hook_names[] = {
#define JD_FILTER(name, event, text) #name,
#define JD_ASK(name, event, text)    #name,
#define JD_NOTIFY(name, event, text) #name,
#include <jackdaw/hooks.def>
#undef JD_FILTER
#undef JD_ASK
#undef JD_NOTIFY
};

static void out_chain(struct jd_command *c, const struct jd_host *host, unsigned hook)
{
	const struct chain *chain = &host->chains[hook];

	for (unsigned i = 0; i < chain->count; i++) {
		jd_out_record(c);
		jd_out_str(c, "host", jd_cstr(host->name));
		jd_out_str(c, "hook", jd_cstr(hook_names[hook]));
		jd_out_int(c, "priority", chain->items[i].prio);
		jd_out_str(c, "module", jd_cstr(chain->items[i].mi->module->name));
		jd_out_int(c, "calls", (int64_t)chain->calls);
	}
}

static void cmd_hooks(struct jd_command *c)
{
	jd_out_list(c, "hooks");
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		for (unsigned hook = 0; hook < JD_HOOK_COUNT; hook++)
			out_chain(c, container_of(n, struct jd_host, node), hook);
	jd_out_end(c);
	jd_command_done(c);
}

/* -- check, stop
 * ------------------------------------------------------------------------------------------ */

struct check {
	struct jd_command *c;
	struct buf lines;
};

static void on_mistake(const char *line, void *arg)
{
	struct check *check = arg;

	/* Past the bound the rest is left out: there is enough to mend. */
	if (buf_printf(&check->lines, "%s%s", check->lines.len ? "\n" : "", line) < 0)
		return;
}

static void cmd_check(struct jd_command *c)
{
	struct check check = {.c = c};
	struct tls_store *tls = NULL;
	struct conf *conf;
	char err[512];

	buf_init(&check.lines, 60000);
	if (conf_load(server.conf->file, conf_open_module, on_mistake, &check, &conf) == 0) {
		if (net_open_tls(conf, &tls, err, sizeof(err)) < 0)
			on_mistake(err, &check);
		tls_store_unref(tls);
		conf_free(conf);
	}
	if (check.lines.len) {
		jd_command_fail(c, "%.*s", JD_FMT(buf_str(&check.lines)));
	} else {
		jd_out_str(c, "file", jd_cstr(server.conf->file));
		jd_out_int(c, "mistakes", 0);
		jd_command_done(c);
	}
	buf_free(&check.lines);
}

static void on_stop_due(struct timer *t)
{
	(void)t;
	server_ask_stop();
}

/* A moment later, so that who asked gets the answer before his stream ends. */
static void cmd_stop(struct jd_command *c)
{
	static struct timer due;

	jd_out_int(c, "sessions", (int64_t)server.n_sessions);
	jd_command_done(c);
	loop_timer(server.loop, &due, 50 * JD_USEC_PER_MSEC, on_stop_due);
}

/* -- help
 * ------------------------------------------------------------------------------------------------------
 */

static void help_one(struct jd_command *c, const struct jd_command_def *def)
{
	char synopsis[256];

	command_synopsis(def, synopsis, sizeof(synopsis));
	jd_out_str(c, "usage", jd_cstr(synopsis));
	jd_out_str(c, "help", jd_cstr(def->help));
	if (!command_n_args(def)) {
		jd_command_done(c);
		return;
	}
	jd_out_list(c, "arguments");
	for (unsigned i = 0; i < command_n_args(def); i++) {
		const struct jd_arg *a = &def->args[i];

		jd_out_record(c);
		jd_out_str(c, "argument",
			   a->kind == JD_ARG_FLAG
				   ? jd_arena_printf(jd_command_arena(c), "--%s", a->name)
				   : jd_cstr(a->name));
		jd_out_str(c, "help", jd_cstr(a->help ? a->help : ""));
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_help(struct jd_command *c)
{
	struct jd_str wanted = jd_arg_text(c, 0);

	for (struct list *n = commands.next; n != &commands && wanted.p; n = n->next) {
		const struct jd_command_def *def = container_of(n, struct command_entry, node)->def;

		if (jd_str_is(wanted, def->name)) {
			help_one(c, def);
			return;
		}
	}
	if (wanted.p) {
		jd_command_fail(c, "There is no command '%.*s'; 'help' lists them.",
				JD_FMT(wanted));
		return;
	}
	jd_out_list(c, "commands");
	for (struct list *n = commands.next; n != &commands; n = n->next) {
		const struct jd_command_def *def = container_of(n, struct command_entry, node)->def;
		char synopsis[256];

		command_synopsis(def, synopsis, sizeof(synopsis));
		jd_out_record(c);
		jd_out_str(c, "usage", jd_cstr(synopsis));
		jd_out_str(c, "help", jd_cstr(def->help));
	}
	jd_out_end(c);
	jd_command_done(c);
}

/* -- the table
 * -----------------------------------------------------------------------------------------------------
 */

static const struct jd_arg args_sessions[] = {
	{JD_ARG_JID, "ADDRESS", true, "A host, an account or one of its sessions; default: all."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_kick[] = {
	{JD_ARG_JID, "JID", false,
	 "user@host for all sessions of an account, or one full address."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_help[] = {
	{JD_ARG_TEXT, "COMMAND", true, "The command to explain; default: list all of them."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_core[] = {
	{"check", "Reads the configuration file again and says what is wrong with it.", NULL,
	 cmd_check},
	{"help", "Lists the commands, or explains one.", args_help, cmd_help},
	{"hooks", "Lists the handlers of modules in the order in which they are called.", NULL,
	 cmd_hooks},
	{"kick", "Ends sessions.", args_kick, cmd_kick},
	{"modules", "Lists the modules at work.", NULL, cmd_modules},
	{"sessions", "Lists the sessions of clients.", args_sessions, cmd_sessions},
	{"status", "Shows version, listeners and counts.", NULL, cmd_status},
	{"stop", "Stops the server gracefully.", NULL, cmd_stop},
	{NULL, NULL, NULL, NULL},
};
