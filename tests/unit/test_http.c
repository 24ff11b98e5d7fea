/* SPDX-License-Identifier: MIT
 *
 * The parser of HTTP, fed with every request of the tables whole, cut at every
 * point, and byte by byte: the outcome must be the same each time.  What takes
 * part in it is written down as text and compared with the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/http_parse.h"
#include "net/http_reply.h"
#include "net/ws_handshake.h"
#include "util/mem.h"

/* Requests may hold NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

#define HOST "Host: a\r\n"

struct vector {
	const char *in;
	size_t n;
	const char *out; /* as outcome() writes it */
	const char *what;
};

/* "status" or "method path?query host keep|close" with the number of bytes left over. */
static void outcome(struct http_parser *p, enum http_parse result, size_t left, char *out,
		    size_t size)
{
	const struct http_request *rq = p->rq;

	if (result == HTTP_PARSE_MORE)
		(void)snprintf(out, size, "more");
	else if (result == HTTP_PARSE_BAD)
		(void)snprintf(out, size, "%u", p->status);
	else
		(void)snprintf(out, size, "%.*s %.*s?%.*s %.*s %s +%zu", JD_FMT(rq->method),
			       JD_FMT(rq->path), JD_FMT(rq->query), JD_FMT(rq->host),
			       rq->keep_alive ? "keep" : "close", left);
}

/* In pieces that end at cut, and then of step bytes; each in memory of its own size, so that
 * reading past it is seen. */
static enum http_parse feed_in_pieces(struct http_parser *p, const char *in, size_t n, size_t cut,
				      size_t step, size_t *ret_used)
{
	enum http_parse result = HTTP_PARSE_MORE;
	size_t at = 0, used;

	while (at < n && result == HTTP_PARSE_MORE) {
		size_t len = at < cut ? cut - at : step;
		char *piece;

		if (len > n - at)
			len = n - at;
		piece = malloc(len);
		assert_non_null(piece);
		memcpy(piece, in + at, len);
		result = http_parser_feed(p, piece, len, &used);
		assert_true(used <= len);
		if (result == HTTP_PARSE_MORE)
			assert_int_equal(used, len);
		free(piece);
		at += used;
	}
	*ret_used = at;
	return result;
}

static void run_cut(const char *in, size_t n, size_t cut, size_t step, char *out, size_t size)
{
	struct http_parser p;
	enum http_parse result;
	size_t used;

	http_parser_init(&p);
	result = feed_in_pieces(&p, in, n, cut, step, &used);
	outcome(&p, result, n - used, out, size);
	http_parser_free(&p);
}

static void check(const struct vector *v)
{
	size_t stride = v->n > 600 ? 1 + v->n / 23 : 1;
	char out[4096];

	for (size_t cut = 0; cut <= v->n; cut += stride) {
		run_cut(v->in, v->n, cut, v->n + 1, out, sizeof(out));
		if (strcmp(out, v->out) != 0)
			fail_msg("%s, cut at %zu: \"%s\" instead of \"%s\"", v->what, cut, out,
				 v->out);
	}
	run_cut(v->in, v->n, 0, 1, out, sizeof(out));
	if (strcmp(out, v->out) != 0)
		fail_msg("%s, byte by byte: \"%s\" instead of \"%s\"", v->what, out, v->out);
}

static void check_all(const struct vector *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(&table[i]);
}

static const struct vector good[] = {
	{BYTES("GET / HTTP/1.1\r\nHost: Example.ORG\r\n\r\n"), "GET /? example.org keep +0",
	 "the plainest"},
	{BYTES("GET /a?b=%20c HTTP/1.1\r\n" HOST "\r\n"), "GET /a?b=%20c a keep +0",
	 "the query stays raw"},
	{BYTES("GET /? HTTP/1.1\r\n" HOST "\r\n"), "GET /? a keep +0", "an empty query"},
	{BYTES("GET /%61%2Fb%c3%a9 HTTP/1.1\r\n" HOST "\r\n"), "GET /a/b\u00e9? a keep +0",
	 "escapes in the path"},
	{BYTES("GET /%2541 HTTP/1.1\r\n" HOST "\r\n"), "GET /%41? a keep +0", "decoded once only"},
	{BYTES("GET /..a/b../.../. HTTP/1.1\r\n" HOST "\r\n"), "GET /..a/b../.../.? a keep +0",
	 "dots that don't climb"},
	{BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), "GET /? a keep +0", "one empty line before"},
	{BYTES("GET / HTTP/1.0\r\n\r\n"), "GET /?  close +0", "1.0 needs no host"},
	{BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), "GET /?  keep +0",
	 "1.0 asks to be kept"},
	{BYTES("GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n"), "GET /?  close +0",
	 "close wins"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Connection: x , CLOSE\r\n\r\n"), "GET /? a close +0",
	 "close in a list"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: close\r\n\r\n"),
	 "GET /? a close +0", "close in the second of two headers"},
	{BYTES("GET / HTTP/1.9\r\n" HOST "\r\n"), "GET /? a keep +0", "a later 1.x"},
	{BYTES("M-SEARCH!x / HTTP/1.1\r\n" HOST "\r\n"), "M-SEARCH!x /? a keep +0",
	 "any token is a method"},
	{BYTES("GET / HTTP/1.1\r\nhOST:a:5280\r\n\r\n"), "GET /? a keep +0", "host with port"},
	{BYTES("GET / HTTP/1.1\r\nHost: [::1]:80 \r\n\r\n"), "GET /? [::1] keep +0", "IPv6 host"},
	{BYTES("GET http://B.c:80/d?e HTTP/1.1\r\n" HOST "\r\n"), "GET /d?e b.c keep +0",
	 "absolute form: its host counts"},
	{BYTES("GET HTTPS://b HTTP/1.1\r\n" HOST "\r\n"), "GET /? b keep +0",
	 "absolute form without path"},
	{BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "OPTIONS *? a keep +0", "OPTIONS *"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "X:\r\nY: \t \r\nZ: \x80\xff\r\n\r\n"), "GET /? a keep +0",
	 "empty values and old text"},
	{BYTES("GET /1 HTTP/1.1\r\n" HOST "\r\nGET /2"), "GET /1? a keep +6", "one at a time"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\nab"), "GET /? a keep +2",
	 "no body"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n\r\n\0xyab"), "GET /? a keep +2",
	 "a body is skipped"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
	       "5\r\n01\r\n4\r\n000A;x=\"y\";z\r\n0123456789\r\n0\r\n\r\nab"),
	 "GET /? a keep +2", "chunks are skipped"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
	       "0\r\nX: y\r\nZ:\r\n\r\nab"),
	 "GET /? a keep +2", "trailers are skipped"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "X: y\r\n"), "more", "no end of the header yet"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab"), "more",
	 "no end of the body yet"},
};

static void test_good(void **state)
{
	(void)state;
	check_all(good, JD_ARRAY_SIZE(good));
}

#define LINE(line)     BYTES(line "\r\n" HOST "\r\n"), "400"
#define FIELD(line)    BYTES("GET / HTTP/1.1\r\n" HOST line "\r\n\r\n"), "400"
#define HOST_IS(value) BYTES("GET / HTTP/1.1\r\nHost: " value "\r\n\r\n"), "400"
#define CHUNKED        "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static const struct vector bad[] = {
	/* lines */
	{BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"), "400", "bare LF behind the request line"},
	{BYTES("GET / HTTP/1.1\r\nHost: a\n\r\n"), "400", "bare LF behind a header"},
	{BYTES("GET / HTTP/1.1\r\nHost: a\r\n\n"), "400", "bare LF at the end"},
	{BYTES("GET / HTTP/1.1\rHost: a\r\n\r\n"), "400", "bare CR in the request line"},
	{FIELD("X: a\rb"), "bare CR in a value"},
	{FIELD("X: a\r\r"), "two CR"},
	{BYTES("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), "400", "two empty lines before"},
	{BYTES("\n"), "400", "LF alone"},
	{BYTES("\x16\x03\x01\x02"), "400", "a TLS handshake"},
	{BYTES("<stream:stream xmlns='jabber:client'>"), "400", "an XMPP stream"},
	/* request line */
	{LINE("GET /\0 HTTP/1.1"), "NUL in the target"},
	{LINE("GET /\t HTTP/1.1"), "TAB in the target"},
	{LINE("GET  / HTTP/1.1"), "two spaces"},
	{LINE("GET / HTTP/1.1 "), "space at the end"},
	{LINE(" GET / HTTP/1.1"), "space at the beginning"},
	{LINE("GET /"), "HTTP/0.9"},
	{LINE("GET"), "a method alone"},
	{LINE("G(T / HTTP/1.1"), "a method that is no token"},
	{LINE("SEVENTEENLETTERSX / HTTP/1.1"), "a method that is too long"},
	{LINE("GET / http/1.1"), "version in lower case"},
	{LINE("GET / HTTP/1.10"), "version too long"},
	{LINE("GET / HTTP/1,1"), "version with a comma"},
	{LINE("GET / HTTP/x.1"), "version without number"},
	{BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), "505", "a version of the future"},
	{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505", "the preface of HTTP/2"},
	/* target */
	{LINE("GET a HTTP/1.1"), "no slash"},
	{LINE("GET * HTTP/1.1"), "asterisk without OPTIONS"},
	{LINE("CONNECT a:80 HTTP/1.1"), "the target of CONNECT"},
	{LINE("GET ftp://a/ HTTP/1.1"), "another scheme"},
	{LINE("GET http:///a HTTP/1.1"), "absolute form without host"},
	{LINE("GET http://u@a/ HTTP/1.1"), "absolute form with a user"},
	{LINE("GET /#x HTTP/1.1"), "fragment"},
	{LINE("GET /\xc3\xa9 HTTP/1.1"), "raw UTF-8"},
	{LINE("GET /.. HTTP/1.1"), ".. at the end"},
	{LINE("GET /a/../b HTTP/1.1"), ".. in the middle"},
	{LINE("GET /%2e%2E/b HTTP/1.1"), ".. escaped"},
	{LINE("GET /a%2f..%2fb HTTP/1.1"), ".. between escaped slashes"},
	{LINE("GET http://a/../b HTTP/1.1"), ".. in the absolute form"},
	{LINE("GET /%2 HTTP/1.1"), "half an escape"},
	{LINE("GET /% HTTP/1.1"), "percent alone"},
	{LINE("GET /%2> HTTP/1.1"), "an escape that is not hex"},
	{LINE("GET /%u002e HTTP/1.1"), "an escape of somebody's own"},
	{LINE("GET /%00 HTTP/1.1"), "escaped NUL"},
	{LINE("GET /%0a HTTP/1.1"), "escaped LF"},
	{LINE("GET /%7f HTTP/1.1"), "escaped DEL"},
	{LINE("GET /a\\b HTTP/1.1"), "backslash"},
	{LINE("GET /a%5Cb HTTP/1.1"), "escaped backslash"},
	{LINE("GET /%c0%ae HTTP/1.1"), "overlong UTF-8"},
	{LINE("GET /%ff HTTP/1.1"), "no UTF-8"},
	/* headers */
	{FIELD("X: a\r\n b"), "folded with a space"},
	{FIELD("X: a\r\n\tb"), "folded with a TAB"},
	{BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "400", "space before the first header"},
	{FIELD("X : a"), "space behind a name"},
	{FIELD("X"), "no colon"},
	{FIELD(": a"), "no name"},
	{FIELD("X(: a"), "a name that is no token"},
	{FIELD("X: \0"), "NUL in a value"},
	{FIELD("X: \x01"), "a control character in a value"},
	{FIELD("X: \x7f"), "DEL in a value"},
	/* host */
	{BYTES("GET / HTTP/1.1\r\nX: y\r\n\r\n"), "400", "no host"},
	{FIELD("Host: b"), "two hosts"},
	{HOST_IS(""), "an empty host"},
	{HOST_IS(":80"), "a port alone"},
	{HOST_IS("a b"), "a host with a space"},
	{HOST_IS("a,b"), "a list of hosts"},
	{HOST_IS("a/b"), "a host with a path"},
	{HOST_IS("u@a"), "a host with a user"},
	{HOST_IS("a:80x"), "a port that is no number"},
	{HOST_IS("a:123456"), "a port that is too long"},
	{HOST_IS("[::1"), "an open bracket"},
	{HOST_IS("[]"), "empty brackets"},
	{HOST_IS("[::1]a"), "text behind brackets"},
	{HOST_IS("::1"), "IPv6 without brackets"},
	/* framing */
	{FIELD("Content-Length: 1\r\nTransfer-Encoding: chunked"), "length and coding"},
	{FIELD("Transfer-Encoding: chunked\r\nContent-Length: 1"), "coding and length"},
	{FIELD("Content-Length: 1\r\nContent-Length: 1"), "the same length twice"},
	{FIELD("Content-Length: 1, 1"), "a list of lengths"},
	{FIELD("Content-Length: +1"), "a sign"},
	{FIELD("Content-Length: -1"), "a negative length"},
	{FIELD("Content-Length: 0x1"), "a hex length"},
	{FIELD("Content-Length: 1 1"), "a length with a space"},
	{FIELD("Content-Length:"), "an empty length"},
	{FIELD("Transfer-Encoding: gzip"), "an unknown coding"},
	{FIELD("Transfer-Encoding: gzip, chunked"), "two codings"},
	{FIELD("Transfer-Encoding: chunked, chunked"), "chunked twice"},
	{FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "two such headers"},
	{FIELD("Transfer-Encoding: xchunked"), "nearly chunked"},
	{FIELD("Transfer-Encoding: identity"), "identity"},
	{FIELD("Transfer-Encoding:"), "an empty coding"},
	{BYTES("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400", "a coding in 1.0"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n"),
	 "417", "expectations"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"), "413",
	 "a body that is too long"},
	{BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n"), "413",
	 "a length that wraps round"},
	/* chunks */
	{BYTES(CHUNKED "\r\n"), "400", "no size"},
	{BYTES(CHUNKED ";x\r\n"), "400", "an extension without size"},
	{BYTES(CHUNKED "g\r\n"), "400", "a size that is not hex"},
	{BYTES(CHUNKED "0x1\r\n"), "400", "a size with 0x"},
	{BYTES(CHUNKED "-1\r\n"), "400", "a negative size"},
	{BYTES(CHUNKED " 1\r\n"), "400", "space before a size"},
	{BYTES(CHUNKED "1 \r\n"), "400", "space behind a size"},
	{BYTES(CHUNKED "1\n"), "400", "bare LF behind a size"},
	{BYTES(CHUNKED "1\rx"), "400", "bare CR behind a size"},
	{BYTES(CHUNKED "1\r1\n"), "400", "a size around CR"},
	{BYTES(CHUNKED "1;a\n"), "400", "bare LF behind an extension"},
	{BYTES(CHUNKED "1;a\rb\r\n"), "400", "bare CR in an extension"},
	{BYTES(CHUNKED "1;\0\r\n"), "400", "NUL in an extension"},
	{BYTES(CHUNKED "1\r\nab\r\n"), "400", "a chunk longer than its size"},
	{BYTES(CHUNKED "1\r\na\n"), "400", "bare LF behind a chunk"},
	{BYTES(CHUNKED "1\r\na\r\r\n"), "400", "bare CR behind a chunk"},
	{BYTES(CHUNKED "000000001\r\n"), "400", "a size with nine digits"},
	{BYTES(CHUNKED "10001\r\n"), "413", "a chunk that is too long"},
	{BYTES(CHUNKED "ffffffff\r\n"), "413", "a chunk that is much too long"},
	{BYTES(CHUNKED "1\r\na\r\n10000\r\n"), "413", "chunks that are too long together"},
	{BYTES(CHUNKED "0\r\n x\r\n"), "400", "a folded trailer"},
	{BYTES(CHUNKED "0\r\nX\r\n\r\n"), "400", "a trailer without colon"},
	{BYTES(CHUNKED "0\r\n:x\r\n\r\n"), "400", "a trailer without name"},
	{BYTES(CHUNKED "0\r\nX :x\r\n\r\n"), "400", "space behind a trailer's name"},
	{BYTES(CHUNKED "0\r\nX:x\n"), "400", "bare LF in the trailers"},
	{BYTES(CHUNKED "0\r\nX:\0\r\n\r\n"), "400", "NUL in a trailer"},
};

static void test_bad(void **state)
{
	(void)state;
	check_all(bad, JD_ARRAY_SIZE(bad));
}

/* before, then n times what, then after. */
static void check_long(const char *before, const char *what, size_t n, const char *after,
		       const char *out)
{
	struct vector v = {.out = out, .what = before};
	struct buf b;

	buf_init(&b, (size_t)1 << 20);
	assert_int_equal(buf_append(&b, before, strlen(before)), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append(&b, what, strlen(what)), 0);
	assert_int_equal(buf_append(&b, after, strlen(after)), 0);
	v.in = b.p;
	v.n = b.len;
	check(&v);
	buf_free(&b);
}

static void test_bounds(void **state)
{
	/* "Host: a" and the empty line are 11 bytes, "X: " with its end 5. */
	const size_t room = HTTP_MAX_HEADER - 11 - 5;

	(void)state;
	check_long("GET http://a/?", "x", HTTP_MAX_TARGET - 9, " HTTP/1.1\r\n" HOST "\r\nrest",
		   "414");
	check_long("GET /%2", "e", HTTP_MAX_TARGET - 3 + 1, "", "414");
	check_long("GET /%2", "e", HTTP_MAX_TARGET - 3, "", "more");
	check_long("GET / HTTP/1.1\r\n" HOST "X: ", "x", room, "\r\n\r\n", "GET /? a keep +0");
	check_long("GET / HTTP/1.1\r\n" HOST "X: ", "x", room + 1, "\r\n\r\n", "431");
	check_long("GET / HTTP/1.1\r\n" HOST, "A: b\r\n", 63, "\r\n", "GET /? a keep +0");
	check_long("GET / HTTP/1.1\r\n" HOST, "A: b\r\n", 64, "\r\n", "431");
	check_long("GET / HTTP/1.1", "1", 3000, "", "400");
	check_long("", "x", 100000, "", "400");
	check_long(CHUNKED "1;", "x", HTTP_MAX_HEADER, "", "431");
	check_long(CHUNKED "0\r\n", "A: b\r\n", HTTP_MAX_HEADER / 6 + 1, "", "431");
	check_long(CHUNKED, "1\r\nx\r\n", HTTP_MAX_DISCARD, "0\r\n\r\nrest", "GET /? a keep +4");
	check_long(CHUNKED, "1\r\nx\r\n", HTTP_MAX_DISCARD + 1, "", "413");
	check_long("GET / HTTP/1.1\r\n" HOST "Content-Length: 65536\r\n\r\n", "x", HTTP_MAX_DISCARD,
		   "rest", "GET /? a keep +4");
}

static void test_longest_target(void **state)
{
	char in[HTTP_MAX_TARGET + 64], out[HTTP_MAX_TARGET + 64];
	int n = snprintf(in, sizeof(in), "GET /%0*u HTTP/1.1\r\n" HOST "\r\n", HTTP_MAX_TARGET - 1,
			 0u);

	(void)state;
	run_cut(in, (size_t)n, 0, (size_t)n, out, sizeof(out));
	assert_memory_equal(out, "GET /00", 7);
	n = snprintf(in, sizeof(in), "GET /%0*u HTTP/1.1\r\n" HOST "\r\n", HTTP_MAX_TARGET, 0u);
	run_cut(in, (size_t)n, 0, (size_t)n, out, sizeof(out));
	assert_string_equal(out, "414");
}

static void test_headers(void **state)
{
	static const char in[] = "GET / HTTP/1.1\r\n" HOST "X-One: \t a b \r\nx-one: second\r\n"
				 "List: a, B ,c\r\nLIST: dd\r\nEmpty:\r\n\r\n";
	struct http_parser p;
	size_t used;

	(void)state;
	http_parser_init(&p);
	assert_true(http_parser_idle(&p));
	assert_int_equal(http_parser_feed(&p, in, sizeof(in) - 1, &used), HTTP_PARSE_DONE);
	assert_int_equal(p.rq->n_headers, 6);
	assert_true(jd_str_is(http_header(p.rq, "x-one"), "a b"));
	assert_true(jd_str_is(p.rq->headers[2].value, "second"));
	assert_null(http_header(p.rq, "two").p);
	assert_non_null(http_header(p.rq, "empty").p);
	assert_int_equal(http_header(p.rq, "empty").len, 0);
	assert_true(http_header_has(p.rq, "list", "b", false));
	assert_false(http_header_has(p.rq, "list", "b", true));
	assert_true(http_header_has(p.rq, "list", "dd", true));
	assert_false(http_header_has(p.rq, "list", "d", false));
	assert_false(http_header_has(p.rq, "empty", "d", false));
	http_parser_free(&p);
}

static void test_pipeline(void **state)
{
	static const char in[] =
		"GET /1 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxy"
		"GET /2 HTTP/1.1\r\n" HOST "\r\n\r\nGET /3 HTTP/1.1\r\n" HOST "\r\n";
	size_t at = 0, used;
	struct http_parser p;

	(void)state;
	http_parser_init(&p);
	for (char c = '1'; c <= '3'; c++) {
		assert_int_equal(http_parser_feed(&p, in + at, sizeof(in) - 1 - at, &used),
				 HTTP_PARSE_DONE);
		assert_int_equal(p.rq->path.p[1], c);
		at += used;
		http_parser_reset(&p);
		assert_true(http_parser_idle(&p));
		assert_null(p.head.p);
	}
	assert_int_equal(at, sizeof(in) - 1);
	http_parser_free(&p);
}

static void test_no_memory(void **state)
{
	char out[64];

	(void)state;
	mem_fail_at(1);
	run_cut(BYTES("GET / HTTP/1.1\r\n"), 0, 100, out, sizeof(out));
	mem_fail_at(0);
	assert_string_equal(out, "503");
}

/* -- the handshake of WebSocket ------------------------------------------------------------- */

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define PROTO   "Sec-WebSocket-Protocol: xmpp\r\n"

static const struct {
	const char *headers;
	unsigned status;
	const char *what;
} handshakes[] = {
	{UPGRADE KEY VERSION PROTO, 101, "the plainest"},
	{"Upgrade: WebSocket\r\nConnection: keep-alive, uPGRADE\r\n" KEY VERSION PROTO, 101,
	 "case, and a list"},
	{"Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n" KEY VERSION PROTO, 101,
	 "a list of upgrades"},
	{UPGRADE KEY VERSION "Sec-WebSocket-Protocol: a, xmpp\r\n", 101, "a list of subprotocols"},
	{UPGRADE KEY VERSION "Sec-WebSocket-Protocol: a\r\n" PROTO, 101,
	 "subprotocols in two headers"},
	{UPGRADE KEY VERSION PROTO "Sec-WebSocket-Extensions: permessage-deflate\r\n", 101,
	 "an extension is offered"},
	{KEY VERSION PROTO, 426, "no upgrade"},
	{"Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION PROTO, 426, "another upgrade"},
	{UPGRADE KEY PROTO, 426, "no version"},
	{UPGRADE KEY PROTO "Sec-WebSocket-Version: 8\r\n", 426, "an old version"},
	{UPGRADE KEY PROTO "Sec-WebSocket-Version: 8, 13\r\n", 426, "a list of versions"},
	{UPGRADE KEY PROTO VERSION VERSION, 426, "two versions"},
	{"Upgrade: websocket\r\n" KEY VERSION PROTO, 400, "no Connection"},
	{"Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION PROTO, 400,
	 "Connection without upgrade"},
	{UPGRADE VERSION PROTO, 400, "no key"},
	{UPGRADE KEY KEY VERSION PROTO, 400, "two keys"},
	{UPGRADE VERSION PROTO "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n", 400,
	 "a key with unused bits set"},
	{UPGRADE VERSION PROTO "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n", 400,
	 "a key without padding"},
	{UPGRADE VERSION PROTO "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n", 400,
	 "a key that is too short"},
	{UPGRADE VERSION PROTO "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n", 400,
	 "a key that is too long"},
	{UPGRADE VERSION PROTO "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2-jZQ==\r\n", 400,
	 "a key in the other alphabet"},
	{UPGRADE KEY VERSION, 400, "no subprotocol"},
	{UPGRADE KEY VERSION "Sec-WebSocket-Protocol: XMPP\r\n", 400,
	 "the subprotocol in another case"},
	{UPGRADE KEY VERSION "Sec-WebSocket-Protocol: xmpp2\r\n", 400, "another subprotocol"},
};

static unsigned handshake(const char *version, const char *headers, char accept[WS_ACCEPT_LEN])
{
	struct http_parser p;
	unsigned status;
	char in[512];
	size_t used;
	int n = snprintf(in, sizeof(in), "GET /ws HTTP/%s\r\n" HOST "%s\r\n", version, headers);

	http_parser_init(&p);
	assert_int_equal(http_parser_feed(&p, in, (size_t)n, &used), HTTP_PARSE_DONE);
	status = ws_handshake(p.rq, "xmpp", accept);
	http_parser_free(&p);
	return status;
}

static void test_handshake(void **state)
{
	char accept[WS_ACCEPT_LEN];
	unsigned status;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(handshakes); i++) {
		status = handshake("1.1", handshakes[i].headers, accept);
		if (status != handshakes[i].status)
			fail_msg("%s: %u", handshakes[i].what, status);
		if (status == 101) /* the example of RFC 6455 1.3 */
			assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
	}
	assert_int_equal(handshake("1.0", handshakes[0].headers, accept), 426);
}

/* -- answers ------------------------------------------------------------------------------------
 */

static void test_date(void **state)
{
	char out[HTTP_DATE_LEN + 1];

	(void)state;
	http_date(784111777 * JD_USEC_PER_SEC, out);
	assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(1709164799999999, out);
	assert_string_equal(out, "Wed, 28 Feb 2024 23:59:59 GMT");
}

static void test_reply_head(void **state)
{
	struct http_reply reply = {
		.status = 200, .type = "a/b", .body = JD_STR("xyz"), .extra_headers = "X: y\r\n"};
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(http_reply_head(&out, &reply, HTTP_OUT_CORS | HTTP_OUT_CLOSE, 0), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal(out.p, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
				   "Content-Length: 3\r\nX-Content-Type-Options: nosniff\r\n"
				   "Content-Type: a/b\r\nAccess-Control-Allow-Origin: *\r\n"
				   "Connection: close\r\nX: y\r\n\r\n");
	buf_free(&out);
	reply = (struct http_reply){.status = 204};
	assert_int_equal(http_reply_head(&out, &reply, 0, 0), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal(out.p, "HTTP/1.1 204 No Content\r\n"
				   "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n");
	buf_free(&out);
	buf_init(&out, 10);
	assert_int_equal(http_reply_head(&out, &reply, 0, 0), -JD_ELIMIT);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),      cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bounds),    cmocka_unit_test(test_longest_target),
		cmocka_unit_test(test_headers),   cmocka_unit_test(test_pipeline),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_date),      cmocka_unit_test(test_reply_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
