/* SPDX-License-Identifier: MIT
 *
 * Fuzzing base64, both alphabets.  There is one spelling of every run of bytes:
 * what decodes must encode to the very same text, and every run of bytes must
 * come back from its text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/base64.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef size_t encode_fn(const void *data, size_t n, char *out);
typedef int decode_fn(struct jd_str in, void *out, size_t cap, size_t *ret_len);

static void check(encode_fn *encode, decode_fn *decode, struct jd_str in)
{
	size_t room = BASE64_LEN(in.len) + 4, n, m;
	char *text = mem_alloc_raw(room), *bytes = mem_alloc_raw(in.len + 4);
	char *exact;

	if (decode(in, bytes, in.len, &n) == 0) {
		JD_ASSERT(n <= in.len && encode(bytes, n, text) == in.len);
		JD_ASSERT(in.len == 0 || memcmp(text, in.p, in.len) == 0);
		/* A byte less of room is refused and not written. */
		exact = mem_alloc_raw(n);
		JD_ASSERT(decode(in, exact, n, &m) == 0 && m == n);
		JD_ASSERT(n == 0 || decode(in, exact, n - 1, &m) == -JD_ELIMIT);
		mem_free(exact);
	}
	m = encode(in.p, in.len, text);
	JD_ASSERT(decode((struct jd_str){text, m}, bytes, in.len + 4, &n) == 0 && n == in.len);
	JD_ASSERT(n == 0 || memcmp(bytes, in.p, n) == 0);
	mem_free(text);
	mem_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jd_str in = {(const char *)data, size};

	check(base64_encode, base64_decode, in);
	check(base64url_encode, base64url_decode, in);
	return 0;
}
