/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the decoder of WebSocket frames.  The first byte says in how large
 * pieces the rest is fed; the events must be the same as in one piece, messages
 * are UTF-8 within the bound, and nothing comes behind the end.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/ws_frame.h"
#include "util/mem.h"

#define LIMIT 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct ws_decoder *d, enum ws_event event, struct jd_str data)
{
	struct utf8_state utf8 = {0};

	if (event == WS_TEXT) {
		JD_ASSERT(data.len <= LIMIT);
		JD_ASSERT(utf8_feed(&utf8, data.p, data.len) && utf8_feed_done(&utf8));
	} else if (event == WS_PING || event == WS_PONG) {
		JD_ASSERT(data.len <= WS_MAX_CONTROL);
	} else {
		JD_ASSERT(d->over && data.len == 0);
		JD_ASSERT(d->code == WS_CLOSE_NO_CODE || ws_close_code_valid(d->code));
	}
}

static void note(struct buf *out, const struct ws_decoder *d, enum ws_event event,
		 struct jd_str data)
{
	int r = buf_printf(out, "%d %u %zu:", (int)event, d->over ? d->code : 0, data.len);

	if (r == 0)
		r = buf_append(out, data.p, data.len);
	JD_ASSERT(r == 0);
}

/* Everything that happens, written down in out. */
static void decode(char *bytes, size_t size, size_t step, struct buf *out)
{
	struct ws_decoder d;
	struct jd_str data;
	size_t used, n;

	ws_decoder_init(&d, LIMIT);
	for (size_t at = 0; at < size; at += n) {
		char *p = bytes + at;
		size_t left;
		enum ws_event event;

		n = step < size - at ? step : size - at;
		for (left = n; (event = ws_decode(&d, p, left, &used, &data)) != WS_MORE;) {
			JD_ASSERT(used <= left);
			p += used;
			left -= used;
			check_event(&d, event, data);
			note(out, &d, event, data);
		}
		JD_ASSERT(used == left);
	}
	ws_decoder_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;
	char *copy;

	if (size < 2)
		return 0;
	buf_init(&whole, 64 * size + 1000);
	buf_init(&pieces, 64 * size + 1000);
	copy = mem_alloc_raw(size - 1);
	memcpy(copy, data + 1, size - 1);
	decode(copy, size - 1, size, &whole);
	memcpy(copy, data + 1, size - 1); /* frames are unmasked in place */
	decode(copy, size - 1, (size_t)data[0] % 64 + 1, &pieces);
	mem_free(copy);
	JD_ASSERT(jd_str_eq(buf_str(&whole), buf_str(&pieces)));
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
