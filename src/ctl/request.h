/* SPDX-License-Identifier: MIT
 *
 * jackdawctl's side of the control protocol (core/registry.h tells it).
 */
#pragma once

#include <jackdaw/types.h>

#define REQUEST_MAX_WORDS 64
#define REQUEST_MAX_BYTES (64u << 10)
#define ANSWER_MAX_BYTES  (40u << 20)

struct request {
	const char *words[REQUEST_MAX_WORDS];
	size_t n;
};

/* False when there are too many. */
bool request_insert(struct request *rq, size_t at, const char *word);

struct answer {
	int code;
	struct {
		char *p; /* terminated */
		size_t len;
	} text;
};
void answer_free(struct answer *a);

/* -JD_EIO: no answer, with the reason; -JD_ELIMIT: the request is too long. */
int request_send(const char *socket_path, const struct request *rq, struct answer *ret_answer,
		 char *why, size_t why_size) JD_MUST_USE;
