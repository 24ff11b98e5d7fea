/* SPDX-License-Identifier: MIT
 *
 * The parts of the PostgreSQL driver:
 *
 *     driver.c    what db.h asks of a driver; loading libpq
 *     begin.c     blocking, at start: what the database must be like, the lock
 *     script.c    blocking, on the home thread: migrations
 *     thread.c    the driver's thread: queues, which unit goes where, deadlines
 *     line.c      a connection's life: connecting, setting up, losing, again
 *     flight.c    what has been sent and not been answered: sending units
 *     answer.c    reading answers; outcomes
 *     value.c     parameters and rows in PostgreSQL's binary form
 *     statement.c prepared statements
 *     seat.c      writes: which connection takes them
 *
 * Two threads.  The home thread submits (a list under a lock) and runs scripts on
 * a connection of its own; everything else belongs to the driver's thread.
 *
 * A unit is sent whole, with a sync behind it, which makes it a transaction: what
 * stands between two syncs commits together or not at all.  Two kinds of units
 * are *guarded*: those with expectations, and writes that return rows (they may
 * turn out to be too many).  They are sent between BEGIN and a sync, and COMMIT
 * follows when their answers are fine; nothing else is sent on that connection
 * meanwhile.
 *
 * Other writes that wait for the same connection share a transaction, as many as
 * there are: one wait for the disk serves them all.  When one of them fails, all
 * are undone and queued again, what stands before it, it alone, what stands behind
 * it; so nobody else hears of it.  One transaction at a time is on its way on a
 * connection for writes, and units with one key go to one connection while any of
 * them is under way: so nothing overtakes when something has to be repeated.
 *
 * A commit costs PostgreSQL more than ten rows.  So writes wait for the first
 * connection as long as it is quick; the others help where it is not (seat.c).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "db/db.h"
#include "db/pgsql/pq.h"

#define PG_MAX_PARAMS  32
#define PG_MAX_LINES   16  /* for reads, and as many for writes */
#define PG_DEPTH       32  /* reads in flight on one connection */
#define PG_GROUP       128 /* writes in one transaction */
#define PG_GROUP_BYTES ((size_t)1024 * 1024)
#define PG_SEATS       1024                   /* a power of two */
#define PG_SHORT_LIMIT (10 * JD_USEC_PER_SEC) /* a statement of the other lanes */

/* Advisory locks, by two numbers: who has the database, and each of its connections. */
#define PG_LOCK_SERVER "1784898914"
#define PG_LOCK_LINE   "1784898915"

extern const struct pq *libpq; /* loaded by driver.c */

struct pgsql;

/* -- where the database is -------------------------------------------------------- */

struct target {
	char *conninfo;
	char *password_file; /* NULL: none */
	char who[64];        /* "jackdaw PID@host" */
	jd_usec long_limit, wait_limit;
	uint32_t instance; /* a number of this run, never 0 */
};

/* -- statements ------------------------------------------------------------------- */

/* One text with one choice of parameter types. PostgreSQL wants to know types when it
 * prepares; the interface learns them from the values. */
struct variant {
	struct variant *next;
	unsigned id; /* over all statements: place in struct line's table */
	unsigned n_params;
	unsigned char kinds[PG_MAX_PARAMS]; /* of jd_param; NULL where only that was seen */
	const struct statement *statement;
	const char *sql; /* NULL: none for this dialect */
	bool returns_rows;
};

struct variant_book {
	struct variant **first; /* by the number of the statement */
	unsigned n;
	unsigned count; /* variants */
};

const struct variant *variant_find(struct variant_book *book, const struct unit_step *step);
void variants_free(struct variant_book *book);

/* -- values ----------------------------------------------------------------------- */

struct bound {
	const char *values[PG_MAX_PARAMS];
	int lengths[PG_MAX_PARAMS];
	int formats[PG_MAX_PARAMS];
	uint64_t numbers[PG_MAX_PARAMS];
};

void value_bind(struct bound *b, const struct unit_step *step);
Oid value_type(unsigned char kind);
/* Appends the rows of r. -JD_ELIMIT: too large; -JD_EINVAL: a type that is not known. */
int value_rows(struct jd_rows *rows, size_t *capacity, size_t *bytes, const PGresult *r);

/* -- connections ------------------------------------------------------------------ */

enum segment_kind {
	SEGMENT_PREPARE,
	SEGMENT_UNIT,   /* steps and, unless guarded, the commit */
	SEGMENT_COMMIT, /* of a guarded unit */
	SEGMENT_ROLLBACK,
};

/* What ends in a sync. */
struct segment {
	struct list node;
	enum segment_kind kind;
	bool guarded;
	bool failed; /* an error came for it */
	bool too_large;
	bool unknown_type;
	unsigned op;       /* the statement whose answer comes next */
	unsigned head;     /* statements of ours before the first step */
	struct list units; /* that end with it */
	unsigned n_units;
	bool counted;         /* in the flight */
	struct jd_unit *unit; /* whose answers come; NULL: all have come, or nobody wants them */
	struct unit_step *step;
	const struct variant *variant; /* to be prepared */
	size_t capacity, bytes;        /* of the rows */
	jd_usec sent;
	bool conflict;           /* an expectation was not met */
	struct jd_unit *culprit; /* whose statement failed; NULL: it was the commit */
	bool sent_whole;         /* with its sync */
	bool goodbye;            /* the server told us to go while a statement of it ran */
	char sqlstate[6];
	char reason[160];
};

enum line_kind { LINE_GUARD, LINE_READ, LINE_WRITE, LINE_LONG };

enum line_state {
	LINE_DOWN,       /* the timer brings the next attempt, or nobody wants it */
	LINE_CONNECTING, /* the timer ends the attempt */
	LINE_SETUP,
	LINE_READY,
};

enum prepared_state { PREPARED_NOT, PREPARED_SENT, PREPARED_DONE };

struct prepared {
	unsigned char state;
	unsigned name; /* number of the server's statement */
	char *reason;  /* why it could not be prepared */
};

struct line {
	struct pgsql *pg;
	enum line_kind kind;
	unsigned number;
	enum line_state state;
	PGconn *pq;
	struct watch watch;
	bool watched;
	struct timer timer;
	jd_usec backoff;
	struct list queue; /* units of keys that belong here, and what came back */
	struct list flight;
	unsigned n_flight; /* segments of it that have units */
	unsigned group;    /* as many may share a transaction now */
	bool holding;      /* a guarded unit waits for its answers: send nothing */
	bool drop;         /* to be given up at the end of this event */
	bool row_mode_due; /* the next statement's rows are to come one by one */
	bool setup_fine;
	bool farewell;             /* the server is closing it: nothing more is to be sent */
	jd_usec progress;          /* when something was answered */
	struct prepared *prepared; /* by the number of the variant */
	unsigned n_prepared;
	unsigned names;
};

/* Begins to connect at once, or does nothing if that is under way. */
void line_want(struct line *c);
/* Gives the connection up: what was in flight is sorted out, the timer set. */
void line_lost(struct line *c, const char *why);
/* For good. */
void line_close(struct line *c);
/* A connection that was made elsewhere. */
void line_adopt(struct line *c, PGconn *pq);
/* Sends what is buffered. False: lost. */
bool line_flush(struct line *c);
/* Parameters for libpq: conninfo, password, name. The password is wiped by target_wipe(). */
struct params {
	const char *keys[8];
	const char *values[8];
	char name[64];
	char password[256];
};
void target_params(const struct target *t, const char *role, struct params *ret_params);
void params_wipe(struct params *p);
/* Settings that every connection of this kind gets; a statement list. */
void target_setup(const struct target *t, enum line_kind kind, int guard_pid, char *out,
		  size_t size);
void notice_drop(void *arg, const PGresult *r); /* a notice receiver */

/* Sends the next unit, or a group of them. False when the connection is gone. */
bool flight_send(struct line *c);
/* Sends units while the connection takes them. */
void flight_pump(struct line *c);
/* Sends COMMIT or ROLLBACK for a guarded unit whose answers are in. */
void flight_decide(struct line *c, struct jd_unit *unit, bool commit);
/* Nothing will be answered any more. */
void flight_lost(struct line *c, const char *why);
struct segment *segment_new(struct line *c, enum segment_kind kind);
void segment_free(struct line *c, struct segment *s);
/* To the front of their queues. */
void flight_again(struct line *c, struct list *units);
/* The unit ends with this segment. */
void segment_take(struct line *c, struct segment *s, struct jd_unit *unit);
struct prepared *line_prepared(struct line *c, unsigned id);

/* Reads what has come; false when the connection is of no use any more. */
bool answer_read(struct line *c);

/* -- writes ----------------------------------------------------------------------- */

/* Units whose keys fall on it, as many as a connection has taken and not ended. */
struct seat {
	struct line *line;
	unsigned units;
	bool stays; /* one of them may still be at work: until the connection is back */
};

/* The next write without a place that c may take; NULL: none. What belongs to another connection
 * is moved there. */
struct jd_unit *seat_next(struct line *c);
/* c has taken it, with or without a key. */
void seat_take(struct line *c, struct jd_unit *unit);
void seat_leave(struct pgsql *pg, struct jd_unit *unit, bool uncertain);
/* c is ready: what was at work on it before has ended. */
void seat_back(const struct line *c);

/* -- the driver ------------------------------------------------------------------- */

struct pgsql {
	struct db *db;
	struct target target;
	/* home's */
	PGconn *admin;
	struct loop *home;
	struct list given; /* submitted in this turn */
	struct defer hand_over;
	bool started;
	pthread_t thread;
	/* between the threads */
	pthread_mutex_t lock;
	struct list submitted;
	_Atomic bool any_submitted;
	_Atomic bool closing;
	/* the thread's */
	struct loop *loop;
	struct source source;
	struct timer tick;
	struct line guard, search;
	struct line reads[PG_MAX_LINES], writes[PG_MAX_LINES];
	unsigned n_lines;
	struct list read_queue, write_queue; /* what no connection has taken */
	struct seat seats[PG_SEATS];
	size_t n_units;   /* here, not yet given back */
	struct list done; /* to be given back at the end of the turn */
	struct defer give_back;
	jd_usec close_at;  /* when closing began; 0: it didn't */
	bool away;         /* the log has said that the database is gone */
	unsigned refusals; /* of the lock, one after another */
	struct variant_book book;
	struct list spare; /* segments */
	int guard_pid;     /* of the server's process that holds the lock */
};

/* A unit's end. */
void pgsql_done(struct pgsql *pg, struct jd_unit *unit, enum jd_db_status status,
		const char *reason);
/* The guard has the lock (again): connections may be made. */
void pgsql_guarded(struct pgsql *pg);
/* The next unit for c, or NULL. */
struct jd_unit *pgsql_next(struct line *c);
void *pgsql_main(void *arg);

/* -- at start: home's thread, blocking ---------------------------------------------- */

int target_init(struct target *t, const struct db_settings *settings, struct db_error *ret_error);
void target_fini(struct target *t);
/* A connection; -JD_EDB. */
int begin_connect(const struct target *t, const char *role, PGconn **ret_pq,
		  struct db_error *ret_error);
/* The connection that holds the lock, on a database that is fit for us. */
int begin_guard(const struct target *t, PGconn **ret_pq, struct db_error *ret_error);
/* The question that takes the lock; its answer is one row: taken or not, others there. */
void guard_question(const struct target *t, char *out, size_t size);
int script_run(PGconn *pq, const struct db_script *script, struct db_error *ret_error);
int script_version(PGconn *pq, const char *component, unsigned *ret_version,
		   struct db_error *ret_error);
