/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the PROXY protocol.  The first byte says in how large pieces the rest
 * comes; the outcome, and how many bytes belong to the header, must not depend on
 * them.  A header of version 1 must be the one that would be written for the
 * address that was read.  With bit 7 the rest is the text of a network.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/proxy.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int result;
	size_t used;
	bool known;
	struct sockaddr_storage source;
};

static void parse(const char *p, size_t size, size_t step, struct outcome *ret)
{
	struct proxy_reader r = {0};
	size_t used;

	memset(ret, 0, sizeof(*ret));
	ret->result = PROXY_MORE;
	while (ret->result == PROXY_MORE && ret->used < size) {
		size_t n = step < size - ret->used ? step : size - ret->used;
		/* of its own, so that reading behind it is seen */
		char *piece = mem_alloc_raw(n);

		memcpy(piece, p + ret->used, n);
		used = n;
		ret->result = proxy_feed(&r, piece, n, &used);
		JD_ASSERT(ret->result != PROXY_MORE || used == n);
		mem_free(piece);
		if (ret->result < 0)
			return;
		JD_ASSERT(used <= n);
		ret->used += used;
		JD_ASSERT(ret->used <= PROXY_MAX);
	}
	if (ret->result == 0)
		ret->known = proxy_source(&r, &ret->source);
}

/* The address as text must stand in the header, behind its family. */
static void check_text(const char *p, const struct outcome *o)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&o->source;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&o->source;
	bool six = o->source.ss_family == AF_INET6;
	char text[INET6_ADDRSTRLEN], line[PROXY_V1_MAX + 1];
	struct in6_addr again;
	char *end;

	JD_ASSERT(o->used >= 15 && o->used <= PROXY_V1_MAX);
	memcpy(line, p, o->used);
	line[o->used] = '\0';
	JD_ASSERT(memcmp(line, "PROXY ", 6) == 0 && memcmp(line + o->used - 2, "\r\n", 2) == 0);
	if (!o->known) {
		JD_ASSERT(memcmp(line + 6, "UNKNOWN", 7) == 0);
		return;
	}
	JD_ASSERT(memcmp(line + 6, six ? "TCP6 " : "TCP4 ", 5) == 0);
	end = strchr(line + 11, ' ');
	JD_ASSERT(end);
	*end = '\0';
	/* IPv6 has many spellings, IPv4 has one. */
	if (six) {
		JD_ASSERT(inet_pton(AF_INET6, line + 11, &again) == 1);
		JD_ASSERT(memcmp(&again, &v6->sin6_addr, sizeof(again)) == 0);
	} else {
		JD_ASSERT(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)));
		JD_ASSERT(strcmp(text, line + 11) == 0);
	}
}

static void check_header(const char *p, size_t size, size_t step)
{
	struct outcome whole, pieces;

	parse(p, size, size, &whole);
	parse(p, size, step, &pieces);
	JD_ASSERT(whole.result == pieces.result && whole.known == pieces.known);
	JD_ASSERT(whole.result != 0 || whole.used == pieces.used);
	JD_ASSERT(memcmp(&whole.source, &pieces.source, sizeof(whole.source)) == 0);
	if (whole.result != 0)
		return;
	if (whole.known)
		JD_ASSERT(whole.source.ss_family == AF_INET || whole.source.ss_family == AF_INET6);
	if (p[0] == 'P')
		check_text(p, &whole);
}

/* An address is in its own network, and in no other one of full length. */
static void check_net(const char *p, size_t size)
{
	struct proxy_net net = {{0}, 0}, other;
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	struct sockaddr_storage storage = {0};
	char *text = mem_alloc(size + 1);

	memcpy(text, p, size);
	if (proxy_net_parse(text, &net) == 0) {
		JD_ASSERT(net.bits <= 128);
		for (unsigned i = net.bits; i < 128; i++)
			JD_ASSERT(!(net.bytes[i / 8] >> (7 - i % 8) & 1));
		memcpy(&at.sin6_addr, net.bytes, 16);
		memcpy(&storage, &at, sizeof(at));
		JD_ASSERT(proxy_net_has(&net, 1, &storage));
		JD_ASSERT(!proxy_net_has(&net, 0, &storage));
		if (net.bits) {
			other = net;
			other.bytes[(net.bits - 1u) / 8] ^= (uint8_t)(0x80 >> (net.bits - 1u) % 8);
			JD_ASSERT(!proxy_net_has(&other, 1, &storage));
		}
	}
	mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] & 128)
		check_net((const char *)data + 1, size - 1);
	else
		check_header((const char *)data + 1, size - 1, (size_t)data[0] % 64 + 1);
	return 0;
}
