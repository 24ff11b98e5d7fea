/* SPDX-License-Identifier: MIT
 *
 * After the registries of IANA for special-purpose addresses (RFC 6890 and what
 * updates it).  IPv6 is the other way round: only what is handed out to networks is
 * public.  Addresses that carry one of IPv4 are judged by that, or refused where
 * a tunnel's far end decides what becomes of them.
 */
#include "net/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct network4 {
	uint32_t prefix;
	unsigned bits;
};

/* clang-format off */
static const struct network4 special4[] = {
	{0x00000000, 8},  /* this network */
	{0x0a000000, 8},  /* private */
	{0x64400000, 10}, /* behind carriers' translators */
	{0x7f000000, 8},  /* loopback */
	{0xa9fe0000, 16}, /* link-local, and the metadata services */
	{0xac100000, 12}, /* private */
	{0xc0000000, 24}, /* protocol assignments */
	{0xc0000200, 24}, /* documentation */
	{0xc0586300, 24}, /* relays of 6to4 */
	{0xc0a80000, 16}, /* private */
	{0xc6120000, 15}, /* benchmarks */
	{0xc6336400, 24}, /* documentation */
	{0xcb007100, 24}, /* documentation */
	{0xe0000000, 3},  /* multicast, reserved, broadcast */
};
/* clang-format on */

static bool public4(uint32_t address)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(special4); i++)
		if ((address ^ special4[i].prefix) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool begins(const uint8_t *address, const char *prefix, size_t n)
{
	return memcmp(address, prefix, n) == 0;
}

static uint32_t inner4(const uint8_t *address)
{
	uint32_t a;

	memcpy(&a, address + 12, sizeof(a));
	return ntohl(a);
}

static bool public6(const uint8_t *a)
{
	static const char mapped[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff";
	static const char translated[12] = "\0\x64\xff\x9b\0\0\0\0\0\0\0\0";

	if (begins(a, mapped, sizeof(mapped)) || begins(a, translated, sizeof(translated)))
		return public4(inner4(a));
	if ((a[0] & 0xe0) != 0x20) /* 2000::/3 */
		return false;
	if (begins(a, "\x20\x01", 2) && a[2] < 2) /* protocol assignments, Teredo */
		return false;
	return !begins(a, "\x20\x01\x0d\xb8", 4) &&                 /* documentation */
	       !(begins(a, "\x3f\xff", 2) && (a[2] & 0xf0) == 0) && /* the same */
	       !begins(a, "\x20\x02", 2);                           /* 6to4 */
}

bool address_is_public(const struct sockaddr *address, size_t size)
{
	if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in a;

		memcpy(&a, address, sizeof(a));
		return public4(ntohl(a.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 a;

		memcpy(&a, address, sizeof(a));
		return public6(a.sin6_addr.s6_addr);
	}
	return false;
}
