/* SPDX-License-Identifier: MIT
 *
 * A room (XEP-0045) that fills, one after the other, and in which then everybody in
 * turn says something that all others hear.  Two figures: what it costs that one
 * comes in, and what it costs that one hears a message.
 *
 * With a raw transport nobody joins anything: a relay's fan-out is the floor.
 */
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "run.h"

static const char body[] =
	"<body>Neither, fair saint, if either thee dislike. Call me but love, and I&apos;ll be new "
	"baptized; henceforth I never will be Romeo, said he to her.</body>";

struct room {
	struct run *r;
	char jid[160];
	bool raw;
	uint64_t inside;    /* occupants that have seen all that a join shows */
	uint64_t unlocked;  /* answers to the creator's form */
	uint64_t presences; /* over all occupants */
	uint64_t sent, received, duplicate, out_of_order, refused;
	unsigned *heard; /* of each occupant: messages that came, and so the next number */
};

static bool within(const char *p, size_t n, const char *what)
{
	return memmem(p, n, what, strlen(what));
}

static bool has_status(const char *p, size_t n, const char *code)
{
	char one[24], two[24];

	snprintf(one, sizeof(one), "code='%s'", code);
	snprintf(two, sizeof(two), "code=\"%s\"", code);
	return within(p, n, one) || within(p, n, two);
}

/* A new room is locked until its creator says that it is good as it is. */
static void unlock(struct room *room, struct bench_client *c)
{
	char text[400];

	bench_send(c, text,
		   (size_t)snprintf(text, sizeof(text),
				    "<iq type='set' id='unlock' to='%s'>"
				    "<query xmlns='http://jabber.org/protocol/muc#owner'>"
				    "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
				    room->jid));
}

static void hear(struct room *room, unsigned who, const char *p, size_t n)
{
	size_t len;
	const char *id = bench_attr(p, n, "id", &len);
	uint64_t number;

	if (!id || len != 14 || memcmp(id, "bench-", 6) != 0) {
		room->inside += within(p, n, "<subject");
		return;
	}
	number = strtoull(id + 6, NULL, 10);
	/* The relay does not send it back to where it came from. */
	if (room->raw && number % room->r->o.clients == who)
		number = room->sent;
	if (number < room->heard[who] || number >= room->sent) {
		room->duplicate++;
		return;
	}
	room->out_of_order += !room->raw && number != room->heard[who];
	room->heard[who] = (unsigned)number + 1;
	room->received++;
}

static void on_room(struct bench_client *c, const char *p, size_t n)
{
	struct room *room = c->arg;
	unsigned who = (unsigned)(c - room->r->clients);
	size_t len;
	const char *type = bench_attr(p, n, "type", &len);

	if (type && len == 5 && memcmp(type, "error", 5) == 0) {
		room->refused++;
		run_broken(room->r, "an error: %.*s", (int)(n > 150 ? 150 : n), p);
	} else if (cut_starts(p, n, "<message")) {
		/* Others are what an earlier run has left for this account. */
		if (type && len == 9 && memcmp(type, "groupchat", 9) == 0)
			hear(room, who, p, n);
	} else if (cut_starts(p, n, "<presence") && !type && within(p, n, "muc#user")) {
		room->presences++;
		if (has_status(p, n, "201"))
			unlock(room, c);
	} else if (cut_starts(p, n, "<iq")) {
		room->unlocked++;
	}
}

/* -- filling it ------------------------------------------------------------------------ */

static bool join(struct room *room, unsigned who)
{
	struct run *r = room->r;
	char text[400];

	bench_send(
		&r->clients[who], text,
		(size_t)snprintf(text, sizeof(text),
				 "<presence to='%s/%s'><x xmlns='http://jabber.org/protocol/muc'>"
				 "<history maxstanzas='0'/></x></presence>",
				 room->jid, r->clients[who].user));
	return run_wait(r, &room->inside, who + 1) && (who || run_wait(r, &room->unlocked, 1)) &&
	       !room->refused;
}

/* Each occupant sees all of them, itself included, whoever came first. */
static void fill(struct room *room)
{
	struct run *r = room->r;
	unsigned n = r->o.clients;
	uint64_t all = (uint64_t)n * n;

	run_begin(r);
	for (unsigned i = 0; i < n; i++) {
		if (!join(room, i)) {
			run_broken(r, "occupant %u does not get into the room", i);
			break;
		}
	}
	run_wait(r, &room->presences, r->broken ? 0 : all);
	run_end(r);
	run_number("presences", (double)room->presences);
	run_cpu_per(r, "join", n);
	run_reset(r);
	if (room->presences < all)
		run_broken(r, "%llu presences are missing",
			   (unsigned long long)(all - room->presences));
}

/* -- talking --------------------------------------------------------------------------- */

static void say_next(struct room *room)
{
	struct run *r = room->r;
	char text[600];
	struct bench_client *c = &r->clients[room->sent % r->o.clients];

	bench_send(c, text,
		   (size_t)snprintf(text, sizeof(text),
				    "<message to='%s' id='bench-%08llu' type='groupchat'>%s"
				    "<origin-id xmlns='urn:xmpp:sid:0' id='bench-%08llu'/>"
				    "</message>",
				    room->jid, (unsigned long long)room->sent, body,
				    (unsigned long long)room->sent));
	room->sent++;
}

/* The next one follows when all have the last. */
static bool talk(struct room *room, unsigned messages)
{
	unsigned ears = room->raw ? room->r->o.clients - 1 : room->r->o.clients;

	for (unsigned i = 0; i < messages; i++) {
		say_next(room);
		if (!run_wait(room->r, &room->received, room->sent * ears))
			return false;
	}
	return true;
}

static void talk_figures(struct room *room, uint64_t before)
{
	struct run *r = room->r;
	unsigned ears = room->raw ? r->o.clients - 1 : r->o.clients;

	run_number("clients", r->o.clients);
	run_number("seconds", r->seconds);
	run_cpu_per(r, "delivery", (double)(room->received - before));
	run_counts(r, room->sent, room->received, room->sent * ears - room->received,
		   room->duplicate, room->out_of_order);
}

void scenario_room(struct run *r)
{
	struct room room = {.r = r};
	unsigned n = r->o.clients;
	uint64_t before;

	room.raw = r->target.transport == BENCH_RAW || r->target.transport == BENCH_RAW_TLS;
	snprintf(room.jid, sizeof(room.jid), "bench-%llx@%s%s", (unsigned long long)bench_now(),
		 r->o.rooms ? r->o.rooms : "conference.", r->o.rooms ? "" : r->target.host);
	run_login(r, n);
	room.heard = bench_grow(NULL, n * sizeof(*room.heard));
	memset(room.heard, 0, n * sizeof(*room.heard));
	for (unsigned i = 0; i < n; i++) {
		r->clients[i].arg = &room;
		r->clients[i].on_stanza = on_room;
	}
	run_quiet(r);
	if (!room.raw)
		fill(&room);
	run_quiet(r);
	if (!r->broken && talk(&room, r->o.messages / 10 + 1))
		run_quiet(r);
	before = room.received;
	run_begin(r);
	if (!r->broken)
		talk(&room, r->o.messages);
	run_end(r);
	talk_figures(&room, before);
	free(room.heard);
}
