/* SPDX-License-Identifier: MIT
 *
 * Listeners: addresses, sentences about what is wrong, the share of one address,
 * certificates exchanged while it runs, and running out of descriptors.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

#include "net/conn_priv.h"
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

/* -- the PROXY protocol ----------------------------------------------------------------- */

static pthread_mutex_t peers_lock = PTHREAD_MUTEX_INITIALIZER;
static char peers[512];

static void accepted_named(struct conn *c, void *proto)
{
	struct jd_str peer = conn_peer(c);
	unsigned unacked = 0;
	socklen_t len = sizeof(unacked);

	CHECK(getsockopt(c->watch.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, &len) == 0);
	CHECK(unacked == 60000);

	pthread_mutex_lock(&peers_lock);
	strncat(peers, peer.p, peer.len);
	strcat(peers, " ");
	pthread_mutex_unlock(&peers_lock);
	echo_accepted(c, proto);
}

static struct listener *open_proxied(const char *proxy, size_t max, const char *uncounted)
{
	struct proxy_net proxies, free_of_count;
	const struct listener_settings settings = {
		.name = "proxied",
		.address = "0.0.0.0",
		.max_per_address = max,
		.uncounted = &free_of_count,
		.n_uncounted = uncounted != NULL,
		.proxies = &proxies,
		.n_proxies = 1,
		.unacked = 60 * JD_USEC_PER_SEC,
		.accepted = accepted_named,
	};
	struct listener *l = NULL;
	char err[256] = "";

	assert_int_equal(proxy_net_parse(proxy, &proxies), 0);
	if (uncounted)
		assert_int_equal(proxy_net_parse(uncounted, &free_of_count), 0);
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), 0);
	peers[0] = '\0';
	return l;
}

#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

/* An end of file, or a reset because of what was not read. */
static void expect_hung_up(struct fx *f, int fd)
{
	char c;
	ssize_t r;

	alarm(60);
	while ((r = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
		loop_turn(f->logic, false);
	alarm(0);
	assert_true(r <= 0);
}

/* The header, then what is echoed; NULL text: it is hung up. */
static void proxied(struct fx *f, struct listener *l, const char *source, const char *header,
		    size_t n, const char *text)
{
	int fd = dial_from(source, "127.0.0.1", listener_port(l));

	write_all(fd, header, n);
	if (text) {
		write_all(fd, text, strlen(text));
		fx_expect(f, fd, text);
	} else {
		expect_hung_up(f, fd);
	}
	close(fd);
}

static void test_proxied(void **state)
{
	static const char line[] = "PROXY TCP4 192.0.2.7 10.0.0.1 54321 5222\r\n";
	struct listener *l;
	struct fx f;
	int fd;

	(void)state;
	for (unsigned threads = 0; threads <= 2; threads += 2) {
		fx_start(&f, threads);
		l = open_proxied("127.0.0.1", 0, NULL);
		listener_start(l, f.io, NULL);
		proxied(&f, l, "127.0.0.1", line, sizeof(line) - 1, "hello");
		proxied(&f, l, "127.0.0.1", V2_LOCAL, sizeof(V2_LOCAL) - 1, "local");
		/* Who is a proxy must say so, and nobody else may. */
		proxied(&f, l, "127.0.0.1", "hello", 5, NULL);
		proxied(&f, l, "127.0.0.2", "", 0, "PROXY UNKNOWN\r\n");
		/* Byte by byte, with the rest right behind. */
		fd = dial("127.0.0.1", listener_port(l));
		for (size_t i = 0; i + 1 < sizeof(line); i++) {
			write_all(fd, line + i, 1);
			loop_turn(f.logic, false);
		}
		write_all(fd, "rest", 4);
		fx_expect(&f, fd, "rest");
		close(fd);
		assert_string_equal(peers, "192.0.2.7 127.0.0.1 127.0.0.2 192.0.2.7 ");
		/* One that never says anything is no hindrance for the end. */
		fd = dial("127.0.0.1", listener_port(l));
		fx_stop(&f);
		listener_free(l);
		close(fd);
	}
}

/* The client's address has its share, not the proxy's. */
static void test_proxied_share(void **state)
{
	static const char one[] = "PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
			  other[] = "PROXY TCP4 192.0.2.8 10.0.0.1 1 2\r\n",
			  spared[] = "PROXY TCP4 198.51.100.1 10.0.0.1 1 2\r\n";
	struct listener *l;
	struct fx f;
	int fd;

	(void)state;
	fx_start(&f, 1);
	l = open_proxied("127.0.0.0/8", 1, "198.51.100.0/24");
	listener_start(l, f.io, NULL);
	fd = dial("127.0.0.1", listener_port(l));
	write_all(fd, one, sizeof(one) - 1);
	write_all(fd, "x", 1);
	fx_expect(&f, fd, "x");
	proxied(&f, l, "127.0.0.1", one, sizeof(one) - 1, NULL);
	proxied(&f, l, "127.0.0.1", other, sizeof(other) - 1, "y");
	close(fd);
	fd = dial("127.0.0.1", listener_port(l));
	write_all(fd, spared, sizeof(spared) - 1);
	write_all(fd, "x", 1);
	fx_expect(&f, fd, "x");
	proxied(&f, l, "127.0.0.1", spared, sizeof(spared) - 1, "z");
	close(fd);
	fx_stop(&f);
	listener_free(l);
}

#define T0 (1000 * JD_USEC_PER_SEC)

static void test_proxied_deadline(void **state)
{
	struct listener *l;
	struct fx f;
	int fd;
	char c;

	(void)state;
	clock_fake(T0, T0);
	fx_start(&f, 0);
	l = open_proxied("127.0.0.1", 0, NULL);
	listener_start(l, f.io, NULL);
	fd = dial("127.0.0.1", listener_port(l));
	for (int i = 0; i < 4; i++) {
		write_all(fd, &"PROX"[i], 1);
		for (int k = 0; k < 10; k++)
			loop_turn(f.logic, false);
		clock_fake_advance(JD_USEC_PER_SEC);
	}
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	clock_fake_advance(2 * JD_USEC_PER_SEC);
	fx_expect_eof(&f, fd);
	close(fd);
	assert_int_equal(f.hellos, 0);
	fx_stop(&f);
	listener_free(l);
	clock_fake_stop();
}

/* -- who has not logged in ------------------------------------------------------------------ */

static struct conn *conns[8];
static size_t n_conns;

static void accepted_kept(struct conn *c, void *proto)
{
	conns[n_conns++] = c;
	echo_accepted(c, proto);
}

/* The oldest stranger makes room; somebody known never does. */
static void test_strangers(void **state)
{
	const struct io_settings io = {.max_links = 100, .max_strangers = 2};
	const struct listener_settings settings = {
		.name = "x", .address = "127.0.0.1", .accepted = accepted_kept};
	struct listener *l;
	int fds[5];
	char err[256];
	struct fx f;

	(void)state;
	n_conns = 0;
	fx_start_io(&f, &io);
	assert_int_equal(listener_open(&settings, &l, err, sizeof(err)), 0);
	listener_start(l, f.io, NULL);
	for (int i = 0; i < 5; i++) {
		fds[i] = dial("127.0.0.1", listener_port(l));
		write_all(fds[i], "x", 1);
		fx_expect(&f, fds[i], "x");
		if (i == 0) {
			conn_known(conns[0]);
			conn_known(conns[0]);
		}
	}
	/* 1 and 2 went, 0 is known, 3 and 4 are the youngest. */
	fx_expect_eof(&f, fds[1]);
	fx_expect_eof(&f, fds[2]);
	for (int i = 0; i < 5; i++) {
		if (i == 1 || i == 2)
			continue;
		write_all(fds[i], "y", 1);
		fx_expect(&f, fds[i], "y");
	}
	close(fds[3]);
	fx_until(&f, f.closed == 3);
	fds[3] = dial("127.0.0.1", listener_port(l));
	write_all(fds[3], "z", 1);
	fx_expect(&f, fds[3], "z");
	write_all(fds[4], "z", 1);
	fx_expect(&f, fds[4], "z");
	fx_stop(&f);
	listener_free(l);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
}

/* -- stopping, many, full ---------------------------------------------------------------------- */

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
	struct tls_host host = {
		.name = "old.example", .certfile = files.cert, .keyfile = files.key};
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
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_new_certificates),
		cmocka_unit_test(test_proxied),
		cmocka_unit_test(test_proxied_share),
		cmocka_unit_test(test_proxied_deadline),
		cmocka_unit_test(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
