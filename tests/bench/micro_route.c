/* SPDX-License-Identifier: MIT
 *
 * What a message costs on the logic thread: from a block in the I/O thread's ring
 * to the pieces in the receiver's outbox, through both mailboxes and all chains,
 * with a pretended network (tests/replay). Nanoseconds of CPU time a message, with
 * all modules that are on by default and with what delivers alone: the difference is
 * the hooks. A third row has the archive's writer, and the database behind it. The
 * second column is with a thousand other accounts at work, whose memory is not in the
 * cache. Prints, judges nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replay/world.h"
#include "util/mem.h"

#define OTHERS 1000
#define BATCH  32

static const char message[] =
	"<message xmlns='jabber:client' to='bob@localhost' "
	"id='d27b5a4c-0f0e-4f5e-9b0c-6b4a4d3c2b1a' "
	"type='chat'><body>Neither, fair saint, if either thee dislike. Call me but love, and "
	"I&apos;ll be new baptized; henceforth I never will be Romeo, said he.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/></message>";

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static unsigned drain(struct fake_link *f)
{
	struct output *o;
	unsigned n = 0;

	while ((o = fake_take(f)) != NULL) {
		n++;
		mem_free(o);
	}
	return n;
}

static struct fake_link *login(const char *name)
{
	struct fake_link *f;

	world_user("localhost", name);
	f = world_login("localhost", name, "r");
	if (!f)
		abort();
	fake_send(f, jd_cstr("<presence/>"));
	world_settle();
	drain(f);
	return f;
}

/* Posts a batch and lets the logic thread work it off. */
static unsigned round_of(struct fake_link *from, struct fake_link *to, struct jd_wire *wire)
{
	for (unsigned i = 0; i < BATCH; i++)
		fake_post(from, C2S_ELEMENT, wire_ref(wire));
	world_settle();
	return drain(to);
}

static double talk(struct fake_link *const *pairs, unsigned n, unsigned rounds)
{
	struct jd_wire *wire = fake_parse(jd_cstr(message));
	unsigned got = 0;
	double t = now();

	for (unsigned i = 0; i < rounds; i++)
		got += round_of(pairs[i % n], pairs[n], wire);
	t = (now() - t) / ((double)rounds * BATCH);
	if (got != rounds * BATCH)
		abort();
	wire_unref(wire);
	return t;
}

static void measure(const char *what, const char *modules, unsigned rounds)
{
	struct world_settings settings = {.modules = modules};
	struct fake_link *links[OTHERS + 1];
	double alone, crowded;
	char name[16];

	world_start(&settings);
	for (unsigned i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof(name), "u%u", i);
		links[i] = login(name);
	}
	links[OTHERS] = login("bob");
	(void)talk(links, OTHERS, OTHERS); /* warm */
	crowded = talk(links, OTHERS, rounds);
	links[1] = links[OTHERS];
	alone = talk(links, 1, rounds);
	printf("%-14s %6.0f ns a message, %6.0f ns from %u senders in turn\n", what, alone, crowded,
	       OTHERS);
	world_stop();
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4000;

	for (int i = 0; i < 3; i++) {
		measure("delivery", "roster presence message", rounds);
		measure("all by default",
			"roster presence message disco ping version time carbons blocking private "
			"vcard last caps contacts extdisco announce adhoc admin register",
			rounds);
		/* With the writer of the archive and SQLite behind it, whatever thread they are on.
		 */
		measure("archive writer", "roster presence message archive offline",
			rounds / 16 + OTHERS);
	}
	return 0;
}
