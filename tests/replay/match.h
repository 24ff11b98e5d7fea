/* SPDX-License-Identifier: MIT
 *
 * Comparing what was sent with what was expected, as trees: namespaces count,
 * the order of attributes and white space between elements do not.
 *
 *   id='*'                any value, but one
 *   id='${x}'             the same value as elsewhere under this name; the first sets it
 *   text ${x} or *        as for attributes
 *   <any/>                any one element
 *   <more/>               any number of elements, up to one that matches what is behind it
 *   <error is='bad-request' type='modify'/>
 *                         that stanza error, whatever else it says
 */
#pragma once

#include "replay/fake_net.h"

struct names; /* what ${...} stand for */
struct names *names_new(void);
void names_free(struct names *names);
void names_set(struct names *names, struct jd_str name, struct jd_str value);
/* text with every ${x} replaced; those without a value stay. mem_free() it. */
char *names_fill(const struct names *names, struct jd_str text);

/* NULL, or why it does not match (mem_free() it). New names are kept only after a match. */
char *match(struct names *names, struct jd_str expected, struct jd_str sent);
