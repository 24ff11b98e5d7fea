/* SPDX-License-Identifier: MIT
 *
 * TLS: certificates by name, and what of libssl the other files need.  Only
 * files of net/ that say so include libssl.
 *
 * A store maps host names to contexts and is an immutable, counted snapshot:
 * reloading certificates makes a new store and hands it to the I/O threads;
 * running connections keep theirs.
 *
 * TLS 1.2 and newer, no renegotiation, no compression; ALPN as the listener
 * says; SNI chooses the context, and a name that we don't serve gets the
 * default one.
 */
#pragma once

#include "util/shared.h"

struct tls_store;
struct tls_session;

struct tls_host {
	const char *name;     /* A-label form, lower case */
	const char *certfile; /* PEM chain */
	const char *keyfile;
	const char *client_ca; /* PEM: who may certify clients; NULL: none is asked for one */
};

/* hosts[0] is the default. -JD_ECONF with a sentence in err. */
int tls_store_new(const struct tls_host *hosts, size_t n, struct tls_store **ret_store, char *err,
		  size_t err_size) JD_MUST_USE;
struct tls_store *tls_store_ref(struct tls_store *s);
void tls_store_unref(struct tls_store *s);

/* The protocols that a listener offers by ALPN, most wanted first. */
enum tls_alpn { TLS_ALPN_XMPP_CLIENT, TLS_ALPN_XMPP_SERVER, TLS_ALPN_HTTP };

/* Facts about an established session. */
const char *tls_version(const struct tls_session *s); /* "TLSv1.3" */
const char *tls_cipher(const struct tls_session *s);
struct jd_str tls_sni(const struct tls_session *s); /* p NULL: none was sent */

/*
 * The addresses in the client's certificate (id-on-xmppAddr, RFC 6120 13.7.1.4), if it was
 * asked for one, sent one, and one of the authorities of this host (in A-labels, lower case)
 * vouches for it: each is told about every address, a peer's text of any length. -JD_ENOENT:
 * nothing is vouched for, or the handshake was one with another host.
 */
int tls_client_addrs(const struct tls_session *s, const char *host,
		     void (*each)(void *arg, struct jd_str addr), void *arg) JD_MUST_USE;

/* Channel bindings: RFC 9266 tls-exporter (TLS 1.3 only: -JD_ENOENT before) and RFC 5929
 * tls-server-end-point. */
int tls_exporter(struct tls_session *s, uint8_t out[32]) JD_MUST_USE;
int tls_server_end_point(struct tls_session *s, uint8_t out[64], size_t *ret_len) JD_MUST_USE;
