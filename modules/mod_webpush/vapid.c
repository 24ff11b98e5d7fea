/* SPDX-License-Identifier: MIT
 *
 * Who sends (RFC 8292): a token signed with the key that the client has subscribed
 * with, for the origin of the service and a few hours.
 */
#include "webpush.h"

#define LIFETIME (12 * 3600) /* seconds; services take at most a day */

struct jd_str webpush_json(struct jd_arena *arena, struct jd_str text)
{
	static const char hex[] = "0123456789abcdef";
	char *out = jd_arena_bytes(arena, text.len * 6 + 3);
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c < 0x20) {
			memcpy(out + n, "\\u00", 4);
			out[n + 4] = hex[c >> 4];
			out[n + 5] = hex[c & 15];
			n += 6;
			continue;
		}
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = (char)c;
	}
	out[n++] = '"';
	out[n] = '\0';
	return (struct jd_str){out, n};
}

struct jd_str webpush_origin(struct jd_arena *arena, struct jd_str url)
{
	static const char scheme[] = "https://";
	struct jd_str copy = jd_arena_str(arena, url);
	char *p = (char *)copy.p;
	size_t n = sizeof(scheme) - 1;

	for (size_t i = 0; i < copy.len; i++) {
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return JD_STR_NULL;
	}
	for (size_t i = 0; i < copy.len && (i < n || !strchr("/?#", p[i])); i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] - 'A' + 'a');
	if (copy.len <= n || memcmp(p, scheme, n) != 0)
		return JD_STR_NULL;
	n += strcspn(p + n, "/?#");
	copy.len = n;
	if (n == sizeof(scheme) - 1 || memchr(p, '@', n) || memchr(p, '\\', n) || memchr(p, '"', n))
		return JD_STR_NULL;
	if (n > 4 && memcmp(p + n - 4, ":443", 4) == 0)
		copy.len -= 4;
	return copy;
}

static struct jd_str encode(struct jd_arena *arena, const void *data, size_t n)
{
	char *text = jd_arena_bytes(arena, JD_BASE64URL_SIZE(n));

	return (struct jd_str){text, jd_base64url(data, n, text)};
}

static struct jd_str claims(struct jd_arena *arena, struct jd_str origin, struct jd_str contact,
			    jd_usec now)
{
	struct jd_str sub = contact.p ? webpush_json(arena, contact) : JD_STR_NULL;

	return jd_arena_printf(arena, "{\"aud\":%.*s,\"exp\":%llu%s%.*s}",
			       JD_FMT(webpush_json(arena, origin)),
			       (unsigned long long)(now / JD_USEC_PER_SEC + LIFETIME),
			       sub.p ? ",\"sub\":" : "", (int)sub.len, sub.p ? sub.p : "");
}

struct jd_str webpush_vapid(struct jd_arena *arena, const uint8_t private[JD_EC_PRIVATE],
			    struct jd_str origin, struct jd_str contact, jd_usec now)
{
	static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ES256\"}";
	struct jd_str said = claims(arena, origin, contact, now);
	struct jd_str head = encode(arena, header, sizeof(header) - 1);
	struct jd_str body = encode(arena, said.p, said.len);
	struct jd_str text = jd_arena_printf(arena, "%.*s.%.*s", JD_FMT(head), JD_FMT(body));
	uint8_t signature[JD_EC_SIGNATURE], public[JD_EC_PUBLIC];

	if (jd_ec_sign(private, text, signature) < 0 || jd_ec_public(private, public) < 0)
		return JD_STR_NULL;
	return jd_arena_printf(arena, "Authorization: vapid t=%.*s.%.*s, k=%.*s", JD_FMT(text),
			       JD_FMT(encode(arena, signature, sizeof(signature))),
			       JD_FMT(encode(arena, public, sizeof(public))));
}
