/* SPDX-License-Identifier: MIT
 *
 * The driver that plays.  A real SQLite database does the work; in front of it a
 * script says what shall become of the next units: held back, refused, reported
 * as uncertain though they were done.  Everything here happens on the home
 * thread; what isn't executed goes home by db_done() like everything else, so a
 * played outcome arrives as late, and in the same way, as a real one.
 */
#include "db/test/play.h"

struct play {
	struct list node;
	struct db_test_step step;
	char *stmt;
};

struct held {
	struct list node;
	struct jd_unit *unit;
	struct db_test_step step;
};

struct test {
	struct db *db;
	void *sqlite;
	struct list script;
	struct list held;
	unsigned fail_every, fail_at;
	struct db_test_step fail_step;
	unsigned counter, failed;
	bool paused;
};

static const struct db_test_step real = {.status = JD_DB_OK};

/* -- playing ---------------------------------------------------------------------- */

static void execute(struct test *t, struct jd_unit *unit)
{
	db_driver_sqlite.submit(t->sqlite, unit);
}

static void play(struct test *t, struct jd_unit *unit, const struct db_test_step *step)
{
	static const char reason[] = "the test driver's script says so";

	if (step->status == JD_DB_OK) {
		execute(t, unit);
	} else if (step->status == JD_DB_UNCERTAIN && step->done_but_uncertain) {
		unit->played = true;
		unit->play = step->status;
		execute(t, unit);
	} else {
		unit_outcome(unit, step->status, step->status == JD_DB_CONFLICT ? NULL : reason);
		db_done(t->db, unit);
	}
}

static void hold(struct test *t, struct jd_unit *unit, const struct db_test_step *step)
{
	struct held *h = mem_new(struct held);

	h->unit = unit;
	h->step = *step;
	list_append(&t->held, &h->node);
}

/* Order by key is promised: what comes behind a held unit of its key waits too. */
static bool behind_held(const struct test *t, uint64_t key)
{
	for (const struct list *n = t->held.next; key && n != &t->held; n = n->next)
		if (container_of(n, struct held, node)->unit->key == key)
			return true;
	return false;
}

static void play_free(struct play *p)
{
	mem_free(p->stmt);
	mem_free(p);
}

/* What shall become of this unit: the first step of the script, if it is meant. */
static struct db_test_step next_step(struct test *t, const struct jd_unit *unit)
{
	const char *name = unit->first ? unit->first->statement->stmt.name : "";
	struct db_test_step step = real;

	if (t->paused)
		return real;
	t->counter++;
	if (t->counter == t->fail_at || (t->fail_every && t->counter % t->fail_every == 0)) {
		step = t->fail_step;
		t->failed++;
	}
	if (!list_empty(&t->script)) {
		struct play *p = container_of(t->script.next, struct play, node);

		if (!p->stmt || !strcmp(p->stmt, name)) {
			step = p->step;
			list_remove(&p->node);
			play_free(p);
		}
	}
	step.stmt = NULL; /* its text went with the step */
	return step;
}

static void test_submit(void *state, struct jd_unit *unit)
{
	struct test *t = state;
	struct db_test_step step = next_step(t, unit);

	if (step.hold || behind_held(t, unit->key))
		hold(t, unit, &step);
	else
		play(t, unit, &step);
}

static void release(struct test *t)
{
	while (!list_empty(&t->held)) {
		struct held *h = container_of(t->held.next, struct held, node);

		list_remove(&h->node);
		play(t, h->unit, &h->step);
		mem_free(h);
	}
}

/* -- the interface of the tests ----------------------------------------------------- */

void db_test_script(struct db *db, const struct db_test_step *steps, size_t n)
{
	struct test *t = db_driver_state(db, &db_driver_test);

	for (size_t i = 0; i < n; i++) {
		struct play *p = mem_new(struct play);

		p->step = steps[i];
		p->stmt = steps[i].stmt ? jd_strdup(jd_cstr(steps[i].stmt)) : NULL;
		list_append(&t->script, &p->node);
	}
}

void db_test_release(struct db *db)
{
	release(db_driver_state(db, &db_driver_test));
}

size_t db_test_held(struct db *db)
{
	const struct test *t = db_driver_state(db, &db_driver_test);
	size_t n = 0;

	for (const struct list *l = t->held.next; l != &t->held; l = l->next)
		n++;
	return n;
}

static void fail_from(struct db *db, unsigned at, unsigned every, const struct db_test_step *step)
{
	struct test *t = db_driver_state(db, &db_driver_test);

	t->fail_at = at;
	t->fail_every = every;
	t->fail_step = *step;
	t->counter = t->failed = 0;
}

void db_test_fail_every(struct db *db, unsigned n)
{
	fail_from(db, 0, n, &(struct db_test_step){.status = JD_DB_FAILED});
}

void db_test_fail_at(struct db *db, unsigned n, enum jd_db_status status)
{
	db_test_step_at(db, n, &(struct db_test_step){.status = status});
}

void db_test_step_at(struct db *db, unsigned n, const struct db_test_step *step)
{
	fail_from(db, n, 0, step);
}

unsigned db_test_failed(struct db *db)
{
	const struct test *t = db_driver_state(db, &db_driver_test);

	return t->failed;
}

void db_test_pause(struct db *db, bool pause)
{
	struct test *t = db_driver_state(db, &db_driver_test);

	t->paused = pause;
}

/* -- the driver --------------------------------------------------------------------- */

static int test_open(struct db *db, const struct db_settings *settings, struct loop *home,
		     void **ret_state, struct db_error *ret_error)
{
	struct db_settings inner = *settings;
	struct test *t = mem_new(struct test);
	int err;

	t->db = db;
	list_init(&t->script);
	list_init(&t->held);
	if (!inner.path)
		inner.path = ":memory:";
	err = db_driver_sqlite.open(db, &inner, home, &t->sqlite, ret_error);
	if (err) {
		mem_free(t);
		return err;
	}
	*ret_state = t;
	return 0;
}

static void test_close(void *state)
{
	struct test *t = state;

	release(t);
	while (!list_empty(&t->script)) {
		struct play *p = container_of(t->script.next, struct play, node);

		list_remove(&p->node);
		play_free(p);
	}
	db_driver_sqlite.close(t->sqlite);
	mem_free(t);
}

static int test_script(void *state, const struct db_script *script, struct db_error *ret_error)
{
	struct test *t = state;

	return db_driver_sqlite.script(t->sqlite, script, ret_error);
}

static int test_version(void *state, const char *component, unsigned *ret_version,
			struct db_error *ret_error)
{
	struct test *t = state;

	return db_driver_sqlite.version(t->sqlite, component, ret_version, ret_error);
}

const struct db_driver db_driver_test = {
	.name = "test",
	.dialect = "sqlite",
	.open = test_open,
	.close = test_close,
	.submit = test_submit,
	.script = test_script,
	.version = test_version,
};
