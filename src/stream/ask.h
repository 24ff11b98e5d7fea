/* SPDX-License-Identifier: MIT
 *
 * Messages to logic carry their strings behind the struct, in one allocation.
 */
#pragma once

#include <jackdaw/types.h>

/* Copies s to *at, moves *at behind it and returns the copy; absent stays absent. */
static inline struct jd_str str_place(char **at, struct jd_str s)
{
	char *p = *at;

	if (!s.p)
		return s;
	if (s.len)
		memcpy(p, s.p, s.len);
	*at += s.len;
	return (struct jd_str){p, s.len};
}
