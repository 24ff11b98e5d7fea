/* SPDX-License-Identifier: MIT
 *
 * Scenarios with contacts.  "befriend" makes all accounts of a group contacts of each
 * other, by the way any client would; "presence" has one of them change its status
 * and counts what reaches the others.
 */
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "run.h"

static bool within(const char *p, size_t n, const char *what)
{
	return memmem(p, n, what, strlen(what));
}

/* -- befriend -------------------------------------------------------------------------- */

#define PASSES 4

/* What is known of each pair, [from * n + to]. */
enum { ASKED = 1, ACCEPTED = 2, BOTH = 4 };

struct friends {
	struct run *r;
	unsigned char *pairs;
	unsigned n;
	uint64_t accepted, rosters, both;
};

static void ask(struct friends *f, unsigned from, unsigned to)
{
	char text[160];

	if (f->pairs[from * f->n + to] & ASKED)
		return;
	f->pairs[from * f->n + to] |= ASKED;
	bench_send(&f->r->clients[from], text,
		   (size_t)snprintf(text, sizeof(text), "<presence to='%s@%s' type='subscribe'/>",
				    f->r->clients[to].user, f->r->target.host));
}

/* Which of us this attribute of the first tag names, or n. */
static unsigned who(const struct friends *f, const char *p, size_t n, const char *attr)
{
	size_t len, prefix = strlen(f->r->o.user);
	const char *jid = bench_attr(p, n, attr, &len);
	unsigned long number;

	if (!jid || len <= prefix || memcmp(jid, f->r->o.user, prefix) != 0)
		return f->n;
	number = strtoul(jid + prefix, NULL, 10);
	if (number < f->r->o.first || number - f->r->o.first >= f->n)
		return f->n;
	return (unsigned)number - f->r->o.first;
}

static void on_roster(struct friends *f, unsigned me, const char *p, size_t n)
{
	const char *end = p + n;

	f->rosters++;
	while (p < end && (p = memmem(p, (size_t)(end - p), "<item", 5))) {
		unsigned other = who(f, p, (size_t)(end - p), "jid");
		size_t len;
		const char *v = bench_attr(p, (size_t)(end - p), "subscription", &len);

		if (other < f->n && v && len == 4 && memcmp(v, "both", 4) == 0) {
			f->both++;
			f->pairs[me * f->n + other] |= BOTH;
		}
		p += 5;
	}
}

static void on_friend(struct bench_client *c, const char *p, size_t n)
{
	struct friends *f = c->arg;
	unsigned me = (unsigned)(c - f->r->clients), other;
	size_t len;
	const char *type = bench_attr(p, n, "type", &len);
	char text[160];

	if (cut_starts(p, n, "<iq") && within(p, n, "jabber:iq:roster"))
		on_roster(f, me, p, n);
	if (!cut_starts(p, n, "<presence") || !type || (other = who(f, p, n, "from")) == f->n)
		return;
	if (len == 9 && memcmp(type, "subscribe", 9) == 0) {
		bench_send(c, text,
			   (size_t)snprintf(text, sizeof(text),
					    "<presence to='%s@%s' type='subscribed'/>",
					    f->r->clients[other].user, f->r->target.host));
		ask(f, me, other);
	} else if (len == 10 && memcmp(type, "subscribed", 10) == 0 &&
		   !(f->pairs[me * f->n + other] & ACCEPTED)) {
		f->pairs[me * f->n + other] |= ACCEPTED;
		f->accepted++;
	}
}

/* How many contacts with a subscription both ways there are, over all rosters. */
static uint64_t rosters(struct friends *f)
{
	static const char get[] = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>";

	memset(f->pairs, 0, (size_t)f->n * f->n);
	f->rosters = f->both = 0;
	for (unsigned i = 0; i < f->n; i++)
		bench_send(&f->r->clients[i], get, sizeof(get) - 1);
	run_wait(f->r, &f->rosters, f->n);
	return f->both;
}

/* The lower number asks, and the other asks back when it accepts; after the first pass both ask
 * where something is missing. */
static void ask_all(struct friends *f, unsigned pass)
{
	uint64_t missing = 0;

	f->accepted = 0;
	for (unsigned i = 0; i < f->n; i++) {
		for (unsigned j = 0; j < f->n; j++) {
			if (i == j || (f->pairs[i * f->n + j] & BOTH))
				continue;
			missing++;
			if (i < j || pass)
				ask(f, i, j);
		}
	}
	run_wait(f->r, &f->accepted, missing);
	run_quiet(f->r);
}

void scenario_befriend(struct run *r)
{
	struct friends f = {.r = r, .n = r->o.contacts + 1};
	uint64_t wanted = (uint64_t)f.n * (f.n - 1), have;

	run_login(r, f.n);
	f.pairs = bench_grow(NULL, (size_t)f.n * f.n);
	for (unsigned i = 0; i < f.n; i++) {
		r->clients[i].arg = &f;
		r->clients[i].on_stanza = on_friend;
	}
	have = rosters(&f);
	for (unsigned pass = 0; have < wanted && pass < PASSES && !r->loop.failed; pass++) {
		ask_all(&f, pass);
		have = rosters(&f);
	}
	run_number("accounts", f.n);
	run_number("subscriptions", (double)have);
	if (have != wanted)
		run_broken(r, "%llu subscriptions are missing",
			   (unsigned long long)(wanted - have));
	free(f.pairs);
}

/* -- presence ------------------------------------------------------------------------------ */

struct watcher {
	uint64_t highest; /* one more than the highest number that came */
	unsigned char *got;
};

struct show {
	struct run *r;
	struct watcher *watchers; /* [contacts] */
	uint64_t sent, received, duplicate, out_of_order, strange;
};

static void on_watch(struct bench_client *c, const char *p, size_t n)
{
	struct show *s = c->arg;
	struct watcher *w = &s->watchers[c - s->r->clients - 1];
	const char *at = memmem(p, n, "bench-", 6);
	uint64_t number = at && (size_t)(p + n - at) > 14 ? strtoull(at + 6, NULL, 10) : s->sent;

	if (!cut_starts(p, n, "<presence") || number >= s->sent) {
		s->strange++;
	} else if (w->got[number]) {
		s->duplicate++;
	} else {
		w->got[number] = 1;
		s->received++;
		s->out_of_order += number < w->highest;
		w->highest = number < w->highest ? w->highest : number + 1;
	}
}

static void broadcast(struct show *s)
{
	char text[96];
	int n = snprintf(text, sizeof(text),
			 "<presence><show>away</show><status>bench-%08llu</status></presence>",
			 (unsigned long long)s->sent++);

	bench_send(&s->r->clients[0], text, (size_t)n);
}

static void presence_figures(struct run *r, const struct show *s)
{
	uint64_t lost = s->sent * r->o.contacts - s->received;

	run_number("contacts", r->o.contacts);
	run_counts(r, s->sent, s->received, lost, s->duplicate, s->out_of_order);
	run_number("strange", (double)s->strange);
	run_number("seconds", r->seconds);
	run_cpu_per(r, "delivery", (double)s->received);
}

/* The next status follows when all have the last one. */
void scenario_presence(struct run *r)
{
	struct show s = {.r = r};
	unsigned contacts = r->o.contacts, warm = r->o.messages / 10;

	run_login(r, contacts + 1);
	run_quiet(r);
	s.watchers = bench_grow(NULL, contacts * sizeof(*s.watchers));
	for (unsigned i = 0; i < contacts; i++) {
		s.watchers[i].highest = 0;
		s.watchers[i].got = bench_grow(NULL, warm + r->o.messages);
		memset(s.watchers[i].got, 0, warm + r->o.messages);
		r->clients[i + 1].arg = &s;
		r->clients[i + 1].on_stanza = on_watch;
	}
	for (unsigned i = 0; i < warm + r->o.messages; i++) {
		if (i == warm) {
			run_quiet(r);
			s.received = 0;
			run_begin(r);
		}
		broadcast(&s);
		if (!run_wait(r, &s.received,
			      (uint64_t)(i < warm ? i + 1 : i - warm + 1) * contacts))
			break;
	}
	if (!r->begun)
		run_begin(r);
	run_end(r);
	s.sent -= s.sent > warm ? warm : 0;
	presence_figures(r, &s);
	for (unsigned i = 0; i < contacts; i++)
		free(s.watchers[i].got);
	free(s.watchers);
}
