/* SPDX-License-Identifier: MIT
 *
 * The words of a text, as somebody would search for them: without regard to case,
 * accents and widths, cut in the same way wherever they are looked at.
 *
 * Letters and digits make words, everything else stands between them.  Scripts that are
 * written without spaces (Chinese, Japanese, Korean, Thai and their like) have a word for
 * each character, as have pictures: what is written together there is a row of words.
 */
#pragma once

#include <jackdaw/types.h>

/* Bytes of a word; what is behind is cut off. */
#define JD_WORD_MAX 64

/* False: no further words are wanted. */
typedef bool (*jd_word_fn)(void *arg, struct jd_str word);

/* In their order. Of text that is no UTF-8, what is left of it. */
JD_EXPORT void jd_words(struct jd_str text, jd_word_fn fn, void *arg);
