/* SPDX-License-Identifier: MIT
 *
 * The generic half of the database: bounds on what waits, and the way home.
 *
 * A unit that is submitted is counted and handed to the driver.  The driver's
 * threads give it back by db_done() from wherever they are; it travels over a
 * list under a mutex to the home loop, which looks at the list in every turn and
 * calls back from there.  So a callback never runs beneath the submitting call,
 * and callbacks come in the order in which the driver finished the units.
 */
#include "db/db.h"

#include <stdio.h>

#include "db/internal.h"
#include "util/log.h"

#define DEFAULT_MAX_UNITS 4096
#define DEFAULT_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define DELIVER_BUDGET    64 /* callbacks in one turn of the loop */

static const struct db_driver *const drivers[] = {
	&db_driver_sqlite,
#ifdef JD_PGSQL
	&db_driver_pgsql,
#endif
	&db_driver_test,
};

static struct db *current; /* what the public functions use */

int db_fail(struct db_error *ret_error, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, ap);
	va_end(ap);
	return err;
}

/* -- the way home --------------------------------------------------------------- */

void db_done_list(struct db *db, struct list *units)
{
	if (list_empty(units))
		return;
	pthread_mutex_lock(&db->lock);
	list_splice(&db->returned, units);
	atomic_store(&db->any_returned, true); /* seq_cst, before the waker's look: loop.h */
	pthread_mutex_unlock(&db->lock);
	waker_wake(db->waker);
}

void db_done(struct db *db, struct jd_unit *unit)
{
	struct list one = LIST_INIT(one);

	list_append(&one, &unit->node);
	db_done_list(db, &one);
}

void db_committed(struct db *db)
{
	atomic_fetch_add_explicit(&db->commits, 1, memory_order_relaxed);
}

/* A search that was given up is nothing to act on; a lost write is. */
static void log_failure(const struct jd_unit *unit)
{
	enum jd_log_level level = unit->lane == JD_LANE_LONG ? JD_LOG_WARNING : JD_LOG_ERROR;
	const char *name = unit->first ? unit->first->statement->stmt.name : "";

	if (unit->status == JD_DB_UNCERTAIN)
		jd_log_peer(JD_LOG_ERROR, "the outcome of a database commit is not known",
			    jd_kv_cstr("statement", name), jd_kv_cstr("reason", unit->reason));
	else
		jd_log_peer(level, "a database operation failed", jd_kv_cstr("statement", name),
			    jd_kv_cstr("reason", unit->reason));
}

static void deliver(struct db *db, struct jd_unit *unit)
{
	list_remove(&unit->pending.node);
	db->stats.waiting--;
	db->stats.waiting_bytes -= unit->bytes;
	if (unit->played)
		unit->status = unit->play;
	if (unit->status == JD_DB_FAILED || unit->status == JD_DB_UNCERTAIN) {
		db->stats.failures++;
		if (unit->reason[0]) /* a group that failed has one: in its first unit */
			log_failure(unit);
	}
	if (unit->fn && !unit->cancelled) {
		db->delivering = true;
		unit->fn(unit->arg, unit->status, unit->status == JD_DB_OK ? &unit->rows : NULL);
		db->delivering = false;
	}
	jd_unit_free(unit);
}

static void fetch_returned(struct db *db)
{
	if (!atomic_load(&db->any_returned))
		return;
	pthread_mutex_lock(&db->lock);
	list_splice(&db->ready, &db->returned);
	atomic_store(&db->any_returned, false);
	pthread_mutex_unlock(&db->lock);
}

static bool source_drain(struct source *source)
{
	struct db *db = container_of(source, struct db, source);
	unsigned budget = DELIVER_BUDGET;

	fetch_returned(db);
	while (!list_empty(&db->ready) && budget-- > 0) {
		struct list *first = db->ready.next;

		list_remove(first);
		deliver(db, container_of(first, struct jd_unit, node));
	}
	return !list_empty(&db->ready);
}

static bool source_pending(struct source *source)
{
	struct db *db = container_of(source, struct db, source);

	return !list_empty(&db->ready) || atomic_load(&db->any_returned);
}

/* -- submitting ----------------------------------------------------------------- */

/* The owner went: the statement still runs, nobody is called. */
static void unit_cancel(struct pending *pending)
{
	container_of(pending, struct jd_unit, pending)->cancelled = true;
}

static int submit_check(const struct db *db, const struct jd_unit *unit)
{
	if (!db || db->closing)
		return -JD_ECLOSED;
	if (unit->invalid)
		return -JD_EINVAL;
	if (db->stats.waiting >= db->max_units ||
	    unit->bytes > db->max_bytes - db->stats.waiting_bytes)
		return -JD_ELIMIT;
	return 0;
}

int jd_unit_submit(struct jd_unit *unit, struct jd_owner *owner, jd_db_fn fn, void *arg)
{
	struct db *db = current;
	int err = submit_check(db, unit);

	ROLE_ASSERT(ROLE_LOGIC);
	if (err) {
		jd_unit_free(unit);
		return err;
	}
	unit->db = db;
	unit->fn = fn;
	unit->arg = arg;
	unit->pending.cancel = unit_cancel;
	unit->pending.code = (void (*)(void))fn;
	if (owner)
		owner_add(owner, &unit->pending);
	db->stats.units++;
	db->stats.waiting++;
	db->stats.waiting_bytes += unit->bytes;
	db->driver->submit(db->state, unit);
	return 0;
}

int jd_db_query(struct jd_owner *owner, struct jd_stmt *stmt, struct jd_params params, jd_db_fn fn,
		void *arg)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_add(unit, stmt, params);
	return jd_unit_submit(unit, owner, fn, arg);
}

/* -- life ----------------------------------------------------------------------- */

static const struct db_driver *find_driver(const char *name)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

static struct db *db_new(const struct db_settings *settings, const struct db_driver *driver,
			 struct loop *home)
{
	struct db *db = mem_new(struct db);

	db->driver = driver;
	db->home = home;
	db->waker = loop_waker(home);
	db->max_units = settings->max_units ? settings->max_units : DEFAULT_MAX_UNITS;
	db->max_bytes = settings->max_bytes ? settings->max_bytes : DEFAULT_MAX_BYTES;
	pthread_mutex_init(&db->lock, NULL);
	list_init(&db->returned);
	list_init(&db->ready);
	db->source.drain = source_drain;
	db->source.pending = source_pending;
	return db;
}

static void db_free(struct db *db)
{
	pthread_mutex_destroy(&db->lock);
	mem_free(db);
}

static int no_driver(const struct db_settings *settings, struct db_error *ret_error)
{
	if (!strcmp(settings->driver, "pgsql"))
		return db_fail(ret_error, -JD_ECONF, "this server was built without PostgreSQL");
	return db_fail(ret_error, -JD_ECONF, "there is no database driver \"%s\"",
		       settings->driver);
}

int db_check(const struct db_settings *settings, struct db_error *ret_error)
{
	const struct db_driver *driver = find_driver(settings->driver);

	if (!driver)
		return no_driver(settings, ret_error);
	return driver->check ? driver->check(settings, ret_error) : 0;
}

int db_backup(const struct db_settings *settings, const char *to, struct db_error *ret_error)
{
	const struct db_driver *driver = find_driver(settings->driver);

	if (!driver || !driver->backup)
		return db_fail(ret_error, -JD_ECONF,
			       "a backup of PostgreSQL is made by its own tools, see pg_dump(1)");
	return driver->backup(settings, to, ret_error);
}

int db_open(const struct db_settings *settings, struct loop *home, struct db **ret_db,
	    struct db_error *ret_error)
{
	const struct db_driver *driver = find_driver(settings->driver);
	struct db *db;
	int err;

	if (!driver)
		return no_driver(settings, ret_error);
	db = db_new(settings, driver, home);
	err = driver->open(db, settings, home, &db->state, ret_error);
	if (err) {
		db_free(db);
		return err;
	}
	loop_add_source(home, &db->source);
	if (settings->schema_dir)
		err = migrate_core(db, settings->schema_dir, ret_error);
	if (err) {
		db_close(db);
		return err;
	}
	*ret_db = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	JD_ASSERT(!db->delivering);
	db->closing = true;
	db->driver->close(db->state);
	while (source_pending(&db->source))
		source_drain(&db->source);
	JD_ASSERT(db->stats.waiting == 0);
	loop_remove_source(&db->source);
	if (current == db)
		current = NULL;
	db_free(db);
}

void db_use(struct db *db)
{
	current = db;
}

void *db_driver_state(struct db *db, const struct db_driver *driver)
{
	JD_ASSERT(db->driver == driver);
	return db->state;
}

void db_stats(const struct db *db, struct db_stats *ret_stats)
{
	*ret_stats = db->stats;
	ret_stats->commits = atomic_load_explicit(&db->commits, memory_order_relaxed);
}
