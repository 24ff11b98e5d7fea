/* SPDX-License-Identifier: MIT */
#pragma once

/* Runs the scripts named as arguments, without them all of tests/replay/scripts; *path is the
 * file. The exit status of the program. */
int script_tests(int argc, char **argv, const char *name, void (*play)(void **path));
