/* SPDX-License-Identifier: MIT
 *
 * Links: pieces, the outbox, doorbells, and the table of slots.
 *
 * The outbox is a stack that logic alone pushes to and that the I/O thread only
 * ever takes whole, so there is no ABA; the taker turns it round.  Whether a
 * doorbell must be sent is decided by `rung`, and that no wake-up gets lost rests
 * on one order: logic pushes, then sets rung; the I/O thread clears rung, then
 * takes.  If logic finds rung set, the clearing is still to come and the taking
 * after it.
 *
 * A released slot comes back the same way, as a flag beside rung, so that one
 * place per link in the doorbell ring is enough.  A doorbell may outlive the use
 * of a slot that it was rung for; it then finds an empty outbox.
 */
#include "net/io_priv.h"

/* Pieces up to these sizes of text come from slabs; a stanza's head is mostly below the first. */
#define SMALL_TEXT ((size_t)256)
#define LARGE_TEXT ((size_t)1024)
#define SLAB_CHUNK ((size_t)64 << 10)

/* Doorbells are published before the end of the turn when so many wait. */
#define DOORS_AT_ONCE 64

enum { HOME_SMALL, HOME_LARGE, HOME_HEAP };

static struct slab *slabs[2]; /* the logic thread's */

/* The I/O threads that have doorbells staged; the logic thread's own list. */
static _Thread_local struct io_thread *unpublished;

/* -- pieces --------------------------------------------------------------------- */

static struct slab *slab_of(unsigned home)
{
	if (!slabs[home])
		slabs[home] =
			home == HOME_SMALL
				? slab_new("small pieces", sizeof(struct piece) + SMALL_TEXT,
					   SLAB_CHUNK)
				: slab_new("pieces", sizeof(struct piece) + LARGE_TEXT, SLAB_CHUNK);
	return slabs[home];
}

struct piece *link_piece(size_t text_size)
{
	struct piece *p;
	uint8_t home;

	if (text_size > LARGE_TEXT)
		return piece_new_local(text_size);
	ROLE_ASSERT(ROLE_LOGIC);
	home = text_size <= SMALL_TEXT ? HOME_SMALL : HOME_LARGE;
	p = slab_get(slab_of(home));
	*p = (struct piece){.home = home};
	return p;
}

struct piece *piece_new_local(size_t text_size)
{
	struct piece *p = mem_alloc_raw(sizeof(*p) + text_size);

	*p = (struct piece){.home = HOME_HEAP};
	return p;
}

void piece_free(struct piece *p)
{
	if (!p)
		return;
	if (p->arg && p->drop)
		p->drop(p->arg);
	shared_unref(p->body_ref);
	if (p->home == HOME_HEAP)
		mem_free(p);
	else
		slab_put(p);
}

static size_t piece_bytes(const struct piece *p)
{
	return (size_t)p->head_len + p->body_len + p->tail_len;
}

size_t piece_cost(const struct piece *p)
{
	return p->kind == PIECE_DATA ? piece_bytes(p) + PIECE_COST : 0;
}

void link_piece_stats(struct slab_stats *sum)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(slabs); i++)
		if (slabs[i])
			slab_stats_add(slabs[i], sum);
}

void link_trim(void)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(slabs); i++)
		if (slabs[i])
			slab_trim(slabs[i]);
}

/* Pieces that somebody still holds keep their slab; it serves the next io_start(). */
void link_fini_slabs(void)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(slabs); i++) {
		struct slab_stats stats;

		if (!slabs[i])
			continue;
		slab_trim(slabs[i]);
		slab_stats(slabs[i], &stats);
		if (stats.used)
			continue;
		slab_free(slabs[i]);
		slabs[i] = NULL;
	}
}

/* -- logic: sending ---------------------------------------------------------------- */

static void publish_doors(struct io_thread *t)
{
	t->staged_doors = 0;
	ring_publish(t->doors);
}

void link_flush_doorbells(void)
{
	struct io_thread *t = unpublished, *next;

	unpublished = NULL;
	for (; t; t = next) {
		next = t->unpublished_next;
		t->unpublished = false;
		publish_doors(t);
	}
}

static void flush_deferred(struct defer *d)
{
	(void)d;
	link_flush_doorbells();
}

bool link_push_door(struct io_thread *t, const struct doorbell *d)
{
	if (!ring_push(t->doors, d))
		return false;
	if (!t->io->threaded) {
		ring_publish(t->doors);
		return true;
	}
	if (!t->unpublished) {
		t->unpublished = true;
		t->unpublished_next = unpublished;
		unpublished = t;
		loop_defer(t->io->logic, &t->io->doorbells, flush_deferred);
	}
	if (++t->staged_doors >= DOORS_AT_ONCE)
		publish_doors(t);
	return true;
}

void link_ring(struct link *link)
{
	/* acq_rel: what was pushed is seen by whoever clears the flag. */
	if (atomic_exchange_explicit(&link->rung, true, memory_order_acq_rel))
		return;
	/* One place per link is what the ring was made for. */
	JD_ASSERT(link_push_door(link->io, &(struct doorbell){.link = link}));
}

static void push(struct link *link, struct piece *p)
{
	/* Fails at most once: only the I/O thread's exchange comes between. */
	p->next = atomic_load_explicit(&link->outbox, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&link->outbox, &p->next, p,
						      memory_order_release, memory_order_relaxed))
		;
	link_ring(link);
}

int link_send(struct link *link, struct piece *p)
{
	size_t cost = piece_cost(p);

	ROLE_ASSERT(ROLE_LOGIC);
	if (cost) {
		if (link_queued(link) + cost > LINK_HARD_BYTES) {
			piece_free(p);
			return -JD_ELIMIT;
		}
		atomic_fetch_add_explicit(&link->queued, cost, memory_order_relaxed);
	}
	push(link, p);
	return 0;
}

int link_control(struct link *link, uint16_t op, void *arg, void (*drop)(void *))
{
	struct piece *p = link_piece(0);

	p->kind = PIECE_CONTROL;
	p->op = op;
	p->arg = arg;
	p->drop = drop;
	return link_send(link, p);
}

void link_close(struct link *link)
{
	struct piece *p = link_piece(0);

	ROLE_ASSERT(ROLE_LOGIC);
	p->kind = PIECE_CLOSE;
	push(link, p);
}

/* Both sides write before they read, in the one order of seq_cst: either the I/O
 * thread sees the wish after it counted down, or the small number is seen here. */
void link_want_drain(struct link *link, size_t below)
{
	ROLE_ASSERT(ROLE_LOGIC);
	JD_ASSERT(below < SIZE_MAX);
	atomic_store(&link->drain_below, below + 1);
	if (atomic_load(&link->queued) <= below)
		link_ring(link);
}

void link_release(struct link *link)
{
	ROLE_ASSERT(ROLE_LOGIC);
	link->user = NULL;
	JD_ASSERT(!atomic_load_explicit(&link->released, memory_order_relaxed));
	atomic_store_explicit(&link->released, true, memory_order_relaxed);
	link_ring(link);
}

/* -- I/O thread: taking ------------------------------------------------------------- */

static struct piece *turn_round(struct piece *chain)
{
	struct piece *first = NULL, *next;

	for (; chain; chain = next) {
		next = chain->next;
		chain->next = first;
		first = chain;
	}
	return first;
}

struct piece *link_take(struct link *link, bool *ret_released)
{
	/* acq_rel: reads from logic's setting, so that everything before it is visible. */
	atomic_exchange_explicit(&link->rung, false, memory_order_acq_rel);
	*ret_released = atomic_load_explicit(&link->released, memory_order_relaxed);
	if (!atomic_load_explicit(&link->outbox, memory_order_relaxed))
		return NULL;
	return turn_round(atomic_exchange_explicit(&link->outbox, NULL, memory_order_acquire));
}

void link_drop_chain(struct link *link, struct piece *chain)
{
	struct piece *next;

	for (; chain; chain = next) {
		next = chain->next;
		link_uncount(link, piece_cost(chain));
		piece_free(chain);
	}
}

void link_uncount(struct link *link, size_t n)
{
	if (n)
		atomic_fetch_sub(&link->queued, n);
}

void link_check_drain(struct link *link)
{
	size_t below = atomic_load(&link->drain_below);

	if (!below || atomic_load(&link->queued) >= below)
		return;
	/* A wish that was renewed in between is answered by this one. */
	if (atomic_exchange(&link->drain_below, 0))
		inward_notice(link, NOTICE_DRAINED);
}

/* -- I/O thread: the table ----------------------------------------------------------- */

static bool table_grow(struct io_thread *t)
{
	struct link *chunk;
	size_t n = t->io->max_links - t->n_slots;

	if (n > LINK_CHUNK)
		n = LINK_CHUNK;
	if (n == 0)
		return false;
	chunk = aligned_alloc(_Alignof(struct link), n * sizeof(*chunk));
	JD_ASSERT(chunk);
	memset(chunk, 0, n * sizeof(*chunk));
	t->chunks = mem_realloc(t->chunks, (t->n_chunks + 1) * sizeof(struct link *));
	t->chunks[t->n_chunks++] = chunk;
	/* From behind, so that low numbers are used first. */
	for (size_t i = n; i-- > 0;) {
		chunk[i].io = t;
		chunk[i].index = (uint32_t)(t->n_slots + i);
		chunk[i].next = t->free;
		t->free = &chunk[i];
	}
	t->n_slots += n;
	return true;
}

struct link *link_alloc(struct io_thread *t)
{
	struct link *link;

	if (!t->free && !table_grow(t))
		return NULL;
	link = t->free;
	t->free = link->next;
	link->next = NULL;
	link->generation++;
	link->notices = 0;
	/* Logic gave the slot back and does not know it again before a message names it.
	 * rung stays: an old doorbell may be on its way and must be the only one. */
	atomic_store_explicit(&link->queued, 0, memory_order_relaxed);
	atomic_store_explicit(&link->drain_below, 0, memory_order_relaxed);
	t->in_use++;
	atomic_store_explicit(&t->counters.links, t->in_use, memory_order_relaxed);
	return link;
}

void link_free_slot(struct link *link)
{
	struct io_thread *t = link->io;

	JD_ASSERT(!link->conn && !link->notices);
	atomic_store_explicit(&link->released, false, memory_order_relaxed);
	link->next = t->free;
	t->free = link;
	t->in_use--;
	atomic_store_explicit(&t->counters.links, t->in_use, memory_order_relaxed);
}

void link_closed(struct link *link, int why)
{
	link->conn = NULL;
	link->why = (uint8_t)why;
	inward_notice(link, NOTICE_CLOSED);
}
