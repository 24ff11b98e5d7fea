/* SPDX-License-Identifier: MIT
 *
 * The chat scenario: pairs of clients, each pair with so many messages in flight.
 * Whoever gets a message answers with the next one, until the pair has sent its
 * share.  Every message carries a number, and what the other end got is checked
 * against what was sent, message by message.
 */
#pragma once

#include "client.h"

struct chat_tally {
	uint64_t sent;
	uint64_t received;     /* each message once */
	uint64_t lost;         /* sent and not received when the scenario was over */
	uint64_t duplicate;    /* received once more */
	uint64_t out_of_order; /* received behind a later one */
	uint64_t strange;      /* stanzas that are not messages of this scenario */
	uint64_t bytes_a_message;
	double seconds;
};

struct chat;

/* clients[2i] and clients[2i + 1] talk to each other; all of them are ready and stay the
 * caller's. */
struct chat *chat_new(struct bench_client *clients, unsigned pairs);
void chat_free(struct chat *chat);

/* Sends n messages in all; returns when all have come or nothing came for 10 seconds. */
void chat_run(struct chat *chat, unsigned window, uint64_t n, struct chat_tally *ret_tally);
/* Sends n messages, `rate` a second, the pairs in turn; ret_times[received] has each one's way in
 * nanoseconds. */
void chat_paced(struct chat *chat, unsigned rate, uint64_t n, uint64_t *ret_times,
		struct chat_tally *ret_tally);
