/* SPDX-License-Identifier: MIT
 *
 * The interpreter of scripts.
 */
#include "replay/script.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/sm.h"
#include "db/test/play.h"
#include "replay/logbook.h"
#include "replay/match.h"
#include "replay/torture.h"
#include "util/buf.h"

#define MAX_CLIENTS   32
#define TORTURE_TIMES 300 /* more than a mailbox takes, and the script runs a hundred times */

struct actor {
	char name[32];
	struct fake_link *link;
};

struct run {
	const char *path;
	unsigned line;
	bool failed;
	bool started; /* the world */
	struct world_settings settings;
	char *modules;
	struct buf conf;
	char *limits;
	struct names *names;
	struct actor actors[MAX_CLIENTS];
	unsigned n_actors;
	struct torture torture;
};

static void fail(struct run *r, const char *fmt, ...) JD_PRINTF(2, 3);

static void fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s:%u: ", r->path, r->line);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n");
	r->failed = true;
}

/* -- words ------------------------------------------------------------------------------- */

static const char *skip(const char *p)
{
	return p + strspn(p, " \t\n");
}

/* The next word of *p, which moves behind it. */
static struct jd_str word(const char **p)
{
	struct jd_str w;

	*p = skip(*p);
	w = (struct jd_str){*p, strcspn(*p, " \t\n")};
	*p = skip(*p + w.len);
	return w;
}

/* True, and *p moves on, if it begins with these words. */
static bool says(const char **p, const char *words)
{
	size_t n = strlen(words);

	if (strncmp(*p, words, n) != 0 || (words[n - 1] != ':' && !strchr(" \t\n", (*p)[n])))
		return false;
	*p = skip(*p + n);
	return true;
}

static bool number(const char **p, unsigned long *ret_n)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	*ret_n = strtoul(*p, &end, 10);
	*p = skip(end);
	return true;
}

struct address {
	char text[256];
	const char *name, *host, *resource;
};

static bool read_address(struct jd_str w, struct address *a)
{
	char *at, *slash;

	if (w.len >= sizeof(a->text))
		return false;
	memcpy(a->text, w.p, w.len);
	a->text[w.len] = '\0';
	slash = strchr(a->text, '/');
	at = strchr(a->text, '@');
	if (slash)
		*slash = '\0';
	if (at)
		*at = '\0';
	a->name = a->text;
	a->host = at ? at + 1 : "localhost";
	a->resource = slash ? slash + 1 : "";
	return true;
}

/* -- clients ---------------------------------------------------------------------------------- */

static struct actor *actor_find(struct run *r, struct jd_str name)
{
	for (unsigned i = 0; i < r->n_actors; i++)
		if (jd_str_is(name, r->actors[i].name))
			return &r->actors[i];
	return NULL;
}

static struct actor *actor_new(struct run *r, struct jd_str name)
{
	struct actor *a = actor_find(r, name);

	if (!a) {
		JD_ASSERT(r->n_actors < MAX_CLIENTS && name.len < sizeof(a->name));
		a = &r->actors[r->n_actors++];
		memcpy(a->name, name.p, name.len);
	}
	return a;
}

/* The tests' own look at the database, which never fails. */
static uint64_t owner_of(const struct address *a)
{
	uint64_t owner;

	db_test_pause(server.db, true);
	owner = world_owner(a->host, a->name);
	db_test_pause(server.db, false);
	return owner;
}

static void do_client(struct run *r, const char *p)
{
	struct jd_str name = word(&p);
	struct address a;

	if (r->torture.faults && read_address(word(&p), &a)) {
		struct fake_link *f = actor_new(r, name)->link = fake_connect();

		torture_begin(&r->torture);
		fake_bind(f, a.host, a.name, owner_of(&a), a.resource);
		world_settle();
		return;
	}

	if (!read_address(word(&p), &a)) {
		fail(r, "no address");
		return;
	}
	actor_new(r, name)->link = world_login(a.host, a.name, a.resource);
	if (!actor_find(r, name)->link)
		fail(r, "%.*s could not bind", JD_FMT(name));
}

static void do_users(struct run *r, const char *p)
{
	db_test_pause(server.db, true);
	while (*p) {
		struct address a;

		if (read_address(word(&p), &a))
			(void)world_user(a.host, a.name);
		else
			fail(r, "no address");
	}
	db_test_pause(server.db, false);
}

static void send_times(struct run *r, struct actor *a, const char *p, unsigned long times)
{
	if (r->torture.faults && times > TORTURE_TIMES)
		times = TORTURE_TIMES;
	for (unsigned long i = 1; i <= times; i++) {
		char count[24], *text, *xml;
		struct names *n = names_new();

		(void)snprintf(count, sizeof(count), "%lu", i);
		names_set(n, JD_STR("n"), jd_cstr(count));
		text = names_fill(n, jd_cstr(p));
		xml = names_fill(r->names, jd_cstr(text));
		torture_note(&r->torture, a->link, jd_cstr(xml));
		fake_send(a->link, jd_cstr(xml));
		names_free(n);
		mem_free(text);
		mem_free(xml);
	}
}

static void get(struct run *r, struct actor *a, const char *p)
{
	struct output *o = fake_take(a->link);
	char *why;

	if (!o) {
		fail(r, "%s got nothing more", a->name);
		return;
	}
	why = match(r->names, jd_cstr(p), (struct jd_str){o->text, o->len});
	if (why)
		fail(r, "%s\n\tsent to %s: %s", why, a->name, o->text);
	mem_free(why);
	mem_free(o);
}

static void get_times(struct run *r, struct actor *a, const char *p, unsigned long times)
{
	for (unsigned long i = 1; i <= times && !r->failed; i++) {
		struct names *n = names_new();
		char count[24], *text;

		(void)snprintf(count, sizeof(count), "%lu", i);
		names_set(n, JD_STR("n"), jd_cstr(count));
		text = names_fill(n, jd_cstr(p));
		get(r, a, text);
		names_free(n);
		mem_free(text);
	}
}

static void find(struct run *r, struct actor *a, const char *p)
{
	for (struct list *n = a->link->out.next; n != &a->link->out; n = n->next) {
		struct output *o = container_of(n, struct output, node);
		char *why = match(r->names, jd_cstr(p), (struct jd_str){o->text, o->len});

		if (!why) {
			list_remove(&o->node);
			mem_free(o);
			return;
		}
		mem_free(why);
	}
	fail(r, "%s got nothing like this", a->name);
	for (struct list *n = a->link->out.next; n != &a->link->out; n = n->next)
		(void)fprintf(stderr, "\tsent: %s\n", container_of(n, struct output, node)->text);
}

static void nothing(struct run *r, struct actor *a)
{
	struct output *o = fake_take(a->link);

	if (o)
		fail(r, "%s got: %s", a->name, o->text);
	mem_free(o);
}

static void ignore(struct actor *a)
{
	struct output *o;

	while ((o = fake_take(a->link)) != NULL)
		mem_free(o);
}

static void is(struct run *r, struct actor *a, const char *p)
{
	struct fake_link *f = a->link;
	bool good;

	if (says(&p, "ended:"))
		good = f->ended && jd_str_is(word(&p), stream_condition_name(f->why));
	else if (says(&p, "bound"))
		good = f->bound && !f->ended;
	else if (says(&p, "refused"))
		good = f->refused && !f->bound && !f->ended;
	else if (says(&p, "held"))
		good = f->held;
	else if (says(&p, "not held"))
		good = !f->held;
	else if (says(&p, "alive"))
		good = !f->ended && !f->closing && world_session(f);
	else if (says(&p, "closed"))
		good = f->closing && !f->ended;
	else
		good = false;
	if (!good)
		fail(r, "that is not so; %s%s", f->ended ? "ended: " : "no stream error",
		     f->ended ? stream_condition_name(f->why) : "");
}

static void has_got(struct run *r, struct actor *a, unsigned long n)
{
	struct output *o;
	unsigned long got = 0;

	for (; (o = fake_take(a->link)) != NULL; got++)
		mem_free(o);
	if (got != n)
		fail(r, "it has got %lu", got);
}

static void bind_as(struct run *r, struct actor *a, const char *p)
{
	struct address to;

	if (!read_address(word(&p), &to)) {
		fail(r, "no address");
		return;
	}
	fake_bind(a->link, to.host, to.name, owner_of(&to), to.resource);
	world_settle();
}

/* resumes alice@localhost ID h N */
static void resume_as(struct run *r, struct actor *a, const char *p)
{
	char *filled = names_fill(r->names, jd_cstr(p));
	const char *at = filled;
	struct address to;
	struct jd_str id;
	unsigned long h;

	if (!read_address(word(&at), &to)) {
		fail(r, "no address");
	} else {
		id = word(&at);
		if (says(&at, "h") && number(&at, &h))
			fake_resume(a->link, to.host, to.name, owner_of(&to), id, (uint32_t)h);
		else
			fail(r, "no h");
	}
	mem_free(filled);
	world_settle();
}

/* Both counters, as if so many stanzas had been sent and confirmed. */
static void counts_from(struct run *r, struct actor *a, uint32_t n)
{
	struct jd_session *s = world_session(a->link);

	world_settle();
	if (!s || !s->sm || s->sm->count || !list_empty(&s->receipts)) {
		fail(r, "its counters cannot be set now");
		return;
	}
	s->handled = n;
	s->sm->acked = n;
}

/* Among faults, what is done goes on as far as it can, and what is expected is not asked. */
static bool passed_over(const struct actor *a, const char *p)
{
	static const char *const acts[] = {"queues:", "sends", "closes", "stops",
					   "reads",   "binds", "loses",  "resumes"};
	struct fake_link *f = a->link;
	bool act = false;

	for (size_t i = 0; i < JD_ARRAY_SIZE(acts); i++)
		act |= strncmp(p, acts[i], strlen(acts[i])) == 0;
	if (!act || f->ended || f->closing)
		return true;
	/* Nothing of one that is not bound comes through the stream layer. */
	return strncmp(p, "binds", 5) == 0 || strncmp(p, "resumes", 7) == 0
		       ? world_session(f) != NULL
		       : !world_session(f);
}

/* The same of other statements; what was sent is to be counted in the end. */
static bool only_looks(const char *p)
{
	return says(&p, "nobody gets anything") || says(&p, "everybody ignores") ||
	       says(&p, "rows") || says(&p, "life:") || says(&p, "errors") ||
	       says(&p, "sessions") || says(&p, "accounts");
}

static void do_actor(struct run *r, struct actor *a, const char *p)
{
	unsigned long n = 1;

	if (r->torture.faults && passed_over(a, p)) {
		world_settle();
		return;
	}
	if (says(&p, "queues:")) {
		send_times(r, a, p, 1);
	} else if (says(&p, "sends:")) {
		send_times(r, a, p, 1);
		world_settle();
	} else if (says(&p, "sends") && number(&p, &n) && says(&p, "times:")) {
		send_times(r, a, p, n);
		world_settle();
	} else if (says(&p, "gets nothing")) {
		world_settle();
		nothing(r, a);
	} else if (says(&p, "gets:")) {
		world_settle();
		get(r, a, p);
	} else if (says(&p, "gets") && number(&p, &n) && says(&p, "times:")) {
		world_settle();
		get_times(r, a, p, n);
	} else if (says(&p, "finds:")) {
		world_settle();
		find(r, a, p);
	} else if (says(&p, "ignores")) {
		world_settle();
		ignore(a);
	} else if (says(&p, "closes")) {
		fake_close(a->link);
		world_settle();
	} else if (says(&p, "loses its connection")) {
		fake_lose(a->link);
		world_settle();
	} else if (says(&p, "resumes")) {
		resume_as(r, a, p);
	} else if (says(&p, "counts from") && number(&p, &n)) {
		counts_from(r, a, (uint32_t)n);
	} else if (says(&p, "stops reading")) {
		a->link->deaf = true;
	} else if (says(&p, "reads")) {
		fake_read(a->link);
	} else if (says(&p, "binds")) {
		bind_as(r, a, p);
	} else if (says(&p, "has got") && number(&p, &n)) {
		world_settle();
		has_got(r, a, n);
	} else if (says(&p, "has handled") && number(&p, &n)) {
		world_settle();
		if (!world_session(a->link) || world_session(a->link)->handled != n)
			fail(r, "handled %u",
			     world_session(a->link) ? world_session(a->link)->handled : 0);
	} else if (says(&p, "is")) {
		world_settle();
		is(r, a, p);
	} else {
		fail(r, "what does %s do? %s", a->name, p);
	}
}

/* -- everything else ------------------------------------------------------------------------------
 */

static void do_db(struct run *r, const char *p)
{
	struct db_test_step step = {.status = JD_DB_OK};
	struct jd_str name;
	char *stmt;

	world_settle();
	if (says(&p, "release")) {
		db_test_release(server.db);
		world_settle();
		return;
	}
	if (says(&p, "fail")) {
		step.status = JD_DB_FAILED;
	} else if (says(&p, "uncertain")) {
		step.status = JD_DB_UNCERTAIN;
	} else if (says(&p, "doubt")) {
		step.status = JD_DB_UNCERTAIN;
		step.done_but_uncertain = true;
	} else if (says(&p, "hold")) {
		step.hold = true;
	} else {
		fail(r, "what about the database? %s", p);
		return;
	}
	name = word(&p);
	stmt = jd_str_is(name, "*") ? NULL : jd_strdup(name);
	step.stmt = stmt;
	db_test_script(server.db, &step, 1);
	mem_free(stmt);
}

static void do_advance(struct run *r, const char *p)
{
	unsigned long n;

	if (!number(&p, &n))
		fail(r, "advance by what?");
	else if (says(&p, "ms"))
		world_advance(n * JD_USEC_PER_MSEC);
	else if (says(&p, "s"))
		world_advance(n * JD_USEC_PER_SEC);
	else if (says(&p, "min"))
		world_advance(n * 60 * JD_USEC_PER_SEC);
	else
		fail(r, "advance by what?");
}

static void expect_count(struct run *r, const char *p, size_t got)
{
	unsigned long n;

	if (!number(&p, &n) || n != got)
		fail(r, "there are %zu", got);
}

static void do_everybody(struct run *r, bool may_have)
{
	world_settle();
	for (unsigned i = 0; i < r->n_actors; i++) {
		if (may_have)
			ignore(&r->actors[i]);
		else
			nothing(r, &r->actors[i]);
	}
}

/* What the logbook has noted since the last look. */
static void do_told(struct run *r, const char *p, char *(*noted)(void))
{
	struct jd_str want = {p, strcspn(p, "\n")};
	char *got;

	world_settle();
	got = noted();
	if (!jd_str_is(want, got))
		fail(r, "told: %s", got);
	mem_free(got);
}

static void do_errors(struct run *r, const char *p)
{
	unsigned long n;
	unsigned got = world_errors;

	if (!number(&p, &n) || !world_announced((unsigned)n))
		fail(r, "%u errors were logged", got);
}

static void do_route(struct run *r, const char *p)
{
	char *xml = names_fill(r->names, jd_cstr(p));
	size_t n = strlen(xml);
	struct jd_stanza *st;

	while (n && xml[n - 1] == '\n')
		n--;
	st = jd_stanza_parse((struct jd_str){xml, n});
	if (st)
		jd_route(st);
	else
		fail(r, "not a stanza: %s", xml);
	jd_stanza_unref(st);
	mem_free(xml);
	world_settle();
}

static void on_deleted(void *arg, int result)
{
	*(int *)arg = result;
}

static void do_delete(struct run *r, const char *p)
{
	struct address who;
	struct jd_arena arena;
	struct jd_jid jid;
	static int result;

	result = 1;
	if (!read_address(word(&p), &who)) {
		fail(r, "no address");
		return;
	}
	arena_init(&arena, NULL, 0);
	JD_ASSERT(jd_jid_parse(&arena, jd_arena_printf(&arena, "%s@%s", who.name, who.host),
			       &jid) == 0);
	result = 1;
	JD_ASSERT(account_delete(world_host(who.host), jid, on_deleted, &result) == 0);
	arena_fini(&arena);
	world_settle();
	for (unsigned i = 0; i < 10 && result == 1; i++) /* it takes steps, and pauses */
		world_advance(JD_USEC_PER_SEC);
	if (result != 0 && !r->torture.faults)
		fail(r, "not deleted: %d", result);
}

static const struct jd_module *const extras[] = {&logbook, &by_bind2, NULL};

static void run_world(struct run *r)
{
	if (r->started)
		return;
	r->settings.modules = r->modules;
	r->settings.host_conf = r->conf.p;
	r->settings.extras = extras;
	r->settings.conf = r->limits;
	logbook_clear();
	r->started = true;
	world_start(&r->settings);
}

static bool before_world(struct run *r, const char *p)
{
	if (says(&p, "modules")) {
		r->modules = jd_strdup(jd_cstr(p));
		r->modules[strcspn(r->modules, "\n")] = '\0';
		return true;
	}
	if (says(&p, "limits")) {
		size_t size = strlen(p) + sizeof("limits {}");

		r->limits = mem_alloc(size);
		(void)snprintf(r->limits, size, "limits {%s}", p);
		return true;
	}
	if (says(&p, "conf")) {
		JD_ASSERT(buf_append(&r->conf, p, strlen(p)) == 0);
		JD_ASSERT(buf_append(&r->conf, "\n", 2) == 0);
		r->conf.len--;
		return true;
	}
	return false;
}

static void statement(struct run *r, const char *p)
{
	const char *rest = p;
	struct actor *a;

	if (before_world(r, p))
		return;
	run_world(r);
	a = actor_find(r, word(&rest));
	if (a)
		do_actor(r, a, rest);
	else if (says(&p, "users"))
		do_users(r, p);
	else if (says(&p, "client"))
		do_client(r, p);
	else if (r->torture.faults && only_looks(p))
		world_settle();
	else if (says(&p, "connect"))
		actor_new(r, word(&p))->link = fake_connect();
	else if (says(&p, "nobody gets anything"))
		do_everybody(r, false);
	else if (says(&p, "everybody ignores"))
		do_everybody(r, true);
	else if (says(&p, "advance"))
		do_advance(r, p);
	else if (says(&p, "db"))
		do_db(r, p);
	else if (says(&p, "routes:"))
		do_route(r, p);
	else if (says(&p, "deletes"))
		do_delete(r, p);
	else if (says(&p, "rows taken:"))
		do_told(r, p, logbook_taken);
	else if (says(&p, "rows untaken:"))
		do_told(r, p, logbook_untaken);
	else if (says(&p, "life:"))
		do_told(r, p, logbook_life);
	else if (says(&p, "errors"))
		do_errors(r, p);
	else if (says(&p, "sessions"))
		expect_count(r, p, server.n_sessions);
	else if (says(&p, "accounts"))
		expect_count(r, p, server.n_accounts);
	else
		fail(r, "not understood: %s", p);
}

/* Collects a statement with its further lines, and runs it. */
static void run_file(struct run *r, FILE *in)
{
	struct buf text;
	char *line = NULL;
	size_t size = 0;
	unsigned at = 0;
	ssize_t n;

	buf_init(&text, 64 << 20);
	do {
		n = getline(&line, &size, in);
		if (text.len && (n < 0 || (line[0] != ' ' && line[0] != '\t'))) {
			JD_ASSERT(buf_append(&text, "", 1) == 0);
			statement(r, text.p);
			text.len = 0;
		}
		at++;
		if (n <= 1 || line[strspn(line, " \t")] == '#')
			continue;
		if (!text.len)
			r->line = at;
		JD_ASSERT(buf_append(&text, line, (size_t)n) == 0);
	} while (n >= 0 && !r->failed);
	free(line);
	buf_free(&text);
}

static void run(struct run *r)
{
	FILE *in = fopen(r->path, "re");

	JD_ASSERT(in);
	r->names = names_new();
	buf_init(&r->conf, 64 << 10);
	run_file(r, in);
	(void)fclose(in);
	run_world(r);
}

static int ended(struct run *r)
{
	world_errors = 0;
	world_stop();
	names_free(r->names);
	mem_free(r->modules);
	mem_free(r->limits);
	buf_free(&r->conf);
	return r->failed ? -1 : 0;
}

int script_play(const char *path)
{
	struct run r = {.path = path};

	run(&r);
	if (!r.failed)
		do_everybody(&r, false);
	if (world_errors && !r.failed)
		fail(&r, "%u errors were logged and not announced", world_errors);
	return ended(&r);
}

int script_torture(const char *path, const struct script_faults *faults, bool *ret_hit,
		   uint64_t *ret_units)
{
	struct db_stats stats;
	struct run r = {.path = path, .torture.faults = faults};
	bool held = mem_fail_hold(true);
	char why[256];

	run(&r);
	db_stats(server.db, &stats);
	if (ret_units)
		*ret_units = stats.units;
	if (!torture_end(&r.torture, ret_hit, why, sizeof(why)))
		fail(&r, "%s", why);
	(void)mem_fail_hold(held);
	return ended(&r);
}
