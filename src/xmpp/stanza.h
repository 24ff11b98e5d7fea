/* SPDX-License-Identifier: MIT
 *
 * From wire block to stanza and back to bytes.
 *
 * On an I/O thread stanza_meta() reads a received root once; on the logic thread
 * stanza_from_wire() makes the travelling object; at the end stanza_out() says
 * what is to be written for one receiver: a short header of its own, a shared
 * range of the block, and what was added.
 */
#pragma once

/* The most that an operator can allow a stanza to have, received or as canonical bytes. */
#define STANZA_BYTES_MAX ((size_t)2 << 20)
/* Room for what is put around it: a forwarded copy, the addresses of an answer. */
#define STANZA_WRAPPING ((size_t)64 << 10)
/* So much a stanza that we send may have; it fits into an outbox that is empty. */
#define STANZA_SENT_MAX (STANZA_BYTES_MAX + STANZA_WRAPPING)

#include <jackdaw/stanza.h>

#include "util/arena.h"
#include "xml/wire.h"

/* -- received, I/O thread ------------------------------------------------------ */

struct stanza_rules {
	size_t body_chars; /* 99 999 */
};

/*
 * Fills meta from the finished root in b: kind, type, prepared JIDs (text in
 * scratch), id, lang, flags.  0 for a stanza; 1 when the root is not message,
 * presence or iq in the content namespace (meta->flags = WIRE_NO_STANZA).
 */
struct stanza_scratch {
	char from[JD_JID_MAX];
	char to[JD_JID_MAX];
};
int stanza_meta(struct wire_builder *b, const struct stanza_rules *rules,
		struct stanza_scratch *scratch, struct wire_meta *ret_meta);

/* -- the travelling object, logic thread ----------------------------------------- */

/* One per logic thread: slab of stanzas, block pool and builders for what we write. */
struct stanza_pool;
struct stanza_pool *stanza_pool_new(void);
void stanza_pool_free(struct stanza_pool *pool); /* every stanza must be back */
void stanza_pool_trim(struct stanza_pool *pool);
struct slab_stats;
/* Adds: stanzas, those that are kept for long, and the blocks that the pool has built. */
void stanza_pool_stats(struct stanza_pool *pool, struct slab_stats *stanzas,
		       struct slab_stats *kept, struct slab_stats *wires);

/* The pool that stands for NULL below; set once at start, by tests too. */
void stanza_pool_use(struct stanza_pool *pool);

/* A block that a stanza holds besides its own; lives in the stanza's arena. */
struct stanza_part {
	struct stanza_part *next;
	struct jd_wire *wire;
};

/* Internals behind struct jd_stanza. */
struct stanza {
	struct jd_stanza pub; /* first */
	uint32_t refs;
	bool again; /* core's: jd_stanza_event.again; a copy does not have it */
	struct jd_wire *wire;
	struct stanza_part *tail; /* blocks whose roots' content was added, oldest first */
	struct stanza_part
		*retired; /* blocks that an edit replaced: text of theirs may be in use */
	struct stanza_pool *pool;
	void (*on_free)(struct stanza *self); /* core's: drops the receipt and the origin */
	struct jd_arena arena;
};

static inline struct stanza *stanza_of(struct jd_stanza *st)
{
	return (struct stanza *)st;
}

/* Takes over the reference to wire (a stanza, not WIRE_NO_STANZA). refs = 1. */
struct jd_stanza *stanza_from_wire(struct stanza_pool *pool, struct jd_wire *wire);

/* A second stanza with the same content: to be edited apart from the first. It
 * has no origin, receipt or on_free. */
struct jd_stanza *stanza_clone(struct jd_stanza *st);
struct jd_stanza *stanza_clone_to(struct jd_stanza *st, struct jd_jid to);
/* The same, in a third of the memory: for stanzas that stay. */
struct jd_stanza *stanza_keep(struct jd_stanza *st);
/* jd_stanza_remove() of children of one name, which match() says of no others. */
unsigned stanza_remove(struct jd_stanza *st, struct jd_str name,
		       bool (*match)(struct jd_el child, const void *arg), const void *arg);

/*
 * A stanza of our own: the writer stands inside the root element, children are
 * written next.  from, to and id are copied.  Ended by stanza_built() (NULL:
 * it grew past the limit, or was abandoned), dropped by stanza_abandon().
 */
struct jd_xml *stanza_build(struct stanza_pool *pool, enum jd_kind kind, enum jd_type type,
			    struct jd_jid from, struct jd_jid to, struct jd_str id);
struct jd_stanza *stanza_built(struct jd_xml *x);
void stanza_abandon(struct jd_xml *x);

/* The error reply to st: addresses turned, id and kind kept, the error element;
 * NULL when there must be none (st is an error, an IQ result, or presence that
 * is answered by silence). RFC 6120 8.3.1; the original payload is not echoed. */
struct jd_stanza *stanza_error(struct stanza_pool *pool, struct jd_stanza *st,
			       const struct jd_error *error);
/* Writes <error/> into x. */
void stanza_write_error(struct jd_xml *x, const struct jd_error *error);

const char *stanza_type_name(enum jd_kind kind, enum jd_type type); /* NULL for JD_TYPE_NONE */
const char *stanza_kind_name(enum jd_kind kind);

/* -- to be sent --------------------------------------------------------------------- */

enum stanza_framing { STANZA_STREAM, STANZA_FRAMED /* the root says xmlns='jabber:client' */ };

/*
 * The three parts of the bytes for one receiver: head (start tag; written to
 * out), body (a range of a block, shared), tail (added children and end tag;
 * written to out behind head).  The caller references body_wire as long as it
 * keeps body.  content_ns as in scan_new().
 */
struct stanza_out {
	struct jd_str head, body, tail;
	struct jd_wire *body_wire;
};

/* At least as many bytes as head + tail have; cheap. */
size_t stanza_out_most(struct jd_stanza *st, enum stanza_framing framing);
/* Exact number of bytes for head + tail. */
size_t stanza_out_size(struct jd_stanza *st, enum stanza_framing framing);
/* out has at least that many. */
void stanza_out(struct jd_stanza *st, enum stanza_framing framing, char *out,
		struct stanza_out *ret_out);
