/* SPDX-License-Identifier: MIT
 *
 * The digest of what a stream offered (XEP-0474): the mechanisms and then the
 * channel bindings, each sorted by their bytes, with separators that no XML can
 * contain.  The client computes the same of what arrived.
 */
#include <stdlib.h>

#include "stream/sasl/sasl_priv.h"
#include "util/mem.h"

#define BETWEEN_NAMES "\x1e"
#define BETWEEN_LISTS "\x1f"

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Our own names, fewer and shorter than any bound: no memory that could be refused. */
struct offer {
	char p[4096];
	size_t len;
};

static void add(struct offer *text, struct jd_str piece)
{
	JD_ASSERT(piece.len <= sizeof(text->p) - text->len);
	memcpy(text->p + text->len, piece.p, piece.len);
	text->len += piece.len;
}

static void add_sorted(struct offer *text, const char **names, size_t n)
{
	qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++) {
		if (i)
			add(text, JD_STR(BETWEEN_NAMES));
		add(text, jd_cstr(names[i]));
	}
}

void sasl_offer_digest(const struct sasl_env *env, enum crypto_hash hash, uint8_t *out)
{
	const char *names[SASL_MECHANISM_COUNT], *types[SASL_BINDING_COUNT];
	size_t n = 0, n_types = 0;
	struct offer text;

	text.len = 0;
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
		if (env->offered & (1u << i))
			names[n++] = sasl_name((enum sasl_mechanism)i);
	}
	for (unsigned i = 0; i < SASL_BINDING_COUNT; i++) {
		if ((env->offered & SASL_PLUS_BITS) && env->bindings.len[i])
			types[n_types++] = sasl_binding_name((enum sasl_binding)i);
	}
	add_sorted(&text, names, n);
	if (n_types) {
		add(&text, JD_STR(BETWEEN_LISTS));
		add_sorted(&text, types, n_types);
	}
	crypto_digest(hash, text.p, text.len, out);
}
