/* SPDX-License-Identifier: MIT
 *
 * Listeners: addresses, sentences about what is wrong, the share of one address,
 * certificates exchanged while it runs, and running out of descriptors.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "net/listener.h"
#include "tls_fixture.h"

static struct listener *open_listener(const char *address, uint16_t port, size_t max)
{
	const struct listener_settings settings = {
		.name = "test",
		.address = address,
		.port = port,
		.max_per_address = max,
		.accepted = echo_accepted,
	};
	struct listener *l = NULL;
	char err[256] = "";

	if (listener_open(&settings, &l, err, sizeof(err)) < 0)
		fail_msg("%s: %s", address, err);
	assert_true(listener_port(l) != 0);
	return l;
}

/* Connected, or -1. */
static int dial_from(const char *source, const char *address, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool v4 = inet_pton(AF_INET, address, &in.sin_addr) == 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (source) {
		struct sockaddr_in from = {.sin_family = AF_INET};

		assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
		assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	}
	if (!v4)
		assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	if (connect(fd, v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		    v4 ? sizeof(in) : sizeof(in6)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int dial(const char *address, uint16_t port)
{
	return dial_from(NULL, address, port);
}

static bool have_ipv6(void)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool yes = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *listen, *dial;
		bool reached;
	} rows[] = {
		{"*", "127.0.0.1", true},
		{"*", "::1", true},
		{"localhost", "127.0.0.1", true},
		{"localhost", "::1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "::1", false},
		{"::1", "::1", true},
		{"::1", "127.0.0.1", false},
		{"0.0.0.0", "127.0.0.1", true},
	};

	(void)state;
	for (unsigned threads = 0; threads <= 2; threads++) {
		for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
			struct listener *l;
			struct fx f;
			int fd;

			if (!have_ipv6() &&
			    (strchr(rows[i].listen, ':') || strchr(rows[i].dial, ':')))
				continue;
			fx_start(&f, threads);
			l = open_listener(rows[i].listen, 0, 0);
			listener_start(l, f.io, NULL);
			fd = dial(rows[i].dial, listener_port(l));
			assert_int_equal(fd >= 0, rows[i].reached);
			if (fd >= 0) {
				write_all(fd, "hello", 5);
				fx_expect(&f, fd, "hello");
				close(fd);
			}
			fx_stop(&f);
			listener_free(l);
		}
	}
	listener_free(NULL);
}

static void test_sentences(void **state)
{
	struct listener *taken = open_listener("127.0.0.1", 0, 0), *l = NULL;
	struct listener_settings settings = {.name = "x", .address = "127.0.0.1"};
	char err[256], want[64];

	(void)state;
	settings.port = listener_port(taken);
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), -JD_EIO);
	snprintf(want, sizeof(want), "port %u is in use by another program", settings.port);
	assert_string_equal(err, want);
	settings.address = "localhost";
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), -JD_EIO);
	assert_string_equal(err, want);
	settings.address = "example.org";
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), -JD_ECONF);
	assert_non_null(strstr(err, "\"example.org\" is no address"));
	/* For documentation: nobody has it. */
	settings.address = "192.0.2.1";
	settings.port = 0;
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), -JD_EIO);
	assert_string_equal(err, "this machine does not have the address 192.0.2.1");
	assert_null(l);
	listener_free(taken);
}

static void test_share(void **state)
{
	struct listener *l;
	int fds[3], more;
	struct fx f;

	(void)state;
	fx_start(&f, 2);
	l = open_listener("0.0.0.0", 0, 3);
	listener_start(l, f.io, NULL);
	for (int i = 0; i < 3; i++) {
		fds[i] = dial("127.0.0.1", listener_port(l));
		write_all(fds[i], "a", 1);
		fx_expect(&f, fds[i], "a");
	}
	more = dial("127.0.0.1", listener_port(l));
	fx_expect_eof(&f, more);
	close(more);
	/* Somebody else still gets in. */
	more = dial_from("127.0.0.2", "127.0.0.1", listener_port(l));
	write_all(more, "b", 1);
	fx_expect(&f, more, "b");
	close(more);
	/* And so does the first one, when it has hung up once. */
	close(fds[0]);
	fx_until(&f, f.closed == 2);
	fds[0] = dial("127.0.0.1", listener_port(l));
	write_all(fds[0], "c", 1);
	fx_expect(&f, fds[0], "c");
	fx_stop(&f);
	listener_free(l);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void stopped(void *arg)
{
	*(bool *)arg = true;
}

static void nothing(struct io_thread *t, void *arg)
{
	(void)t;
	(void)arg;
}

static void test_stop(void **state)
{
	struct listener *l;
	bool done = false;
	struct fx f;
	int fd;

	(void)state;
	fx_start(&f, 2);
	l = open_listener("127.0.0.1", 0, 0);
	listener_start(l, f.io, NULL);
	fd = dial("127.0.0.1", listener_port(l));
	write_all(fd, "a", 1);
	fx_expect(&f, fd, "a");
	listener_stop(l);
	io_each(f.io, nothing, &done, stopped);
	fx_until(&f, done);
	assert_int_equal(dial("127.0.0.1", listener_port(l)), -1);
	/* Whoever is in stays in. */
	write_all(fd, "b", 1);
	fx_expect(&f, fd, "b");
	close(fd);
	fx_stop(&f);
	listener_free(l);
}

static void test_many(void **state)
{
	enum { CONNS = 500 };

	(void)state;
	for (unsigned threads = 0; threads <= 2; threads += 2) {
		static int fds[CONNS];
		struct listener *l;
		struct fx f;

		fx_start(&f, threads);
		l = open_listener("127.0.0.1", 0, 0);
		listener_start(l, f.io, NULL);
		for (int i = 0; i < CONNS; i++) {
			fds[i] = dial("127.0.0.1", listener_port(l));
			assert_true(fds[i] >= 0);
			write_all(fds[i], "ping", 4);
		}
		for (int i = 0; i < CONNS; i++)
			fx_expect(&f, fds[i], "ping");
		for (int i = 0; i < CONNS; i++)
			close(fds[i]);
		fx_until(&f, f.closed == CONNS);
		fx_stop(&f);
		listener_free(l);
	}
}

/* Beyond the table: accepted and closed; afterwards there is room again. */
static void test_full_table(void **state)
{
	struct listener *l;
	struct fx f;
	int first, second;

	(void)state;
	fx_start_ring(&f, 1, 1, 0);
	l = open_listener("127.0.0.1", 0, 10);
	listener_start(l, f.io, NULL);
	first = dial("127.0.0.1", listener_port(l));
	fx_until(&f, f.hellos == 1);
	second = dial("127.0.0.1", listener_port(l));
	fx_expect_eof(&f, second);
	close(second);
	close(first);
	fx_until(&f, f.closed == 1);
	fx_stop(&f);
	listener_free(l);
}

#define T0 (1000 * JD_USEC_PER_SEC)

/* No descriptor is left: the one that knocks is sent away, and a moment later all is well. */
static void test_no_descriptors(void **state)
{
	struct rlimit old, low;
	struct listener *l;
	int first, second, next;
	struct fx f;

	(void)state;
	clock_fake(T0, T0);
	fx_start(&f, 0);
	l = open_listener("127.0.0.1", 0, 0);
	listener_start(l, f.io, NULL);
	for (int i = 0; i < 5; i++)
		loop_turn(f.logic, false);
	first = dial("127.0.0.1", listener_port(l));
	second = dial("127.0.0.1", listener_port(l));
	assert_true(first >= 0 && second >= 0);
	next = dup(first);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){(rlim_t)next, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fx_expect_eof(&f, first);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* It pauses. */
	for (int i = 0; i < 50; i++)
		loop_turn(f.logic, false);
	assert_int_equal(f.hellos, 0);
	clock_fake_advance(JD_USEC_PER_SEC);
	write_all(second, "x", 1);
	fx_expect(&f, second, "x");
	close(first);
	close(second);
	fx_stop(&f);
	listener_free(l);
	clock_fake_stop();
}

static const char *const cert_names[] = {"old", "new", NULL};

static struct tls_store *store_of(const char *name)
{
	struct cert_files files;
	struct tls_host host = {"old.example", files.cert, files.key};
	struct tls_store *s;
	char err[256];

	cert_files_name(&files, name);
	assert_int_equal(tls_store_new(&host, 1, &s, err, sizeof(err)), 0);
	return s;
}

static void test_new_certificates(void **state)
{
	const struct listener_settings settings = {
		.name = "tls",
		.address = "127.0.0.1",
		.direct_tls = true,
		.alpn = TLS_ALPN_XMPP_SERVER,
		.accepted = echo_accepted,
	};
	struct tls_client before = {.say = "x", .alpn = "\x0bxmpp-server"}, after = {.say = "y"};
	struct tls_store *s;
	struct listener *l;
	bool done = false;
	char err[256];
	struct fx f;

	(void)state;
	cert_dir_make();
	make_cert("old", "old.example", EVP_sha256(), 100);
	make_cert("new", "new.example", EVP_sha256(), 100);
	fx_start(&f, 2);
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), 0);
	s = store_of("old");
	listener_start(l, f.io, s);
	tls_store_unref(s);
	fx_run_client(&f, tls_client_run, dial("127.0.0.1", listener_port(l)), &before);
	assert_string_equal(before.host, "old.example");
	assert_string_equal(before.chosen, "xmpp-server");
	s = store_of("new");
	listener_set_tls(l, s);
	tls_store_unref(s);
	io_each(f.io, nothing, &done, stopped);
	fx_until(&f, done);
	fx_run_client(&f, tls_client_run, dial("127.0.0.1", listener_port(l)), &after);
	assert_string_equal(after.host, "new.example");
	fx_stop(&f);
	listener_free(l);
	cert_files_remove(cert_names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),      cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_share),          cmocka_unit_test(test_stop),
		cmocka_unit_test(test_many),           cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_new_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
