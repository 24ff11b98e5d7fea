/* SPDX-License-Identifier: MIT
 *
 * Bytes made smaller, with the help of a dictionary: some kilobytes of what all of them
 * have in common, so that short ones need not say it again.
 *
 * A dictionary is made from samples (jd_dictionary_train()), has a number, and must be
 * kept for as long as anything that was packed with it: a module stores it, number and
 * bytes, before it stores what was packed.  What is in the samples may be found
 * in the dictionary: give it nothing that somebody could want to have erased.
 *
 * Packed bytes tell how many they were, so what is too large is refused before
 * memory is spent on it.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/types.h>

struct jd_owner;
struct jd_dictionary;

/* From bytes that were trained with this number; they are copied. NULL: those are others. */
JD_EXPORT struct jd_dictionary *jd_dictionary_new(uint32_t number, struct jd_str bytes);
JD_EXPORT void jd_dictionary_free(struct jd_dictionary *d); /* NULL is fine */

/* What these two give is valid until either is called again, and never what
 * they are given. -JD_ELIMIT: it saves less than an eighth; keep the bytes as they are. */
JD_EXPORT int jd_pack(struct jd_dictionary *d, struct jd_str bytes,
		      struct jd_str *ret_packed) JD_MUST_USE;
/* And back. -JD_EINVAL: these are not packed bytes, or need another dictionary;
 * -JD_ELIMIT: they are more than `most`. */
JD_EXPORT int jd_unpack(const struct jd_dictionary *d, struct jd_str packed, size_t most,
			struct jd_str *ret_bytes) JD_MUST_USE;
/* How many bytes it would be, by its own word; 0: these are not packed bytes. */
JD_EXPORT size_t jd_packed_size(struct jd_str packed);

/* bytes.p NULL: no dictionary comes of these samples. */
typedef void (*jd_dictionary_fn)(void *arg, struct jd_str bytes);

#define JD_SAMPLES_MIN 100
#define JD_SAMPLES_MAX ((size_t)4 << 20) /* bytes of all of them */

/* Makes one of at most `most` bytes from n samples, which stand one behind the other
 * and are copied. fn is called once, later, unless the owner goes first. -JD_EINVAL: too few or
 * too many; -JD_ELIMIT: the server is busy. */
JD_EXPORT int jd_dictionary_train(struct jd_owner *owner, uint32_t number, size_t most,
				  struct jd_str samples, const size_t *sizes, size_t n,
				  jd_dictionary_fn fn, void *arg) JD_MUST_USE;
