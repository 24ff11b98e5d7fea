/* SPDX-License-Identifier: MIT
 *
 * The configuration, read: jackdaw.conf through libconfuse, checked against
 * tables (type, range, default, help).
 *
 * First the whole file is read, whatever its names (conf_read.c); then the
 * modules that the hosts list are opened, and everything is judged strictly,
 * against the server's tables (conf_table.c) and those of the modules.  Every
 * mistake is said with file, line, what was found, what is accepted, and the nearest
 * known name; all mistakes are collected before giving up.  Reading it changes
 * nothing in the server.
 */
#pragma once

#include <jackdaw/module.h>

#include "db/db.h"
#include "util/log.h"

struct conf_listen {
	const char *kind; /* "c2s", "c2s-tls", "http", "https", "component" */
	const char *name; /* the title of its section; without a `kind` inside it is one */
	const char *address;
	int64_t port;
	int64_t max_per_address;
	const char **uncounted_from, **proxy_from; /* networks */
	int kind_number;                           /* place in those */
};

struct conf_host {
	const char *name;                 /* prepared */
	const char *certificate, *key;    /* absolute paths; NULL: no TLS for it */
	const char *client_ca;            /* absolute path; NULL: clients need no certificates */
	bool anonymous;                   /* anybody may log in as nobody */
	bool component;                   /* it has no users; behind those that have some */
	const char *secret, *secret_file; /* of an external component; NULL: its modules answer */
	const char *rooms;                /* what its component for rooms is called; "": none */
	const char **modules;             /* ends with NULL; as in the file */
	const char **admins;              /* ends with NULL; prepared bare addresses */
	/* Instance data for each of modules: allocated by module->data_size, options filled in.
	 * The instance takes it over and leaves NULL. Texts in it live as long as the conf. */
	void **module_data;
};

struct conf {
	const char *file;
	const char *run_dir;
	int64_t io_threads, workers;
	int64_t max_connections; /* per I/O thread */
	int64_t max_unauthenticated;
	const char *see_other, *see_other_uri; /* NULL: none */
	struct log_settings log;
	struct conf_host *hosts;
	size_t n_hosts;
	struct conf_listen *listens;
	size_t n_listens;
	struct {
		const char *driver, *path;
		const char *connection, *password_file; /* pgsql; NULL: not given */
		int64_t connections;
		int driver_number;
	} database;
	struct {
		const char *socket; /* absolute path */
		int64_t mode;
	} control;
	struct {
		bool allow_plaintext;
		int64_t scram_iterations;
		const char **mechanisms;
		bool tokens;
		jd_usec token_lifetime;
		const char **scram_hashes;
		jd_usec login_deadline;
		int64_t max_failures;
	} auth;
	struct {
		int64_t stanza_bytes, stanza_bytes_before_login, body_chars;
		jd_usec park_after, idle_ping, idle_timeout, stanza_deadline, unacked_timeout;
		int64_t bytes_per_second, stanzas_per_second; /* 0: no bound */
		int64_t bytes_before_login, stanzas_before_login;
		jd_usec burst;
		jd_usec resume_timeout; /* 0: no session can be resumed */
		int64_t resume_sessions, resume_stanzas, resume_bytes;
		const char *resume_location; /* NULL: none is named */
	} limits;
	struct {
		const char *trust; /* absolute path; NULL: the system's */
		bool allow_private;
	} http_client;
	const char *module_dir, *schema_dir;
	const char **admins;    /* of the whole server; as those of a host */
	struct jd_arena *arena; /* holds all of it */
};

/* How conf.c asks for a module's descriptor (conf->module_dir is set by then); NULL with a
 * sentence in err. */
typedef const struct jd_module *(*conf_module_fn)(const struct conf *conf, const char *name,
						  char *err, size_t err_size);

/* Mistakes are reported through report(line), one sentence each, in the order of lines. -JD_ECONF.
 */
int conf_load(const char *file, conf_module_fn modules, void (*report)(const char *line, void *arg),
	      void *arg, struct conf **ret_conf) JD_MUST_USE;
/* The same as if the host with this name listed the module, too. */
int conf_load_with(const char *file, const char *host, const char *module, conf_module_fn modules,
		   void (*report)(const char *line, void *arg), void *arg,
		   struct conf **ret_conf) JD_MUST_USE;
void conf_free(struct conf *conf);
/* What the database is opened with; the texts are the conf's. */
void conf_db_settings(const struct conf *c, struct db_settings *ret_settings);

/* One row per option of the server itself: for the manual and for jackdawctl. */
struct conf_doc {
	const char *section; /* "" top level, "log", "host", "listen" ... */
	const char *name;
	const char *type;     /* "size", "time" ... */
	const char *fallback; /* NULL: none */
	const char *help;
};
const struct conf_doc *conf_docs(size_t *ret_n);
