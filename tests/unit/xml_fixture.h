/* SPDX-License-Identifier: MIT
 *
 * For the tests of src/xml: a scanner whose events become a text that can be
 * compared, "O(name ns..)", "E(canonical bytes)", "C".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/buf.h"
#include "util/mem.h"
#include "xml/scan.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' "                                                    \
	"xmlns:stream='http://etherx.jabber.org/streams' to='a' version='1.0'>"

struct rec {
	struct wire_pool *wires;
	struct scan_pool *pool;
	struct scan *s;
	struct buf log;
	unsigned elements;
	unsigned pause_at; /* the n-th event pauses; 0: none */
	unsigned events;
	bool pause_all;
	struct jd_wire *last;
};

static inline void JD_PRINTF(2, 3) rec_add(struct rec *r, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text));
	assert_int_equal(buf_append(&r->log, text, (size_t)n), 0);
}

static inline void rec_event(struct rec *r)
{
	r->events++;
	if (r->pause_all || r->events == r->pause_at)
		scan_pause(r->s);
}

static inline void rec_open(void *arg, const struct scan_open *o)
{
	struct rec *r = arg;

	rec_add(r, "O(%.*s %.*s %.*s", JD_FMT(o->name), JD_FMT(o->ns), JD_FMT(o->content_ns));
	if (o->to.p)
		rec_add(r, " to=%.*s", JD_FMT(o->to));
	if (o->lang.p)
		rec_add(r, " lang=%.*s", JD_FMT(o->lang));
	rec_add(r, ")");
	rec_event(r);
}

static inline void rec_element(void *arg, struct wire_builder *b)
{
	struct rec *r = arg;
	struct jd_wire *w = NULL;

	assert_true(jd_el_ok(wire_peek(b)));
	assert_int_equal(wire_finish(b, NULL, &w), 0);
	assert_int_equal(buf_append(&r->log, "E(", 2), 0);
	assert_int_equal(buf_append(&r->log, w->bytes, w->bytes_len), 0);
	assert_int_equal(buf_append(&r->log, ")", 1), 0);
	wire_unref(r->last);
	r->last = w;
	r->elements++;
	rec_event(r);
}

static inline void rec_close(void *arg)
{
	struct rec *r = arg;

	rec_add(r, "C");
	rec_event(r);
}

static const struct scan_events rec_events = {rec_open, rec_element, rec_close};

static inline void rec_init_ns(struct rec *r, enum scan_mode mode, const char *content_ns)
{
	*r = (struct rec){.wires = wire_pool_new()};
	r->pool = scan_pool_new(r->wires);
	r->s = scan_new(r->pool, mode, content_ns, &rec_events, r);
	buf_init(&r->log, (size_t)64 * 1024 * 1024);
}

static inline void rec_init(struct rec *r, enum scan_mode mode)
{
	rec_init_ns(r, mode, JD_NS_STANZA);
}

/* Another scanner, the same pools. */
static inline void rec_again(struct rec *r, enum scan_mode mode)
{
	scan_free(r->s);
	r->s = scan_new(r->pool, mode, JD_NS_STANZA, &rec_events, r);
	r->log.len = 0;
	r->elements = r->events = r->pause_at = 0;
	r->pause_all = false;
}

static inline void rec_fini(struct rec *r)
{
	wire_unref(r->last);
	scan_free(r->s);
	scan_pool_free(r->pool);
	wire_pool_free(r->wires);
	buf_free(&r->log);
}

static inline enum scan_error rec_feed(struct rec *r, const char *text)
{
	return scan_feed(r->s, text, strlen(text));
}

static inline void rec_is(struct rec *r, const char *want)
{
	char *got = mem_alloc(r->log.len + 1);

	if (r->log.len)
		memcpy(got, r->log.p, r->log.len);
	assert_string_equal(got, want);
	mem_free(got);
}
