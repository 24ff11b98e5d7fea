/* SPDX-License-Identifier: MIT
 *
 * The table of who failed.  An entry is found by a digest of account and network,
 * or of the account alone.  Entries without failures live only while questions
 * are on their way, and count those: many guesses at once are as bad as many one
 * after the other.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "core/auth_backoff.h"
#include "util/clock.h"
#include "util/crypto.h"
#include "util/hash.h"
#include "util/list.h"
#include "util/mem.h"

#define KEY_LEN 16

struct entry {
	struct hash_node node;
	struct list lru; /* the one that failed last stands last */
	uint8_t key[KEY_LEN];
	unsigned failures;
	unsigned pending;
	jd_usec failed; /* monotonic; the last time */
	jd_usec free;   /* the next answer that waits comes no sooner */
};

static struct hash table;
static struct list lru = LIST_INIT(lru);

/* -- keys ------------------------------------------------------------------------------- */

/* The network in out[16]; its length. */
static size_t network(struct jd_str peer, uint8_t out[16])
{
	char text[64];
	uint8_t a[16];
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (peer.len >= sizeof(text))
		return 0;
	memcpy(text, peer.p ? peer.p : "", peer.len);
	text[peer.len] = '\0';
	text[strcspn(text, "%")] = '\0'; /* a zone is no part of the address */
	if (inet_pton(AF_INET, text, a) == 1) {
		memcpy(out, a, 3);
		return 3;
	}
	if (inet_pton(AF_INET6, text, a) != 1)
		return 0;
	if (memcmp(a, mapped, sizeof(mapped)) == 0) {
		memcpy(out, a + 12, 3);
		return 3;
	}
	memcpy(out, a, 8);
	return 8;
}

/* wide: the account wherever it is asked for. */
static void make_key(const struct backoff_who *who, bool wide, uint8_t out[KEY_LEN])
{
	uint8_t digest[CRYPTO_MAX_DIGEST], net[16];
	struct jd_str from = who->peer;
	char text[3200];
	size_t n = wide ? 0 : network(who->peer, net);
	int len;

	if (wide)
		from.len = 0;
	else if (n)
		from = (struct jd_str){(const char *)net, n};
	len = snprintf(text, sizeof(text), "%d %.*s@%.*s ", wide, JD_FMT(who->name),
		       JD_FMT(who->host));
	JD_ASSERT(len > 0 && (size_t)len + from.len <= sizeof(text));
	if (from.len)
		memcpy(text + len, from.p, from.len);
	crypto_digest(CRYPTO_SHA256, text, (size_t)len + from.len, digest);
	memcpy(out, digest, KEY_LEN);
}

/* -- entries ------------------------------------------------------------------------------- */

static bool key_eq(const struct hash_node *node, const void *key)
{
	return memcmp(container_of(node, struct entry, node)->key, key, KEY_LEN) == 0;
}

static void entry_drop(struct entry *e)
{
	hash_remove(&table, &e->node);
	list_remove(&e->lru);
	mem_free(e);
}

/* What failed long ago never did. NULL: not there. */
static struct entry *entry_find(const uint8_t *key)
{
	struct hash_node *n = hash_find(&table, hash_bytes(key, KEY_LEN), key_eq, key);
	struct entry *e = n ? container_of(n, struct entry, node) : NULL;

	if (e && e->failures && clock_mono() - e->failed >= BACKOFF_FORGET)
		e->failures = 0;
	return e;
}

static struct entry *entry_get(const uint8_t *key)
{
	struct entry *e = entry_find(key);

	if (e)
		return e;
	if (table.count >= BACKOFF_ENTRIES)
		entry_drop(container_of(lru.next, struct entry, lru));
	e = mem_new(struct entry);
	memcpy(e->key, key, KEY_LEN);
	hash_insert(&table, &e->node, hash_bytes(key, KEY_LEN));
	list_append(&lru, &e->lru);
	return e;
}

static void entry_settle(struct entry *e)
{
	if (!e->failures && !e->pending)
		entry_drop(e);
}

static void entry_fail(const uint8_t *key)
{
	struct entry *e = entry_get(key);

	e->failures += e->failures < UINT16_MAX;
	e->failed = clock_mono();
	list_remove(&e->lru);
	list_append(&lru, &e->lru);
}

/* -- delays ---------------------------------------------------------------------------------- */

static jd_usec delay_of(const struct entry *e)
{
	unsigned n = e->failures + e->pending, spare = e->failures ? BACKOFF_FREE : BACKOFF_ALIKE;

	if (n < spare)
		return 0;
	n -= spare;
	return n < 4 ? JD_USEC_PER_SEC << n : BACKOFF_MAX;
}

jd_usec backoff_ask(const struct backoff_who *who)
{
	jd_usec now = clock_mono(), delay, at;
	uint8_t here[KEY_LEN], wide[KEY_LEN];
	struct entry *e, *all;

	make_key(who, false, here);
	make_key(who, true, wide);
	e = entry_get(here);
	delay = delay_of(e);
	at = now + delay;
	if (delay && at < e->free)
		at = e->free;
	if (at - now > BACKOFF_QUEUE)
		return UINT64_MAX;
	if (delay)
		e->free = at + JD_USEC_PER_SEC;
	e->pending++;
	all = entry_find(wide);
	if (all && all->failures >= BACKOFF_WIDE && at < now + BACKOFF_MILD)
		at = now + BACKOFF_MILD;
	return at - now;
}

void backoff_answered(const struct backoff_who *who)
{
	uint8_t key[KEY_LEN];
	struct entry *e;

	make_key(who, false, key);
	e = entry_find(key);
	if (!e) /* forgotten meanwhile */
		return;
	e->pending -= e->pending > 0;
	entry_settle(e);
}

void backoff_result(const struct backoff_who *who, bool good)
{
	uint8_t here[KEY_LEN], wide[KEY_LEN];
	struct entry *e;

	make_key(who, false, here);
	if (!good) {
		make_key(who, true, wide);
		entry_fail(wide);
		entry_fail(here);
		return;
	}
	e = entry_find(here);
	if (!e)
		return;
	e->failures = 0;
	e->free = 0;
	entry_settle(e);
}

size_t backoff_entries(void)
{
	return table.count;
}

void backoff_fini(void)
{
	while (!list_empty(&lru))
		entry_drop(container_of(lru.next, struct entry, lru));
	hash_fini(&table);
}
