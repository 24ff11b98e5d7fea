/* SPDX-License-Identifier: MIT
 *
 * The handshake that turns an HTTP request into a WebSocket (RFC 6455 section
 * 4.2), as a question about the request.
 */
#pragma once

#include "net/http.h"

#define WS_ACCEPT_LEN 28

/* 101 with the value of Sec-WebSocket-Accept; 426 when no WebSocket of version 13 was asked
 * for; 400 when it was asked for wrongly or without our subprotocol. */
unsigned ws_handshake(const struct http_request *rq, const char *protocol,
		      char ret_accept[WS_ACCEPT_LEN]);
