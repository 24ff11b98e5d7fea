/* SPDX-License-Identifier: MIT
 *
 * From a connection to a session: WebSocket's upgrade, STARTTLS, SASL, bind, roster
 * and presence, one step for each thing that the server says.
 */
#pragma once

#include "client.h"

/* The connection stands (and its TLS, if that comes first). */
void login_begin(struct bench_client *c);
/* An element has come; once the client is ready, it goes to its on_stanza(). */
void login_element(struct bench_client *c, const char *p, size_t n);
/* Bytes that belong to the HTTP answer; returns how many are done with. */
size_t login_upgrade(struct bench_client *c, const char *p, size_t n);
/* Queues a stanza, with the namespace that a frame wants to say. */
void login_stanza(struct bench_client *c, const char *p, size_t n);
/* The same for a short element, whatever it is. */
void login_say(struct bench_client *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Queues a frame. */
void login_frame(struct bench_client *c, unsigned opcode, const char *p, size_t n);

/* client.c: queues bytes as they are, and begins with TLS. */
void bench_queue(struct bench_client *c, const void *p, size_t n);
void bench_shake(struct bench_client *c);
