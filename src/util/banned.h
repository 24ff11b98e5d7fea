/* SPDX-License-Identifier: MIT
 *
 * Functions that Jackdaw does not use, turned into compile errors.  The build
 * puts this file in front of every source (-include util/banned.h).
 *
 * The headers that declare or define these names are included first, so that
 * the macros below meet only our own code and never a declaration.  A header
 * of a library that is included later still compiles as long as it does not
 * call one of them.
 */
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef strtok
#undef sprintf
#undef vsprintf
#undef gets
#undef alloca

/* Each name becomes an undeclared one that says what to do instead. */
#define strcpy(...)   banned_strcpy_use_memcpy_or_buf_append
#define strcat(...)   banned_strcat_use_buf_append
#define strncpy(...)  banned_strncpy_use_memcpy
#define strncat(...)  banned_strncat_use_buf_append
#define strtok(...)   banned_strtok_use_memchr
#define sprintf(...)  banned_sprintf_use_snprintf_or_buf_printf
#define vsprintf(...) banned_vsprintf_use_vsnprintf
#define gets(...)     banned_gets_use_getline
#define alloca(...)   banned_alloca_use_an_arena
