/* SPDX-License-Identifier: MIT
 *
 * The byte machine of HTTP: it finds the lines of a header within their bounds,
 * has them taken apart by http_request.c, and then reads the body, which is
 * counted and thrown away.
 *
 * A line ends with CR LF and nothing else; CR and LF never stand alone.  That is
 * where proxies and servers that are more generous come to disagree about where
 * one request ends and the next begins.
 */
#include "net/http_parse.h"

#include "util/mem.h"

enum {
	IN_LINE, /* the request line */
	IN_HEADER,
	IN_BODY, /* with a length */
	IN_CHUNK_SIZE,
	IN_CHUNK_EXT,
	IN_CHUNK_DATA,
	IN_CHUNK_END,
	IN_TRAILER,
	IS_DONE,
	IS_BAD,
};

/* Behind the target: a space, the version, CR LF. */
#define MAX_HEAD         (HTTP_MAX_METHOD + 1 + HTTP_MAX_TARGET + 11 + HTTP_MAX_HEADER)
#define MAX_CHUNK_DIGITS 8
#define VERSION_LINE     (sizeof("HTTP/1.1\r\n") - 1)

void http_parser_init(struct http_parser *p)
{
	*p = (struct http_parser){.phase = IN_LINE};
	buf_init(&p->head, MAX_HEAD);
}

void http_parser_free(struct http_parser *p)
{
	mem_free(p->rq);
	p->rq = NULL;
	buf_free(&p->head);
}

void http_parser_reset(struct http_parser *p)
{
	http_parser_free(p);
	http_parser_init(p);
}

bool http_parser_idle(const struct http_parser *p)
{
	return p->phase == IN_LINE && p->head.len == 0;
}

bool http_parser_in_body(const struct http_parser *p)
{
	return p->phase >= IN_BODY && p->phase <= IN_TRAILER;
}

/* The byte functions below return 0 or the status of a refusal. */

static unsigned keep(struct http_parser *p, char c)
{
	switch (buf_append(&p->head, &c, 1)) {
	case 0:
		return 0;
	case -JD_ELIMIT: /* only the request line can come here: a header is counted */
		return 400;
	default:
		return 503;
	}
}

/* CR, LF and everything that no line may hold. *ret_end: the line is complete. */
static unsigned line_end(struct http_parser *p, unsigned char c, bool *ret_end)
{
	*ret_end = false;
	if (p->cr != (c == '\n'))
		return 400;
	p->cr = c == '\r';
	*ret_end = c == '\n';
	return p->cr || *ret_end || http_text_char(c) ? 0 : 400;
}

/* The bounds of the request line's three parts, while they come. */
static unsigned bound_request_line(struct http_parser *p, unsigned char c)
{
	if (c == ' ') {
		p->spaces++;
		p->line = (uint32_t)p->head.len + 1; /* the third part begins here, perhaps */
		return p->spaces > 2 ? 400 : 0;
	}
	if (p->spaces == 2)
		return p->head.len - p->line < VERSION_LINE ? 0 : 400;
	if (p->spaces == 0 && c != '\r' && c != '\n')
		return p->head.len < HTTP_MAX_METHOD && http_token_char(c) ? 0 : 400;
	if (p->spaces == 1 && ++p->target_len > HTTP_MAX_TARGET)
		return 414;
	return 0;
}

static unsigned request_line_byte(struct http_parser *p, unsigned char c)
{
	unsigned status;
	bool end;

	status = line_end(p, c, &end);
	if (status == 0)
		status = bound_request_line(p, c);
	if (status == 0)
		status = keep(p, (char)c);
	if (status || !end)
		return status;
	if (p->head.len == 2) {
		/* Some clients send an empty line behind a body. */
		if (p->blank)
			return 400;
		buf_free(&p->head);
		p->blank = true;
		return 0;
	}
	p->line = (uint32_t)p->head.len;
	p->phase = IN_HEADER;
	return 0;
}

static unsigned header_end(struct http_parser *p)
{
	struct http_framing framing;
	unsigned status;

	p->rq = mem_new(struct http_request);
	status = http_request_parse(p->head.p, p->line, p->rq, &framing);
	if (status)
		return status;
	if (framing.length > HTTP_MAX_DISCARD)
		return 413;
	p->left = (uint32_t)framing.length;
	p->spaces = 0;
	p->phase = framing.chunked ? IN_CHUNK_SIZE : p->left ? IN_BODY : IS_DONE;
	return 0;
}

static unsigned header_byte(struct http_parser *p, unsigned char c)
{
	unsigned status;
	bool end;

	if (++p->header_bytes > HTTP_MAX_HEADER)
		return 431;
	status = line_end(p, c, &end);
	/* A line that goes on with white space was a folded value once. */
	if (status == 0 && p->head.len == p->line && (c == ' ' || c == '\t'))
		status = 400;
	if (status == 0)
		status = keep(p, (char)c);
	if (status || !end)
		return status;
	if (p->head.len - p->line == 2)
		return header_end(p);
	if (++p->n_headers > JD_ARRAY_SIZE(((struct http_request *)0)->headers))
		return 431;
	p->line = (uint32_t)p->head.len;
	return 0;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size of a chunk was read up to its line end. */
static void chunk_begins(struct http_parser *p)
{
	p->spaces = 0;
	p->line = 0;
	p->phase = p->left ? IN_CHUNK_DATA : IN_TRAILER;
}

/* Refused before its data if the body would become too long. */
static unsigned chunk_size_byte(struct http_parser *p, unsigned char c)
{
	int digit = hex_value(c);
	bool end;

	if (!p->cr && digit >= 0) {
		if (++p->spaces > MAX_CHUNK_DIGITS)
			return 400;
		p->left = p->left << 4 | (uint32_t)digit;
		return 0;
	}
	if (p->spaces == 0)
		return 400;
	if (p->left > HTTP_MAX_DISCARD - p->body_read)
		return 413;
	if (!p->cr && c == ';') {
		p->phase = IN_CHUNK_EXT;
		return 0;
	}
	if (c != '\r' && c != '\n')
		return 400;
	if (line_end(p, c, &end))
		return 400;
	if (end)
		chunk_begins(p);
	return 0;
}

static unsigned chunk_ext_byte(struct http_parser *p, unsigned char c)
{
	bool end;

	if (++p->header_bytes > HTTP_MAX_HEADER)
		return 431;
	if (line_end(p, c, &end))
		return 400;
	if (end)
		chunk_begins(p);
	return 0;
}

static unsigned chunk_end_byte(struct http_parser *p, unsigned char c)
{
	bool end;

	if ((c != '\r' && c != '\n') || line_end(p, c, &end))
		return 400;
	if (end)
		p->phase = IN_CHUNK_SIZE;
	return 0;
}

/* Trailers are looked at and forgotten; line counts the bytes of this one. */
static unsigned trailer_byte(struct http_parser *p, unsigned char c)
{
	bool end;

	if (++p->header_bytes > HTTP_MAX_HEADER)
		return 431;
	if (line_end(p, c, &end))
		return 400;
	if (end) {
		if (p->line == 0)
			p->phase = IS_DONE;
		else if (!p->colon)
			return 400;
		p->line = 0;
		p->colon = false;
		return 0;
	}
	if (p->cr)
		return 0;
	if (c == ':' && p->line > 0)
		p->colon = true;
	else if (!p->colon && !http_token_char(c))
		return 400;
	p->line++;
	return 0;
}

/* Takes as much of the body's data as there is; the only step that is not byte by byte. */
static size_t skip_data(struct http_parser *p, size_t n)
{
	if (n > p->left)
		n = p->left;
	p->left -= (uint32_t)n;
	p->body_read += (uint32_t)n;
	if (p->left == 0)
		p->phase = p->phase == IN_BODY ? IS_DONE : IN_CHUNK_END;
	return n;
}

static unsigned one_byte(struct http_parser *p, unsigned char c)
{
	switch (p->phase) {
	case IN_LINE:
		return request_line_byte(p, c);
	case IN_HEADER:
		return header_byte(p, c);
	case IN_CHUNK_SIZE:
		return chunk_size_byte(p, c);
	case IN_CHUNK_EXT:
		return chunk_ext_byte(p, c);
	case IN_CHUNK_END:
		return chunk_end_byte(p, c);
	default:
		return trailer_byte(p, c);
	}
}

enum http_parse http_parser_feed(struct http_parser *p, const char *bytes, size_t n,
				 size_t *ret_used)
{
	size_t i = 0;

	while (i < n && p->phase != IS_DONE && p->phase != IS_BAD) {
		if (p->phase == IN_BODY || p->phase == IN_CHUNK_DATA) {
			i += skip_data(p, n - i);
			continue;
		}
		p->status = (uint16_t)one_byte(p, (unsigned char)bytes[i++]);
		if (p->status)
			p->phase = IS_BAD;
	}
	*ret_used = i;
	if (p->phase == IS_BAD)
		return HTTP_PARSE_BAD;
	return p->phase == IS_DONE ? HTTP_PARSE_DONE : HTTP_PARSE_MORE;
}
