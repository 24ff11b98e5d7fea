/* SPDX-License-Identifier: MIT
 *
 * UTF-8.  The table of well-formed sequences boils down to this: the first byte
 * tells the length and, in five cases, narrows the range of the second byte;
 * all further bytes are 80..BF.
 */
#include "util/utf8.h"

/* Length of the sequence that c begins (0 = none) and the range of its second byte. */
static unsigned lead(unsigned char c, uint8_t *ret_lower, uint8_t *ret_upper)
{
	*ret_lower = 0x80;
	*ret_upper = 0xbf;
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef) {
		if (c == 0xe0)
			*ret_lower = 0xa0; /* below: overlong */
		else if (c == 0xed)
			*ret_upper = 0x9f; /* above: surrogates */
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (c == 0xf0)
			*ret_lower = 0x90; /* below: overlong */
		else if (c == 0xf4)
			*ret_upper = 0x8f; /* above: past U+10FFFF */
		return 4;
	}
	return 0;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *ret_cp)
{
	uint8_t lower, upper;
	unsigned char c;
	unsigned len;
	uint32_t cp;

	if (n == 0)
		return 0;
	c = (unsigned char)s[0];
	len = lead(c, &lower, &upper);
	if (len == 0 || len > n)
		return 0;
	cp = len == 1 ? c : c & (0x7fu >> len);
	for (unsigned i = 1; i < len; i++) {
		c = (unsigned char)s[i];
		if (c < lower || c > upper)
			return 0;
		cp = cp << 6 | (c & 0x3f);
		lower = 0x80;
		upper = 0xbf;
	}
	*ret_cp = cp;
	return len;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* True when all eight bytes are 20..7F: the usual text goes by in large steps. */
static bool plain8(const char *s)
{
	const uint64_t ones = 0x0101010101010101ULL, high = ones * 0x80;
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	/* Without high bits nothing borrows across bytes unless some byte is below 20. */
	return !(w & high) && !((w - ones * 0x20) & high);
}

static bool xml_char(uint32_t cp)
{
	if (cp < 0x20)
		return cp == '\t' || cp == '\n' || cp == '\r';
	return cp != 0xfffe && cp != 0xffff;
}

bool utf8_valid_xml(const char *s, size_t n)
{
	size_t i = 0, len;
	uint32_t cp;

	while (i < n) {
		while (n - i >= 8 && plain8(s + i))
			i += 8;
		if (i == n)
			break;
		len = utf8_decode(s + i, n - i, &cp);
		if (len == 0 || !xml_char(cp))
			return false;
		i += len;
	}
	return true;
}

size_t utf8_count(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
}

bool utf8_feed(struct utf8_state *st, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (st->need == 0) {
			unsigned len = lead(c, &st->lower, &st->upper);

			if (len == 0)
				return false;
			st->need = (uint8_t)(len - 1);
			st->cp = len == 1 ? c : c & (0x7fu >> len);
			continue;
		}
		if (c < st->lower || c > st->upper)
			return false;
		st->cp = st->cp << 6 | (c & 0x3f);
		st->lower = 0x80;
		st->upper = 0xbf;
		st->need--;
	}
	return true;
}

bool utf8_feed_done(const struct utf8_state *st)
{
	return st->need == 0;
}
