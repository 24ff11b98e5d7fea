/* SPDX-License-Identifier: MIT
 *
 * Modules at work: opening shared objects, making instances, recording what
 * they register so that it can be undone.
 */
#pragma once

#include "core/core.h"

/* -- shared objects (module.c) --------------------------------------------------------- */

/* Finds mod_NAME.so in the search path, loads a private copy of it (memfd; RTLD_NOW |
 * RTLD_LOCAL) once, checks its ABI. NULL with a sentence. Modules that are linked in
 * (--with-static-modules) come first. */
const struct jd_module *module_open(const char *name, char *err, size_t err_size);
/* What module_open() returned for it belongs to; NULL: linked in. */
struct loaded *module_loaded(const struct jd_module *module);
/* Those that no instance is left of. From the top of the loop. */
void modules_close_unused(void);
/* From now on module_open(name) looks at the file again; what runs stays. */
void module_renew(const char *name);
bool module_is_stale(const struct loaded *l);
/* It shall be this one, which was in force before, after all. */
void module_restore(const struct jd_module *module);
/* The function belongs to the same shared object. */
bool module_has_code(const struct jd_module *module, void (*code)(void));
void modules_close_all(void); /* under sanitizers they stay: reports need the symbols */
void module_search_path(const char *path); /* colon-separated */

/* -- instances (instance.c) --------------------------------------------------------------- */

/* One of them: *data becomes its own. Its tables first; -JD_ECONF with a sentence. */
int instance_start(const struct jd_module *m, struct jd_host *host, void **data, char *err,
		   size_t err_size) JD_MUST_USE;
/* Everything of it is undone, and what waits for it is answered. */
void instance_stop(struct jd_instance *mi);

/* -- while the server runs (live.c) --------------------------------------------------------- */

/* From the top of the loop. -JD_ECONF with a sentence: nothing has changed. After live_load() and
 * live_reload() the options are those of the configuration file as it is now. */
int live_load(struct jd_host *host, const char *name, char *err, size_t err_size) JD_MUST_USE;
int live_unload(struct jd_host *host, const char *name, char *err, size_t err_size) JD_MUST_USE;
/* With who uses it. */
int live_reload(struct jd_host *host, const char *name, char *err, size_t err_size) JD_MUST_USE;
/* Before modules_close_all(). */
void live_fini(void);

/* Starts the modules of a host in an order that satisfies needs and after; migrations
 * first. A global module starts with the first host that lists it. Every host has been added
 * by then. -JD_ECONF with a sentence; what was started has been stopped again. */
int host_start_modules(struct jd_host *host, char *err, size_t err_size) JD_MUST_USE;
/* Stops in reverse order; undoes everything registered. The last host stops the global ones. */
void host_stop_modules(struct jd_host *host);
/* The <features/> content that modules advertise after login. Logic thread; mem_free() it. */
char *host_stream_features(struct jd_host *host);
/* The same for what can be asked for in <bind/> (XEP-0386): <feature/>s. */
char *host_bind_features(struct jd_host *host);
/* Gives the children of <bind/> to who registered their namespaces. */
void bind_features_run(struct jd_session *s, struct jd_el request, struct jd_xml *answer);

/* -- what instances register (registry.c) ---------------------------------------------------- */

/* Undoes what jd_feature() and its like have noted. */
void registered_remove(struct jd_instance *mi);
/* It has a service of the other one, and may be in the midst of using it. */
bool instance_uses(const struct jd_instance *mi, const struct jd_instance *provider);
/* fn for the host of mi, or for every host if mi is global; ends at the first failure. */
int instance_each_host(struct jd_instance *mi, int (*fn)(struct jd_host *host, void *arg),
		       void *arg);

/* -- commands (command.c) --------------------------------------------------------------------- */

/* The core's own commands; before modules start. */
void commands_init(void);
void commands_fini(void);
/* Commands of mi go; those that run are ended with a sentence. */
void commands_remove(struct jd_instance *mi);

struct doc;

/* What a front end implements to run a command for somebody. */
struct command_front {
	struct jd_command *command; /* command.c's: what runs; NULL: nothing */
	/* The end: a document (command_priv.h), or NULL and a sentence; valid during the call,
	 * which may come beneath command_run(). */
	void (*done)(struct command_front *self, const struct doc *doc, struct jd_str error);
	struct jd_str by; /* who asks, for the log */
};

enum command_outcome { COMMAND_RUNS = 0, COMMAND_USAGE = 1 };

/* argv[0..argc) are the words of the command and its arguments. COMMAND_USAGE: unknown or
 * wrong; a helpful text has been written to usage. */
int command_run(struct command_front *front, const struct jd_str *argv, size_t argc, char *usage,
		size_t usage_size) JD_MUST_USE;
/* The names of secret arguments that argv lacks, one a line, into out; COMMAND_USAGE as above. */
int command_secrets(const struct jd_str *argv, size_t argc, char *out, size_t size) JD_MUST_USE;
/* The front end has gone: done() is not called any more. */
void command_abandon(struct command_front *front);

/* -- the control socket (control.c) ---------------------------------------------------------------
 */

/*
 * Protocol of the Unix socket (jackdawctl speaks it; not a public interface):
 * request: u32 count, then per word u32 length + bytes (big endian); at most
 * 64 words and 64 KiB; word 0 is "text" or "json", the others are the command.
 * answer: u8 exit code (0 ok, 1 failed, 2 usage), u32 length, bytes for stdout
 * (0) or stderr (1, 2; with "json" an object with the key "error").  One request
 * per connection.  Word 0 "?secret" answers the names of arguments of a command
 * that are secrets, one a line, so that jackdawctl can ask for them; it gives
 * them as the words --NAME VALUE.
 */
#define CONTROL_MAX_WORDS 64
#define CONTROL_MAX_BYTES (64u << 10)

int control_open(const char *path, int mode, char *err, size_t err_size) JD_MUST_USE;
void control_close(void);
