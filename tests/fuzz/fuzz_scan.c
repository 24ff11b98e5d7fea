/* SPDX-License-Identifier: MIT
 *
 * The scanner fed with anything.  The first byte chooses how: bit 0 frames
 * instead of a stream, bit 1 a server's stream, bit 2 a pause at every event,
 * bits 3 to 7 the size of the pieces (0: whole).
 *
 * Whatever it lets through must be read again without an error, give the same
 * canonical bytes, and copy into the same bytes; and without pauses the pieces
 * must not matter.
 */
#include <stdio.h>
#include <stdlib.h>

#include "util/buf.h"
#include "util/mem.h"
#include "xml/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
	struct scan *s;
	struct buf log;
	bool pause;
};

static struct wire_pool *wires;
static struct scan_pool *pool;
static struct wire_builder *copier;
static struct scan *reader[2]; /* by content namespace; stays open from input to input */
static struct jd_wire *read_again;
static unsigned now; /* which of the two */

static const char *const content[2] = {JD_NS_STANZA, JD_NS_SERVER};
static const char *const headers[2] = {
	"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>",
	"<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams'>",
};
/* Prefixes that were short are written out; nothing that was let through may fail. */
static const struct scan_limits wide = {(size_t)16 << 20, (size_t)4 << 20, 200, 70, 8192, 4096};

static void no_open(void *arg, const struct scan_open *open)
{
	(void)arg, (void)open;
}

static void no_close(void *arg)
{
	(void)arg;
}

static void on_again(void *arg, struct wire_builder *b)
{
	(void)arg;
	JD_ASSERT(!read_again);
	JD_ASSERT(wire_finish(b, NULL, &read_again) == 0);
}

static bool same_bytes(const struct jd_wire *a, const struct jd_wire *b)
{
	return a->bytes_len == b->bytes_len && memcmp(a->bytes, b->bytes, a->bytes_len) == 0;
}

static void check(struct jd_wire *w)
{
	struct jd_wire *copy;

	JD_ASSERT(scan_feed(reader[now], w->bytes, w->bytes_len) == SCAN_OK);
	JD_ASSERT(scan_flush(reader[now]) == SCAN_OK);
	JD_ASSERT(read_again && same_bytes(read_again, w));
	wire_unref(read_again);
	read_again = NULL;
	wire_copy(copier, wire_root(w));
	JD_ASSERT(wire_finish(copier, NULL, &copy) == 0);
	JD_ASSERT(same_bytes(copy, w) || now == 1); /* there jabber:client becomes the content */
	wire_unref(copy);
}

static void on_open(void *arg, const struct scan_open *open)
{
	struct side *side = arg;

	JD_ASSERT(buf_append(&side->log, open->name.p, open->name.len) == 0);
	if (side->pause)
		scan_pause(side->s);
}

static void on_element(void *arg, struct wire_builder *b)
{
	struct side *side = arg;
	struct jd_wire *w;

	JD_ASSERT(wire_finish(b, NULL, &w) == 0);
	JD_ASSERT(buf_append(&side->log, w->bytes, w->bytes_len) == 0);
	check(w);
	wire_unref(w);
	if (side->pause)
		scan_pause(side->s);
}

static void on_close(void *arg)
{
	struct side *side = arg;

	JD_ASSERT(buf_append(&side->log, "]", 1) == 0);
	if (side->pause)
		scan_pause(side->s);
}

static const struct scan_events events = {on_open, on_element, on_close};

static void set_up(void)
{
	static const struct scan_events quiet = {no_open, on_again, no_close};
	static const struct wire_limits limits = {(size_t)32 << 20, 8192, 200, 70, 4096};

	wires = wire_pool_new();
	pool = scan_pool_new(wires);
	copier = wire_builder_new(wires, &limits);
	for (unsigned i = 0; i < 2; i++) {
		reader[i] = scan_new(pool, SCAN_STREAM, content[i], &quiet, NULL);
		scan_limits(reader[i], &wide);
		JD_ASSERT(scan_feed(reader[i], headers[i], strlen(headers[i])) == SCAN_OK);
	}
}

static enum scan_error go_on(struct side *side, enum scan_error e)
{
	while (!e && scan_paused(side->s))
		e = scan_resume(side->s);
	return e;
}

static enum scan_error feed(struct side *side, unsigned how, const char *p, size_t n, size_t step)
{
	enum scan_error e = SCAN_OK;

	side->pause = how & 4;
	buf_init(&side->log, (size_t)64 << 20);
	side->s = scan_new(pool, how & 1 ? SCAN_FRAMED : SCAN_STREAM, content[now], &events, side);
	scan_limits(side->s, how & 128 ? &scan_limits_before : &scan_limits_after);
	if (!(how & 1) && (n == 0 || *p != '!'))
		e = go_on(side, scan_feed(side->s, headers[now], strlen(headers[now])));
	else if (n && *p == '!')
		p++, n--;
	while (n && !e) {
		size_t piece = n < step ? n : step;

		e = go_on(side, scan_feed(side->s, p, piece));
		p += piece;
		n -= piece;
		if (!e && piece % 3 == 0)
			scan_park(side->s);
	}
	if (!e)
		e = go_on(side, scan_flush(side->s));
	scan_free(side->s);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	struct side whole, cut;
	enum scan_error e, f;
	unsigned how;

	if (!size)
		return 0;
	if (!wires)
		set_up();
	how = data[0];
	now = how >> 1 & 1;
	size--;
	e = feed(&whole, how & ~4u, p, size, size ? size : 1);
	if (!(how & 1)) {
		f = feed(&cut, how, p, size, (how >> 3 & 15) + 1);
		JD_ASSERT(!e == !f);
		JD_ASSERT(e || jd_str_eq(buf_str(&whole.log), buf_str(&cut.log)));
		buf_free(&cut.log);
	}
	buf_free(&whole.log);
	return 0;
}
