/* SPDX-License-Identifier: MIT
 *
 * Values of options.  Numbers may be written in decimal, hexadecimal (0x) or
 * octal (0), sizes and times with a unit behind them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/conf_value.h"
#include "util/arena.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Ascending, so that the largest that fits is the last one tried. */
static const struct unit size_units[] = {
	{"", 1}, {"k", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
};
static const struct unit time_units[] = {
	{"ms", 1000},        {"s", 1000000},       {"min", 60000000},
	{"h", 3600000000LL}, {"d", 86400000000LL}, {NULL, 0},
};

static int number_parse(const char *word, const char **ret_rest, int64_t *ret_n)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(word, &end, 0);
	if (end == word || errno == ERANGE || word[0] == ' ')
		return -JD_EINVAL;
	*ret_rest = end;
	*ret_n = n;
	return 0;
}

static int unit_parse(const char *word, const struct unit *units, int64_t *ret_n)
{
	const char *rest;
	int64_t n;

	if (number_parse(word, &rest, &n) < 0)
		return -JD_EINVAL;
	/* Nothing is nothing in any unit. */
	if (n == 0 && !*rest) {
		*ret_n = 0;
		return 0;
	}
	for (const struct unit *u = units; u->name; u++)
		if (strcmp(rest, u->name) == 0)
			return __builtin_mul_overflow(n, u->factor, ret_n) ? -JD_EINVAL : 0;
	return -JD_EINVAL;
}

static int bool_parse(const char *word, bool *ret_b)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no",
									       "off"};

	for (size_t i = 0; i < JD_ARRAY_SIZE(yes); i++) {
		if (strcmp(word, yes[i]) == 0 || strcmp(word, no[i]) == 0) {
			*ret_b = strcmp(word, yes[i]) == 0;
			return 0;
		}
	}
	return -JD_EINVAL;
}

static bool in_range(const struct jd_option *o, int64_t n)
{
	return (o->min == 0 && o->max == 0) || (n >= o->min && n <= o->max);
}

static int choice_find(const struct jd_option *o, const char *word)
{
	for (int i = 0; o->choices[i]; i++)
		if (strcmp(o->choices[i], word) == 0)
			return i;
	return -JD_EINVAL;
}

static int set_int(const struct jd_option *o, const char *word, void *at)
{
	const char *rest = "";
	int64_t n;
	int err;

	if (o->kind == JD_OPTION_SIZE)
		err = unit_parse(word, size_units, &n);
	else if (o->kind == JD_OPTION_TIME)
		err = unit_parse(word, time_units, &n);
	else
		err = number_parse(word, &rest, &n);
	if (err || *rest || !in_range(o, n) || (o->kind == JD_OPTION_TIME && n < 0))
		return -JD_EINVAL;
	/* jd_usec has the same size. */
	memcpy(at, &n, sizeof(n));
	return 0;
}

static int set_list(const struct jd_option *o, const char *const *words, size_t n,
		    struct jd_arena *arena, void *at)
{
	const char **list = jd_arena_alloc(arena, (n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		if (o->choices && choice_find(o, words[i]) < 0)
			return -JD_EINVAL;
		list[i] = jd_arena_str(arena, jd_cstr(words[i])).p;
	}
	memcpy(at, &list, sizeof(list));
	return 0;
}

static int set_choice(const struct jd_option *o, const char *word, void *at)
{
	int i = choice_find(o, word);

	if (i < 0)
		return -JD_EINVAL;
	memcpy(at, &i, sizeof(i));
	return 0;
}

static int set_text(const char *word, struct jd_arena *arena, void *at)
{
	const char *text = jd_arena_str(arena, jd_cstr(word)).p;

	memcpy(at, &text, sizeof(text));
	return 0;
}

int conf_value_set(const struct jd_option *o, const char *const *words, size_t n,
		   struct jd_arena *arena, void *base)
{
	void *at = (char *)base + o->offset;

	if (o->kind == JD_OPTION_LIST)
		return set_list(o, words, n, arena, at);
	if (n != 1)
		return -JD_EINVAL;
	switch (o->kind) {
	case JD_OPTION_BOOL:
		return bool_parse(words[0], at);
	case JD_OPTION_INT:
	case JD_OPTION_SIZE:
	case JD_OPTION_TIME:
		return set_int(o, words[0], at);
	case JD_OPTION_TEXT:
		return set_text(words[0], arena, at);
	case JD_OPTION_CHOICE:
		return set_choice(o, words[0], at);
	case JD_OPTION_LIST:
	case JD_OPTION_END:
		break;
	}
	return -JD_EINVAL;
}

/* The default of a list: words with commas or spaces between them. */
static int default_list(const struct jd_option *o, struct jd_arena *arena, void *base)
{
	static const char between[] = " ,{}";
	const char *words[64];
	size_t n = 0;

	for (const char *p = o->fallback ? o->fallback : ""; *p && n < JD_ARRAY_SIZE(words);) {
		size_t len;

		p += strspn(p, between);
		len = strcspn(p, between);
		if (len)
			words[n++] = jd_arena_str(arena, (struct jd_str){p, len}).p;
		p += len;
	}
	return conf_value_set(o, words, n, arena, base);
}

int conf_value_default(const struct jd_option *o, struct jd_arena *arena, void *base)
{
	if (o->kind == JD_OPTION_LIST)
		return default_list(o, arena, base);
	return o->fallback ? conf_value_set(o, &o->fallback, 1, arena, base) : 0;
}

/* -- saying what is accepted --------------------------------------------------------------- */

static void unit_print(const struct unit *units, int64_t n, char out[32])
{
	const struct unit *best = units;

	for (const struct unit *u = units; u->name && n; u++)
		if (n % u->factor == 0)
			best = u;
	snprintf(out, 32, "%" PRId64 "%s", n / best->factor, n ? best->name : "");
}

static void wanted_range(const struct jd_option *o, const struct unit *units, const char *what,
			 const char *example, char *out, size_t size)
{
	char lo[32], hi[32];

	if (o->min == 0 && o->max == 0) {
		snprintf(out, size, "%s%s", what, example);
		return;
	}
	unit_print(units, o->min, lo);
	unit_print(units, o->max, hi);
	snprintf(out, size, "%s from %s to %s%s", what, lo, hi, example);
}

static void wanted_choice(const struct jd_option *o, const char *what, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "%s", what);

	for (int i = 0; o->choices && o->choices[i] && len < size; i++) {
		const char *sep = i == 0 ? "" : o->choices[i + 1] ? ", " : " or ";

		len += (size_t)snprintf(out + len, size - len, "%s%s", sep, o->choices[i]);
	}
}

void conf_value_wanted(const struct jd_option *o, char *out, size_t size)
{
	static const struct unit plain[] = {{"", 1}, {NULL, 0}};

	switch (o->kind) {
	case JD_OPTION_BOOL:
		snprintf(out, size, "true or false");
		return;
	case JD_OPTION_INT:
		wanted_range(o, plain, "a number", "", out, size);
		return;
	case JD_OPTION_SIZE:
		wanted_range(o, size_units, "a size", " (such as 4096, 64k, 1M)", out, size);
		return;
	case JD_OPTION_TIME:
		wanted_range(o, time_units, "a time", " (such as 500ms, 30s, 5min, 1h, 1d)", out,
			     size);
		return;
	case JD_OPTION_TEXT:
		snprintf(out, size, "one text");
		return;
	case JD_OPTION_LIST:
		wanted_choice(o, o->choices ? "a list of " : "a list", out, size);
		return;
	case JD_OPTION_CHOICE:
		wanted_choice(o, "", out, size);
		return;
	case JD_OPTION_END:
		break;
	}
	snprintf(out, size, "nothing");
}

const char *conf_kind_name(enum jd_option_kind kind)
{
	static const char *const names[] = {
		[JD_OPTION_END] = "",       [JD_OPTION_BOOL] = "true or false",
		[JD_OPTION_INT] = "number", [JD_OPTION_SIZE] = "size",
		[JD_OPTION_TIME] = "time",  [JD_OPTION_TEXT] = "text",
		[JD_OPTION_LIST] = "list",  [JD_OPTION_CHOICE] = "choice",
	};

	return names[kind];
}
