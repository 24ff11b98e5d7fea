/* SPDX-License-Identifier: MIT
 *
 * Messages between pairs of clients, counted exactly.
 *
 * The message is what a desktop client of today sends: 150 characters of text, a
 * chat state, the wish for a receipt and an origin id; about 450 bytes, to the
 * bare address of the other.
 */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

#define SILENCE 10 /* seconds without a message after which the rest is lost */

static const char body[] =
	"<body>Neither, fair saint, if either thee dislike. Call me but love, and I&apos;ll be new "
	"baptized; henceforth I never will be Romeo, said he to her.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/><request "
	"xmlns='urn:xmpp:receipts'/>";

struct end {
	struct chat *chat;
	struct bench_client *client;
	struct end *other;
	uint64_t sent;      /* the number of the next one */
	uint64_t highest;   /* received: one more than the highest number */
	unsigned char *got; /* a bit for each number */
	uint64_t *sent_at;  /* chat_paced(): of each one */
};

struct chat {
	struct end *ends;
	unsigned n_ends;
	uint64_t left; /* still to be sent */
	uint64_t each; /* room in got */
	bool paced;    /* chat_paced(): nobody answers */
	uint64_t *times;
	struct chat_tally tally;
};

static void send_next(struct end *e)
{
	char text[768];
	int n;

	if (e->chat->left == 0 || e->sent == e->chat->each)
		return;
	n = snprintf(text, sizeof(text),
		     "<message to='%s@%s' id='bench-%08llu' type='chat'>%s"
		     "<origin-id xmlns='urn:xmpp:sid:0' id='bench-%08llu'/></message>",
		     e->other->client->user, e->client->target->host, (unsigned long long)e->sent,
		     body, (unsigned long long)e->sent);
	e->chat->tally.bytes_a_message = (uint64_t)n;
	e->chat->left--;
	e->chat->tally.sent++;
	e->sent++;
	bench_send(e->client, text, (size_t)n);
}

/* Whether it is a message of ours, and which. */
static bool number_of(const char *p, size_t n, uint64_t *ret_number)
{
	size_t len;
	const char *id;

	if (n < 9 || memcmp(p, "<message ", 9) != 0)
		return false;
	id = bench_attr(p, n, "id", &len);
	if (!id || len != 14 || memcmp(id, "bench-", 6) != 0)
		return false;
	*ret_number = strtoull(id + 6, NULL, 10);
	return true;
}

static void on_stanza(struct bench_client *c, const char *p, size_t n)
{
	struct end *e = c->arg;
	struct chat_tally *t = &e->chat->tally;
	uint64_t number;
	unsigned char bit;

	if (!number_of(p, n, &number) || number >= e->other->sent) {
		t->strange++;
		return;
	}
	bit = (unsigned char)(1u << (number % 8));
	if (e->got[number / 8] & bit) {
		t->duplicate++;
		return;
	}
	e->got[number / 8] |= bit;
	if (e->chat->paced)
		e->chat->times[t->received] = bench_now() - e->other->sent_at[number];
	t->received++;
	if (number < e->highest)
		t->out_of_order++;
	else
		e->highest = number + 1;
	if (!e->chat->paced)
		send_next(e);
}

struct chat *chat_new(struct bench_client *clients, unsigned pairs)
{
	struct chat *chat = calloc(1, sizeof(*chat));

	if (!chat || !(chat->ends = calloc(2 * pairs, sizeof(struct end))))
		bench_fail("out of memory");
	chat->n_ends = 2 * pairs;
	for (unsigned i = 0; i < chat->n_ends; i++) {
		chat->ends[i].chat = chat;
		chat->ends[i].client = &clients[i];
		chat->ends[i].other = &chat->ends[i ^ 1];
		clients[i].arg = &chat->ends[i];
		clients[i].on_stanza = on_stanza;
	}
	return chat;
}

void chat_free(struct chat *chat)
{
	for (unsigned i = 0; i < chat->n_ends; i++) {
		free(chat->ends[i].got);
		chat->ends[i].client->on_stanza = NULL;
		chat->ends[i].client->arg = NULL;
	}
	free(chat->ends);
	free(chat);
}

static void start(struct chat *chat, uint64_t n)
{
	chat->left = n;
	chat->each = n;
	memset(&chat->tally, 0, sizeof(chat->tally));
	for (unsigned i = 0; i < chat->n_ends; i++) {
		struct end *e = &chat->ends[i];

		e->sent = e->highest = 0;
		free(e->got);
		if (!(e->got = calloc(1, n / 8 + 1)))
			bench_fail("out of memory");
	}
}

void chat_run(struct chat *chat, unsigned window, uint64_t n, struct chat_tally *ret_tally)
{
	struct bench_loop *loop = chat->ends[0].client->loop;
	uint64_t begin = bench_now(), last = 0, since = begin;

	start(chat, n);
	for (unsigned i = 0; i < chat->n_ends; i += 2)
		for (unsigned w = 0; w < window; w++)
			send_next(&chat->ends[i]);
	while (chat->tally.received < n && !loop->failed) {
		bench_loop_turn(loop, 1000);
		if (chat->tally.received != last) {
			last = chat->tally.received;
			since = bench_now();
		} else if (bench_now() - since > SILENCE * 1000000000ull) {
			break;
		}
	}
	chat->tally.seconds = (double)(bench_now() - begin) / 1e9;
	chat->tally.lost = chat->tally.sent - chat->tally.received;
	*ret_tally = chat->tally;
}

static void paced_start(struct chat *chat, uint64_t n, uint64_t *times)
{
	uint64_t each = n / (chat->n_ends / 2) + 1;

	start(chat, n);
	chat->paced = true;
	chat->times = times;
	for (unsigned i = 0; i < chat->n_ends; i += 2)
		chat->ends[i].sent_at = bench_grow(NULL, each * sizeof(uint64_t));
}

static void send_timed(struct end *e)
{
	e->sent_at[e->sent] = bench_now();
	send_next(e);
	bench_flush(e->client);
}

void chat_paced(struct chat *chat, unsigned rate, uint64_t n, uint64_t *ret_times,
		struct chat_tally *ret_tally)
{
	struct bench_loop *loop = chat->ends[0].client->loop;
	uint64_t begin = bench_now(), step = 1000000000 / rate, until = 0;

	paced_start(chat, n, ret_times);
	while (chat->tally.received < n && !loop->failed) {
		uint64_t now = bench_now(), next = begin + chat->tally.sent * step;

		if (chat->tally.sent == n) {
			until = until ? until : now + SILENCE * 1000000000ull;
			if (now > until)
				break;
			bench_loop_turn(loop, 100);
		} else if (now < next) {
			bench_loop_turn(loop, (int)((next - now) / 1000000));
		} else {
			send_timed(&chat->ends[chat->tally.sent * 2 % chat->n_ends]);
		}
	}
	chat->tally.seconds = (double)(bench_now() - begin) / 1e9;
	chat->tally.lost = chat->tally.sent - chat->tally.received;
	*ret_tally = chat->tally;
	chat->paced = false;
	for (unsigned i = 0; i < chat->n_ends; i += 2) {
		free(chat->ends[i].sent_at);
		chat->ends[i].sent_at = NULL;
	}
}
