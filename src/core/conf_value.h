/* SPDX-License-Identifier: MIT
 *
 * Values of options: from the words of the file to C, within their range.
 */
#pragma once

#include <jackdaw/module.h>

/* Writes the value to base + o->offset; what outlives the call is put into the arena.
 * -JD_EINVAL: the words are not what the option takes; conf_value_wanted() says what is. */
int conf_value_set(const struct jd_option *o, const char *const *words, size_t n,
		   struct jd_arena *arena, void *base) JD_MUST_USE;

/* The default; an option without one stays zeroed. -JD_EINVAL: the table itself is wrong. */
int conf_value_default(const struct jd_option *o, struct jd_arena *arena, void *base) JD_MUST_USE;

/* "true or false", "a size from 1k to 1M": goes on a sentence with "must be". */
void conf_value_wanted(const struct jd_option *o, char *out, size_t size);

const char *conf_kind_name(enum jd_option_kind kind);
