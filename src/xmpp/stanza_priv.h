/* SPDX-License-Identifier: MIT
 *
 * What the files behind stanza.h share: the pool, its writers, and the attributes
 * of a root that a stanza keeps as fields.
 */
#pragma once

#include "xmpp/stanza.h"

struct slab;
struct stanza_writer;

struct stanza_pool {
	struct slab *slab;
	struct slab *kept;
	struct wire_pool *wires;
	struct stanza_writer *idle;
	unsigned n_idle;
};

/* pool, or for NULL the one that was set by stanza_pool_use(). */
struct stanza_pool *stanza_pool_or_used(struct stanza_pool *pool);

/* stanza_build.c: frees the idle writers; all must be idle. */
void stanza_writers_free(struct stanza_pool *pool);

/* A new tail part, at the end; takes over the reference. */
void stanza_add_tail(struct stanza *s, struct jd_wire *wire);

/* The writer's side of an edit: see jd_stanza_add(). */
struct jd_xml *stanza_edit_open(struct stanza *s);
struct jd_wire *stanza_edit_close(struct jd_xml *x); /* NULL: it grew past the limit */

/* Puts wire in place of the present block and of the tail, and retires the block. */
void stanza_replace(struct stanza *s, struct jd_wire *wire);

/* A writer inside the root of s as it would be sent now; ended by stanza_edit_close(). */
struct jd_xml *stanza_rebuild_open(struct stanza *s);
/* The same start tag as an element in somebody else's writer. */
void stanza_write_root(struct jd_xml *x, const struct stanza *s);

/* The value of 'type' when the stanza is written; p NULL: none. "normal" is kept
 * when the sender wrote it. */
struct jd_str stanza_type_value(const struct stanza *s);

/* An attribute of the root that is written from a field of the stanza. */
static inline bool stanza_is_field(const struct jd_wire *wire, const struct wire_attr *a)
{
	const char *name = wire->bytes + a->name;

	if (a->ns != WIRE_NO_NS)
		return a->name_len == 4 && memcmp(name, "lang", 4) == 0 &&
		       jd_str_is(wire->nss[a->ns], JD_NS_XML);
	if (a->name_len == 2)
		return memcmp(name, "to", 2) == 0 || memcmp(name, "id", 2) == 0;
	if (a->name_len == 4)
		return memcmp(name, "from", 4) == 0 || memcmp(name, "type", 4) == 0;
	return false;
}
