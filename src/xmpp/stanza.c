/* SPDX-License-Identifier: MIT
 *
 * The travelling object.  It is one slab object of 1 KiB: the struct, and behind
 * it the first memory of its arena, so that a stanza that is only routed never
 * asks malloc.  One that is kept for long, as every session's presence is, has
 * little need of that memory and gets a smaller object.  It owns references to blocks and copies
 * nothing of them: its addresses and its id point into the block until an edit sets new ones.
 *
 * A block that an edit replaces is kept until the stanza goes.  Handlers may
 * hold addresses and views of it, and remembering to copy them before every
 * edit is more than can be asked.
 */
#include "xmpp/stanza.h"

#include "util/mem.h"
#include "util/slab.h"
#include "xmpp/stanza_priv.h"

#define STANZA_SIZE ((size_t)1024)
#define KEPT_SIZE   ((size_t)256)
#define CHUNK_SIZE  ((size_t)64 * 1024)

/* The arena's embedded memory starts behind the struct, 16-byte aligned. */
#define ARENA_AT ((sizeof(struct stanza) + 15) & ~(size_t)15)
_Static_assert(ARENA_AT <= STANZA_SIZE / 2, "little is left for the arena of a stanza");

static struct stanza_pool *used_pool;

struct stanza_pool *stanza_pool_new(void)
{
	struct stanza_pool *pool = mem_new(struct stanza_pool);

	pool->slab = slab_new("stanza", STANZA_SIZE, CHUNK_SIZE);
	pool->kept = slab_new("kept stanza", KEPT_SIZE, CHUNK_SIZE);
	pool->wires = wire_pool_new();
	return pool;
}

void stanza_pool_free(struct stanza_pool *pool)
{
	if (!pool)
		return;
	if (used_pool == pool)
		used_pool = NULL;
	stanza_writers_free(pool);
	slab_free(pool->slab);
	slab_free(pool->kept);
	wire_pool_free(pool->wires);
	mem_free(pool);
}

void stanza_pool_trim(struct stanza_pool *pool)
{
	slab_trim(pool->slab);
	slab_trim(pool->kept);
	wire_pool_trim(pool->wires);
}

void stanza_pool_stats(struct stanza_pool *pool, struct slab_stats *stanzas,
		       struct slab_stats *kept, struct slab_stats *wires)
{
	slab_stats_add(pool->slab, stanzas);
	slab_stats_add(pool->kept, kept);
	wire_pool_stats(pool->wires, wires);
}

void stanza_pool_use(struct stanza_pool *pool)
{
	used_pool = pool;
}

struct stanza_pool *stanza_pool_or_used(struct stanza_pool *pool)
{
	if (!pool)
		pool = used_pool;
	JD_ASSERT(pool);
	return pool;
}

/* -- life ------------------------------------------------------------------------ */

static struct stanza *stanza_in(struct stanza_pool *pool, struct slab *slab, size_t size,
				struct jd_wire *wire)
{
	const struct wire_meta *meta = &wire->meta;
	struct stanza *s = slab_get(slab);

	*s = (struct stanza){
		.pub = {.kind = (enum jd_kind)meta->kind,
			.type = (enum jd_type)meta->type,
			.from = meta->from,
			.to = meta->to,
			.id = meta->id,
			.lang = meta->lang},
		.refs = 1,
		.wire = wire,
		.pool = pool,
	};
	arena_init(&s->arena, (char *)s + ARENA_AT, size - ARENA_AT);
	s->pub.arena = &s->arena;
	return s;
}

struct jd_stanza *stanza_from_wire(struct stanza_pool *pool, struct jd_wire *wire)
{
	pool = stanza_pool_or_used(pool);
	return &stanza_in(pool, pool->slab, STANZA_SIZE, wire)->pub;
}

struct jd_stanza *jd_stanza_ref(struct jd_stanza *st)
{
	struct stanza *s = stanza_of(st);

	JD_ASSERT(s->refs > 0);
	s->refs++;
	return st;
}

static void unref_parts(struct stanza_part *part)
{
	for (; part; part = part->next)
		wire_unref(part->wire);
}

void jd_stanza_unref(struct jd_stanza *st)
{
	struct stanza *s;

	if (!st)
		return;
	s = stanza_of(st);
	JD_ASSERT(s->refs > 0);
	if (--s->refs > 0)
		return;
	if (s->on_free)
		s->on_free(s);
	wire_unref(s->wire);
	unref_parts(s->tail);
	unref_parts(s->retired);
	arena_fini(&s->arena);
	slab_put(s);
}

/* Text in the shared block is shared; what the first stanza was given is copied. */
static struct jd_jid clone_jid(struct stanza *to, struct jd_jid jid, struct jd_jid in_block)
{
	return jid.p == in_block.p ? jid : jd_jid_copy(&to->arena, jid);
}

static struct jd_stanza *fill_copy(struct stanza *copy, struct jd_stanza *st, struct jd_jid to)
{
	struct stanza *s = stanza_of(st);

	copy->pub.from = clone_jid(copy, st->from, s->wire->meta.from);
	copy->pub.to = clone_jid(copy, to, s->wire->meta.to);
	copy->pub.row = st->row;
	for (const struct stanza_part *part = s->tail; part; part = part->next)
		stanza_add_tail(copy, wire_ref(part->wire));
	return &copy->pub;
}

struct jd_stanza *stanza_clone_to(struct jd_stanza *st, struct jd_jid to)
{
	struct stanza *s = stanza_of(st);

	return fill_copy(stanza_in(s->pool, s->pool->slab, STANZA_SIZE, wire_ref(s->wire)), st, to);
}

struct jd_stanza *stanza_clone(struct jd_stanza *st)
{
	return stanza_clone_to(st, st->to);
}

struct jd_stanza *stanza_keep(struct jd_stanza *st)
{
	struct stanza *s = stanza_of(st);

	return fill_copy(stanza_in(s->pool, s->pool->kept, KEPT_SIZE, wire_ref(s->wire)), st,
			 st->to);
}

size_t jd_stanza_size(const struct jd_stanza *st)
{
	const struct stanza *s = (const struct stanza *)st;
	size_t size = KEPT_SIZE + s->wire->bytes_len;

	for (const struct stanza_part *part = s->tail; part; part = part->next)
		size += part->wire->bytes_len;
	return size;
}

void stanza_add_tail(struct stanza *s, struct jd_wire *wire)
{
	struct stanza_part *part = jd_arena_new(&s->arena, struct stanza_part);
	struct stanza_part **end = &s->tail;

	part->wire = wire;
	while (*end)
		end = &(*end)->next;
	*end = part;
}

void stanza_replace(struct stanza *s, struct jd_wire *wire)
{
	struct stanza_part *part = jd_arena_new(&s->arena, struct stanza_part);

	part->wire = s->wire;
	part->next = s->retired;
	s->retired = part;
	unref_parts(s->tail);
	s->tail = NULL;
	s->wire = wire;
	s->pub.from = wire->meta.from;
	s->pub.to = wire->meta.to;
	s->pub.id = wire->meta.id;
	s->pub.lang = wire->meta.lang;
}

void jd_stanza_set_from(struct jd_stanza *st, struct jd_jid from)
{
	st->from = jd_jid_copy(st->arena, from);
}

void jd_stanza_set_to(struct jd_stanza *st, struct jd_jid to)
{
	st->to = jd_jid_copy(st->arena, to);
}

void jd_stanza_set_row(struct jd_stanza *st, uint64_t owner, uint64_t id)
{
	st->row = (struct jd_row){owner, id};
}
