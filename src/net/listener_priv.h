/* SPDX-License-Identifier: MIT
 *
 * What the rest of net/ needs of the listeners.
 */
#pragma once

#include <sys/socket.h>

#include "net/listener.h"
#include "rt/loop.h"

/* I/O thread: no more is accepted here. */
void listener_stop_all(struct io_thread *t);

#define LISTEN_SOCKETS 2

struct listen_sockets {
	int fds[LISTEN_SOCKETS];
	unsigned n;
	uint16_t port; /* what is wanted, 0: any; once open what it is */
	int backlog;
	jd_usec unacked;
};

/* "*", "localhost", or a numeric address. */
bool listen_address_ok(const char *address);
/* 0, or -errno with nothing open. The address is ok. */
int listen_sockets_open(struct listen_sockets *s, const char *address);
void listen_sockets_close(struct listen_sockets *s);

/* -- proxied.c: connections whose PROXY header has not come yet. I/O thread. ------------- */

struct proxied_queue {
	struct loop *loop;
	struct list waiting; /* the oldest first */
	size_t n;
	struct timer deadline;
	/* The header is read and nothing behind it; takes over fd. */
	void (*arrived)(struct proxied_queue *q, int fd, const struct sockaddr_storage *source);
};

void proxied_init(struct proxied_queue *q, struct loop *loop,
		  void (*arrived)(struct proxied_queue *, int, const struct sockaddr_storage *));
void proxied_fini(struct proxied_queue *q);
/* Takes over fd, a non-blocking socket. */
void proxied_add(struct proxied_queue *q, int fd, const struct sockaddr_storage *proxy);

/* -- peers.c ----------------------------------------------------------------------------- */

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
