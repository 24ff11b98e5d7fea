/* SPDX-License-Identifier: MIT
 *
 * Rows that nobody waits for lie between those that are to be delivered: what the
 * account has sent itself, what was taken back.  They must not be holes in the set
 * of what its clients have, or there would be more of them than a set can remember.  So
 * with each row that clients are being shown it is noted from where on there is no
 * other, and when one of them has the row, all of that counts as taken.
 */
#include "offline.h"

/* Beyond this the older half is forgotten, and found out again when the log is read. */
#define GAPS_MOST 4096

/* The place of the first one that is not below id. */
static unsigned find(const struct home *h, uint64_t id)
{
	unsigned low = 0, high = h->n_gaps;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (h->gaps[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct home *h, unsigned i, uint64_t id)
{
	return i < h->n_gaps && h->gaps[i].id == id;
}

static void forget(struct home *h, unsigned n)
{
	h->n_gaps -= n;
	memmove(h->gaps, h->gaps + n, h->n_gaps * sizeof(*h->gaps));
}

static void make_room(struct home *h)
{
	struct gap *old = h->gaps;

	if (h->n_gaps < h->room_gaps)
		return;
	if (h->n_gaps == GAPS_MOST) {
		forget(h, GAPS_MOST / 2);
		return;
	}
	h->room_gaps = h->room_gaps ? h->room_gaps * 2 : 4;
	h->gaps = jd_alloc(h->room_gaps * sizeof(*old));
	if (h->n_gaps)
		memcpy(h->gaps, old, h->n_gaps * sizeof(*old));
	jd_free(old);
}

void offline_home_gap(struct home *h, uint64_t from, uint64_t id)
{
	unsigned i = find(h, id);

	if (from >= id)
		return;
	if (idset_has(&h->taken, id)) {
		offline_home_take(h, from, id, true);
		return;
	}
	if (is_at(h, i, id)) {
		if (from < h->gaps[i].from)
			h->gaps[i].from = from;
		return;
	}
	make_room(h);
	i = find(h, id);
	memmove(h->gaps + i + 1, h->gaps + i, (h->n_gaps - i) * sizeof(*h->gaps));
	h->gaps[i] = (struct gap){id, from};
	h->n_gaps++;
}

/* While nobody is there it is of no use to know: whoever comes reads the log. */
void offline_home_see(struct home *h, uint64_t id)
{
	if (h->seen && id > h->seen && jd_session_next(h->account, NULL))
		offline_home_gap(h, h->seen + 1, id);
	if (id > h->seen)
		h->seen = id;
}

/* Those that say nothing new any more go. */
static void prune(struct home *h)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < h->n_gaps; i++)
		if (!idset_has(&h->taken, h->gaps[i].id))
			h->gaps[kept++] = h->gaps[i];
	h->n_gaps = kept;
	if (!kept)
		offline_gaps_free(h);
}

void offline_gaps_free(struct home *h)
{
	jd_free(h->gaps);
	h->gaps = NULL;
	h->n_gaps = h->room_gaps = 0;
}

static void drop(struct home *h, const uint64_t *ids, size_t n)
{
	const struct offline *o = jd_data(h->mi);

	if (n)
		o->archive->drop(o->archive_mi, h->owner, ids, n);
}

void offline_home_taken(struct home *h, const uint64_t *rows, size_t n)
{
	uint64_t hidden[64];
	size_t n_hidden = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned at = find(h, rows[i]);

		if (idset_has(&h->hidden, rows[i]) && !idset_has(&h->taken, rows[i]))
			hidden[n_hidden++] = rows[i];
		if (n_hidden == JD_ARRAY_SIZE(hidden)) {
			drop(h, hidden, n_hidden);
			n_hidden = 0;
		}
		offline_home_take(h, is_at(h, at, rows[i]) ? h->gaps[at].from : rows[i], rows[i],
				  false);
	}
	drop(h, hidden, n_hidden);
	idset_prune(&h->hidden, &h->taken);
	prune(h);
}
