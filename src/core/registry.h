/* SPDX-License-Identifier: MIT
 *
 * Modules at work: opening shared objects, making instances, recording what
 * they register so that it can be undone.
 */
#pragma once

#include "core/core.h"

/* -- shared objects (module.c) --------------------------------------------------------- */

/* Finds mod_NAME.so in the search path (JACKDAW_MODULE_DIR or the configured folder),
 * loads a private copy of it (memfd; RTLD_NOW | RTLD_LOCAL) once, checks its ABI.
 * NULL with a sentence. Built-in with --with-static-modules. */
const struct jd_module *module_open(const char *name, char *err, size_t err_size);
void modules_close_all(void); /* not under sanitizers: they need the symbols */
void module_search_path(const char *path); /* colon-separated */

/* -- instances (instance.c) --------------------------------------------------------------- */

/* Starts the modules of a host in an order that satisfies needs and after; statements
 * and migrations first. -JD_ECONF after saying why. */
int host_start_modules(struct jd_host *host) JD_MUST_USE;
/* Stops in reverse order; undoes everything registered. */
void host_stop_modules(struct jd_host *host);
/* The <features/> content that modules advertise after login. Logic thread; mem_free() it. */
char *host_stream_features(struct jd_host *host);

/* -- commands (command.c) --------------------------------------------------------------------- */

/* The core's own commands; before modules start. */
void commands_init(void);
void commands_fini(void);

/* What a front end implements to run a command for somebody. */
struct command_front {
	/* The end: ok, or a sentence. json is the document as JSON; text as lines for people.
	 * Both are valid during the call. */
	void (*done)(struct command_front *self, bool ok, struct jd_str json, struct jd_str text,
		     struct jd_str error);
};

enum command_outcome { COMMAND_RUNS = 0, COMMAND_USAGE = 1 };

/* argv[0..argc) are the words of the command and its arguments. COMMAND_USAGE: unknown or
 * wrong; a helpful text has been written to usage. */
int command_run(struct command_front *front, const struct jd_str *argv, size_t argc, char *usage,
		size_t usage_size);
/* The front end has gone: done() is not called any more. */
void command_abandon(struct command_front *front);

/* -- the control socket (control.c) --------------------------------------------------------------- */

/*
 * Protocol of the Unix socket (jackdawctl speaks it; not a public interface):
 * request: u32 count, then per word u32 length + bytes (big endian); at most
 * 64 words and 64 KiB; word 0 is "text" or "json".
 * answer: u8 exit code (0 ok, 1 failed, 2 usage), u32 length, bytes for stdout
 * (0) or stderr (1, 2).  Special request word 1 "?secret" NAME...: answers the
 * names of arguments of a command that are secrets and missing, one a line, so
 * that jackdawctl can ask for them.
 */
int control_open(const char *path, int mode, char *err, size_t err_size) JD_MUST_USE;
void control_close(void);
