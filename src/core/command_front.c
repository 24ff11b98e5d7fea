/* SPDX-License-Identifier: MIT
 *
 * The table of commands for front ends that are modules: what there is, who may
 * run it, and running it with checked values instead of words.
 *
 * The right of a host's administrator ends where an argument names another host.
 * What names none at all concerns the whole server.  Nor may he do anything to an
 * account that administers the server: with a new password he would be it.
 */
#include <stdio.h>

#include "core/command_priv.h"

struct asked {
	struct pending pending; /* in the owner's list */
	struct command_front front;
	struct jd_command *command; /* kept until fn has been called */
	struct defer tell;
	const struct doc *doc;
	struct jd_str error;
	jd_command_end_fn fn;
	void *arg;
	char *by;
};

/* Names a host or an address, but loads code or the like. */
static const char *const server_only[] = {"module load", "module reload", "module unload"};

/* -- what there is ------------------------------------------------------------------- */

/* Whoever administers by a client is not let into the server's file system. */
static bool takes_file(const struct jd_command_def *def)
{
	for (unsigned i = 0; i < command_n_args(def); i++)
		if (def->args[i].kind == JD_ARG_FILE)
			return true;
	return false;
}

/* A host's administrators are those of its components, too. */
static bool is_above(const struct jd_host *host, const struct jd_host *other)
{
	return other->component && host_above(other) == host;
}

static bool works_on(const struct command_entry *e, const struct jd_host *host)
{
	if (takes_file(e->def))
		return false;
	if (e->core)
		return true;
	for (const struct list *n = e->users.next; n != &e->users; n = n->next) {
		const struct jd_instance *mi = container_of(n, struct command_user, node)->mi;

		if (!mi->host || mi->host == host || is_above(host, mi->host))
			return true;
	}
	return false;
}

void jd_command_each(struct jd_host *host, void (*fn)(const struct jd_command_def *def, void *arg),
		     void *arg)
{
	for (struct list *n = commands.next; n != &commands; n = n->next) {
		const struct command_entry *e = container_of(n, struct command_entry, node);

		if (works_on(e, host))
			fn(e->def, arg);
	}
}

const struct jd_command_def *jd_command_find(struct jd_host *host, struct jd_str name)
{
	const struct command_entry *e = command_entry_find(name);

	return e && works_on(e, host) ? e->def : NULL;
}

/* -- who may ------------------------------------------------------------------------- */

static bool names_host(const struct jd_arg *arg)
{
	return arg->kind == JD_ARG_HOST || arg->kind == JD_ARG_JID ||
	       arg->kind == JD_ARG_BARE_JID || arg->kind == JD_ARG_ROOM;
}

static bool within(struct jd_str domain, const struct jd_host *host)
{
	const struct jd_host *named = host_find(domain);

	return jd_str_eq(domain, jd_host_name(host)) || (named && is_above(host, named));
}

static bool for_hosts(const struct jd_command_def *def)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(server_only); i++)
		if (strcmp(def->name, server_only[i]) == 0)
			return false;
	for (unsigned i = 0; i < command_n_args(def); i++)
		if (names_host(&def->args[i]))
			return true;
	return false;
}

bool jd_command_allowed(const struct jd_command_def *def, const struct jd_host *host,
			struct jd_jid by)
{
	return jd_is_admin(for_hosts(def) ? host : NULL, by);
}

/* What is left out means everything to a command; to a host's administrator, his host. */
static void confine(const struct jd_command_def *def, const struct jd_host *host,
		    struct jd_str *values)
{
	for (unsigned i = 0; i < command_n_args(def); i++) {
		const struct jd_arg *a = &def->args[i];

		if (names_host(a) && a->kind != JD_ARG_BARE_JID && a->kind != JD_ARG_ROOM &&
		    a->optional && !values[i].p)
			values[i] = jd_host_name(host);
	}
}

/* NULL, or a sentence. */
static const char *beyond(struct jd_command *c, const struct jd_host *host)
{
	static const char elsewhere[] = "This is beyond the host that you administer.";
	const struct jd_command_def *def = c->entry->def;
	bool named = false;

	for (unsigned i = 0; i < command_n_args(def); i++) {
		if (!names_host(&def->args[i]) || !c->args[i].given)
			continue;
		named = true;
		if (!within(jd_jid_domain(c->args[i].jid), host))
			return elsewhere;
		/* What may be left out says where to look, and changes nothing. */
		if (!def->args[i].optional && jd_is_admin(NULL, c->args[i].jid))
			return "This account administers the whole server.";
	}
	return named ? NULL : elsewhere;
}

/* -- running one --------------------------------------------------------------------- */

static void asked_free(struct asked *a)
{
	if (a->command)
		command_unref(a->command);
	mem_free(a->by);
	mem_free(a);
}

static void on_tell(struct defer *d)
{
	struct asked *a = container_of(d, struct asked, tell);

	list_remove(&a->pending.node);
	a->fn(a->arg, a->doc ? a->doc->parts : NULL, a->error);
	asked_free(a);
}

/* May come beneath jd_command_start(). */
static void on_done(struct command_front *front, const struct doc *doc, struct jd_str error)
{
	struct asked *a = container_of(front, struct asked, front);

	a->doc = doc;
	a->error = error;
	loop_defer(server.loop, &a->tell, on_tell);
}

static void on_cancel(struct pending *p)
{
	struct asked *a = container_of(p, struct asked, pending);

	defer_cancel(&a->tell);
	command_abandon(&a->front);
	asked_free(a);
}

static struct asked *asked_new(const struct jd_command_request *request, jd_command_end_fn fn,
			       void *arg)
{
	struct asked *a = mem_new(struct asked);

	a->pending.cancel = on_cancel;
	a->pending.code = (void (*)(void))fn;
	a->front.done = on_done;
	a->by = jd_strdup(jd_jid_str(request->by));
	a->front.by = jd_cstr(a->by);
	a->fn = fn;
	a->arg = arg;
	return a;
}

static int refuse(int err, const char *why, char *ret_wrong, size_t size)
{
	snprintf(ret_wrong, size, "%s", why);
	return err;
}

static int prepare(const struct jd_command_request *request, struct jd_command *c, char *ret_wrong,
		   size_t wrong_size)
{
	struct jd_str values[JD_COMMAND_MAX_ARGS];
	bool all = jd_is_admin(NULL, request->by);
	const char *why;

	memcpy(values, request->values, sizeof(values));
	if (!all)
		confine(request->def, request->host, values);
	if (command_fill(c, values, ret_wrong, wrong_size))
		return -JD_EINVAL;
	why = all ? NULL : beyond(c, request->host);
	return why ? refuse(-JD_EACCESS, why, ret_wrong, wrong_size) : 0;
}

int jd_command_start(struct jd_owner *owner, const struct jd_command_request *request,
		     jd_command_end_fn fn, void *arg, char *ret_wrong, size_t wrong_size)
{
	struct command_entry *e = command_entry_find(jd_cstr(request->def->name));
	struct jd_command *c;
	struct asked *a;
	int err;

	if (!e || !jd_command_allowed(request->def, request->host, request->by))
		return refuse(-JD_EACCESS, "This is for administrators.", ret_wrong, wrong_size);
	a = asked_new(request, fn, arg);
	c = command_new(&a->front, e);
	err = prepare(request, c, ret_wrong, wrong_size);
	if (err)
		command_unref(c);
	else
		a->command = command_ref(c);
	if (!err && command_begin(c, ret_wrong, wrong_size) != COMMAND_RUNS)
		err = -JD_EINVAL;
	if (err)
		asked_free(a);
	else
		owner_add(owner, &a->pending);
	return err;
}
