/* SPDX-License-Identifier: MIT
 *
 * The pretended world: made, turned, ended.
 */
#include "replay/world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/registry.h"
#include "util/clock.h"

#define IDLE_TURNS 3 /* deferred calls may ask for deferred calls */
#define MODULES                                                                                    \
	"roster presence message disco ping version time carbons csi blocking private vcard "      \
	"last caps contacts extdisco announce adhoc admin register push"

extern const struct jd_module jd_module_roster, jd_module_presence, jd_module_message,
	jd_module_disco, jd_module_ping, jd_module_version, jd_module_time, jd_module_carbons,
	jd_module_blocking, jd_module_private, jd_module_vcard, jd_module_last, jd_module_caps,
	jd_module_contacts, jd_module_extdisco, jd_module_announce, jd_module_adhoc,
	jd_module_admin, jd_module_register, jd_module_archive, jd_module_csi, jd_module_push,
	jd_module_offline, jd_module_muc;

/* One a line, so that two changes don't meet. */
/* clang-format off */
static const struct jd_module *const ours[] = {
	&jd_module_roster,
	&jd_module_presence,
	&jd_module_message,
	&jd_module_disco,
	&jd_module_ping,
	&jd_module_version,
	&jd_module_time,
	&jd_module_carbons,
	&jd_module_csi,
	&jd_module_blocking,
	&jd_module_private,
	&jd_module_vcard,
	&jd_module_last,
	&jd_module_caps,
	&jd_module_contacts,
	&jd_module_extdisco,
	&jd_module_announce,
	&jd_module_adhoc,
	&jd_module_admin,
	&jd_module_register,
	&jd_module_archive,
	&jd_module_push,
	&jd_module_offline,
	&jd_module_muc,
	NULL,
};
/* clang-format on */

unsigned world_errors;

static const struct world_settings *current;
static struct conf *conf;
static struct jd_owner owner;

/* -- instead of module.c: modules that are linked in ------------------------------------ */

static const struct jd_module *find(const struct jd_module *const *list, const char *name)
{
	for (; list && *list; list++)
		if (strcmp((*list)->name, name) == 0)
			return *list;
	return NULL;
}

const struct jd_module *module_open(const char *name, char *err, size_t err_size)
{
	const struct jd_module *m = find(current->extras, name);

	if (!m)
		m = find(ours, name);
	if (!m)
		(void)snprintf(err, err_size, "there is no module '%s'", name);
	return m;
}

struct loaded *module_loaded(const struct jd_module *module)
{
	(void)module;
	return NULL;
}

/* They stay linked in, whoever comes and goes. */
void modules_close_unused(void)
{
}

void module_renew(const char *name)
{
	(void)name;
}

void module_restore(const struct jd_module *module)
{
	(void)module;
}

bool module_is_stale(const struct loaded *l)
{
	return l == NULL;
}

bool module_has_code(const struct jd_module *module, void (*code)(void))
{
	(void)module;
	(void)code;
	return false;
}

/* -- log ------------------------------------------------------------------------------------ */

static void on_log(enum jd_log_level level, const char *line, void *arg)
{
	(void)arg;
	if (getenv("JD_REPLAY_VERBOSE"))
		(void)fprintf(stderr, "%s\n", line);
	if (level != JD_LOG_ERROR)
		return;
	world_errors++;
	(void)fprintf(stderr, "# error logged: %s\n", line);
}

bool world_announced(unsigned n)
{
	bool good = world_errors == n;

	world_errors = 0;
	return good;
}

/* -- time -------------------------------------------------------------------------------------- */

static bool busy(void)
{
	struct db_stats stats = {0};

	if (server.db)
		db_stats(server.db, &stats);
	return !list_empty(&server.run) || !fake_net_idle() ||
	       (server.db && stats.waiting > db_test_held(server.db));
}

void world_settle(void)
{
	for (unsigned idle = 0; idle < IDLE_TURNS;) {
		/* Only the server is refused memory, never the test around it. */
		bool held = mem_fail_hold(false);

		loop_turn(server.loop, false);
		(void)mem_fail_hold(held);
		idle = busy() ? 0 : idle + 1;
		if (!idle && list_empty(&server.run) && fake_net_idle())
			sched_yield(); /* the database's thread is at work */
	}
}

/* In steps, so that what a timer starts has its own timers run in their order: second by second,
 * and hours by the minute. */
void world_advance(jd_usec by)
{
	world_settle();
	while (by) {
		jd_usec most = by > 600 * JD_USEC_PER_SEC ? 60 * JD_USEC_PER_SEC : JD_USEC_PER_SEC;
		jd_usec step = by < most ? by : most;

		clock_fake_advance(step);
		world_settle();
		by -= step;
	}
}

/* -- database ------------------------------------------------------------------------------------
 */

struct number {
	bool there;
	int64_t n;
};

static void on_number(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct number *number = arg;

	number->there = true;
	number->n = -1;
	if (status == JD_DB_OK)
		number->n = jd_rows_count(rows) ? jd_row_int(rows, 0, 0) : -1;
}

int64_t world_number(struct jd_stmt *stmt, struct jd_params params)
{
	struct number number = {false, -1};

	JD_ASSERT(jd_db_query(&owner, stmt, params, on_number, &number) == 0);
	while (!number.there) {
		loop_turn(server.loop, false);
		sched_yield();
	}
	return number.n;
}

uint64_t world_user(const char *host, const char *name)
{
	static struct jd_stmt make = {
		.name = "replay.make_user",
		.lane = JD_LANE_WRITE,
		.sql = "INSERT INTO account (host, name, created_at) VALUES ($1, $2, 1)"
		       " RETURNING owner",
	};
	int64_t n = world_number(&make, JD_PARAMS(jd_text(jd_cstr(host)), jd_text(jd_cstr(name))));

	JD_ASSERT(n > 0);
	return (uint64_t)n;
}

uint64_t world_owner(const char *host, const char *name)
{
	static struct jd_stmt get = {
		.name = "replay.get_user",
		.lane = JD_LANE_READ,
		.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
	};
	int64_t n = world_number(&get, JD_PARAMS(jd_text(jd_cstr(host)), jd_text(jd_cstr(name))));

	return n < 0 ? 0 : (uint64_t)n;
}

/* -- clients
 * ---------------------------------------------------------------------------------------- */

struct fake_link *world_login(const char *host, const char *name, const char *resource)
{
	struct fake_link *f = fake_connect();
	struct output *o;

	fake_bind(f, host, name, world_owner(host, name), resource);
	world_settle();
	o = fake_take(f);
	mem_free(o);
	return f->bound ? f : NULL;
}

struct jd_session *world_session(struct fake_link *f)
{
	struct client *c = f->link.user;

	return c ? c->session : NULL;
}

struct jd_host *world_host(const char *name)
{
	return host_find(jd_cstr(name));
}

/* -- starting
 * ----------------------------------------------------------------------------------------- */

static const struct jd_module *conf_module(const struct conf *c, const char *name, char *err,
					   size_t err_size)
{
	(void)c;
	return module_open(name, err, err_size);
}

static void on_mistake(const char *line, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", line);
}

static void write_host(FILE *out, const char *name)
{
	const char *list = current->modules ? current->modules : MODULES;

	(void)fprintf(out, "host \"%s\" {\n\tmodules = {", name);
	for (const char *p = list; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		(void)fprintf(out, "%s\"%.*s\"", p == list ? "" : ", ", (int)n, p);
		p += n;
	}
	(void)fprintf(out, "}\n%s\n}\n", current->host_conf ? current->host_conf : "");
}

/* Read through the real configuration, so that modules find their options filled in. */
static void load_conf(void)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char path[256];
	FILE *out;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/jackdaw-replay.XXXXXX", tmp);
	fd = mkstemp(path);
	JD_ASSERT(fd >= 0);
	out = fdopen(fd, "w");
	JD_ASSERT(out);
	(void)fprintf(out, "run_dir = \"%s\"\n", tmp);
	write_host(out, "localhost");
	write_host(out, "other.example");
	(void)fprintf(out, "%s\n", current->conf ? current->conf : "");
	(void)fclose(out);
	JD_ASSERT(conf_load(path, conf_module, on_mistake, NULL, &conf) == 0);
	(void)unlink(path);
}

static void open_db(void)
{
	struct db_settings s = {
		.driver = "test", .path = ":memory:", .schema_dir = conf->schema_dir};
	struct db_error error;

	if (db_open(&s, server.loop, &server.db, &error) < 0)
		mem_die(__FILE__, __LINE__, error.text);
	db_use(server.db);
}

void world_start(const struct world_settings *settings)
{
	static const struct world_settings plain;
	char err[512];

	current = settings ? settings : &plain;
	role_take(ROLE_LOGIC);
	log_capture(on_log, NULL);
	world_errors = 0;
	clock_fake(1000 * JD_USEC_PER_SEC, 1767225600 * JD_USEC_PER_SEC);
	owner_init(&owner);
	load_conf();
	server.conf = conf;
	server.stopping = false;
	server.loop = loop_new("replay");
	JD_ASSERT(core_init() == 0);
	commands_init();
	server.scram_iterations = 4096;
	server.scram_hashes = (1u << CRYPTO_HASH_COUNT) - 1;
	for (size_t i = 0; i < conf->n_hosts; i++)
		host_add(conf->hosts[i].name, &conf->hosts[i]);
	open_db();
	server.workers = worker_pool_new(server.loop, 1, 1024);
	JD_ASSERT(auth_init() == 0);
	fake_net_start();
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		if (host_start_modules(container_of(n, struct jd_host, node), err, sizeof(err)) < 0)
			mem_die(__FILE__, __LINE__, err);
}

/* -- ending
 * --------------------------------------------------------------------------------------------- */

static void close_links(void)
{
	for (struct fake_link *f = fake_next(NULL); f; f = fake_next(f)) {
		f->held = false;
		fake_close(f);
	}
	world_settle();
	JD_ASSERT(server.n_sessions == 0);
}

void world_stop(void)
{
	unsigned errors = world_errors;

	db_test_fail_every(server.db, 0);
	core_shutdown_sessions();
	close_links();
	core_unload();
	for (struct list *n = server.hosts.prev; n != &server.hosts; n = n->prev)
		host_stop_modules(container_of(n, struct jd_host, node));
	db_test_release(server.db);
	worker_pool_free(server.workers);
	db_close(server.db);
	db_use(NULL);
	server.db = NULL;
	world_settle();
	JD_ASSERT(list_empty(&server.clients));
	JD_ASSERT(server.n_accounts == 0);
	JD_ASSERT(list_empty(&server.waits) && list_empty(&server.asyncs));
	fake_net_stop();
	commands_fini();
	core_fini();
	loop_free(server.loop);
	conf_free(conf);
	clock_fake_stop();
	log_capture(NULL, NULL);
	JD_ASSERT(errors == 0);
}
