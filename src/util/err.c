/* SPDX-License-Identifier: MIT
 *
 * A sentence for each program error.
 */
#include <jackdaw/types.h>

const char *jd_strerror(int err)
{
	static const char *const text[] = {
		[0] = "no error",
		[JD_EINVAL] = "the input breaks the rules of its format",
		[JD_ELIMIT] = "a limit was reached",
		[JD_ENOMEM] = "memory was refused",
		[JD_ENOENT] = "there is no such thing",
		[JD_EEXIST] = "it exists already",
		[JD_EAGAIN] = "not possible now, try again later",
		[JD_EBUSY] = "it is in use",
		[JD_ECLOSED] = "the other side has gone",
		[JD_EIO] = "the operating system or a library failed",
		[JD_EDB] = "the database failed",
		[JD_EABI] = "the module was built for another version of Jackdaw",
		[JD_ECONF] = "the configuration is wrong",
		[JD_EACCESS] = "not allowed",
	};
	/* As unsigned, INT_MIN negates without overflow. */
	unsigned n = err < 0 ? -(unsigned)err : (unsigned)err;

	return n < JD_ARRAY_SIZE(text) ? text[n] : "unknown error";
}
