/* SPDX-License-Identifier: MIT
 *
 * A single-producer single-consumer ring of fixed-size entries between two
 * threads.  The producer stages entries and publishes them in batches; the
 * consumer's loop is woken if it sleeps.  A full ring refuses: the producer
 * decides what waits.  With both ends on one thread the same code works: the
 * consumer's loop drains the ring in its next turn, never beneath the push.
 *
 * No atomic_thread_fence (ThreadSanitizer cannot see it): acquire/release on the
 * indices, seq_cst where the sleeping flag is concerned (loop.h).
 */
#pragma once

#include "rt/loop.h"

struct ring;

/* capacity is a power of two; waker is the consumer's (may be NULL in tests). */
struct ring *ring_new(size_t capacity, size_t entry_size, struct waker *waker);
void ring_free(struct ring *r);

/* Producer. False when full (published and staged entries together). */
bool ring_push(struct ring *r, const void *entry) JD_MUST_USE;
/* Producer: makes staged entries visible and wakes the consumer if it sleeps. */
void ring_publish(struct ring *r);
/* Producer: free places, at least (the consumer may be freeing more). */
size_t ring_space(struct ring *r);

/* Consumer: copies one entry out; false when empty. */
bool ring_pop(struct ring *r, void *ret_entry);
bool ring_pending(struct ring *r);

/*
 * Producer: when the ring was full, ask to be told. The consumer wakes this
 * waker once it has emptied half of the ring; the asker looks at ring_space()
 * again in its next turn (there is one, by waker_kick()). Publishes what is staged.
 */
void ring_want_space(struct ring *r, struct waker *producer);
