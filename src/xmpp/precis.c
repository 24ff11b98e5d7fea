/* SPDX-License-Identifier: MIT
 *
 * The two profiles of RFC 8265, as steps over an array of code points.
 *
 * One pass can leave a string that a second pass would change again (a mapping
 * uncovers something for the next one).  RFC 8264 section 7 lets us try until it
 * is stable, and refuse it if it does not settle: otherwise two peers could hold
 * two forms of one address.
 *
 * One thing is more than the profiles have: people put pictographs into their nicknames,
 * and keyboards write these with invisible characters that PRECIS forbids (a selector of
 * the coloured form, joiners inside a family). Servers that still use Stringprep drop those, and
 * so do we, instead of telling somebody that a heart is no name.
 */
#include "xmpp/precis.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "util/utf8.h"

/* A part has at most 1023 bytes in the end; a fullwidth letter shrinks from
 * three bytes to one, so this is the longest input that can still fit. */
#define PREP_MAX 3069

#define PREP_ROUNDS 4

struct text {
	uint32_t cp[PREP_MAX];
	size_t n;
};

static int text_decode(struct text *t, struct jd_str in)
{
	size_t i = 0;

	t->n = 0;
	if (in.len == 0 || in.len > PREP_MAX)
		return -JD_EINVAL;
	while (i < in.len) {
		size_t used = utf8_decode(in.p + i, in.len - i, &t->cp[t->n]);

		if (used == 0)
			return -JD_EINVAL;
		i += used;
		t->n++;
	}
	return 0;
}

static int text_encode(const struct text *t, char *out, size_t max, size_t *ret_len)
{
	size_t len = 0;
	char one[4];

	for (size_t i = 0; i < t->n; i++) {
		size_t used = utf8_encode(t->cp[i], one);

		if (used > max - len)
			return -JD_EINVAL;
		memcpy(out + len, one, used);
		len += used;
	}
	*ret_len = len;
	return 0;
}

static bool text_eq(const struct text *a, const struct text *b)
{
	return a->n == b->n && memcmp(a->cp, b->cp, a->n * sizeof(a->cp[0])) == 0;
}

/* libunistring allocates when the buffer is too small: then it is too long for us. */
static int take_result(struct text *t, uint32_t *res, size_t n)
{
	if (res != t->cp) {
		free(res);
		return -JD_EINVAL;
	}
	t->n = n;
	return 0;
}

static int text_lower(const struct text *in, struct text *out)
{
	size_t n = PREP_MAX;
	uint32_t *res = u32_tolower(in->cp, in->n, NULL, NULL, out->cp, &n);

	return take_result(out, res, n);
}

static int text_nfc(const struct text *in, struct text *out)
{
	size_t n = PREP_MAX;
	uint32_t *res = u32_normalize(UNINORM_NFC, in->cp, in->n, out->cp, &n);

	return take_result(out, res, n);
}

/* Fullwidth and halfwidth forms become the ordinary characters. */
static void map_width(struct text *t)
{
	for (size_t i = 0; i < t->n; i++) {
		ucs4_t to[UC_DECOMPOSITION_MAX_LENGTH];
		int tag, n;

		/* Every such form is in one of two places. */
		if (t->cp[i] != 0x3000 && (t->cp[i] < 0xff00 || t->cp[i] > 0xffef))
			continue;
		n = uc_decomposition(t->cp[i], &tag, to);
		if (n == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			t->cp[i] = to[0];
	}
}

static int username_round(struct text *t, struct text *scratch)
{
	map_width(t);
	if (!precis_in_class(t->cp, t->n, PRECIS_IDENTIFIER))
		return -JD_EINVAL;
	if (text_lower(t, scratch) != 0 || text_nfc(scratch, t) != 0)
		return -JD_EINVAL;
	if (!precis_bidi_ok(t->cp, t->n))
		return -JD_EINVAL;
	return 0;
}

/* What only says how pictographs are drawn goes. */
static void drop_drawing(struct text *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		bool selector = t->cp[i] == 0xfe0e || t->cp[i] == 0xfe0f;
		bool joiner = t->cp[i] == 0x200d && n > 0 && precis_is_pictograph(t->cp[n - 1]);

		if (!selector && !joiner)
			t->cp[n++] = t->cp[i];
	}
	t->n = n;
}

static int opaque_round(struct text *t, struct text *scratch)
{
	drop_drawing(t);
	if (!precis_in_class(t->cp, t->n, PRECIS_FREEFORM))
		return -JD_EINVAL;
	for (size_t i = 0; i < t->n; i++)
		scratch->cp[i] = uc_is_general_category(t->cp[i], UC_CATEGORY_Zs) ? ' ' : t->cp[i];
	scratch->n = t->n;
	return text_nfc(scratch, t);
}

static int enforce(struct jd_str in, enum precis_class class,
		   int (*round)(struct text *t, struct text *scratch), char *out, size_t max,
		   size_t *ret_len)
{
	struct text t, before, scratch;
	int r = text_decode(&t, in);

	for (unsigned i = 0; r == 0; i++) {
		if (i == PREP_ROUNDS)
			return -JD_EINVAL;
		memcpy(before.cp, t.cp, t.n * sizeof(t.cp[0]));
		before.n = t.n;
		r = round(&t, &scratch);
		if (r == 0 && text_eq(&t, &before))
			break;
	}
	if (r != 0 || t.n == 0)
		return -JD_EINVAL;
	/* The mappings are done: now every character must be fit for where it stands. */
	if (!precis_in_class(t.cp, t.n, class) || !precis_context_ok(t.cp, t.n))
		return -JD_EINVAL;
	return text_encode(&t, out, max, ret_len);
}

int precis_username(struct jd_str in, char *out, size_t max, size_t *ret_len)
{
	return enforce(in, PRECIS_IDENTIFIER, username_round, out, max, ret_len);
}

int precis_opaque(struct jd_str in, char *out, size_t max, size_t *ret_len)
{
	return enforce(in, PRECIS_FREEFORM, opaque_round, out, max, ret_len);
}
