/* SPDX-License-Identifier: MIT
 *
 * An intrusive hash table keyed with SipHash, so that nobody outside can choose
 * colliding keys.  The table stores nodes that its users embed; it knows only
 * their 64-bit hash and asks the user to compare.
 *
 * It grows by doubling, moving a few buckets at each insert, so that no single
 * one pays for all.  Iteration order is undefined; removing the
 * current node while iterating is allowed, inserting is not.
 */
#pragma once

#include <jackdaw/types.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash {
	struct hash_node **slots;
	size_t mask;
	struct hash_node **old; /* the table before the last doubling, while it is being moved */
	size_t old_mask;
	size_t moved;
	size_t count;
};

/* The process-wide SipHash-1-3 of n bytes; the key is random per process. Any thread. */
uint64_t hash_bytes(const void *p, size_t n);
/* The same with a given key: for what must be stable across processes, and test vectors. */
uint64_t hash_siphash13(const uint64_t k[2], const void *data, size_t n);

static inline uint64_t hash_str(struct jd_str s)
{
	return hash_bytes(s.p, s.len);
}

void hash_init(struct hash *h); /* allocates nothing */
void hash_fini(struct hash *h); /* frees the slots; nodes are their owners' */

typedef bool (*hash_eq_fn)(const struct hash_node *node, const void *key);

struct hash_node *hash_find(struct hash *h, uint64_t hash, hash_eq_fn eq, const void *key);
/* The caller has made sure that no equal node is in the table. Sets node->hash. */
void hash_insert(struct hash *h, struct hash_node *node, uint64_t hash);
void hash_remove(struct hash *h, struct hash_node *node); /* must be in it */

struct hash_iter {
	size_t slot;
	struct hash_node *next;
	bool in_old;
};
/* NULL at the end; a zeroed iterator starts. */
struct hash_node *hash_each(struct hash *h, struct hash_iter *it);
