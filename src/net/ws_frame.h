/* SPDX-License-Identifier: MIT
 *
 * The part of WebSocket that needs no socket: the frames of a client in,
 * messages and control frames out, in whatever pieces the bytes come.
 *
 * A message that lies whole within the bytes given is unmasked where it is and
 * handed out from there.  Memory is held only while a message or a control
 * frame is incomplete, and no more than has really arrived.
 */
#pragma once

#include "util/buf.h"
#include "util/utf8.h"

enum {
	WS_OP_CONTINUATION = 0,
	WS_OP_TEXT = 1,
	WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8,
	WS_OP_PING = 9,
	WS_OP_PONG = 10,
};

#define WS_MAX_CONTROL    125
#define WS_MAX_OUT_HEADER 10 /* a server does not mask */

enum {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_NO_CODE = 1005, /* never on the wire */
	WS_CLOSE_BAD_DATA = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
};

enum ws_event {
	WS_MORE, /* everything was taken */
	WS_TEXT, /* a whole message: data, n */
	WS_PING, /* data, n: at most WS_MAX_CONTROL */
	WS_PONG,
	WS_CLOSED, /* code: the peer's, or WS_CLOSE_NO_CODE. Nothing is decoded any more. */
	WS_BAD,    /* code: what to close with. Nothing is decoded any more. */
};

struct ws_decoder {
	struct buf message; /* fragments so far; its max is the bound of a message */
	char *control;      /* a control frame that came in pieces */
	uint64_t left;      /* of this frame's payload */
	struct utf8_state utf8;
	uint8_t head[14];
	uint8_t have; /* bytes of head; all of it once in_payload */
	uint8_t mask_at;
	uint8_t control_len;
	uint16_t code;
	bool in_payload;
	bool fragmented; /* a message has begun and its last frame hasn't */
	bool over;
};

void ws_decoder_init(struct ws_decoder *d, size_t max_message);
void ws_decoder_free(struct ws_decoder *d);
/* From the next frame on. */
void ws_decoder_limit(struct ws_decoder *d, size_t max_message);

/* What is handed out is valid until the next call; bytes are changed in place. */
enum ws_event ws_decode(struct ws_decoder *d, char *bytes, size_t n, size_t *ret_used,
			struct jd_str *ret_data);

/* The header of a server's frame that is not fragmented; returns its length. */
size_t ws_frame_header(unsigned opcode, uint64_t n, char out[WS_MAX_OUT_HEADER]);
/* A whole control frame (n <= WS_MAX_CONTROL); returns its length. */
size_t ws_control_frame(unsigned opcode, const void *data, size_t n, char out[2 + WS_MAX_CONTROL]);
/* A whole close frame. The reason is cut between characters; WS_CLOSE_NO_CODE: an empty one. */
size_t ws_close_frame(uint16_t code, struct jd_str reason, char out[2 + WS_MAX_CONTROL]);

/* A code that may be in a close frame. */
bool ws_close_code_valid(uint16_t code);
