/* SPDX-License-Identifier: MIT
 *
 * The options of the server itself, as tables of the same kind that modules have.
 */
#pragma once

#include "core/conf.h"

struct conf_section {
	const char *name; /* "": top level */
	bool titled;      /* there may be several, each with a name */
	const char *help;
	const struct jd_option *options;
};

/* Untitled ones are filled into a struct conf; host and listen into their own structs. */
extern const struct conf_section conf_sections[];
extern const size_t conf_n_sections;

const struct conf_section *conf_section_find(const char *name); /* NULL: no such */
