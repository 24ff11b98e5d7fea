/* SPDX-License-Identifier: MIT
 *
 * The PROXY protocol, versions 1 and 2: what a load balancer says in front of a
 * connection, so that the server knows the address of the client.
 *
 * The reader takes the header byte by byte or in any pieces and not one byte
 * behind it, since a TLS handshake may follow that others read.  Version 1 is
 * held to its 107 bytes and its exact form, version 2 to PROXY_MAX bytes with
 * what follows the addresses (TLVs), which is skipped without being kept.
 *
 * Who may say such a header is a list of networks (struct proxy_net); a header
 * from anybody else is garbage to the protocol behind.
 */
#pragma once

#include <jackdaw/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROXY_V1_MAX ((size_t)107)
#define PROXY_MAX    ((size_t)4096)

enum { PROXY_MORE = 1 };

struct proxy_reader {
	uint8_t have;  /* bytes of head */
	uint16_t skip; /* bytes that are still to be thrown away */
	uint16_t body; /* version 2: what was announced behind the first 16 bytes */
	bool binary;   /* version 2 */
	bool over;
	char head[PROXY_V1_MAX];
};

/* Zeroed, it is ready. Takes bytes up to the end of the header and not beyond: 0 when the header
 * is whole (ret_used of the bytes belong to it), PROXY_MORE when all were taken and more must
 * come, -JD_EINVAL when this is none. Not to be called again behind 0 or an error. */
int proxy_feed(struct proxy_reader *r, const char *p, size_t n, size_t *ret_used) JD_MUST_USE;

/* After 0: who the client is. False: the header does not say (LOCAL, UNKNOWN, no address of the
 * internet), and the connection is the proxy's own. */
bool proxy_source(const struct proxy_reader *r, struct sockaddr_storage *ret_source);

/* -- networks ------------------------------------------------------------------------- */

struct proxy_net {
	uint8_t bytes[16]; /* IPv4 as mapped addresses */
	uint8_t bits;      /* 96 more than written for IPv4 */
};

/* "192.0.2.0/24", "2001:db8::/32", or one address. -JD_EINVAL: it is none, or has bits set
 * behind its length. */
int proxy_net_parse(const char *text, struct proxy_net *ret_net) JD_MUST_USE;
bool proxy_net_has(const struct proxy_net *nets, size_t n, const struct sockaddr_storage *addr);
