/* SPDX-License-Identifier: MIT
 *
 * What the files of the configuration share while one is being judged.
 */
#pragma once

#include "core/conf_read.h"
#include "core/conf_table.h"
#include "util/mem.h"

struct judge {
	const char *file;
	struct conf *conf;
	struct jd_arena *arena; /* the conf's */
	conf_module_fn open_module;
	struct mistake {
		int line; /* 0: none */
		const char *text;
	} * mistakes;
	size_t n_mistakes, cap_mistakes;
	struct jd_arena scratch; /* what is gone when the conf is there: the tree, mistakes */
	struct judged_host {
		struct conf_node *node; /* a host's, if it was made for the host's rooms */
		struct conf_host *host;
		const struct jd_module **modules; /* of host->modules; NULL: could not be opened */
		bool made;                        /* has no section of its own */
	} * hosts;
	size_t n_hosts;
	struct conf_node **listens;
	const char *with_host, *with_module; /* is listed, whatever the file says; or NULL */
};

void mistake(struct judge *j, int line, const char *fmt, ...) JD_PRINTF(3, 4);
/* "; did you mean 'port'?" or an empty text; names ends with NULL. */
const char *near_name(struct judge *j, const char *name, const char *const *names);
/* Reads the option nodes of a section into base; where: "listen", for sentences. */
void judge_options(struct judge *j, const struct conf_node *section,
		   const struct jd_option *options, const char *where, void *base);
void judge_defaults(struct judge *j, const struct jd_option *options, const char *where,
		    void *base);
/* The kid with this name, not a section; NULL. */
const struct conf_node *node_option(const struct conf_node *section, const char *name);
int node_line(const struct conf_node *section, const char *option);

size_t count_sections(const struct conf_node *top, const char *name);

/* conf_hosts.c: hosts, then components; and later, when modules can be opened, the components
 * that are made for the hosts' rooms. */
void judge_hosts(struct judge *j, struct conf_node *top);
void judge_rooms(struct judge *j);

/* conf_modules.c */
void judge_modules(struct judge *j, const struct conf_node *top);
/* conf_check.c: what concerns more than one option, and the world outside. */
void judge_all(struct judge *j, const struct conf_node *top);
