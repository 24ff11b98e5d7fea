/* SPDX-License-Identifier: MIT
 *
 * Which addresses a request of ours may go to: the edges of the special networks, and the
 * disguises of IPv4 in IPv6.
 */
#include "net/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool is_public(const char *text)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &a4.sin_addr) == 1)
		return address_is_public((const struct sockaddr *)&a4, sizeof(a4));
	assert_int_equal(inet_pton(AF_INET6, text, &a6.sin6_addr), 1);
	return address_is_public((const struct sockaddr *)&a6, sizeof(a6));
}

static void test_refused(void **state)
{
	static const char *const all[] = {
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.0.1",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.0.0",
		"192.168.255.255",
		"198.18.0.0",
		"198.19.255.255",
		"198.51.100.1",
		"203.0.113.1",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::7f00:1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"fc00::1",
		"fdff::1",
		"fd00:ec2::254",
		"ff02::1",
		"100::1",
		"2001::1",
		"2001:1ff::1",
		"2001:db8::1",
		"2002:7f00:1::1",
		"3fff::1",
		"3fff:fff::1",
		"4000::1",
		"::ffff:127.0.0.1",
		"::ffff:10.1.2.3",
		"::ffff:169.254.169.254",
		"64:ff9b::10.0.0.1",
		"64:ff9b:1::1",
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(all); i++)
		if (is_public(all[i]))
			fail_msg("%s is taken for public", all[i]);
}

static void test_allowed(void **state)
{
	static const char *const all[] = {
		"1.1.1.1",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
		"100.128.0.0",      "126.255.255.255", "128.0.0.0",       "169.253.255.255",
		"169.255.0.0",      "172.15.255.255",  "172.32.0.0",      "192.0.1.0",
		"192.167.255.255",  "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
		"223.255.255.255",  "2001:200::1",     "2001:4860::8888", "2003::1",
		"2a00::1",          "3ffe::1",         "3fff:1000::1",    "::ffff:1.1.1.1",
		"64:ff9b::8.8.8.8",
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(all); i++)
		if (!is_public(all[i]))
			fail_msg("%s is refused", all[i]);
}

static void test_others(void **state)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr = {htonl(0x01010101)}};
	struct sockaddr a = {.sa_family = AF_UNIX};

	(void)state;
	assert_false(address_is_public(&a, sizeof(a)));
	assert_true(address_is_public((const struct sockaddr *)&a4, sizeof(a4)));
	assert_false(address_is_public((const struct sockaddr *)&a4, sizeof(a4) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
