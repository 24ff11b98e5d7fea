/* SPDX-License-Identifier: MIT
 *
 * Logging in; see login.h.
 */
#include "login.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"

#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"

static const char *const mechanisms[] = {
	[BENCH_PLAIN] = "PLAIN",
	[BENCH_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[BENCH_SCRAM_SHA_256] = "SCRAM-SHA-256",
};

/* -- saying ------------------------------------------------------------------------------- */

void login_frame(struct bench_client *c, unsigned opcode, const char *p, size_t n)
{
	unsigned char head[CUT_FRAME_HEAD];

	bench_queue(c, head, cut_frame_head(head, opcode, n));
	bench_queue(c, p, n);
	cut_mask(c->out + c->out_len - n, n);
}

void login_stanza(struct bench_client *c, const char *p, size_t n)
{
	static const char ns[] = " xmlns='jabber:client'";
	size_t name = strcspn(p, " />"), at;
	unsigned char head[CUT_FRAME_HEAD];

	c->sm_out += c->counting;
	if (!c->framed) {
		bench_queue(c, p, n);
		return;
	}
	bench_queue(c, head, cut_frame_head(head, 1, n + sizeof(ns) - 1));
	at = c->out_len;
	bench_queue(c, p, name);
	bench_queue(c, ns, sizeof(ns) - 1);
	bench_queue(c, p + name, n - name);
	cut_mask(c->out + at, c->out_len - at);
}

void login_say(struct bench_client *c, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		bench_client_over(c, "a name that is too long");
	else if (cut_starts(text, (size_t)n, "<iq ") || cut_starts(text, (size_t)n, "<presence"))
		login_stanza(c, text, (size_t)n);
	else if (c->framed)
		login_frame(c, 1, text, (size_t)n);
	else
		bench_queue(c, text, (size_t)n);
}

static void open_stream(struct bench_client *c)
{
	if (c->framed)
		login_say(
			c,
			"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>",
			c->target->host);
	else
		login_say(c,
			  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
			  "xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>",
			  c->target->host);
}

/* -- the steps --------------------------------------------------------------------------------- */

static void ready(struct bench_client *c)
{
	c->state = BENCH_READY;
	c->loop->ready++;
	if (c->on_ready)
		c->on_ready(c);
}

void login_begin(struct bench_client *c)
{
	switch (c->target->transport) {
	case BENCH_RAW:
	case BENCH_RAW_TLS:
		ready(c);
		return;
	case BENCH_WS:
	case BENCH_WSS:
		c->state = BENCH_UPGRADE;
		login_say(c,
			  "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: "
			  "Upgrade\r\n"
			  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
			  "amFja2Rhdy1iZW5jaC0uLg==\r\n"
			  "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
			  c->target->path, c->target->host);
		return;
	default:
		c->state = c->target->transport == BENCH_STARTTLS && !c->ssl ? BENCH_STARTING
									     : BENCH_AUTH;
		open_stream(c);
	}
}

size_t login_upgrade(struct bench_client *c, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);

	if (!end)
		return 0;
	if (!cut_starts(p, n, "HTTP/1.1 101 ")) {
		bench_client_over(c, "no WebSocket there");
		return 0;
	}
	c->state = BENCH_AUTH;
	c->framed = true;
	open_stream(c);
	return (size_t)(end - p) + 4;
}

static void say_base64(struct bench_client *c, const char *tag, const char *attr, const void *p,
		       size_t n)
{
	unsigned char text[SCRAM_TEXT * 2];

	EVP_EncodeBlock(text, p, (int)n);
	login_say(c, "<%s xmlns='" SASL_NS "'%s>%s</%s>", tag, attr, text, tag);
}

static void auth(struct bench_client *c)
{
	enum bench_mechanism m = c->target->mechanism;
	char first[SCRAM_TEXT], attr[40];
	size_t n;

	snprintf(attr, sizeof(attr), " mechanism='%s'", mechanisms[m]);
	if (m == BENCH_PLAIN) {
		n = (size_t)snprintf(first, sizeof(first), "%c%s%c%s", 0, c->user, 0, c->password);
	} else {
		c->scram = bench_grow(c->scram, sizeof(*c->scram));
		if (!scram_first(c->scram, m == BENCH_SCRAM_SHA_256, c->user, first, sizeof(first)))
			bench_fail("no random bytes");
		n = strlen(first);
	}
	say_base64(c, "auth", attr, first, n);
}

static bool is(const char *p, size_t n, const char *id, const char *type)
{
	size_t len;
	const char *v = cut_starts(p, n, "<iq") ? bench_attr(p, n, "id", &len) : NULL;

	if (!v || len != strlen(id) || memcmp(v, id, len) != 0)
		return false;
	v = bench_attr(p, n, "type", &len);
	return v && len == strlen(type) && memcmp(v, type, len) == 0;
}

/* The base64 inside of <challenge/> or <success/>, as text. */
static bool decoded(const char *p, size_t n, char *ret_text)
{
	const char *from = memchr(p, '>', n), *to;
	size_t len;

	if (!from++ || !(to = memchr(from, '<', (size_t)(p + n - from))))
		return false;
	len = (size_t)(to - from);
	if (len > SCRAM_TEXT || len % 4)
		return false;
	len = (size_t)EVP_DecodeBlock((unsigned char *)ret_text, (const unsigned char *)from,
				      (int)len);
	while (to > from && *--to == '=')
		len--;
	ret_text[len] = 0;
	return true;
}

static void on_auth(struct bench_client *c, const char *p, size_t n)
{
	char text[SCRAM_TEXT + 1], answer[SCRAM_TEXT];

	if (cut_starts(p, n, "<challenge") && c->scram) {
		if (decoded(p, n, text) && scram_final(c->scram, c->password, text, &c->loop->key,
						       &c->key, answer, sizeof(answer)))
			say_base64(c, "response", "", answer, strlen(answer));
		else
			bench_client_over(c, "a challenge that makes no sense");
	} else if (cut_starts(p, n, "<success")) {
		if (c->scram && !(decoded(p, n, text) && scram_verify(c->scram, text))) {
			bench_client_over(c, "the server does not know the password");
			return;
		}
		free(c->scram);
		c->scram = NULL;
		c->state = BENCH_BIND;
		open_stream(c);
	} else {
		bench_client_over(c, "login refused");
	}
}

static void say_presence(struct bench_client *c)
{
	c->state = BENCH_PRESENCE;
	login_say(c, "%s", "<presence/>");
	login_say(c, "<iq type='get' id='ready'><ping xmlns='urn:xmpp:ping'/></iq>");
}

static void bound(struct bench_client *c)
{
	if (c->target->roster) {
		c->state = BENCH_ROSTER;
		login_say(c, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
	} else {
		say_presence(c);
	}
}

static void on_bind(struct bench_client *c, const char *p, size_t n)
{
	if (!is(p, n, "bind", "result")) {
		bench_client_over(c, "bind refused");
	} else if (c->target->sm) {
		c->state = BENCH_ENABLE;
		c->sm_in = c->sm_out = c->sm_acked = 0;
		login_say(c, "<enable xmlns='urn:xmpp:sm:3'/>");
		c->counting = true;
	} else {
		bound(c);
	}
}

static void on_enable(struct bench_client *c, const char *p, size_t n)
{
	if (cut_starts(p, n, "<enabled"))
		bound(c);
	else if (cut_starts(p, n, "<failed"))
		bench_client_over(c, "XEP-0198 refused");
}

static void on_features(struct bench_client *c)
{
	if (c->state == BENCH_STARTING)
		login_say(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
	else if (c->state == BENCH_AUTH)
		auth(c);
	else if (c->state == BENCH_BIND)
		login_say(c,
			  "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
			  "<resource>bench</resource></bind></iq>");
}

static void on_step(struct bench_client *c, const char *p, size_t n)
{
	if (cut_starts(p, n, "<stream:features") || cut_starts(p, n, "<features")) {
		on_features(c);
		return;
	}
	switch (c->state) {
	case BENCH_STARTING:
		if (cut_starts(p, n, "<proceed"))
			bench_shake(c);
		else
			bench_client_over(c, "STARTTLS refused");
		break;
	case BENCH_AUTH:
		on_auth(c, p, n);
		break;
	case BENCH_BIND:
		on_bind(c, p, n);
		break;
	case BENCH_ENABLE:
		on_enable(c, p, n);
		break;
	case BENCH_ROSTER:
		if (is(p, n, "roster", "result"))
			say_presence(c);
		break;
	case BENCH_PRESENCE:
		/* A server without ping says so, and that is an answer too. */
		if (is(p, n, "ready", "result") || is(p, n, "ready", "error"))
			ready(c);
		break;
	default:
		break;
	}
}

/* A server asks whether somebody is there, or tells of the roster: answered like any client
 * would. */
static bool asked(struct bench_client *c, const char *p, size_t n)
{
	size_t type_len, id_len, from_len;
	const char *type, *id, *from;

	if (!cut_starts(p, n, "<iq") || !(type = bench_attr(p, n, "type", &type_len)) ||
	    type_len != 3 || !(id = bench_attr(p, n, "id", &id_len)))
		return false;
	from = bench_attr(p, n, "from", &from_len);
	if (from && from_len < 256)
		login_say(c, "<iq type='result' id='%.*s' to='%.*s'/>", (int)id_len, id,
			  (int)from_len, from);
	else
		login_say(c, "<iq type='result' id='%.*s'/>", (int)id_len, id);
	return true;
}

/* XEP-0198: stanzas are counted, and what is said about their number is dealt with here. */
static bool counted(struct bench_client *c, const char *p, size_t n)
{
	size_t len;
	const char *h;

	if (cut_starts(p, n, "<message") || cut_starts(p, n, "<iq") ||
	    cut_starts(p, n, "<presence")) {
		c->sm_in++;
	} else if (cut_starts(p, n, "<r ") || cut_starts(p, n, "<r/")) {
		login_say(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm_in);
		return true;
	} else if (cut_starts(p, n, "<a ")) {
		h = bench_attr(p, n, "h", &len);
		c->sm_acked = h ? (uint32_t)strtoul(h, NULL, 10) : 0;
		if (c->sm_acked > c->sm_out)
			bench_client_over(c, "the server acknowledged what was not sent");
		return true;
	}
	return false;
}

void login_element(struct bench_client *c, const char *p, size_t n)
{
	if (cut_starts(p, n, "<stream:error") || cut_starts(p, n, "<error"))
		bench_client_over(c, "stream error");
	else if (c->counting && counted(c, p, n))
		return;
	else if (c->state < BENCH_PRESENCE)
		on_step(c, p, n);
	else if (asked(c, p, n))
		return;
	else if (c->state != BENCH_READY && !cut_starts(p, n, "<message"))
		on_step(c, p, n);
	else if (c->on_stanza)
		c->on_stanza(c, p, n);
}
