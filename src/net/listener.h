/* SPDX-License-Identifier: MIT
 *
 * Listening sockets.  They are opened on the logic thread before any privilege
 * is given up or readiness announced, and watched by every I/O thread; the
 * kernel gives each connection to whichever thread comes first.
 */
#pragma once

#include "net/conn.h"
#include "net/proxy.h"

struct listener;

struct listener_settings {
	const char *name;    /* for logs and status: "c2s" */
	const char *address; /* "*" every IPv4 and IPv6 address, a numeric address, or "localhost"
				(both loopbacks) */
	uint16_t port;       /* 0: the system chooses one (the same for IPv4 and IPv6) */
	int backlog;         /* 0: 1024 */
	bool direct_tls;
	enum tls_alpn alpn;
	size_t max_per_address; /* connections of one peer address (/64 for IPv6); 0: no bound */
	/* Whose connections are not counted for that; copied. */
	const struct proxy_net *uncounted;
	size_t n_uncounted;
	/* Who must begin with a header of the PROXY protocol, and is from then on taken for whom
	 * it names; copied. From others the header is garbage. */
	const struct proxy_net *proxies;
	size_t n_proxies;
	/* A connection ends when the peer's machine has not confirmed for so long what it was
	 * sent; 0: the system's own patience, many minutes. */
	jd_usec unacked;
	/* On the I/O thread: give the new connection its protocol. */
	void (*accepted)(struct conn *c, void *arg);
	void *arg;
};

/* Opens and binds; connections are accepted once listener_start() was called.
 * -JD_EIO, -JD_ECONF with a sentence ("port 5222 is in use by another program"). */
int listener_open(const struct listener_settings *settings, struct listener **ret_listener,
		  char *err, size_t err_size) JD_MUST_USE;
uint16_t listener_port(const struct listener *l);
const struct listener_settings *listener_settings(const struct listener *l);

/* Hands the sockets to all I/O threads of io, with the certificates. */
void listener_start(struct listener *l, struct io *io, struct tls_store *tls);
/* New connections use these certificates from now on. */
void listener_set_tls(struct listener *l, struct tls_store *tls);
/* Stops accepting; done on all threads when io_stop() has returned, or after the next io_each(). */
void listener_stop(struct listener *l);
void listener_free(struct listener *l); /* after io_stop() */
