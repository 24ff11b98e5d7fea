/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_push:
 *
 *   mod_push.c  options; which events are news, and whether a client is awake
 *   enable.c    what clients switch on and off, and the table of it
 *   notify.c    one registration: when it is told, and what becomes of that
 *   publish.c   what a service is told and what it answers
 *   command.c   jackdawctl push
 *
 * A registration belongs to the client that made it, which is known by its
 * resource: with Bind 2 that is the same at each login, and other clients make their
 * registration again when they log in.
 */
#pragma once

#include <jackdaw/form.h>
#include <jackdaw/module.h>

#define NS_PUSH        "urn:xmpp:push:0"
#define NS_PUBSUB      "http://jabber.org/protocol/pubsub"
#define NS_OPTIONS     "http://jabber.org/protocol/pubsub#publish-options"
#define NODE_MAX       1023
#define REQUEST_MAX    8192 /* bytes of an <enable/> with its form */
#define RESULT_MAX     64
#define ANSWER_TIMEOUT (30 * JD_USEC_PER_SEC)

enum push_summary { SUMMARY_NONE, SUMMARY_SENDER, SUMMARY_BODY };

struct options {
	int summary; /* enum push_summary */
	bool inactive;
	jd_usec interval;
	jd_usec backoff;
	int64_t attempts;
	int64_t max_registrations;
};

/* What there is to tell; texts are borrowed. */
struct news {
	unsigned count;
	struct jd_str sender; /* p NULL: unknown */
	struct jd_str body;   /* p NULL: none that may be shown */
};

/* The same, kept. */
struct kept_news {
	unsigned count;
	char *sender, *body;
};

/* One node of one service. In its account's list until nothing refers to it. */
struct reg {
	struct reg *next;
	struct jd_instance *mi;
	struct jd_account *account;
	char *jid, *node; /* as in the table */
	char *client;     /* resource */
	char *request;    /* the <enable/>, as jd_element_bytes() made it */
	jd_usec since;
	bool ended;     /* the service has refused it for good */
	bool dropped;   /* switched off; freed when nothing is asked any more */
	bool busy;      /* a notification is on its way, of a registration ... */
	jd_usec asked;  /* ... that began then */
	bool due;       /* there are news to tell */
	unsigned fails; /* in a row */
	struct kept_news news;
	struct jd_timer *timer; /* until then it is left in peace */
};

/* Data of an account. */
struct home {
	enum { UNKNOWN, LOADING, LOADED } state;
	bool again; /* changed while it was being loaded */
	struct jd_instance *mi;
	struct jd_account *account;
	struct reg *regs;
	struct kept_news waiting; /* for the registrations to be loaded */
};

/* -- mod_push.c -- */

/* The client of a registration is there and looks. */
bool push_awake(struct reg *r);

/* -- enable.c -- */

int push_enable_start(struct jd_instance *mi);
/* The account's data, with its back pointers set. */
struct home *push_home(struct jd_instance *mi, struct jd_account *account);
/* Loads the registrations if they are not known; what waits for them is told then. */
void push_load(struct home *h);
void push_account_free(struct jd_instance *mi, void *data);
/* The result of a notification, for the table; ended: the registration is over. */
void push_note(struct reg *r, struct jd_str result, bool ended);

/* -- notify.c -- */

void push_keep(struct kept_news *k, const struct news *n);
struct news push_kept(const struct kept_news *k);
void push_forget(struct kept_news *k);
/* News for whoever sleeps; client NULL: whichever client. */
void push_tell(struct home *h, const char *client, const struct news *news);
/* The client was there. */
void push_back(struct reg *r);
/* Switched off; freed now or when the answer is there. */
void push_drop(struct reg *r);
/* Of an account that goes: what was pending has gone. */
void push_reg_free(struct reg *r);

/* -- publish.c -- */

/* Publishes to the service of a registration's request. -JD_ELIMIT, -JD_EINVAL. */
int push_publish(struct jd_instance *mi, struct jd_owner *owner, struct jd_str request,
		 const struct news *news, jd_answer_fn fn, void *arg) JD_MUST_USE;
/* The answer in a word; true: it is over with this registration. */
bool push_refused(struct jd_stanza *answer, char ret_result[RESULT_MAX]);

/* -- command.c -- */

int push_commands_start(struct jd_instance *mi);
