/* SPDX-License-Identifier: MIT
 *
 * Addresses (RFC 7622).  A jd_jid is a small value that points to canonical
 * text local@domain/resource owned by somebody else: a stanza, an arena, a
 * session.  Only jd_jid_parse() and the stream layer make one from foreign
 * bytes, so that two equal addresses are always equal byte for byte.
 *
 * Any thread.
 */
#pragma once

#include <jackdaw/mem.h>
#include <jackdaw/types.h>

#define JD_JID_PART_MAX 1023
#define JD_JID_MAX      (3 * JD_JID_PART_MAX + 2)

struct jd_jid {
	const char *p; /* NULL: no address */
	uint16_t local_len;
	uint16_t domain_len;
	uint16_t resource_len;
};

#define JD_JID_NULL ((struct jd_jid){NULL, 0, 0, 0})

/*
 * Parses and prepares (PRECIS UsernameCaseMapped, IDNA2008, OpaqueString); the
 * text is copied into the arena. -JD_EINVAL: not a JID (XMPP: jid-malformed).
 */
JD_EXPORT int jd_jid_parse(struct jd_arena *arena, struct jd_str in,
			   struct jd_jid *ret_jid) JD_MUST_USE;

/* Puts parts together; local and resource may be empty. They are prepared (again, which
 * costs little), so that no other text becomes an address. -JD_EINVAL as above. */
JD_EXPORT int jd_jid_make(struct jd_arena *arena, struct jd_str local, struct jd_str domain,
			  struct jd_str resource, struct jd_jid *ret_jid) JD_MUST_USE;

/* The parts of a text that jd_jid_str() has given, perhaps long ago: it is prepared already, and
 * shared. JD_JID_NULL if it cannot have been one. */
JD_EXPORT struct jd_jid jd_jid_of(struct jd_str prepared);

JD_EXPORT struct jd_jid jd_jid_copy(struct jd_arena *arena, struct jd_jid jid);

static inline bool jd_jid_ok(struct jd_jid j)
{
	return j.p != NULL;
}

/* local@domain without the resource; shares the text. */
static inline struct jd_jid jd_jid_bare(struct jd_jid j)
{
	j.resource_len = 0;
	return j;
}

static inline struct jd_str jd_jid_local(struct jd_jid j)
{
	return (struct jd_str){j.p, j.local_len};
}

static inline struct jd_str jd_jid_domain(struct jd_jid j)
{
	return (struct jd_str){j.p + (j.local_len ? j.local_len + 1u : 0u), j.domain_len};
}

static inline struct jd_str jd_jid_bare_str(struct jd_jid j)
{
	return (struct jd_str){j.p, (j.local_len ? j.local_len + 1u : 0u) + j.domain_len};
}

/* The resource; p is NULL when there is none. */
static inline struct jd_str jd_jid_resource(struct jd_jid j)
{
	if (!j.resource_len)
		return JD_STR_NULL;
	return (struct jd_str){j.p + jd_jid_bare_str(j).len + 1, j.resource_len};
}

static inline struct jd_str jd_jid_str(struct jd_jid j)
{
	struct jd_str s = jd_jid_bare_str(j);

	if (j.resource_len)
		s.len += 1u + j.resource_len;
	return s;
}

static inline bool jd_jid_eq(struct jd_jid a, struct jd_jid b)
{
	return jd_str_eq(jd_jid_str(a), jd_jid_str(b));
}

static inline bool jd_jid_bare_eq(struct jd_jid a, struct jd_jid b)
{
	return jd_str_eq(jd_jid_bare_str(a), jd_jid_bare_str(b));
}
