/* SPDX-License-Identifier: MIT
 *
 * Scenarios with messages between pairs: as many as go through, and one now and then.
 */
#include <stdlib.h>
#include <string.h>

#include "chat.h"
#include "run.h"

static void counts(struct run *r, const struct chat_tally *t)
{
	run_counts(r, t->sent, t->received, t->lost, t->duplicate, t->out_of_order);
	run_number("strange", (double)t->strange);
	run_number("bytes_a_message", (double)t->bytes_a_message);
}

void scenario_chat(struct run *r)
{
	struct chat_tally tally;
	struct chat *chat;

	run_login(r, 2 * r->o.pairs);
	chat = chat_new(r->clients, r->o.pairs);
	if (r->o.warm)
		chat_run(chat, r->o.window, r->o.warm, &tally);
	run_quiet(r);
	run_begin(r);
	chat_run(chat, r->o.window, r->o.messages, &tally);
	run_end(r);
	run_number("pairs", r->o.pairs);
	run_number("window", r->o.window);
	run_number("idle", r->o.idle);
	counts(r, &tally);
	run_number("seconds", tally.seconds);
	run_number("messages_per_second", (double)tally.received / tally.seconds);
	run_cpu_per(r, "message", (double)tally.received);
	if (r->target.sm)
		run_acked(r);
	chat_free(chat);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double ms_at(const uint64_t *times, uint64_t n, double share)
{
	return n ? (double)times[(uint64_t)((double)(n - 1) * share)] / 1e6 : 0;
}

void scenario_latency(struct run *r)
{
	struct chat_tally tally;
	struct chat *chat;
	uint64_t *times = bench_grow(NULL, (r->o.messages + 1) * sizeof(*times));

	run_login(r, 2 * r->o.pairs);
	chat = chat_new(r->clients, r->o.pairs);
	run_quiet(r);
	run_begin(r);
	chat_paced(chat, r->o.rate, r->o.messages, times, &tally);
	run_end(r);
	run_number("pairs", r->o.pairs);
	run_number("rate", r->o.rate);
	run_number("idle", r->o.idle);
	counts(r, &tally);
	qsort(times, tally.received, sizeof(*times), by_size);
	run_number("p50_ms", ms_at(times, tally.received, 0.5));
	run_number("p90_ms", ms_at(times, tally.received, 0.9));
	run_number("p99_ms", ms_at(times, tally.received, 0.99));
	run_number("max_ms", ms_at(times, tally.received, 1));
	run_cpu_per(r, "message", (double)tally.received);
	chat_free(chat);
	free(times);
}
