/* SPDX-License-Identifier: MIT
 *
 * The asynchronous SQL interface behind <jackdaw/db.h>, and what a driver is.
 *
 * The generic part (db.c) builds units, keeps owners and bounds, and delivers
 * callbacks on the logic thread.  A driver takes units and gives each of them
 * back exactly once with an outcome; how many threads and connections it uses
 * is its own business.
 *
 * What a unit carries belongs to it: parameters are copied into its arena, and a
 * statement is replaced by a copy that lives as long as the process.  So a
 * driver's thread never looks into a module, which may have been unloaded.
 */
#pragma once

#include <jackdaw/db.h>

#include "rt/loop.h"
#include "util/arena.h"
#include "util/owner.h"

struct db;

struct db_settings {
	const char *driver;        /* "sqlite", "pgsql", "test" */
	const char *path;          /* sqlite: file */
	const char *conninfo;      /* pgsql: of libpq */
	const char *password_file; /* pgsql: the password is its first line; NULL: none */
	const char *module_dir;    /* pgsql: folders of db_pgsql.so, separated by colons */
	unsigned connections;      /* pgsql: for reads, and as many for writes; 0: 3 */
	const char *schema_dir;    /* holds sqlite/ and pgsql/ with NNNN_name.sql; NULL: no tables
				      of the core (tests) */
	size_t max_units;          /* waiting; 0: 4096 */
	size_t max_bytes;          /* of their parameters; 0: 64 MiB */
	jd_usec long_limit;        /* a unit of the LONG lane may run so long; 0: 30 s */
	jd_usec wait_limit; /* pgsql: so long one waits for a database that is away; 0: 5 s */
};

/* What went wrong, as a sentence for an operator. */
struct db_error {
	char text[512];
};
/* Fills it and returns err, for `return db_fail(e, -JD_EDB, ...)`. */
int db_fail(struct db_error *ret_error, int err, const char *fmt, ...) JD_PRINTF(3, 4);

/* For `jackdaw --check`: -JD_ECONF or -JD_EDB with a sentence when db_open() would surely
 * refuse these settings. Opens no database. */
int db_check(const struct db_settings *settings, struct db_error *ret_error) JD_MUST_USE;

/* Opens and migrates; blocks; at start only. -JD_EDB, -JD_ECONF with ret_error filled. */
int db_open(const struct db_settings *settings, struct loop *home, struct db **ret_db,
	    struct db_error *ret_error) JD_MUST_USE;

/* Writes a copy of the database to a new file, while it is in use or not. Blocks: on a worker.
 * -JD_EEXIST, -JD_EIO, -JD_EDB, -JD_ECONF (this database has other tools), with a sentence. */
int db_backup(const struct db_settings *settings, const char *to,
	      struct db_error *ret_error) JD_MUST_USE;

/*
 * Everything submitted has been executed and called back on return (a long query
 * is cut short: FAILED). What callbacks submit meanwhile is refused.  Not from
 * within a callback.
 */
void db_close(struct db *db);

/* The database that the public functions use. */
void db_use(struct db *db);

/* A module's own tables, before its statements are used; blocks: at start and at
 * `module load` only. component is the module's name. */
int db_migrate(struct db *db, const char *component, const struct jd_migration *migrations,
	       size_t n, struct db_error *ret_error) JD_MUST_USE;

struct db_stats {
	size_t waiting; /* units submitted and not yet called back */
	size_t waiting_bytes;
	uint64_t units, commits, failures;
};
void db_stats(const struct db *db, struct db_stats *ret_stats);

/* -- statements ----------------------------------------------------------------- */

/* A statement as the drivers know it: a copy with a small number for their caches. */
struct statement {
	struct jd_stmt stmt;
	unsigned id; /* 0, 1, 2 ... */
};

/* Logic thread: the copy of stmt, made when it is seen for the first time. */
const struct statement *stmt_intern(struct jd_stmt *stmt);

/* The text of a statement for a dialect, "sqlite" or "pgsql"; NULL if it has none. */
const char *stmt_sql(const struct jd_stmt *stmt, const char *dialect);

/* -- drivers -------------------------------------------------------------------- */

struct jd_rows {
	struct jd_arena *arena;
	size_t count;
	unsigned cols;
	int64_t affected;
	struct jd_param *cells; /* count * cols, row by row */
};

struct jd_unit {
	struct list node; /* the driver's while it has the unit */
	struct pending pending;
	struct jd_arena arena; /* statements, parameters, and in the end the rows */
	struct db *db;
	uint64_t key;
	unsigned count;
	struct unit_step {
		struct unit_step *next;
		const struct statement *statement;
		struct jd_param *params;
		size_t n_params;
	} * first, *last;
	enum jd_lane lane; /* WRITE if any step writes */
	size_t bytes;
	/* the driver's own */
	jd_usec since; /* when it was given the unit */
	unsigned attempts;
	bool alone;  /* shares its transaction with nobody */
	bool seated; /* counts among those of its key that are under way */
	/* set by the driver */
	enum jd_db_status status;
	struct jd_rows rows;
	char reason[160]; /* for the log; empty: none */
	/* the logic side's */
	jd_db_fn fn;
	void *arg;
	bool cancelled;
	bool invalid; /* a parameter broke the rules: refused when submitted */
	/* the test driver's: this outcome is told whatever the real one was */
	bool played;
	enum jd_db_status play;
};

/* A file of the schema folder, or an entry of a module's table. */
struct db_script {
	const char *component;
	unsigned version;
	const char *name;
	const char *sql;
};

struct db_driver {
	const char *name;
	const char *dialect; /* whose SQL it runs: "sqlite" or "pgsql" */
	/* Whether the settings could be right, without connecting; NULL: they are. */
	int (*check)(const struct db_settings *settings, struct db_error *ret_error);
	/* Blocking; home's thread. ret_state is handed to the other functions. */
	int (*open)(struct db *db, const struct db_settings *settings, struct loop *home,
		    void **ret_state, struct db_error *ret_error);
	/* Executes everything it has been given, returns it, frees the state. */
	void (*close)(void *state);
	/* Takes the unit. Never calls db_done() beneath this call. */
	void (*submit)(void *state, struct jd_unit *unit);
	/* Blocking: runs the script and notes it in schema_migration, in one transaction. */
	int (*script)(void *state, const struct db_script *script, struct db_error *ret_error);
	/* Blocking: highest applied migration of component, 0 if none. */
	int (*version)(void *state, const char *component, unsigned *ret_version,
		       struct db_error *ret_error);
	/* db_backup(); NULL: it has tools of its own. */
	int (*backup)(const struct db_settings *settings, const char *to,
		      struct db_error *ret_error);
};

/* Any thread: the driver gives a unit back; the callback runs in a later turn of home. */
void db_done(struct db *db, struct jd_unit *unit);
/* The same for a list of units, which is empty afterwards. */
void db_done_list(struct db *db, struct list *units);
/* Any thread: one more transaction has been committed (for the statistics). */
void db_committed(struct db *db);
/* The outcome of a unit with a reason for the log (NULL: none). */
void unit_outcome(struct jd_unit *unit, enum jd_db_status status, const char *reason);

/* The state that driver's open() returned; db must be of that driver. */
void *db_driver_state(struct db *db, const struct db_driver *driver);

extern const struct db_driver db_driver_sqlite;
extern const struct db_driver db_driver_pgsql; /* absent in builds without it: JD_PGSQL */

/*
 * The scripted driver for tests: meets statements by name and plays outcomes.
 * Without a script it passes units to a SQLite database (settings->path, or one
 * in memory), so that faults can be put into a working server.
 */
extern const struct db_driver db_driver_test;

struct db_test_step {
	const char *stmt;         /* name of the unit's first statement; NULL: any */
	enum jd_db_status status; /* OK: executed for real */
	bool done_but_uncertain;  /* with UNCERTAIN: executed for real nevertheless */
	bool hold;                /* kept until db_test_release(), as are later units of
				     the same key */
};
/* The next units meet these steps in order; unmatched units are executed for real. */
void db_test_script(struct db *db, const struct db_test_step *steps, size_t n);
void db_test_release(struct db *db);                /* what is held goes on, in order */
size_t db_test_held(struct db *db);                 /* units that wait for that */
void db_test_fail_every(struct db *db, unsigned n); /* every n-th unit FAILED; 0 = off */
