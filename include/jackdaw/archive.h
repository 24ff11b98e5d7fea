/* SPDX-License-Identifier: MIT
 *
 * The service "archive" (mod_archive): the log of an account or a room.
 *
 * A log is named by the number of its owner.  Its rows have ids that grow in the
 * order of their COMMIT, never given twice.  A row is visible (queries show it) or
 * hidden: kept only until it is delivered.
 *
 * Results come later, once, unless the owner that was named goes first; what was
 * asked for may happen all the same.  -JD_ELIMIT from a function: not now, too
 * much is waiting.
 */
#pragma once

#include <jackdaw/module.h>

struct jd_archive_put {
	uint64_t owner;
	struct jd_jid peer; /* whom it is with: an occupant in a room */
	bool out;           /* the owner has sent it */
	bool hidden;
	struct jd_stanza *st;
};

/* 0: committed, under this id and at this time. Else it is not stored: -JD_ENOENT: the owner is
 * being erased; -JD_ELIMIT: too many hidden rows wait for being delivered; -JD_EDB. */
typedef void (*jd_archive_put_fn)(void *arg, int result, uint64_t id, jd_usec at);

struct jd_archived {
	uint64_t id;
	jd_usec at;
	bool hidden;
	struct jd_stanza *st; /* with its row, and with the log's stanza-id if it is visible;
				 without delay. Borrowed; NULL: it cannot be read */
};

struct jd_archive_read {
	uint64_t owner;
	uint64_t after, before; /* between these, neither included; before 0: to the end */
	jd_usec since;          /* not older than this */
	unsigned limit;         /* 1 to 100 */
	bool newest;            /* the last ones of the range; given oldest first all the same */
	bool deliver;           /* what has come in and is to be delivered, hidden ones too */
};

/* rows: at most `limit`, and 512 KiB or one row; more: there are others behind (newest: before)
 * them in the range. */
typedef void (*jd_archive_read_fn)(void *arg, int result, const struct jd_archived *rows, size_t n,
				   bool more);

/* What stays of a message that was taken back (XEP-0424, XEP-0425). */
struct jd_archive_tombstone {
	struct jd_str id;        /* of the message that took it back; p NULL: none */
	struct jd_jid moderator; /* JD_JID_NULL: its author took it back */
	struct jd_str occupant;  /* the moderator's occupant-id; p NULL: none */
	struct jd_str reason;    /* p NULL: none */
};

typedef void (*jd_archive_state_fn)(void *arg, int result, uint64_t last, uint64_t total);

struct jd_archive {
	int (*put)(struct jd_instance *archive, struct jd_owner *owner,
		   const struct jd_archive_put *row, jd_archive_put_fn fn, void *arg);
	int (*read)(struct jd_instance *archive, struct jd_owner *owner,
		    const struct jd_archive_read *what, jd_archive_read_fn fn, void *arg);
	/* These hidden rows have been delivered: they are erased, lazily, all in one statement. */
	void (*drop)(struct jd_instance *archive, uint64_t owner, const uint64_t *ids, size_t n);
	/* The same for all hidden rows up to this id: for what a crash has left. */
	void (*drop_upto)(struct jd_instance *archive, uint64_t owner, uint64_t id);
	/* Answers a query, a form or metadata of XEP-0313 that came to a room. The caller has
	 * checked that the asker may see it. */
	enum jd_verdict (*query)(struct jd_instance *archive, struct jd_iq *iq, uint64_t owner);
	/* The row becomes a tombstone: 0, -JD_ENOENT, -JD_EDB. at: when that was. */
	int (*retract)(struct jd_instance *archive, struct jd_owner *owner, uint64_t log,
		       uint64_t id, const struct jd_archive_tombstone *tombstone,
		       jd_archive_put_fn fn, void *arg);
	/* From now on (false: no more) what archives do not keep but delivery needs is kept as
	 * hidden rows of accounts. */
	void (*deliver)(struct jd_instance *archive, bool wanted);
	/* The highest id that has been given, and how many visible rows there are. */
	int (*state)(struct jd_instance *archive, struct jd_owner *owner, uint64_t log,
		     jd_archive_state_fn fn, void *arg);
	/* Whether a message, said to all in a room, belongs in its log: put() does not ask. */
	bool (*room_keeps)(struct jd_el message);
};
