/* SPDX-License-Identifier: MIT
 *
 * Opening the sockets of a listener: one or two.  "*" is one socket for IPv6 and
 * IPv4 (on a machine without IPv6 one for IPv4), "localhost" one for each
 * loopback, on the same port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "net/listener_priv.h"
#include "util/mem.h"

#define PORT_TRIES 16

static socklen_t addr_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return ntohs(addr.ss_family == AF_INET ? ((struct sockaddr_in *)&addr)->sin_port
					       : ((struct sockaddr_in6 *)&addr)->sin6_port);
}

/* A numeric address; false when it is none. */
static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret_addr)
{
	struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *in = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
	} else {
		return false;
	}
	*ret_addr = addr;
	return true;
}

/* A bound and listening socket, or -errno. dual: IPv4 too. */
static int open_socket(const struct listen_sockets *s, const struct sockaddr_storage *addr,
		       bool dual)
{
	unsigned unacked = (unsigned)(s->unacked / JD_USEC_PER_MSEC);
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, v6only = !dual, error;

	if (fd < 0)
		return -errno;
	/* Keep-alive and the time-out are inherited by what is accepted. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (addr->ss_family == AF_INET ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) == 0) &&
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof(unacked)) == 0 &&
	    bind(fd, (const struct sockaddr *)addr, addr_len(addr)) == 0 &&
	    listen(fd, s->backlog) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* There is no IPv6 on this machine, or it is switched off. */
static bool no_ipv6(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL || error == -EPROTONOSUPPORT;
}

static int open_at(struct listen_sockets *s, const char *address, uint16_t port, bool dual)
{
	struct sockaddr_storage addr;
	int fd;

	JD_ASSERT(parse_address(address, port, &addr));
	fd = open_socket(s, &addr, dual);
	if (fd < 0)
		return fd;
	s->fds[s->n++] = fd;
	return 0;
}

static int open_any(struct listen_sockets *s)
{
	int r = open_at(s, "::", s->port, true);

	return no_ipv6(r) ? open_at(s, "0.0.0.0", s->port, false) : r;
}

/* The system may choose a port for IPv4 that IPv6 has in use: then it is asked again. */
static int open_loopbacks(struct listen_sockets *s)
{
	int r = -EADDRINUSE;

	for (int i = 0; i < (s->port ? 1 : PORT_TRIES) && r == -EADDRINUSE; i++) {
		listen_sockets_close(s);
		r = open_at(s, "127.0.0.1", s->port, false);
		if (r == 0)
			r = open_at(s, "::1", port_of(s->fds[0]), false);
	}
	return no_ipv6(r) && s->n ? 0 : r;
}

bool listen_address_ok(const char *address)
{
	struct sockaddr_storage addr;

	return strcmp(address, "*") == 0 || strcmp(address, "localhost") == 0 ||
	       parse_address(address, 0, &addr);
}

int listen_sockets_open(struct listen_sockets *s, const char *address)
{
	int r;

	if (strcmp(address, "*") == 0)
		r = open_any(s);
	else if (strcmp(address, "localhost") == 0)
		r = open_loopbacks(s);
	else
		r = open_at(s, address, s->port, false);
	if (r < 0)
		listen_sockets_close(s);
	else
		s->port = port_of(s->fds[0]);
	return r;
}

void listen_sockets_close(struct listen_sockets *s)
{
	while (s->n)
		close(s->fds[--s->n]);
}
