/* SPDX-License-Identifier: MIT
 *
 * What conn.c needs of TLS, in plain results: 0; TLS_WANT_READ or TLS_WANT_WRITE,
 * then try again when the socket is ready; -JD_ECLOSED at the peer's end of file;
 * -JD_EIO when the session is broken (and must not be used any more).
 */
#pragma once

#include "net/tls.h"

enum { TLS_WANT_READ = 1, TLS_WANT_WRITE };

struct tls_session *tls_session_new(struct tls_store *store, int fd, enum tls_alpn alpn);
void tls_session_free(struct tls_session *s);
/* Before the handshake: whose certificate is shown to a client that sends no server name. */
void tls_prefer(struct tls_session *s, const char *name);
void tls_set_alpn(struct tls_session *s, enum tls_alpn alpn);

int tls_handshake(struct tls_session *s) JD_MUST_USE;
int tls_read(struct tls_session *s, void *buf, size_t size, size_t *ret_n) JD_MUST_USE;
int tls_write(struct tls_session *s, const void *data, size_t n, size_t *ret_n) JD_MUST_USE;
/* Bytes were taken from the socket and not yet read from the session. */
bool tls_pending(const struct tls_session *s);
/* Sends close_notify, if the socket takes it. */
void tls_goodbye(struct tls_session *s);
/* Why the last call failed: a sentence of libssl's. */
const char *tls_reason(const struct tls_session *s);
