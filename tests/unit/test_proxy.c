/* SPDX-License-Identifier: MIT
 *
 * The PROXY protocol's reader: headers whole and byte by byte, what follows them
 * left alone, everything else refused; and networks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "net/proxy.h"

#define SIG  "\r\n\r\n\0\r\nQUIT\n"
#define V4   "\xc0\x00\x02\x07\x0a\x00\x00\x01\xd4\x31\x14\x66" /* 192.0.2.7 to 10.0.0.1 */
#define V6   "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"
#define B(s) s, sizeof(s) - 1
#define REST "<?xml"

struct row {
	const char *bytes;
	size_t n;
	int e;              /* 0, PROXY_MORE, -JD_EINVAL */
	const char *source; /* NULL: the connection's own */
};

static const struct row rows[] = {
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 54321 5222\r\n"), 0, "192.0.2.7"},
	{B("PROXY TCP6 2001:db8::9 ::1 1 65535\r\n"), 0, "2001:db8::9"},
	{B("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	 0, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	{B("PROXY UNKNOWN\r\n"), 0, NULL},
	{B("PROXY UNKNOWN ffff::1 whatever it is\r\n"), 0, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n"), 0, "192.0.2.7"},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 54321 5222\r"), PROXY_MORE, NULL},
	{B("PRO"), PROXY_MORE, NULL},
	{B("proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY\r\n"), -JD_EINVAL, NULL},
	{B("PROXY \r\n"), -JD_EINVAL, NULL},
	{B("PROXY UNKNOWNS\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7 10.0.0.1 -1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 ::1 ::1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("PROXY TCP4 192.0.2.7\0 10.0.0.1 1 2\r\n"), -JD_EINVAL, NULL},
	{B("GET / HTTP/1.1\r\n"), -JD_EINVAL, NULL},
	{B("\x16\x03\x01"), -JD_EINVAL, NULL},
	{B(SIG "\x21\x11\0\x0c" V4), 0, "192.0.2.7"},
	{B(SIG "\x21\x21\0\x24" V6 V6 "\xd4\x31\x14\x66"), 0, "2001:db8::9"},
	{B(SIG "\x21\x11\0\x13" V4 "\x04\0\x04wxyz"), 0, "192.0.2.7"},
	{B(SIG "\x20\0\0\0"), 0, NULL},
	{B(SIG "\x20\xff\0\x03xyz"), 0, NULL},
	{B(SIG "\x20\x11\0\x0c" V4), 0, NULL},
	{B(SIG "\x21\0\0\0"), 0, NULL},
	{B(SIG "\x21\x31\0\x02/x"), 0, NULL},
	{B(SIG "\x21\x12\0\x0c" V4), 0, NULL},
	{B(SIG "\x21\x11\0\x0c\xc0\0\x02"), PROXY_MORE, NULL},
	{B(SIG "\x21\x11\0\x0b\xc0\0\x02\x07"), -JD_EINVAL, NULL},
	{B(SIG "\x21\x21\0\x0c" V4), -JD_EINVAL, NULL},
	{B(SIG "\x22\x11\0\x0c" V4), -JD_EINVAL, NULL},
	{B(SIG "\x11\x11\0\x0c" V4), -JD_EINVAL, NULL},
	{B(SIG "\x21\x41\0\x0c" V4), -JD_EINVAL, NULL},
	{B(SIG "\x21\x13\0\x0c" V4), -JD_EINVAL, NULL},
	{B(SIG "\x21\x11\xff\xff" V4), -JD_EINVAL, NULL},
	{B("\r\n\r\nQ"), -JD_EINVAL, NULL},
};

/* step: bytes at a time. The rest is given, and must not be taken. */
static void run(const struct row *row, size_t step)
{
	struct proxy_reader r = {0};
	struct sockaddr_storage source;
	char bytes[512], text[INET6_ADDRSTRLEN];
	size_t n = row->n + strlen(REST), at = 0, used;
	int e = PROXY_MORE;

	memcpy(bytes, row->bytes, row->n);
	memcpy(bytes + row->n, REST, strlen(REST));
	if (row->e == PROXY_MORE)
		n = row->n;
	while (at < n && e == PROXY_MORE) {
		size_t part = n - at < step ? n - at : step;

		e = proxy_feed(&r, bytes + at, part, &used);
		assert_true(used <= part);
		if (e == PROXY_MORE)
			assert_int_equal(used, part);
		at += used;
	}
	if (e != row->e)
		fail_msg("%.*s: %d", (int)row->n, row->bytes, e);
	if (e != 0)
		return;
	assert_int_equal(at, row->n);
	assert_int_equal(proxy_source(&r, &source), row->source != NULL);
	if (!row->source)
		return;
	assert_non_null(inet_ntop(source.ss_family,
				  source.ss_family == AF_INET
					  ? (void *)&((struct sockaddr_in *)&source)->sin_addr
					  : (void *)&((struct sockaddr_in6 *)&source)->sin6_addr,
				  text, sizeof(text)));
	assert_string_equal(text, row->source);
}

static void test_headers(void **state)
{
	static const size_t steps[] = {1, 2, 7, 16, 512};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < JD_ARRAY_SIZE(steps); k++)
			run(&rows[i], steps[k]);
}

/* A line has 107 bytes at most, its end included; TLVs are bounded, and not kept. */
static void test_bounds(void **state)
{
	char bytes[PROXY_MAX + 1];
	struct proxy_reader r = {0};
	size_t used;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_feed(&r, bytes, sizeof(bytes), &used), -JD_EINVAL);
	assert_int_equal(used, PROXY_V1_MAX);
	r = (struct proxy_reader){0};
	memcpy(bytes + PROXY_V1_MAX - 2, "\r\n", 2);
	assert_int_equal(proxy_feed(&r, bytes, sizeof(bytes), &used), 0);
	assert_int_equal(used, PROXY_V1_MAX);
	r = (struct proxy_reader){0};
	memcpy(bytes, SIG "\x21\x11\x0f\xf0" V4, 28);
	assert_int_equal(proxy_feed(&r, bytes, sizeof(bytes), &used), 0);
	assert_int_equal(used, PROXY_MAX);
	r = (struct proxy_reader){0};
	bytes[15] = '\xf1';
	assert_int_equal(proxy_feed(&r, bytes, sizeof(bytes), &used), -JD_EINVAL);
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage addr = {.ss_family = AF_INET};

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&addr)->sin_addr) == 1)
		return addr;
	addr.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&addr)->sin6_addr), 1);
	return addr;
}

static void test_networks(void **state)
{
	static const struct {
		const char *net, *addr;
		bool in;
	} table[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"0.0.0.0/0", "8.8.8.8", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "8.8.8.8", true},
		{"::/0", "::1", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
	};
	static const char *const bad[] = {
		"",        "example.org", "192.0.2.0/33", "192.0.2.1/24", "::1/129",
		"::1/127", "192.0.2.0/",  "192.0.2.0/-1", "192.0.2/24",   "192.0.2.0/24 "};
	struct sockaddr_storage local = {.ss_family = AF_UNIX};
	struct proxy_net net;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(table); i++) {
		struct sockaddr_storage addr = address(table[i].addr);

		assert_int_equal(proxy_net_parse(table[i].net, &net), 0);
		if (proxy_net_has(&net, 1, &addr) != table[i].in)
			fail_msg("%s in %s", table[i].addr, table[i].net);
	}
	for (size_t i = 0; i < JD_ARRAY_SIZE(bad); i++)
		if (proxy_net_parse(bad[i], &net) != -JD_EINVAL)
			fail_msg("%s is a network", bad[i]);
	assert_int_equal(proxy_net_parse("::/0", &net), 0);
	assert_false(proxy_net_has(&net, 1, &local));
	assert_false(proxy_net_has(NULL, 0, &local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
