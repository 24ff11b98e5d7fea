/* SPDX-License-Identifier: MIT
 *
 * The inside of mod_roster.
 *
 * A roster is loaded when a presence or an IQ first needs it, and then belongs to
 * the account's home.  A change is applied in memory, written, and becomes known
 * to clients and contacts when its COMMIT has come.  Units of one roster are
 * written in the order of their submission.
 *
 * Memory may be believed while every write is settled: known to be stored.  Where
 * one is on its way for another mailbox of the account, has failed, or has outlasted
 * the request that it was for, the next stanza that needs the roster waits for a
 * read that stands behind all of them.
 */
#pragma once

#include <jackdaw/roster.h>

#define NS_ROSTER       JD_NS_ROSTER
#define NS_PRE_APPROVAL "urn:xmpp:features:pre-approval"

/* The state of an item (RFC 6121 appendix A) as bits; stored like this. */
enum {
	ITEM_TO = 1,        /* we see their presence */
	ITEM_FROM = 2,      /* they see ours */
	ITEM_OUT = 4,       /* we have asked: ask='subscribe' */
	ITEM_IN = 8,        /* they have asked: not shown in the roster */
	ITEM_APPROVED = 16, /* when they ask, they may (section 3.4) */
	ITEM_LISTED = 32,   /* shown in the roster */
};

struct options {
	int64_t max_items;
	bool versioning;
};

struct item {
	char *jid;     /* bare */
	char *name;    /* or NULL */
	char *groups;  /* one a line, each ended by a newline; "" for none */
	char *request; /* the stanza, while ITEM_IN; or NULL */
	unsigned state;
};

/* Data of an account. */
struct roster {
	bool loaded;
	uint64_t submitted; /* writes, counted ... */
	uint64_t settled;   /* ... and how many of them memory agrees with, in their order */
	int64_t version;
	struct item **items; /* sorted by jid */
	size_t count, cap;
};

/* Data of a session. */
struct interest {
	bool interested; /* it has asked for the roster: gets pushes */
};

/* -- store.c: memory and database -------------------------------------------------------- */

int store_start(struct jd_instance *mi);
/* farewell.c */
int farewell_start(struct jd_instance *mi);
struct item *roster_find(const struct roster *r, struct jd_str jid);
struct item *roster_add(struct roster *r, struct jd_str jid); /* with state 0 */
void roster_remove(struct roster *r, struct item *item);      /* frees it */
void roster_clear(struct roster *r);
void item_set(char **member, struct jd_str value); /* value.p NULL: NULL */

/* In memory, and what is stored. */
static inline bool roster_settled(const struct roster *r)
{
	return r->loaded && r->settled == r->submitted;
}
/* PASS: it is settled. WAIT: it will be, for the call. DROP: it cannot be read, and the sender
 * has been told. */
enum jd_verdict roster_load(struct jd_instance *mi, struct jd_account *a, struct jd_call *call);

/*
 * Writes an item as it is now (state 0: erases it) under the next version.
 * The callback gets false when it could not be written; the roster is read again then.
 */
typedef void (*written_fn)(void *arg, bool written);
struct change {
	struct jd_instance *mi;
	struct jd_account *account;
	written_fn done;
	void *arg;
	uint64_t number; /* of the write */
};
/* change lives until its callback; -JD_ELIMIT: nothing was submitted. */
int roster_write(struct change *change, struct jd_owner *owner, const struct item *item,
		 struct jd_str jid);

/* -- query.c: what clients ask and are told ------------------------------------------------ */

int query_start(struct jd_instance *mi);
/* A roster push to every interested session; item NULL: jid was removed. */
void roster_push(struct jd_instance *mi, struct jd_account *a, const struct item *item,
		 struct jd_str jid);

/* -- subscription.c ---------------------------------------------------------------------------- */

int subscription_start(struct jd_instance *mi);
/* Presence of every available session of the account to somebody: as it is, or unavailable. */
void send_presence(struct jd_account *a, struct jd_jid to, bool available);
