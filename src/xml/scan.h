/* SPDX-License-Identifier: MIT
 *
 * The scanner: bytes of an XML stream in, stream header, wire blocks and stream
 * end out.  expat works behind it and is seen nowhere else, so that a faster
 * parser may take its place.
 *
 * What it refuses, and with which stream error: see enum scan_error.  All bounds
 * hold while parsing, before memory is spent.  The feeder in front of expat holds
 * bytes back so that a token fed byte by byte costs linear time; expat's memory
 * comes from an allocator that counts and refuses.
 *
 * BARRIERS.  An event handler may call scan_pause(): not one byte behind that
 * element is parsed until scan_resume(), scan_restart() or scan_discard().
 * Bytes given meanwhile are refused by scan_feed() (the connection stops
 * reading); what was already given is kept.
 *
 * One thread (its connection's I/O thread).
 */
#pragma once

#include "xml/wire.h"

struct scan;

enum scan_error {
	SCAN_OK = 0,
	SCAN_NOT_WELL_FORMED, /* also: bad UTF-8, undeclared prefix, undefined entity */
	SCAN_RESTRICTED_XML,  /* DOCTYPE, comment, processing instruction, entity declaration */
	SCAN_UNSUPPORTED_ENCODING, /* declared or detected encoding other than UTF-8 */
	SCAN_POLICY_VIOLATION,     /* a bound: bytes, depth, attributes, elements, tag, namespace */
	SCAN_RESOURCE_CONSTRAINT,  /* the parser's memory cap */
	SCAN_INVALID_FRAME,        /* framed: not exactly one element, or xmlns missing */
};

struct scan_limits {
	/* As received, and as canonical bytes (which may have SCAN_SLACK more); bytes and index
	 * together may be twice that. */
	size_t stanza_bytes;
	size_t tag_bytes;  /* one start tag */
	unsigned depth;    /* 128; 16 before login */
	unsigned attrs;    /* 64 */
	unsigned elements; /* 4096; 64 before login */
	size_t ns_bytes;   /* 512 */
};
/* What we may add to a stanza, such as the stream's language. */
#define SCAN_SLACK ((size_t)4096)

extern const struct scan_limits scan_limits_before; /* before login: 10 000 bytes, 4 KiB tag ... */
extern const struct scan_limits scan_limits_after;  /* 1 MiB, 16 KiB tag ... */

/* The attributes of <stream:stream> or <open/>; strings live during the event. p NULL: absent. */
struct scan_open {
	struct jd_str name;       /* "stream", "open" */
	struct jd_str ns;         /* its namespace */
	struct jd_str content_ns; /* the default namespace declared on it; empty when none */
	struct jd_str to, from, id, version, lang;
};

struct scan_events {
	/* The root's start tag. Streams only. */
	void (*open)(void *arg, const struct scan_open *open);
	/*
	 * A complete first-level element stands in the builder (wire_root_*(),
	 * wire_peek()).  The handler finishes it (wire_finish()) or leaves it;
	 * the scanner resets the builder afterwards.
	 */
	void (*element)(void *arg, struct wire_builder *b);
	/* The root's end tag. Streams only. */
	void (*close)(void *arg);
};

/* Shared by the scanners of one I/O thread: parser memory, pooled parsers. */
struct scan_pool;
struct scan_pool *scan_pool_new(struct wire_pool *wires);
void scan_pool_free(struct scan_pool *pool);
void scan_pool_trim(struct scan_pool *pool); /* housekeeping: empty chunks go back */
struct scan_pool_stats {
	size_t parsers; /* attached to a scanner */
	size_t pooled;  /* kept for reuse, at most 16 */
	size_t bytes;   /* drawn from the system for parsers */
};
void scan_pool_stats(const struct scan_pool *pool, struct scan_pool_stats *ret_stats);

enum scan_mode {
	SCAN_STREAM, /* one XML document: a root with stanzas inside */
	SCAN_FRAMED, /* RFC 7395: every frame is a document of one element */
};

/* content_ns: what the stream's own stanzas are in (JD_NS_STANZA, JD_NS_SERVER,
 * JD_NS_COMPONENT); in their canonical form it becomes the content namespace.
 * It is a static string. Holds no parser until bytes come; limits: scan_limits_before. */
struct scan *scan_new(struct scan_pool *pool, enum scan_mode mode, const char *content_ns,
		      const struct scan_events *events, void *arg);
/* Not from inside an event handler; nor any of scan_feed() to scan_park() but scan_pause(). */
void scan_free(struct scan *s);

void scan_limits(struct scan *s, const struct scan_limits *limits);

/* xml:lang of the stream: given to stanzas that have none. Copied; longer than 64 bytes: none. */
void scan_set_lang(struct scan *s, struct jd_str lang);

/*
 * STREAM: parses n bytes. All are taken (kept, if a handler pauses); must not be
 * called while paused. FRAMED: p[0..n) is one whole frame.
 * Errors stick; after one, feed does nothing and returns it again.
 */
enum scan_error scan_feed(struct scan *s, const char *p, size_t n);

/* The feeder holds bytes back, but no complete stanza unless a token has many '>' in
 * it.  True while that may be so: the connection then calls scan_flush() from a
 * timer of a few ms.  Other held bytes can wait for what follows them. */
bool scan_wants_flush(const struct scan *s);
enum scan_error scan_flush(struct scan *s);

void scan_pause(struct scan *s); /* from inside an event handler only */
bool scan_paused(const struct scan *s);
/* Goes on with what was kept; events happen inside this call. */
enum scan_error scan_resume(struct scan *s);
/* A new document begins right behind the element that paused: kept bytes are parsed by a new
 * parser. */
enum scan_error scan_restart(struct scan *s);
/* A new document begins with the next bytes: what was kept is thrown away (STARTTLS). */
void scan_discard(struct scan *s);

/* A header, a stanza or another token has begun, and waits for more bytes to end. */
bool scan_unfinished(const struct scan *s);

/* Between stanzas and with nothing held back, gives the parser away; it comes
 * back by itself with the next bytes. False if the moment is not right. */
bool scan_park(struct scan *s);

/* Bytes that this scanner holds (parser, feeder, builder), for tests and status. */
size_t scan_memory(const struct scan *s);

const char *scan_error_condition(enum scan_error e); /* the stream error's element name */
