/* SPDX-License-Identifier: MIT
 *
 * A module of another time: its ABI is not ours, and nothing behind that number
 * may be looked at.
 */
#include <jackdaw/module.h>

JD_EXPORT extern const struct jd_module jd_module;
const struct jd_module jd_module = {
	.abi = JD_ABI + 41, .name = (const char *)16, /* to look at it is to fall over */
};
