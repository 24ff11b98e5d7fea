/* SPDX-License-Identifier: MIT
 *
 * The floors: programs that do the least that can be done between sockets.  BYTES
 * forwards what it reads.  XML runs expat with namespaces over it and writes each
 * stanza again, as a server must that doesn't trust its clients.  FANOUT gives what
 * one connection says to all others of its group.  Each of them can have TLS.
 * Nobody logs in: the first connection talks to the second, the third to the
 * fourth; with FANOUT the first so many are a group.  All wait in epoll, read once
 * and write once.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum relay_kind { RELAY_BYTES, RELAY_XML, RELAY_FANOUT };

struct relay_options {
	enum relay_kind kind;
	unsigned group;                /* FANOUT: connections that belong together */
	const char *certificate, *key; /* PEM files; NULL: no TLS */
};

/* A listening socket on a port of 127.0.0.1 that was free. */
int relay_listen(int *ret_port);
_Noreturn void relay_serve(int listener, const struct relay_options *o);
/* A process of its own; it ends with its parent. */
pid_t relay_start(enum relay_kind kind, int *ret_port);
