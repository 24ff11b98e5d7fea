/* SPDX-License-Identifier: MIT
 *
 * WebSocket frames.  The header is collected byte by byte and each rule is
 * checked at the first byte that shows it, so the code of a refusal does not
 * depend on how the bytes were cut.  UTF-8 is checked while the text comes in:
 * a message that is broken in its first byte is not collected to its end.
 */
#include "net/ws_frame.h"

#include "util/mem.h"

#define FIN       0x80
#define RESERVED  0x70
#define OPCODE    0x0f
#define IS_MASKED 0x80
#define LENGTH    0x7f

void ws_decoder_init(struct ws_decoder *d, size_t max_message)
{
	*d = (struct ws_decoder){0};
	buf_init(&d->message, max_message);
}

void ws_decoder_free(struct ws_decoder *d)
{
	buf_free(&d->message);
	mem_free(d->control);
	d->control = NULL;
}

void ws_decoder_limit(struct ws_decoder *d, size_t max_message)
{
	/* Never below what is there already: the bound is for what comes. */
	d->message.max = max_message > d->message.len ? max_message : d->message.len;
}

static enum ws_event bad(struct ws_decoder *d, uint16_t code)
{
	d->over = true;
	d->code = code;
	ws_decoder_free(d);
	return WS_BAD;
}

static bool is_control(unsigned opcode)
{
	return opcode >= WS_OP_CLOSE;
}

/* 0 or the code to close with. */
static uint16_t check_first_byte(const struct ws_decoder *d)
{
	unsigned opcode = d->head[0] & OPCODE;

	if (d->head[0] & RESERVED)
		return WS_CLOSE_PROTOCOL;
	switch (opcode) {
	case WS_OP_CONTINUATION:
		return d->fragmented ? 0 : WS_CLOSE_PROTOCOL;
	case WS_OP_TEXT:
		return d->fragmented ? WS_CLOSE_PROTOCOL : 0;
	case WS_OP_BINARY:
		return d->fragmented ? WS_CLOSE_PROTOCOL : WS_CLOSE_UNSUPPORTED;
	case WS_OP_CLOSE:
	case WS_OP_PING:
	case WS_OP_PONG:
		return d->head[0] & FIN ? 0 : WS_CLOSE_PROTOCOL;
	default:
		return WS_CLOSE_PROTOCOL;
	}
}

static uint16_t check_second_byte(const struct ws_decoder *d)
{
	if (!(d->head[1] & IS_MASKED))
		return WS_CLOSE_PROTOCOL;
	if (is_control(d->head[0] & OPCODE) && (d->head[1] & LENGTH) > WS_MAX_CONTROL)
		return WS_CLOSE_PROTOCOL;
	return 0;
}

/* Bytes of the extended length. */
static size_t extended(const struct ws_decoder *d)
{
	unsigned n = d->head[1] & LENGTH;

	return n < 126 ? 0 : n == 126 ? 2 : 8;
}

/* The length has come whole: one way to write it, and room for it. */
static uint16_t check_length(struct ws_decoder *d)
{
	size_t n = extended(d);

	d->left = n ? 0 : d->head[1] & LENGTH;
	for (size_t i = 0; i < n; i++)
		d->left = d->left << 8 | d->head[2 + i];
	if (n == 2 && d->left < 126)
		return WS_CLOSE_PROTOCOL;
	if (n == 8 && (d->left <= UINT16_MAX || d->left > INT64_MAX))
		return WS_CLOSE_PROTOCOL;
	if (!is_control(d->head[0] & OPCODE) && d->left > d->message.max - d->message.len)
		return WS_CLOSE_TOO_BIG;
	return 0;
}

static void payload_begins(struct ws_decoder *d)
{
	d->in_payload = true;
	d->mask_at = 0;
	d->control_len = 0;
	if (!is_control(d->head[0] & OPCODE))
		d->fragmented = true;
}

static uint16_t header_byte(struct ws_decoder *d, uint8_t c)
{
	uint16_t code = 0;

	d->head[d->have++] = c;
	if (d->have == 1)
		return check_first_byte(d);
	if (d->have == 2)
		code = check_second_byte(d);
	if (code == 0 && d->have == 2 + extended(d))
		code = check_length(d);
	if (code == 0 && d->have == 2 + extended(d) + 4)
		payload_begins(d);
	return code;
}

static void unmask(struct ws_decoder *d, char *p, size_t n)
{
	const uint8_t *key = d->head + 2 + extended(d);
	uint8_t turned[8];
	uint64_t wide, word;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(turned); k++)
		turned[k] = key[(d->mask_at + k) & 3];
	memcpy(&wide, turned, sizeof(wide));
	for (; n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		word ^= wide;
		memcpy(p + i, &word, sizeof(word));
	}
	for (; i < n; i++)
		p[i] = (char)((uint8_t)p[i] ^ turned[i & 7]);
	d->mask_at = (uint8_t)((d->mask_at + n) & 3);
}

/* Between characters, plain ASCII goes by in large steps. */
static bool text_ok(struct ws_decoder *d, const char *p, size_t n)
{
	uint64_t word;
	size_t i = 0;

	while (i < n) {
		while (utf8_feed_done(&d->utf8) && n - i >= sizeof(word)) {
			memcpy(&word, p + i, sizeof(word));
			if (word & 0x8080808080808080ULL)
				break;
			i += sizeof(word);
		}
		if (i < n && !utf8_feed(&d->utf8, p + i++, 1))
			return false;
	}
	return true;
}

/* Opens the next frame; the payload of this one is whole. */
static void frame_ends(struct ws_decoder *d)
{
	d->have = 0;
	d->in_payload = false;
}

/* The last frame of a message has come; p is its part unless memory holds the message. */
static enum ws_event message_ends(struct ws_decoder *d, char *p, size_t n, struct jd_str *ret_data)
{
	if (!utf8_feed_done(&d->utf8))
		return bad(d, WS_CLOSE_BAD_DATA);
	d->fragmented = false;
	*ret_data = d->message.len ? buf_str(&d->message) : (struct jd_str){p, n};
	return WS_TEXT;
}

static enum ws_event take_text(struct ws_decoder *d, char *p, size_t n, struct jd_str *ret_data)
{
	bool last = d->head[0] & FIN;
	bool whole = d->left == 0;

	unmask(d, p, n);
	if (!text_ok(d, p, n))
		return bad(d, WS_CLOSE_BAD_DATA);
	/* The bound was checked by the header: only memory can be short. */
	if (n && (d->message.len || !whole || !last) && buf_append(&d->message, p, n) < 0)
		return bad(d, WS_CLOSE_INTERNAL);
	if (!whole)
		return WS_MORE;
	frame_ends(d);
	return last ? message_ends(d, p, n, ret_data) : WS_MORE;
}

bool ws_close_code_valid(uint16_t code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

static enum ws_event closed(struct ws_decoder *d, struct jd_str data)
{
	struct utf8_state utf8 = {0};
	uint16_t code = WS_CLOSE_NO_CODE;

	if (data.len == 1)
		return bad(d, WS_CLOSE_PROTOCOL);
	if (data.len) {
		code = (uint16_t)((uint8_t)data.p[0] << 8 | (uint8_t)data.p[1]);
		if (!ws_close_code_valid(code))
			return bad(d, WS_CLOSE_PROTOCOL);
		if (!utf8_feed(&utf8, data.p + 2, data.len - 2) || !utf8_feed_done(&utf8))
			return bad(d, WS_CLOSE_BAD_DATA);
	}
	d->over = true;
	d->code = code;
	buf_free(&d->message);
	return WS_CLOSED;
}

static enum ws_event take_control(struct ws_decoder *d, char *p, size_t n, struct jd_str *ret_data)
{
	bool whole = d->left == 0;

	unmask(d, p, n);
	*ret_data = (struct jd_str){p, n};
	if (d->control_len || !whole) {
		if (!d->control)
			d->control = mem_alloc_raw(WS_MAX_CONTROL);
		if (n)
			memcpy(d->control + d->control_len, p, n);
		d->control_len = (uint8_t)(d->control_len + n);
		*ret_data = (struct jd_str){d->control, d->control_len};
	}
	if (!whole)
		return WS_MORE;
	frame_ends(d);
	switch (d->head[0] & OPCODE) {
	case WS_OP_PING:
		return WS_PING;
	case WS_OP_PONG:
		return WS_PONG;
	default:
		return closed(d, *ret_data);
	}
}

/* What was handed out by the call before is not needed any more. */
static void forget_last(struct ws_decoder *d)
{
	if (!d->fragmented && d->message.p)
		buf_free(&d->message);
	if (d->control && !(d->in_payload && is_control(d->head[0] & OPCODE))) {
		mem_free(d->control);
		d->control = NULL;
	}
}

enum ws_event ws_decode(struct ws_decoder *d, char *bytes, size_t n, size_t *ret_used,
			struct jd_str *ret_data)
{
	enum ws_event event = WS_MORE;
	size_t i = 0, part;
	uint16_t code;

	*ret_data = JD_STR_NULL;
	forget_last(d);
	while (!d->over && event == WS_MORE && (i < n || (d->in_payload && d->left == 0))) {
		if (!d->in_payload) {
			code = header_byte(d, (uint8_t)bytes[i++]);
			if (code)
				event = bad(d, code);
			continue;
		}
		part = d->left < n - i ? (size_t)d->left : n - i;
		d->left -= part;
		if (is_control(d->head[0] & OPCODE))
			event = take_control(d, bytes + i, part, ret_data);
		else
			event = take_text(d, bytes + i, part, ret_data);
		i += part;
	}
	if (d->over)
		*ret_data = JD_STR_NULL;
	*ret_used = d->over ? n : i;
	return event;
}

size_t ws_frame_header(unsigned opcode, uint64_t n, char out[WS_MAX_OUT_HEADER])
{
	size_t more = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8;

	out[0] = (char)(FIN | opcode);
	out[1] = (char)(more == 0 ? n : more == 2 ? 126 : 127);
	for (size_t i = 0; i < more; i++)
		out[2 + i] = (char)(uint8_t)(n >> 8 * (more - 1 - i));
	return 2 + more;
}

size_t ws_control_frame(unsigned opcode, const void *data, size_t n, char out[2 + WS_MAX_CONTROL])
{
	size_t head;

	JD_ASSERT(n <= WS_MAX_CONTROL);
	head = ws_frame_header(opcode, n, out);
	if (n)
		memcpy(out + head, data, n);
	return head + n;
}

size_t ws_close_frame(uint16_t code, struct jd_str reason, char out[2 + WS_MAX_CONTROL])
{
	char payload[WS_MAX_CONTROL];
	size_t n = reason.len;

	if (code == WS_CLOSE_NO_CODE)
		return ws_control_frame(WS_OP_CLOSE, NULL, 0, out);
	if (n > sizeof(payload) - 2) {
		n = sizeof(payload) - 2;
		while (n && ((uint8_t)reason.p[n] & 0xc0) == 0x80)
			n--;
	}
	payload[0] = (char)(uint8_t)(code >> 8);
	payload[1] = (char)(uint8_t)code;
	if (n)
		memcpy(payload + 2, reason.p, n);
	return ws_control_frame(WS_OP_CLOSE, payload, 2 + n, out);
}
