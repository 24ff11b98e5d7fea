/* SPDX-License-Identifier: MIT
 *
 * Connections counted by peer address.  The table is shared by the I/O threads
 * and behind a mutex: it is entered twice in a connection's life, which is
 * nothing beside a handshake.
 */
#include <netinet/in.h>
#include <pthread.h>

#include "net/listener_priv.h"
#include "util/hash.h"
#include "util/mem.h"

struct peer_slot {
	struct hash_node node;
	struct peer_table *table;
	uint8_t key[16];
	size_t count;
};

struct peer_table {
	pthread_mutex_t lock;
	struct hash slots;
	size_t max;
};

struct peer_table *peer_table_new(size_t max_per_address)
{
	struct peer_table *table = mem_new(struct peer_table);

	JD_ASSERT(pthread_mutex_init(&table->lock, NULL) == 0);
	hash_init(&table->slots);
	table->max = max_per_address;
	return table;
}

void peer_table_free(struct peer_table *table)
{
	if (!table)
		return;
	JD_ASSERT(table->slots.count == 0);
	hash_fini(&table->slots);
	pthread_mutex_destroy(&table->lock);
	mem_free(table);
}

/* IPv4 as a mapped address, IPv6 as its /64: one customer has at least that much. */
static void make_key(const struct sockaddr_storage *addr, uint8_t key[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;

	memset(key, 0, 16);
	if (addr->ss_family == AF_INET) {
		memcpy(key, mapped, sizeof(mapped));
		memcpy(key + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	} else if (addr->ss_family == AF_INET6) {
		bool v4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		memcpy(key, &in6->sin6_addr, v4 ? 16 : 8);
	}
}

static bool same_key(const struct hash_node *node, const void *key)
{
	return memcmp(container_of(node, struct peer_slot, node)->key, key, 16) == 0;
}

/* Locked. */
static struct peer_slot *enter(struct peer_table *table, const uint8_t key[16])
{
	uint64_t hash = hash_bytes(key, 16);
	struct hash_node *node = hash_find(&table->slots, hash, same_key, key);
	struct peer_slot *slot;

	if (node) {
		slot = container_of(node, struct peer_slot, node);
		if (slot->count >= table->max)
			return NULL;
		slot->count++;
		return slot;
	}
	slot = mem_new(struct peer_slot);
	slot->table = table;
	slot->count = 1;
	memcpy(slot->key, key, 16);
	hash_insert(&table->slots, &slot->node, hash);
	return slot;
}

struct peer_slot *peer_enter(struct peer_table *table, const struct sockaddr_storage *addr)
{
	struct peer_slot *slot;
	uint8_t key[16];

	make_key(addr, key);
	pthread_mutex_lock(&table->lock);
	slot = enter(table, key);
	pthread_mutex_unlock(&table->lock);
	return slot;
}

void peer_leave(struct peer_slot *slot)
{
	struct peer_table *table = slot->table;

	pthread_mutex_lock(&table->lock);
	if (--slot->count == 0) {
		hash_remove(&table->slots, &slot->node);
		mem_free(slot);
	}
	pthread_mutex_unlock(&table->lock);
}
