/* SPDX-License-Identifier: MIT
 *
 * The configuration of modules: which ones a host has, and their options.  A
 * section named after a module may stand inside a host, or at the top level,
 * where it is a default for all hosts.
 */
#include "core/conf_judge.h"
#include "core/order.h"

#define MAX_MODULES 256 /* of one host */

static bool good_name(const char *name)
{
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static size_t list_count(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static const struct jd_module *open_module(struct judge *j, const char *name, int line)
{
	const struct jd_module *m;
	char err[512] = "";

	if (!good_name(name)) {
		mistake(j, line, "'%s' is not the name of a module: a-z, 0-9 and _", name);
		return NULL;
	}
	m = j->open_module(j->conf, name, err, sizeof(err));
	if (!m)
		mistake(j, line, "%s", err);
	return m;
}

/* The same module is listed by several hosts: one mistake is enough. */
static bool opened_before(const struct judge *j, const struct judged_host *jh, const char *name,
			  const struct jd_module **ret_module)
{
	for (const struct judged_host *h = j->hosts; h < jh; h++) {
		for (size_t i = 0; h->host->modules[i]; i++) {
			if (strcmp(h->host->modules[i], name) == 0) {
				*ret_module = h->modules[i];
				return true;
			}
		}
	}
	return false;
}

static const char *kind_of(const struct judged_host *jh)
{
	return jh->host->component ? "component" : "host";
}

static void check_scope(struct judge *j, const struct judged_host *jh, const struct jd_module *m)
{
	bool component = jh->host->component;
	unsigned scope = m->scope ? m->scope : JD_PER_HOST;

	if (scope & (JD_GLOBAL | (component ? JD_PER_COMPONENT : JD_PER_HOST)))
		return;
	mistake(j, node_line(jh->node, "modules"), "module '%s' runs on %s, and '%s' is a %s",
		m->name, component ? "hosts" : "components", jh->host->name, kind_of(jh));
}

static void host_modules(struct judge *j, struct judged_host *jh)
{
	const char **names = jh->host->modules;
	int line = node_line(jh->node, "modules");
	size_t n = list_count(names);

	if (n > MAX_MODULES) {
		mistake(j, line, "a host may have %d modules at most", MAX_MODULES);
		names[MAX_MODULES] = NULL;
		n = MAX_MODULES;
	}
	jh->modules = jd_arena_alloc(&j->scratch, (n + 1) * sizeof(jh->modules[0]));
	jh->host->module_data = jd_arena_alloc(j->arena, (n + 1) * sizeof(void *));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++)
			if (strcmp(names[k], names[i]) == 0)
				mistake(j, line, "module '%s' is listed twice", names[i]);
		if (!opened_before(j, jh, names[i], &jh->modules[i]))
			jh->modules[i] = open_module(j, names[i], line);
		if (jh->modules[i])
			check_scope(j, jh, jh->modules[i]);
	}
}

/* Modules that need what the host does not list, or each other. */
static void host_order(struct judge *j, const struct judged_host *jh)
{
	size_t n = list_count(jh->host->modules);
	size_t order[MAX_MODULES];
	char err[256];

	for (size_t i = 0; i < n; i++)
		if (!jh->modules[i])
			return; /* has been said */
	if (module_order(jh->modules, n, order, err, sizeof(err)) < 0)
		mistake(j, node_line(jh->node, "modules"), "%s '%s': %s", kind_of(jh),
			jh->host->name, err);
}

static bool host_lists(const struct judged_host *jh, const char *name)
{
	for (size_t i = 0; jh->host->modules[i]; i++)
		if (strcmp(jh->host->modules[i], name) == 0)
			return true;
	return false;
}

static void section_options(struct judge *j, const struct conf_node *section,
			    const struct jd_module *m, void *data)
{
	for (const struct conf_node *n = section->kids; n; n = n->next)
		if (n->section && strcmp(n->name, m->name) == 0)
			judge_options(j, n, m->options, m->name, data);
}

/* The one in whose section a component is that was made for it. */
static const struct judged_host *host_of_rooms(const struct judge *j, const struct judged_host *jh)
{
	const struct judged_host *h = j->hosts;

	while (h->node != jh->node)
		h++;
	return h;
}

static void module_data(struct judge *j, const struct conf_node *top, struct judged_host *jh,
			size_t i, bool first)
{
	const struct jd_module *m = jh->modules[i];
	size_t before = j->n_mistakes;
	const char *wrong;
	void *data;

	data = jh->host->module_data[i] = mem_alloc(m->data_size ? m->data_size : 1);
	judge_defaults(j, m->options, m->name, data);
	section_options(j, top, m, data);
	/* What is wrong at the top level is wrong for every host: say it once. */
	if (!first)
		j->n_mistakes = before;
	/* What stands in a host is for its rooms, too. */
	section_options(j, jh->node, m, data);
	if (jh->made && host_lists(host_of_rooms(j, jh), m->name))
		j->n_mistakes = before;
	if (j->n_mistakes != before || !m->check)
		return;
	wrong = m->check(data);
	if (wrong)
		mistake(j, jh->node->line, "module '%s' of %s '%s': %s", m->name, kind_of(jh),
			jh->host->name, wrong);
}

static bool first_host_with(const struct judge *j, const struct judged_host *jh, const char *name)
{
	for (const struct judged_host *h = j->hosts; h < jh; h++)
		if (host_lists(h, name))
			return false;
	return true;
}

/* in NULL: at the top level. */
static void unknown_section(struct judge *j, const struct conf_node *n,
			    const struct judged_host *in)
{
	const struct judged_host *jh = in ? in : j->n_hosts ? &j->hosts[0] : NULL;
	const char *names[MAX_MODULES + 32];
	size_t k = 0;

	for (; jh && jh->host->modules[k] && k < MAX_MODULES; k++)
		names[k] = jh->host->modules[k];
	for (size_t i = 0; !in && i < conf_n_sections; i++)
		if (conf_sections[i].name[0])
			names[k++] = conf_sections[i].name;
	names[k] = NULL;
	if (!in)
		mistake(j, n->line, "unknown section '%s': no host lists such a module%s", n->name,
			near_name(j, n->name, names));
	else
		mistake(j, n->line, "unknown section '%s' in %s: it lists no such module%s",
			n->name, kind_of(in), near_name(j, n->name, names));
}

static bool section_known(const struct judge *j, const struct judged_host *jh,
			  const struct conf_node *n)
{
	for (size_t i = 0; i < j->n_hosts; i++)
		if (j->hosts[i].node == jh->node && host_lists(&j->hosts[i], n->name))
			return true;
	return false;
}

static void judge_sections(struct judge *j, const struct conf_node *top)
{
	for (const struct conf_node *n = top->kids; n; n = n->next) {
		bool known = !n->section || conf_section_find(n->name);

		for (size_t i = 0; i < j->n_hosts && !known; i++)
			known = host_lists(&j->hosts[i], n->name);
		if (!known)
			unknown_section(j, n, NULL);
	}
	for (size_t i = 0; i < j->n_hosts; i++)
		for (const struct conf_node *n = j->hosts[i].node->kids; n; n = n->next)
			if (n->section && !j->hosts[i].made && !section_known(j, &j->hosts[i], n))
				unknown_section(j, n, &j->hosts[i]);
}

void judge_modules(struct judge *j, const struct conf_node *top)
{
	for (size_t i = 0; i < j->n_hosts; i++) {
		host_modules(j, &j->hosts[i]);
		host_order(j, &j->hosts[i]);
	}
	judge_sections(j, top);
	for (size_t i = 0; i < j->n_hosts; i++) {
		struct judged_host *jh = &j->hosts[i];

		for (size_t k = 0; jh->host->modules[k]; k++)
			if (jh->modules[k])
				module_data(j, top, jh, k,
					    first_host_with(j, jh, jh->host->modules[k]));
	}
}
