/* SPDX-License-Identifier: MIT
 *
 * What the rest of net/ needs of the listeners.
 */
#pragma once

#include <sys/socket.h>

#include "net/listener.h"

/* I/O thread: no more is accepted here. */
void listener_stop_all(struct io_thread *t);

/*
 * How many connections each peer address has at one listener, so that one
 * address cannot use them all up; an IPv6 peer counts with its whole /64.  An
 * entry lives as long as one of its connections, so there are never more entries
 * than connections.  Any thread.
 */
struct peer_table;
struct peer_slot;

struct peer_table *peer_table_new(size_t max_per_address);
void peer_table_free(struct peer_table *table);
/* NULL when the address has its share. */
struct peer_slot *peer_enter(struct peer_table *table, const struct sockaddr_storage *addr);
void peer_leave(struct peer_slot *slot);
