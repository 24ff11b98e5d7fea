/* SPDX-License-Identifier: MIT
 *
 * Reading the PROXY protocol.  Version 1 is a line of text, version 2 has 16
 * fixed bytes, addresses, and TLVs.  How many bytes are certain to belong to the
 * header is known at every moment, so no more than those are taken.
 */
#include "net/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "util/mem.h"

#define V2_FIXED 16
#define V2_INET  12
#define V2_INET6 36

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r',
				   '\n', 'Q',  'U',  'I',  'T',  '\n'};

/* -- version 1 --------------------------------------------------------------------------- */

/* The next word behind the one space at *p; NULL when there is none. */
static char *next_word(char **p)
{
	char *word = *p, *end;

	if (*word++ != ' ' || *word == ' ' || *word == '\0')
		return NULL;
	end = word + strcspn(word, " ");
	*p = end;
	return word;
}

/* 0 to 65535 without leading zeros, or -1. */
static long port_of(const char *text)
{
	size_t n = strspn(text, "0123456789");
	long port;

	if (n == 0 || n > 5 || text[n] != '\0' || (text[0] == '0' && n > 1))
		return -1;
	port = strtol(text, NULL, 10);
	return port <= 65535 ? port : -1;
}

static bool address_of(int family, const char *text, long port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (port < 0)
		return false;
	if (family == AF_INET) {
		in->sin_port = htons((uint16_t)port);
		return inet_pton(AF_INET, text, &in->sin_addr) == 1;
	}
	in6->sin6_port = htons((uint16_t)port);
	return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
}

/* "PROXY TCP4 source destination port port": 0, 1 with no address, or -1. */
static int read_line(const struct proxy_reader *r, struct sockaddr_storage *ret_source)
{
	char line[PROXY_V1_MAX + 1], *at = line + 5, *words[5];
	struct sockaddr_storage to;
	size_t len = r->have - (size_t)2;
	int family;

	memcpy(line, r->head, len);
	line[len] = '\0';
	if (strlen(line) != len || strncmp(line, "PROXY", 5) != 0)
		return -1;
	words[0] = next_word(&at);
	if (!words[0])
		return -1;
	/* The rest of that line must be ignored. */
	if (strncmp(words[0], "UNKNOWN", 7) == 0 && (words[0][7] == ' ' || words[0][7] == '\0'))
		return 1;
	for (int i = 1; i < 5; i++) {
		words[i] = next_word(&at);
		if (!words[i])
			return -1;
	}
	if (*at != '\0')
		return -1;
	for (int i = 1; i < 5; i++)
		words[i][-1] = '\0';
	family = strcmp(words[0], "TCP4") == 0 ? AF_INET
					       : (strcmp(words[0], "TCP6") == 0 ? AF_INET6 : -1);
	if (family < 0 || !address_of(family, words[1], port_of(words[3]), ret_source) ||
	    !address_of(family, words[2], port_of(words[4]), &to))
		return -1;
	return 0;
}

static int feed_line(struct proxy_reader *r, char ch)
{
	static const char start[] = "PROXY ";
	struct sockaddr_storage source;

	/* What is none is refused by its first wrong byte. */
	if (r->have <= 6 && ch != start[r->have - 1])
		return -JD_EINVAL;
	if (ch != '\n')
		return r->have < PROXY_V1_MAX ? PROXY_MORE : -JD_EINVAL;
	if (r->have < 2 || r->head[r->have - 2] != '\r' || read_line(r, &source) < 0)
		return -JD_EINVAL;
	r->over = true;
	return 0;
}

/* -- version 2 --------------------------------------------------------------------------- */

static unsigned byte_at(const struct proxy_reader *r, size_t i)
{
	return (unsigned char)r->head[i];
}

/* Bytes of addresses that are kept; 0 when there are none that we know. */
static size_t v2_addresses(const struct proxy_reader *r)
{
	bool proxied = (byte_at(r, 12) & 15) == 1;
	unsigned family = byte_at(r, 13);

	if (!proxied)
		return 0;
	return family == 0x11 ? V2_INET : (family == 0x21 ? V2_INET6 : 0);
}

/* The 16 bytes are there. */
static int v2_fixed(struct proxy_reader *r)
{
	unsigned command = byte_at(r, 12) & 15, family = byte_at(r, 13) >> 4,
		 kind = byte_at(r, 13) & 15;
	size_t keep;

	r->body = (uint16_t)(byte_at(r, 14) << 8 | byte_at(r, 15));
	if (byte_at(r, 12) >> 4 != 2 || command > 1 || V2_FIXED + (size_t)r->body > PROXY_MAX)
		return -JD_EINVAL;
	/* LOCAL: whatever the rest says does not count. */
	if (command == 1 && (family > 3 || kind > 2))
		return -JD_EINVAL;
	keep = v2_addresses(r);
	if (r->body < keep)
		return -JD_EINVAL;
	r->skip = (uint16_t)(r->body - keep);
	return keep || r->skip ? PROXY_MORE : 0;
}

static int feed_binary(struct proxy_reader *r, char ch)
{
	int e = PROXY_MORE;

	if (r->have <= sizeof(signature))
		return ch == signature[r->have - 1] ? PROXY_MORE : -JD_EINVAL;
	if (r->have == V2_FIXED)
		e = v2_fixed(r);
	else if (r->have > V2_FIXED && r->have == V2_FIXED + v2_addresses(r))
		e = r->skip ? PROXY_MORE : 0;
	r->over = e == 0;
	return e;
}

/* The addresses are there, and only TLVs to come. */
static bool skipping(const struct proxy_reader *r)
{
	return r->binary && r->skip && r->have >= V2_FIXED && r->have == V2_FIXED + v2_addresses(r);
}

/* -- both --------------------------------------------------------------------------------- */

static int feed_byte(struct proxy_reader *r, char ch)
{
	if (r->have == 0)
		r->binary = ch == signature[0];
	r->head[r->have++] = ch;
	return r->binary ? feed_binary(r, ch) : feed_line(r, ch);
}

int proxy_feed(struct proxy_reader *r, const char *p, size_t n, size_t *ret_used)
{
	size_t at = 0;
	int e = PROXY_MORE;

	while (at < n && e == PROXY_MORE) {
		if (skipping(r)) {
			size_t skip = n - at < r->skip ? n - at : r->skip;

			at += skip;
			r->skip = (uint16_t)(r->skip - skip);
			if (r->skip == 0) {
				r->over = true;
				e = 0;
			}
		} else {
			e = feed_byte(r, p[at++]);
		}
	}
	*ret_used = at;
	return e;
}

bool proxy_source(const struct proxy_reader *r, struct sockaddr_storage *ret_source)
{
	struct sockaddr_storage source = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *in = (struct sockaddr_in *)&source;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&source;

	JD_ASSERT(r->over);
	if (!r->binary) {
		if (read_line(r, &source) != 0)
			return false;
	} else if (v2_addresses(r) == V2_INET) {
		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, r->head + V2_FIXED, 4);
		memcpy(&in->sin_port, r->head + V2_FIXED + 8, 2);
	} else if (v2_addresses(r) == V2_INET6) {
		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, r->head + V2_FIXED, 16);
		memcpy(&in6->sin6_port, r->head + V2_FIXED + 32, 2);
	} else {
		return false;
	}
	*ret_source = source;
	return true;
}

/* -- networks ------------------------------------------------------------------------------ */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool bit_at(const uint8_t bytes[16], unsigned i)
{
	return bytes[i / 8] & (0x80u >> i % 8);
}

int proxy_net_parse(const char *text, struct proxy_net *ret_net)
{
	struct proxy_net net = {.bits = 128};
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	bool v4;

	if (n >= sizeof(address))
		return -JD_EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	v4 = inet_pton(AF_INET, address, net.bytes + 12) == 1;
	if (v4)
		memcpy(net.bytes, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, address, net.bytes) != 1)
		return -JD_EINVAL;
	if (slash) {
		long bits = port_of(slash + 1);

		if (bits < 0 || bits > (v4 ? 32 : 128))
			return -JD_EINVAL;
		net.bits = (uint8_t)(bits + (v4 ? 96 : 0));
	}
	for (unsigned i = net.bits; i < 128; i++)
		if (bit_at(net.bytes, i))
			return -JD_EINVAL;
	*ret_net = net;
	return 0;
}

static bool in_net(const struct proxy_net *net, const uint8_t bytes[16])
{
	for (unsigned i = 0; i < net->bits; i++)
		if (bit_at(net->bytes, i) != bit_at(bytes, i))
			return false;
	return true;
}

bool proxy_net_has(const struct proxy_net *nets, size_t n, const struct sockaddr_storage *addr)
{
	uint8_t bytes[16];

	if (addr->ss_family == AF_INET) {
		memcpy(bytes, mapped, sizeof(mapped));
		memcpy(bytes + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	} else if (addr->ss_family == AF_INET6) {
		memcpy(bytes, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
	} else {
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (in_net(&nets[i], bytes))
			return true;
	return false;
}
