/* SPDX-License-Identifier: MIT
 *
 * Inside the scanner: scan.c is what its connection calls, scan_bytes.c moves
 * bytes to parsers, scan_event.c makes of the parser's events what scan.h promises.
 */
#pragma once

#include "xml/feeder.h"
#include "xml/scan_pool.h"

#define SCAN_LANG_MAX 64

/* Of one call; nobody gives that much. */
#define SCAN_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* At a stanza's end, a parser larger than this is replaced: it never forgets names. */
#define SCAN_RENEW ((size_t)64 * 1024)

/* What is needed while bytes come; an idle scanner has none. */
struct scan_work {
	struct feeder feeder;
	struct buf kept;          /* what was given and lies behind a pause */
	size_t in_parser;         /* of kept: the first bytes, which the parser has already */
	struct buf prolog;        /* the document up to now, until its root is known */
	struct jd_str default_ns; /* declared on the root; until the open event (heap) */
	unsigned declared;        /* SCAN_NS_* on the root */

	/* Offsets into the document as the present parser sees it. */
	size_t fed;
	size_t at; /* the end of the last event */
	size_t stanza_start;
	size_t frame_start, frame_end;
};

/* Declarations on the root. */
enum {
	SCAN_NS_CONTENT = 1, /* the usual default */
	SCAN_NS_STREAM = 2,  /* the usual prefix of the root */
	SCAN_NS_OTHER = 4,
};

struct scan {
	struct scan_pool *pool;
	const struct scan_events *events;
	void *arg;
	struct jd_str content_ns;
	struct scan_limits limits;

	struct parser *parser;  /* while bytes come */
	struct wire_builder *b; /* while a stanza is open */
	struct scan_work *w;    /* NULL: nothing has come, or all of it has been dealt with */
	struct jd_str
		head; /* the root's start tag, for the next parser (heap); p NULL: the usual */
	struct jd_str lang; /* heap */

	unsigned depth; /* open elements, the root's included */
	enum scan_error error;
	uint8_t seen; /* bytes of the document checked for other encodings: 0, 1, 2 */
	bool framed;
	bool root;    /* the root has been opened */
	bool running; /* events may happen */
	bool paused;
	bool suspended; /* the parser stands still in the middle of its bytes */
	bool end_waits; /* a pause in an empty root's open event: its end comes with the resume */
	bool renew;     /* the stop is ours, for a new parser */
	bool event;     /* the present feed brought one */
	bool frame_done;
};

void scan_fail(struct scan *s, enum scan_error error);

/* Bytes in their order: new ones, or kept ones after a pause. */
void scan_consume(struct scan *s, const char *p, size_t n);
void scan_consume_frame(struct scan *s, const char *p, size_t n);
/* Parses what is held and the first `now` bytes of p. */
void scan_run_held(struct scan *s, const char *p, size_t now);
/*
 * What a call of the parser with n bytes came to; returns how many of them are
 * dealt with.  The others lie behind a pause, or go to the next parser.
 */
size_t scan_settle(struct scan *s, enum parser_result result, size_t n);
/* Between stanzas, with nothing of the parser's unread. */
bool scan_at_rest(const struct scan *s);
