/* SPDX-License-Identifier: MIT
 *
 * The scanner as its connection sees it: life, feeding, barriers, parking.
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
#include "util/slab.h"
#include "xml/scan_priv.h"

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
	return s;
}

static void free_str(struct jd_str *str)
{
	jd_free((void *)(uintptr_t)str->p);
	*str = JD_STR_NULL;
}

static void drop_work(struct scan *s)
{
	if (!s->w)
		return;
	feeder_fini(&s->w->feeder);
	buf_free(&s->w->kept);
	buf_free(&s->w->prolog);
	free_str(&s->w->default_ns);
	slab_put(s->w);
	s->w = NULL;
}

/* Everything that belongs to the present document. */
static void drop_document(struct scan *s)
{
	scan_pool_drop_parser(s->pool, s->parser);
	s->parser = NULL;
	scan_pool_give_builder(s->pool, s->b);
	s->b = NULL;
	drop_work(s);
	free_str(&s->head);
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
	free_str(&s->lang);
	mem_free(s);
}

void scan_limits(struct scan *s, const struct scan_limits *limits)
{
	s->limits = *limits;
}

void scan_set_lang(struct scan *s, struct jd_str lang)
{
	free_str(&s->lang);
	/* One that is cut would be another language. */
	if (lang.len && lang.len <= SCAN_LANG_MAX)
		s->lang = (struct jd_str){jd_strdup(lang), lang.len};
}

void scan_fail(struct scan *s, enum scan_error error)
{
	if (s->error)
		return;
	s->error = error;
	if (s->parser)
		parser_stop(s->parser, false);
}

/* The beginning of every call that may bring events ... */
static void enter(struct scan *s)
{
	s->running = true;
	if (s->w)
		return;
	s->w = scan_pool_work(s->pool);
	feeder_init(&s->w->feeder, SCAN_BYTES_MAX);
	buf_init(&s->w->kept, SCAN_BYTES_MAX);
	buf_init(&s->w->prolog, SCAN_BYTES_MAX);
}

/* ... and its end. */
static enum scan_error leave(struct scan *s)
{
	s->running = false;
	if (s->error) {
		drop_document(s);
		s->paused = s->suspended = s->end_waits = false;
	}
	return s->error;
}

bool scan_unfinished(const struct scan *s)
{
	return !s->error && !s->paused && !scan_at_rest(s);
}

bool scan_park(struct scan *s)
{
	if (s->error || s->paused || s->running || !scan_at_rest(s))
		return false;
	if (s->parser && (!s->root || s->depth == 0))
		return false;
	scan_pool_give_parser(s->pool, s->parser);
	s->parser = NULL;
	drop_work(s);
	return true;
}

enum scan_error scan_feed(struct scan *s, const char *p, size_t n)
{
	JD_ASSERT(!s->paused && !s->running);
	if (s->error)
		return s->error;
	enter(s);
	if (s->framed)
		scan_consume_frame(s, p, n);
	else
		scan_consume(s, p, n);
	return leave(s);
}

bool scan_wants_flush(const struct scan *s)
{
	return !s->error && !s->paused && s->w && s->w->feeder.held_gt;
}

enum scan_error scan_flush(struct scan *s)
{
	JD_ASSERT(!s->running);
	if (s->error || s->paused || !s->w || !s->w->feeder.held.len)
		return s->error;
	enter(s);
	scan_run_held(s, NULL, 0);
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
	struct buf kept;

	buf_init(&kept, SCAN_BYTES_MAX);
	*ret_in_parser = 0;
	s->paused = false;
	if (!s->w)
		return kept;
	kept = s->w->kept;
	buf_init(&s->w->kept, SCAN_BYTES_MAX);
	*ret_in_parser = s->w->in_parser;
	s->w->in_parser = 0;
	return kept;
}

/* The parser goes on where it stood; returns how many of its n kept bytes it has dealt with. */
static size_t resume_parser(struct scan *s, size_t n)
{
	if (s->end_waits) {
		s->end_waits = false;
		scan_on_end(s);
		if (s->paused || s->error) {
			s->w->in_parser = n;
			return 0;
		}
	}
	if (!s->suspended)
		return 0;
	s->event = false;
	return scan_settle(s, parser_resume(s->parser), n);
}

enum scan_error scan_resume(struct scan *s)
{
	struct buf kept;
	size_t in_parser, done;

	JD_ASSERT(!s->running);
	if (s->error || !s->paused)
		return s->error;
	kept = take_kept(s, &in_parser);
	enter(s);
	done = resume_parser(s, in_parser);
	if (!s->error && kept.len > done)
		scan_consume(s, kept.p + done, kept.len - done);
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
	enter(s);
	scan_consume(s, kept.p, kept.len);
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
	const struct scan_work *w = s->w;

	return sizeof(*s) + (s->parser ? parser_memory(s->parser) : 0) +
	       (s->b ? wire_builder_memory(s->b) : 0) + s->head.len + s->lang.len +
	       (w ? sizeof(*w) + w->feeder.held.cap + w->kept.cap + w->prolog.cap : 0);
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
