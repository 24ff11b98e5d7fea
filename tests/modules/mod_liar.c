/* SPDX-License-Identifier: MIT
 *
 * A module whose file has another name than it has itself.
 */
#include <jackdaw/module.h>

JD_MODULE(truth, .summary = "Calls itself something else");
