/* SPDX-License-Identifier: MIT
 *
 * Scenarios with messages that are kept.  "page" walks through archives (XEP-0313)
 * from their ends to their beginnings, page by page, and counts what is on each.
 * "offline" sends to people who are not there and has them come back: two figures,
 * what storing a message costs and what a login that delivers it does.
 */
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "run.h"

#define ID_SIZE 128
/* Milliseconds in which a server may ask by a ping whether what it delivered has come. */
#define ASK_TIME 2500
/* And in which a disk ends what it was given: who waits for it looks quiet. */
#define DISK_TIME 500

/* -- page ------------------------------------------------------------------------------ */

struct reader {
	char before[ID_SIZE]; /* the page goes up to here; empty: to the end */
	unsigned rows;        /* of the page that is coming */
};

struct library {
	struct run *r;
	struct reader *readers;
	unsigned long asked, left; /* pages */
	uint64_t read, rows, wrong;
};

static void ask_page(struct library *l, unsigned who)
{
	struct reader *reader = &l->readers[who];
	char text[400];

	if (!l->left)
		return;
	l->left--;
	reader->rows = 0;
	bench_send(&l->r->clients[who], text,
		   (size_t)snprintf(text, sizeof(text),
				    "<iq type='set' id='page-%lu'><query xmlns='urn:xmpp:mam:2' "
				    "queryid='q'><set xmlns='http://jabber.org/protocol/rsm'>"
				    "<max>%u</max><before>%s</before></set></query></iq>",
				    l->asked++, l->r->o.page, reader->before));
}

/* The id of the page's first message; false when there is none. */
static bool first_of(const char *p, size_t n, char *ret_id)
{
	const char *from = memmem(p, n, "<first", 6), *to;

	from = from ? memchr(from, '>', (size_t)(p + n - from)) : NULL;
	to = from++ ? memchr(from, '<', (size_t)(p + n - from)) : NULL;
	if (!to || to == from || (size_t)(to - from) >= ID_SIZE)
		return false;
	memcpy(ret_id, from, (size_t)(to - from));
	ret_id[to - from] = 0;
	return true;
}

/* At the archive's beginning the walk starts again. */
static void on_page(struct bench_client *c, const char *p, size_t n)
{
	struct library *l = c->arg;
	unsigned who = (unsigned)(c - l->r->clients);
	struct reader *reader = &l->readers[who];
	const char *fin = memmem(p, n, "<fin", 4);
	size_t len;
	const char *v;

	if (cut_starts(p, n, "<message") && memmem(p, n, "<result", 7)) {
		reader->rows++;
		return;
	}
	if (!cut_starts(p, n, "<iq") || !(v = bench_attr(p, n, "id", &len)) || len < 6 ||
	    memcmp(v, "page-", 5) != 0)
		return;
	v = fin ? bench_attr(fin, (size_t)(p + n - fin), "complete", &len) : NULL;
	if (v && len == 4 && memcmp(v, "true", 4) == 0) {
		reader->before[0] = 0;
		l->wrong += reader->rows > l->r->o.page;
	} else {
		l->wrong += !fin || reader->rows != l->r->o.page || !first_of(p, n, reader->before);
	}
	l->rows += reader->rows;
	l->read++;
	if (!l->wrong)
		ask_page(l, who);
}

static void read_pages(struct library *l, unsigned long pages)
{
	uint64_t until = l->read + pages;

	l->left = pages;
	for (unsigned i = 0; i < l->r->o.clients; i++)
		ask_page(l, i);
	if (!run_wait(l->r, &l->read, until) || l->wrong)
		run_broken(l->r, "%s",
			   l->r->loop.failed ? l->r->loop.trouble : "a page is not as it must be");
}

/* A tenth more than that is read before, so that what is measured is warm. */
void scenario_page(struct run *r)
{
	struct library l = {.r = r};

	run_login(r, r->o.clients);
	l.readers = bench_grow(NULL, r->o.clients * sizeof(*l.readers));
	memset(l.readers, 0, r->o.clients * sizeof(*l.readers));
	for (unsigned i = 0; i < r->o.clients; i++) {
		r->clients[i].arg = &l;
		r->clients[i].on_stanza = on_page;
	}
	read_pages(&l, r->o.pages / 10 + 1);
	run_quiet(r);
	l.read = l.rows = 0;
	run_begin(r);
	if (!r->broken)
		read_pages(&l, r->o.pages);
	run_end(r);
	run_number("pages", (double)l.read);
	run_number("rows", (double)l.rows);
	run_number("seconds", r->seconds);
	run_cpu_per(r, "page", (double)l.read);
	if (!l.rows)
		run_broken(r, "the archive is empty");
	free(l.readers);
}

/* -- offline --------------------------------------------------------------------------- */

static const char body[] =
	"<body>Neither, fair saint, if either thee dislike. Call me but love, and I&apos;ll be new "
	"baptized; henceforth I never will be Romeo, said he to her.</body>";

struct mailbox {
	unsigned sent;
	unsigned highest; /* received: one more than the highest number */
	unsigned char *got;
};

/* The first half of the clients writes, the second half is away. */
struct post {
	struct run *r;
	struct mailbox *boxes;
	unsigned n, each;
	uint64_t stored, received, duplicate, out_of_order;
};

/* A window of messages, and a question whose answer says that they were dealt with. */
static void write_some(struct post *p, unsigned who)
{
	struct bench_client *c = &p->r->clients[who];
	struct mailbox *box = &p->boxes[who];
	char text[512];

	for (unsigned i = 0; i < p->r->o.window && box->sent < p->each; i++, box->sent++)
		bench_send(c, text,
			   (size_t)snprintf(text, sizeof(text),
					    "<message to='%s@%s' id='bench-%08u' type='chat'>%s"
					    "</message>",
					    p->r->clients[p->n + who].user, p->r->target.host,
					    box->sent, body));
	snprintf(text, sizeof(text),
		 "<iq type='get' id='stored-%u'><ping xmlns='urn:xmpp:ping'/></iq>", box->sent);
	bench_send(c, text, strlen(text));
}

static void on_stored(struct bench_client *c, const char *p, size_t n)
{
	struct post *post = c->arg;
	unsigned who = (unsigned)(c - post->r->clients);
	size_t len;
	const char *id = cut_starts(p, n, "<iq") ? bench_attr(p, n, "id", &len) : NULL;

	if (cut_starts(p, n, "<message") && memmem(p, n, "type='error'", 12))
		run_broken(post->r, "a message came back");
	if (!id || len < 8 || memcmp(id, "stored-", 7) != 0)
		return;
	if (post->boxes[who].sent < post->each)
		write_some(post, who);
	else
		post->stored++;
}

static void on_delivered(struct bench_client *c, const char *p, size_t n)
{
	struct post *post = c->arg;
	struct mailbox *box = &post->boxes[c - post->r->clients - post->n];
	size_t len;
	const char *id = cut_starts(p, n, "<message") ? bench_attr(p, n, "id", &len) : NULL;
	unsigned number;

	if (!id || len != 14 || memcmp(id, "bench-", 6) != 0)
		return;
	number = (unsigned)strtoul(id + 6, NULL, 10);
	if (number >= post->each || box->got[number]) {
		post->duplicate++;
		return;
	}
	box->got[number] = 1;
	post->received++;
	post->out_of_order += number < box->highest;
	box->highest = number < box->highest ? box->highest : number + 1;
}

static void come_back(struct post *p)
{
	struct run *r = p->r;

	if (!bench_login_all(&r->loop, r->clients + p->n, p->n, r->o.at_once))
		bench_fail("%s", r->loop.trouble);
}

static void go_away(struct post *p)
{
	for (unsigned i = p->n; i < 2 * p->n; i++)
		bench_close(&p->r->clients[i]);
	run_quiet(p->r);
}

static void post_begin(struct post *p)
{
	struct run *r = p->r;

	r->o.idle = 0;
	run_clients(r, 2 * p->n);
	p->boxes = bench_grow(NULL, p->n * sizeof(*p->boxes));
	for (unsigned i = 0; i < p->n; i++) {
		p->boxes[i] = (struct mailbox){.got = bench_grow(NULL, p->each)};
		memset(p->boxes[i].got, 0, p->each);
		r->clients[i].arg = r->clients[p->n + i].arg = p;
		r->clients[i].on_stanza = on_stored;
	}
	if (!bench_login_all(&r->loop, r->clients, p->n, r->o.at_once))
		bench_fail("%s", r->loop.trouble);
	/* What an earlier run has left is not ours to count. */
	come_back(p);
	run_quiet(r);
	go_away(p);
	for (unsigned i = p->n; i < 2 * p->n; i++)
		r->clients[i].on_stanza = on_delivered;
}

static void part(struct run *r, const char *name, double n)
{
	char key[40];

	run_end(r);
	snprintf(key, sizeof(key), "message_%s", name);
	run_cpu_per(r, key, n);
	run_reset(r);
}

/* Work that goes on behind the last answer counts: each part ends when the server is quiet. */
void scenario_offline(struct run *r)
{
	struct post p = {.r = r, .n = r->o.pairs};
	double total;

	p.each = (r->o.messages + p.n - 1) / p.n;
	total = (double)p.n * p.each;
	post_begin(&p);
	run_begin(r);
	for (unsigned i = 0; i < p.n; i++)
		write_some(&p, i);
	run_wait(r, &p.stored, p.n);
	run_pause(r, DISK_TIME);
	run_quiet(r);
	part(r, "stored", total);
	run_begin(r);
	come_back(&p);
	run_wait(r, &p.received, r->broken ? 0 : p.n * p.each);
	run_pause(r, ASK_TIME);
	run_quiet(r);
	part(r, "delivered", total);
	/* Nothing comes a second time. */
	go_away(&p);
	come_back(&p);
	run_quiet(r);
	run_number("pairs", p.n);
	run_counts(r, p.n * p.each, p.received, p.n * p.each - p.received, p.duplicate,
		   p.out_of_order);
	for (unsigned i = 0; i < p.n; i++)
		free(p.boxes[i].got);
	free(p.boxes);
}
