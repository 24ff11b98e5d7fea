/* SPDX-License-Identifier: MIT
 *
 * Which characters may stand in a PRECIS string, and where: the derivation of
 * RFC 8264 section 8 (properties in section 9), the contextual rules of RFC 5892
 * appendix A, and the bidi rule of RFC 5893 section 2.
 *
 * The derivation is computed from the properties on each call instead of from a
 * table of ours: it follows the Unicode version of the installed libunistring,
 * and only addresses outside ASCII come here.
 */
#include "xmpp/precis.h"

#include <stdlib.h>
#include <unictype.h>
#include <uninorm.h>

enum verdict { PVALID, FREE_PVAL, CONTEXT, DISALLOWED, UNASSIGNED };

struct exception {
	uint32_t first, last;
	enum verdict verdict;
};

/* RFC 8264 section 9.6, in order. */
static const struct exception exceptions[] = {
	{0x00b7, 0x00b7, CONTEXT},    {0x00df, 0x00df, PVALID},     {0x0375, 0x0375, CONTEXT},
	{0x03c2, 0x03c2, PVALID},     {0x05f3, 0x05f4, CONTEXT},    {0x0640, 0x0640, DISALLOWED},
	{0x0660, 0x0669, CONTEXT},    {0x06f0, 0x06f9, CONTEXT},    {0x06fd, 0x06fe, PVALID},
	{0x07fa, 0x07fa, DISALLOWED}, {0x0f0b, 0x0f0b, PVALID},     {0x3007, 0x3007, PVALID},
	{0x302e, 0x302f, DISALLOWED}, {0x3031, 0x3035, DISALLOWED}, {0x303b, 0x303b, DISALLOWED},
	{0x30fb, 0x30fb, CONTEXT},
};

#define ZWNJ       0x200c
#define ZWJ        0x200d
#define MIDDLE_DOT 0x30fb /* of Katakana */

#define LETTER_DIGITS                                                                              \
	(UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd |   \
	 UC_CATEGORY_MASK_Lm | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc)
#define OTHER_LETTER_DIGITS                                                                        \
	(UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me)

static bool is(uint32_t cp, uint32_t categories)
{
	return uc_is_general_category_withtable(cp, categories);
}

static const struct exception *find_exception(uint32_t cp)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(exceptions) && exceptions[i].first <= cp; i++)
		if (cp <= exceptions[i].last)
			return &exceptions[i];
	return NULL;
}

/* Conjoining letters; Hangul is written with the precomposed syllables. */
static bool is_old_hangul_jamo(uint32_t cp)
{
	return (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97c) ||
	       (cp >= 0xd7b0 && cp <= 0xd7c6) || (cp >= 0xd7cb && cp <= 0xd7fb);
}

static bool has_compat(uint32_t cp)
{
	uint32_t buf[UC_DECOMPOSITION_MAX_LENGTH];
	size_t n = JD_ARRAY_SIZE(buf);
	uint32_t *res = u32_normalize(UNINORM_NFKC, &cp, 1, buf, &n);
	bool same = res == buf && n == 1 && buf[0] == cp;

	if (res != buf)
		free(res);
	return !same;
}

/* The order of the questions is the RFC's: the first yes decides. */
static enum verdict derive(uint32_t cp)
{
	const struct exception *e = find_exception(cp);

	if (e)
		return e->verdict;
	if (cp >= 0x21 && cp <= 0x7e)
		return PVALID;
	if (is(cp, UC_CATEGORY_MASK_Cn) && !uc_is_property_not_a_character(cp))
		return UNASSIGNED;
	if (cp == ZWNJ || cp == ZWJ)
		return CONTEXT;
	if (is_old_hangul_jamo(cp) || uc_is_property_default_ignorable_code_point(cp) ||
	    uc_is_property_not_a_character(cp) || is(cp, UC_CATEGORY_MASK_Cc))
		return DISALLOWED;
	if (has_compat(cp))
		return FREE_PVAL;
	if (is(cp, LETTER_DIGITS))
		return PVALID;
	if (is(cp,
	       OTHER_LETTER_DIGITS | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P))
		return FREE_PVAL;
	return DISALLOWED;
}

bool precis_is_pictograph(uint32_t cp)
{
	return (cp >= 0x2190 && cp <= 0x2bff) || (cp >= 0x1f000 && cp <= 0x1faff) ||
	       (cp >= 0x1fc00 && cp <= 0x1fffd);
}

bool precis_in_class(const uint32_t *s, size_t n, enum precis_class class)
{
	for (size_t i = 0; i < n; i++) {
		enum verdict v = derive(s[i]);

		if (v == UNASSIGNED && precis_is_pictograph(s[i]))
			v = FREE_PVAL;
		if (v == DISALLOWED || v == UNASSIGNED ||
		    (v == FREE_PVAL && class != PRECIS_FREEFORM))
			return false;
	}
	return true;
}

/* -- contextual rules ------------------------------------------------------------ */

static bool after_virama(const uint32_t *s, size_t i)
{
	return i > 0 && uc_combining_class(s[i - 1]) == UC_CCC_VR;
}

/* (L|D) T* ZWNJ T* (R|D): where it parts two letters that would join. */
static bool between_joining(const uint32_t *s, size_t n, size_t i)
{
	size_t before = i, after = i + 1;
	int type;

	while (before > 0 && uc_joining_type(s[before - 1]) == UC_JOINING_TYPE_T)
		before--;
	while (after < n && uc_joining_type(s[after]) == UC_JOINING_TYPE_T)
		after++;
	if (before == 0 || after == n)
		return false;
	type = uc_joining_type(s[before - 1]);
	if (type != UC_JOINING_TYPE_L && type != UC_JOINING_TYPE_D)
		return false;
	type = uc_joining_type(s[after]);
	return type == UC_JOINING_TYPE_R || type == UC_JOINING_TYPE_D;
}

static bool any_in(const uint32_t *s, size_t n, uint32_t first, uint32_t last)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] >= first && s[i] <= last)
			return true;
	return false;
}

static bool is_script(uint32_t cp, const char *name)
{
	const uc_script_t *script = uc_script(cp);

	return script && strcmp(script->name, name) == 0;
}

static bool any_japanese(const uint32_t *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_script(s[i], "Hiragana") || is_script(s[i], "Katakana") ||
		    is_script(s[i], "Han"))
			return true;
	return false;
}

/* Middle dots are judged in precis_context_ok(): by the string, not by their place. */
static bool context_ok_at(const uint32_t *s, size_t n, size_t i)
{
	switch (s[i]) {
	case ZWNJ:
		return after_virama(s, i) || between_joining(s, n, i);
	case ZWJ:
		return after_virama(s, i);
	case 0x00b7: /* Catalan l.l */
		return i > 0 && i + 1 < n && s[i - 1] == 'l' && s[i + 1] == 'l';
	case 0x0375:
		return i + 1 < n && is_script(s[i + 1], "Greek");
	case 0x05f3:
	case 0x05f4:
		return i > 0 && is_script(s[i - 1], "Hebrew");
	default:
		return true;
	}
}

bool precis_context_ok(const uint32_t *s, size_t n)
{
	/* Two sets of digits that look alike must not meet in one string. */
	if (any_in(s, n, 0x0660, 0x0669) && any_in(s, n, 0x06f0, 0x06f9))
		return false;
	/* Once for all of them: a peer can send a thousand. */
	if (any_in(s, n, MIDDLE_DOT, MIDDLE_DOT) && !any_japanese(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!context_ok_at(s, n, i))
			return false;
	return true;
}

/* -- the bidi rule ----------------------------------------------------------------- */

#define B(class) (1u << (class))

#define B_NEUTRAL                                                                                  \
	(B(UC_BIDI_EN) | B(UC_BIDI_ES) | B(UC_BIDI_CS) | B(UC_BIDI_ET) | B(UC_BIDI_ON) |           \
	 B(UC_BIDI_BN) | B(UC_BIDI_NSM))
#define B_RTL (B(UC_BIDI_R) | B(UC_BIDI_AL) | B(UC_BIDI_AN))

bool precis_bidi_ok(const uint32_t *s, size_t n)
{
	unsigned seen = 0, first, last;
	size_t end = n;

	for (size_t i = 0; i < n; i++)
		seen |= B(uc_bidi_class(s[i]));
	if (!(seen & B_RTL))
		return true;
	while (end > 0 && uc_bidi_class(s[end - 1]) == UC_BIDI_NSM)
		end--;
	if (end == 0)
		return false;
	first = B(uc_bidi_class(s[0]));
	last = B(uc_bidi_class(s[end - 1]));
	/* A string that has such characters and begins with a left-to-right one, or
	 * a digit, breaks the rule in any case. */
	if (!(first & (B(UC_BIDI_R) | B(UC_BIDI_AL))))
		return false;
	if (seen & ~(B_RTL | B_NEUTRAL))
		return false;
	if ((seen & B(UC_BIDI_EN)) && (seen & B(UC_BIDI_AN)))
		return false;
	return last & (B_RTL | B(UC_BIDI_EN));
}
