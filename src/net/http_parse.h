/* SPDX-License-Identifier: MIT
 *
 * The part of HTTP that needs no socket: bytes in, one request or one status
 * out, in whatever pieces the bytes come.  Lines are looked at byte by byte while
 * they arrive, so that neither the result nor the status of a refusal depends
 * on where the network cut them.
 *
 * Between requests the parser holds no memory but itself.
 */
#pragma once

#include "net/http.h"
#include "util/buf.h"

#define HTTP_MAX_METHOD 16
#define HTTP_MAX_TARGET 2048
#define HTTP_MAX_HEADER                                                                            \
	8192 /* header lines with their ends; extensions of chunks and trailers too */
#define HTTP_MAX_DISCARD (64u << 10) /* of a body: nobody here wants one */

enum http_parse {
	HTTP_PARSE_MORE, /* everything was taken */
	HTTP_PARSE_DONE, /* rq is there until http_parser_reset() */
	HTTP_PARSE_BAD,  /* answer with status and close */
};

struct http_parser {
	struct buf head;         /* the request line and all header lines */
	struct http_request *rq; /* from the end of the header on */
	uint32_t line;           /* where in head the current line begins */
	uint32_t target_len;
	uint32_t header_bytes;
	uint32_t n_headers;
	uint32_t left;      /* of the body, or of this chunk */
	uint32_t body_read; /* bytes of the body so far: what a minimum rate is measured by */
	uint16_t status;
	uint8_t phase;
	uint8_t spaces; /* in the request line; hex digits in a chunk size */
	bool cr;        /* the last byte was CR */
	bool colon;     /* in a trailer: its name has ended */
	bool blank;     /* the one empty line before a request that is let pass */
};

void http_parser_init(struct http_parser *p);
void http_parser_free(struct http_parser *p);
/* Ready for the next request on the same connection. */
void http_parser_reset(struct http_parser *p);

enum http_parse http_parser_feed(struct http_parser *p, const char *bytes, size_t n,
				 size_t *ret_used);

/* Nothing of a request has come yet. */
bool http_parser_idle(const struct http_parser *p);
/* The header is complete and its body is still coming. */
bool http_parser_in_body(const struct http_parser *p);

/* -- for http_parse.c's other half, http_request.c -------------------------------------- */

/* How the body of a request is delimited. */
struct http_framing {
	bool chunked;
	uint64_t length;
};

/* Takes head (whole lines, without the empty one) apart, in place. 0 or the status of a refusal. */
unsigned http_request_parse(char *head, size_t n, struct http_request *rq,
			    struct http_framing *ret_framing);

bool http_token_char(unsigned char c);
/* What a field value may hold, also within a line that is not taken apart. */
bool http_text_char(unsigned char c);
/* True when the list (comma-separated, in all headers of that name) has the token; tokens of
 * HTTP compare without case unless exact. */
bool http_header_has(const struct http_request *rq, const char *name, const char *token,
		     bool exact);
