/* SPDX-License-Identifier: MIT
 *
 * From nothing to a running server and back, in stages that are undone in
 * reverse; for main.c.
 */
#pragma once

#include "core/registry.h"

struct conf;

/* All stages; 0, or -JD_E* after a sentence on standard error, with everything undone. */
int server_start(const char *conf_file) JD_MUST_USE;
/* Turns the loop until server_ask_stop(). */
void server_run(void);
/* Graceful stop and the end of everything. */
void server_stop(void);
/* Reads the configuration and the certificates, says what is wrong, starts nothing. */
int server_check(const char *conf_file) JD_MUST_USE;
/* Copies the database of one configuration into that of another (db_copy.h); no server of
 * either may run. */
int server_copy_database(const char *from_file, const char *to_file) JD_MUST_USE;

/* Logic thread, from any callback: server_run() returns soon. */
void server_ask_stop(void);
/* Certificates and log level anew from the configuration file (SIGHUP). */
void server_reload(void);

/* -- for the `status` and `check` commands ------------------------------------------------- */

struct listener *const *server_listeners(size_t *ret_n);
/* The modules() argument of conf_load(). */
const struct jd_module *conf_open_module(const struct conf *conf, const char *name, char *err,
					 size_t err_size);

/* -- parts of it ------------------------------------------------------------------------------- */

/* start_net.c: sockets, TLS, I/O threads; fails with a sentence. */
int net_open_tls(const struct conf *conf, struct tls_store **ret_store, char *err,
		 size_t err_size) JD_MUST_USE;   /* *ret_store NULL: no host has a certificate */
unsigned net_hash_bits(const struct conf *conf); /* auth.scram_hashes: bits of enum crypto_hash */
int net_start(char *err, size_t err_size) JD_MUST_USE;
void net_refresh(void); /* what streams offer has changed: modules have come or gone */
void net_use_tls(struct tls_store *store); /* takes over the reference */
/* Closes listeners, ends streams, waits for them a while, joins the I/O threads. */
void net_stop(void);
void net_fini(void); /* when no stanza is left */

/* web.c: what the HTTP ports offer besides the WebSocket. */
const struct http_settings *web_open(struct listener *const *listeners, size_t n);
void web_close(void); /* after io_stop() */

/* notify.c: tells the service manager, if there is one ($NOTIFY_SOCKET). */
void notify_manager(const char *state);
