/* SPDX-License-Identifier: MIT
 *
 * Modules that come and go while the server runs.
 *
 * Stopping an instance undoes all that it has registered and answers what waits
 * for it (instance.c), so what is here is order: nothing goes that others need,
 * nothing comes whose needs are not there, and a module that is reloaded takes
 * those that use it through the same door.  What is replaced is started again
 * when its successor does not start.  Shared objects are closed later in the
 * turn, when nothing of them can be on the stack or in a finished answer.
 */
#include <stdio.h>

#include "core/conf.h"
#include "core/order.h"
#include "core/start.h"

#define MAX_TOGETHER 256

static struct defer closing;

static void on_close(struct defer *d)
{
	(void)d;
	modules_close_unused();
}

/* In the end, whatever came of it. */
static void settle(void)
{
	net_refresh();
	loop_defer(server.loop, &closing, on_close);
}

void live_fini(void)
{
	defer_cancel(&closing);
}

/* -- who is there ---------------------------------------------------------------------- */

static struct jd_instance *find_in(const struct list *instances, const char *name)
{
	for (struct list *n = instances->next; n != instances; n = n->next) {
		struct jd_instance *mi = container_of(n, struct jd_instance, node);

		if (strcmp(mi->module->name, name) == 0)
			return mi;
	}
	return NULL;
}

static struct jd_instance *find(const struct jd_host *host, const char *name)
{
	struct jd_instance *mi = find_in(&host->instances, name);

	return mi ? mi : find_in(&server.globals, name);
}

static bool runs_anywhere(const char *name)
{
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		if (find(container_of(n, struct jd_host, node), name))
			return true;
	return false;
}

static bool depends(const struct jd_instance *mi, const struct jd_instance *on)
{
	if (mi == on || (mi->host && on->host && mi->host != on->host))
		return false;
	return word_in(mi->module->needs, on->module->name) || instance_uses(mi, on);
}

/* Those of one list that depend on one of together[0..n), behind them. */
static bool gather_from(struct list *instances, struct jd_instance **together, size_t *n)
{
	size_t before = *n;

	for (struct list *l = instances->next; l != instances; l = l->next) {
		struct jd_instance *mi = container_of(l, struct jd_instance, node);
		bool found = false, known = false;

		for (size_t i = 0; i < *n; i++) {
			known = known || together[i] == mi;
			found = found || depends(mi, together[i]);
		}
		if (found && !known && *n < MAX_TOGETHER)
			together[(*n)++] = mi;
	}
	return *n != before;
}

/* The one and all that cannot be without it, each behind what it depends on. */
static size_t gather(struct jd_instance *mi, struct jd_instance **together)
{
	size_t n = 1;
	bool more = true;

	together[0] = mi;
	while (more) {
		more = gather_from(&server.globals, together, &n);
		for (struct list *l = server.hosts.next; l != &server.hosts; l = l->next)
			more |= gather_from(&container_of(l, struct jd_host, node)->instances,
					    together, &n);
	}
	return n;
}

/* -- what the file says now -------------------------------------------------------------- */

struct mistakes {
	char *err;
	size_t size, len;
};

static void on_mistake(const char *line, void *arg)
{
	struct mistakes *m = arg;

	if (m->len < m->size)
		m->len += (size_t)snprintf(m->err + m->len, m->size - m->len, "%s%s",
					   m->len ? "\n" : "", line);
}

/* A module with its options, ready to start. */
struct spec {
	const struct jd_module *module;
	struct jd_host *host;
	void *data;
	struct conf *conf;
};

static void spec_free(struct spec *s)
{
	mem_free(s->data);
	conf_free(s->conf);
}

static int spec_read(struct jd_host *host, const char *name, struct spec *ret_spec, char *err,
		     size_t err_size)
{
	struct mistakes m = {err, err_size, 0};
	const struct conf_host *h = NULL;
	struct conf *conf;
	size_t i = 0;

	if (conf_load_with(server.conf->file, host->name, name, conf_open_module, on_mistake, &m,
			   &conf) < 0)
		return -JD_ECONF;
	for (size_t k = 0; k < conf->n_hosts && !h; k++)
		if (strcmp(conf->hosts[k].name, host->name) == 0)
			h = &conf->hosts[k];
	if (!h) {
		snprintf(err, err_size, "the configuration file has no host '%s' any more",
			 host->name);
		conf_free(conf);
		return -JD_ECONF;
	}
	while (strcmp(h->modules[i], name) != 0)
		i++;
	*ret_spec = (struct spec){module_open(name, err, err_size), host, h->module_data[i], conf};
	h->module_data[i] = NULL;
	JD_ASSERT(ret_spec->module); /* it is loaded: its options have been read */
	return 0;
}

/* To start it again as it was. */
static struct spec spec_of(struct jd_instance *mi)
{
	size_t size = mi->module->data_size;
	struct spec s = {mi->module, mi->host, mem_alloc(size ? size : 1), mi->conf};

	memcpy(s.data, mi->options, size);
	mi->conf = NULL;
	if (!s.host)
		s.host = container_of(server.hosts.next, struct jd_host, node);
	return s;
}

/* The options are kept, for another time; texts in them are the instance's while it runs. */
static int spec_start(struct spec *s, char *err, size_t err_size)
{
	size_t size = s->module->data_size;
	void *data = mem_alloc(size ? size : 1);
	int e;

	memcpy(data, s->data, size);
	e = instance_start(s->module, s->host, &data, err, err_size);
	mem_free(data);
	if (e)
		return e;
	find(s->host, s->module->name)->conf = s->conf;
	s->conf = NULL;
	return 0;
}

static void spec_stop(struct spec *s)
{
	struct jd_instance *mi = find(s->host, s->module->name);

	s->conf = mi->conf;
	mi->conf = NULL;
	instance_stop(mi);
}

/* All or none. */
static int specs_start(struct spec *specs, size_t n, char *err, size_t err_size)
{
	for (size_t i = 0; i < n; i++) {
		int e = spec_start(&specs[i], err, err_size);

		while (e && i > 0)
			spec_stop(&specs[--i]);
		if (e)
			return e;
	}
	return 0;
}

/* What it needs must be at work, listed or not. */
static int needs_run(const struct spec *s, char *err, size_t err_size)
{
	const char *p = s->module->needs ? s->module->needs : "";

	while (*(p += strspn(p, " "))) {
		char name[64];
		size_t len = strcspn(p, " ");

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		p += len;
		if (find(s->host, name))
			continue;
		snprintf(err, err_size, "module '%s' needs '%s', which does not run on host '%s'",
			 s->module->name, name, s->host->name);
		return -JD_ECONF;
	}
	return 0;
}

/* -- loading ------------------------------------------------------------------------------- */

static int load(struct jd_host *host, const char *name, char *err, size_t err_size)
{
	struct spec s;
	int e;

	/* Where it runs already it stays what it is; else the file as it is now. */
	if (!runs_anywhere(name))
		module_renew(name);
	e = spec_read(host, name, &s, err, err_size);
	if (e)
		return e;
	e = needs_run(&s, err, err_size);
	if (!e)
		e = spec_start(&s, err, err_size);
	spec_free(&s);
	return e;
}

int live_load(struct jd_host *host, const char *name, char *err, size_t err_size)
{
	int e;

	if (find(host, name)) {
		snprintf(err, err_size, "module '%s' runs on host '%s' already", name, host->name);
		return -JD_ECONF;
	}
	e = load(host, name, err, err_size);
	settle();
	return e;
}

/* -- unloading ----------------------------------------------------------------------------- */

static struct jd_instance *find_or_say(struct jd_host *host, const char *name, char *err,
				       size_t err_size)
{
	struct jd_instance *mi = find(host, name);

	if (!mi)
		snprintf(err, err_size, "module '%s' does not run on host '%s'", name, host->name);
	else if (!mi->loaded) {
		snprintf(err, err_size, "module '%s' is a part of this program and stays", name);
		mi = NULL;
	}
	return mi;
}

static void tell_users(struct jd_instance *const *together, size_t n, char *err, size_t err_size)
{
	size_t len = (size_t)snprintf(err, err_size, "module '%s' is needed by",
				      together[0]->module->name);

	for (size_t i = 1; i < n && len < err_size; i++)
		len += (size_t)snprintf(err + len, err_size - len, "%s '%s'", i > 1 ? "," : "",
					together[i]->module->name);
}

int live_unload(struct jd_host *host, const char *name, char *err, size_t err_size)
{
	struct jd_instance *together[MAX_TOGETHER];
	struct jd_instance *mi = find_or_say(host, name, err, err_size);
	size_t n;

	if (!mi)
		return -JD_ECONF;
	n = gather(mi, together);
	if (n > 1) {
		tell_users(together, n, err, err_size);
		return -JD_ECONF;
	}
	instance_stop(mi);
	settle();
	return 0;
}

/* -- reloading ----------------------------------------------------------------------------- */

/* In the order in which they can stop: who is used by others of them behind those. */
static void sort_for_stop(struct jd_instance **together, size_t n)
{
	for (size_t done = 0; done + 1 < n; done++) {
		size_t pick = done;

		for (size_t i = done; i < n; i++) {
			bool used = false;

			for (size_t k = done; k < n; k++)
				used = used || depends(together[k], together[i]);
			if (!used) {
				pick = i;
				break;
			}
		}
		struct jd_instance *mi = together[pick];

		memmove(&together[done + 1], &together[done],
			(pick - done) * sizeof(struct jd_instance *));
		together[done] = mi;
	}
}

/* together[0] becomes what fresh says; the others are the same again. */
static int replace(struct jd_instance **together, size_t n, struct spec *fresh, char *err,
		   size_t err_size)
{
	cleanup_free struct spec *specs = mem_alloc(n * sizeof(*specs));
	struct spec before;
	char why[512];
	int e;

	sort_for_stop(together + 1, n - 1);
	for (size_t i = 1; i < n; i++) {
		specs[n - i] = spec_of(together[i]);
		instance_stop(together[i]);
	}
	before = spec_of(together[0]);
	instance_stop(together[0]);
	specs[0] = *fresh;
	e = specs_start(specs, n, err, err_size);
	*fresh = specs[0];
	specs[0] = before;
	if (e && specs_start(specs, n, why, sizeof(why)) < 0)
		jd_log(JD_LOG_ERROR, "modules did not start again", jd_kv_cstr("why", why));
	for (size_t i = 0; i < n; i++)
		spec_free(&specs[i]);
	return e;
}

int live_reload(struct jd_host *host, const char *name, char *err, size_t err_size)
{
	struct jd_instance *together[MAX_TOGETHER];
	struct jd_instance *mi = find_or_say(host, name, err, err_size);
	const struct jd_module *before;
	struct spec fresh;
	int e;

	if (!mi)
		return -JD_ECONF;
	before = mi->module;
	/* Another host has the newer one: the same for this one. */
	if (!module_is_stale(mi->loaded))
		module_renew(name);
	e = spec_read(host, name, &fresh, err, err_size);
	if (!e) {
		e = needs_run(&fresh, err, err_size);
		if (!e)
			e = replace(together, gather(mi, together), &fresh, err, err_size);
		spec_free(&fresh);
	}
	if (e)
		module_restore(before);
	settle();
	return e;
}
