/* SPDX-License-Identifier: MIT
 *
 * HTTP requests of ours, by libcurl on a thread of its own, so that neither names
 * nor handshakes hold anybody up.  https only, certificates are checked, redirects are not
 * followed, and the addresses that a name leads to are judged before one is
 * connected to.
 *
 * Home thread.
 */
#pragma once

#include "rt/loop.h"

struct http_client;

struct http_client_settings {
	const char *trust;    /* file of authorities; NULL: the system's */
	bool allow_private;   /* any address */
	unsigned max_at_once; /* transfers, few of them with one origin; others wait */
	unsigned max_waiting;
};

/* One request; belongs to the client from http_client_start() until done(). */
struct http_exchange {
	struct list node;
	char *url;      /* these four are mem_free()d by http_exchange_fini() */
	char **headers; /* "Name: value", ends with NULL */
	char *body;
	char *answer;
	size_t body_len, answer_len, max_answer;
	jd_usec timeout;
	/* -JD_EACCESS: an address that is not allowed; -JD_ELIMIT: the answer was too large;
	 * -JD_EIO: anything else, with a reason; -JD_ECLOSED: the client was freed. */
	int result;
	long status;
	char reason[128];
	void (*done)(struct http_exchange *self); /* on the home thread; may free it */
	/* the thread's */
	struct http_client *client;
	uint64_t origin; /* a hash */
	void *easy, *list;
	bool refused;
};

/* Loads libcurl from http_curl.so in one of these folders of modules; more than once is one.
 * -JD_E... with a sentence. Builds without it have no client at all: JD_CURL. */
int http_client_load(const char *folders, char *ret_error, size_t size) JD_MUST_USE;

/* After loading. Starts the thread. */
struct http_client *http_client_new(struct loop *home, const struct http_client_settings *settings);
/* Ends what is left with -JD_ECLOSED: done() is called. NULL is fine. */
void http_client_free(struct http_client *client);

/* -JD_ELIMIT: too many wait. done() is never called beneath this call. */
int http_client_start(struct http_client *client, struct http_exchange *exchange) JD_MUST_USE;

/* What it points to. */
void http_exchange_fini(struct http_exchange *exchange);
