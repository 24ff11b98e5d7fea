/* SPDX-License-Identifier: MIT
 *
 * The cutter of streams counts tags and knows quotes, no more: a server's output is
 * well formed or the run is void anyway, and what is measured is the server.
 */
#include "cut.h"

#include <string.h>

#include "login.h"

#define OP_TEXT  1
#define OP_CLOSE 8
#define OP_PING  9
#define OP_PONG  10

bool cut_starts(const char *p, size_t n, const char *with)
{
	size_t len = strlen(with);

	return n >= len && memcmp(p, with, len) == 0;
}

/* The end of the tag that begins at p, behind its '>'; NULL when it is not all there. */
static const char *tag_end(const char *p, const char *end)
{
	char quote = 0;

	for (; p < end; p++) {
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (*p == '>')
			return p + 1;
	}
	return NULL;
}

const char *bench_attr(const char *p, size_t n, const char *name, size_t *ret_len)
{
	const char *end = tag_end(p, p + n);
	size_t len = strlen(name);

	for (; end && p + len + 3 < end; p++) {
		const char *v = p + len + 3, *stop;

		if (p[0] != ' ' || memcmp(p + 1, name, len) != 0 || p[len + 1] != '=')
			continue;
		if (!(stop = memchr(v, v[-1], (size_t)(end - v))))
			return NULL;
		*ret_len = (size_t)(stop - v);
		return v;
	}
	return NULL;
}

/* -- streams ------------------------------------------------------------------------------ */

size_t cut_stream(struct bench_client *c, const char *bytes, size_t n)
{
	const char *p = bytes, *end = bytes + n, *start = bytes;
	unsigned depth = 0;

	while (c->state != BENCH_OFF && (p = memchr(p, '<', (size_t)(end - p)))) {
		const char *tag = p;

		if (!(p = tag_end(tag, end)))
			break;
		if (tag[1] == '?' || cut_starts(tag, (size_t)(p - tag), "<stream:stream")) {
			start = p;
			continue;
		}
		if (cut_starts(tag, (size_t)(p - tag), "</stream:stream")) {
			bench_client_over(c, "the server closed the stream");
			break;
		}
		if (tag[1] == '/')
			depth--;
		else if (depth++ == 0)
			start = tag;
		if (tag[1] != '/' && p[-2] == '/')
			depth--;
		if (depth == 0) {
			login_element(c, start, (size_t)(p - start));
			start = p;
		}
	}
	return (size_t)(start - bytes);
}

/* -- frames --------------------------------------------------------------------------------- */

static const unsigned char mask[4] = {0x5a, 0xc3, 0x96, 0x2d};

size_t cut_frame_head(unsigned char *ret_head, unsigned opcode, size_t n)
{
	size_t at = 2;

	ret_head[0] = (unsigned char)(0x80 | opcode);
	if (n < 126) {
		ret_head[1] = (unsigned char)(0x80 | n);
	} else {
		unsigned bytes = n < 65536 ? 2 : 8;

		ret_head[1] = n < 65536 ? 0x80 | 126 : 0x80 | 127;
		for (unsigned i = bytes; i-- > 0;)
			ret_head[at++] = (unsigned char)((uint64_t)n >> (8 * i));
	}
	memcpy(ret_head + at, mask, sizeof(mask));
	return at + sizeof(mask);
}

void cut_mask(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(p[i] ^ (char)mask[i % 4]);
}

/* Head and payload of the frame at p; 0 when the head isn't all there. */
static size_t frame_head(const unsigned char *p, size_t n, uint64_t *ret_len)
{
	unsigned bytes;
	uint64_t len = 0;

	if (n < 2)
		return 0;
	bytes = (p[1] & 127) == 126 ? 2 : (p[1] & 127) == 127 ? 8 : 0;
	if (n < 2 + bytes)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		len = len << 8 | p[2 + i];
	*ret_len = bytes ? len : p[1] & 127;
	return 2 + bytes;
}

static void on_frame(struct bench_client *c, unsigned first, const char *p, size_t n)
{
	switch (first) {
	case 0x80 | OP_TEXT:
		if (cut_starts(p, n, "<close"))
			bench_client_over(c, "the server closed the stream");
		else if (!cut_starts(p, n, "<open"))
			login_element(c, p, n);
		break;
	case 0x80 | OP_PING:
		login_frame(c, OP_PONG, p, n);
		break;
	case 0x80 | OP_PONG:
		break;
	case 0x80 | OP_CLOSE:
		bench_client_over(c, "the server closed the WebSocket");
		break;
	default:
		bench_client_over(c, "a frame that is not known here");
	}
}

size_t cut_frames(struct bench_client *c, const char *bytes, size_t n)
{
	size_t at = 0, head;
	uint64_t len;

	while (c->state != BENCH_OFF &&
	       (head = frame_head((const unsigned char *)bytes + at, n - at, &len)) &&
	       n - at - head >= len) {
		on_frame(c, (unsigned char)bytes[at], bytes + at + head, (size_t)len);
		at += head + (size_t)len;
	}
	return at;
}
