/* SPDX-License-Identifier: MIT
 *
 * The wire block: one stanza as canonical bytes plus a flat index, in one
 * allocation, immutable and atomically counted once it is finished.
 *
 *   bytes    what is sent on: every element written by us, prefixes ours, xmlns
 *            only where an element's namespace differs from its parent's.  The
 *            content namespace of the root counts as given (no xmlns): the
 *            writer of the receiving connection adds it where it must be.
 *   index    an entry per element in document order, its subtree being the
 *            entries up to `next`; attributes; the namespaces used.
 *   meta     what the stanza layer read from the root: addresses, type, id.
 *
 * The builder is what the scanner and jd_xml_* both write through, so that what
 * the server makes and what it was sent are the same thing.  It works in
 * scratch memory of its own and copies the result into a block of the right
 * size at the end.  Start tags are closed lazily, so <a/> stays <a/>.
 *
 * Escaping: in text & < CR, and > after ]]; in attributes (quoted by ') & < '
 * and TAB LF CR as references.  xml: keeps its prefix, other namespaced
 * attributes get n1, n2.. declared on their own element.
 *
 * Canonical bytes and index count against the limit while they are written.
 */
#pragma once

#include <jackdaw/jid.h>
#include <jackdaw/xml.h>

#include "util/buf.h"
#include "util/shared.h"

struct wire_el {
	uint32_t start;   /* offset of '<' */
	uint32_t content; /* offset behind the start tag */
	uint32_t close;   /* offset of the end tag; == content when there is no content */
	uint32_t end;     /* offset behind the element */
	uint32_t next;    /* index behind the subtree */
	uint32_t parent;  /* own index for the root */
	uint32_t attr;    /* first attribute */
	uint16_t attrs;
	uint16_t name_len; /* the name stands at start + 1 */
	uint16_t ns;       /* index into nss; 0 = the content namespace */
	uint16_t depth;    /* root 0 */
};

struct wire_attr {
	uint32_t name; /* offset of the local name in bytes */
	uint32_t value;
	uint32_t value_len; /* decoded length */
	uint16_t name_len;
	uint16_t ns;      /* WIRE_NO_NS: none */
	uint8_t in_extra; /* value was escaped: the offset is into extra, decoded */
};

#define WIRE_NO_NS     UINT16_MAX
#define WIRE_NS_STANZA 0

/* What the stanza layer knows of the root, strings in the block. kind and type
 * are enum jd_kind and jd_type (stanza.h), which this layer does not look into. */
struct wire_meta {
	uint8_t kind;
	uint8_t type;
	uint8_t flags; /* WIRE_* below */
	struct jd_jid from;
	struct jd_jid to;
	struct jd_str id;
	struct jd_str lang;
};
#define WIRE_BAD_TO    1 /* 'to' is there and not a JID */
#define WIRE_BAD_FROM  2 /* 'from' is there and not a JID */
#define WIRE_LONG_BODY 4 /* a body of more characters than the limit */
#define WIRE_NO_STANZA 8 /* a stream-level element (<r/>, <auth/>...), not a stanza */

struct jd_wire {
	struct shared shared; /* first */
	const char *bytes;
	uint32_t bytes_len;
	uint32_t n_els;
	uint32_t n_attrs;
	uint32_t n_nss;
	const struct wire_el *els;
	const struct wire_attr *attrs;
	const struct jd_str *nss; /* [0] is JD_NS_STANZA */
	const char *extra;        /* decoded attribute values, prepared JIDs */
	struct wire_meta meta;
};

static inline struct jd_wire *wire_ref(struct jd_wire *w)
{
	shared_ref(&w->shared);
	return w;
}

static inline void wire_unref(struct jd_wire *w)
{
	if (w)
		shared_unref(&w->shared);
}

static inline struct jd_el wire_root(const struct jd_wire *w)
{
	return (struct jd_el){w, 0};
}

/* The canonical bytes inside the root element (may be empty). */
static inline struct jd_str wire_content(const struct jd_wire *w)
{
	return (struct jd_str){w->bytes + w->els[0].content, w->els[0].close - w->els[0].content};
}

/* Size-class slabs (1/4 to 4 and 16 KiB; larger ones by malloc) of one thread. The presence
 * that each session keeps is what the small ones are for. */
struct wire_pool;
struct wire_pool *wire_pool_new(void);
void wire_pool_free(struct wire_pool *pool); /* every block must be back */
struct slab_stats;
void wire_pool_stats(struct wire_pool *pool, struct slab_stats *sum); /* adds; the owner */
void wire_pool_trim(struct wire_pool *pool); /* housekeeping: empty chunks go back */

/* -- building --------------------------------------------------------------- */

struct wire_limits {
	size_t bytes; /* canonical bytes + index + extra of one stanza */
	unsigned elements;
	unsigned depth;  /* of elements, the root being 1 */
	unsigned attrs;  /* of one element */
	size_t ns_bytes; /* of one namespace URI */
};

/*
 * One per scanner or writer; reused from stanza to stanza.  The first failure
 * sticks: later calls do nothing, wire_finish() returns it.
 */
struct wire_builder;
struct wire_builder *wire_builder_new(struct wire_pool *pool, const struct wire_limits *limits);
void wire_builder_free(struct wire_builder *b);
void wire_builder_limits(struct wire_builder *b, const struct wire_limits *limits);
void wire_reset(struct wire_builder *b);
/* Memory up to this size is not refused; running out of it ends the process. 0: what is fed to
 * it comes from a peer, and any memory may be refused. */
void wire_builder_sure(struct wire_builder *b, size_t size);

/* ns.p NULL: the parent's (root: the content namespace). The content namespace
 * below a foreign element is written literally with its xmlns. */
int wire_start(struct wire_builder *b, struct jd_str ns, struct jd_str name);
int wire_attr(struct wire_builder *b, struct jd_str ns, struct jd_str name, struct jd_str value);
int wire_text(struct wire_builder *b, struct jd_str text); /* not yet escaped; may come in pieces */
/* An element as canonical bytes that say xmlns where they begin: it has no index and is not seen
 * by views. */
int wire_opaque(struct wire_builder *b, struct jd_str bytes);
int wire_end(struct wire_builder *b);
int wire_copy(struct wire_builder *b, struct jd_el el);
unsigned wire_depth(const struct wire_builder *b); /* open elements */
int wire_error(const struct wire_builder *b);      /* the failure that sticks, or 0 */

/* The root while it is open or just ended: name, namespace, attributes (p NULL: absent). */
struct jd_str wire_root_name(const struct wire_builder *b);
struct jd_str wire_root_ns(const struct wire_builder *b);
/* In the stream's content namespace itself: a literal "jabber:client" on a server
 * stream has the same text in wire_root_ns() and is not. */
bool wire_root_is_content(const struct wire_builder *b);
struct jd_str wire_root_attr(const struct wire_builder *b, struct jd_str ns, const char *name);

/* A view of what was built so far; valid until the next call on b. Root must have ended. */
struct jd_el wire_peek(struct wire_builder *b);

/* Makes the block; meta's strings are copied into it. The builder is reset.
 * -JD_ELIMIT, -JD_ENOMEM, -JD_EINVAL (unbalanced): no block, builder reset. */
int wire_finish(struct wire_builder *b, const struct wire_meta *meta,
		struct jd_wire **ret_wire) JD_MUST_USE;

/* The builder itself as the public writer. */
struct jd_xml {
	struct wire_builder *b;
	unsigned depth0; /* elements that were open when it was handed out */
};
