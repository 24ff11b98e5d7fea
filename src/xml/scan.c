/* SPDX-License-Identifier: MIT
 *
 * The scanner's way of bytes:
 *
 *   consume()   white space between stanzas is dropped; the feeder says how much
 *               goes on now, the rest is held
 *   run()       slices of 2 KiB, so that the parser's own buffer stays small and
 *               a bound is noticed soon behind it
 *   feed()      one slice into the parser, and what came of it
 *
 * When a handler pauses, the parser is suspended inside a slice.  Everything
 * behind the event that paused is copied to `kept`, with what the parser has of
 * it already in front: a resume goes on inside the parser and then with the
 * rest, a restart gives all of it to a new parser.
 *
 * A parser is replaceable between stanzas: the next one is primed with the
 * root's start tag and begins to listen behind it.  That is how parsers are
 * renewed (expat never forgets a name) and how idle scanners do without.
 */
#include <jackdaw/mem.h>

#include "util/mem.h"
#include "xml/scan_priv.h"

#define SLICE     ((size_t)2048)
#define BYTES_MAX ((size_t)64 * 1024 * 1024) /* of one call; nobody gives that much */

const struct scan_limits scan_limits_before = {
	.stanza_bytes = 10000,
	.tag_bytes = 4096,
	.depth = 16,
	.attrs = 64,
	.elements = 64,
	.ns_bytes = 512,
};

const struct scan_limits scan_limits_after = {
	.stanza_bytes = (size_t)1024 * 1024,
	.tag_bytes = 16384,
	.depth = 128,
	.attrs = 64,
	.elements = 4096,
	.ns_bytes = 512,
};

/* The root that frames stand in; its name never leaves the parser. */
static const struct jd_str frames_root = {"<f>", 3};

/* -- life -------------------------------------------------------------------------- */

struct scan *scan_new(struct scan_pool *pool, enum scan_mode mode, const char *content_ns,
		      const struct scan_events *events, void *arg)
{
	struct scan *s = mem_new(struct scan);

	s->pool = pool;
	s->events = events;
	s->arg = arg;
	s->content_ns = jd_cstr(content_ns);
	s->limits = scan_limits_before;
	s->framed = mode == SCAN_FRAMED;
	s->root = s->framed;
	s->depth = s->framed ? 1 : 0;
	feeder_init(&s->feeder, BYTES_MAX);
	buf_init(&s->kept, BYTES_MAX);
	buf_init(&s->prolog, BYTES_MAX);
	return s;
}

static void free_str(struct jd_str *str)
{
	jd_free((void *)(uintptr_t)str->p);
	*str = JD_STR_NULL;
}

/* Everything that belongs to the present document. */
static void drop_document(struct scan *s)
{
	scan_pool_drop_parser(s->pool, s->parser);
	s->parser = NULL;
	scan_pool_give_builder(s->pool, s->b);
	s->b = NULL;
	feeder_fini(&s->feeder);
	buf_free(&s->prolog);
	free_str(&s->head);
	free_str(&s->default_ns);
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	JD_ASSERT(!s->running);
	if (!s->b && !s->error && !s->suspended) {
		scan_pool_give_parser(s->pool, s->parser);
		s->parser = NULL;
	}
	drop_document(s);
	buf_free(&s->kept);
	mem_free(s);
}

void scan_limits(struct scan *s, const struct scan_limits *limits)
{
	s->limits = *limits;
}

void scan_set_lang(struct scan *s, struct jd_str lang)
{
	/* One that is cut would be another language. */
	s->lang_len = lang.len <= SCAN_LANG_MAX ? (uint8_t)lang.len : 0;
	if (s->lang_len)
		memcpy(s->lang, lang.p, s->lang_len);
}

void scan_fail(struct scan *s, enum scan_error error)
{
	if (s->error)
		return;
	s->error = error;
	if (s->parser)
		parser_stop(s->parser, false);
}

/* The end of every call that may have brought events. */
static enum scan_error leave(struct scan *s)
{
	s->running = false;
	if (s->error) {
		drop_document(s);
		buf_free(&s->kept);
		s->in_parser = 0;
		s->paused = s->suspended = s->end_waits = false;
	}
	return s->error;
}

/* -- parsers come and go --------------------------------------------------------------- */

static bool attach(struct scan *s)
{
	struct jd_str head = s->framed ? frames_root : s->head;

	s->parser = scan_pool_parser(s->pool);
	s->fed = s->root ? head.len : 0;
	s->at = s->fed;
	if (!s->parser || (s->root && !parser_prime(s->parser, head))) {
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
		return false;
	}
	parser_listen(s->parser, s);
	if (s->root)
		parser_quiet_ns(s->parser);
	return true;
}

/* Between stanzas, with nothing of the parser's unread. */
static bool at_rest(const struct scan *s)
{
	return s->depth <= 1 && (!s->parser || s->fed == s->at) && !s->feeder.held.len;
}

bool scan_park(struct scan *s)
{
	if (s->error || s->paused || s->running || !at_rest(s))
		return false;
	if (s->parser && (!s->root || s->depth == 0))
		return false;
	scan_pool_give_parser(s->pool, s->parser);
	s->parser = NULL;
	feeder_fini(&s->feeder);
	return true;
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
	size_t pending = s->fed - s->at;

	feeder_fed(&s->feeder, pending, s->event);
	if (pending > s->limits.tag_bytes ||
	    (s->depth > 1 && s->fed - s->stanza_start > s->limits.stanza_bytes))
		scan_fail(s, SCAN_POLICY_VIOLATION);
}

/*
 * What a call of the parser with n bytes came to; returns how many of them are
 * dealt with.  The others lie behind a pause, or go to the next parser.
 */
static size_t settle(struct scan *s, enum parser_result result, size_t n)
{
	size_t rest = s->fed - s->at;

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
	feeder_fed(&s->feeder, 0, true);
	if (s->renew) {
		s->renew = false;
		scan_pool_drop_parser(s->pool, s->parser);
		s->parser = NULL;
	} else {
		s->suspended = true;
		s->in_parser = rest;
	}
	return n - rest;
}

/* One slice. */
static size_t feed(struct scan *s, const char *p, size_t n)
{
	if (!s->parser && !attach(s))
		return n;
	if (!s->root && buf_append(&s->prolog, p, n) < 0) {
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
		return n;
	}
	s->event = false;
	s->fed += n;
	return settle(s, parser_feed(s->parser, p, n), n);
}

static void keep(struct scan *s, const char *p, size_t n)
{
	if (n && buf_append(&s->kept, p, n) < 0)
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

/* Parses what is held and the first `now` bytes of p. */
static void run_held(struct scan *s, const char *p, size_t now)
{
	struct buf held = s->feeder.held;

	if (held.len && now <= SLICE && buf_append(&held, p, now) == 0)
		now = 0;
	buf_init(&s->feeder.held, BYTES_MAX);
	run(s, held.p, held.len);
	/* Not run twice when the pause was in front of it: run() keeps it then. */
	run(s, p, now);
	if (!s->feeder.held.p && held.cap <= FEEDER_HOLD) {
		held.len = 0;
		s->feeder.held = held;
	} else {
		buf_free(&held);
	}
}

/* Bytes in their order: new ones, or kept ones after a pause. */
static void consume(struct scan *s, const char *p, size_t n)
{
	size_t total, now;

	if (s->paused) {
		keep(s, p, n);
		return;
	}
	for (; n && at_rest(s) && is_space(*p); n--)
		p++;
	if (s->error || !n || (!s->root && !check_start(s, p, n)))
		return;
	total = feeder_ready(&s->feeder, p, n, s->limits.tag_bytes);
	now = total > s->feeder.held.len ? total - s->feeder.held.len : 0;
	if (total)
		run_held(s, p, now);
	p += now;
	n -= now;
	if (s->error)
		return;
	if (s->paused) {
		keep(s, p, n);
		return;
	}
	for (; n && at_rest(s) && is_space(*p); n--)
		p++;
	if (n && buf_append(&s->feeder.held, p, n) < 0)
		scan_fail(s, SCAN_RESOURCE_CONSTRAINT);
}

static void consume_frame(struct scan *s, const char *p, size_t n)
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
	s->frame_start = s->fed;
	s->frame_end = s->fed + n;
	s->frame_done = false;
	run(s, p, n);
	if (!s->error && !s->frame_done)
		scan_fail(s, SCAN_INVALID_FRAME);
}

enum scan_error scan_feed(struct scan *s, const char *p, size_t n)
{
	JD_ASSERT(!s->paused && !s->running);
	if (s->error)
		return s->error;
	s->running = true;
	if (s->framed)
		consume_frame(s, p, n);
	else
		consume(s, p, n);
	return leave(s);
}

bool scan_wants_flush(const struct scan *s)
{
	return !s->error && !s->paused && s->feeder.held_gt;
}

enum scan_error scan_flush(struct scan *s)
{
	JD_ASSERT(!s->running);
	if (s->error || s->paused || !s->feeder.held.len)
		return s->error;
	s->running = true;
	run_held(s, NULL, 0);
	return leave(s);
}

/* -- barriers -------------------------------------------------------------------------- */

void scan_pause(struct scan *s)
{
	JD_ASSERT(s->running);
	if (s->paused || s->error)
		return;
	s->paused = true;
	parser_stop(s->parser, true);
}

bool scan_paused(const struct scan *s)
{
	return s->paused;
}

/* Takes what was kept out of the scanner, so that it may be kept anew. */
static struct buf take_kept(struct scan *s, size_t *ret_in_parser)
{
	struct buf kept = s->kept;

	buf_init(&s->kept, BYTES_MAX);
	*ret_in_parser = s->in_parser;
	s->in_parser = 0;
	s->paused = false;
	return kept;
}

/* The parser goes on where it stood; returns how many of its n kept bytes it has dealt with. */
static size_t resume_parser(struct scan *s, size_t n)
{
	if (s->end_waits) {
		s->end_waits = false;
		scan_on_end(s);
		if (s->paused || s->error) {
			s->in_parser = n;
			return 0;
		}
	}
	if (!s->suspended)
		return 0;
	s->event = false;
	return settle(s, parser_resume(s->parser), n);
}

enum scan_error scan_resume(struct scan *s)
{
	struct buf kept;
	size_t in_parser, done;

	JD_ASSERT(!s->running);
	if (s->error || !s->paused)
		return s->error;
	kept = take_kept(s, &in_parser);
	s->running = true;
	done = resume_parser(s, in_parser);
	if (!s->error)
		consume(s, kept.p + done, kept.len - done);
	buf_free(&kept);
	return leave(s);
}

static void new_document(struct scan *s)
{
	drop_document(s);
	s->suspended = s->end_waits = false;
	s->root = s->framed;
	s->depth = s->framed ? 1 : 0;
	s->seen = 0;
	s->fed = s->at = 0;
}

enum scan_error scan_restart(struct scan *s)
{
	struct buf kept;
	size_t in_parser;

	JD_ASSERT(!s->running);
	if (s->error)
		return s->error;
	kept = take_kept(s, &in_parser);
	new_document(s);
	s->running = true;
	consume(s, kept.p, kept.len);
	buf_free(&kept);
	return leave(s);
}

void scan_discard(struct scan *s)
{
	struct buf kept;
	size_t in_parser;

	JD_ASSERT(!s->running);
	if (s->error)
		return;
	kept = take_kept(s, &in_parser);
	buf_free(&kept);
	new_document(s);
}

/* -- numbers --------------------------------------------------------------------------- */

size_t scan_memory(const struct scan *s)
{
	return sizeof(*s) + (s->parser ? parser_memory(s->parser) : 0) +
	       (s->b ? wire_builder_memory(s->b) : 0) + s->feeder.held.cap + s->kept.cap +
	       s->prolog.cap + s->head.len;
}

const char *scan_error_condition(enum scan_error e)
{
	switch (e) {
	case SCAN_OK:
		break;
	case SCAN_NOT_WELL_FORMED:
		return "not-well-formed";
	case SCAN_RESTRICTED_XML:
		return "restricted-xml";
	case SCAN_UNSUPPORTED_ENCODING:
		return "unsupported-encoding";
	case SCAN_POLICY_VIOLATION:
		return "policy-violation";
	case SCAN_RESOURCE_CONSTRAINT:
		return "resource-constraint";
	case SCAN_INVALID_FRAME:
		return "not-well-formed";
	}
	return "undefined-condition";
}
