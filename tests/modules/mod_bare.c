/* SPDX-License-Identifier: MIT
 *
 * A module that does nothing, for the tests of loading one.
 */
#include <jackdaw/module.h>

JD_MODULE(bare, .summary = "Nothing at all");
