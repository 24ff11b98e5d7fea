/* SPDX-License-Identifier: MIT
 *
 * Requests to other people's web servers, for modules that call services on
 * behalf of users.  What a user writes into an address is hostile: only https is
 * spoken, certificates are checked, redirects are not followed, and no address
 * is connected to that is not public (loopback, local networks, the metadata
 * of a cloud), unless the configuration allows it (section http_client).
 *
 * BOUNDS.  So many transfers at once and so many that wait, beyond them -JD_ELIMIT; a
 * request takes at most its timeout, an answer has at most JD_HTTP_ANSWER_MAX bytes.
 *
 * Logic thread; nothing here blocks it.
 */
#pragma once

#include <jackdaw/types.h>

struct jd_owner;

#define JD_HTTP_ANSWER_MAX 16384

struct jd_http_request {
	struct jd_str url;            /* https://... */
	const struct jd_str *headers; /* "Name: value", without line breaks */
	size_t n_headers;
	struct jd_str body;
	jd_usec timeout; /* for all of it, waiting apart; 0: 30 s */
};

/* result 0: there was an answer, of this status. -JD_EACCESS: an address that is not allowed;
 * -JD_ELIMIT: the answer was too large; -JD_EIO: no connection, no trust, no answer in time;
 * reason then says why. */
typedef void (*jd_http_fn)(void *arg, int result, unsigned status, struct jd_str answer,
			   const char *reason);

/* In start(): loads what the functions below need. The reason for a failure is logged. */
JD_EXPORT int jd_http_ready(void) JD_MUST_USE;

/* POSTs; everything is copied. fn is called once, later, unless the owner goes first.
 * -JD_EINVAL: that is no https address, or a header has a line break. */
JD_EXPORT int jd_http_post(struct jd_owner *owner, const struct jd_http_request *request,
			   jd_http_fn fn, void *arg) JD_MUST_USE;
