/* SPDX-License-Identifier: MIT
 *
 * The configuration: reads the file, fills the structs from the tables, collects
 * what is wrong and tells all of it in the order of lines.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/conf_judge.h"
#include "core/conf_value.h"
#include "core/near.h"
#include "util/utf8.h"

#define MAX_MISTAKES 200

/* -- mistakes ------------------------------------------------------------------------- */

void mistake(struct judge *j, int line, const char *fmt, ...)
{
	va_list ap;

	if (j->n_mistakes == MAX_MISTAKES)
		return;
	if (j->n_mistakes == j->cap_mistakes) {
		j->cap_mistakes = j->cap_mistakes ? 2 * j->cap_mistakes : 16;
		j->mistakes = mem_realloc(j->mistakes, j->cap_mistakes * sizeof(j->mistakes[0]));
	}
	va_start(ap, fmt);
	j->mistakes[j->n_mistakes++] =
		(struct mistake){line, jd_arena_vprintf(&j->scratch, fmt, ap).p};
	va_end(ap);
}

static void read_mistake(void *arg, int line, const char *text)
{
	mistake(arg, line, "%s", text);
}

/* Values may have escapes in them; a mistake is one line of text all the same. */
static char *one_line(struct judge *j, struct jd_str text)
{
	bool good = utf8_valid_xml(text.p, text.len);
	char *p = jd_arena_bytes(&j->scratch, text.len + 1);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		p[i] = c < 0x20 || c == 0x7f || (c >= 0x80 && !good) ? '?' : (char)c;
	}
	p[text.len] = '\0';
	return p;
}

static void mistakes_tell(struct judge *j, void (*report)(const char *line, void *arg), void *arg)
{
	/* Stable, and there are few: by insertion. */
	for (size_t i = 1; i < j->n_mistakes; i++) {
		struct mistake m = j->mistakes[i];
		size_t k = i;

		for (; k > 0 && j->mistakes[k - 1].line > m.line; k--)
			j->mistakes[k] = j->mistakes[k - 1];
		j->mistakes[k] = m;
	}
	for (size_t i = 0; i < j->n_mistakes; i++) {
		const struct mistake *m = &j->mistakes[i];
		struct jd_str text =
			m->line ? jd_arena_printf(&j->scratch, "%s:%d: %s", j->file, m->line,
						  m->text)
				: jd_arena_printf(&j->scratch, "%s: %s", j->file, m->text);

		report(one_line(j, text), arg);
	}
}

/* -- names that are nearly right ----------------------------------------------------------- */

const char *near_name(struct judge *j, const char *name, const char *const *names)
{
	const char *found = near_find(name, names);

	return found ? jd_arena_printf(&j->scratch, "; did you mean '%s'?", found).p : "";
}

/* -- options ----------------------------------------------------------------------------------- */

const struct conf_node *node_option(const struct conf_node *section, const char *name)
{
	for (const struct conf_node *n = section ? section->kids : NULL; n; n = n->next)
		if (!n->section && strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

int node_line(const struct conf_node *section, const char *option)
{
	const struct conf_node *n = node_option(section, option);

	return n && n->line ? n->line : section ? section->line : 0;
}

static const struct jd_option *option_find(const struct jd_option *options, const char *name)
{
	for (const struct jd_option *o = options; o && o->kind != JD_OPTION_END; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

static const char *in_where(struct judge *j, const char *where)
{
	return where[0] ? jd_arena_printf(&j->scratch, " in %s", where).p : "";
}

/* An option that stands in the wrong section. */
static const char *elsewhere(struct judge *j, const char *name)
{
	for (size_t i = 0; i < conf_n_sections; i++)
		if (conf_sections[i].name[0] && option_find(conf_sections[i].options, name))
			return jd_arena_printf(&j->scratch, "; it belongs in section '%s'",
					       conf_sections[i].name)
				.p;
	return "";
}

static void unknown_option(struct judge *j, const struct conf_node *n,
			   const struct jd_option *options, const char *where)
{
	const char *names[128];
	const char *hint;
	size_t k = 0;

	for (const struct jd_option *o = options; o && o->kind != JD_OPTION_END && k < 100; o++)
		names[k++] = o->name;
	for (size_t i = 0; !where[0] && i < conf_n_sections; i++)
		names[k++] = conf_sections[i].name;
	names[k] = NULL;
	hint = near_name(j, n->name, names);
	if (!hint[0])
		hint = elsewhere(j, n->name);
	mistake(j, n->line, "unknown option '%s'%s%s", n->name, in_where(j, where), hint);
}

void judge_options(struct judge *j, const struct conf_node *section,
		   const struct jd_option *options, const char *where, void *base)
{
	for (const struct conf_node *n = section->kids; n; n = n->next) {
		const struct jd_option *o;
		char wanted[256];

		if (n->section)
			continue;
		o = option_find(options, n->name);
		if (!o) {
			unknown_option(j, n, options, where);
			continue;
		}
		if (conf_value_set(o, n->values, n->n_values, j->arena, base) == 0)
			continue;
		conf_value_wanted(o, wanted, sizeof(wanted));
		if (n->n_values == 1)
			mistake(j, n->line, "'%s'%s must be %s, not '%s'", n->name,
				in_where(j, where), wanted, n->values[0]);
		else
			mistake(j, n->line ? n->line : section->line, "'%s'%s must be %s%s",
				n->name, in_where(j, where), wanted,
				o->kind == JD_OPTION_LIST ? "" : ", not a list");
	}
}

void judge_defaults(struct judge *j, const struct jd_option *options, const char *where, void *base)
{
	for (const struct jd_option *o = options; o && o->kind != JD_OPTION_END; o++) {
		if (conf_value_default(o, j->arena, base) == 0)
			continue;
		mistake(j, 0, "the default of '%s' in %s, '%s', is not what the option accepts",
			o->name, where, o->fallback);
	}
}

/* -- sections ------------------------------------------------------------------------------------
 */

size_t count_sections(const struct conf_node *top, const char *name)
{
	size_t count = 0;

	for (const struct conf_node *n = top->kids; n; n = n->next)
		count += n->section && strcmp(n->name, name) == 0;
	return count;
}

static void judge_plain(struct judge *j, const struct conf_node *top)
{
	for (size_t i = 0; i < conf_n_sections; i++) {
		const struct conf_section *s = &conf_sections[i];

		if (s->titled)
			continue;
		judge_defaults(j, s->options, s->name, j->conf);
		if (!s->name[0])
			judge_options(j, top, s->options, "", j->conf);
		for (const struct conf_node *n = top->kids; n; n = n->next)
			if (n->section && s->name[0] && strcmp(n->name, s->name) == 0)
				judge_options(j, n, s->options, s->name, j->conf);
	}
}

static void judge_listens(struct judge *j, struct conf_node *top)
{
	const struct jd_option *options = conf_section_find("listen")->options;
	size_t n_listens = count_sections(top, "listen"), i = 0;

	j->conf->listens = jd_arena_alloc(j->arena, (n_listens + 1) * sizeof(j->conf->listens[0]));
	j->conf->n_listens = n_listens;
	j->listens = jd_arena_alloc(&j->scratch, (n_listens + 1) * sizeof(struct conf_node *));
	for (struct conf_node *n = top->kids; n; n = n->next) {
		struct conf_listen *l = &j->conf->listens[i];

		if (!n->section || strcmp(n->name, "listen") != 0)
			continue;
		j->listens[i++] = n;
		l->name = jd_arena_str(j->arena, jd_cstr(n->title)).p;
		l->kind_number = -1;
		l->port = -1;
		judge_defaults(j, options, "listen", l);
		judge_options(j, n, options, "listen", l);
	}
}

/* -- the whole
 * --------------------------------------------------------------------------------------- */

static size_t known_names(struct conf_name *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < conf_n_sections; i++) {
		const struct conf_section *s = &conf_sections[i];

		if (s->name[0])
			out[n++] = (struct conf_name){"", s->name,
						      s->titled ? CONF_TITLED : CONF_SECTION};
		for (const struct jd_option *o = s->options; o->kind != JD_OPTION_END; o++) {
			JD_ASSERT(n + 2 < max);
			out[n++] = (struct conf_name){s->name, o->name, CONF_OPTION};
		}
	}
	return n;
}

static void judge_file(struct judge *j)
{
	struct conf_name names[160] = {{0}};
	size_t n = known_names(names, JD_ARRAY_SIZE(names));
	struct conf_node *top = conf_read(j->file, names, n, &j->scratch, read_mistake, j);

	if (!top)
		return;
	judge_plain(j, top);
	judge_hosts(j, top);
	judge_listens(j, top);
	judge_all(j, top);
	judge_rooms(j);
	judge_modules(j, top);
}

int conf_load(const char *file, conf_module_fn modules, void (*report)(const char *line, void *arg),
	      void *arg, struct conf **ret_conf)
{
	return conf_load_with(file, NULL, NULL, modules, report, arg, ret_conf);
}

int conf_load_with(const char *file, const char *host, const char *module, conf_module_fn modules,
		   void (*report)(const char *line, void *arg), void *arg, struct conf **ret_conf)
{
	struct jd_arena *arena = mem_new(struct jd_arena);
	struct judge j = {.file = file,
			  .arena = arena,
			  .open_module = modules,
			  .with_host = host,
			  .with_module = module};
	size_t mistakes;

	arena_init(arena, NULL, 0);
	arena_init(&j.scratch, NULL, 0);
	j.conf = jd_arena_new(arena, struct conf);
	j.conf->arena = arena;
	j.conf->file = jd_arena_str(arena, jd_cstr(file)).p;
	j.conf->log.fd = STDERR_FILENO;
	judge_file(&j);
	mistakes_tell(&j, report, arg);
	mistakes = j.n_mistakes;
	mem_free(j.mistakes);
	arena_fini(&j.scratch);
	if (mistakes) {
		conf_free(j.conf);
		return -JD_ECONF;
	}
	*ret_conf = j.conf;
	return 0;
}

void conf_free(struct conf *conf)
{
	struct jd_arena *arena;

	if (!conf)
		return;
	for (size_t i = 0; i < conf->n_hosts; i++)
		for (size_t k = 0; conf->hosts[i].module_data && conf->hosts[i].modules[k]; k++)
			mem_free(conf->hosts[i].module_data[k]);
	arena = conf->arena;
	arena_fini(arena);
	mem_free(arena);
}
