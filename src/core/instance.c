/* SPDX-License-Identifier: MIT
 *
 * Instances: a module at work for a host, or for all hosts (JD_GLOBAL).
 *
 * They start in an order in which everything that a module needs is there, and
 * stop in reverse.  Everything that was registered is undone here; a module's
 * stop() is only for what the core cannot know of.
 */
#include <limits.h>
#include <stdio.h>

#include "core/auth_provider.h"
#include "core/conf.h"
#include "core/erase.h"
#include "core/order.h"
#include "core/registry.h"

/* Hosts whose modules have been started: the last of them stops the global ones. */
static unsigned hosts_started;

/* -- what a module asks of its instance ------------------------------------------------ */

void *jd_data(struct jd_instance *mi)
{
	return mi->data;
}

struct jd_host *jd_instance_host(struct jd_instance *mi)
{
	return mi->host;
}

const char *jd_instance_name(struct jd_instance *mi)
{
	return mi->module->name;
}

struct jd_owner *jd_instance_pending(struct jd_instance *mi)
{
	return &mi->owner;
}

int jd_statements(struct jd_instance *mi, struct jd_stmt *const *stmts, size_t n)
{
	(void)mi;
	for (size_t i = 0; i < n; i++) {
		if (!stmts[i]->name || !stmts[i]->sql)
			return -JD_EINVAL;
		stmt_intern(stmts[i]);
	}
	return 0;
}

int jd_on_iq(struct jd_instance *mi, enum jd_type type, unsigned targets, const char *ns,
	     const char *name, jd_iq_fn fn)
{
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);
		int err;

		if (mi->host && mi->host != host)
			continue;
		err = iq_handler_add(host, mi, type, targets, ns, name, fn);
		if (err)
			return err;
	}
	return 0;
}

/* -- starting ------------------------------------------------------------------------------ */

/* A module without data has none: the numbers are indices, and every session pays for gaps. */
#define SLOT_NONE UINT_MAX

static bool slot_taken(const struct list *instances, unsigned slot, bool account)
{
	for (const struct list *n = instances->next; n != instances; n = n->next) {
		const struct jd_instance *mi = container_of(n, struct jd_instance, node);

		if ((account ? mi->account_slot : mi->session_slot) == slot)
			return true;
	}
	return false;
}

static bool slot_free(const struct jd_host *host, unsigned slot, bool account)
{
	bool taken = slot_taken(&server.globals, slot, account);

	for (struct list *n = server.hosts.next; n != &server.hosts && !taken; n = n->next) {
		const struct jd_host *h = container_of(n, struct jd_host, node);

		taken = (!host || h == host) && slot_taken(&h->instances, slot, account);
	}
	return !taken;
}

/* A place in the slots of accounts or sessions that nobody else has, on this host or,
 * for a global module, on any. */
static unsigned slot_take(const struct jd_host *host, bool account)
{
	unsigned slot = 0;

	while (!slot_free(host, slot, account))
		slot++;
	return slot;
}

static struct jd_instance *instance_new(const struct jd_module *m, struct jd_host *host,
					void **data)
{
	struct jd_instance *mi = mem_new(struct jd_instance);

	mi->module = m;
	mi->loaded = module_loaded(m);
	mi->host = m->scope & JD_GLOBAL ? NULL : host;
	mi->data = *data;
	*data = NULL;
	mi->options = mem_alloc(m->data_size ? m->data_size : 1);
	memcpy(mi->options, mi->data, m->data_size);
	mi->account_slot = m->account_size ? slot_take(mi->host, true) : SLOT_NONE;
	mi->session_slot = m->session_size ? slot_take(mi->host, false) : SLOT_NONE;
	owner_init(&mi->owner);
	list_init(&mi->registered);
	list_init(&mi->services);
	list_append(mi->host ? &host->instances : &server.globals, &mi->node);
	return mi;
}

static bool has_code(const void *arg, void (*code)(void))
{
	return module_has_code(arg, code);
}

static void drop_account(struct jd_account *a, void *arg)
{
	struct jd_instance *mi = arg;

	owner_cancel_code(&a->owner, has_code, mi->module);
	slots_drop(&a->slots, mi, true);
}

/* What it keeps of accounts and sessions, and what would call it back for them. At the end of
 * the server they have gone before. */
static void drop_data(struct jd_instance *mi)
{
	accounts_each(mi->host, drop_account, mi);
	for (struct list *n = server.sessions.next; n != &server.sessions; n = n->next) {
		struct jd_session *s = container_of(n, struct jd_session, all);

		if (mi->host && s->host != mi->host)
			continue;
		owner_cancel_code(&s->owner, has_code, mi->module);
		slots_drop(&s->slots, mi, false);
	}
}

void instance_stop(struct jd_instance *mi)
{
	mi->draining = true;
	calls_abandon(mi);
	iqs_abandon(mi);
	hooks_remove(mi);
	iq_handlers_remove(mi);
	account_posts_drop(mi);
	drop_data(mi);
	if (mi->started && mi->module->stop)
		mi->module->stop(mi);
	commands_remove(mi);
	registered_remove(mi);
	registers_remove(mi);
	bound_remove(mi);
	erasers_remove(mi);
	auth_providers_remove(mi);
	owner_cancel_all(&mi->owner);
	list_remove(&mi->node);
	mem_free(mi->data);
	mem_free(mi->options);
	conf_free(mi->conf);
	mem_free(mi);
}

static int migrate(const struct jd_module *m, char *err, size_t err_size)
{
	struct db_error error;
	size_t n = 0;

	while (m->migrations && m->migrations[n].version)
		n++;
	if (!n || db_migrate(server.db, m->name, m->migrations, n, &error) == 0)
		return 0;
	snprintf(err, err_size, "the tables of module '%s' cannot be made: %s", m->name,
		 error.text);
	return -JD_ECONF;
}

int instance_start(const struct jd_module *m, struct jd_host *host, void **data, char *err,
		   size_t err_size)
{
	struct jd_instance *mi;
	int e = migrate(m, err, err_size);

	if (e)
		return e;
	mi = instance_new(m, host, data);
	e = m->start ? m->start(mi) : 0;
	if (e) {
		snprintf(err, err_size, "module '%s' did not start on host '%s': %s", m->name,
			 host->name, jd_strerror(e));
		instance_stop(mi);
		return -JD_ECONF;
	}
	mi->started = true;
	hooks_catch_up(mi);
	jd_log(JD_LOG_DEBUG, "module started", jd_kv_cstr("module", m->name),
	       jd_kv_cstr("host", host->name));
	return 0;
}

static bool global_runs(const struct jd_module *m)
{
	for (struct list *n = server.globals.next; n != &server.globals; n = n->next)
		if (container_of(n, struct jd_instance, node)->module == m)
			return true;
	return false;
}

static size_t open_listed(const struct conf_host *conf, const struct jd_module **modules,
			  size_t max, char *err, size_t err_size)
{
	size_t n = 0;

	for (; conf->modules[n] && n < max; n++) {
		modules[n] = module_open(conf->modules[n], err, err_size);
		if (!modules[n])
			return SIZE_MAX;
	}
	return n;
}

static int start_all(struct jd_host *host, char *err, size_t err_size)
{
	const struct jd_module *modules[256] = {NULL};
	size_t order[256];
	size_t n = open_listed(host->conf, modules, JD_ARRAY_SIZE(modules), err, err_size);
	int e;

	if (n == SIZE_MAX)
		return -JD_ECONF;
	e = module_order(modules, n, order, err, err_size);
	for (size_t i = 0; i < n && !e; i++) {
		const struct jd_module *m = modules[order[i]];

		if (m->scope & JD_GLOBAL && global_runs(m))
			continue;
		e = instance_start(m, host, &host->conf->module_data[order[i]], err, err_size);
	}
	return e;
}

int host_start_modules(struct jd_host *host, char *err, size_t err_size)
{
	int e;

	hosts_started++;
	e = start_all(host, err, err_size);
	if (e)
		host_stop_modules(host);
	return e;
}

static void stop_list(struct list *instances)
{
	while (!list_empty(instances))
		instance_stop(container_of(instances->prev, struct jd_instance, node));
}

void host_stop_modules(struct jd_host *host)
{
	stop_list(&host->instances);
	if (--hosts_started == 0)
		stop_list(&server.globals);
}
