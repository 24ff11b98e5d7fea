/* SPDX-License-Identifier: MIT
 *
 * The decoder of WebSocket frames, fed with every sequence of the tables whole,
 * cut at every point, and byte by byte: the events must be the same each time.
 * They are written down as text and compared with the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/ws_frame.h"
#include "util/mem.h"

#define LIMIT 1000

/* One frame as a client might send it; the length may be written in a way of its own. */
struct sent {
	unsigned first; /* FIN, reserved bits, opcode; 0 with text NULL ends a sequence */
	const char *text;
	size_t n;
	unsigned length_bytes; /* 0: the shortest; 1, 2, 8 */
	bool unmasked;
	uint64_t announced; /* 0: n */
};

#define RAW(op, s) .first = (op), .text = (s), .n = sizeof(s) - 1
#define TEXT(s)    RAW(0x80 | WS_OP_TEXT, s)
#define FIRST(s)   RAW(WS_OP_TEXT, s)
#define MIDDLE(s)  RAW(WS_OP_CONTINUATION, s)
#define LAST(s)    RAW(0x80, s)
#define PING(s)    RAW(0x80 | WS_OP_PING, s)
#define PONG(s)    RAW(0x80 | WS_OP_PONG, s)
#define CLOSE(s)   RAW(0x80 | WS_OP_CLOSE, s)
#define MAX_FRAMES 6
#define C125       C25 C25 C25 C25 C25
#define C25        "0123456789012345678901234"

static void put_frame(struct buf *b, const struct sent *f)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x00, 0x80};
	uint64_t n = f->announced ? f->announced : f->n;
	unsigned more = f->length_bytes;
	char head[2];

	if (more == 0)
		more = n < 126 ? 1 : n < 65536 ? 2 : 8;
	head[0] = (char)f->first;
	head[1] = (char)((f->unmasked ? 0 : 0x80) | (more == 1 ? n : more == 2 ? 126 : 127));
	assert_int_equal(buf_append(b, head, 2), 0);
	for (unsigned i = more == 1 ? 0 : more; i > 0; i--) {
		char c = (char)(uint8_t)(n >> 8 * (i - 1));

		assert_int_equal(buf_append(b, &c, 1), 0);
	}
	if (!f->unmasked)
		assert_int_equal(buf_append(b, key, 4), 0);
	for (size_t i = 0; i < f->n; i++) {
		char c = (char)((uint8_t)f->text[i] ^ (f->unmasked ? 0 : key[i & 3]));

		assert_int_equal(buf_append(b, &c, 1), 0);
	}
}

/* "text(...) ping(...) pong(...) closed 1000 bad 1002", in this form. */
static void note(struct buf *out, enum ws_event event, struct jd_str data, uint16_t code)
{
	static const char *const names[] = {"", "text", "ping", "pong", "closed", "bad"};
	int r;

	if (event == WS_CLOSED || event == WS_BAD)
		r = buf_printf(out, "%s %u ", names[event], code);
	else
		r = buf_printf(out, "%s(%.*s) ", names[event], JD_FMT(data));
	assert_int_equal(r, 0);
}

static void feed(struct ws_decoder *d, const char *bytes, size_t n, struct buf *out)
{
	char *piece = malloc(n ? n : 1); /* of its own size, so that reading past it is seen */
	enum ws_event event;
	struct jd_str data;
	size_t at = 0, used;

	assert_non_null(piece);
	memcpy(piece, bytes, n);
	do {
		event = ws_decode(d, piece + at, n - at, &used, &data);
		assert_true(used <= n - at);
		at += used;
		if (event != WS_MORE)
			note(out, event, data, d->code);
	} while (event != WS_MORE);
	assert_int_equal(at, n);
	free(piece);
}

/* Up to cut in one piece, the rest in pieces of step; the events as text are in out. */
static void run_cut(const struct buf *in, size_t limit, size_t cut, size_t step, struct buf *out)
{
	struct ws_decoder d;

	out->len = 0;
	ws_decoder_init(&d, limit);
	for (size_t at = 0; at < in->len;) {
		size_t n = at < cut ? cut - at : step;

		n = n < in->len - at ? n : in->len - at;
		feed(&d, in->p + at, n, out);
		assert_true(d.message.cap <= limit);
		at += n;
	}
	if (!d.fragmented && !d.over)
		assert_null(d.message.p);
	ws_decoder_free(&d);
	assert_int_equal(buf_append(out, "", 1), 0);
}

static void check(const char *what, const struct buf *in, size_t limit, const char *want)
{
	size_t stride = in->len > 600 ? 1 + in->len / 53 : 1;
	struct buf out;

	buf_init(&out, (size_t)1 << 20);
	for (size_t cut = 0; cut <= in->len; cut += stride) {
		run_cut(in, limit, cut, in->len + 1, &out);
		if (strcmp(out.p, want) != 0)
			fail_msg("%s, cut at %zu: \"%s\" instead of \"%s\"", what, cut, out.p,
				 want);
	}
	run_cut(in, limit, 0, 1, &out);
	if (strcmp(out.p, want) != 0)
		fail_msg("%s, byte by byte: \"%s\" instead of \"%s\"", what, out.p, want);
	buf_free(&out);
}

static const struct {
	const char *what;
	struct sent frames[MAX_FRAMES];
	const char *events;
} sequences[] = {
	{"one text", {{TEXT("Hello")}}, "text(Hello) "},
	{"an empty text", {{TEXT("")}}, "text() "},
	{"two texts", {{TEXT("a")}, {TEXT("b")}}, "text(a) text(b) "},
	{"the longest short length", {{TEXT(C125)}}, "text(" C125 ") "},
	{"a length of two bytes", {{TEXT(C125 "x")}}, "text(" C125 "x) "},
	{"fragments", {{FIRST("He")}, {MIDDLE("ll")}, {LAST("o")}}, "text(Hello) "},
	{"empty fragments", {{FIRST("")}, {MIDDLE("")}, {LAST("")}}, "text() "},
	{"an empty first fragment", {{FIRST("")}, {LAST("a")}}, "text(a) "},
	{"an empty last fragment", {{FIRST("a")}, {LAST("")}}, "text(a) "},
	{"fragments, then a text", {{FIRST("a")}, {LAST("b")}, {TEXT("c")}}, "text(ab) text(c) "},
	{"pings between fragments",
	 {{FIRST("a")}, {PING("p")}, {MIDDLE("b")}, {PONG("")}, {LAST("c")}},
	 "ping(p) pong() text(abc) "},
	{"close between fragments",
	 {{FIRST("a")}, {CLOSE("\x03\xe8")}, {LAST("b")}},
	 "closed 1000 "},
	{"the longest ping", {{PING(C125)}, {TEXT("a")}}, "ping(" C125 ") text(a) "},
	{"nothing behind close", {{CLOSE("")}, {TEXT("a")}}, "closed 1005 "},
	{"characters across fragments",
	 {{FIRST("\xf0")}, {MIDDLE("\x9f\x98")}, {PING("\x80")}, {LAST("\x80\xc3\xa9")}},
	 "ping(\x80) text(\U0001f600\u00e9) "},

	{"not masked", {{TEXT("a"), .unmasked = true}}, "bad 1002 "},
	{"an empty frame not masked", {{PING(""), .unmasked = true}}, "bad 1002 "},
	{"RSV1", {{RAW(0xc1, "a")}}, "bad 1002 "},
	{"RSV2", {{RAW(0xa1, "a")}}, "bad 1002 "},
	{"RSV3 on close", {{RAW(0x98, "")}}, "bad 1002 "},
	{"opcode 3", {{RAW(0x83, "a")}}, "bad 1002 "},
	{"opcode 7", {{RAW(0x87, "a")}}, "bad 1002 "},
	{"opcode 11", {{RAW(0x8b, "a")}}, "bad 1002 "},
	{"opcode 15", {{RAW(0x8f, "a")}}, "bad 1002 "},
	{"binary", {{RAW(0x82, "a")}}, "bad 1003 "},
	{"binary fragment", {{RAW(0x02, "a")}}, "bad 1003 "},
	{"binary between fragments", {{FIRST("a")}, {RAW(0x82, "a")}}, "bad 1002 "},
	{"continuation of nothing", {{LAST("a")}}, "bad 1002 "},
	{"continuation behind the last",
	 {{FIRST("a")}, {LAST("b")}, {LAST("c")}},
	 "text(ab) bad 1002 "},
	{"text between fragments", {{FIRST("a")}, {TEXT("b")}}, "bad 1002 "},
	{"first between fragments", {{FIRST("a")}, {FIRST("b")}}, "bad 1002 "},
	{"a fragmented ping", {{RAW(0x09, "a")}}, "bad 1002 "},
	{"a fragmented close", {{RAW(0x08, "")}}, "bad 1002 "},
	{"a long ping", {{PING(C125 "x")}}, "bad 1002 "},
	{"a long close", {{CLOSE("\x03\xe8" C125)}}, "bad 1002 "},
	{"a short ping with a long length", {{PING("a"), .length_bytes = 2}}, "bad 1002 "},
	{"125 in two bytes", {{TEXT(C125), .length_bytes = 2}}, "bad 1002 "},
	{"0 in two bytes", {{TEXT(""), .length_bytes = 2}}, "bad 1002 "},
	{"126 in eight bytes", {{TEXT(C125 "x"), .length_bytes = 8}}, "bad 1002 "},
	{"65535 in eight bytes", {{TEXT("a"), .length_bytes = 8, .announced = 65535}}, "bad 1002 "},
	{"65536 in eight bytes", {{TEXT("a"), .length_bytes = 8, .announced = 65536}}, "bad 1009 "},
	{"a length of 63 bits",
	 {{TEXT("a"), .length_bytes = 8, .announced = INT64_MAX}},
	 "bad 1009 "},
	{"a length of 64 bits",
	 {{TEXT("a"), .length_bytes = 8, .announced = (uint64_t)INT64_MAX + 1}},
	 "bad 1002 "},
	{"one byte too long", {{TEXT("a"), .announced = LIMIT + 1}}, "bad 1009 "},
	{"too long together", {{FIRST("a")}, {LAST("a"), .announced = LIMIT}}, "bad 1009 "},
	{"too long with the last empty fragment's neighbour",
	 {{FIRST("ab")}, {MIDDLE("")}, {LAST("a"), .announced = LIMIT - 1}},
	 "bad 1009 "},

	{"a byte that is not UTF-8", {{TEXT("ab\xff")}}, "bad 1007 "},
	{"a cut character", {{TEXT("\xc3")}}, "bad 1007 "},
	{"a cut character at the end of fragments",
	 {{FIRST("\xf0\x9f")}, {LAST("\x98")}},
	 "bad 1007 "},
	{"a cut character and an empty last fragment", {{FIRST("\xc3")}, {LAST("")}}, "bad 1007 "},
	{"overlong", {{TEXT("\xc0\xaf")}}, "bad 1007 "},
	{"a surrogate", {{TEXT("12345678\xed\xa0\x80")}}, "bad 1007 "},
	{"past the last character", {{TEXT("\xf4\x90\x80\x80")}}, "bad 1007 "},
	{"refused in the first fragment already", {{FIRST("\xff")}, {RAW(0x82, "")}}, "bad 1007 "},
	{"the state starts anew", {{TEXT("\xc3\xa9")}, {TEXT("\xa9")}}, "text(\u00e9) bad 1007 "},

	{"close with a reason",
	 {{CLOSE("\x03\xe9"
		 "b\xc3\xa9")}},
	 "closed 1001 "},
	{"close with half a code", {{CLOSE("\x03")}}, "bad 1002 "},
	{"close with a broken reason", {{CLOSE("\x03\xe8\xff")}}, "bad 1007 "},
	{"close with a cut reason", {{CLOSE("\x03\xe8\xc3")}}, "bad 1007 "},
};

static void test_sequences(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, (size_t)1 << 20);
	for (size_t i = 0; i < JD_ARRAY_SIZE(sequences); i++) {
		in.len = 0;
		for (size_t k = 0; k < MAX_FRAMES && sequences[i].frames[k].text; k++)
			put_frame(&in, &sequences[i].frames[k]);
		check(sequences[i].what, &in, LIMIT, sequences[i].events);
	}
	buf_free(&in);
}

static void test_close_codes(void **state)
{
	static const struct {
		uint16_t from, to;
	} valid[] = {{1000, 1003}, {1007, 1014}, {3000, 4999}};

	(void)state;
	for (unsigned code = 0; code <= UINT16_MAX; code++) {
		char payload[2] = {(char)(uint8_t)(code >> 8), (char)(uint8_t)code};
		struct sent f = {CLOSE("")};
		bool good = false;
		struct buf in, out;
		char want[32];

		for (size_t i = 0; i < JD_ARRAY_SIZE(valid); i++)
			good |= code >= valid[i].from && code <= valid[i].to;
		f.text = payload;
		f.n = 2;
		buf_init(&in, 100);
		buf_init(&out, 100);
		put_frame(&in, &f);
		run_cut(&in, LIMIT, in.len, 1, &out);
		(void)snprintf(want, sizeof(want), good ? "closed %u " : "bad 1002 ", code);
		assert_string_equal(out.p, want);
		buf_free(&in);
		buf_free(&out);
	}
}

/* Messages of all sizes around the borders of the three lengths, at the bound and past it. */
static void test_lengths(void **state)
{
	static const size_t sizes[] = {1,   2,   3,   4,   7,   8,     9,     15,    16,   125,
				       126, 127, 128, 255, 256, 65534, 65535, 65536, 65537};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i];
		char *text = malloc(n);
		struct sent f = {.first = 0x81, .n = n};
		struct buf in, want;

		assert_non_null(text);
		for (size_t k = 0; k < n; k++)
			text[k] = (char)('a' + k % 23);
		f.text = text;
		buf_init(&in, (size_t)1 << 20);
		buf_init(&want, (size_t)1 << 20);
		put_frame(&in, &f);
		assert_int_equal(buf_printf(&want, "text(%.*s) ", (int)n, text), 0);
		check("length", &in, n, want.p);
		check("past the bound", &in, n - 1, "bad 1009 ");
		buf_free(&in);
		buf_free(&want);
		free(text);
	}
}

/* What has only been announced costs nothing. */
static void test_memory_follows_bytes(void **state)
{
	struct sent f = {TEXT("ab"), .announced = 1u << 20};
	struct ws_decoder d;
	struct buf in, out;

	(void)state;
	buf_init(&in, 100);
	buf_init(&out, 100);
	put_frame(&in, &f);
	ws_decoder_init(&d, 1u << 20);
	feed(&d, in.p, in.len - 2, &out);
	assert_null(d.message.p);
	feed(&d, in.p + in.len - 2, 2, &out);
	assert_int_equal(d.message.len, 2);
	assert_in_range(d.message.cap, 2, 1024);
	ws_decoder_free(&d);
	buf_free(&in);
	buf_free(&out);
}

static void test_no_memory(void **state)
{
	struct sent f = {FIRST("ab")};
	struct buf in, out;

	(void)state;
	buf_init(&in, 100);
	buf_init(&out, 100);
	put_frame(&in, &f);
	assert_int_equal(buf_reserve(&out, 90), 0);
	mem_fail_at(1);
	run_cut(&in, LIMIT, in.len, 1, &out);
	mem_fail_at(0);
	assert_string_equal(out.p, "bad 1011 ");
	buf_free(&in);
	buf_free(&out);
}

static void test_limit_changes(void **state)
{
	struct sent f = {FIRST("abcdef")}, last = {LAST("g")};
	struct ws_decoder d;
	struct buf in, out;

	(void)state;
	buf_init(&in, 100);
	buf_init(&out, 100);
	ws_decoder_init(&d, 5);
	ws_decoder_limit(&d, 6);
	put_frame(&in, &f);
	feed(&d, in.p, in.len, &out);
	assert_int_equal(out.len, 0);
	ws_decoder_limit(&d, 3);
	in.len = 0;
	put_frame(&in, &last);
	feed(&d, in.p, in.len, &out);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal(out.p, "bad 1009 ");
	ws_decoder_free(&d);
	buf_free(&in);
	buf_free(&out);
}

static void check_header(uint64_t n, const char *want, size_t want_len)
{
	char out[WS_MAX_OUT_HEADER];

	assert_int_equal(ws_frame_header(WS_OP_TEXT, n, out), want_len);
	assert_memory_equal(out, want, want_len);
}

static void test_encoder(void **state)
{
	char out[2 + WS_MAX_CONTROL], reason[200];

	(void)state;
	check_header(0, "\x81\x00", 2);
	check_header(125, "\x81\x7d", 2);
	check_header(126, "\x81\x7e\x00\x7e", 4);
	check_header(65535, "\x81\x7e\xff\xff", 4);
	check_header(65536, "\x81\x7f\0\0\0\0\0\x01\0\0", 10);
	check_header(0x0102030405060708, "\x81\x7f\x01\x02\x03\x04\x05\x06\x07\x08", 10);
	assert_int_equal(ws_control_frame(WS_OP_PONG, "ab", 2, out), 4);
	assert_memory_equal(out,
			    "\x8a\x02"
			    "ab",
			    4);
	assert_int_equal(ws_close_frame(WS_CLOSE_NO_CODE, JD_STR("x"), out), 2);
	assert_memory_equal(out, "\x88\x00", 2);
	assert_int_equal(ws_close_frame(WS_CLOSE_PROTOCOL, JD_STR("no"), out), 6);
	assert_memory_equal(out,
			    "\x88\x04\x03\xea"
			    "no",
			    6);
	/* 122 bytes and a character of two: it doesn't fit and goes as a whole. */
	memset(reason, 'r', sizeof(reason));
	memcpy(reason + 122, "\u00e9", 2);
	assert_int_equal(ws_close_frame(1000, (struct jd_str){reason, sizeof(reason)}, out),
			 2 + 2 + 122);
	assert_int_equal(out[1], 124);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences), cmocka_unit_test(test_close_codes),
		cmocka_unit_test(test_lengths),   cmocka_unit_test(test_memory_follows_bytes),
		cmocka_unit_test(test_no_memory), cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_encoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
