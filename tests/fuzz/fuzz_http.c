/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the parser of HTTP.  The first byte says in how large pieces the rest
 * is fed; the outcome must be the same as in one piece, and what was accepted
 * must keep what http.h promises.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_parse.h"
#include "util/mem.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum http_parse result;
	unsigned status;
	size_t used;
	char path[HTTP_MAX_TARGET + 1];
	size_t n_headers;
	bool keep_alive;
};

static void check_path(struct jd_str path)
{
	if (jd_str_is(path, "*"))
		return;
	JD_ASSERT(path.len >= 1 && path.len <= HTTP_MAX_TARGET && path.p[0] == '/');
	JD_ASSERT(utf8_valid_xml(path.p, path.len));
	JD_ASSERT(!memmem(path.p, path.len, "/../", 4) && !memchr(path.p, '\\', path.len));
	JD_ASSERT(path.len < 3 || memcmp(path.p + path.len - 3, "/..", 3) != 0);
}

static void check_request(const struct http_request *rq)
{
	check_path(rq->path);
	JD_ASSERT(rq->n_headers <= JD_ARRAY_SIZE(rq->headers));
	JD_ASSERT(rq->method.len >= 1 && rq->method.len <= HTTP_MAX_METHOD);
	for (size_t i = 0; i < rq->n_headers; i++) {
		JD_ASSERT(rq->headers[i].name.len > 0);
		for (size_t k = 0; k < rq->headers[i].value.len; k++)
			JD_ASSERT(http_text_char((unsigned char)rq->headers[i].value.p[k]));
	}
}

static void parse(const uint8_t *data, size_t size, size_t step, struct outcome *ret)
{
	struct http_parser p;
	size_t used;

	*ret = (struct outcome){.result = HTTP_PARSE_MORE};
	http_parser_init(&p);
	while (ret->result == HTTP_PARSE_MORE && ret->used < size) {
		size_t n = step < size - ret->used ? step : size - ret->used;

		ret->result = http_parser_feed(&p, (const char *)data + ret->used, n, &used);
		ret->used += used;
	}
	ret->status = p.status;
	if (ret->result == HTTP_PARSE_DONE) {
		check_request(p.rq);
		memcpy(ret->path, p.rq->path.p, p.rq->path.len);
		ret->n_headers = p.rq->n_headers;
		ret->keep_alive = p.rq->keep_alive;
	}
	http_parser_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (size < 2)
		return 0;
	parse(data + 1, size - 1, size, &whole);
	parse(data + 1, size - 1, (size_t)data[0] % 64 + 1, &pieces);
	JD_ASSERT(whole.result == pieces.result && whole.status == pieces.status);
	JD_ASSERT(whole.used == pieces.used && whole.n_headers == pieces.n_headers);
	JD_ASSERT(whole.keep_alive == pieces.keep_alive);
	JD_ASSERT(strcmp(whole.path, pieces.path) == 0);
	return 0;
}
