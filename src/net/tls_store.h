/* SPDX-License-Identifier: MIT
 *
 * The structs that tls.c and tls_session.c share, and the only header of net/
 * that names types of libssl.
 */
#pragma once

#include <openssl/ssl.h>

#include "net/tls_priv.h"

struct tls_entry {
	char *name; /* lower case */
	SSL_CTX *ctx;
};

struct tls_store {
	struct shared shared;
	SSL_CTX *fallback;         /* of hosts[0] */
	struct tls_entry *entries; /* sorted by name */
	size_t n;
};

struct tls_session {
	SSL *ssl;
	struct tls_store *store;
	enum tls_alpn alpn;
	bool broken;
	bool distrusted;     /* something was wrong with the client's certificate */
	unsigned long error; /* libssl's code of what broke it; 0: the system's, or none */
};
