/* SPDX-License-Identifier: MIT
 *
 * The SQLite driver.  Three lanes, each a thread with a queue and a connection
 * of its own: the writer, a reader for short reads, a reader for long queries.
 * The readers start when they are first needed.
 *
 * The writer takes whatever arrived during its last commit and makes one
 * transaction of it (writer.c); when nothing waits, a unit is committed at once.
 * Units with a key go to the writer even if they only read: that is what keeps
 * them in order.
 *
 * A database in memory lives in one connection, so everything goes to the writer.
 */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "db/sqlite/sqlite.h"
#include "util/log.h"

#define MAX_GROUP    256 /* units in one transaction */
#define HOME_GROUP   16  /* short reads that go home together */
#define LONG_DEFAULT (30 * JD_USEC_PER_SEC)
#ifdef JD_SANITIZERS
#define STACK_SIZE ((size_t)2048 * 1024)
#else
#define STACK_SIZE ((size_t)256 * 1024)
#endif

struct sqlite;

struct lane {
	struct sqlite *sqlite;
	const char *name; /* of the thread */
	enum lite_kind kind;
	bool started; /* home thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct list queue; /* lock */
	bool stop;         /* lock */
	/* The thread's; the writer's also serves scripts, under conn_lock. */
	struct lite conn;
};

struct sqlite {
	struct db *db;
	char *path;
	bool memory;
	int lock_fd;
	_Atomic bool closing;
	pthread_mutex_t conn_lock; /* the writer's connection */
	struct lane writer, reader, searcher;
};

/* -- the lanes' work ---------------------------------------------------------------- */

static void write_group(struct lane *lane, struct list *group)
{
	pthread_mutex_lock(&lane->sqlite->conn_lock);
	lite_run_group(&lane->conn, lane->sqlite->db, group);
	pthread_mutex_unlock(&lane->sqlite->conn_lock);
	db_done_list(lane->sqlite->db, group);
}

static int reader_ready(struct lane *lane, struct jd_unit *unit)
{
	struct db_error error;

	if (lane->conn.db || !lite_open(&lane->conn, lane->sqlite->path, lane->kind, &error))
		return 0;
	unit_outcome(unit, JD_DB_FAILED, error.text);
	return -JD_EDB;
}

/* Several statements see one state of the database: a transaction around them. */
static void read_unit(struct lane *lane, struct jd_unit *unit, bool begin)
{
	struct lite *c = &lane->conn;
	int rc = 0;

	if (reader_ready(lane, unit))
		return;
	if ((begin || unit->count > 1) && !lite_in_transaction(c))
		rc = lite_control(c, CONTROL_BEGIN_READ);
	if (rc)
		unit_outcome(unit, JD_DB_FAILED, sqlite3_errmsg(c->db));
	else if (lite_exec(c, unit) == EXEC_LOST)
		lite_rollback(c);
}

/*
 * Long reads go home one by one, short ones a few at a time: each time may cost a
 * wake-up of the other thread.  Short reads that came together share a transaction, which saves
 * most of the file locking: all were submitted before it began, so it shows each of them what it
 * has a right to see.  Long ones don't, for an old state that is held keeps the log from being
 * folded in.
 */
static void read_group(struct lane *lane, struct list *group)
{
	bool share = lane == &lane->sqlite->reader && group->next != group->prev;
	struct list done = LIST_INIT(done);
	unsigned n = 0;

	while (!list_empty(group)) {
		struct list *first = group->next;
		struct jd_unit *unit = container_of(first, struct jd_unit, node);

		list_remove(first);
		read_unit(lane, unit, share);
		if (!share || list_empty(group))
			lite_rollback(&lane->conn);
		list_append(&done, &unit->node);
		if (!share || ++n % HOME_GROUP == 0 || list_empty(group))
			db_done_list(lane->sqlite->db, &done);
	}
}

/* -- lanes ------------------------------------------------------------------------ */

/* Waits for work; an empty group means that the lane was told to stop. */
static void take_group(struct lane *lane, struct list *group)
{
	pthread_mutex_lock(&lane->lock);
	while (list_empty(&lane->queue) && !lane->stop)
		pthread_cond_wait(&lane->wake, &lane->lock);
	for (int i = 0; i < MAX_GROUP && !list_empty(&lane->queue); i++) {
		struct list *first = lane->queue.next;

		list_remove(first);
		list_append(group, first);
	}
	pthread_mutex_unlock(&lane->lock);
}

static void *lane_main(void *arg)
{
	struct lane *lane = arg;
	struct list group = LIST_INIT(group);

	role_take(ROLE_DB);
	log_thread_name(lane->name);
	for (take_group(lane, &group); !list_empty(&group); take_group(lane, &group)) {
		if (lane->kind == LITE_READER)
			read_group(lane, &group);
		else
			write_group(lane, &group);
	}
	return NULL;
}

/* Signals are for the logic thread: the new thread inherits a full mask. */
static int lane_start(struct lane *lane)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	if (lane->started)
		return 0;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&lane->thread, &attr, lane_main, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	lane->started = !err;
	return err ? -JD_EIO : 0;
}

static void lane_init(struct lane *lane, struct sqlite *s, const char *name, enum lite_kind kind,
		      jd_usec long_limit)
{
	lane->sqlite = s;
	lane->name = name;
	lane->kind = kind;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->wake, NULL);
	list_init(&lane->queue);
	lane->conn.long_limit = long_limit;
	lane->conn.closing = &s->closing;
}

/* Finishes its queue first. */
static void lane_close(struct lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->lock);
	if (lane->started)
		pthread_join(lane->thread, NULL);
	lite_close(&lane->conn);
	pthread_cond_destroy(&lane->wake);
	pthread_mutex_destroy(&lane->lock);
}

static void lane_push(struct lane *lane, struct jd_unit *unit)
{
	bool idle;

	pthread_mutex_lock(&lane->lock);
	idle = list_empty(&lane->queue); /* else it has been woken for those */
	list_append(&lane->queue, &unit->node);
	if (idle)
		pthread_cond_signal(&lane->wake);
	pthread_mutex_unlock(&lane->lock);
}

/* -- the driver ------------------------------------------------------------------- */

static void sqlite_close_state(void *state)
{
	struct sqlite *s = state;

	atomic_store(&s->closing, true);
	lane_close(&s->searcher);
	lane_close(&s->reader);
	lane_close(&s->writer); /* last: it folds the log into the file and removes it */
	pthread_mutex_destroy(&s->conn_lock);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	mem_free(s->path);
	mem_free(s);
}

static int open_writer(struct sqlite *s, struct db_error *ret_error)
{
	int err;

	if (!s->memory) {
		err = lite_lock_file(s->path, &s->lock_fd, ret_error);
		if (err)
			return err;
	}
	err = lite_open(&s->writer.conn, s->path, s->writer.kind, ret_error);
	if (!err && lane_start(&s->writer))
		err = db_fail(ret_error, -JD_EDB, "cannot start a thread for the database");
	return err;
}

static int sqlite_open_state(struct db *db, const struct db_settings *settings, struct loop *home,
			     void **ret_state, struct db_error *ret_error)
{
	jd_usec limit = settings->long_limit ? settings->long_limit : LONG_DEFAULT;
	struct sqlite *s;
	int err;

	(void)home;
	if (!settings->path || !settings->path[0])
		return db_fail(ret_error, -JD_ECONF, "no path for the SQLite database was given");
	/* No counting of memory: it costs a lock between the lanes at every allocation.
	 * Refused, without harm, once SQLite is in use. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	s = mem_new(struct sqlite);
	s->db = db;
	s->lock_fd = -1;
	s->path = jd_strdup(jd_cstr(settings->path));
	s->memory = !strcmp(s->path, ":memory:");
	pthread_mutex_init(&s->conn_lock, NULL);
	lane_init(&s->writer, s, "jd-db-w", s->memory ? LITE_MEMORY : LITE_WRITER, limit);
	lane_init(&s->reader, s, "jd-db-r", LITE_READER, limit);
	lane_init(&s->searcher, s, "jd-db-l", LITE_READER, limit);
	err = open_writer(s, ret_error);
	if (err) {
		sqlite_close_state(s);
		return err;
	}
	*ret_state = s;
	return 0;
}

static struct lane *lane_for(struct sqlite *s, const struct jd_unit *unit)
{
	if (s->memory || unit->lane == JD_LANE_WRITE)
		return &s->writer;
	if (unit->lane == JD_LANE_LONG)
		return &s->searcher;
	return unit->key ? &s->writer : &s->reader;
}

static void sqlite_submit(void *state, struct jd_unit *unit)
{
	struct sqlite *s = state;
	struct lane *lane = lane_for(s, unit);

	if (lane_start(lane)) /* no thread to be had: slower, but right */
		lane = &s->writer;
	lane_push(lane, unit);
}

static int sqlite_script(void *state, const struct db_script *script, struct db_error *ret_error)
{
	struct sqlite *s = state;
	int err;

	pthread_mutex_lock(&s->conn_lock);
	err = lite_script(&s->writer.conn, script, ret_error);
	pthread_mutex_unlock(&s->conn_lock);
	return err;
}

static int sqlite_version(void *state, const char *component, unsigned *ret_version,
			  struct db_error *ret_error)
{
	struct sqlite *s = state;
	int err;

	pthread_mutex_lock(&s->conn_lock);
	err = lite_version(&s->writer.conn, component, ret_version, ret_error);
	pthread_mutex_unlock(&s->conn_lock);
	return err;
}

const struct db_driver db_driver_sqlite = {
	.name = "sqlite",
	.dialect = "sqlite",
	.open = sqlite_open_state,
	.close = sqlite_close_state,
	.submit = sqlite_submit,
	.script = sqlite_script,
	.version = sqlite_version,
	.backup = lite_backup,
};
