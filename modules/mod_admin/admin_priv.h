/* SPDX-License-Identifier: MIT
 *
 * What the files of mod_admin share.
 */
#pragma once

#include <jackdaw/adhoc.h>

struct admin {
	const struct jd_adhoc_ops *adhoc;
	struct jd_instance *provider;
};

struct request;
/* What a command has answered, as the end of a stage (result.c) or of a standard command. */
typedef void (*answer_fn)(struct request *r, const struct jd_doc_part *doc);

/* A stage that runs a command of the table. */
struct request {
	struct jd_instance *mi;
	struct jd_adhoc_stage *stage;
	struct jd_command_request command;
	answer_fn answer;
	const struct standard *standard; /* standard.c; NULL: a command of the table */
	struct jd_form form;             /* what was submitted */
	unsigned at;                     /* the address that is its turn, where there are several */
};

static inline const struct jd_adhoc_ops *adhoc_of(const struct request *r)
{
	return ((const struct admin *)jd_data(r->mi))->adhoc;
}

static inline struct jd_arena *arena_of(const struct request *r)
{
	return r->stage->iq->st->arena;
}

struct request *admin_request_new(struct jd_instance *mi, struct jd_adhoc_stage *stage,
				  const struct jd_command_def *def, answer_fn answer);
/* Runs the command with the values that are there; a failure ends the stage. */
void admin_request_run(struct request *r);
/* The command is done: nothing more to tell. */
void admin_answer_done(struct request *r);
/* The document as a form, a table or notes. */
void admin_answer_document(struct request *r, const struct jd_doc_part *doc);
void admin_answer_wrong(struct request *r, const char *text); /* a bad payload */
struct jd_str admin_doc_text(const struct jd_doc_value *v, struct jd_arena *arena);

extern const struct jd_adhoc_source admin_standard_source; /* standard.c: XEP-0133 */
