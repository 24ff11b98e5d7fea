/* SPDX-License-Identifier: MIT
 *
 * What all scenarios share: clients, brackets, and the line of JSON.
 */
#include "run.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUIET_LOOK 100       /* milliseconds between two looks */
#define QUIET_CPU  (2 * 1e6) /* nanoseconds a look; a quiet server's timers use less */
#define QUIET_MAX  100       /* looks */
#define SILENCE    10        /* seconds without news after which no more is waited for */
#define ASK_MAX    50        /* times */

/* -- clients --------------------------------------------------------------------------- */

/* "%n" is the account's number. */
static void password_of(const char *pattern, unsigned number, char *ret_text, size_t size)
{
	const char *at = strstr(pattern, "%n");

	if (at)
		snprintf(ret_text, size, "%.*s%u%s", (int)(at - pattern), pattern, number, at + 2);
	else
		snprintf(ret_text, size, "%s", pattern);
}

void run_clients(struct run *r, unsigned n)
{
	n += r->o.idle;
	r->n_clients = n;
	r->clients = bench_grow(NULL, n * sizeof(*r->clients));
	for (unsigned i = 0; i < n; i++) {
		char user[32], password[32];

		snprintf(user, sizeof(user), "%s%u", r->o.user, r->o.first + i);
		password_of(r->o.password, r->o.first + i, password, sizeof(password));
		bench_client_init(&r->clients[i], &r->loop, &r->target, user, password);
	}
}

void run_login(struct run *r, unsigned n)
{
	run_clients(r, n);
	if (!bench_login_all(&r->loop, r->clients, r->n_clients, r->o.at_once))
		bench_fail("%s", r->loop.trouble);
}

/* -- brackets ------------------------------------------------------------------------------ */

void run_begin(struct run *r)
{
	r->cpu_ns -= meter_cpu(&r->meter.server);
	r->db_cpu_ns -= meter_cpu_db(&r->meter.db);
	r->begun = bench_now();
}

void run_end(struct run *r)
{
	r->seconds += (double)(bench_now() - r->begun) / 1e9;
	r->cpu_ns += meter_cpu(&r->meter.server);
	r->db_cpu_ns += meter_cpu_db(&r->meter.db);
}

void run_reset(struct run *r)
{
	r->cpu_ns = r->db_cpu_ns = r->seconds = 0;
}

bool run_wait(struct run *r, const uint64_t *count, uint64_t n)
{
	uint64_t last = *count, since = bench_now();

	while (*count < n && !r->loop.failed) {
		bench_loop_turn(&r->loop, 1000);
		if (*count != last) {
			last = *count;
			since = bench_now();
		} else if (bench_now() - since > SILENCE * 1000000000ull) {
			return false;
		}
	}
	return *count >= n;
}

/* For as long as that takes, what the server sends is read and not looked at. */
void run_pause(struct run *r, unsigned milliseconds)
{
	uint64_t until = bench_now() + milliseconds * 1000000ull;

	for (uint64_t now = bench_now(); now < until; now = bench_now())
		bench_loop_turn(&r->loop, (int)((until - now) / 1000000) + 1);
}

void run_quiet(struct run *r)
{
	double last = meter_cpu(&r->meter.server) + meter_cpu_db(&r->meter.db);

	for (unsigned i = 0, quiet = 0; i < QUIET_MAX && quiet < 2; i++) {
		double now;

		run_pause(r, QUIET_LOOK);
		now = meter_cpu(&r->meter.server) + meter_cpu_db(&r->meter.db);
		quiet = now - last < QUIET_CPU ? quiet + 1 : 0;
		last = now;
	}
}

static uint64_t not_acked(const struct run *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->n_clients; i++)
		n += r->clients[i].sm_out - r->clients[i].sm_acked;
	return n;
}

/* What somebody else has to confirm first may take a moment, so it is asked again. */
void run_acked(struct run *r)
{
	uint64_t missing = 1;

	for (unsigned i = 0; i < ASK_MAX && missing && !r->loop.failed; i++) {
		for (unsigned k = 0; k < r->n_clients; k++)
			bench_ask(&r->clients[k]);
		run_pause(r, QUIET_LOOK);
		missing = not_acked(r);
	}
	run_number("unacked", (double)missing);
	if (missing)
		run_broken(r, "%llu stanzas were not acknowledged", (unsigned long long)missing);
}

/* -- the line ------------------------------------------------------------------------------ */

static FILE *line;
static char *line_text;
static size_t line_size;

void run_line_begin(const char *scenario)
{
	line = open_memstream(&line_text, &line_size);
	if (!line)
		bench_fail("out of memory");
	fprintf(line, "{\"scenario\": \"%s\"", scenario);
}

void run_line_end(void)
{
	fputs("}\n", line);
	fclose(line);
	fputs(line_text, stdout);
	free(line_text);
}

void run_number(const char *name, double value)
{
	if (!isfinite(value))
		fprintf(line, ", \"%s\": null", name); /* per message, and none came */
	else if (value == floor(value) && fabs(value) < 1e15)
		fprintf(line, ", \"%s\": %.0f", name, value);
	else
		fprintf(line, ", \"%s\": %.4f", name, value);
}

void run_text(const char *name, const char *value)
{
	fprintf(line, ", \"%s\": \"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', line);
		putc((unsigned char)*value < ' ' ? ' ' : *value, line);
	}
	putc('"', line);
}

void run_cpu_per(const struct run *r, const char *name, double n)
{
	char key[64];

	if (r->meter.server.n) {
		snprintf(key, sizeof(key), "cpu_us_per_%s", name);
		run_number(key, r->cpu_ns / 1e3 / n);
	}
	if (r->meter.db.n) {
		snprintf(key, sizeof(key), "db_cpu_us_per_%s", name);
		run_number(key, r->db_cpu_ns / 1e3 / n);
	}
}

void run_counts(struct run *r, uint64_t sent, uint64_t received, uint64_t lost, uint64_t duplicate,
		uint64_t out_of_order)
{
	run_number("sent", (double)sent);
	run_number("received", (double)received);
	run_number("lost", (double)lost);
	run_number("duplicate", (double)duplicate);
	run_number("out_of_order", (double)out_of_order);
	if (lost || duplicate || out_of_order)
		run_broken(r, "%llu lost, %llu duplicate, %llu out of order",
			   (unsigned long long)lost, (unsigned long long)duplicate,
			   (unsigned long long)out_of_order);
	if (r->loop.failed)
		run_broken(r, "%s", r->loop.trouble);
}

void run_broken(struct run *r, const char *format, ...)
{
	va_list args;

	if (r->broken)
		return;
	r->broken = true;
	va_start(args, format);
	vsnprintf(r->why, sizeof(r->why), format, args);
	va_end(args);
}
