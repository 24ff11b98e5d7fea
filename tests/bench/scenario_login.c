/* SPDX-License-Identifier: MIT
 *
 * Scenarios about connections: how much an idle one costs, what a login costs, and
 * what happens when all come back at once.
 */
#include <stdlib.h>
#include <time.h>

#include "run.h"

#define SETTLED_KIB 64

/* Memory once it has stood still for two seconds; at most `settle` seconds. */
static double settled(struct run *r, const struct meter_group *g)
{
	double last = meter_pss(g), now = last;

	for (unsigned i = 0, still = 0; i < r->o.settle * 2 && still < 4; i++) {
		run_pause(r, 500);
		now = meter_pss(g);
		still = now - last < SETTLED_KIB && last - now < SETTLED_KIB ? still + 1 : 0;
		if (!still)
			last = now;
	}
	return now;
}

static void log_in(struct run *r, unsigned first, unsigned n)
{
	run_begin(r);
	if (!bench_login_all(&r->loop, r->clients + first, n, r->o.at_once))
		bench_fail("%s", r->loop.trouble);
	run_end(r);
}

void scenario_idle(struct run *r)
{
	unsigned step;
	double empty = 0, full;

	if (r->meter.server.n)
		empty = settled(r, &r->meter.server);
	run_clients(r, r->o.clients);
	step = r->o.step < r->n_clients ? r->o.step : 0;
	if (step) {
		log_in(r, 0, step);
		full = settled(r, &r->meter.server);
		run_number("kib_each_first", (full - empty) / step);
	}
	log_in(r, step, r->n_clients - step);
	run_number("clients", r->n_clients);
	run_number("login_seconds", r->seconds);
	run_cpu_per(r, "login", r->n_clients);
	if (r->meter.server.n) {
		full = settled(r, &r->meter.server);
		run_number("pss_empty_kib", empty);
		run_number("pss_full_kib", full);
		run_number("kib_each", (full - empty) / r->n_clients);
	} else {
		run_pause(r, r->o.settle * 1000);
	}
	if (r->loop.failed)
		run_broken(r, "%s", r->loop.trouble);
}

static void close_all(struct run *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		bench_close(&r->clients[i]);
}

/* Each round logs all of them in; the first, that is not measured, lets the clients make
 * their keys. */
void scenario_login(struct run *r)
{
	unsigned n = r->o.clients;
	double logins = (double)n * r->o.rounds;

	run_clients(r, n);
	n = r->n_clients;
	for (unsigned round = 0; round <= r->o.rounds; round++) {
		if (round)
			run_begin(r);
		if (!bench_login_all(&r->loop, r->clients, n, r->o.at_once))
			bench_fail("%s", r->loop.trouble);
		if (round)
			run_end(r);
		run_quiet(r);
		close_all(r, n);
		run_quiet(r);
	}
	run_number("logins", logins);
	run_number("at_once", r->o.at_once);
	run_number("roster", r->target.roster);
	run_number("seconds", r->seconds);
	run_cpu_per(r, "login", logins);
}

/* All connections break at once, and all come back as fast as they can. */
void scenario_storm(struct run *r)
{
	unsigned n = r->o.clients;

	run_login(r, n);
	n = r->n_clients;
	run_quiet(r);
	for (unsigned round = 0; round < r->o.rounds; round++) {
		run_begin(r);
		close_all(r, n);
		if (!bench_login_all(&r->loop, r->clients, n, r->o.at_once))
			bench_fail("%s", r->loop.trouble);
		run_end(r);
		run_quiet(r);
	}
	run_number("clients", n);
	run_number("at_once", r->o.at_once);
	run_number("seconds", r->seconds / r->o.rounds);
	run_cpu_per(r, "login", (double)n * r->o.rounds);
	if (r->loop.failed)
		run_broken(r, "%s", r->loop.trouble);
}
