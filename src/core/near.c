/* SPDX-License-Identifier: MIT
 *
 * The distance between two names: how many letters must be put in, taken out,
 * exchanged, or swapped with their neighbour.
 */
#include "core/near.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX_LEN 40

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t d[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];

	if (n > NAME_MAX_LEN || m > NAME_MAX_LEN)
		return SIZE_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t k = 0; k <= m; k++) {
			if (i == 0 || k == 0) {
				d[i][k] = i + k;
				continue;
			}
			d[i][k] = min3(d[i - 1][k] + 1, d[i][k - 1] + 1,
				       d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    d[i - 2][k - 2] + 1 < d[i][k])
				d[i][k] = d[i - 2][k - 2] + 1;
		}
	}
	return d[n][m];
}

const char *near_find(const char *name, const char *const *names)
{
	/* More than a third of the letters wrong is another word. */
	size_t best = strlen(name) < 6 ? 2 : strlen(name) / 3 + 1;
	const char *found = NULL;

	for (; *names; names++) {
		size_t d = distance(name, *names);

		if (d < best) {
			best = d;
			found = *names;
		}
	}
	return found;
}
