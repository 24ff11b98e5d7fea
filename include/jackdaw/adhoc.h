/* SPDX-License-Identifier: MIT
 *
 * The service "adhoc" (mod_adhoc, XEP-0050): commands that people run from
 * their clients.  A module offers any number of them as a source:
 *
 *     adhoc = jd_service(mi, "adhoc", &provider);   with .after = "adhoc"
 *     adhoc->offer(provider, mi, &source);
 *
 * mod_adhoc speaks the protocol: lists, sessions with their bounds and timeouts,
 * actions that are not allowed.  run() gets one stage at a time and answers it,
 * now or from a callback that belongs to jd_iq_pending(stage->iq), by exactly one
 * of send() and fail().  After that the stage is no more.
 *
 *     x = adhoc->executing(stage, 1, JD_ADHOC_COMPLETE, JD_ADHOC_COMPLETE);
 *     jd_form_write_form(x, &form);
 *     adhoc->send(stage, x);
 */
#pragma once

#include <jackdaw/form.h>
#include <jackdaw/module.h>

enum jd_adhoc_action {
	JD_ADHOC_EXECUTE = 0, /* the first stage */
	JD_ADHOC_NEXT = 1,
	JD_ADHOC_PREV = 2,
	JD_ADHOC_COMPLETE = 4,
};

enum jd_adhoc_access {
	JD_ADHOC_UNKNOWN,   /* not a command of this source */
	JD_ADHOC_FORBIDDEN, /* not for this one */
	JD_ADHOC_ALLOWED,
};

/* One request, being answered. */
struct jd_adhoc_stage {
	struct jd_iq *iq;
	struct jd_str node;
	enum jd_adhoc_action action;
	unsigned number;   /* 0, or what the answer before it said */
	struct jd_el form; /* the data form that came along; or no element */
};

struct jd_adhoc_source {
	unsigned targets; /* JD_TO_HOST; JD_TO_ACCOUNT: an account's own sessions only */
	/* fn for each command that the sender of iq may run. */
	void (*each)(struct jd_instance *mi, struct jd_iq *iq,
		     void (*fn)(void *arg, struct jd_str node, struct jd_str name), void *arg);
	/* May the sender of iq run it? Asked again at each stage. The name lives as long as iq. */
	enum jd_adhoc_access (*find)(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node,
				     struct jd_str *ret_name);
	void (*run)(struct jd_instance *mi, struct jd_adhoc_stage *stage);
};

struct jd_adhoc_ops {
	/* In start(). -JD_ELIMIT: there are too many sources. */
	int (*offer)(struct jd_instance *adhoc, struct jd_instance *mi,
		     const struct jd_adhoc_source *source);
	/* In stop(). */
	void (*withdraw)(struct jd_instance *adhoc, struct jd_instance *mi);
	/* An answer that goes on: the number of the next stage, the actions that it allows
	 * (or'ed), and the one that "execute" stands for. */
	struct jd_xml *(*executing)(struct jd_adhoc_stage *stage, unsigned number, unsigned actions,
				    enum jd_adhoc_action execute);
	struct jd_xml *(*completed)(struct jd_adhoc_stage *stage);
	/* type: "info", "warn", "error". */
	void (*note)(struct jd_xml *x, const char *type, struct jd_str text);
	void (*send)(struct jd_adhoc_stage *stage, struct jd_xml *x);
	/* The session goes on where it was. specific: "bad-payload" or another condition of
	 * XEP-0050; NULL: none. */
	void (*fail)(struct jd_adhoc_stage *stage, enum jd_condition condition,
		     const char *specific, const char *text);
	/* What the session keeps from stage to stage: zeroed, its size counts when first asked
	 * for. */
	void *(*data)(struct jd_adhoc_stage *stage, size_t size);
};
