/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 (RFC 9112), small and strict, over a connection: one request at a
 * time, answered by a handler on the I/O thread, or turned into a WebSocket.
 *
 * Refused with 400 and close: a length together with a transfer coding, two
 * lengths, a coding other than chunked, folded lines, bare CR or LF, a bad chunk,
 * NUL.  431 past the bounds on header bytes (8 KiB) and count (64); 414 for a
 * target over 2 KiB; 413 for a body over 64 KiB; 408 when the header is not there
 * within 10 s (absolute) or a body comes slower than its minimum rate.  The path
 * is decoded once, strictly; "..", NUL and backslash are refused.
 */
#pragma once

#include "net/conn.h"
#include "net/ws.h"

struct http_conn;

struct http_request {
	struct jd_str method;
	struct jd_str path;  /* decoded, begins with '/' (a handler never sees OPTIONS *) */
	struct jd_str query; /* raw, without '?' */
	struct jd_str host;  /* of the Host header, without port, lower case */
	unsigned minor;      /* the version is HTTP/1.minor */
	bool secure;
	bool keep_alive;
	struct http_header {
		struct jd_str name; /* lower case */
		struct jd_str value;
	} headers[64];
	size_t n_headers;
};

/* p NULL: absent. */
struct jd_str http_header(const struct http_request *rq, const char *name);

struct http_reply {
	unsigned status;
	const char *type;          /* Content-Type; NULL: none */
	struct jd_str body;        /* copied */
	const char *extra_headers; /* whole lines with CRLF; or NULL */
};

/* What a server offers, fixed before the listeners start. */
struct http_route {
	const char *path; /* exact */
	/* Answers by http_respond() before it returns (HEAD, OPTIONS and wrong methods are the
	 * layer's own). NULL for a WebSocket route. */
	void (*get)(struct http_conn *h, const struct http_request *rq, void *arg);
	/* WebSocket: the subprotocol asked of the client and confirmed, and who takes over.
	 * open() sets a protocol by ws_set_user() and gets whole messages from then on. */
	const char *ws_protocol;
	void (*ws_open)(struct conn *c, struct ws *w, const struct http_request *rq, void *arg);
	void *arg;
	bool cors; /* Access-Control-Allow-Origin: * */
};

struct http_settings {
	const struct http_route *routes;
	size_t n_routes;
};

/* The `accepted` function of an HTTP listener; arg: struct http_settings. */
void http_accepted(struct conn *c, void *settings);
void http_respond(struct http_conn *h, const struct http_reply *reply);
