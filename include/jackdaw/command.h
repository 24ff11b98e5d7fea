/* SPDX-License-Identifier: MIT
 *
 * Administrative commands: one table for jackdawctl and every later front end.
 *
 * A command declares its arguments; the core checks and converts them, and the
 * handler answers with one document: named values and named lists of records.
 * The front end prints it as text or as JSON.
 *
 *     static void cmd_users(struct jd_command *c)
 *     {
 *             jd_out_list(c, "users");
 *             for each: jd_out_record(c); jd_out_str(c, "jid", jid); ...
 *             jd_out_end(c);
 *             jd_command_done(c);
 *     }
 *
 * A handler may finish later, from a callback; exactly one of jd_command_done()
 * and jd_command_fail() ends it.
 *
 * Who may run it follows from its arguments: one that names a host or an address
 * may be run by that host's administrators for that host, all others only by
 * those of the whole server; jackdawctl may do everything.  So a command must do
 * nothing beyond the host that its arguments name.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/core.h>

enum jd_arg_kind {
	JD_ARG_END,
	JD_ARG_TEXT,
	JD_ARG_FILE, /* a path on the server's machine: for jackdawctl only */
	JD_ARG_INT,
	JD_ARG_BARE_JID, /* user@host, prepared; the host is one of ours and has users */
	JD_ARG_ROOM,     /* room@component, prepared; the component is one of ours */
	JD_ARG_JID,      /* with or without resource */
	JD_ARG_HOST,     /* one of ours, or a component */
	JD_ARG_SECRET,   /* a password: asked for without echo, never logged or listed */
	JD_ARG_FLAG,     /* --name: given or not */
};

struct jd_arg {
	enum jd_arg_kind kind;
	const char *name; /* "JID", "PASSWORD"; flags: "force" */
	bool optional;
	const char *help;
};

struct jd_command;
typedef void (*jd_command_fn)(struct jd_command *c);

struct jd_command_def {
	const char *name;          /* "adduser"; two words for groups: "room list" */
	const char *help;          /* one sentence */
	const struct jd_arg *args; /* ends with JD_ARG_END; NULL: none */
	jd_command_fn run;
};

/* -- in the handler ------------------------------------------------------------------- */

JD_EXPORT struct jd_instance *jd_command_instance(struct jd_command *c); /* NULL: the core's own */
JD_EXPORT struct jd_arena *jd_command_arena(struct jd_command *c);
JD_EXPORT struct jd_owner *jd_command_pending(struct jd_command *c);
JD_EXPORT void *jd_command_data(struct jd_command *c, size_t size); /* zeroed; one per call */

/* By place in args; absent: p NULL, 0, false. */
JD_EXPORT struct jd_str jd_arg_text(struct jd_command *c, unsigned i);
JD_EXPORT int64_t jd_arg_int(struct jd_command *c, unsigned i);
JD_EXPORT struct jd_jid jd_arg_jid(struct jd_command *c, unsigned i);
JD_EXPORT bool jd_arg_flag(struct jd_command *c, unsigned i);
JD_EXPORT bool jd_arg_given(struct jd_command *c, unsigned i);

/* Named values; inside a record they belong to it. */
JD_EXPORT void jd_out_str(struct jd_command *c, const char *key, struct jd_str value);
JD_EXPORT void jd_out_int(struct jd_command *c, const char *key, int64_t value);
JD_EXPORT void jd_out_bool(struct jd_command *c, const char *key, bool value);
/* A named list of records: list, record values.., record values.., end. Not nested. */
JD_EXPORT void jd_out_list(struct jd_command *c, const char *key);
JD_EXPORT void jd_out_record(struct jd_command *c);
JD_EXPORT void jd_out_end(struct jd_command *c);

JD_EXPORT void jd_command_done(struct jd_command *c);
/* A sentence for a person: what is wrong and what would be right. */
JD_EXPORT void jd_command_fail(struct jd_command *c, const char *fmt, ...) JD_PRINTF(2, 3);

/* -- for front ends ------------------------------------------------------------------- */

/* What a command has answered, in order. */
struct jd_doc_value {
	struct jd_doc_value *next;
	const char *key;
	enum { JD_DOC_STR, JD_DOC_INT, JD_DOC_BOOL } kind;
	struct jd_str str;
	int64_t num;
};

struct jd_doc_record {
	struct jd_doc_record *next;
	struct jd_doc_value *values;
	struct jd_doc_value **last; /* the core's */
};

/* A named value, or a named list of records. */
struct jd_doc_part {
	struct jd_doc_part *next;
	struct jd_doc_value value; /* its key is the list's name, too */
	bool list;
	struct jd_doc_record *records;
	struct jd_doc_record **last; /* the core's */
};

#define JD_COMMAND_MAX_ARGS 16

struct jd_command_request {
	const struct jd_command_def *def;
	struct jd_host *host;                      /* whose administrator asks */
	struct jd_jid by;                          /* the administrator, as the log names him */
	struct jd_str values[JD_COMMAND_MAX_ARGS]; /* by place; p NULL: not given. Flags: any */
};

/* doc NULL: it failed, and error is a sentence. Both are valid during the call. A document
 * without anything in it is NULL, too, with error.p NULL. */
typedef void (*jd_command_end_fn)(void *arg, const struct jd_doc_part *doc, struct jd_str error);

/* fn for each command that works on this host, by name. */
JD_EXPORT void jd_command_each(struct jd_host *host,
			       void (*fn)(const struct jd_command_def *def, void *arg), void *arg);
/* NULL: there is none on this host. */
JD_EXPORT const struct jd_command_def *jd_command_find(struct jd_host *host, struct jd_str name);
/* Whether this administrator may run it at all; jd_command_start() judges the arguments. */
JD_EXPORT bool jd_command_allowed(const struct jd_command_def *def, const struct jd_host *host,
				  struct jd_jid by);
/*
 * Runs a command; fn is called once, later, unless the owner goes first (what was
 * begun goes on).  Where an administrator of the host leaves an optional host or
 * address out, it is his host.  -JD_EACCESS: he may not; -JD_EINVAL: an argument is
 * wrong; both with a sentence in ret_wrong (at least 256 bytes).
 */
JD_EXPORT int jd_command_start(struct jd_owner *owner, const struct jd_command_request *request,
			       jd_command_end_fn fn, void *arg, char *ret_wrong,
			       size_t wrong_size) JD_MUST_USE;
