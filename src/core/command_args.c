/* SPDX-License-Identifier: MIT
 *
 * Arguments of commands: from words to checked values.
 *
 * Arguments stand in the order in which the command declares them; flags may
 * stand anywhere.  An argument that may be left out can also be given by name
 * (--after VALUE).  "--" ends the flags.  Secrets are never taken from their
 * place, only by name, and only from a front end that has asked for them: what
 * is typed into a command line is seen by every process.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/command_priv.h"
#include "util/utf8.h"

unsigned command_n_args(const struct jd_command_def *def)
{
	unsigned n = 0;

	while (def->args && def->args[n].kind != JD_ARG_END)
		n++;
	return n;
}

void command_synopsis(const struct jd_command_def *def, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "%s", def->name);

	for (unsigned i = 0; i < command_n_args(def) && len < size; i++) {
		const struct jd_arg *a = &def->args[i];
		const char *fmt = a->kind == JD_ARG_FLAG ? " [--%s]"
				  : a->optional          ? " [%s]"
							 : " %s";

		if (a->kind == JD_ARG_SECRET)
			continue; /* asked for, not written */

			/* One of three literals. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		len += (size_t)snprintf(out + len, size - len, fmt, a->name);
#pragma GCC diagnostic pop
	}
}

/* -- what is wrong ------------------------------------------------------------------------ */

struct parse {
	struct jd_command *c; /* NULL: only looked at */
	const struct jd_command_def *def;
	struct jd_str place[JD_COMMAND_MAX_ARGS]; /* p NULL: not given */
	char *usage;
	size_t usage_size;
	bool form; /* it comes from no line of words */
};

static int wrong(struct parse *p, const char *fmt, ...) JD_PRINTF(2, 3);

static int wrong(struct parse *p, const char *fmt, ...)
{
	char synopsis[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->usage, p->usage_size, fmt, ap);
	va_end(ap);
	if (p->form)
		return COMMAND_USAGE;
	command_synopsis(p->def, synopsis, sizeof(synopsis));
	if (n >= 0 && (size_t)n < p->usage_size)
		snprintf(p->usage + n, p->usage_size - (size_t)n, "\nusage: %s", synopsis);
	return COMMAND_USAGE;
}

/* -- which word is which argument ----------------------------------------------------------- */

static bool named(const struct jd_arg *a, struct jd_str name)
{
	return strlen(a->name) == name.len && strncasecmp(a->name, name.p, name.len) == 0;
}

static bool by_name(const struct parse *p, const struct jd_arg *a)
{
	return a->kind == JD_ARG_FLAG || (a->kind == JD_ARG_SECRET ? p->c != NULL : a->optional);
}

/* The word "--name"; takes the next one with it if it needs a value. */
static int place_flag(struct parse *p, const struct jd_str *argv, size_t argc, size_t *i)
{
	struct jd_str word = argv[*i], name = {word.p + 2, word.len - 2};
	unsigned n = command_n_args(p->def);

	for (unsigned k = 0; k < n; k++) {
		const struct jd_arg *a = &p->def->args[k];

		if (!named(a, name) || !by_name(p, a))
			continue;
		if (a->kind == JD_ARG_FLAG) {
			p->place[k] = word;
			return 0;
		}
		if (*i + 1 == argc)
			return wrong(p, "--%.*s needs a value", JD_FMT(name));
		p->place[k] = argv[++*i];
		return 0;
	}
	return wrong(p, "there is no option --%.*s", JD_FMT(name));
}

static int place_word(struct parse *p, struct jd_str word)
{
	unsigned n = command_n_args(p->def);

	for (unsigned k = 0; k < n; k++) {
		enum jd_arg_kind kind = p->def->args[k].kind;

		if (kind == JD_ARG_FLAG || kind == JD_ARG_SECRET || p->place[k].p)
			continue;
		p->place[k] = word;
		return 0;
	}
	return wrong(p, "'%.*s' is one argument too many", JD_FMT(word));
}

static int place_all(struct parse *p, const struct jd_str *argv, size_t argc)
{
	bool flags = true;
	int err = 0;

	JD_ASSERT(command_n_args(p->def) <= JD_COMMAND_MAX_ARGS);
	for (size_t i = 0; i < argc && !err; i++) {
		if (flags && jd_str_is(argv[i], "--"))
			flags = false;
		else if (flags && argv[i].len > 2 && memcmp(argv[i].p, "--", 2) == 0)
			err = place_flag(p, argv, argc, &i);
		else
			err = place_word(p, argv[i]);
	}
	return err;
}

/* -- values --------------------------------------------------------------------------------- */

static int no_host(struct parse *p, struct jd_str name)
{
	char names[256] = "";
	size_t len = 0;

	for (struct list *n = server.hosts.next; n != &server.hosts && len < sizeof(names);
	     n = n->next)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
					container_of(n, struct jd_host, node)->name);
	return wrong(p, "this server has no host '%.*s'; it has %s", JD_FMT(name), names);
}

static int set_jid(struct parse *p, const struct jd_arg *a, struct arg_value *v)
{
	bool room = a->kind == JD_ARG_ROOM, bare = room || a->kind == JD_ARG_BARE_JID;
	const char *form = room ? "room@component" : "user@host";
	const struct jd_host *host;

	if (jd_jid_parse(&p->c->arena, v->text, &v->jid) < 0)
		return wrong(p, "'%.*s' is not an address", JD_FMT(v->text));
	if (bare && (!v->jid.local_len || v->jid.resource_len))
		return wrong(p, "'%.*s' is not an address of the form %s", JD_FMT(v->text), form);
	host = bare ? host_find(jd_jid_domain(v->jid)) : NULL;
	if (bare && !host)
		return no_host(p, jd_jid_domain(v->jid));
	if (bare && host->component != room)
		return wrong(p, "%s is a %s: it has no %s", host->name, room ? "host" : "component",
			     room ? "rooms" : "users");
	v->text = jd_jid_str(v->jid);
	return 0;
}

static int set_host(struct parse *p, struct arg_value *v)
{
	if (jd_jid_parse(&p->c->arena, v->text, &v->jid) < 0 || v->jid.local_len ||
	    v->jid.resource_len)
		return wrong(p, "'%.*s' is not the name of a host", JD_FMT(v->text));
	if (!host_find(jd_jid_domain(v->jid)))
		return no_host(p, jd_jid_domain(v->jid));
	v->text = jd_jid_str(v->jid);
	return 0;
}

static int set_int(struct parse *p, const struct jd_arg *a, struct arg_value *v)
{
	char *end;

	errno = 0;
	v->num = strtoll(v->text.p, &end, 10);
	if (!v->text.len || *end || errno == ERANGE)
		return wrong(p, "%s must be a number, not '%.*s'", a->name, JD_FMT(v->text));
	return 0;
}

static int set_value(struct parse *p, const struct jd_arg *a, struct jd_str word,
		     struct arg_value *v)
{
	if (!word.p && a->kind != JD_ARG_FLAG && !a->optional)
		return wrong(p, "%s is missing", a->name);
	if (!word.p)
		return 0;
	v->given = true;
	v->text = jd_arena_str(&p->c->arena, word);
	v->secret = a->kind == JD_ARG_SECRET;
	/* A NUL in it would cut it for everybody who takes it for a C string. */
	if (memchr(word.p, '\0', word.len))
		return wrong(p, "%s has a NUL in it", a->name);
	/* It may become part of a stanza. */
	if ((a->kind == JD_ARG_TEXT || a->kind == JD_ARG_FILE) && !utf8_valid_xml(word.p, word.len))
		return wrong(p, "%s is not UTF-8 text", a->name);
	switch (a->kind) {
	case JD_ARG_BARE_JID:
	case JD_ARG_ROOM:
	case JD_ARG_JID:
		return set_jid(p, a, v);
	case JD_ARG_HOST:
		return set_host(p, v);
	case JD_ARG_INT:
		return set_int(p, a, v);
	case JD_ARG_TEXT:
	case JD_ARG_FILE:
	case JD_ARG_SECRET:
	case JD_ARG_FLAG:
	case JD_ARG_END:
		break;
	}
	return 0;
}

int command_parse(struct jd_command *c, const struct jd_str *argv, size_t argc, char *usage,
		  size_t usage_size)
{
	const struct jd_command_def *def = c->entry->def;
	struct parse p = {.c = c, .def = def, .usage = usage, .usage_size = usage_size};
	int err = place_all(&p, argv, argc);

	for (unsigned i = 0; i < command_n_args(def) && !err; i++)
		err = set_value(&p, &def->args[i], p.place[i], &c->args[i]);
	return err;
}

int command_fill(struct jd_command *c, const struct jd_str *values, char *usage, size_t usage_size)
{
	const struct jd_command_def *def = c->entry->def;
	struct parse p = {
		.c = c, .def = def, .usage = usage, .usage_size = usage_size, .form = true};
	int err = 0;

	for (unsigned i = 0; i < command_n_args(def) && !err; i++)
		err = set_value(&p, &def->args[i], values[i], &c->args[i]);
	return err;
}

int command_missing_secrets(const struct jd_command_def *def, const struct jd_str *argv,
			    size_t argc, char *out, size_t size)
{
	struct parse p = {.def = def, .usage = out, .usage_size = size};
	size_t len = 0;

	out[0] = '\0';
	if (place_all(&p, argv, argc))
		return COMMAND_USAGE;
	for (unsigned i = 0; i < command_n_args(def); i++) {
		const struct jd_arg *a = &def->args[i];

		if (p.place[i].p || a->kind == JD_ARG_FLAG || a->optional)
			continue;
		if (a->kind != JD_ARG_SECRET)
			return wrong(&p, "%s is missing", a->name);
		len += (size_t)snprintf(out + len, size - len, "%s\n", a->name);
		if (len >= size)
			return wrong(&p, "too many arguments are missing");
	}
	return 0;
}
