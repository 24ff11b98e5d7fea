/* SPDX-License-Identifier: MIT
 *
 * Text is cut into pieces at everything that is ASCII and no letter or digit, which never
 * belongs to a word.  A piece of ASCII is a word already.  Any other is folded
 * (decomposed, case and accents taken away, put together again), and only then is it known which
 * of its characters belong together: folding can make several of one.
 *
 * Accents are those marks that people leave out when they type: of Latin, Greek and
 * Cyrillic, and the vowel points of Arabic and Hebrew.  The vowel signs of Indian
 * scripts are marks as well, but there they are half of the word.
 */
#include <jackdaw/words.h>

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "util/utf8.h"

#define PIECE_MAX ((size_t)128) /* code points */
#define GROWTH    18            /* of one that is decomposed, at most */

struct cutter {
	jd_word_fn fn;
	void *arg;
	bool enough;
	bool plain; /* the piece is ASCII */
	size_t n, len;
	uint32_t piece[PIECE_MAX];
	char word[JD_WORD_MAX];
};

struct range {
	uint32_t first, last;
};

static const struct range accents[] = {
	{0x0300, 0x036f},   {0x0483, 0x0487}, {0x0591, 0x05bd}, {0x05bf, 0x05bf}, {0x05c1, 0x05c2},
	{0x05c4, 0x05c5},   {0x05c7, 0x05c7}, {0x0610, 0x061a}, {0x0640, 0x0640}, {0x064b, 0x065f},
	{0x0670, 0x0670},   {0x06d6, 0x06dc}, {0x06df, 0x06e4}, {0x06e7, 0x06e8}, {0x06ea, 0x06ed},
	{0x1ab0, 0x1aff},   {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
	{0xe0100, 0xe01ef},
};

/* Written without spaces, or with some that do not stand between words. */
static const struct range crowded[] = {
	{0x0e00, 0x0eff}, /* Thai, Lao */
	{0x1000, 0x109f}, /* Myanmar */
	{0x1780, 0x17ff}, /* Khmer */
	{0x1950, 0x19df}, /* Tai */
	{0x1a20, 0x1aaf}, /* Tai */
	{0x2e80, 0x2fdf}, /* from here: Chinese, Japanese, Korean */
	{0x3005, 0x3007},   {0x3021, 0x312f},   {0x3131, 0x318e}, {0x31a0, 0x31ff},
	{0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa9e0, 0xa9ff}, /* Myanmar */
	{0xaa60, 0xaadf},                                         /* Myanmar, Tai */
	{0xac00, 0xd7a3},                                         /* Korean */
	{0xf900, 0xfaff},                                         /* the others */
	{0x1b000, 0x1b2ff}, {0x20000, 0x3ffff},
};

/* Ranges are in their order. */
static bool is_in(const struct range *ranges, size_t n, uint32_t cp)
{
	for (size_t i = 0; i < n; i++)
		if (cp <= ranges[i].last)
			return cp >= ranges[i].first;
	return false;
}

static bool is_accent(uint32_t cp)
{
	return is_in(accents, JD_ARRAY_SIZE(accents), cp) ||
	       uc_is_general_category_withtable((ucs4_t)cp, UC_CATEGORY_MASK_Cf);
}

static bool stands_alone(uint32_t cp)
{
	return is_in(crowded, JD_ARRAY_SIZE(crowded), cp) ||
	       uc_is_general_category_withtable((ucs4_t)cp, UC_CATEGORY_MASK_So);
}

static bool belongs(uint32_t cp)
{
	return uc_is_general_category_withtable(
		(ucs4_t)cp, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_M);
}

/* Letters with a stroke and their like are no letter and accent for Unicode, but for who types. */
static const char *typed(uint32_t cp)
{
	switch (cp) {
	case 0xe6:
		return "ae";
	case 0xf8:
		return "o";
	case 0x111:
		return "d";
	case 0x127:
		return "h";
	case 0x131:
		return "i";
	case 0x142:
		return "l";
	case 0x153:
		return "oe";
	case 0x167:
		return "t";
	default:
		return NULL;
	}
}

/* -- words ------------------------------------------------------------------------------- */

static void end_word(struct cutter *c)
{
	if (c->len && !c->enough)
		c->enough = !c->fn(c->arg, (struct jd_str){c->word, c->len});
	c->len = 0;
}

/* A word that is full takes no more, not even what would fit again. */
static void add(struct cutter *c, const char *s, size_t n)
{
	if (c->len + n > sizeof(c->word))
		n = 0;
	memcpy(c->word + c->len, s, n);
	c->len += n;
}

static void add_folded(struct cutter *c, uint32_t cp)
{
	const char *as = typed(cp);
	char s[4];

	if (as)
		add(c, as, strlen(as));
	else
		add(c, s, utf8_encode(cp, s));
}

static void cut(struct cutter *c, const uint32_t *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool alone = stands_alone(s[i]);

		if (alone || !belongs(s[i]))
			end_word(c);
		if (alone || belongs(s[i]))
			add_folded(c, s[i]);
		if (alone)
			end_word(c);
	}
	end_word(c);
}

/* -- pieces ------------------------------------------------------------------------------ */

static size_t without_accents(uint32_t *s, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_accent(s[i]))
			s[kept++] = s[i];
	return kept;
}

/* The library takes memory of its own where its results do not fit. */
static void drop(uint32_t *made, const uint32_t *buf)
{
	if (made != buf)
		free(made);
}

static void fold(struct cutter *c)
{
	uint32_t a[PIECE_MAX * GROWTH], b[PIECE_MAX * GROWTH];
	size_t n_apart = JD_ARRAY_SIZE(a), n_lower = JD_ARRAY_SIZE(b), n = JD_ARRAY_SIZE(a);
	uint32_t *apart, *lower, *out;

	apart = u32_normalize(UNINORM_NFKD, c->piece, c->n, a, &n_apart);
	if (!apart)
		return;
	lower = u32_casefold(apart, n_apart, NULL, UNINORM_NFKD, b, &n_lower);
	drop(apart, a);
	if (!lower)
		return;
	out = u32_normalize(UNINORM_NFC, lower, without_accents(lower, n_lower), a, &n);
	drop(lower, b);
	if (!out)
		return;
	cut(c, out, n);
	drop(out, a);
}

static void end_piece(struct cutter *c)
{
	if (c->plain)
		for (size_t i = 0; i < c->n; i++)
			add(c, &(char){(char)c->piece[i]}, 1);
	else
		fold(c);
	end_word(c);
	c->n = 0;
	c->plain = true;
}

static void put(struct cutter *c, uint32_t cp)
{
	bool upper = cp >= 'A' && cp <= 'Z';

	if (cp < 0x80 && !upper && !(cp >= 'a' && cp <= 'z') && !(cp >= '0' && cp <= '9')) {
		end_piece(c);
		return;
	}
	if (c->n == PIECE_MAX)
		end_piece(c);
	c->plain &= cp < 0x80;
	c->piece[c->n++] = upper ? cp + ('a' - 'A') : cp;
}

void jd_words(struct jd_str text, jd_word_fn fn, void *arg)
{
	struct cutter c;

	c.fn = fn;
	c.arg = arg;
	c.enough = false;
	c.plain = true;
	c.n = c.len = 0;
	for (size_t i = 0, len; i < text.len && !c.enough; i += len) {
		uint32_t cp = 0;

		len = utf8_decode(text.p + i, text.len - i, &cp);
		put(&c, len ? cp : ' ');
		len += len == 0;
	}
	end_piece(&c);
}
