/* SPDX-License-Identifier: MIT
 *
 * The configuration, read: jackdaw.conf through libconfuse, checked against
 * tables (type, range, default, help, owner).
 *
 * Two passes: the first ignores unknown names and finds the modules that the
 * hosts list; they are opened, and the second pass is strict against their
 * option tables too.  Every mistake is said with file, line, what was found, what
 * is accepted, and the nearest known name; all mistakes are collected before
 * giving up.  Reading it changes nothing in the server.
 */
#pragma once

#include <jackdaw/module.h>

#include "util/log.h"

struct conf_listen {
	const char *kind; /* "c2s", "c2s-tls", "http", "https" */
	const char *name; /* the same, or the second word given in the file */
	const char *address;
	uint16_t port;
	int64_t max_per_address;
};

struct conf_host {
	const char *name;             /* prepared */
	const char *certificate, *key; /* absolute paths; NULL: no TLS for it */
	const char **modules;         /* ends with NULL; in the order of their start */
	/* Instance data for each of modules: allocated by module->data_size, options filled in.
	 * The instance takes it over. */
	void **module_data;
};

struct conf {
	const char *file;
	const char *run_dir;
	unsigned io_threads, workers;
	int64_t max_connections;      /* per I/O thread */
	struct log_settings log;
	struct conf_host *hosts;
	size_t n_hosts;
	struct conf_listen *listens;
	size_t n_listens;
	struct {
		const char *driver, *path;
	} database;
	struct {
		const char *socket;   /* absolute path */
		int64_t mode;
	} control;
	struct {
		bool allow_plaintext;
		int64_t scram_iterations;
		const char **mechanisms;
		jd_usec login_deadline;
		int64_t max_failures;
	} auth;
	struct {
		int64_t stanza_bytes, stanza_bytes_before_login, body_chars;
		jd_usec park_after;
	} limits;
	const char *module_dir, *schema_dir;
	struct jd_arena *arena;       /* holds all of it */
};

/* How conf.c asks for a module's descriptor; NULL with a sentence in err. */
typedef const struct jd_module *(*conf_module_fn)(const char *name, char *err, size_t err_size);

/* Mistakes are reported through report(line), one sentence each. -JD_ECONF. */
int conf_load(const char *file, conf_module_fn modules, void (*report)(const char *line, void *arg),
	      void *arg, struct conf **ret_conf) JD_MUST_USE;
void conf_free(struct conf *conf);

/* One row per option of the server itself: for the manual and for jackdawctl. */
struct conf_doc {
	const char *section; /* "" top level, "log", "host", "listen" ... */
	const char *name;
	const char *type;    /* "size", "time" ... */
	const char *fallback;
	const char *help;
};
const struct conf_doc *conf_docs(size_t *ret_n);
