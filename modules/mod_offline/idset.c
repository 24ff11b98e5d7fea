/* SPDX-License-Identifier: MIT
 *
 * A set of row numbers: almost everything is below one number, and what is above it
 * is few ranges.  There is a bound on the ranges; a set that has reached it
 * forgets something, which makes a row be sent twice and never lost.
 */
#include <inttypes.h>
#include <stdio.h>

#include "offline.h"

static void remove_at(struct idset *set, unsigned i, unsigned n)
{
	set->n -= n;
	memmove(set->ranges + i, set->ranges + i + n, (set->n - i) * sizeof(*set->ranges));
}

/* Those that touch what is up to base now. */
static void absorb(struct idset *set)
{
	unsigned n = 0;

	while (n < set->n && set->ranges[n].from <= set->base + 1) {
		if (set->ranges[n].to > set->base)
			set->base = set->ranges[n].to;
		n++;
	}
	if (n)
		remove_at(set, 0, n);
}

static void grow(struct idset *set)
{
	struct idset_range *old = set->ranges;

	set->room = set->room ? set->room * 2 : 2;
	set->ranges = jd_alloc(set->room * sizeof(*old));
	if (set->n)
		memcpy(set->ranges, old, set->n * sizeof(*old));
	jd_free(old);
}

static void insert(struct idset *set, unsigned i, uint64_t from, uint64_t to)
{
	if (set->n == IDSET_RANGES) {
		if (i == (set->keeps_new ? 0 : set->n))
			return; /* it would be the first to be forgotten */
		remove_at(set, set->keeps_new ? 0 : set->n - 1, 1);
		i -= set->keeps_new;
	}
	if (set->n == set->room)
		grow(set);
	memmove(set->ranges + i + 1, set->ranges + i, (set->n - i) * sizeof(*set->ranges));
	set->ranges[i] = (struct idset_range){from, to};
	set->n++;
}

/* The first range that ends at or behind id - 1. */
static unsigned find(const struct idset *set, uint64_t id)
{
	unsigned low = 0, high = set->n;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (set->ranges[mid].to + 1 < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void idset_add(struct idset *set, uint64_t from, uint64_t to)
{
	struct idset_range *r;
	unsigned i, n = 0;

	if (from > to || to <= set->base)
		return;
	if (from <= set->base + 1) {
		set->base = to;
		absorb(set);
		return;
	}
	i = find(set, from);
	if (i == set->n || set->ranges[i].from > to + 1) {
		insert(set, i, from, to);
		return;
	}
	r = &set->ranges[i];
	if (from < r->from)
		r->from = from;
	if (to > r->to)
		r->to = to;
	for (; i + 1 + n < set->n && r[1 + n].from <= r->to + 1; n++)
		if (r[1 + n].to > r->to)
			r->to = r[1 + n].to;
	remove_at(set, i + 1, n);
}

bool idset_covers(const struct idset *set, uint64_t from, uint64_t to)
{
	unsigned i;

	if (from <= set->base)
		from = set->base + 1;
	if (from > to)
		return true;
	i = find(set, from + 1);
	return i < set->n && set->ranges[i].from <= from && set->ranges[i].to >= to;
}

bool idset_has(const struct idset *set, uint64_t id)
{
	return idset_covers(set, id, id);
}

void idset_prune(struct idset *set, const struct idset *other)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < set->n; i++)
		if (!idset_covers(other, set->ranges[i].from, set->ranges[i].to))
			set->ranges[kept++] = set->ranges[i];
	set->n = kept;
}

/* -- as text --------------------------------------------------------------------------------- */

struct jd_str idset_text(const struct idset *set, char *out)
{
	size_t len = 0;

	for (unsigned i = 0; i < set->n; i++) {
		const struct idset_range *r = &set->ranges[i];

		len += (size_t)snprintf(out + len, IDSET_TEXT - len, "%s%" PRIu64, i ? " " : "",
					r->from);
		if (r->to != r->from)
			len += (size_t)snprintf(out + len, IDSET_TEXT - len, "-%" PRIu64, r->to);
	}
	return (struct jd_str){out, len};
}

static bool read_number(struct jd_str *text, uint64_t *ret)
{
	uint64_t n = 0;
	size_t i = 0;

	while (i < text->len && text->p[i] >= '0' && text->p[i] <= '9' && n < INT64_MAX / 10)
		n = n * 10 + (uint64_t)(text->p[i++] - '0');
	if (!i)
		return false;
	text->p += i;
	text->len -= i;
	*ret = n;
	return true;
}

static bool skip(struct jd_str *text, char c)
{
	if (!text->len || *text->p != c)
		return false;
	text->p++;
	text->len--;
	return true;
}

void idset_add_text(struct idset *set, struct jd_str text)
{
	uint64_t from, to;

	do {
		if (!read_number(&text, &from))
			return;
		to = from;
		if (skip(&text, '-') && !read_number(&text, &to))
			return;
		idset_add(set, from, to);
	} while (skip(&text, ' '));
}

void idset_fini(struct idset *set)
{
	jd_free(set->ranges);
	set->ranges = NULL;
	set->n = set->room = 0;
}
