/* SPDX-License-Identifier: MIT
 *
 * A stanza without what somebody has said in it, as a sample for a dictionary.
 *
 * A dictionary is kept for ever, and pieces of samples stand in it; a message that
 * was taken back or erased must not live on there.  So only what programs say stays:
 * names of elements and attributes, namespaces, types, and the domains of addresses.
 * Every other letter, in text and in values, becomes some other letter: ids, names,
 * addresses and bodies.  What they are made of stays alike (vowels are frequent, ids have
 * digits), since the packer learns from it which letters are worth short codes.
 */
#include "archive.h"

#define KEPT_MAX 100 /* bytes of a value that stays */

enum rule { RULE_SCRUB, RULE_KEEP, RULE_DOMAIN };

struct scrub {
	const char *p, *end;
	char *out;
	uint64_t seed;
	bool prose; /* of the run at work: it has spaces */
};

/* -- other letters -------------------------------------------------------------------------- */

static unsigned next(struct scrub *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return (unsigned)(s->seed >> 32);
}

/* Which other ones: hexadecimal digits stay such. */
static struct jd_str pool(const struct scrub *s, char c)
{
	if (c >= '0' && c <= '9')
		return JD_STR("0123456789");
	if (c >= 'A' && c <= 'F')
		return JD_STR("ABCDEF");
	if (c >= 'G' && c <= 'Z')
		return JD_STR("GHIJKLMNOPQRSTUVWXYZ");
	if (c >= 'a' && c <= 'f')
		return s->prose ? JD_STR("aaaaaaaabccddddeeeeeeeeeeeeff") : JD_STR("abcdef");
	if (c >= 'g' && c <= 'z')
		return s->prose ? JD_STR("gghhhhhhiiiiiiijkllllmmnnnnnnnooooooooppqrrrrrrsssssst"
					 "ttttttttuuuvwwxyyz")
				: JD_STR("ghijklmnopqrstuvwxyz");
	return s->prose ? JD_STR("  .,-") : JD_STR("-");
}

/* Beyond ASCII the first byte of a letter stays, which tells no more than the script. */
static char other(struct scrub *s, char c)
{
	unsigned char u = (unsigned char)c;
	struct jd_str from;

	if (u >= 0xc0 || c == ' ')
		return c;
	if (u >= 0x80)
		return (char)(0x80 | (next(s) & 0x3f));
	from = pool(s, c);
	return from.p[next(s) % from.len];
}

/* -- runs ------------------------------------------------------------------------------------- */

static void keep_to(struct scrub *s, const char *end)
{
	while (s->p < end)
		*s->out++ = *s->p++;
}

static void scrub_to(struct scrub *s, const char *end)
{
	s->prose = memchr(s->p, ' ', (size_t)(end - s->p)) != NULL;
	while (s->p < end)
		*s->out++ = other(s, *s->p++);
}

static const char *find(const char *p, const char *end, char c)
{
	const char *at = p < end ? memchr(p, c, (size_t)(end - p)) : NULL;

	return at ? at : end;
}

static void domain_to(struct scrub *s, const char *end)
{
	const char *slash = find(s->p, end, '/'), *at = find(s->p, slash, '@');

	if (at < slash)
		scrub_to(s, at);
	keep_to(s, slash < end ? slash + 1 : end);
	scrub_to(s, end);
}

static enum rule rule_of(struct jd_str name)
{
	static const char *const kept[] = {"xmlns", "type", "xml:lang", "namespace", "for"};
	static const char *const addresses[] = {"from", "to", "by", "jid"};

	for (size_t i = 0; i < JD_ARRAY_SIZE(kept); i++)
		if (jd_str_is(name, kept[i]))
			return RULE_KEEP;
	for (size_t i = 0; i < JD_ARRAY_SIZE(addresses); i++)
		if (jd_str_is(name, addresses[i]))
			return RULE_DOMAIN;
	return name.len > 6 && memcmp(name.p, "xmlns:", 6) == 0 ? RULE_KEEP : RULE_SCRUB;
}

static void value_to(struct scrub *s, struct jd_str name, const char *end)
{
	enum rule rule = rule_of(name);

	if (end - s->p > KEPT_MAX || find(s->p, end, ' ') < end)
		rule = RULE_SCRUB;
	if (rule == RULE_KEEP)
		keep_to(s, end);
	else if (rule == RULE_DOMAIN)
		domain_to(s, end);
	else
		scrub_to(s, end);
}

/* Up to a letter that ends a name within a tag, or its end. */
static const char *name_end(const struct scrub *s)
{
	const char *p = s->p;

	while (p < s->end && *p != ' ' && *p != '=' && *p != '>' && *p != '"' && *p != '\'')
		p++;
	return p;
}

/* From "<" behind ">". */
static void tag(struct scrub *s)
{
	struct jd_str name = JD_STR_NULL;

	while (s->p < s->end && *s->p != '>') {
		char c = *s->p;

		if (c == '"' || c == '\'') {
			keep_to(s, s->p + 1);
			value_to(s, name, find(s->p, s->end, c));
		} else if (c != ' ' && c != '=') {
			name = (struct jd_str){s->p, (size_t)(name_end(s) - s->p)};
			keep_to(s, name.p + name.len);
			continue;
		}
		if (s->p < s->end)
			keep_to(s, s->p + 1);
	}
	if (s->p < s->end)
		keep_to(s, s->p + 1);
}

void archive_scrub(struct jd_str bytes, uint64_t seed, char *out)
{
	struct scrub s = {
		.p = bytes.p, .end = bytes.p + bytes.len, .out = out, .seed = seed ? seed : 1};

	while (s.p < s.end) {
		scrub_to(&s, find(s.p, s.end, '<'));
		if (s.p < s.end)
			tag(&s);
	}
}
