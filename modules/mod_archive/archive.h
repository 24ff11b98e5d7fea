/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_archive:
 *
 *     rules.c    which messages are kept: one table
 *     prefs.c    whose are: what the account wants (XEP-0441)
 *     store.c    stored first, then sent
 *     query.c    what a client asks for (XEP-0313), understood and checked
 *     page.c     the page that answers it: one statement, and what is written
 */
#pragma once

#include <jackdaw/module.h>
#include <jackdaw/rsm.h>
#include <jackdaw/stanza_id.h>
#include <jackdaw/time.h>

#define NS_MAM      "urn:xmpp:mam:2"
#define NS_EXTENDED "urn:xmpp:mam:2#extended"
#define NS_FORWARD  "urn:xmpp:forward:0"

/* -- what is kept ------------------------------------------------------------------------- */

/* Stored like this in archive_pref, and places of the option's choices. */
enum keep { KEEP_NEVER, KEEP_ALWAYS, KEEP_ROSTER };

struct options {
	int keep; /* enum keep: of an account that has said nothing */
};

/* In the column of that name. */
enum { FLAG_BODY = 1 };

/* False: not for archives. ret_flags: of the row. */
bool archive_rules_keep(struct jd_stanza *st, int *ret_flags);

/* -- accounts ----------------------------------------------------------------------------- */

struct pref {
	char *jid;
	enum keep keep;
};

/* Data of an account. */
struct home {
	bool loaded;
	int64_t last_at; /* of what was stored or is being stored */
	int keep;        /* -1: it has said nothing */
	struct pref *prefs;
	size_t n_prefs;
	unsigned
		changes; /* of preferences, counted: what was asked for before one is out of date */
};

void archive_home_free(struct jd_instance *mi, void *data);
/* What the account wants for messages to or from this address. Loaded homes only. */
enum keep archive_home_keep(const struct options *o, const struct home *h, struct jd_jid peer);
/* From rows of last_at, jid, keep; at least one. */
void archive_home_fill(struct home *h, const struct jd_rows *rows);

int archive_prefs_start(struct jd_instance *mi);
int archive_store_start(struct jd_instance *mi);
int archive_query_start(struct jd_instance *mi);

/* -- queries ------------------------------------------------------------------------------ */

#define PAGE_USUAL  50
#define PAGE_MOST   100
#define PAGE_BYTES  "524288" /* of stanzas; or one, however large */
#define COUNT_MOST  10000
#define QUERYID_MAX 1024
#define CHECKS_MAX  4

struct query {
	struct jd_iq *iq;
	uint64_t owner;
	struct jd_str id; /* queryid; p NULL: none */
	bool flip, backwards;
	bool filtered; /* by more than a page's place */
	bool count_only;
	unsigned limit;
	uint64_t after, before; /* between these, neither included */
	jd_usec start, end;
	struct jd_jid with; /* or none */
	struct jd_str ids;  /* as JSON; p NULL: not asked for by id */
	unsigned n_ids;
	uint64_t checks[CHECKS_MAX]; /* ids that must be there */
	unsigned n_checks;
};

int archive_page_start(struct jd_instance *mi);
/* Answers the query, later; -JD_ELIMIT: not now. */
int archive_page_get(struct query *q) JD_MUST_USE;
