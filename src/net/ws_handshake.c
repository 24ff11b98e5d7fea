/* SPDX-License-Identifier: MIT
 *
 * Nothing here proves who the client is: the key only shows that the other side
 * speaks WebSocket, and that no cache answered in our place.
 */
#include "net/ws_handshake.h"

#include "net/http_parse.h"
#include "util/base64.h"
#include "util/crypto.h"

#define KEY_BYTES 16
#define SHA1_SIZE 20

/* The only value of this header; p NULL when it is absent or there twice. */
static struct jd_str only_header(const struct http_request *rq, const char *name)
{
	struct jd_str value = JD_STR_NULL;

	for (size_t i = 0; i < rq->n_headers; i++) {
		if (!jd_str_is(rq->headers[i].name, name))
			continue;
		if (value.p)
			return JD_STR_NULL;
		value = rq->headers[i].value;
	}
	return value;
}

static bool key_valid(struct jd_str key)
{
	uint8_t decoded[KEY_BYTES];
	size_t n;

	return key.len == BASE64_LEN(KEY_BYTES) &&
	       base64_decode(key, decoded, sizeof(decoded), &n) == 0 && n == KEY_BYTES;
}

static void accept_for(struct jd_str key, char ret_accept[WS_ACCEPT_LEN])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[BASE64_LEN(KEY_BYTES) + sizeof(guid) - 1];
	uint8_t digest[SHA1_SIZE];

	memcpy(text, key.p, key.len);
	memcpy(text + key.len, guid, sizeof(guid) - 1);
	crypto_digest(CRYPTO_SHA1, text, sizeof(text), digest);
	base64_encode(digest, sizeof(digest), ret_accept);
}

unsigned ws_handshake(const struct http_request *rq, const char *protocol,
		      char ret_accept[WS_ACCEPT_LEN])
{
	struct jd_str key = only_header(rq, "sec-websocket-key");

	/* HTTP/1.0 knows no upgrade. */
	if (rq->minor == 0 || !http_header_has(rq, "upgrade", "websocket", false))
		return 426;
	if (!jd_str_is(only_header(rq, "sec-websocket-version"), "13"))
		return 426;
	if (!http_header_has(rq, "connection", "upgrade", false) || !key_valid(key))
		return 400;
	if (!http_header_has(rq, "sec-websocket-protocol", protocol, true))
		return 400;
	accept_for(key, ret_accept);
	return 101;
}
