/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_offline:
 *
 *     idset.c     a set of row numbers in little memory
 *     gaps.c      rows that nobody waits for
 *     position.c  which rows of an account's log its clients have
 *     drain.c     what waits for a session is read from the log and written to it
 *     begin.c     where that begins
 *     gate.c      what else is written to a session meanwhile
 *     status.c    what an administrator can see
 */
#pragma once

#include <jackdaw/archive.h>
#include <jackdaw/time.h>

/* -- sets of row numbers ------------------------------------------------------------------- */

#define IDSET_RANGES 128
#define IDSET_TEXT   (IDSET_RANGES * 44)

struct idset_range {
	uint64_t from, to;
};

/* Every number up to base, and ranges above it, in their order and apart from each other. */
struct idset {
	uint64_t base;
	struct idset_range *ranges;
	unsigned n, room;
	bool keeps_new; /* when it is full the lowest range is forgotten, not the highest */
};

void idset_add(struct idset *set, uint64_t from, uint64_t to);
bool idset_has(const struct idset *set, uint64_t id);
/* Whether it has all of them. */
bool idset_covers(const struct idset *set, uint64_t from, uint64_t to);
/* Ranges that the other set has, too, go. */
void idset_prune(struct idset *set, const struct idset *other);
/* The ranges as "5 7-9"; out has room for IDSET_TEXT. */
struct jd_str idset_text(const struct idset *set, char *out);
/* Adds what such a text says; what cannot be read ends it. */
void idset_add_text(struct idset *set, struct jd_str text);
void idset_fini(struct idset *set);

/* -- the module ------------------------------------------------------------------------------ */

struct offline {
	const struct jd_archive *archive;
	struct jd_instance *archive_mi;
};

/* A row that a client is being shown, and from where on there is no other to be delivered. */
struct gap {
	uint64_t id, from;
};

/* Data of an account. */
struct home {
	struct jd_instance *mi;
	struct jd_account *account; /* NULL: not used yet */
	uint64_t owner;
	struct idset taken; /* deliverable rows that a client has, and rows that nobody waits for */
	struct idset hidden; /* rows known to be hidden */
	struct gap *gaps;    /* in the order of their rows */
	unsigned n_gaps, room_gaps;
	struct jd_timer *timer;
	bool loaded, loading, writing;
	bool changed; /* since it was written */
	uint64_t
		seen; /* every deliverable row behind this one has passed by, or will; 0: unknown */
};

struct home *offline_home(struct jd_instance *mi, struct jd_account *account);
void offline_home_free(struct jd_instance *mi, void *data);
/* Has it loaded; then drain_loaded() is called for each session of the account. False: not now. */
bool offline_home_load(struct home *h);
/* A deliverable row has been committed. */
void offline_home_see(struct home *h, uint64_t id);
/* A deliverable row is before its client; between it and `from` there is none. */
void offline_home_gap(struct home *h, uint64_t from, uint64_t id);
/* These rows are not waited for any more. lazy: not worth a write of its own. */
void offline_home_take(struct home *h, uint64_t from, uint64_t to, bool lazy);
/* A client has them: hidden ones are erased. */
void offline_home_taken(struct home *h, const uint64_t *rows, size_t n);
/* The last session has gone. */
void offline_home_leave(struct home *h);
void offline_gaps_free(struct home *h);
int offline_position_start(struct jd_instance *mi);

/* -- sessions -------------------------------------------------------------------------------- */

enum phase {
	PHASE_AWAY,   /* messages to the bare address are not for it (no presence, or below 0) */
	PHASE_START,  /* it is being found out what waits for it */
	PHASE_HIDDEN, /* hidden rows below where it starts */
	PHASE_ROWS,   /* all rows above */
	PHASE_LIVE,   /* it has got everything */
};

struct held {
	struct held *next;
	struct jd_stanza *st;
};

/* Data of a session. */
struct drain {
	struct jd_instance *mi;
	struct jd_session *session; /* NULL: not used yet */
	enum phase phase;
	bool busy;          /* something has been asked for that will call back ... */
	bool stale;         /* ... with what is of no use any more */
	bool writing;       /* what is being written comes from here ... */
	bool passed;        /* ... and nobody has refused it in the session's name */
	struct idset given; /* rows that have been written to it, whoever wrote them */
	uint64_t at;        /* rows up to here have been looked at */
	uint64_t missed;    /* the last row that was held back: the log has it */
	uint64_t live;      /* the first such: what others get at once has no delay here */
	uint64_t asked;     /* what missed was when the page was asked for */
	bool bound_known;
	uint64_t bound_at;    /* Bind 2: the last row when it was bound */
	uint64_t bound_first; /* the first one to be delivered since then; 0: none yet */
	uint64_t *hidden;     /* ids that are still to be delivered below the start */
	size_t n_hidden, i_hidden;
	/* messages that are not in the log and may not overtake those that are */
	struct held *first, **end;
	unsigned n_held;
	size_t held_size;
};

struct drain *offline_drain(struct jd_instance *mi, struct jd_session *session);
void offline_drain_free(struct jd_instance *mi, void *data);
static inline bool drain_runs(const struct drain *d)
{
	return d->phase != PHASE_AWAY && d->phase != PHASE_LIVE;
}
/* It has become available to messages, or not any more. */
void drain_begin(struct drain *d);
void drain_stop(struct drain *d);
/* The position of its account is there (or cannot be loaded now). */
void drain_loaded(struct drain *d, bool good);
/* Rows from here on may have been missed by it. */
void drain_rewind(struct drain *d, uint64_t from);

/* The steps, for each other: asked for by one, taken by a callback. */
struct home *drain_home(struct drain *d);
void drain_step(struct drain *d);
/* In the callback. False: what has come is of no use any more. */
bool drain_wanted(struct drain *d);
/* The database does not answer: what waits goes on waiting. */
void drain_retry(struct drain *d);
/* As soon as the connection has taken what is there. */
void drain_next_page(struct drain *d);
#define DRAIN_PAGE 50
int drain_read(struct drain *d, uint64_t after, uint64_t before, jd_archive_read_fn fn);
/* False: the session takes nothing now. */
bool drain_write(struct drain *d, const struct jd_archived *row);
void drain_rows(struct drain *d);
/* Everything up to .at has been looked at. */
void drain_end(struct drain *d);

/* Bind 2: what is there already the client asks the archive for. */
void drain_bound(struct drain *d);
void begin_step(struct drain *d);
void begin_hidden(struct drain *d);
int offline_begin_start(struct jd_instance *mi);

/* The session goes over to live: what was held back is written. */
void gate_open(struct drain *d);
void gate_drop(struct drain *d);
int offline_gate_start(struct jd_instance *mi);

int offline_status_start(struct jd_instance *mi);
