/* SPDX-License-Identifier: MIT
 *
 * What the files of commands share: a running command, and its document.
 */
#pragma once

#include "core/registry.h"
#include "util/arena.h"
#include "util/buf.h"

/* -- the document (command_doc.c) ------------------------------------------------------------ */

#define DOC_MAX_BYTES ((size_t)8 << 20) /* of its values; more: the command fails */

struct doc {
	struct jd_arena *arena;
	struct jd_doc_part *parts, **last;
	struct jd_doc_part *list; /* being filled */
	struct jd_doc_record *record;
	size_t bytes;
};

void doc_init(struct doc *d, struct jd_arena *arena);
void doc_put(struct doc *d, struct jd_doc_value value);
void doc_list(struct doc *d, const char *key);
void doc_record(struct doc *d);
void doc_end(struct doc *d);
/* Both end with a line feed. -JD_ELIMIT past DOC_MAX_BYTES. */
int doc_json(const struct doc *d, struct buf *out) JD_MUST_USE;
int doc_text(const struct doc *d, struct buf *out) JD_MUST_USE;

/* -- the table and what runs (command.c) --------------------------------------------------------
 */

struct arg_value {
	bool given;
	bool secret; /* wiped in the end */
	struct jd_str text;
	int64_t num;
	struct jd_jid jid;
};

struct command_entry {
	struct list node; /* in commands, by name */
	const struct jd_command_def *def;
	struct list users; /* struct command_user: the instances that registered it */
	bool core;
};

struct command_user {
	struct list node;
	struct jd_instance *mi;
	const struct jd_command_def *def; /* another one while the module is being replaced */
};

struct jd_command {
	struct list node; /* in running */
	const struct command_entry *entry;
	struct jd_instance *mi;
	struct command_front *front; /* NULL: gone, or told */
	struct jd_arena arena;
	struct jd_owner owner; /* what the handler waits for */
	struct jd_owner own;   /* the deadline */
	struct arg_value args[JD_COMMAND_MAX_ARGS];
	struct doc doc;
	void *data;
	unsigned refs; /* it, and what cannot be cancelled */
	bool ended;
	struct defer release;
};

extern struct list commands; /* struct command_entry, sorted */

struct jd_command *command_new(struct command_front *front, const struct command_entry *e);
struct command_entry *command_entry_find(struct jd_str name);
/* Its arguments are there: chooses the instance and runs it. COMMAND_USAGE: c is gone. */
int command_begin(struct jd_command *c, char *usage, size_t usage_size) JD_MUST_USE;
/* Who calls back through something that cannot be cancelled keeps the command meanwhile. */
struct jd_command *command_ref(struct jd_command *c);
void command_unref(struct jd_command *c);

/* -- arguments (command_args.c) -------------------------------------------------------------------
 */

/* Fills c->args; COMMAND_USAGE with text. */
int command_parse(struct jd_command *c, const struct jd_str *argv, size_t argc, char *usage,
		  size_t usage_size) JD_MUST_USE;
/* Fills c->args by place; as above, without the line about usage. */
int command_fill(struct jd_command *c, const struct jd_str *values, char *usage,
		 size_t usage_size) JD_MUST_USE;
/* "users [HOST] [--after NAME]" */
void command_synopsis(const struct jd_command_def *def, char *out, size_t size);
/* How many words of argv are flags, and which places they fill: for command_secrets(). */
int command_missing_secrets(const struct jd_command_def *def, const struct jd_str *argv,
			    size_t argc, char *out, size_t size) JD_MUST_USE;
unsigned command_n_args(const struct jd_command_def *def);

/* -- the core's own
 * ---------------------------------------------------------------------------------- */

extern const struct jd_command_def commands_core[];      /* commands_core.c */
extern const struct jd_command_def commands_ban[];       /* commands_ban.c */
extern const struct jd_command_def commands_db[];        /* commands_db.c */
extern const struct jd_command_def commands_component[]; /* component.c */
extern const struct jd_command_def commands_memory[];    /* commands_memory.c */
extern const struct jd_command_def commands_modules[];   /* commands_modules.c */
extern const struct jd_command_def commands_tokens[];    /* commands_tokens.c */
extern const struct jd_command_def commands_users[];     /* commands_users.c */
/* Ends every session of a host, account or full address; how many. text is static. */
int64_t sessions_end(struct jd_jid address, enum stream_condition why, const char *text);
