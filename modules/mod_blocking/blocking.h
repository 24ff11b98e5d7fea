/* SPDX-License-Identifier: MIT
 *
 * The inside of mod_blocking.
 *
 * An account's list is read when the first stanza from or to the account needs
 * it, and belongs to the account's home then.  A change is written first; memory
 * follows when its COMMIT has come.  Memory may be believed while every write is
 * settled, that is, known to be in both.  Where one is on its way, has failed, or
 * has outlasted the request that it was for, the next stanza waits for a read that
 * stands behind it.
 */
#pragma once

#include <jackdaw/presence.h>
#include <jackdaw/roster.h>

#define NS_BLOCKING "urn:xmpp:blocking"

/* Of all addresses in a list, so that a list fits into one answer. */
#define LIST_MAX_BYTES (128u << 10)

struct options {
	int64_t max_items;
};

/* Data of an account. */
struct blocklist {
	bool loaded;
	bool telling;       /* what is sent now goes to those on the list, too */
	uint64_t submitted; /* writes, counted ... */
	uint64_t settled;   /* ... and how many of them memory agrees with, in their order */
	char **jids;        /* sorted */
	size_t count;
	size_t bytes;
};

/* Data of a session. */
struct interest {
	bool interested; /* it has asked for the list: gets pushes */
};

/* Sorted, each once. */
struct jids {
	struct jd_str *p;
	size_t n;
};

/* -- list.c: memory and database ----------------------------------------------------- */

int blocklist_start(struct jd_instance *mi);
void blocklist_clear(struct blocklist *l);
bool blocklist_has(const struct blocklist *l, struct jd_str jid); /* this very address */
/* By the address, its bare form or its domain. */
bool blocklist_blocks(const struct blocklist *l, struct jd_jid jid);
void blocking_sort(struct jids *jids); /* and once each */
bool blocking_have(struct jids jids, struct jd_str jid);

/* PASS: it is settled. WAIT: it will be, for the call. DROP: it cannot be read, and the sender
 * has been told. */
enum jd_verdict blocklist_load(struct jd_instance *mi, struct jd_account *a, struct jd_call *call);

/* The list with (block) or without some addresses. */
struct change {
	bool block;
	struct jids jids;
	uint64_t number; /* of the write */
};
/* -JD_E*: nothing was submitted. */
int blocklist_write(struct jd_instance *mi, struct jd_iq *iq, struct change *change, jd_db_fn fn,
		    void *arg) JD_MUST_USE;
/* Its COMMIT has come: into memory with it. */
void blocklist_written(struct blocklist *l, const struct change *change);

/* -- query.c: what clients ask and are told ------------------------------------------ */

int blocking_query_start(struct jd_instance *mi);
