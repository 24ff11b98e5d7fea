/* SPDX-License-Identifier: MIT
 *
 * The HTTP client's thread: requests go there and come back, whatever becomes of
 * them, also when it ends meanwhile; addresses that are not public, and how much waits. Real
 * transfers are tested with a server (integration/test_webpush.py).
 */
#include "net/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/mem.h"

#define FOLDERS "/nowhere:src/net/curl/.libs"

static struct loop *loop;
static unsigned n_done;
static int last_result;

static void on_done(struct http_exchange *x)
{
	n_done++;
	last_result = x->result;
	assert_true(x->result < 0);
	assert_true(x->reason[0]);
	http_exchange_fini(x);
	mem_free(x);
}

static struct http_exchange *exchange(const char *url)
{
	struct http_exchange *x = mem_new(struct http_exchange);

	x->url = jd_strdup(jd_cstr(url));
	x->body = jd_strdup(JD_STR("body"));
	x->body_len = 4;
	x->max_answer = 100;
	x->timeout = 20 * JD_USEC_PER_SEC;
	x->done = on_done;
	return x;
}

static struct http_client *client_new(bool allow_private, unsigned at_once, unsigned waiting)
{
	const struct http_client_settings settings = {
		.allow_private = allow_private, .max_at_once = at_once, .max_waiting = waiting};
	char error[512] = "";

	assert_int_equal(http_client_load(FOLDERS, error, sizeof(error)), 0);
	n_done = 0;
	return http_client_new(loop, &settings);
}

static void wait_for(unsigned n)
{
	while (n_done < n) {
		loop_turn(loop, false); /* one that has called done() would sleep */
		sched_yield();
	}
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new("test");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void test_refuses(void **state)
{
	static const char *const urls[] = {
		"https://127.0.0.1/",
		"https://localhost/",
		"https://[::1]:1/",
		"https://10.0.0.1/",
		"https://169.254.169.254/latest/meta-data/",
	};
	struct http_client *c = client_new(false, 2, 10);

	(void)state;
	for (unsigned i = 0; i < JD_ARRAY_SIZE(urls); i++) {
		assert_int_equal(http_client_start(c, exchange(urls[i])), 0);
		assert_int_equal(n_done, i);
		wait_for(i + 1);
		assert_int_equal(last_result, -JD_EACCESS);
	}
	http_client_free(c);
}

/* A port where nobody listens; other schemes than https. */
static void test_fails(void **state)
{
	static const char *const urls[] = {"https://127.0.0.1:1/", "http://127.0.0.1:1/",
					   "file:///etc/hostname", "https://"};
	struct http_client *c = client_new(true, 2, 10);

	(void)state;
	for (unsigned i = 0; i < JD_ARRAY_SIZE(urls); i++) {
		assert_int_equal(http_client_start(c, exchange(urls[i])), 0);
		wait_for(i + 1);
		assert_int_equal(last_result, -JD_EIO);
	}
	http_client_free(c);
}

/* A peer that takes connections and says nothing. */
static int silent_peer(char *url, size_t size)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(url, size, "https://127.0.0.1:%u/", ntohs(a.sin_port));
	return fd;
}

static void test_ends_meanwhile(void **state)
{
	struct http_client *c = client_new(true, 1, 3);
	char url[64];
	int peer = silent_peer(url, sizeof(url)), connection;
	struct http_exchange *x;

	(void)state;
	assert_int_equal(http_client_start(c, exchange(url)), 0);
	connection = accept(peer, NULL, NULL); /* it is on its way: others wait */
	assert_true(connection >= 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(http_client_start(c, exchange(url)), 0);
	x = exchange(url);
	assert_int_equal(http_client_start(c, x), -JD_ELIMIT);
	http_exchange_fini(x);
	mem_free(x);
	assert_int_equal(n_done, 0);
	http_client_free(c);
	assert_int_equal(n_done, 4);
	assert_int_equal(last_result, -JD_ECLOSED);
	close(connection);
	close(peer);
}

/* A slow origin has four transfers at most, and nobody else waits for it. */
static void test_slow_origin(void **state)
{
	struct http_client *c = client_new(true, 5, 10);
	char slow[64], other[64];
	int slow_peer = silent_peer(slow, sizeof(slow)), peer = silent_peer(other, sizeof(other));
	struct pollfd poll_slow = {.fd = slow_peer, .events = POLLIN};
	int fds[6];

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(http_client_start(c, exchange(slow)), 0);
	assert_int_equal(http_client_start(c, exchange(other)), 0);
	fds[5] = accept(peer, NULL, NULL);
	loop_turn(loop, false);
	assert_int_equal(n_done, 0); /* it did not have to wait for one of them */
	for (int i = 0; i < 4; i++)
		fds[i] = accept(slow_peer, NULL, NULL);
	assert_int_equal(poll(&poll_slow, 1, 0), 0);
	close(fds[0]);
	fds[0] = accept(slow_peer, NULL, NULL);
	wait_for(1);
	http_client_free(c);
	assert_int_equal(n_done, 6);
	for (size_t i = 0; i < JD_ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(slow_peer);
	close(peer);
}

static void test_takes_its_time(void **state)
{
	struct http_client *c = client_new(true, 1, 3);
	char url[64];
	int peer = silent_peer(url, sizeof(url));
	struct http_exchange *x = exchange(url);

	(void)state;
	x->timeout = 50 * JD_USEC_PER_MSEC;
	assert_int_equal(http_client_start(c, x), 0);
	wait_for(1);
	assert_int_equal(last_result, -JD_EIO);
	http_client_free(c);
	http_client_free(NULL);
	close(peer);
}

static void test_not_there(void **state)
{
	char error[512] = "";

	(void)state;
	assert_int_equal(http_client_load("/nowhere:/neither", error, sizeof(error)), -JD_ENOENT);
	assert_non_null(strstr(error, "/nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_there), /* first: what is loaded stays */
		cmocka_unit_test(test_refuses),        cmocka_unit_test(test_fails),
		cmocka_unit_test(test_ends_meanwhile), cmocka_unit_test(test_takes_its_time),
		cmocka_unit_test(test_slow_origin),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
