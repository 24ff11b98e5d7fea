/* SPDX-License-Identifier: MIT
 *
 * Inside the builder: shared by the files that write through it (wire_build.c,
 * wire_copy.c), that turn its scratch memory into a block (wire.c), and by the
 * scanner, which lends builders from stanza to stanza.
 */
#pragma once

#include "xml/wire.h"

/* Distinct attribute namespaces on one element. */
#define WIRE_PREFIXES 64

/* Scratch memory that stays with an idle builder. */
#define WIRE_KEEP ((size_t)64 * 1024)

/* Where a namespace's text stands. */
enum wire_ns_place {
	WIRE_NS_STATIC, /* a string constant of ours */
	WIRE_NS_BYTES,  /* in the canonical bytes, where it needed no escape */
	WIRE_NS_EXTRA,
};

struct wire_ns {
	const char *fixed;
	uint32_t off;
	uint16_t len;
	uint8_t place;
};

struct wire_builder {
	struct wire_pool *pool;
	struct wire_limits limits;
	size_t left; /* of limits.bytes */
	size_t sure; /* memory up to this size is not refused */
	int error;   /* the first failure; 0 */

	char *bytes;
	uint32_t len, cap;
	char *extra;
	uint32_t extra_len, extra_cap;
	struct wire_el *els;
	uint32_t n_els, cap_els;
	struct wire_attr *attrs;
	uint32_t n_attrs, cap_attrs;
	struct wire_ns *nss; /* [0] stands for the content namespace */
	uint32_t n_nss, cap_nss;
	struct jd_str *view; /* nss as strings, made by wire_peek() */
	uint32_t cap_view;

	uint32_t cur;   /* the innermost open element */
	unsigned depth; /* open elements */
	bool tag_open;  /* its start tag has no '>' yet */
	unsigned prefixes;
	uint16_t prefix_ns[WIRE_PREFIXES]; /* of the open start tag: what n1, n2.. are bound to */

	struct jd_wire peek;
};

int wire_fail(struct wire_builder *b, int err);
/* As mem_try_realloc(), but for what the builder is sure of. */
void *wire_realloc(const struct wire_builder *b, void *p, size_t size) JD_MUST_USE;

/* Room for n bytes of canonical XML, charged and counted in; NULL: the builder has failed. */
char *wire_put_slow(struct wire_builder *b, size_t n);
static inline char *wire_put(struct wire_builder *b, size_t n)
{
	if (b->error || n > b->left || n >= b->cap - b->len)
		return wire_put_slow(b, n);
	b->left -= n;
	b->len += (uint32_t)n;
	return b->bytes + b->len - n;
}

/* Adds decoded text to extra and says where it stands. */
int wire_put_extra(struct wire_builder *b, struct jd_str s, uint32_t *ret_off);
/* Room for n more entries of the index, charged but not yet counted in. */
int wire_more_els(struct wire_builder *b, size_t n);
int wire_more_attrs(struct wire_builder *b, size_t n);
/* Ends the open start tag, because content follows. */
int wire_close_tag(struct wire_builder *b);

struct jd_str wire_ns_str(const struct wire_builder *b, uint16_t ns);
/* A namespace among those used lately; WIRE_NO_NS: not there. Never the content namespace. */
uint16_t wire_ns_find(const struct wire_builder *b, struct jd_str ns);
int wire_ns_add(struct wire_builder *b, struct wire_ns ns, uint16_t *ret_ns);

/* As wire_start(), but ns is never the content namespace, even if it has its name. */
int wire_start_literal(struct wire_builder *b, struct jd_str ns, struct jd_str name);

/* The innermost open element is in the content namespace, or nothing is open. */
static inline bool wire_in_content(const struct wire_builder *b)
{
	return b->depth == 0 || b->els[b->cur].ns == WIRE_NS_STANZA;
}

size_t wire_builder_memory(const struct wire_builder *b);
void wire_builder_trim(struct wire_builder *b); /* when reset: not more than WIRE_KEEP stays */

/* A block of the builder's pool for size bytes; its release is set. NULL: refused. */
struct jd_wire *wire_block(const struct wire_builder *b, size_t size);
