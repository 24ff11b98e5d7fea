/* SPDX-License-Identifier: MIT
 *
 * Message encryption for Web Push (RFC 8291): one record of aes128gcm (RFC 8188),
 * with a key that only the receiver can make again, from a key pair made for this message.
 */
#include "webpush.h"

#define RECORD_SIZE 4096
#define HEADER_SIZE (SALT_BYTES + 4 + 1 + JD_EC_PUBLIC)
#define LAST_RECORD 2 /* the delimiter behind the text */

void webpush_sender(struct sender *s)
{
	jd_ec_make(s->private, s->public);
	jd_random(s->salt, sizeof(s->salt));
}

static struct jd_str bytes(const void *p, size_t n)
{
	return (struct jd_str){p, n};
}

/* Section 3.4: the shared secret, bound to both public keys and the receiver's secret. */
static int input_key(const struct receiver *to, const struct sender *from, uint8_t key[32])
{
	static const char label[] = "WebPush: info"; /* with its end */
	uint8_t info[sizeof(label) + JD_EC_PUBLIC + JD_EC_PUBLIC], shared[JD_EC_SHARED];
	int r = jd_ec_shared(from->private, to->p256dh, shared);

	if (r < 0)
		return r;
	memcpy(info, label, sizeof(label));
	memcpy(info + sizeof(label), to->p256dh, JD_EC_PUBLIC);
	memcpy(info + sizeof(label) + JD_EC_PUBLIC, from->public, JD_EC_PUBLIC);
	jd_hkdf(JD_HASH_SHA256, bytes(to->auth, AUTH_BYTES), bytes(shared, sizeof(shared)),
		bytes(info, sizeof(info)), key, 32);
	return 0;
}

static void write_header(uint8_t *out, const struct sender *from)
{
	memcpy(out, from->salt, SALT_BYTES);
	out += SALT_BYTES;
	*out++ = 0;
	*out++ = 0;
	*out++ = RECORD_SIZE >> 8;
	*out++ = RECORD_SIZE & 0xff;
	*out++ = JD_EC_PUBLIC;
	memcpy(out, from->public, JD_EC_PUBLIC);
}

int webpush_encrypt(struct jd_arena *arena, const struct receiver *to, const struct sender *from,
		    struct jd_str text, struct jd_str *ret_body)
{
	uint8_t input[32], key[JD_SEAL_KEY], nonce[JD_SEAL_NONCE], *out, *record;
	struct jd_str salt = bytes(from->salt, SALT_BYTES);
	int r;

	if (text.len > TEXT_MAX)
		return -JD_ELIMIT;
	r = input_key(to, from, input);
	if (r < 0)
		return r;
	jd_hkdf(JD_HASH_SHA256, salt, bytes(input, sizeof(input)),
		bytes("Content-Encoding: aes128gcm", 28), key, sizeof(key));
	jd_hkdf(JD_HASH_SHA256, salt, bytes(input, sizeof(input)),
		bytes("Content-Encoding: nonce", 24), nonce, sizeof(nonce));
	record = jd_arena_alloc(arena, text.len + 1);
	memcpy(record, text.p, text.len);
	record[text.len] = LAST_RECORD;
	out = jd_arena_alloc(arena, HEADER_SIZE + text.len + 1 + JD_SEAL_TAG);
	write_header(out, from);
	jd_seal(key, nonce, bytes(record, text.len + 1), out + HEADER_SIZE);
	*ret_body = bytes(out, HEADER_SIZE + text.len + 1 + JD_SEAL_TAG);
	return 0;
}
