/* SPDX-License-Identifier: MIT
 *
 * Runs every script of tests/replay/scripts, or those named as arguments, each
 * as a test of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "replay/script.h"
#include "replay/script_tests.h"

static void test_script(void **path)
{
	assert_int_equal(script_play(*path), 0);
}

int main(int argc, char **argv)
{
	return script_tests(argc, argv, "scripts", test_script);
}
