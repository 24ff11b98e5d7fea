/* SPDX-License-Identifier: MIT
 *
 * The head of an HTTP answer as text.
 */
#pragma once

#include "net/http.h"
#include "util/buf.h"

enum {
	HTTP_OUT_CLOSE = 1,   /* the connection ends behind this answer */
	HTTP_OUT_KEEP = 2,    /* an HTTP/1.0 client asked to keep it */
	HTTP_OUT_UPGRADE = 4, /* Connection: Upgrade */
	HTTP_OUT_CORS = 8,    /* any origin may read it */
};

#define HTTP_DATE_LEN 29

/* "Sun, 06 Nov 1994 08:49:37 GMT", terminated. */
void http_date(jd_usec real, char out[HTTP_DATE_LEN + 1]);
const char *http_reason(unsigned status);

/* Appends status line and headers, with the empty line. -JD_ELIMIT past the buffer's bound. */
int http_reply_head(struct buf *out, const struct http_reply *reply, unsigned flags,
		    jd_usec real) JD_MUST_USE;
