/* SPDX-License-Identifier: MIT
 *
 * The bytes that canonical XML cannot carry as they are, and how they are
 * written and read back.  Pure functions, any thread.
 */
#pragma once

#include <jackdaw/types.h>

enum escape_where {
	ESCAPE_TEXT = 1, /* & < CR, and > after ]] */
	ESCAPE_ATTR = 2, /* & < ' TAB LF CR */
};

/* Bytes of s in front of the first one that may need an escape ('>' in text counts always). */
size_t escape_plain(const char *s, size_t n, enum escape_where where);

/* The reference for a byte that escape_plain() stopped at. */
struct jd_str escape_ref(char c);

/*
 * Reads one reference at s[0..n), s[0] being '&', as canonical text has it;
 * returns its length, or 0 for anything else.
 */
size_t escape_read(const char *s, size_t n, char *ret_c);

/* Decodes canonical text into out (at least n bytes); returns the length. */
size_t escape_decode(const char *s, size_t n, char *out);
