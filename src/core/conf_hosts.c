/* SPDX-License-Identifier: MIT
 *
 * The configuration of hosts and components.  A component is a host without
 * users; both stand in one list, hosts first.  A host that has no component for its
 * rooms in the file gets one, if there is a module for rooms.
 */
#include <stdio.h>

#include "core/conf_judge.h"
#include "util/idn.h"

/* What a component has that was made for a host's rooms, as far as it is there. */
static const char *const room_modules[] = {"muc", "archive", "disco", "ping", "version", "time"};

/* The module that is listed for whoever asked, unless it is anyway. */
static void list_more(struct judge *j, struct conf_host *h)
{
	const char **more;
	size_t n = 0;

	if (!j->with_host || strcmp(j->with_host, h->name) != 0)
		return;
	for (; h->modules[n]; n++)
		if (strcmp(h->modules[n], j->with_module) == 0)
			return;
	more = jd_arena_alloc(j->arena, (n + 2) * sizeof(*more));
	memcpy(more, h->modules, n * sizeof(*more));
	more[n] = jd_arena_str(j->arena, jd_cstr(j->with_module)).p;
	h->modules = more;
}

static struct conf_host *host_new(struct judge *j, struct conf_node *n)
{
	struct conf_host *h = &j->conf->hosts[j->n_hosts];

	j->hosts[j->n_hosts++] = (struct judged_host){.node = n, .host = h};
	j->conf->n_hosts = j->n_hosts;
	return h;
}

static const struct judged_host *host_named(const struct judge *j, const char *name)
{
	for (size_t i = 0; i < j->n_hosts; i++)
		if (strcmp(j->hosts[i].host->name, name) == 0)
			return &j->hosts[i];
	return NULL;
}

static void judge_host(struct judge *j, struct conf_node *n, const char *kind)
{
	const struct jd_option *options = conf_section_find(kind)->options;
	struct conf_host *h = host_new(j, n);
	const struct judged_host *other;
	char name[1023];
	size_t len;

	h->name = n->title;
	h->component = strcmp(kind, "component") == 0;
	judge_defaults(j, options, kind, h);
	judge_options(j, n, options, kind, h);
	if (idn_domain(jd_cstr(n->title), name, &len) < 0) {
		mistake(j, n->line, "'%s' is not a domain name", n->title);
		return;
	}
	h->name = jd_arena_str(j->arena, (struct jd_str){name, len}).p;
	list_more(j, h);
	other = host_named(j, h->name);
	if (other->host != h)
		mistake(j, n->line, "%s '%s' is there twice; the first one is in line %d", kind,
			h->name, other->node->line);
}

static void judge_kind(struct judge *j, struct conf_node *top, const char *kind)
{
	for (struct conf_node *n = top->kids; n; n = n->next)
		if (n->section && strcmp(n->name, kind) == 0)
			judge_host(j, n, kind);
}

void judge_hosts(struct judge *j, struct conf_node *top)
{
	size_t n_hosts = count_sections(top, "host");
	size_t most = 2 * n_hosts + count_sections(top, "component") + 1;

	if (n_hosts == 0)
		mistake(j, 0, "there is no host: write host \"example.org\" { } for each domain");
	j->conf->hosts = jd_arena_alloc(j->arena, most * sizeof(j->conf->hosts[0]));
	j->hosts = jd_arena_alloc(&j->scratch, most * sizeof(j->hosts[0]));
	judge_kind(j, top, "host");
	judge_kind(j, top, "component");
}

/* -- rooms of hosts ---------------------------------------------------------------------- */

/* Those of room_modules that are there and can run on a component; none without the first. */
static const char **rooms_modules(struct judge *j)
{
	const char **list =
		jd_arena_alloc(j->arena, (JD_ARRAY_SIZE(room_modules) + 1) * sizeof(*list));
	char err[512];
	size_t k = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(room_modules); i++) {
		const struct jd_module *m =
			j->open_module(j->conf, room_modules[i], err, sizeof(err));

		if (m && m->scope & JD_PER_COMPONENT)
			list[k++] = room_modules[i];
		else if (i == 0)
			break;
	}
	list[k] = NULL;
	return list;
}

static void rooms_of(struct judge *j, const struct judged_host *jh, const char **modules)
{
	static const char *nobody[] = {NULL};
	char text[1100], name[1024];
	struct conf_host *h;
	size_t len;

	(void)snprintf(text, sizeof(text), "%s.%s", jh->host->rooms, jh->host->name);
	if (idn_domain(jd_cstr(text), name, &len) < 0) {
		mistake(j, node_line(jh->node, "rooms"),
			"'rooms' in host must be the first part of a name such as 'conference', "
			"not '%s'",
			jh->host->rooms);
		return;
	}
	name[len] = '\0';
	if (host_named(j, name))
		return;
	h = host_new(j, jh->node);
	j->hosts[j->n_hosts - 1].made = true;
	h->name = jd_arena_str(j->arena, (struct jd_str){name, len}).p;
	h->component = true;
	h->modules = modules;
	h->admins = nobody; /* nobody writes there */
	list_more(j, h);
}

void judge_rooms(struct judge *j)
{
	size_t n = j->n_hosts;

	for (size_t i = 0; i < n; i++) {
		const char **modules;

		if (j->hosts[i].host->component || !j->hosts[i].host->rooms[0])
			continue;
		modules = rooms_modules(j);
		if (modules[0])
			rooms_of(j, &j->hosts[i], modules);
	}
}
