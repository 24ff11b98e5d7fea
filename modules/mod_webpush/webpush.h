/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_webpush: the component (mod_webpush.c), and what RFC 8291 and
 * RFC 8292 make of a text and a key (encrypt.c, vapid.c), which is nothing but functions.
 */
#pragma once

#include <jackdaw/crypto.h>
#include <jackdaw/types.h>

#define AUTH_BYTES 16
#define SALT_BYTES 16

/* Bytes of text that one record of 4096 bytes holds (RFC 8291 section 4). */
#define TEXT_MAX 3993

/* What a browser calls a subscription's keys. */
struct receiver {
	uint8_t p256dh[JD_EC_PUBLIC];
	uint8_t auth[AUTH_BYTES];
};

/* A key for one message, and its salt. */
struct sender {
	uint8_t private[JD_EC_PRIVATE];
	uint8_t public[JD_EC_PUBLIC];
	uint8_t salt[SALT_BYTES];
};

void webpush_sender(struct sender *s);

/* The body of the request. -JD_EINVAL: the receiver's key is none; -JD_ELIMIT. */
int webpush_encrypt(struct jd_arena *arena, const struct receiver *to, const struct sender *from,
		    struct jd_str text, struct jd_str *ret_body) JD_MUST_USE;

/* The origin of an https address (RFC 6454), in lower case; p NULL: it is no such address. */
struct jd_str webpush_origin(struct jd_arena *arena, struct jd_str url);

/* The line "Authorization: vapid ..." for a service; contact p NULL: none is given. */
struct jd_str webpush_vapid(struct jd_arena *arena, const uint8_t private[JD_EC_PRIVATE],
			    struct jd_str origin, struct jd_str contact, jd_usec now);

/* A string as in JSON, with quotes. */
struct jd_str webpush_json(struct jd_arena *arena, struct jd_str text);
