/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the stream of a client: the whole state machine, from the first byte
 * to the bound session, against a logic side that answers by itself.
 *
 * The first byte says where it begins (bits 0 and 1: a connection; its header
 * said; logged in; bound), whether by WebSocket (bit 2), whether logic has
 * trouble (bits 3 and 4), whether it is a component's (bit 5: logged in is bound),
 * and the second into how large pieces it is cut.
 *
 * Whole and in pieces, logic must have been told the same and the client must
 * have been answered the same; nothing but questions may reach logic before the
 * session is bound, and nothing at all behind its end.
 */
#include "c2s_fixture.h"

#define WS_GET                                                                                     \
	"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"                \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                   \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
#define WS_OPEN "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
#define WS_BIND                                                                                    \
	"<iq xmlns='jabber:client' type='set' id='b1'><bind "                                      \
	"xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;

/* Fewer turns than the tests have: what takes longer would be seen as a difference. */
static void settle(void)
{
	for (int i = 0; i < 10; i++)
		world_turn(&w);
}

static const struct http_settings http = {.routes = &c2s_ws_route, .n_routes = 1};

/* -- sending ------------------------------------------------------------------------------ */

static void put(struct client *cl, const void *data, size_t n)
{
	client_send_n(cl, data, n);
	settle();
	client_read(cl);
}

static void say(struct client *cl, bool framed, const char *text)
{
	size_t n = strlen(text);
	char head[8] = {(char)0x81, (char)(0x80 | (n < 126 ? n : 126)), (char)(n >> 8), (char)n};

	if (framed && n < 126)
		memset(head + 2, 0, 4);
	if (framed)
		client_send_n(cl, head, n < 126 ? 6 : 8);
	put(cl, text, n);
}

static void begin_component(struct client *cl, unsigned from)
{
	char handshake[128];

	client_connect_to(&w, cl, NULL, component_accepted, NULL);
	if (from >= 2) {
		component_shake(cl, "brush", handshake);
		say(cl, false, handshake);
	} else if (from == 1) {
		say(cl, false, COMPONENT_IN);
	}
}

/* As far as `from` says; what was answered is no concern of ours. */
static void begin_client(struct client *cl, unsigned from, bool framed)
{
	if (framed) {
		client_connect_to(&w, cl, NULL, http_accepted, (void *)(uintptr_t)&http);
		put(cl, WS_GET, strlen(WS_GET));
	} else {
		client_connect(&w, cl);
	}
	if (from >= 1)
		say(cl, framed, framed ? WS_OPEN : HEADER_IN);
	if (from >= 2) {
		say(cl, framed, AUTH("PLAIN", PLAIN_GOOD));
		say(cl, framed, framed ? WS_OPEN : HEADER_IN);
	}
	if (from >= 3)
		say(cl, framed, framed ? WS_BIND : BIND("b1", "<resource>r</resource>"));
}

static void begin(struct client *cl, unsigned from, bool framed, bool component)
{
	if (component)
		begin_component(cl, from);
	else
		begin_client(cl, from, framed);
	client_read(cl);
	cl->in.len = 0;
	w.log.len = 0;
	w.elements = 0;
}

/* -- what cannot be the same twice ------------------------------------------------------------ */

/* Our part of nonces is random: a challenge reads as one mark. */
static void hide_challenges(struct buf *b)
{
	char *from = b->len ? b->p : NULL;

	while (from && (from = memmem(from, b->len - (size_t)(from - b->p), "<challenge", 10))) {
		char *open = memchr(from, '>', b->len - (size_t)(from - b->p));
		char *end = open ? memchr(open, '<', b->len - (size_t)(open - b->p)) : NULL;

		if (!end)
			return;
		memset(open + 1, '?', (size_t)(end - open - 1));
		from = end;
	}
}

/* Logic's side of the story must be possible at all. */
static void check_log(unsigned from, bool component)
{
	const char *bound, *element;

	JD_ASSERT(buf_append(&w.log, "", 1) == 0);
	w.log.len--;
	element = strstr(w.log.p, "STANZA ");
	if (!element)
		element = strstr(w.log.p, "NONZA ");
	bound = strstr(w.log.p, "BIND ");
	if (component)
		bound = strstr(w.log.p, "COMPONENT ");
	if (element && from < 3)
		JD_ASSERT(bound && bound < element);
	if (bound && from < 2 && !component)
		JD_ASSERT(strstr(w.log.p, "GOOD ") && strstr(w.log.p, "GOOD ") < bound);
	JD_ASSERT(from < 3 || !bound);
}

struct outcome {
	struct buf told, heard;
	bool eof;
};

static void run(const uint8_t *data, size_t size, unsigned how, size_t step, struct outcome *ret)
{
	bool component = how & 32;
	unsigned from = component && (how & 3) == 2 ? 3 : how & 3;
	bool framed = how & 4;
	struct client cl;

	w.auth_status = how & 8 ? AUTH_TEMPORARY : AUTH_GIVEN;
	w.refuse = how & 16;
	if (from >= 2)
		w.auth_status = AUTH_GIVEN;
	if (from >= 3)
		w.refuse = false;
	begin(&cl, from, framed, component);
	for (size_t at = 0, n; at < size; at += n) {
		n = step < size - at ? step : size - at;
		client_send_n(&cl, (const char *)data + at, n);
	}
	settle();
	clock_fake_advance(JD_USEC_PER_SEC / 2); /* what is held back comes out */
	settle();
	client_read(&cl);
	check_log(from, component);
	ret->eof = cl.eof;
	ret->told = w.log;
	ret->heard = cl.in;
	hide_ids(&ret->heard);
	hide_challenges(&ret->heard);
	buf_init(&w.log, 1 << 22);
	close(cl.fd);
	alarm(60);
	while (w.link)
		world_turn(&w);
	alarm(0);
	settle();
	JD_ASSERT(!memmem(w.log.p ? w.log.p : "", w.log.len, "STANZA", 6));
}

static void same(const struct buf *a, const struct buf *b)
{
	if (jd_str_eq(buf_str(a), buf_str(b)))
		return;
	(void)fprintf(stderr, "whole:  %.*s\npieces: %.*s\n", (int)a->len, a->p ? a->p : "",
		      (int)b->len, b->p ? b->p : "");
	mem_die(__FILE__, __LINE__, "the pieces matter");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, pieces;

	if (size < 2 || size > 20000)
		return 0;
	if (!w.io)
		world_start(&w);
	run(data + 2, size - 2, data[0], size, &whole);
	/* A few hundred pieces are enough. */
	run(data + 2, size - 2, data[0], (size_t)data[1] % 32 + 1 + size / 300, &pieces);
	same(&whole.told, &pieces.told);
	same(&whole.heard, &pieces.heard);
	JD_ASSERT(whole.eof == pieces.eof);
	buf_free(&whole.told);
	buf_free(&whole.heard);
	buf_free(&pieces.told);
	buf_free(&pieces.heard);
	return 0;
}
