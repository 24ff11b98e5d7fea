/* SPDX-License-Identifier: MIT
 *
 * Stanzas for tests: from XML text by the real scanner, and back to text.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xml/scan.h"
#include "xmpp/stanza.h"

static struct stanza_pool *fx_pool;
static struct wire_pool *fx_wires;
static struct scan_pool *fx_scans;

static int fx_setup(void **state)
{
	(void)state;
	fx_pool = stanza_pool_new();
	stanza_pool_use(fx_pool);
	fx_wires = wire_pool_new();
	fx_scans = scan_pool_new(fx_wires);
	return 0;
}

static int fx_teardown(void **state)
{
	(void)state;
	stanza_pool_free(fx_pool);
	scan_pool_free(fx_scans);
	wire_pool_free(fx_wires);
	return 0;
}

struct fx_event {
	struct stanza_rules rules;
	struct jd_wire *wire;
	int meta_result;
};

static void fx_element(void *arg, struct wire_builder *b)
{
	struct fx_event *ev = arg;
	struct stanza_scratch scratch;
	struct wire_meta meta;

	assert_null(ev->wire);
	ev->meta_result = stanza_meta(b, &ev->rules, &scratch, &meta);
	assert_int_equal(wire_finish(b, &meta, &ev->wire), 0);
}

static void fx_open(void *arg, const struct scan_open *open)
{
	(void)arg;
	(void)open;
}

static void fx_close(void *arg)
{
	(void)arg;
}

/* One element on a stream whose content namespace is ns. */
static struct jd_wire *fx_wire(const char *ns, const char *xml, size_t body_chars,
			       int *ret_meta_result)
{
	static const struct scan_events events = {fx_open, fx_element, fx_close};
	struct fx_event ev = {.rules = {body_chars}};
	struct scan *scan = scan_new(fx_scans, SCAN_STREAM, ns, &events, &ev);
	char head[256];
	int n = snprintf(head, sizeof(head), "<stream:stream xmlns='%s' xmlns:stream='%s'>", ns,
			 JD_NS_STREAM);

	scan_limits(scan, &scan_limits_after);
	assert_int_equal(scan_feed(scan, head, (size_t)n), SCAN_OK);
	if (scan_feed(scan, xml, strlen(xml)) != SCAN_OK || !ev.wire)
		fail_msg("not one element: %.200s", xml);
	scan_free(scan);
	if (ret_meta_result)
		*ret_meta_result = ev.meta_result;
	return ev.wire;
}

static inline struct jd_stanza *fx_stanza(const char *xml)
{
	int r;
	struct jd_wire *wire = fx_wire(JD_NS_STANZA, xml, 99999, &r);

	assert_int_equal(r, 0);
	return stanza_from_wire(fx_pool, wire);
}

/* All of a stanza's bytes, terminated; to be freed. */
static inline char *fx_bytes(struct jd_stanza *st, enum stanza_framing framing)
{
	size_t own = stanza_out_size(st, framing);
	char *parts = malloc(own + 1), *all;
	struct stanza_out out;

	stanza_out(st, framing, parts, &out);
	assert_int_equal(out.head.len + out.tail.len, own);
	assert_true(stanza_out_most(st, framing) >= own);
	all = malloc(own + out.body.len + 1);
	memcpy(all, out.head.p, out.head.len);
	memcpy(all + out.head.len, out.body.p, out.body.len);
	memcpy(all + out.head.len + out.body.len, out.tail.p, out.tail.len);
	all[own + out.body.len] = '\0';
	free(parts);
	return all;
}

static inline void fx_expect(struct jd_stanza *st, enum stanza_framing framing,
			     const char *expected)
{
	char *got = fx_bytes(st, framing);

	assert_string_equal(got, expected);
	free(got);
}

static inline struct jd_jid fx_jid(struct jd_arena *arena, const char *s)
{
	struct jd_jid jid;

	assert_int_equal(jd_jid_parse(arena, jd_cstr(s), &jid), 0);
	return jid;
}
