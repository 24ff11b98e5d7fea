/* SPDX-License-Identifier: MIT
 *
 * The floors: two programs that do the least that can be done between two
 * sockets.  BYTES forwards what it reads.  XML runs expat with namespaces over it
 * and writes each stanza again, as a server must that doesn't trust its clients.
 * Nobody logs in: the first connection talks to the second, the third to the
 * fourth.  Both wait in epoll, read once and write once.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum relay_kind { RELAY_BYTES, RELAY_XML };

/* A process of its own on a port of its own on 127.0.0.1; it ends with its parent. */
pid_t relay_start(enum relay_kind kind, int *ret_port);
