/* SPDX-License-Identifier: MIT
 *
 * The ring.  Head and tail count entries and never wrap in practice (64 bits);
 * the place is the count modulo the capacity.  Each side works with its own copy
 * of the other's index and reads the real one, which is on a line of the other
 * core, only when the copy says full or empty.
 *
 * Two pairs of accesses are seq_cst, for the same reason as in waker.c (each
 * side writes, then reads what the other wrote): tail and the consumer's sleep,
 * head and the producer's wish for space.
 */
#include "rt/ring.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CACHE_LINE 64

struct ring {
	/* Never written after ring_new(). */
	size_t capacity;
	size_t entry_size;
	struct waker *waker;
	char *entries;

	/* The producer's line. */
	_Alignas(CACHE_LINE) _Atomic uint64_t tail; /* published */
	uint64_t staged;
	uint64_t head_seen;

	/* The consumer's line. */
	_Alignas(CACHE_LINE) _Atomic uint64_t head;
	uint64_t tail_seen;

	/* Read by the consumer at each entry, written only when the ring was full. */
	_Alignas(CACHE_LINE) _Atomic(struct waker *) space_wanted;
};

struct ring *ring_new(size_t capacity, size_t entry_size, struct waker *waker)
{
	struct ring *r = aligned_alloc(CACHE_LINE, sizeof(*r));

	JD_ASSERT(r && capacity > 0 && (capacity & (capacity - 1)) == 0);
	JD_ASSERT(entry_size > 0 && capacity <= SIZE_MAX / entry_size);
	memset(r, 0, sizeof(*r));
	r->capacity = capacity;
	r->entry_size = entry_size;
	r->waker = waker;
	r->entries = mem_alloc_raw(capacity * entry_size);
	atomic_init(&r->tail, 0);
	atomic_init(&r->head, 0);
	atomic_init(&r->space_wanted, NULL);
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	mem_free(r->entries);
	mem_free(r);
}

static char *entry_at(struct ring *r, uint64_t count)
{
	return r->entries + (count & (r->capacity - 1)) * r->entry_size;
}

/* -- producer ------------------------------------------------------------------ */

bool ring_push(struct ring *r, const void *entry)
{
	if (r->staged - r->head_seen == r->capacity) {
		/* Acquire: the consumer has read the place that is written below. */
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (r->staged - r->head_seen == r->capacity)
			return false;
	}
	memcpy(entry_at(r, r->staged), entry, r->entry_size);
	r->staged++;
	return true;
}

void ring_publish(struct ring *r)
{
	if (atomic_load_explicit(&r->tail, memory_order_relaxed) == r->staged)
		return;
	atomic_store(&r->tail, r->staged);
	if (r->waker)
		waker_wake(r->waker);
}

size_t ring_space(struct ring *r)
{
	r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
	return r->capacity - (size_t)(r->staged - r->head_seen);
}

/* Either side, whoever finds that half of the ring is free. */
static void space_found(struct ring *r)
{
	struct waker *producer = atomic_exchange(&r->space_wanted, NULL);

	if (producer)
		waker_kick(producer);
}

void ring_want_space(struct ring *r, struct waker *producer)
{
	/* What is only staged would never be taken out. */
	ring_publish(r);
	atomic_store(&r->space_wanted, producer);
	/* The consumer may have emptied it before it could see the wish. */
	if (r->staged - atomic_load(&r->head) <= r->capacity / 2)
		space_found(r);
}

/* -- consumer -------------------------------------------------------------------- */

bool ring_pop(struct ring *r, void *ret_entry)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head == r->tail_seen) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (head == r->tail_seen)
			return false;
	}
	memcpy(ret_entry, entry_at(r, head), r->entry_size);
	atomic_store(&r->head, ++head);
	if (atomic_load(&r->space_wanted) &&
	    atomic_load_explicit(&r->tail, memory_order_relaxed) - head <= r->capacity / 2)
		space_found(r);
	return true;
}

bool ring_pending(struct ring *r)
{
	/* seq_cst: this is the loop's last look before it sleeps. */
	return atomic_load(&r->tail) != atomic_load_explicit(&r->head, memory_order_relaxed);
}
