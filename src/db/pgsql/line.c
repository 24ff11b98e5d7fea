/* SPDX-License-Identifier: MIT
 *
 * A connection's life: connecting without blocking (but for the resolver inside
 * libpq), settings, ready, lost, and again.  The guard comes first: without it
 * none of the others is made, and when it has the lock all of them are tried at
 * once.  Attempts are at most half a second apart, so that the server is back soon
 * after its database is.
 */
#include <stdio.h>
#include <unistd.h>

#include "db/pgsql/pgsql.h"
#include "util/log.h"

#define BACKOFF_FIRST   (50 * JD_USEC_PER_MSEC)
#define BACKOFF_LAST    (500 * JD_USEC_PER_MSEC)
#define REFUSALS        5
#define ATTEMPT_TIMEOUT (5 * JD_USEC_PER_SEC)

static void on_event(struct watch *w, unsigned events);
static void on_retry(struct timer *t);

/* -- small parts ------------------------------------------------------------------------ */

static void watch_end(struct line *c)
{
	if (c->watched)
		watch_fini(&c->watch);
	c->watched = false;
}

/* libpq may have changed the socket, even to one of the same number. */
static void watch_begin(struct line *c, unsigned interest)
{
	watch_init(&c->watch, c->pg->loop, libpq->PQsocket(c->pq), on_event);
	c->watched = true;
	watch_set(&c->watch, interest);
}

static void forget_prepared(struct line *c)
{
	for (unsigned i = 0; i < c->n_prepared; i++)
		mem_free(c->prepared[i].reason);
	mem_free(c->prepared);
	c->prepared = NULL;
	c->n_prepared = 0;
}

static void drop_pq(struct line *c)
{
	watch_end(c);
	loop_timer_cancel(c->pg->loop, &c->timer);
	if (c->pq)
		libpq->PQfinish(c->pq);
	c->pq = NULL;
	forget_prepared(c);
	c->state = LINE_DOWN;
}

static void role_name(const struct line *c, char *out, size_t size)
{
	static const char *const kinds[] = {
		[LINE_GUARD] = "guard",
		[LINE_READ] = "read",
		[LINE_WRITE] = "write",
		[LINE_LONG] = "long",
	};

	if (c->kind == LINE_GUARD)
		(void)snprintf(out, size, "%s", kinds[c->kind]);
	else
		(void)snprintf(out, size, "%s %u", kinds[c->kind], c->number);
}

/* -- failing ---------------------------------------------------------------------------- */

static void retry_later(struct line *c)
{
	jd_usec wait = c->backoff ? c->backoff : BACKOFF_FIRST;

	c->backoff = wait * 2 > BACKOFF_LAST ? BACKOFF_LAST : wait * 2;
	/* The others wait for the guard, which calls them. */
	if (c->kind == LINE_GUARD || c->pg->guard.state == LINE_READY)
		loop_timer(c->pg->loop, &c->timer, wait, on_retry);
}

/* The guard speaks for the whole database, once; the others for themselves while it is there. */
static void log_away(struct line *c, const char *why)
{
	char role[24];
	char line[200];

	if (c->pg->close_at || (c->pg->away && c->kind != LINE_GUARD))
		return;
	role_name(c, role, sizeof(role));
	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(why, "\n"), why);
	if (c->kind != LINE_GUARD)
		jd_log_peer(JD_LOG_WARNING, "a connection to the database cannot be made",
			    jd_kv_cstr("connection", role), jd_kv_cstr("reason", line));
	else if (!c->pg->away)
		jd_log(JD_LOG_WARNING, "the database is gone; trying to reach it",
		       jd_kv_cstr("reason", line));
	else
		jd_log(JD_LOG_DEBUG, "the database cannot be reached", jd_kv_cstr("reason", line));
	if (c->kind == LINE_GUARD)
		c->pg->away = true;
}

static void attempt_failed(struct line *c, const char *why)
{
	log_away(c, why);
	drop_pq(c);
	retry_later(c);
}

void line_lost(struct line *c, const char *reason)
{
	char why[160]; /* what libpq says goes with the connection */

	(void)snprintf(why, sizeof(why), "%.*s", (int)strcspn(reason, "\n"), reason);
	if (c->state == LINE_READY) {
		if (c->kind == LINE_GUARD)
			log_away(c, why);
		else if (!c->drop) /* else it was our own wish */
			jd_log_peer(JD_LOG_INFO, "a connection to the database was lost",
				    jd_kv_cstr("reason", why));
		c->backoff = 0;
	}
	drop_pq(c);
	c->drop = false;
	c->holding = false;
	flight_lost(c, why);
	if (c->kind != LINE_LONG || !list_empty(&c->queue))
		retry_later(c);
}

void line_close(struct line *c)
{
	drop_pq(c);
	flight_lost(c, ""); /* a ROLLBACK, perhaps */
	JD_ASSERT(list_empty(&c->queue));
}

/* -- connecting ------------------------------------------------------------------------- */

static void on_too_late(struct timer *t)
{
	attempt_failed(container_of(t, struct line, timer), "connecting takes too long");
}

/* What the server says while nothing is asked: a goodbye, or of no interest. */
static void on_notice(void *arg, const PGresult *r)
{
	const char *severity = libpq->PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	struct line *c = arg;

	if (severity && !strcmp(severity, "FATAL"))
		c->farewell = true;
}

static void begin_setup(struct line *c)
{
	char text[2000];

	libpq->PQsetNoticeReceiver(c->pq, on_notice, c);
	c->farewell = false;
	if (c->kind == LINE_GUARD)
		guard_question(&c->pg->target, text, sizeof(text));
	else
		target_setup(&c->pg->target, c->kind, c->pg->guard_pid, text, sizeof(text));
	c->state = LINE_SETUP;
	c->setup_fine = false;
	if (libpq->PQsetnonblocking(c->pq, 1) || !libpq->PQsendQuery(c->pq, text)) {
		attempt_failed(c, libpq->PQerrorMessage(c->pq));
		return;
	}
	watch_begin(c, LOOP_READ);
	if (!line_flush(c))
		attempt_failed(c, libpq->PQerrorMessage(c->pq));
}

static void poll_connecting(struct line *c)
{
	watch_end(c);
	switch (libpq->PQconnectPoll(c->pq)) {
	case PGRES_POLLING_READING:
		watch_begin(c, LOOP_READ);
		break;
	case PGRES_POLLING_WRITING:
		watch_begin(c, LOOP_WRITE);
		break;
	case PGRES_POLLING_OK:
		begin_setup(c);
		break;
	default:
		attempt_failed(c, libpq->PQerrorMessage(c->pq));
	}
}

static void attempt(struct line *c)
{
	struct params p;
	char role[24];

	role_name(c, role, sizeof(role));
	target_params(&c->pg->target, role, &p);
	c->pq = libpq->PQconnectStartParams(p.keys, p.values, 1);
	params_wipe(&p);
	c->state = LINE_CONNECTING;
	loop_timer(c->pg->loop, &c->timer, ATTEMPT_TIMEOUT, on_too_late);
	if (!c->pq || libpq->PQstatus(c->pq) == CONNECTION_BAD)
		attempt_failed(c, c->pq ? libpq->PQerrorMessage(c->pq) : "there is no memory");
	else
		watch_begin(c, LOOP_WRITE);
}

static void on_retry(struct timer *t)
{
	struct line *c = container_of(t, struct line, timer);

	if (c->kind == LINE_GUARD || c->pg->guard.state == LINE_READY)
		attempt(c);
}

void line_want(struct line *c)
{
	if (c->state != LINE_DOWN || c->pg->guard.state != LINE_READY)
		return;
	loop_timer_cancel(c->pg->loop, &c->timer);
	c->backoff = 0;
	attempt(c);
}

/* -- setting up ------------------------------------------------------------------------- */

static void now_ready(struct line *c)
{
	loop_timer_cancel(c->pg->loop, &c->timer);
	c->state = LINE_READY;
	c->backoff = 0;
	if (c->kind == LINE_GUARD) {
		c->pg->refusals = 0;
		pgsql_guarded(c->pg);
		return;
	}
	seat_back(c);
	if (!libpq->PQenterPipelineMode(c->pq)) {
		line_lost(c, libpq->PQerrorMessage(c->pq));
		return;
	}
	flight_pump(c);
}

static void refused(struct line *c)
{
	/* One that starts and looks for us has the lock for a moment. */
	if (c->kind == LINE_GUARD && ++c->pg->refusals == REFUSALS) {
		jd_log(JD_LOG_ERROR,
		       "another Jackdaw has taken the database while it was out of reach");
	}
	attempt_failed(c, "another Jackdaw has the lock");
}

/* The last result of the batch is the answer about the locks. */
static void take_setup_row(struct line *c, const PGresult *r)
{
	c->setup_fine = libpq->PQntuples(r) == 1 && libpq->PQgetvalue(r, 0, 0)[0] == 't';
	if (c->setup_fine && libpq->PQnfields(r) > 1)
		c->setup_fine = strcmp(libpq->PQgetvalue(r, 0, 1), "0") == 0;
}

static void read_setup(struct line *c)
{
	bool open = libpq->PQconsumeInput(c->pq);
	char why[200] = "";
	PGresult *r;

	while (!libpq->PQisBusy(c->pq)) {
		ExecStatusType status;

		r = libpq->PQgetResult(c->pq);
		if (!r) {
			if (why[0])
				attempt_failed(c, why);
			else if (c->setup_fine)
				now_ready(c);
			else
				refused(c);
			return;
		}
		status = libpq->PQresultStatus(r);
		if (status == PGRES_TUPLES_OK)
			take_setup_row(c, r);
		else if (status != PGRES_COMMAND_OK)
			(void)snprintf(why, sizeof(why), "%s", libpq->PQerrorMessage(c->pq));
		libpq->PQclear(r);
	}
	if (!open)
		attempt_failed(c, libpq->PQerrorMessage(c->pq));
}

/* -- ready ------------------------------------------------------------------------------ */

bool line_flush(struct line *c)
{
	int left = libpq->PQflush(c->pq);

	if (left < 0)
		return false;
	watch_set(&c->watch, left ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	return true;
}

/* The guard says nothing of its own accord, unless it is told goodbye. */
static void read_guard(struct line *c)
{
	if (!libpq->PQconsumeInput(c->pq)) {
		line_lost(c, libpq->PQerrorMessage(c->pq));
		return;
	}
	(void)libpq->PQisBusy(c->pq); /* parses */
}

static void on_event(struct watch *w, unsigned events)
{
	struct line *c = container_of(w, struct line, watch);

	if (c->state == LINE_CONNECTING) {
		poll_connecting(c);
		return;
	}
	if (events & LOOP_WRITE && !line_flush(c)) {
		/* What it has said before it went is still to be read. */
		watch_set(&c->watch, LOOP_READ);
	}
	if (!(events & LOOP_READ))
		return;
	if (c->state == LINE_SETUP)
		read_setup(c);
	else if (c->kind == LINE_GUARD)
		read_guard(c);
	else if (answer_read(c))
		flight_pump(c);
	else
		line_lost(c, libpq->PQerrorMessage(c->pq));
}

void line_adopt(struct line *c, PGconn *pq)
{
	c->pq = pq;
	c->state = LINE_READY;
	watch_begin(c, LOOP_READ);
}
