/* SPDX-License-Identifier: MIT
 *
 * What is known of clients, by the hash that their presence names.
 *
 * One client is asked for each unknown hash; others with the same hash wait for
 * its answer.  An answer that has this hash is kept for all, the least recently
 * used one going when there are too many.  One that has not counts for its
 * sender alone, and the next of those who wait is asked: nobody can make the
 * server believe something of others, nor keep it from learning.
 */
#include "caps.h"

#define BUCKETS  1024
#define MAX_NAME 64 /* of a hash function */
#define MAX_VER  256
#define MAX_NODE 1024

enum state { ASKING, KNOWN, NOTHING };

struct known {
	struct known *next;          /* in its bucket */
	struct known *newer, *older; /* while KNOWN and in the table */
	unsigned refs;
	enum state state;
	bool listed; /* in the table, which has a reference */
	char *hash, *ver;
	struct jd_str *features; /* sorted, one block; NULL: none */
	size_t n_features;
	struct caps_client *asked; /* ASKING: whose answer is awaited */
	struct caps_client *waiting, **end;
	unsigned round; /* grows with every question */
};

/* A question on its way. */
struct question {
	struct question *next, **at;
	struct cache *cache;
	struct known *known;
	unsigned round;
};

struct cache {
	struct jd_instance *mi;
	const struct caps_options *options;
	struct known *buckets[BUCKETS];
	struct known *newest, *oldest;
	int64_t n_known;
	struct question *questions;
};

static void ask_next(struct cache *cache, struct known *k);

/* -- entries ---------------------------------------------------------------------------- */

static struct known *known_new(struct jd_str hash, struct jd_str ver)
{
	struct known *k = jd_alloc(sizeof(*k));

	k->refs = 1;
	k->hash = jd_strdup(hash);
	k->ver = jd_strdup(ver);
	k->end = &k->waiting;
	return k;
}

static struct known *known_ref(struct known *k)
{
	k->refs++;
	return k;
}

void known_unref(struct known *k)
{
	if (!k || --k->refs)
		return;
	jd_free(k->hash);
	jd_free(k->ver);
	jd_free(k->features);
	jd_free(k);
}

static bool known_is(const struct known *k, struct jd_str hash, struct jd_str ver)
{
	return jd_str_is(ver, k->ver) && jd_str_is(hash, k->hash);
}

/* Sorted as they are in parts, by caps_text(). */
static void known_fill(struct known *k, const struct caps_parts *parts)
{
	size_t bytes = 0;
	char *text;

	for (size_t i = 0; i < parts->n_features; i++)
		bytes += parts->features[i].len;
	k->features = jd_alloc(parts->n_features * sizeof(k->features[0]) + bytes + 1);
	text = (char *)(k->features + parts->n_features);
	for (size_t i = 0; i < parts->n_features; i++) {
		struct jd_str from = parts->features[i];

		if (from.len)
			memcpy(text, from.p, from.len);
		k->features[i] = (struct jd_str){text, from.len};
		text += from.len;
	}
	k->n_features = parts->n_features;
	k->state = KNOWN;
}

static int compare(struct jd_str a, struct jd_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

enum jd_caps known_has(const struct known *k, struct jd_str feature)
{
	size_t low = 0, high = k ? k->n_features : 0;

	if (!k || k->state != KNOWN)
		return JD_CAPS_UNKNOWN;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = compare(feature, k->features[middle]);

		if (c == 0)
			return JD_CAPS_YES;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return JD_CAPS_NO;
}

bool known_each(const struct known *k, void (*fn)(struct jd_str feature, void *arg), void *arg)
{
	if (!k || k->state != KNOWN)
		return false;
	for (size_t i = 0; i < k->n_features; i++)
		fn(k->features[i], arg);
	return true;
}

/* -- the table -------------------------------------------------------------------------- */

/* Who chooses hashes badly makes a longer chain, no longer than the table's bound. */
static struct known **bucket(struct cache *cache, struct jd_str ver)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < ver.len; i++)
		h = (h ^ (unsigned char)ver.p[i]) * 16777619u;
	return &cache->buckets[h % BUCKETS];
}

static struct known *table_find(struct cache *cache, struct jd_str hash, struct jd_str ver)
{
	struct known *k = *bucket(cache, ver);

	while (k && !known_is(k, hash, ver))
		k = k->next;
	return k;
}

static void table_add(struct cache *cache, struct known *k)
{
	struct known **b = bucket(cache, jd_cstr(k->ver));

	k->next = *b;
	*b = known_ref(k);
	k->listed = true;
}

static void age_out(struct cache *cache, struct known *k)
{
	*(k->newer ? &k->newer->older : &cache->newest) = k->older;
	*(k->older ? &k->older->newer : &cache->oldest) = k->newer;
	k->newer = k->older = NULL;
	cache->n_known--;
}

static void age_in(struct cache *cache, struct known *k)
{
	k->older = cache->newest;
	*(k->older ? &k->older->newer : &cache->oldest) = k;
	cache->newest = k;
	cache->n_known++;
}

static void table_remove(struct cache *cache, struct known *k)
{
	struct known **at = bucket(cache, jd_cstr(k->ver));

	if (!k->listed)
		return;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	if (k->state == KNOWN)
		age_out(cache, k);
	k->listed = false;
	known_unref(k);
}

/* -- clients ---------------------------------------------------------------------------- */

static void client_wait(struct known *k, struct caps_client *client)
{
	client->next = NULL;
	*k->end = client;
	k->end = &client->next;
}

static void client_unwait(struct known *k, const struct caps_client *client)
{
	struct caps_client **at = &k->waiting;

	while (*at && *at != client)
		at = &(*at)->next;
	if (*at)
		*at = client->next;
	k->end = &k->waiting;
	while (*k->end)
		k->end = &(*k->end)->next;
}

static void client_set(struct caps_client *client, struct known *k)
{
	known_unref(client->known);
	client->known = k;
	if (k && k->state == KNOWN)
		jd_session_tell_caps(client->session);
}

void cache_forget(struct cache *cache, struct caps_client *client)
{
	struct known *k = client->known;

	client->known = NULL;
	if (!k)
		return;
	if (k->state == ASKING && k->asked == client) {
		k->asked = NULL;
		ask_next(cache, k);
	} else if (k->state == ASKING) {
		client_unwait(k, client);
	}
	known_unref(k);
}

/* -- questions -------------------------------------------------------------------------- */

static void question_free(struct question *q)
{
	*q->at = q->next;
	if (q->next)
		q->next->at = q->at;
	known_unref(q->known);
	jd_free(q);
}

/* The answer has the hash: it is true of every client that names it. */
static void learn(struct cache *cache, struct known *k, const struct caps_parts *parts)
{
	struct caps_client *asked = k->asked, *client = k->waiting;

	known_fill(k, parts);
	k->asked = NULL;
	k->waiting = NULL;
	k->end = &k->waiting;
	if (k->listed) {
		age_in(cache, k);
		while (cache->n_known > cache->options->max_known && cache->oldest != k)
			table_remove(cache, cache->oldest);
	}
	jd_session_tell_caps(asked->session);
	while (client) {
		struct caps_client *next = client->next;

		jd_session_tell_caps(client->session);
		client = next;
	}
}

/* The one who was asked has something of its own; parts NULL: nothing at all. */
static void set_apart(struct known *k, const struct caps_parts *parts)
{
	struct caps_client *client = k->asked;
	struct known *own = known_new(jd_cstr(k->hash), jd_cstr(k->ver));

	own->state = NOTHING;
	if (parts)
		known_fill(own, parts);
	k->asked = NULL;
	client_set(client, own);
}

static void apart(struct cache *cache, struct known *k, const struct caps_parts *parts)
{
	set_apart(k, parts);
	ask_next(cache, k);
}

static void judge(struct cache *cache, struct known *k, struct jd_stanza *st)
{
	struct jd_el query = jd_el_child(jd_stanza_root(st), JD_NS_DISCO_INFO, "query");
	struct caps_parts parts = {.arena = st->arena};
	struct jd_str text, hash;

	if (!jd_el_ok(query) || !caps_read(&parts, query) || !caps_text(&parts, &text)) {
		apart(cache, k, NULL);
		return;
	}
	hash = caps_hash(st->arena, jd_cstr(k->hash), text);
	if (hash.p && jd_str_is(hash, k->ver) && !parts.ambiguous)
		learn(cache, k, &parts);
	else
		apart(cache, k, &parts);
}

static void on_answer(void *arg, struct jd_stanza *st)
{
	struct question *q = arg;
	struct cache *cache = q->cache;
	struct known *k = known_ref(q->known);
	bool late = q->round != k->round || k->state != ASKING || !k->asked;

	question_free(q);
	if (!late && st && st->type == JD_TYPE_RESULT)
		judge(cache, k, st);
	else if (!late)
		apart(cache, k, NULL);
	known_unref(k);
}

static struct jd_el client_c(const struct caps_client *client)
{
	struct jd_stanza *presence = jd_session_presence(client->session);

	return presence ? jd_el_child(jd_stanza_root(presence), NS_CAPS, "c") : JD_EL_NONE;
}

static int ask(struct cache *cache, struct known *k)
{
	struct jd_stanza *presence = jd_session_presence(k->asked->session);
	struct jd_str node = jd_el_attr(client_c(k->asked), "node");
	struct question *q;
	struct jd_xml *x;

	if (!presence)
		return -JD_ECLOSED;
	x = jd_stanza_new(JD_IQ, JD_TYPE_GET, jd_host_jid(jd_instance_host(cache->mi)),
			  jd_session_jid(k->asked->session), JD_STR_NULL);
	jd_xml_start(x, JD_NS_DISCO_INFO, "query");
	jd_xml_attr(x, "node", jd_arena_printf(presence->arena, "%.*s#%s", JD_FMT(node), k->ver));
	jd_xml_end(x);
	q = jd_alloc(sizeof(*q));
	*q = (struct question){cache->questions, &cache->questions, cache, known_ref(k),
			       ++k->round};
	if (q->next)
		q->next->at = &q->next;
	cache->questions = q;
	if (jd_ask(jd_instance_pending(cache->mi), x, cache->options->timeout, on_answer, q) < 0) {
		question_free(q);
		return -JD_ELIMIT;
	}
	return 0;
}

/* Asks the first of those who wait; the entry goes when there is none. */
static void ask_next(struct cache *cache, struct known *k)
{
	while (k->waiting) {
		k->asked = k->waiting;
		client_unwait(k, k->asked);
		k->asked->hashes++;
		if (ask(cache, k) == 0)
			return;
		set_apart(k, NULL);
	}
	k->state = NOTHING;
	table_remove(cache, k);
}

static bool supported(struct jd_str hash)
{
	return jd_str_is(hash, "sha-1") || jd_str_is(hash, "sha-256") || jd_str_is(hash, "sha-512");
}

/* Nobody has asked for this hash yet. */
static void seen_new(struct cache *cache, struct caps_client *client, struct jd_str hash,
		     struct jd_str ver)
{
	struct known *k;

	if (client->hashes >= cache->options->max_hashes)
		return;
	k = known_new(hash, ver);
	k->state = ASKING;
	if (supported(hash))
		table_add(cache, k);
	client->known = k;
	client_wait(k, client);
	known_ref(k);
	ask_next(cache, k);
	known_unref(k);
}

static bool plausible(struct jd_el c)
{
	return jd_el_attr(c, "node").len <= MAX_NODE && jd_el_attr(c, "ver").len <= MAX_VER &&
	       jd_el_attr(c, "ver").len && jd_el_attr(c, "hash").len <= MAX_NAME;
}

void cache_seen(struct cache *cache, struct caps_client *client, struct jd_el c)
{
	struct jd_str hash = jd_el_attr(c, "hash"), ver = jd_el_attr(c, "ver");
	struct known *k = client->known;

	if (!plausible(c) || (k && k->state != NOTHING && known_is(k, hash, ver)))
		return;
	cache_forget(cache, client);
	k = table_find(cache, hash, ver);
	if (!k) {
		seen_new(cache, client, hash, ver);
	} else if (k->state == ASKING) {
		client->known = known_ref(k);
		client_wait(k, client);
	} else {
		age_out(cache, k);
		age_in(cache, k);
		client_set(client, known_ref(k));
	}
}

const struct known *cache_find(struct cache *cache, struct jd_el c)
{
	return table_find(cache, jd_el_attr(c, "hash"), jd_el_attr(c, "ver"));
}

/* -- the whole -------------------------------------------------------------------------- */

struct cache *cache_new(struct jd_instance *mi, const struct caps_options *options)
{
	struct cache *cache = jd_alloc(sizeof(*cache));

	cache->mi = mi;
	cache->options = options;
	return cache;
}

void cache_free(struct cache *cache)
{
	while (cache->questions)
		question_free(cache->questions);
	for (size_t i = 0; i < BUCKETS; i++) {
		while (cache->buckets[i]) {
			struct known *k = known_ref(cache->buckets[i]);

			if (k->state == ASKING)
				k->state = NOTHING;
			table_remove(cache, k);
			known_unref(k);
		}
	}
	jd_free(cache);
}
