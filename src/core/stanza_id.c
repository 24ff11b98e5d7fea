/* SPDX-License-Identifier: MIT
 *
 * Ids of archived messages: one block of AES over owner and number.  A block
 * cipher is a permutation, so two messages never get the same id, and whoever
 * guesses one gets a number of the right owner with a chance of 1 in 2^64.  The key
 * is made from the secret that the database keeps, so ids stay what they are.
 */
#include <jackdaw/stanza_id.h>

#include "core/core.h"
#include "util/base64.h"

static struct crypto_block *cipher;

void stanza_id_init(void)
{
	static const char what[] = "key";
	uint8_t key[CRYPTO_MAX_DIGEST];

	stanza_id_fini();
	auth_secret_mac("stanza-id", what, sizeof(what) - 1, key);
	cipher = crypto_block_new(key);
	crypto_wipe(key, sizeof(key));
}

void stanza_id_fini(void)
{
	crypto_block_free(cipher);
	cipher = NULL;
}

static void put(uint8_t *out, uint64_t n)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(n >> (56 - 8 * i));
}

static uint64_t get(const uint8_t *in)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | in[i];
	return n;
}

struct jd_str jd_stanza_id_encode(struct jd_arena *arena, uint64_t owner, uint64_t id)
{
	char *text = jd_arena_bytes(arena, JD_STANZA_ID_LEN);
	uint8_t block[CRYPTO_BLOCK_LEN];

	put(block, owner);
	put(block + 8, id);
	crypto_block_encrypt(cipher, block, block);
	return (struct jd_str){text, base64url_encode(block, sizeof(block), text)};
}

int jd_stanza_id_decode(struct jd_str text, uint64_t owner, uint64_t *ret_id)
{
	uint8_t block[CRYPTO_BLOCK_LEN];
	size_t n;

	if (text.len != JD_STANZA_ID_LEN || base64url_decode(text, block, sizeof(block), &n) < 0 ||
	    n != sizeof(block))
		return -JD_ENOENT;
	crypto_block_decrypt(cipher, block, block);
	if (get(block) != owner)
		return -JD_ENOENT;
	*ret_id = get(block + 8);
	return 0;
}

/* -- what others say to be such an id --------------------------------------------------------- */

struct claim {
	struct jd_stanza *st;
	struct jd_jid account; /* bare */
};

static bool claims(struct jd_el child, const void *arg)
{
	const struct claim *c = arg;
	struct jd_str text;
	struct jd_jid by;

	if (!jd_el_is(child, JD_NS_SID, "stanza-id"))
		return false;
	text = jd_el_attr(child, "by");
	if (jd_str_eq(text, jd_jid_bare_str(c->st->from))) /* a room's: cheap, for all in it */
		return jd_jid_bare_eq(c->st->from, c->account);
	return jd_jid_parse(c->st->arena, text, &by) == 0 && jd_jid_eq(by, c->account);
}

void jd_stanza_strip_ids(struct jd_stanza *st, struct jd_jid account)
{
	const struct claim c = {st, jd_jid_bare(account)};

	(void)stanza_remove(st, JD_STR("stanza-id"), claims, &c);
}
