/* SPDX-License-Identifier: MIT
 *
 * How much memory is used for what: `memory`.  Nothing is counted for it while
 * the server works; slabs, pools and lists know what they have, and what modules
 * keep is looked up by walking over accounts and sessions.  The I/O threads are
 * asked for their share.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "core/command_priv.h"
#include "core/conf.h"

/* -- the process --------------------------------------------------------------------- */

static int64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long total, pages = 0;

	if (f) {
		if (fscanf(f, "%ld %ld", &total, &pages) != 2)
			pages = 0;
		(void)fclose(f);
	}
	return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int64_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return (int64_t)(m.uordblks + m.hblkhd);
}

/* -- kinds --------------------------------------------------------------------------- */

static void out_kind(struct jd_command *c, const char *kind, size_t count, size_t bytes)
{
	jd_out_record(c);
	jd_out_str(c, "kind", jd_cstr(kind));
	jd_out_int(c, "count", (int64_t)count);
	jd_out_int(c, "bytes", (int64_t)bytes);
}

static void out_slabs(struct jd_command *c, const char *kind, const struct slab_stats *s)
{
	out_kind(c, kind, s->used, s->bytes);
}

static void out_slab(struct jd_command *c, const char *kind, struct slab *slab)
{
	struct slab_stats s;

	slab_stats(slab, &s);
	out_slabs(c, kind, &s);
}

static void out_logic(struct jd_command *c)
{
	struct slab_stats stanzas = {0}, kept = {0}, wires = {0}, pieces = {0};
	struct db_stats db = {0};

	if (server.db)
		db_stats(server.db, &db);
	stanza_pool_stats(server.stanzas, &stanzas, &kept, &wires);
	wire_pool_stats(server.wires, &wires);
	link_piece_stats(&pieces);
	out_kind(c, "sessions", server.n_sessions, server.n_sessions * sizeof(struct jd_session));
	out_kind(c, "accounts", server.n_accounts, server.n_accounts * sizeof(struct jd_account));
	out_slabs(c, "stanzas", &stanzas);
	out_slabs(c, "kept stanzas", &kept);
	out_slabs(c, "stanza blocks of the server", &wires);
	out_slab(c, "posts", server.posts);
	out_slab(c, "receipts", server.receipts);
	out_slabs(c, "pieces of output", &pieces);
	out_kind(c, "database queue", db.waiting, db.waiting_bytes);
}

static void out_io(struct jd_command *c, const struct stream_memory *m)
{
	out_slabs(c, "connections", &m->connections);
	out_kind(c, "streams", m->streams, m->stream_bytes);
	out_slabs(c, "stanza blocks of clients", &m->wires);
	out_kind(c, "parsers", m->parsers, m->parser_bytes);
}

/* -- data of modules ------------------------------------------------------------------- */

struct sum {
	const struct jd_instance *mi;
	size_t accounts, sessions;
};

static void add_account(struct jd_account *a, void *arg)
{
	struct sum *sum = arg;

	sum->accounts += slots_has(&a->slots, sum->mi->account_slot);
}

static void out_instance(struct jd_command *c, const struct jd_instance *mi)
{
	const struct jd_module *m = mi->module;
	struct sum sum = {.mi = mi};

	if (m->account_size)
		accounts_each(mi->host, add_account, &sum);
	for (struct list *n = server.sessions.next; m->session_size && n != &server.sessions;
	     n = n->next) {
		const struct jd_session *s = container_of(n, struct jd_session, all);

		if (!mi->host || s->host == mi->host)
			sum.sessions += slots_has(&s->slots, mi->session_slot);
	}
	jd_out_record(c);
	jd_out_str(c, "module", jd_cstr(m->name));
	jd_out_str(c, "host", jd_cstr(mi->host ? mi->host->name : "*"));
	jd_out_int(c, "accounts", (int64_t)sum.accounts);
	jd_out_int(c, "sessions", (int64_t)sum.sessions);
	jd_out_int(c, "bytes",
		   (int64_t)(m->data_size + sum.accounts * m->account_size +
			     sum.sessions * m->session_size));
}

static void out_instances(struct jd_command *c, const struct list *instances)
{
	for (const struct list *n = instances->next; n != instances; n = n->next)
		out_instance(c, container_of(n, struct jd_instance, node));
}

static void out_modules(struct jd_command *c)
{
	jd_out_list(c, "modules");
	out_instances(c, &server.globals);
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		out_instances(c, &container_of(n, struct jd_host, node)->instances);
	jd_out_end(c);
}

/* -- the command ----------------------------------------------------------------------- */

static void on_memory(void *arg, const struct stream_memory *m)
{
	struct jd_command *c = arg;

	if (!c->ended) {
		jd_out_int(c, "resident", resident());
		jd_out_int(c, "heap", heap());
		jd_out_list(c, "kinds");
		out_logic(c);
		out_io(c, m);
		jd_out_end(c);
		out_modules(c);
		jd_command_done(c);
	}
	command_unref(c);
}

static void cmd_memory(struct jd_command *c)
{
	const struct stream_memory none = {.streams = 0};

	command_ref(c);
	if (server.io)
		stream_memory(server.io, on_memory, c);
	else
		on_memory(c, &none);
}

/* -- hosts ------------------------------------------------------------------------------- */

static size_t list_count(const struct list *list)
{
	size_t n = 0;

	for (const struct list *l = list->next; l != list; l = l->next)
		n++;
	return n;
}

static void cmd_hosts(struct jd_command *c)
{
	jd_out_list(c, "hosts");
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		const struct jd_host *host = container_of(n, struct jd_host, node);

		jd_out_record(c);
		jd_out_str(c, "name", jd_cstr(host->name));
		jd_out_bool(c, "component", host->component);
		jd_out_int(c, "sessions", (int64_t)host->sessions);
		jd_out_int(c, "accounts_in_memory", (int64_t)host->accounts.count);
		jd_out_int(c, "modules", (int64_t)list_count(&host->instances));
		jd_out_bool(c, "tls", host->conf && host->conf->certificate);
		jd_out_bool(c, "anonymous", host->conf && host->conf->anonymous);
		jd_out_bool(c, "registration", host->register_fn != NULL);
	}
	jd_out_end(c);
	jd_command_done(c);
}

const struct jd_command_def commands_memory[] = {
	{.name = "host list", .help = "Lists the hosts that are served.", .run = cmd_hosts},
	{.name = "memory", .help = "Shows how much memory is used for what.", .run = cmd_memory},
	{.name = NULL},
};
