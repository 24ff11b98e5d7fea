/* SPDX-License-Identifier: MIT
 *
 * The configuration file as a tree, each node with the line it is on.  What the
 * names mean is not known here: conf.c judges them.
 */
#pragma once

#include "util/arena.h"

struct conf_node {
	const char *name;
	const char *title; /* sections: NULL without */
	int line;          /* 0: an empty list, whose line is not known */
	bool section;
	const char **values; /* options: n_values, then NULL */
	size_t n_values;
	struct conf_node *kids, *next; /* in the order of names, then of the file */
};

/* A name that the tables know. section: "" is the top level. */
enum conf_known { CONF_OPTION, CONF_SECTION, CONF_TITLED };
struct conf_name {
	const char *section;
	const char *name;
	enum conf_known kind;
};

/* NULL after one mistake has been told: the reader cannot go on behind it. */
struct conf_node *conf_read(const char *file, const struct conf_name *names, size_t n_names,
			    struct jd_arena *arena,
			    void (*mistake)(void *arg, int line, const char *text), void *arg);
