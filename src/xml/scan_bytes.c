/* SPDX-License-Identifier: MIT
 *
 * The scanner's way of bytes:
 *
 *   scan_consume()  white space between stanzas is dropped; the feeder says how
 *                   much goes on now, the rest is held
 *   run()           slices of 2 KiB, so that the parser's own buffer stays small
 *                   and a bound is noticed soon behind it
 *   feed()          one slice into the parser, and what came of it
 */
#include "xml/scan_priv.h"

#define SLICE ((size_t)2048)

/* The root that frames stand in; its name never leaves the parser. */
static const struct jd_str frames_root = {"<f>", 3};

/* What nearly every client declares, whatever else its header says. */
static const struct jd_str usual_root = {
	"<stream:stream xmlns:stream='" JD_NS_STREAM "' xmlns='" JD_NS_STANZA "'>",
	sizeof("<stream:stream xmlns:stream='" JD_NS_STREAM "' xmlns='" JD_NS_STANZA "'>") - 1};

/* -- parsers come and go --------------------------------------------------------------- */

static bool attach(struct scan *s)
{
	struct jd_str head = s->framed ? frames_root : s->head.p ? s->head : usual_root;

	s->parser = scan_pool_parser(s->pool);
	s->w->fed = s->root ? head.len : 0;
	s->w->at = s->w->fed;
	if (!s->parser || (s->root && !parser_prime(s->parser, head))) {
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
		return false;
	}
	parser_listen(s->parser, s);
	if (s->root)
		parser_quiet_ns(s->parser);
	return true;
}

bool scan_at_rest(const struct scan *s)
{
	return s->depth <= 1 &&
	       (!s->w || ((!s->parser || s->w->fed == s->w->at) && !s->w->feeder.held.len));
}

/* -- bytes --------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Other encodings show in the first two bytes: byte order marks, and zeros. */
static bool check_start(struct scan *s, const char *p, size_t n)
{
	for (; n && s->seen < 2; p++, n--, s->seen++) {
		unsigned char c = (unsigned char)*p;

		if (c == 0 || (s->seen == 0 && (c == 0xEF || c == 0xFE || c == 0xFF))) {
			scan_fail(s, SCAN_UNSUPPORTED_ENCODING);
			return false;
		}
		if (s->seen == 0 && c != '<') {
			scan_fail(s, SCAN_NOT_WELL_FORMED);
			return false;
		}
	}
	return true;
}

static void check_bounds(struct scan *s)
{
	size_t pending = s->w->fed - s->w->at;

	feeder_fed(&s->w->feeder, pending, s->event);
	if (pending > s->limits.tag_bytes ||
	    (s->depth > 1 && s->w->fed - s->w->stanza_start > s->limits.stanza_bytes))
		scan_fail(s, SCAN_POLICY_VIOLATION);
}

size_t scan_settle(struct scan *s, enum parser_result result, size_t n)
{
	size_t rest = s->w->fed - s->w->at;

	s->suspended = false;
	if (s->error)
		return n;
	if (result == PARSER_FAILED) {
		scan_fail(s, parser_error(s->parser));
		return n;
	}
	if (result == PARSER_MORE) {
		check_bounds(s);
		return n;
	}
	feeder_fed(&s->w->feeder, 0, true);
	if (s->renew) {
		s->renew = false;
		scan_pool_drop_parser(s->pool, s->parser);
		s->parser = NULL;
	} else {
		s->suspended = true;
		s->w->in_parser = rest;
	}
	return n - rest;
}

/* One slice. */
static size_t feed(struct scan *s, const char *p, size_t n)
{
	if (!s->parser && !attach(s))
		return n;
	if (!s->root && buf_append(&s->w->prolog, p, n) < 0) {
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
		return n;
	}
	s->event = false;
	s->w->fed += n;
	return scan_settle(s, parser_feed(s->parser, p, n), n);
}

static void keep(struct scan *s, const char *p, size_t n)
{
	if (n && buf_append(&s->w->kept, p, n) < 0)
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
}

/* Parses n bytes; behind a pause they are kept. */
static void run(struct scan *s, const char *p, size_t n)
{
	while (n && !s->error && !s->paused) {
		size_t done = feed(s, p, n < SLICE ? n : SLICE);

		p += done;
		n -= done;
	}
	if (s->paused)
		keep(s, p, n);
}

void scan_run_held(struct scan *s, const char *p, size_t now)
{
	struct buf held = s->w->feeder.held;

	if (held.len && now <= SLICE && buf_append(&held, p, now) == 0)
		now = 0;
	buf_init(&s->w->feeder.held, SCAN_BYTES_MAX);
	run(s, held.p, held.len);
	/* Not run twice when the pause was in front of it: run() keeps it then. */
	run(s, p, now);
	if (!s->w->feeder.held.p && held.cap <= FEEDER_HOLD) {
		held.len = 0;
		s->w->feeder.held = held;
	} else {
		buf_free(&held);
	}
}

void scan_consume(struct scan *s, const char *p, size_t n)
{
	size_t total, now;

	if (s->paused) {
		keep(s, p, n);
		return;
	}
	for (; n && scan_at_rest(s) && is_space(*p); n--)
		p++;
	if (s->error || !n || (!s->root && !check_start(s, p, n)))
		return;
	total = feeder_ready(&s->w->feeder, p, n, s->limits.tag_bytes);
	now = total > s->w->feeder.held.len ? total - s->w->feeder.held.len : 0;
	if (total)
		scan_run_held(s, p, now);
	p += now;
	n -= now;
	if (s->error)
		return;
	if (s->paused) {
		keep(s, p, n);
		return;
	}
	for (; n && scan_at_rest(s) && is_space(*p); n--)
		p++;
	if (n && buf_append(&s->w->feeder.held, p, n) < 0)
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
}

void scan_consume_frame(struct scan *s, const char *p, size_t n)
{
	if (n < 2 || p[0] != '<' || p[1] == '?') {
		scan_fail(s, SCAN_INVALID_FRAME);
		return;
	}
	if (n > s->limits.stanza_bytes) {
		scan_fail(s, SCAN_POLICY_VIOLATION);
		return;
	}
	if (!s->parser && !attach(s))
		return;
	s->w->frame_start = s->w->fed;
	s->w->frame_end = s->w->fed + n;
	s->frame_done = false;
	run(s, p, n);
	if (!s->error && !s->frame_done)
		scan_fail(s, SCAN_INVALID_FRAME);
}
