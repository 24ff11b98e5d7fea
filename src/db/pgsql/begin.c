/* SPDX-License-Identifier: MIT
 *
 * The beginning, which may block: where the database is, whether it is fit for
 * us, and the lock that keeps a second server out.
 *
 * The lock has two parts.  The guard connection holds PG_LOCK_SERVER for itself,
 * and every other connection holds PG_LOCK_LINE, shared, under a number of this run.
 * Who takes the guard's lock also looks for connections of another run: so a
 * server whose guard was cut off while its other connections live is not
 * displaced; and a connection is set up only while our guard's process, and no
 * other, has the lock.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "db/pgsql/pgsql.h"
#include "util/clock.h"
#include "util/log.h"

#define LONG_DEFAULT  (30 * JD_USEC_PER_SEC)
#define WAIT_DEFAULT  (5 * JD_USEC_PER_SEC)
#define OLDEST_SERVER 150000
#define LOCK_PAUSE    100 /* ms between two tries */

const struct pq *libpq;

/* -- where it is -------------------------------------------------------------------- */

int target_init(struct target *t, const struct db_settings *settings, struct db_error *ret_error)
{
	char host[32] = "";
	char *wrong = NULL;
	PQconninfoOption *options;

	if (!settings->conninfo || !settings->conninfo[0])
		return db_fail(ret_error, -JD_ECONF,
			       "PostgreSQL needs a 'connection', such as \"dbname=jackdaw\"");
	options = libpq->PQconninfoParse(settings->conninfo, &wrong);
	if (!options) {
		db_fail(ret_error, -JD_ECONF, "the 'connection' of the database is wrong: %.*s",
			(int)strcspn(wrong ? wrong : "", "\n"), wrong ? wrong : "");
		libpq->PQfreemem(wrong);
		return -JD_ECONF;
	}
	libpq->PQconninfoFree(options);
	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(t->who, sizeof(t->who), "jackdaw %ld@%s", (long)getpid(), host);
	t->conninfo = jd_strdup(jd_cstr(settings->conninfo));
	t->password_file =
		settings->password_file ? jd_strdup(jd_cstr(settings->password_file)) : NULL;
	t->long_limit = settings->long_limit ? settings->long_limit : LONG_DEFAULT;
	t->wait_limit = settings->wait_limit ? settings->wait_limit : WAIT_DEFAULT;
	if (getrandom(&t->instance, sizeof(t->instance), 0) != sizeof(t->instance))
		t->instance = (uint32_t)getpid();
	t->instance = (t->instance & 0x7fffffff) | 1;
	return 0;
}

void target_fini(struct target *t)
{
	mem_free(t->conninfo);
	mem_free(t->password_file);
}

/* The first line of the file; read for every connection, so that it may change. */
static void read_password(const char *file, char *out, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

void target_params(const struct target *t, const char *role, struct params *p)
{
	/* What stands before dbname gives way to what the operator wrote, what stands
	 * behind it doesn't. */
	static const char *const keys[] = {
		"connect_timeout", "tcp_user_timeout", "keepalives_idle",  "dbname",
		"client_encoding", "password",         "application_name", NULL,
	};

	_Static_assert(JD_ARRAY_SIZE(keys) == JD_ARRAY_SIZE(p->keys), "as many as there is room");
	memset(p, 0, sizeof(*p));
	memcpy(p->keys, keys, sizeof(keys));
	if (t->password_file)
		read_password(t->password_file, p->password, sizeof(p->password));
	(void)snprintf(p->name, sizeof(p->name), "%.48s %s", t->who, role);
	p->values[0] = "10";
	p->values[1] = "15000";
	p->values[2] = "30";
	p->values[3] = t->conninfo;
	p->values[4] = "UTF8";
	p->values[5] = p->password; /* empty: not given */
	p->values[6] = p->name;
}

void params_wipe(struct params *p)
{
	explicit_bzero(p->password, sizeof(p->password));
}

void notice_drop(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

/* -- what every connection is told -------------------------------------------------- */

static const char common[] = "SET client_min_messages = error;"
			     "SET standard_conforming_strings = on;"
			     "SET jit = off;"
			     "SET idle_in_transaction_session_timeout = '30s';"
			     "SET client_connection_check_interval = '2s';"
			     /* An operator may ask for more than 'on', not for less. */
			     "SELECT set_config('synchronous_commit', 'on', false)"
			     " WHERE current_setting('synchronous_commit') = 'off';";

/* Reads see one state, however many statements they have, and cannot write. */
static const char for_reads[] = "SET default_transaction_isolation = 'repeatable read';"
				"SET default_transaction_read_only = on;";
static const char for_writes[] = "SET default_transaction_isolation = 'read committed';"
				 "SET default_transaction_read_only = off;";

void guard_question(const struct target *t, char *out, size_t size)
{
	(void)snprintf(out, size,
		       "%sSELECT pg_try_advisory_lock(" PG_LOCK_SERVER ", 1), (SELECT count(*)"
		       " FROM pg_locks WHERE locktype = 'advisory' AND classid = " PG_LOCK_LINE
		       " AND objid <> %u AND database ="
		       " (SELECT oid FROM pg_database WHERE datname = current_database()))",
		       common, t->instance);
}

void target_setup(const struct target *t, enum line_kind kind, int guard_pid, char *out,
		  size_t size)
{
	jd_usec limit = kind == LINE_LONG ? t->long_limit : PG_SHORT_LIMIT;

	(void)snprintf(out, size,
		       "%s%sSET statement_timeout = %llu;"
		       "SELECT pg_try_advisory_lock_shared(" PG_LOCK_LINE
		       ", %u) AND EXISTS (SELECT 1"
		       " FROM pg_locks WHERE locktype = 'advisory' AND granted"
		       " AND classid = " PG_LOCK_SERVER " AND pid = %d)",
		       common, kind == LINE_WRITE ? for_writes : for_reads,
		       (unsigned long long)(limit / JD_USEC_PER_MSEC) + 1, t->instance, guard_pid);
}

/* -- connecting --------------------------------------------------------------------- */

/* libpq's sentences have several lines. */
static int failed(PGconn *pq, const char *what, struct db_error *ret_error)
{
	const char *text = libpq->PQerrorMessage(pq);
	char line[300];
	size_t n = 0;

	for (; *text && n < sizeof(line) - 1; text++)
		line[n++] = *text == '\n' || *text == '\t' ? ' ' : *text;
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	return db_fail(ret_error, -JD_EDB, "%s: %s", what, line);
}

int begin_connect(const struct target *t, const char *role, PGconn **ret_pq,
		  struct db_error *ret_error)
{
	struct params p;
	PGconn *pq;

	target_params(t, role, &p);
	pq = libpq->PQconnectdbParams(p.keys, p.values, 1);
	params_wipe(&p);
	if (!pq)
		return db_fail(ret_error, -JD_EDB, "there is no memory for a connection");
	if (libpq->PQstatus(pq) != CONNECTION_OK) {
		int err = failed(pq, "cannot connect to PostgreSQL", ret_error);

		libpq->PQfinish(pq);
		return err;
	}
	libpq->PQsetNoticeReceiver(pq, notice_drop, NULL);
	*ret_pq = pq;
	return 0;
}

/* -- what it must be like ----------------------------------------------------------- */

static const char look[] =
	"SELECT coalesce(current_schema(), ''),"
	" coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),"
	" pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',"
	" current_setting('fsync')";

static int check_rights(PGconn *pq, const PGresult *r, struct db_error *ret_error)
{
	const char *schema = libpq->PQgetvalue(r, 0, 0);

	if (libpq->PQgetvalue(r, 0, 2)[0] == 't')
		return db_fail(ret_error, -JD_EDB,
			       "the database \"%s\" can only be read: it is a standby, or set so; "
			       "connect to the server that takes writes",
			       libpq->PQdb(pq));
	if (!schema[0])
		return db_fail(ret_error, -JD_EDB,
			       "the database \"%s\" has no schema to put tables into: none of the "
			       "search_path of user \"%s\" exists",
			       libpq->PQdb(pq), libpq->PQuser(pq));
	if (libpq->PQgetvalue(r, 0, 1)[0] != 't')
		return db_fail(
			ret_error, -JD_EDB,
			"user \"%s\" may not create tables in schema \"%s\" of the database "
			"\"%s\": make it the owner of the database, or GRANT CREATE ON SCHEMA",
			libpq->PQuser(pq), schema, libpq->PQdb(pq));
	if (strcmp(libpq->PQgetvalue(r, 0, 3), "on") != 0)
		jd_log(JD_LOG_WARNING,
		       "PostgreSQL runs with fsync off: a power cut may destroy the database");
	return 0;
}

static int check_fit(PGconn *pq, struct db_error *ret_error)
{
	const char *encoding = libpq->PQparameterStatus(pq, "server_encoding");
	int version = libpq->PQserverVersion(pq);
	PGresult *r;
	int err;

	if (version < OLDEST_SERVER)
		return db_fail(ret_error, -JD_EDB,
			       "the PostgreSQL server is version %d.%d; Jackdaw needs 15 or newer",
			       version / 10000, version % 10000);
	if (!encoding || strcmp(encoding, "UTF8") != 0)
		return db_fail(ret_error, -JD_EDB,
			       "the database \"%s\" is encoded in %s; Jackdaw needs UTF8: create "
			       "it with ENCODING 'UTF8' TEMPLATE template0",
			       libpq->PQdb(pq), encoding ? encoding : "something unknown");
	r = libpq->PQexec(pq, look);
	if (libpq->PQresultStatus(r) == PGRES_TUPLES_OK && libpq->PQntuples(r) == 1)
		err = check_rights(pq, r, ret_error);
	else
		err = failed(pq, "cannot look at the database", ret_error);
	libpq->PQclear(r);
	return err;
}

/* -- the lock ----------------------------------------------------------------------- */

static const char holder_question[] =
	"SELECT coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')"
	" FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory'"
	" AND l.classid IN (" PG_LOCK_SERVER ", " PG_LOCK_LINE ") AND l.pid <> pg_backend_pid()"
	" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	" ORDER BY l.classid LIMIT 1";

static int refuse(PGconn *pq, struct db_error *ret_error)
{
	PGresult *r = libpq->PQexec(pq, holder_question);
	bool found = libpq->PQresultStatus(r) == PGRES_TUPLES_OK && libpq->PQntuples(r) == 1;
	const char *name = found ? libpq->PQgetvalue(r, 0, 0) : "";
	const char *address = found ? libpq->PQgetvalue(r, 0, 1) : "";

	db_fail(ret_error, -JD_EDB,
		"the database \"%s\" is in use by another Jackdaw, which calls itself \"%s\"%s%s; "
		"stop that one first",
		libpq->PQdb(pq), name, address[0] ? " and comes from " : "", address);
	libpq->PQclear(r);
	return -JD_EDB;
}

/* 1: taken, 0: somebody has it. */
static int ask_lock(const struct target *t, PGconn *pq, struct db_error *ret_error)
{
	char question[1500];
	PGresult *r;
	int taken;

	guard_question(t, question, sizeof(question));
	r = libpq->PQexec(pq, question);
	if (libpq->PQresultStatus(r) != PGRES_TUPLES_OK || libpq->PQntuples(r) != 1)
		taken = failed(pq, "cannot lock the database", ret_error);
	else
		taken = libpq->PQgetvalue(r, 0, 0)[0] == 't' &&
			strcmp(libpq->PQgetvalue(r, 0, 1), "0") == 0;
	libpq->PQclear(r);
	if (taken == 0) /* perhaps it was taken, and others are there */
		libpq->PQclear(libpq->PQexec(pq, "SELECT pg_advisory_unlock_all()"));
	return taken;
}

static int take_lock(const struct target *t, PGconn *pq, struct db_error *ret_error)
{
	jd_usec until = clock_mono() + t->wait_limit; /* a killed one's connections may linger */

	for (;;) {
		int taken = ask_lock(t, pq, ret_error);

		if (taken < 0)
			return taken;
		if (taken)
			return 0;
		if (clock_mono() > until)
			return refuse(pq, ret_error);
		(void)poll(NULL, 0, LOCK_PAUSE);
	}
}

int begin_guard(const struct target *t, PGconn **ret_pq, struct db_error *ret_error)
{
	PGconn *pq;
	int err = begin_connect(t, "guard", &pq, ret_error);

	if (err)
		return err;
	err = check_fit(pq, ret_error);
	if (!err)
		err = take_lock(t, pq, ret_error);
	if (err)
		libpq->PQfinish(pq);
	else
		*ret_pq = pq;
	return err;
}
