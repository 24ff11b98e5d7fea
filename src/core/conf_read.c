/* SPDX-License-Identifier: MIT
 *
 * Reading the file by libconfuse.
 *
 * libconfuse stops at the first name that it was not told of, or (with
 * CFGF_IGNORE_UNKNOWN) drops what it does not know without a word.  We want
 * neither: all mistakes are to be named at once, and the options of modules are
 * known only after the file has said which modules there are.  So whenever it
 * stops at an unknown name, that name is learned and the text is parsed again;
 * files are small and have few such names.
 *
 * Every option is declared as a list of values that remember their line.  Each
 * section gets a hidden option whose default is parsed when the section begins:
 * that is how the section's own line is found.
 */
#include <confuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/conf_lex.h"
#include "core/conf_read.h"
#include "util/utf8.h"

#define MAX_NAMES 400 /* learned in one file */
#define MAX_DEPTH 4
#define LINE_MARK " "
#define END_MARK  "<end>"
#define ROOT      "root" /* libconfuse's name of the top level */

struct known {
	const char *section, *name;
	enum conf_known kind;
	bool learned;
};

struct reader {
	struct known *known;
	size_t n_known, n_learned;
	struct jd_arena *arena;
	/* of the parse under way */
	int line;
	char wrong[512]; /* empty: nothing */
	bool again;      /* something was learned */
};

/* libconfuse has no pointer for its callbacks; configurations are read one at a time. */
static struct reader *reading;

struct value {
	int line;
	char text[];
};

static int value_parse(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *ret)
{
	size_t n = strlen(text) + 1;
	struct value *v;

	(void)opt;
	/* The file is UTF-8, but escapes can write any byte. */
	if (!utf8_valid_xml(text, n - 1)) {
		if (!reading->wrong[0] && !reading->again)
			snprintf(reading->wrong, sizeof(reading->wrong),
				 "the escapes in this text make bytes that are not UTF-8 text");
		reading->line = cfg->line;
		return -1;
	}
	v = mem_alloc_raw(sizeof(*v) + n);
	v->line = cfg->line;
	memcpy(v->text, text, n);
	*(void **)ret = v;
	return 0;
}

/* A second section of the same title would take the place of the first; so a title that has
 * done its work is made unlike any other. */
static int section_done(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *sec = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	char *unique = NULL;

	(void)cfg;
	if (!sec->title)
		return 0;
	if (asprintf(&unique, "%u:%s", cfg_opt_size(opt), sec->title) < 0)
		abort();
	free(sec->title);
	sec->title = unique;
	return 0;
}

/* -- names ---------------------------------------------------------------------------- */

static struct known *known_find(const char *section, const char *name)
{
	for (size_t i = 0; i < reading->n_known; i++)
		if (strcmp(reading->known[i].section, section) == 0 &&
		    strcmp(reading->known[i].name, name) == 0)
			return &reading->known[i];
	return NULL;
}

static void known_add(const char *section, const char *name, enum conf_known kind, bool learned)
{
	struct jd_arena *a = reading->arena;

	reading->known[reading->n_known++] = (struct known){
		jd_arena_str(a, jd_cstr(section)).p,
		jd_arena_str(a, jd_cstr(name)).p,
		kind,
		learned,
	};
}

/* True when the next parse will come further. */
static bool learn(const cfg_t *cfg, const char *fmt, const char *name)
{
	struct known *k = known_find(cfg->name, name);

	if (strcmp(fmt, "no such option '%s'") == 0 && !k && strcmp(name, END_MARK) != 0) {
		if (reading->n_learned == MAX_NAMES)
			return false;
		reading->n_learned++;
		known_add(cfg->name, name, CONF_OPTION, true);
		return true;
	}
	if (!k || !k->learned || k->kind == CONF_TITLED)
		return false;
	if (strcmp(fmt, "missing equal sign after option '%s'") == 0 && k->kind == CONF_OPTION)
		k->kind = CONF_SECTION;
	else if (strcmp(fmt, "missing opening brace for section '%s'") == 0)
		k->kind = CONF_TITLED;
	else
		return false;
	return true;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	va_list copy;
	const char *percent = strchr(fmt, '%');

	if (reading->wrong[0] || reading->again)
		return;
	if (percent && percent[1] == 's') {
		const char *name;

		va_copy(copy, ap);
		name = va_arg(copy, const char *);
		va_end(copy);
		if (learn(cfg, fmt, name)) {
			reading->again = true;
			return;
		}
		if (strcmp(name, END_MARK) == 0) {
			reading->line = 0;
			snprintf(reading->wrong, sizeof(reading->wrong),
				 "section '%s' has no closing brace", cfg->name);
			return;
		}
	}
	reading->line = cfg->line;
	/* The format is libconfuse's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(reading->wrong, sizeof(reading->wrong), fmt, ap);
#pragma GCC diagnostic pop
}

/* -- the grammar as libconfuse wants it -------------------------------------------------- */

static void opts_free(cfg_opt_t *opts)
{
	for (cfg_opt_t *o = opts; o && o->name; o++)
		opts_free(o->subopts);
	mem_free(opts);
}

static cfg_opt_t *opts_make(const char *section, unsigned depth)
{
	cfg_opt_t *opts = mem_alloc((reading->n_known + 2) * sizeof(*opts));
	size_t n = 0;

	opts[n++] = (cfg_opt_t){.name = LINE_MARK,
				.type = CFGT_PTR,
				.def.parsed = (char *)(uintptr_t) "0",
				.parsecb = value_parse,
				.freecb = mem_free};
	for (size_t i = 0; i < reading->n_known; i++) {
		const struct known *k = &reading->known[i];
		cfg_opt_t *o = &opts[n];

		if (strcmp(k->section, section) != 0 || (k->kind != CONF_OPTION && !depth))
			continue;
		n++;
		o->name = k->name;
		if (k->kind == CONF_OPTION) {
			o->type = CFGT_PTR;
			o->flags = CFGF_LIST | CFGF_NODEFAULT;
			o->parsecb = value_parse;
			o->freecb = mem_free;
		} else {
			o->type = CFGT_SEC;
			o->flags = CFGF_MULTI | (k->kind == CONF_TITLED ? CFGF_TITLE : 0);
			o->subopts = opts_make(k->name, depth - 1);
			o->validcb = section_done;
		}
	}
	return opts; /* ends zeroed, which is CFG_END() */
}

/* -- the tree ------------------------------------------------------------------------------ */

static struct conf_node *tree_make(cfg_t *cfg);

static struct conf_node *node_new(const char *name, int line)
{
	struct conf_node *node = jd_arena_new(reading->arena, struct conf_node);

	node->name = jd_arena_str(reading->arena, jd_cstr(name)).p;
	node->line = line;
	return node;
}

static struct conf_node *option_node(cfg_opt_t *opt)
{
	unsigned n = cfg_opt_size(opt);
	struct conf_node *node = node_new(cfg_opt_name(opt), 0);

	node->n_values = n;
	node->values = jd_arena_alloc(reading->arena, (n + 1) * sizeof(node->values[0]));
	for (unsigned i = 0; i < n; i++) {
		const struct value *v = cfg_opt_getnptr(opt, i);

		if (i == 0)
			node->line = v->line;
		node->values[i] = jd_arena_str(reading->arena, jd_cstr(v->text)).p;
	}
	return node;
}

static struct conf_node *section_node(cfg_opt_t *opt, unsigned i)
{
	cfg_t *sec = cfg_opt_getnsec(opt, i);
	const struct value *mark = cfg_getptr(sec, LINE_MARK);
	struct conf_node *node = node_new(cfg_opt_name(opt), mark->line);

	node->section = true;
	if (sec->title)
		node->title = jd_arena_str(reading->arena, jd_cstr(strchr(sec->title, ':') + 1)).p;
	node->kids = tree_make(sec);
	return node;
}

static struct conf_node *tree_make(cfg_t *cfg)
{
	struct conf_node *first = NULL, **at = &first;

	for (cfg_opt_t *opt = cfg->opts; opt->name; opt++) {
		if (strcmp(opt->name, LINE_MARK) == 0 || strcmp(opt->name, END_MARK) == 0)
			continue;
		if (opt->type == CFGT_SEC) {
			for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
				*at = section_node(opt, i);
				at = &(*at)->next;
			}
		} else if (opt->flags & CFGF_MODIFIED) {
			*at = option_node(opt);
			at = &(*at)->next;
		}
	}
	return first;
}

/* -- parsing ---------------------------------------------------------------------------------- */

/* NULL: look at again and wrong. */
static struct conf_node *parse_once(const char *text)
{
	cfg_opt_t *opts = opts_make(ROOT, MAX_DEPTH);
	cfg_t *cfg = cfg_init(opts, CFGF_NONE);
	struct conf_node *top = NULL;

	opts_free(opts);
	if (!cfg)
		abort();
	reading->again = false;
	reading->wrong[0] = '\0';
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, text) == CFG_SUCCESS) {
		top = node_new("", 0);
		top->section = true;
		top->kids = tree_make(cfg);
	} else if (!reading->again && !reading->wrong[0]) {
		reading->line = 0;
		snprintf(reading->wrong, sizeof(reading->wrong), "the file cannot be parsed");
	}
	cfg_free(cfg);
	return top;
}

static struct conf_node *parse(const char *text, const struct conf_name *names, size_t n_names)
{
	struct conf_node *top;

	reading->known = mem_alloc((n_names + 1 + MAX_NAMES) * sizeof(reading->known[0]));
	for (size_t i = 0; i < n_names; i++)
		known_add(names[i].section[0] ? names[i].section : ROOT, names[i].name,
			  names[i].kind, false);
	known_add(ROOT, END_MARK, CONF_OPTION, false);
	do {
		top = parse_once(text);
	} while (!top && reading->again);
	mem_free(reading->known);
	return top;
}

struct conf_node *conf_read(const char *file, const struct conf_name *names, size_t n_names,
			    struct jd_arena *arena,
			    void (*mistake)(void *arg, int line, const char *text), void *arg)
{
	struct reader r = {.arena = arena};
	struct conf_node *top = NULL;
	char *text = NULL, *marked = NULL;
	const char *wrong;
	size_t len;

	if (conf_load_text(file, &text, &len, r.wrong, sizeof(r.wrong)) < 0) {
		mistake(arg, 0, r.wrong);
		return NULL;
	}
	if (conf_blank_comments(text, len, &r.line, &wrong) < 0) {
		mistake(arg, r.line, wrong);
		mem_free(text);
		return NULL;
	}
	/* libconfuse takes the end of the file for the end of every open section; this last
	 * option is known at the top level only. */
	if (asprintf(&marked, "%s\n\"" END_MARK "\" = 1\n", text) < 0)
		abort();
	mem_free(text);
	reading = &r;
	top = parse(marked, names, n_names);
	reading = NULL;
	free(marked);
	if (!top)
		mistake(arg, r.line, r.wrong);
	return top;
}
