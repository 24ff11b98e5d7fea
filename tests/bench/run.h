/* SPDX-License-Identifier: MIT
 *
 * What a scenario of jackdaw-bench gets and gives.
 *
 * A scenario is a function in a table (run_scenarios): it logs in the clients it
 * needs, brackets what it measures with run_begin() and run_end(), and adds its
 * figures to the line of JSON with run_number() and run_text().  main.c has opened
 * the line before and closes it behind; a scenario that did not get what it should
 * says so with run_broken(), and the program ends with 1.
 */
#pragma once

#include <stdio.h>

#include "client.h"
#include "meter.h"

struct run_options {
	unsigned clients, at_once, pairs, window, messages, rate, contacts, rounds, settle;
	unsigned idle;  /* sessions that only look on */
	unsigned first; /* number of the first account */
	unsigned warm;  /* messages that are not measured */
	unsigned step;  /* idle: so many are looked at first */
	unsigned page, pages;
	const char *user, *password, *label;
	const char *rooms; /* the host of rooms; NULL: conference.DOMAIN */
};

struct run {
	struct run_options o;
	struct bench_target target;
	struct bench_loop loop;
	struct bench_client *clients; /* made by run_login() */
	unsigned n_clients;
	struct meter meter;
	uint64_t begun; /* of run_begin() */
	double cpu_ns;  /* of all brackets so far, and so are the next two */
	double db_cpu_ns;
	double seconds;
	bool broken;
	char why[200];
};

struct run_scenario {
	const char *name, *help;
	void (*go)(struct run *r);
};

extern const struct run_scenario run_scenarios[]; /* ends with a NULL name */

void scenario_idle(struct run *r);
void scenario_login(struct run *r);
void scenario_storm(struct run *r);
void scenario_chat(struct run *r);
void scenario_latency(struct run *r);
void scenario_befriend(struct run *r);
void scenario_presence(struct run *r);
void scenario_page(struct run *r);
void scenario_offline(struct run *r);
void scenario_room(struct run *r);

/* n clients and the idle ones behind them, all ready or the program ends. */
void run_login(struct run *r, unsigned n);
/* The same without connecting them. */
void run_clients(struct run *r, unsigned n);
/* What the server does from here on is measured; brackets add up. */
void run_begin(struct run *r);
void run_end(struct run *r);
/* What was measured so far is forgotten: another part of the scenario begins. */
void run_reset(struct run *r);
/* Turns until *count reaches n; false when nothing happened for too long. */
bool run_wait(struct run *r, const uint64_t *count, uint64_t n);
/* XEP-0198: whether the server has handled all that left; says so in the line. */
void run_acked(struct run *r);
/* For so long, what comes is dealt with. */
void run_pause(struct run *r, unsigned milliseconds);
/* Waits until the server does next to nothing. */
void run_quiet(struct run *r);

/* The line is written when it is whole; who fails before writes none. */
void run_line_begin(const char *scenario);
void run_line_end(void);
void run_number(const char *name, double value);
void run_text(const char *name, const char *value);
/* cpu_us_per_NAME and, if --db-pid was given, db_cpu_us_per_NAME. */
/* Sent, received, and the three ways to be wrong, of which any breaks the run. */
void run_counts(struct run *r, uint64_t sent, uint64_t received, uint64_t lost, uint64_t duplicate,
		uint64_t out_of_order);
void run_cpu_per(const struct run *r, const char *name, double n);
void run_broken(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
