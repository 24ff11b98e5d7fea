/* SPDX-License-Identifier: MIT
 *
 * In which order modules start.
 */
#pragma once

#include <jackdaw/module.h>

/*
 * ret_order gets places in modules[]: what a module needs comes before it, and so
 * does what it wants to start after, if that is there at all; else the order
 * stays as it is.  -JD_ECONF with a sentence: something needed is missing, or they
 * need each other in a circle.
 */
int module_order(const struct jd_module *const *modules, size_t n, size_t *ret_order, char *err,
		 size_t err_size) JD_MUST_USE;

/* Whether name is one of the words of list (NULL: none). */
bool word_in(const char *list, const char *name);
