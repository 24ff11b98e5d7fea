/* SPDX-License-Identifier: MIT
 *
 * Cutting what a server sends into elements: a stream by its tags, a WebSocket by its
 * frames.
 */
#pragma once

#include "client.h"

/* Both hand whole elements to login_element() and return how many bytes are done with. */
size_t cut_stream(struct bench_client *c, const char *bytes, size_t n);
size_t cut_frames(struct bench_client *c, const char *bytes, size_t n);

#define CUT_FRAME_HEAD 14 /* bytes at most */
/* The head of a client's frame, mask included; returns its length. */
size_t cut_frame_head(unsigned char *ret_head, unsigned opcode, size_t n);
void cut_mask(char *p, size_t n);

bool cut_starts(const char *p, size_t n, const char *with);
/* The value of an attribute of the first tag; NULL when it has none. */
const char *bench_attr(const char *p, size_t n, const char *name, size_t *ret_len);
