/* SPDX-License-Identifier: MIT
 *
 * The feeder's arithmetic; what it is for stands in feeder.h.
 */
#include "xml/feeder.h"

void feeder_init(struct feeder *f, size_t max)
{
	*f = (struct feeder){.pending = 0};
	buf_init(&f->held, max);
}

void feeder_fini(struct feeder *f)
{
	size_t max = f->held.max;

	buf_free(&f->held);
	feeder_init(f, max);
}

static size_t up_to_gt(const char *p, size_t n)
{
	const char *gt = n ? memrchr(p, '>', n) : NULL;

	return gt ? (size_t)(gt - p) + 1 : 0;
}

size_t feeder_ready(struct feeder *f, const char *p, size_t n, size_t token_max)
{
	size_t total = f->held.len + n;
	size_t gt = up_to_gt(p, n);

	if (f->pending && f->pending + total > token_max)
		return total;
	if (f->fruitless < FEEDER_FRUITLESS) {
		if (gt)
			return f->held.len + gt;
		return total >= FEEDER_HOLD ? total : 0;
	}
	if (total >= f->pending)
		return total;
	f->held_gt = f->held_gt || gt;
	return 0;
}

void feeder_fed(struct feeder *f, size_t pending, bool event)
{
	f->fruitless = event || !pending ? 0 : f->fruitless + 1;
	f->pending = pending;
	f->held_gt = false;
}
