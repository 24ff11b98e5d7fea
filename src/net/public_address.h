/* SPDX-License-Identifier: MIT
 *
 * Which addresses are everybody's: those that a name from a stranger may lead a
 * request of ours to.  What is ours alone (loopback, the local network, the
 * metadata service of a cloud) is not.  Any thread.
 */
#pragma once

#include <sys/socket.h>

#include <jackdaw/types.h>

/* False for what is no IP address, too. */
bool address_is_public(const struct sockaddr *address, size_t size);
