/* SPDX-License-Identifier: MIT
 *
 * A shared object that is no module.
 */
extern int jackdaw_test_nothing;
int jackdaw_test_nothing = 1;
