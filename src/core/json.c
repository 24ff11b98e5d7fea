/* SPDX-License-Identifier: MIT
 *
 * Writing JSON: the one thing about it that can be done wrong.
 */
#include "core/json.h"

#include "util/utf8.h"

static int put_escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		return buf_append(b, "\\\"", 2);
	case '\\':
		return buf_append(b, "\\\\", 2);
	case '\n':
		return buf_append(b, "\\n", 2);
	case '\t':
		return buf_append(b, "\\t", 2);
	default:
		return buf_printf(b, "\\u%04x", (unsigned)c);
	}
}

static int put_char(struct buf *b, const char *p, size_t n, size_t *ret_len)
{
	unsigned char c = (unsigned char)*p;
	uint32_t cp;

	*ret_len = 1;
	if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
		return put_escape(b, c);
	*ret_len = utf8_decode(p, n, &cp);
	if (*ret_len)
		return buf_append(b, p, *ret_len);
	*ret_len = 1;
	return buf_append(b, "\xef\xbf\xbd", 3);
}

int json_put_str(struct buf *b, struct jd_str s)
{
	int err = buf_append(b, "\"", 1);

	for (size_t i = 0, len; i < s.len && !err; i += len)
		err = put_char(b, s.p + i, s.len - i, &len);
	return err ? err : buf_append(b, "\"", 1);
}
