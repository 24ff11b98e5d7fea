/* SPDX-License-Identifier: MIT
 *
 * What db.h asks of a driver, on the home thread: loading libpq, opening,
 * handing units over, scripts, closing.
 *
 * Scripts have a connection of their own, which goes when the first unit comes:
 * they run at the start, one after another, and seldom later.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "db/pgsql/pgsql.h"
#include "util/log.h"

#define DEFAULT_LINES 3
#ifdef JD_SANITIZERS
#define STACK_SIZE ((size_t)2048 * 1024)
#else
#define STACK_SIZE ((size_t)512 * 1024) /* resolving names and TLS want some */
#endif

/* -- libpq -------------------------------------------------------------------------- */

static int load_file(const char *file, struct db_error *ret_error)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct pq *table = handle ? dlsym(handle, PQ_TABLE_SYMBOL) : NULL;

	if (!handle)
		return db_fail(ret_error, -JD_EDB, "cannot load the driver for PostgreSQL: %s",
			       dlerror());
	if (!table || table->version != PQ_TABLE_VERSION) {
		dlclose(handle);
		return db_fail(ret_error, -JD_EABI,
			       "%s is not the driver for PostgreSQL of this Jackdaw", file);
	}
	libpq = table; /* and the object stays */
	return 0;
}

/* The first db_pgsql.so of the folders, which colons separate. */
static int load(const char *folders, struct db_error *ret_error)
{
	char file[4096];

	for (const char *p = folders ? folders : ""; *p && !libpq;) {
		size_t len = strcspn(p, ":");

		(void)snprintf(file, sizeof(file), "%.*s/db_pgsql.so", (int)len, p);
		if (access(file, F_OK) == 0)
			return load_file(file, ret_error);
		p += len + (p[len] == ':');
	}
	if (libpq)
		return 0;
	return db_fail(ret_error, -JD_EDB,
		       "the driver for PostgreSQL, db_pgsql.so, is in no module folder (%s)",
		       folders ? folders : "");
}

static int pgsql_check(const struct db_settings *settings, struct db_error *ret_error)
{
	struct target t = {.instance = 0};
	int err = load(settings->module_dir, ret_error);

	if (!err)
		err = target_init(&t, settings, ret_error);
	if (!err)
		target_fini(&t);
	return err;
}

/* -- opening ------------------------------------------------------------------------ */

static void line_init(struct pgsql *pg, struct line *c, enum line_kind kind, unsigned number)
{
	c->pg = pg;
	c->kind = kind;
	c->number = number;
	c->group = PG_GROUP;
	list_init(&c->queue);
	list_init(&c->flight);
}

static struct pgsql *state_new(struct db *db, const struct db_settings *settings)
{
	struct pgsql *pg = mem_new(struct pgsql);

	pg->db = db;
	pg->n_lines = settings->connections ? settings->connections : DEFAULT_LINES;
	JD_ASSERT(pg->n_lines <= PG_MAX_LINES);
	pthread_mutex_init(&pg->lock, NULL);
	list_init(&pg->submitted);
	list_init(&pg->given);
	list_init(&pg->read_queue);
	list_init(&pg->write_queue);
	list_init(&pg->done);
	list_init(&pg->spare);
	line_init(pg, &pg->guard, LINE_GUARD, 0);
	line_init(pg, &pg->search, LINE_LONG, 1);
	for (unsigned i = 0; i < pg->n_lines; i++) {
		line_init(pg, &pg->reads[i], LINE_READ, i + 1);
		line_init(pg, &pg->writes[i], LINE_WRITE, i + 1);
	}
	pg->loop = loop_new("db");
	return pg;
}

static void state_free(struct pgsql *pg)
{
	if (pg->admin)
		libpq->PQfinish(pg->admin);
	while (!list_empty(&pg->spare)) {
		struct list *first = pg->spare.next;

		list_remove(first);
		mem_free(container_of(first, struct segment, node));
	}
	variants_free(&pg->book);
	loop_free(pg->loop);
	pthread_mutex_destroy(&pg->lock);
	target_fini(&pg->target);
	mem_free(pg);
}

/* Signals are for the logic thread: the new thread inherits a full mask. */
static int start_thread(struct pgsql *pg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&pg->thread, &attr, pgsql_main, pg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err ? -JD_EIO : 0;
}

static int pgsql_open(struct db *db, const struct db_settings *settings, struct loop *home,
		      void **ret_state, struct db_error *ret_error)
{
	int err = load(settings->module_dir, ret_error);
	struct pgsql *pg;
	PGconn *guard;

	if (err)
		return err;
	pg = state_new(db, settings);
	pg->home = home;
	err = target_init(&pg->target, settings, ret_error);
	if (!err)
		err = begin_guard(&pg->target, &guard, ret_error);
	if (err) {
		state_free(pg);
		return err;
	}
	line_adopt(&pg->guard, guard);
	if (start_thread(pg)) {
		line_close(&pg->guard);
		state_free(pg);
		return db_fail(ret_error, -JD_EDB, "cannot start a thread for the database");
	}
	*ret_state = pg;
	return 0;
}

static void on_hand_over(struct defer *d)
{
	struct pgsql *pg = container_of(d, struct pgsql, hand_over);

	if (list_empty(&pg->given))
		return;
	pthread_mutex_lock(&pg->lock);
	list_splice(&pg->submitted, &pg->given);
	atomic_store(&pg->any_submitted, true); /* seq_cst, before the waker's look: loop.h */
	pthread_mutex_unlock(&pg->lock);
	waker_wake(loop_waker(pg->loop));
}

static void pgsql_close(void *state)
{
	struct pgsql *pg = state;

	defer_cancel(&pg->hand_over);
	on_hand_over(&pg->hand_over);
	atomic_store(&pg->closing, true);
	waker_kick(loop_waker(pg->loop));
	pthread_join(pg->thread, NULL);
	state_free(pg);
}

/* -- units and scripts --------------------------------------------------------------- */

static void pgsql_submit(void *state, struct jd_unit *unit)
{
	struct pgsql *pg = state;

	if (pg->admin) {
		libpq->PQfinish(pg->admin);
		pg->admin = NULL;
	}
	/* What one turn has submitted goes together: one wake-up, and one commit. */
	list_append(&pg->given, &unit->node);
	loop_defer(pg->home, &pg->hand_over, on_hand_over);
}

/* One that broke since is made anew. */
static int admin_ready(struct pgsql *pg, struct db_error *ret_error)
{
	if (pg->admin && libpq->PQstatus(pg->admin) != CONNECTION_OK) {
		libpq->PQfinish(pg->admin);
		pg->admin = NULL;
	}
	return pg->admin ? 0 : begin_connect(&pg->target, "migration", &pg->admin, ret_error);
}

static int pgsql_script(void *state, const struct db_script *script, struct db_error *ret_error)
{
	struct pgsql *pg = state;
	int err = admin_ready(pg, ret_error);

	return err ? err : script_run(pg->admin, script, ret_error);
}

static int pgsql_version(void *state, const char *component, unsigned *ret_version,
			 struct db_error *ret_error)
{
	struct pgsql *pg = state;
	int err = admin_ready(pg, ret_error);

	return err ? err : script_version(pg->admin, component, ret_version, ret_error);
}

const struct db_driver db_driver_pgsql = {
	.name = "pgsql",
	.dialect = "pgsql",
	.check = pgsql_check,
	.open = pgsql_open,
	.close = pgsql_close,
	.submit = pgsql_submit,
	.script = pgsql_script,
	.version = pgsql_version,
};
