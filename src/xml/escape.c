/* SPDX-License-Identifier: MIT
 *
 * Escaping by table: most text holds nothing to escape, so what counts is how
 * fast a run of plain bytes is passed over.  Decoding knows only the references
 * that we write ourselves; it is never given a peer's bytes.
 */
#include "xml/escape.h"

static const uint8_t special[256] = {
	['&'] = ESCAPE_TEXT | ESCAPE_ATTR,
	['<'] = ESCAPE_TEXT | ESCAPE_ATTR,
	['\r'] = ESCAPE_TEXT | ESCAPE_ATTR,
	['>'] = ESCAPE_TEXT,
	['\''] = ESCAPE_ATTR,
	['\t'] = ESCAPE_ATTR,
	['\n'] = ESCAPE_ATTR,
};

static const struct {
	char c;
	struct jd_str ref;
} refs[] = {
	{'&', {"&amp;", 5}}, {'<', {"&lt;", 4}},   {'>', {"&gt;", 4}},   {'\'', {"&apos;", 6}},
	{'\t', {"&#9;", 4}}, {'\n', {"&#10;", 5}}, {'\r', {"&#13;", 5}},
};

size_t escape_plain(const char *s, size_t n, enum escape_where where)
{
	const uint8_t *u = (const uint8_t *)s;
	size_t i = 0;

	/* Four at a time: the loop is bound by its branches, not by the table. */
	for (; i + 4 <= n; i += 4) {
		if ((special[u[i]] | special[u[i + 1]] | special[u[i + 2]] | special[u[i + 3]]) &
		    where)
			break;
	}
	while (i < n && !(special[u[i]] & where))
		i++;
	return i;
}

struct jd_str escape_ref(char c)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(refs); i++) {
		if (refs[i].c == c)
			return refs[i].ref;
	}
	return JD_STR_NULL;
}

size_t escape_read(const char *s, size_t n, char *ret_c)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(refs); i++) {
		struct jd_str ref = refs[i].ref;

		if (n >= ref.len && memcmp(s, ref.p, ref.len) == 0) {
			*ret_c = refs[i].c;
			return ref.len;
		}
	}
	return 0;
}

size_t escape_decode(const char *s, size_t n, char *out)
{
	size_t len = 0;

	while (n) {
		const char *amp = memchr(s, '&', n);
		size_t plain = amp ? (size_t)(amp - s) : n;
		size_t used;

		memcpy(out + len, s, plain);
		len += plain;
		s += plain;
		n -= plain;
		if (!n)
			break;
		used = escape_read(s, n, out + len);
		if (!used) {
			out[len] = *s;
			used = 1;
		}
		len++;
		s += used;
		n -= used;
	}
	return len;
}
