/* SPDX-License-Identifier: MIT
 *
 * From the parser's events to the scanner's: the root becomes the open event,
 * what is inside it goes to a builder, first-level elements become element
 * events.  Every bound that a single event can break is checked here.
 */
#include <jackdaw/mem.h>

#include "util/mem.h"
#include "xml/scan_priv.h"

static void fail_build(struct scan *s, int err)
{
	if (err == -JD_ELIMIT)
		scan_fail(s, SCAN_POLICY_VIOLATION);
	else if (err == -JD_ENOMEM)
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
	else
		scan_fail(s, SCAN_NOT_WELL_FORMED);
}

void scan_on_mark(void *arg)
{
	struct scan *s = arg;
	size_t start;

	parser_at(s->parser, &start, &s->w->at);
}

void scan_on_error(void *arg, enum scan_error error)
{
	scan_fail(arg, error);
}

/* -- the root ------------------------------------------------------------------------ */

void scan_on_ns(void *arg, struct jd_str prefix, struct jd_str ns)
{
	struct scan *s = arg;
	bool usual = jd_str_is(prefix, "stream") && jd_str_is(ns, JD_NS_STREAM);

	if (s->error)
		return;
	if (prefix.p) {
		s->w->declared |= usual ? SCAN_NS_STREAM : SCAN_NS_OTHER;
		return;
	}
	if (ns.len > s->limits.ns_bytes) {
		scan_fail(s, SCAN_POLICY_VIOLATION);
		return;
	}
	s->w->declared |= jd_str_is(ns, JD_NS_STANZA) ? SCAN_NS_CONTENT : SCAN_NS_OTHER;
	jd_free((void *)(uintptr_t)s->w->default_ns.p);
	s->w->default_ns = (struct jd_str){jd_strdup(ns), ns.len};
}

static void read_attr(struct scan_open *open, const struct parser_attr *a)
{
	struct jd_str n = a->name.local;

	if (jd_str_is(a->name.ns, JD_NS_XML)) {
		if (jd_str_is(n, "lang"))
			open->lang = a->value;
	} else if (a->name.ns.len) {
		return;
	} else if (jd_str_is(n, "to")) {
		open->to = a->value;
	} else if (jd_str_is(n, "from")) {
		open->from = a->value;
	} else if (jd_str_is(n, "id")) {
		open->id = a->value;
	} else if (jd_str_is(n, "version")) {
		open->version = a->value;
	}
}

/* For the next parser, declarations and the name matter. With the usual declarations the name
 * can have but one prefix. */
static void keep_head(struct scan *s, struct parser_name name, size_t start)
{
	struct jd_str head = {s->w->prolog.p + start, s->w->at - start};

	if (s->w->declared != (SCAN_NS_CONTENT | SCAN_NS_STREAM) ||
	    !jd_str_is(name.local, "stream") || !jd_str_is(name.ns, JD_NS_STREAM))
		s->head = (struct jd_str){jd_strdup(head), head.len};
	buf_free(&s->w->prolog);
}

static void open_root(struct scan *s, struct parser_name name, const struct parser_attr *attrs,
		      unsigned n_attrs, size_t start)
{
	struct scan_open open = {.name = name.local, .ns = name.ns, .content_ns = s->w->default_ns};

	if (name.ns.len > s->limits.ns_bytes) {
		scan_fail(s, SCAN_POLICY_VIOLATION);
		return;
	}
	parser_quiet_ns(s->parser);
	keep_head(s, name, start);
	s->root = true;
	s->depth = 1;
	for (unsigned i = 0; i < n_attrs; i++)
		read_attr(&open, &attrs[i]);
	s->events->open(s->arg, &open);
	jd_free((void *)(uintptr_t)s->w->default_ns.p);
	s->w->default_ns = JD_STR_NULL;
}

/* -- what is inside ------------------------------------------------------------------- */

static bool begin_stanza(struct scan *s, struct parser_name name, size_t start)
{
	/* Twice the size that may be received: for the index, and for namespaces
	 * that prefixes had kept short. */
	struct wire_limits limits = {
		.bytes = s->limits.stanza_bytes * 2 + SCAN_SLACK,
		.elements = s->limits.elements,
		.depth = s->limits.depth,
		.attrs = s->limits.attrs + 1, /* the stream's xml:lang */
		.ns_bytes = s->limits.ns_bytes,
	};

	if (s->framed && (start != s->w->frame_start || !name.ns.len)) {
		scan_fail(s, SCAN_INVALID_FRAME);
		return false;
	}
	s->w->stanza_start = start;
	s->b = scan_pool_builder(s->pool, &limits);
	return true;
}

static int start_element(struct scan *s, struct parser_name name)
{
	if (wire_in_content(s->b) && jd_str_eq(name.ns, s->content_ns))
		return wire_start(s->b, JD_STR_NULL, name.local);
	return wire_start_literal(s->b, name.ns, name.local);
}

static int add_attrs(struct scan *s, const struct parser_attr *attrs, unsigned n_attrs)
{
	bool lang = false;

	for (unsigned i = 0; i < n_attrs; i++) {
		struct parser_name n = attrs[i].name;

		if (n.ns.len && jd_str_is(n.local, "lang") && jd_str_is(n.ns, JD_NS_XML))
			lang = true;
		if (wire_attr(s->b, n.ns, n.local, attrs[i].value) < 0)
			break;
	}
	if (s->depth == 1 && !lang && s->lang.len && wire_root_is_content(s->b))
		wire_attr(s->b, JD_STR(JD_NS_XML), JD_STR("lang"), s->lang);
	return wire_error(s->b);
}

void scan_on_start(void *arg, struct parser_name name, const struct parser_attr *attrs,
		   unsigned n_attrs)
{
	struct scan *s = arg;
	size_t start;

	if (s->error)
		return;
	s->event = true;
	parser_at(s->parser, &start, &s->w->at);
	if (s->w->at - start > s->limits.tag_bytes || n_attrs > s->limits.attrs) {
		scan_fail(s, SCAN_POLICY_VIOLATION);
		return;
	}
	if (s->depth == 0) {
		open_root(s, name, attrs, n_attrs, start);
		return;
	}
	if (s->depth == 1 && !begin_stanza(s, name, start))
		return;
	if (start_element(s, name) < 0 || add_attrs(s, attrs, n_attrs) < 0)
		fail_build(s, wire_error(s->b));
	s->depth++;
}

static void end_stanza(struct scan *s)
{
	struct wire_builder *b = s->b;

	/* What goes out counts too: namespaces that a prefix had kept short are repeated there. */
	if (s->w->at - s->w->stanza_start > s->limits.stanza_bytes ||
	    b->len > s->limits.stanza_bytes + SCAN_SLACK) {
		scan_fail(s, SCAN_POLICY_VIOLATION);
		return;
	}
	if (s->framed && s->w->at != s->w->frame_end) {
		scan_fail(s, SCAN_INVALID_FRAME);
		return;
	}
	s->frame_done = true;
	s->events->element(s->arg, b);
	s->b = NULL;
	scan_pool_give_builder(s->pool, b);
	if (!s->error && !s->paused && parser_memory(s->parser) > SCAN_RENEW) {
		s->renew = true;
		parser_stop(s->parser, true);
	}
}

void scan_on_end(void *arg)
{
	struct scan *s = arg;
	size_t start;

	if (s->error)
		return;
	if (s->paused) {
		s->end_waits = true;
		return;
	}
	s->event = true;
	parser_at(s->parser, &start, &s->w->at);
	s->depth--;
	if (s->depth == 0 && s->framed) {
		scan_fail(s, SCAN_INVALID_FRAME);
	} else if (s->depth == 0) {
		s->events->close(s->arg);
	} else {
		if (wire_end(s->b) < 0)
			fail_build(s, wire_error(s->b));
		else if (s->depth == 1)
			end_stanza(s);
	}
}

static bool blank(struct jd_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != ' ' && s.p[i] != '\n' && s.p[i] != '\t' && s.p[i] != '\r')
			return false;
	}
	return true;
}

void scan_on_text(void *arg, struct jd_str text)
{
	struct scan *s = arg;
	size_t start;

	if (s->error)
		return;
	s->event = true;
	parser_at(s->parser, &start, &s->w->at);
	if (s->depth > 1) {
		if (wire_text(s->b, text) < 0)
			fail_build(s, wire_error(s->b));
	} else if (s->framed || !blank(text)) {
		scan_fail(s, s->framed ? SCAN_INVALID_FRAME : SCAN_NOT_WELL_FORMED);
	}
}
