/* SPDX-License-Identifier: MIT
 *
 * Searching (XEP-0431): what the words of a message are, and those of a query.
 *
 * Databases are given no words but terms: eight letters or digits each, made
 * from the owner, the word and a secret of this installation.  So nothing that
 * somebody types is ever taken for the syntax of a query, both databases find the same, and an
 * index that is slow to forget, as all of them are, has no text in it.  Who has the whole
 * database has the secret too, and can try single words against what is not forgotten yet.
 *
 * The terms of a message stand in their order, so that words which belong together can
 * be found together.  Text that is encrypted, or stands only for something else, has none.
 */
#include "archive.h"

#include <jackdaw/crypto.h>
#include <jackdaw/words.h>

#define NS_FALLBACK "urn:xmpp:fallback:0"
#define TERM        8  /* characters, of 5 bits each */
#define WORDS_MOST  64 /* of a query */

/* Each text is looked at with all that says what in it is a fallback, so there are bounds: bodies
 * of a message, whose others are not found, and places in one, which is all fallback with more. */
#define TEXTS_MOST  16
#define PLACES_MOST 16
/* Of all texts of a message together: to fold what has no words costs as much as what has. */
#define TEXT_BYTES ((size_t)64 << 10)

static struct jd_stmt put_terms = {
	.name = "archive.put_terms",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_text (owner, id, terms) SELECT $1, $2, $3 FROM archive_owner"
	       " WHERE owner = $1 ON CONFLICT (owner, id) DO NOTHING",
};

/* One that has been there before; it may be gone, or say something else by now. */
static struct jd_stmt add_terms = {
	.name = "archive.add_terms",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_text (owner, id, terms) SELECT $1, $2, $3 FROM archive"
	       " WHERE owner = $1 AND id = $2 AND flags & 6 = 0"
	       " ON CONFLICT (owner, id) DO NOTHING",
};

static struct jd_stmt drop_terms = {
	.name = "archive.drop_terms",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive_text WHERE owner = $1 AND id = $2",
};

/* -- terms -------------------------------------------------------------------------------- */

/* The length of the output is fixed and most of it is dropped, so the key in front is enough. */
static void term(const struct archive *a, uint64_t owner, struct jd_str word, char out[TERM])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	char text[JD_INSTALLATION_KEY + sizeof(owner) + JD_WORD_MAX];
	uint8_t digest[JD_DIGEST_MAX];
	uint64_t bits = 0;
	size_t n = 0;

	memcpy(text, a->search_key, JD_INSTALLATION_KEY);
	n += JD_INSTALLATION_KEY;
	for (unsigned i = 0; i < sizeof(owner); i++)
		text[n++] = (char)(owner >> 8 * i);
	memcpy(text + n, word.p, word.len);
	jd_digest(JD_HASH_SHA256, (struct jd_str){text, n + word.len}, digest);
	for (unsigned i = 0; i < sizeof(bits); i++)
		bits = bits << 8 | digest[i];
	for (unsigned i = 0; i < TERM; i++)
		out[i] = digits[bits >> 5 * i & 31];
}

/* -- of a message ------------------------------------------------------------------------- */

struct writing {
	const struct archive *a;
	uint64_t owner;
	char *out;
	size_t len;
	size_t left; /* bytes of texts that are still looked at */
};

static bool write_term(void *arg, struct jd_str word)
{
	struct writing *w = arg;

	if (w->len + TERM + 2 > TERMS_BYTES)
		return false;
	w->out[w->len++] = ' ';
	term(w->a, w->owner, word, w->out + w->len);
	w->len += TERM;
	return true;
}

/* Something nobody here can read, with a body that says so. */
static bool is_encrypted(struct jd_el root)
{
	static const char *const all[][2] = {
		{"urn:xmpp:omemo:2", "encrypted"}, {"eu.siacs.conversations.axolotl", "encrypted"},
		{"urn:xmpp:openpgp:0", "openpgp"}, {"jabber:x:encrypted", "x"},
		{"urn:xmpp:eme:0", "encryption"},
	};

	for (size_t i = 0; i < JD_ARRAY_SIZE(all); i++)
		if (jd_el_ok(jd_el_child(root, all[i][0], all[i][1])))
			return true;
	return false;
}

/* A place in a text (XEP-0426): digits, no more than any text has. */
static bool read_place(struct jd_str text, size_t *ret_place)
{
	size_t place = 0;

	if (!text.len || text.len > 9)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		place = place * 10 + (size_t)(text.p[i] - '0');
	}
	*ret_place = place;
	return true;
}

/* What follows the first byte of a character stays: nothing to be read, but still counted right. */
static void blank(char *p, size_t len, size_t start, size_t end)
{
	for (size_t i = 0, at = 0; i < len; i++) {
		if (((unsigned char)p[i] & 0xc0) == 0x80)
			continue;
		if (at >= start && at < end)
			p[i] = ' ';
		at++;
	}
}

/* False: all of it is a fallback (XEP-0428); else what is one is gone from the text. */
static bool without_fallbacks(struct jd_el root, const char *name, char *p, size_t len)
{
	unsigned n = 0;

	JD_EL_EACH_IS(fallback, root, NS_FALLBACK, "fallback")
	{
		if (!jd_el_ok(jd_el_first(fallback)))
			return false;
		JD_EL_EACH_IS(part, fallback, NS_FALLBACK, name)
		{
			size_t start, end;

			if (n++ == PLACES_MOST || !read_place(jd_el_attr(part, "start"), &start) ||
			    !read_place(jd_el_attr(part, "end"), &end))
				return false;
			blank(p, len, start, end);
		}
	}
	return true;
}

static void write_texts(struct writing *w, struct jd_stanza *st, const char *name)
{
	struct jd_el root = jd_stanza_root(st);
	unsigned n = 0;

	JD_EL_EACH_IS(el, root, JD_NS_STANZA, name)
	{
		struct jd_str text = jd_el_text(el, st->arena);
		size_t before = w->len;
		char *copy;

		if (n++ == TEXTS_MOST)
			return;
		if (text.len > w->left)
			text.len = w->left;
		w->left -= text.len;
		copy = jd_arena_bytes(st->arena, text.len + 1);
		memcpy(copy, text.p ? text.p : "", text.len);
		if (!without_fallbacks(root, name, copy, text.len))
			continue;
		jd_words((struct jd_str){copy, text.len}, write_term, w);
		if (w->len > before) /* with a gap: what ends here does not go on there */
			w->out[w->len++] = ' ';
	}
}

struct jd_str archive_terms(struct jd_instance *mi, uint64_t owner, struct jd_stanza *st,
			    char out[TERMS_BYTES])
{
	const struct archive *a = jd_data(mi);
	struct writing w = {.a = a, .owner = owner, .out = out, .left = TEXT_BYTES};

	if (!a->search || is_encrypted(jd_stanza_root(st)))
		return JD_STR_NULL;
	write_texts(&w, st, "subject");
	write_texts(&w, st, "body");
	return w.len ? (struct jd_str){out, w.len} : JD_STR_NULL;
}

void archive_terms_put(struct jd_unit *unit, uint64_t owner, uint64_t id, struct jd_str terms,
		       bool new)
{
	jd_unit_add(unit, new ? &put_terms : &add_terms,
		    JD_PARAMS(jd_int((int64_t)owner), jd_int((int64_t)id), jd_text(terms)));
}

void archive_terms_drop(struct jd_unit *unit, uint64_t owner, uint64_t id)
{
	jd_unit_add(unit, &drop_terms, JD_PARAMS(jd_int((int64_t)owner), jd_int((int64_t)id)));
}

/* -- of a query --------------------------------------------------------------------------- */

struct asking {
	struct query *q;
	struct jd_arena *arena;
	struct jd_str phrase; /* of the words that stand together */
	unsigned n, together;
};

static bool ask_term(void *arg, struct jd_str word)
{
	struct asking *k = arg;
	struct query *q = k->q;
	char found[TERM];

	if (++k->n > WORDS_MOST)
		return false;
	term(jd_data(q->mi), q->owner, word, found);
	q->words = jd_arena_printf(k->arena, "%.*s%s%.*s", JD_FMT(q->words), q->words.p ? " " : "",
				   TERM, found);
	k->phrase = jd_arena_printf(k->arena, "%.*s%.*s ", JD_FMT(k->phrase), TERM, found);
	k->together++;
	return true;
}

/* Words that stand together are to be found together. */
static void ask_together(struct asking *k, struct jd_str part)
{
	struct query *q = k->q;

	k->phrase = JD_STR(" ");
	k->together = 0;
	jd_words(part, ask_term, k);
	if (k->together > 1)
		q->phrases = jd_arena_printf(k->arena, "%.*s%s\"%.*s\"", JD_FMT(q->phrases),
					     q->phrases.len > 1 ? "," : "", JD_FMT(k->phrase));
}

/* Bytes of white space at its beginning, that of Chinese and Japanese included. */
static size_t space(struct jd_str s)
{
	if (s.len && (unsigned char)s.p[0] <= ' ')
		return 1;
	if (s.len >= 2 && memcmp(s.p, "\xc2\xa0", 2) == 0)
		return 2;
	return s.len >= 3 && memcmp(s.p, "\xe3\x80\x80", 3) == 0 ? 3 : 0;
}

static struct jd_str behind(struct jd_str s, size_t n)
{
	return (struct jd_str){s.p + n, s.len - n};
}

/* Up to the next quotation mark, or to what ends a word. */
static size_t part_length(struct jd_str s, bool quoted)
{
	size_t n = 0;

	while (n < s.len && s.p[n] != '"' && (quoted || !space(behind(s, n))))
		n++;
	return n;
}

const char *archive_search_read(struct query *q, struct jd_str text)
{
	struct asking k = {.q = q, .arena = q->iq->st->arena};
	bool quoted = false;

	q->phrases = JD_STR("[");
	while (text.len && k.n <= WORDS_MOST) {
		size_t n = quoted ? 0 : space(text);

		if (!n && text.p[0] == '"') {
			quoted = !quoted;
			n = 1;
		} else if (!n) {
			n = part_length(text, quoted);
			ask_together(&k, (struct jd_str){text.p, n});
		}
		text = behind(text, n);
	}
	if (k.n > WORDS_MOST)
		return "The text has too many words.";
	if (!k.n)
		return "The text has nothing that could be found.";
	q->phrases = jd_arena_printf(k.arena, "%.*s]", JD_FMT(q->phrases));
	return NULL;
}

/* -- the instance ------------------------------------------------------------------------- */

int archive_search_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&put_terms, &add_terms, &drop_terms};
	struct archive *a = jd_data(mi);

	if (a->search) {
		jd_installation_key("archive search", a->search_key);
		jd_feature(mi,
			   jd_host_is_component(jd_instance_host(mi)) ? JD_TO_ROOM : JD_TO_ACCOUNT,
			   NS_FULLTEXT);
	}
	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
