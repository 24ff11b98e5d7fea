/* SPDX-License-Identifier: MIT
 *
 * Names that are nearly right, for "did you mean".
 */
#pragma once

/* The one of names (ends with NULL) that was probably meant; NULL: none is near. */
const char *near_find(const char *name, const char *const *names);
