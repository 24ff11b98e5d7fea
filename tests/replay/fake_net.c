/* SPDX-License-Identifier: MIT
 *
 * The pretended network: links without sockets.
 */
#include "replay/fake_net.h"

#include <stdlib.h>

#include "core/conf.h"
#include "core/registry.h"
#include "core/start.h"
#include "util/buf.h"

#define SHARE 32 /* elements of one client in one turn, as the stream layer has it */

struct input {
	struct list node;
	struct io_msg msg;
};

static struct list links = LIST_INIT(links);
static struct list inputs = LIST_INIT(inputs);
static struct wire_pool *wires;
static struct scan_pool *scans;
static struct source source;
static const struct stanza_rules rules = {.body_chars = 99999};

static struct fake_link *fake_of(struct link *link)
{
	return (struct fake_link *)link;
}

/* -- the logic side: what the core calls ---------------------------------------------- */

struct piece *link_piece(size_t text_size)
{
	return mem_alloc(sizeof(struct piece) + text_size);
}

void piece_free(struct piece *p)
{
	if (p->arg && p->drop)
		p->drop(p->arg);
	if (p->body_ref)
		shared_unref(p->body_ref);
	mem_free(p);
}

static void keep(struct fake_link *f, const struct piece *p)
{
	size_t len = p->head_len + p->body_len + p->tail_len;
	struct output *o = mem_alloc(sizeof(*o) + len + 1);

	memcpy(o->text, p->text, p->head_len);
	if (p->body_len)
		memcpy(o->text + p->head_len, p->body, p->body_len);
	memcpy(o->text + p->head_len + p->body_len, p->text + p->head_len, p->tail_len);
	o->len = len;
	list_append(&f->out, &o->node);
}

static void ended(struct fake_link *f, enum stream_condition why, const char *text)
{
	if (f->ended || f->closing)
		return;
	f->ended = true;
	f->why = why;
	f->text = text;
	f->held = false;
	f->closing = true;
	fake_post(f, IO_CLOSED, NULL);
}

static void control(struct fake_link *f, struct piece *p)
{
	switch (p->op) {
	case C2S_CTL_AUTH:
		auth_answer_free(f->answer);
		f->answer = p->arg;
		p->arg = NULL;
		break;
	case C2S_CTL_BOUND:
		f->bound = true;
		break;
	case C2S_CTL_REFUSED:
		f->refused = true;
		break;
	case C2S_CTL_HOLD:
		JD_ASSERT(!f->held);
		f->held = true;
		f->holds++;
		break;
	case C2S_CTL_GO:
		JD_ASSERT(f->held);
		f->held = false;
		break;
	default:
		JD_ASSERT(!"unknown control piece");
	}
}

int link_send(struct link *link, struct piece *p)
{
	struct fake_link *f = fake_of(link);
	size_t cost = PIECE_COST + p->head_len + p->body_len + p->tail_len;

	JD_ASSERT(!f->released);
	if (f->closing) {
		piece_free(p); /* nothing is written behind our last words */
		return 0;
	}
	if (p->kind == PIECE_DATA && link_queued(link) + cost > LINK_HARD_BYTES) {
		piece_free(p);
		return -JD_ELIMIT;
	}
	if (p->kind == PIECE_DATA) {
		keep(f, p);
		if (f->deaf)
			atomic_fetch_add(&link->queued, cost);
	} else if (p->kind == PIECE_CONTROL) {
		control(f, p);
	}
	piece_free(p);
	return 0;
}

int link_control(struct link *link, uint16_t op, void *arg, void (*drop)(void *))
{
	struct piece *p = link_piece(0);

	p->kind = PIECE_CONTROL;
	p->op = op;
	p->arg = arg;
	p->drop = drop;
	return link_send(link, p);
}

void link_close(struct link *link)
{
	struct fake_link *f = fake_of(link);

	if (!f->closing)
		fake_post(f, IO_CLOSED, NULL);
	f->closing = true;
}

void link_flush_doorbells(void)
{
}

void fake_read(struct fake_link *f)
{
	f->deaf = false;
	atomic_store(&f->link.queued, 0);
	if (atomic_exchange(&f->link.drain_below, 0) && !f->closing)
		fake_post(f, IO_DRAINED, NULL);
}

void link_want_drain(struct link *link, size_t below)
{
	struct fake_link *f = fake_of(link);

	if (f->closing)
		return;
	atomic_store(&link->drain_below, below + 1);
	if (link_queued(link) <= below)
		fake_read(f);
}

void link_release(struct link *link)
{
	struct fake_link *f = fake_of(link);

	JD_ASSERT(!f->released && f->closing && !link->user);
	f->released = true;
}

void c2s_end(struct link *link, enum stream_condition condition, const char *text)
{
	ended(fake_of(link), condition, text);
}

void c2s_end_detail(struct link *link, enum stream_condition condition, const char *text,
		    const char *detail)
{
	(void)detail;
	ended(fake_of(link), condition, text);
}

/* -- from a client to the core ------------------------------------------------------------ */

static void post_number(struct fake_link *f, uint32_t kind, void *p, uint64_t n)
{
	struct input *in = mem_new(struct input);

	in->msg = (struct io_msg){.kind = kind, .n = n, .link = &f->link, .p = p};
	list_append(&inputs, &in->node);
}

void fake_post(struct fake_link *f, uint32_t kind, void *p)
{
	post_number(f, kind, p, 0);
}

static void on_open(void *arg, const struct scan_open *open)
{
	(void)arg;
	(void)open;
}

static void on_close(void *arg)
{
	(void)arg;
}

static struct jd_wire *finish(struct wire_builder *b)
{
	struct stanza_scratch *scratch = mem_new(struct stanza_scratch);
	struct jd_wire *wire = NULL;
	struct wire_meta meta;

	(void)stanza_meta(b, &rules, scratch, &meta);
	if (wire_finish(b, &meta, &wire) < 0)
		wire = NULL;
	mem_free(scratch);
	return wire;
}

static void on_element(void *arg, struct wire_builder *b)
{
	struct jd_wire *wire = finish(b);

	JD_ASSERT(wire);
	fake_post(arg, C2S_ELEMENT, wire);
}

static struct scan *scan_opened(const struct scan_events *events, void *arg)
{
	static const char head[] = "<stream:stream xmlns='jabber:client' version='1.0'"
				   " xmlns:stream='http://etherx.jabber.org/streams'>";
	struct scan *scan = scan_new(scans, SCAN_STREAM, JD_NS_STANZA, events, arg);

	scan_limits(scan, &scan_limits_after);
	JD_ASSERT(scan_feed(scan, head, sizeof(head) - 1) == SCAN_OK);
	return scan;
}

void fake_send(struct fake_link *f, struct jd_str xml)
{
	static const struct scan_events events = {on_open, on_element, on_close};

	if (!f->scan)
		f->scan = scan_opened(&events, f);
	if (scan_feed(f->scan, xml.p, xml.len) != SCAN_OK)
		mem_die(__FILE__, __LINE__, "the script's XML is not well-formed");
	if (scan_wants_flush(f->scan))
		(void)scan_flush(f->scan);
}

static void on_parsed(void *arg, struct wire_builder *b)
{
	struct jd_wire **wire = arg;

	wire_unref(*wire);
	*wire = finish(b);
}

struct jd_wire *fake_parse(struct jd_str xml)
{
	static const struct scan_events events = {on_open, on_parsed, on_close};
	struct jd_wire *wire = NULL;
	struct scan *scan = scan_opened(&events, &wire);

	if (scan_feed(scan, xml.p, xml.len) == SCAN_OK && scan_wants_flush(scan))
		(void)scan_flush(scan);
	scan_free(scan);
	return wire;
}

struct fake_link *fake_connect(void)
{
	size_t size = (sizeof(struct fake_link) + 63) / 64 * 64;
	struct fake_link *f = aligned_alloc(64, size);

	JD_ASSERT(f);
	memset(f, 0, size);
	list_init(&f->out);
	list_append(&links, &f->node);
	return f;
}

static void end(struct fake_link *f, enum stream_end how)
{
	if (f->closing)
		return;
	f->closing = true;
	f->held = false;
	post_number(f, C2S_END, NULL, how);
	fake_post(f, IO_CLOSED, NULL);
}

void fake_close(struct fake_link *f)
{
	end(f, STREAM_ENDED);
}

void fake_lose(struct fake_link *f)
{
	end(f, STREAM_LOST);
}

static struct jd_str place(char **at, struct jd_str s)
{
	struct jd_str copy = {*at, s.len};

	if (!s.p)
		return s;
	memcpy(*at, s.p, s.len);
	*at += s.len;
	return copy;
}

void fake_bind(struct fake_link *f, const char *host, const char *name, uint64_t owner,
	       const char *resource)
{
	size_t text = strlen(host) + strlen(name) + strlen(resource);
	struct bind_ask *ask = mem_alloc(sizeof(*ask) + text + 1);
	char *at = (char *)(ask + 1);

	ask->host = place(&at, jd_cstr(host));
	ask->name = place(&at, jd_cstr(name));
	ask->resource = place(&at, jd_cstr(resource));
	ask->owner = owner;
	ask->iq_id = JD_STR("bind");
	ask->peer = JD_STR("192.0.2.1");
	ask->transport = "tls";
	ask->mechanism = "SCRAM-SHA-256";
	ask->secure = true;
	f->bound = f->refused = false;
	fake_post(f, C2S_BIND, ask);
}

void fake_resume(struct fake_link *f, const char *host, const char *name, uint64_t owner,
		 struct jd_str previd, uint32_t h)
{
	struct resume_ask *ask =
		mem_alloc(sizeof(*ask) + strlen(host) + strlen(name) + previd.len + 1);
	char *at = (char *)(ask + 1);

	ask->bind.host = place(&at, jd_cstr(host));
	ask->bind.name = place(&at, jd_cstr(name));
	ask->previd = place(&at, previd);
	ask->h = h;
	ask->bind.owner = owner;
	ask->bind.peer = JD_STR("192.0.2.2");
	ask->bind.transport = "wss";
	ask->bind.mechanism = "SCRAM-SHA-256";
	ask->bind.secure = true;
	f->bound = f->refused = false;
	fake_post(f, C2S_RESUME, ask);
}

void fake_ask(struct fake_link *f, struct auth_ask ask)
{
	size_t text = ask.host.len + ask.name.len + ask.password.len;
	struct auth_ask *copy = mem_alloc(sizeof(*copy) + text + 1);
	char *at = (char *)(copy + 1);

	*copy = ask;
	copy->host = place(&at, ask.host);
	copy->name = place(&at, ask.name);
	copy->password = place(&at, ask.password);
	copy->peer = JD_STR("192.0.2.1");
	auth_answer_free(f->answer);
	f->answer = NULL;
	fake_post(f, C2S_AUTH, copy);
}

struct output *fake_take(struct fake_link *f)
{
	struct output *o;

	if (list_empty(&f->out))
		return NULL;
	o = container_of(f->out.next, struct output, node);
	list_remove(&o->node);
	return o;
}

/* -- the ring ---------------------------------------------------------------------------------- */

/* The first message of a link that is read. */
static struct input *first_input(void)
{
	for (struct list *n = inputs.next; n != &inputs; n = n->next) {
		struct input *in = container_of(n, struct input, node);

		if (!fake_of(in->msg.link)->held)
			return in;
	}
	return NULL;
}

bool fake_net_idle(void)
{
	return !first_input();
}

static bool pending(struct source *self)
{
	(void)self;
	return !fake_net_idle();
}

static bool drain(struct source *self)
{
	(void)self;
	for (unsigned n = 0; n < SHARE; n++) {
		struct input *in = first_input();

		if (!in)
			return false;
		list_remove(&in->node);
		client_receive(&in->msg, NULL);
		mem_free(in);
	}
	return !fake_net_idle();
}

struct fake_link *fake_next(struct fake_link *after)
{
	struct list *n = after ? after->node.next : links.next;

	return n == &links ? NULL : container_of(n, struct fake_link, node);
}

void fake_net_start(void)
{
	wires = wire_pool_new();
	scans = scan_pool_new(wires);
	source = (struct source){.drain = drain, .pending = pending};
	loop_add_source(server.loop, &source);
}

static void fake_free(struct fake_link *f)
{
	struct output *o;

	JD_ASSERT(f->released || !f->link.user);
	list_remove(&f->node);
	while ((o = fake_take(f)) != NULL)
		mem_free(o);
	if (f->scan)
		scan_free(f->scan);
	auth_answer_free(f->answer);
	free(f);
}

void fake_net_stop(void)
{
	struct fake_link *f;

	JD_ASSERT(list_empty(&inputs));
	while ((f = fake_next(NULL)) != NULL)
		fake_free(f);
	loop_remove_source(&source);
	scan_pool_free(scans);
	wire_pool_free(wires);
}

/* -- what commands show of listeners, threads and files: there are none --------------- */

struct listener *const *server_listeners(size_t *ret_n)
{
	*ret_n = 0;
	return NULL;
}

const struct listener_settings *listener_settings(const struct listener *l)
{
	(void)l;
	return NULL;
}

uint16_t listener_port(const struct listener *l)
{
	(void)l;
	return 0;
}

void io_stats(struct io *io, struct io_stats *ret_stats)
{
	(void)io;
	(void)ret_stats;
}

const struct jd_module *conf_open_module(const struct conf *c, const char *name, char *err,
					 size_t err_size)
{
	(void)c;
	return module_open(name, err, err_size);
}

int net_open_tls(const struct conf *c, struct tls_store **ret_store, char *err, size_t err_size)
{
	(void)c;
	(void)ret_store;
	(void)err;
	(void)err_size;
	return -JD_EIO;
}

void link_piece_stats(struct slab_stats *sum)
{
	(void)sum;
}

void stream_memory(struct io *io, void (*fn)(void *arg, const struct stream_memory *memory),
		   void *arg)
{
	const struct stream_memory none = {.streams = 0};

	(void)io;
	fn(arg, &none);
}

void net_refresh(void)
{
}

void tls_store_unref(struct tls_store *store)
{
	(void)store;
}

void server_ask_stop(void)
{
}

void server_reload(void)
{
}
