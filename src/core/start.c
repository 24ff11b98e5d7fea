/* SPDX-License-Identifier: MIT
 *
 * The stages of the server.  Each has a function that starts it and one that
 * undoes it; a failure undoes what was done, in reverse, and so does a stop.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/conf.h"
#include "core/db_copy.h"
#include "core/erase.h"
#include "core/start.h"
#include "core/tokens.h"

#define MAX_JOBS 1024 /* waiting for a worker; then logins get temporary-auth-failure */

static struct conf *conf;
static const char *conf_file;
static bool stop_asked;
static size_t stages_done, hosts_done;

static int fail(int e, const char *sentence)
{
	fprintf(stderr, "jackdaw: %s\n", sentence);
	return e;
}

/* -- configuration --------------------------------------------------------------------------- */

const struct jd_module *conf_open_module(const struct conf *c, const char *name, char *err,
					 size_t err_size)
{
	module_search_path(c->module_dir);
	return module_open(name, err, err_size);
}

static void tell(const char *line, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static int start_conf(void)
{
	int e = conf_load(conf_file, conf_open_module, tell, NULL, &conf);

	server.conf = conf;
	return e;
}

static void stop_conf(void)
{
	modules_close_all();
	conf_free(conf);
	server.conf = conf = NULL;
}

/* -- the loop ------------------------------------------------------------------------------------
 */

/* Every connection is a descriptor. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_stop(int signo, void *arg)
{
	(void)signo;
	(void)arg;
	server_ask_stop();
}

static void on_reload(int signo, void *arg)
{
	(void)signo;
	(void)arg;
	server_reload();
}

static int start_loop(void)
{
	log_configure(&conf->log);
	log_thread_name("logic");
	loop_block_signals();
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	/* What the server writes is nobody else's business, whoever starts it. */
	umask(umask(0) | 027);
	role_take(ROLE_LOGIC);
	server.loop = loop_new("logic");
	loop_on_signal(server.loop, SIGTERM, on_stop, NULL);
	loop_on_signal(server.loop, SIGINT, on_stop, NULL);
	loop_on_signal(server.loop, SIGHUP, on_reload, NULL);
	return 0;
}

static void stop_loop(void)
{
	loop_free(server.loop);
	server.loop = NULL;
}

/* -- core, database, workers
 * --------------------------------------------------------------------------- */

static int start_core(void)
{
	int e = core_init();

	if (e)
		return fail(e, "the core did not start");
	server.scram_iterations = (unsigned)conf->auth.scram_iterations;
	tokens_configure(conf->auth.token_lifetime);
	server.scram_hashes = net_hash_bits(conf);
	for (size_t i = 0; i < conf->n_hosts; i++)
		host_add(conf->hosts[i].name, &conf->hosts[i]);
	return 0;
}

static void stop_core(void)
{
	net_fini();
	core_fini();
}

static void stop_db(void)
{
	db_close(server.db);
	db_use(NULL);
	server.db = NULL;
}

static int start_db(void)
{
	struct db_settings s;
	struct db_error error;
	int e;

	conf_db_settings(conf, &s);
	e = db_open(&s, server.loop, &server.db, &error);
	if (e)
		return fail(e, error.text);
	db_use(server.db);
	e = db_copy_unfinished(server.loop);
	if (!e)
		return 0;
	stop_db();
	return fail(e, e == -JD_EEXIST ? "a copy into this database was broken off: make it again "
					 "(jackdaw --copy-database), it goes on"
				       : "the database does not answer");
}

static int start_workers(void)
{
	int e;

	server.workers = worker_pool_new(server.loop, (unsigned)conf->workers, MAX_JOBS);
	e = auth_init();
	if (!e)
		tokens_start();
	return e ? fail(e, "the database does not give or take the server's secret") : 0;
}

static void stop_workers(void)
{
	tokens_fini();
	http_ask_fini();
	worker_pool_free(server.workers);
	server.workers = NULL;
}

/* -- modules
 * ---------------------------------------------------------------------------------------------- */

static struct jd_host *host_at(size_t i)
{
	struct list *n = server.hosts.next;

	while (i--)
		n = n->next;
	return container_of(n, struct jd_host, node);
}

static void stop_modules(void)
{
	core_unload();
	while (hosts_done > 0)
		host_stop_modules(host_at(--hosts_done));
	commands_fini();
	live_fini();
}

static int start_modules(void)
{
	char err[512];
	int e = 0;

	commands_init();
	for (hosts_done = 0; hosts_done < conf->n_hosts; hosts_done++) {
		e = host_start_modules(host_at(hosts_done), err, sizeof(err));
		if (e)
			break;
	}
	return e ? fail(e, err) : 0;
}

/* -- network, control socket
 * ----------------------------------------------------------------------------------- */

static int start_network(void)
{
	char err[512];
	int e = net_start(err, sizeof(err));

	return e ? fail(e, err) : 0;
}

static int start_control(void)
{
	char err[512];
	int e = control_open(conf->control.socket, (int)conf->control.mode, err, sizeof(err));

	return e ? fail(e, err) : 0;
}

/* -- all of them
 * --------------------------------------------------------------------------------------------------
 */

static const struct stage {
	int (*start)(void);
	void (*stop)(void);
	/* The stage takes part of its work back by its stop() also when start() has failed. */
	bool stop_failed;
} stages[] = {
	{start_conf, stop_conf, true},       {start_loop, stop_loop, false},
	{start_core, stop_core, false},      {start_db, stop_db, false},
	{start_workers, stop_workers, true}, {start_modules, stop_modules, true},
	{start_network, net_stop, false},    {start_control, control_close, false},
};

static void undo(void)
{
	while (stages_done > 0)
		stages[--stages_done].stop();
}

int server_start(const char *file)
{
	conf_file = file;
	stop_asked = false;
	for (stages_done = 0; stages_done < JD_ARRAY_SIZE(stages); stages_done++) {
		const struct stage *s = &stages[stages_done];
		int e = s->start();

		if (!e)
			continue;
		if (s->stop_failed)
			s->stop();
		undo();
		return e;
	}
	erase_resume();
	jd_log(JD_LOG_NOTICE, "ready", jd_kv_cstr("version", JD_VERSION),
	       jd_kv_int("hosts", (int64_t)conf->n_hosts),
	       jd_kv_int("io_threads", conf->io_threads));
	notify_manager("READY=1");
	return 0;
}

void server_ask_stop(void)
{
	stop_asked = true;
	loop_stop(server.loop);
}

void server_run(void)
{
	if (!stop_asked)
		loop_run(server.loop);
}

void server_stop(void)
{
	jd_log(JD_LOG_NOTICE, "stopping", jd_kv_int("sessions", (int64_t)server.n_sessions));
	notify_manager("STOPPING=1");
	undo();
	/* The log is on standard error and needs no farewell. */
	jd_log(JD_LOG_NOTICE, "stopped");
}

/* -- reload and check
 * --------------------------------------------------------------------------------------------------
 */

static void log_mistake(const char *line, void *arg)
{
	(void)arg;
	jd_log(JD_LOG_ERROR, "the configuration has a mistake", jd_kv_cstr("at", line));
}

static void reload_from(const struct conf *fresh)
{
	struct tls_store *tls;
	char err[512];

	if (net_open_tls(fresh, &tls, err, sizeof(err)) < 0) {
		jd_log(JD_LOG_ERROR, "the certificates stay as they were", jd_kv_cstr("why", err));
		return;
	}
	net_use_tls(tls);
	log_configure(&fresh->log);
	jd_log(JD_LOG_NOTICE, "certificates and log settings have been read again");
}

void server_reload(void)
{
	struct conf *fresh;

	if (conf_load(conf_file, conf_open_module, log_mistake, NULL, &fresh) < 0) {
		jd_log(JD_LOG_ERROR, "nothing was reloaded");
		return;
	}
	reload_from(fresh);
	conf_free(fresh);
}

static int copy_settings(const char *file, struct conf **ret_conf, struct db_settings *ret_settings)
{
	int e = conf_load(file, conf_open_module, tell, NULL, ret_conf);

	if (!e)
		conf_db_settings(*ret_conf, ret_settings);
	return e;
}

int server_copy_database(const char *from_file, const char *to_file)
{
	struct db_settings from, to;
	struct conf *from_conf = NULL, *to_conf = NULL;
	struct db_error error;
	int e = copy_settings(from_file, &from_conf, &from);

	role_take(ROLE_LOGIC);
	if (!e)
		e = copy_settings(to_file, &to_conf, &to);
	if (!e) {
		e = db_copy(&from, &to, &error);
		if (e)
			fprintf(stderr, "jackdaw: %s\n", error.text);
	}
	conf_free(to_conf);
	conf_free(from_conf);
	modules_close_all();
	return e;
}

int server_check(const char *file)
{
	struct tls_store *tls = NULL;
	struct conf *c;
	char err[512];
	int e = conf_load(file, conf_open_module, tell, NULL, &c);

	if (!e) {
		e = net_open_tls(c, &tls, err, sizeof(err));
		if (e)
			fprintf(stderr, "%s: %s\n", file, err);
		tls_store_unref(tls);
		conf_free(c);
	}
	modules_close_all();
	return e;
}
