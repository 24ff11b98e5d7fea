/* SPDX-License-Identifier: MIT
 *
 * An atomically counted, immutable object: what is shared between threads by
 * reference (wire blocks, TLS contexts, configuration snapshots).  The struct
 * is embedded first in the object; release() is run by whoever drops the last
 * reference, on that thread.
 */
#pragma once

#include <stdatomic.h>

#include <jackdaw/types.h>

struct shared {
	_Atomic uint32_t refs;
	void (*release)(struct shared *self);
};

static inline void shared_init(struct shared *s, void (*release)(struct shared *))
{
	atomic_init(&s->refs, 1);
	s->release = release;
}

static inline struct shared *shared_ref(struct shared *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

/* NULL is allowed. acq_rel: the last owner sees every write of the others. */
static inline void shared_unref(struct shared *s)
{
	if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		s->release(s);
}
