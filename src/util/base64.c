/* SPDX-License-Identifier: MIT
 *
 * Base64.  Decoding checks the shape first (length, padding), so that the
 * output is known to fit before a byte of it is written.
 */
#include "util/base64.h"

static const char standard[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes without padding; returns the length. */
static size_t encode(const char *alphabet, const unsigned char *p, size_t n, char *out)
{
	char *o = out;

	for (; n >= 3; n -= 3, p += 3) {
		*o++ = alphabet[p[0] >> 2];
		*o++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*o++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*o++ = alphabet[p[2] & 63];
	}
	if (n) {
		unsigned second = n == 2 ? p[1] : 0;

		*o++ = alphabet[p[0] >> 2];
		*o++ = alphabet[(p[0] & 3) << 4 | second >> 4];
		if (n == 2)
			*o++ = alphabet[(second & 15) << 2];
	}
	return (size_t)(o - out);
}

/* The value of a letter; 64 for anything else. */
static unsigned value(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : 64;
}

/* in has no padding. */
static int decode(const char *alphabet, struct jd_str in, unsigned char *out, size_t cap,
		  size_t *ret_len)
{
	size_t len = in.len / 4 * 3 + (in.len % 4 ? in.len % 4 - 1 : 0);
	unsigned acc = 0, bits = 0, v;

	if (in.len % 4 == 1)
		return -JD_EINVAL;
	if (len > cap)
		return -JD_ELIMIT;
	for (size_t i = 0; i < in.len; i++) {
		v = value(in.p[i], alphabet);
		if (v == 64)
			return -JD_EINVAL;
		acc = (acc << 6 | v) & 0xfff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*out++ = (unsigned char)(acc >> bits);
		}
	}
	/* Two texts must not decode to the same bytes. */
	if (acc & ((1u << bits) - 1))
		return -JD_EINVAL;
	*ret_len = len;
	return 0;
}

size_t base64_encode(const void *data, size_t n, char *out)
{
	size_t len = encode(standard, data, n, out);

	while (len % 4)
		out[len++] = '=';
	return len;
}

int base64_decode(struct jd_str in, void *out, size_t cap, size_t *ret_len)
{
	size_t pad = 0;

	if (in.len % 4)
		return -JD_EINVAL;
	while (pad < 2 && in.len > 0 && in.p[in.len - 1] == '=') {
		in.len--;
		pad++;
	}
	return decode(standard, in, out, cap, ret_len);
}

size_t base64url_encode(const void *data, size_t n, char *out)
{
	return encode(url, data, n, out);
}

int base64url_decode(struct jd_str in, void *out, size_t cap, size_t *ret_len)
{
	return decode(url, in, out, cap, ret_len);
}
