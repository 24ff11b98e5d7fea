/* SPDX-License-Identifier: MIT
 *
 * SipHash-1-3 and the hash table.
 *
 * While the table is being doubled, the old slots are emptied from the front.
 * A slot of the old table that has not been reached yet is still the home of
 * its nodes, for lookups and for inserts; so every node is in exactly one place,
 * told by its hash alone.  Only inserts move: iterating, finding and removing
 * leave the order of things as it is.
 */
#include "util/hash.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "util/mem.h"

#define FIRST_SLOTS     ((size_t)16)
#define MOVE_PER_INSERT 4

static uint64_t key[2];

static void make_key(void)
{
	ssize_t n;

	do
		n = getrandom(key, sizeof(key), 0);
	while (n < 0 && errno == EINTR);
	JD_ASSERT(n == (ssize_t)sizeof(key));
}

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/* Little-endian whatever the machine. */
static inline uint64_t load64(const unsigned char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? x : __builtin_bswap64(x);
}

uint64_t hash_siphash13(const uint64_t k[2], const void *data, size_t n)
{
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575ULL, k[1] ^ 0x646f72616e646f6dULL,
			 k[0] ^ 0x6c7967656e657261ULL, k[1] ^ 0x7465646279746573ULL};
	const unsigned char *p = data;
	uint64_t m = (uint64_t)n << 56;
	size_t rest = n & 7;

	for (size_t i = 0; i < n >> 3; i++, p += 8) {
		uint64_t w = load64(p);

		v[3] ^= w;
		sip_round(v);
		v[0] ^= w;
	}
	while (rest--)
		m |= (uint64_t)p[rest] << (8 * rest);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_bytes(const void *p, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_key);
	return hash_siphash13(key, p, n);
}

void hash_init(struct hash *h)
{
	*h = (struct hash){.slots = NULL};
}

void hash_fini(struct hash *h)
{
	mem_free(h->slots);
	mem_free(h->old);
	hash_init(h);
}

/* The slot that is the home of this hash now; the table has slots. */
static struct hash_node **slot_of(struct hash *h, uint64_t hash)
{
	if (h->old && (hash & h->old_mask) >= h->moved)
		return &h->old[hash & h->old_mask];
	return &h->slots[hash & h->mask];
}

static void move_some(struct hash *h, size_t slots)
{
	struct hash_node *n, *next, **to;

	for (; h->old && slots; slots--) {
		for (n = h->old[h->moved]; n; n = next) {
			next = n->next;
			to = &h->slots[n->hash & h->mask];
			n->next = *to;
			*to = n;
		}
		if (h->moved++ == h->old_mask) {
			mem_free(h->old);
			h->old = NULL;
		}
	}
}

static void grow(struct hash *h)
{
	size_t size = h->slots ? (h->mask + 1) * 2 : FIRST_SLOTS;

	/* Four slots per insert are done long before the next doubling; this is for certainty. */
	move_some(h, SIZE_MAX);
	h->old = h->slots;
	h->old_mask = h->mask;
	h->moved = 0;
	h->slots = mem_alloc(size * sizeof(struct hash_node *));
	h->mask = size - 1;
}

struct hash_node *hash_find(struct hash *h, uint64_t hash, hash_eq_fn eq, const void *arg)
{
	if (!h->slots)
		return NULL;
	for (struct hash_node *n = *slot_of(h, hash); n; n = n->next) {
		if (n->hash == hash && eq(n, arg))
			return n;
	}
	return NULL;
}

void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash)
{
	struct hash_node **slot;

	if (!h->slots || h->count > h->mask)
		grow(h);
	move_some(h, MOVE_PER_INSERT);
	slot = slot_of(h, hash);
	node->hash = hash;
	node->next = *slot;
	*slot = node;
	h->count++;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
	struct hash_node **at;

	JD_ASSERT(h->slots);
	at = slot_of(h, node->hash);
	while (*at != node) {
		JD_ASSERT(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	h->count--;
}

struct hash_node *hash_each(struct hash *h, struct hash_iter *it)
{
	struct hash_node *n;

	if (!h->slots)
		return NULL;
	while (!it->next) {
		if (!it->in_old && it->slot <= h->mask) {
			it->next = h->slots[it->slot++];
		} else if (!it->in_old) {
			it->in_old = true;
			it->slot = h->moved;
		} else if (h->old && it->slot <= h->old_mask) {
			it->next = h->old[it->slot++];
		} else {
			return NULL;
		}
	}
	n = it->next;
	it->next = n->next;
	return n;
}
