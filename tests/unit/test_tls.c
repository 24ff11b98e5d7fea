/* SPDX-License-Identifier: MIT
 *
 * TLS against libssl's own client: certificates by name, ALPN, channel bindings,
 * STARTTLS and what somebody may have put behind it, deadlines and ends.
 */
#include <sys/stat.h>

#include "tls_fixture.h"
#include "util/log.h"

static struct tls_store *store;

/* -- stores --------------------------------------------------------------------------- */

static const char *const cert_names[] = {"a",       "b",    "sha384",  "ed25519",
					 "expired", "soon", "garbage", NULL};

static int new_store(const char *cert, const char *key, struct tls_store **ret, char *err, size_t n)
{
	struct cert_files c, k;
	struct tls_host host = {.name = "a.example", .certfile = c.cert, .keyfile = k.key};

	cert_files_name(&c, cert);
	cert_files_name(&k, key);
	return tls_store_new(&host, 1, ret, err, n);
}

static int setup(void **state)
{
	static const struct {
		const char *name, *host;
		bool sha384, ed25519;
		int days;
	} certs[] = {
		{"a", "a.example", false, false, 100},
		{"b", "b.example", false, false, 100},
		{"sha384", "sha384.example", true, false, 100},
		{"ed25519", "ed25519.example", false, true, 100},
		{"expired", "a.example", false, false, -1},
		{"soon", "other.example", false, false, 3},
	};
	struct cert_files files[4];
	struct tls_host hosts[4];
	char err[256];
	FILE *garbage;

	(void)state;
	cert_dir_make();
	for (size_t i = 0; i < JD_ARRAY_SIZE(certs); i++)
		make_cert(certs[i].name, certs[i].host,
			  certs[i].ed25519  ? NULL
			  : certs[i].sha384 ? EVP_sha384()
					    : EVP_sha256(),
			  certs[i].days);
	for (size_t i = 0; i < 4; i++) {
		cert_files_name(&files[i], certs[i].name);
		hosts[i] = (struct tls_host){certs[i].host, files[i].cert, files[i].key, NULL};
	}
	assert_int_equal(tls_store_new(hosts, 4, &store, err, sizeof(err)), 0);
	cert_files_name(&files[0], "garbage");
	garbage = fopen(files[0].cert, "w");
	assert_non_null(garbage);
	fputs("no certificate\n", garbage);
	fclose(garbage);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_store_unref(store);
	cert_files_remove(cert_names);
	return 0;
}

static void test_bad_stores(void **state)
{
	static const struct {
		const char *cert, *key, *sentence;
	} rows[] = {
		{"missing", "a", "cannot use the certificate"},
		{"garbage", "a", "cannot use the certificate"},
		{"a", "missing", "cannot use the key"},
		{"a", "b", "this key does not belong to the certificate"},
		{"a", "ed25519", "this key does not belong to the certificate"},
	};
	struct tls_store *s = NULL;
	char err[256];

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
		assert_int_equal(new_store(rows[i].cert, rows[i].key, &s, err, sizeof(err)),
				 -JD_ECONF);
		assert_null(s);
		if (!strstr(err, rows[i].sentence))
			fail_msg("row %zu says: %s", i, err);
	}
	assert_int_equal(tls_store_new(NULL, 0, &s, err, sizeof(err)), -JD_ECONF);
	tls_store_unref(NULL);
}

static char logged[2000];

static void capture(enum jd_log_level level, const char *line, void *arg)
{
	size_t n = strlen(logged);

	(void)level;
	(void)arg;
	snprintf(logged + n, sizeof(logged) - n, "%s\n", line);
}

static void test_warnings(void **state)
{
	struct tls_store *s;
	char err[256];

	(void)state;
	log_capture(capture, NULL);
	assert_int_equal(new_store("expired", "expired", &s, err, sizeof(err)), 0);
	assert_non_null(strstr(logged, "certificate has expired"));
	tls_store_unref(s);
	logged[0] = '\0';
	assert_int_equal(new_store("soon", "soon", &s, err, sizeof(err)), 0);
	assert_non_null(strstr(logged, "certificate expires soon"));
	assert_non_null(strstr(logged, "certificate does not name the host"));
	tls_store_unref(s);
	logged[0] = '\0';
	assert_int_equal(new_store("a", "a", &s, err, sizeof(err)), 0);
	assert_string_equal(logged, "");
	tls_store_unref(s);
	log_capture(NULL, NULL);
}

/* -- the server's view --------------------------------------------------------------------- */

/* Written on the I/O thread before anything is posted, read by the test after IO_CLOSED. */
static struct {
	char version[16], sni[64];
	bool has_cipher;
	int exporter_result, end_point_result;
	uint8_t exporter[32], end_point[64];
	size_t end_point_len;
} seen;

static void note_session(void *p)
{
	struct tls_session *s = conn_tls(((struct echo *)p)->c);

	CHECK(s && !conn_can_tls(((struct echo *)p)->c));
	snprintf(seen.version, sizeof(seen.version), "%s", tls_version(s));
	snprintf(seen.sni, sizeof(seen.sni), "%.*s", JD_FMT(tls_sni(s)));
	seen.has_cipher = tls_cipher(s) && tls_cipher(s)[0];
	seen.exporter_result = tls_exporter(s, seen.exporter);
	seen.end_point_result = tls_server_end_point(s, seen.end_point, &seen.end_point_len);
	echo_secured++;
}

/* "starttls" is the one word that is understood in the clear; what stands behind it
 * in the same read is dropped, as a stream drops its parser. */
static void starttls_data(void *p, char *bytes, size_t n)
{
	struct echo *e = p;

	if (conn_can_tls(e->c) && n >= 8 && memcmp(bytes, "starttls", 8) == 0) {
		conn_write(e->c, "proceed", 7);
		conn_start_tls(e->c);
		return;
	}
	echo_data(p, bytes, n);
}

static struct conn_proto proto;

/* One client against one connection, to the end of both. */
static void meet(unsigned threads, bool direct, struct tls_client *client, struct fx *f)
{
	int fd;

	proto = echo_proto;
	proto.secured = note_session;
	proto.data = starttls_data;
	memset(&seen, 0, sizeof(seen));
	fx_start(f, threads);
	fd = fx_connect_as(f,
			   (struct fx_birth){.tls = store, .direct_tls = direct, .proto = &proto});
	fx_run_client(f, tls_client_run, fd, client);
	fx_until(f, f->closed == 1);
	fx_stop(f);
}

static void test_echo(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads <= 2; threads++) {
		struct tls_client c = {.say = "hello", .volume = 3000000};
		struct fx f;

		meet(threads, true, &c, &f);
		assert_true(c.shaken);
		assert_int_equal(f.last_why, CONN_PEER_CLOSED);
		assert_int_equal(echo_secured, 1);
		assert_string_equal(seen.version, "TLSv1.3");
		assert_string_equal(seen.sni, "");
		assert_true(seen.has_cipher);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *sni, *host;
	} rows[] = {
		{NULL, "a.example"},
		{"a.example", "a.example"},
		{"b.example", "b.example"},
		{"B.Example", "b.example"},
		{"unknown.example", "a.example"},
		{"sha384.example", "sha384.example"},
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct tls_client c = {
				.sni = rows[i].sni, .max_version = version, .say = "x"};
			struct fx f;

			meet(0, true, &c, &f);
			assert_true(c.shaken);
			assert_string_equal(c.host, rows[i].host);
			/* TLS 1.2 tells only names that were acknowledged. */
			if (version == TLS1_3_VERSION)
				assert_string_equal(seen.sni, rows[i].sni ? rows[i].sni : "");
		}
	}
}

static void test_bindings(void **state)
{
	static const char *const hosts[] = {"a.example", "sha384.example", "ed25519.example"};
	static const size_t lengths[] = {32, 48, 0};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(hosts); i++) {
		struct tls_client c = {.sni = hosts[i], .say = "x"};
		struct fx f;

		meet(1, true, &c, &f);
		assert_true(c.shaken);
		assert_int_equal(seen.exporter_result, 0);
		assert_memory_equal(seen.exporter, c.exporter, 32);
		assert_int_equal(c.end_point_len, lengths[i]);
		if (lengths[i] == 0) {
			assert_int_equal(seen.end_point_result, -JD_ENOENT);
			continue;
		}
		assert_int_equal(seen.end_point_result, 0);
		assert_int_equal(seen.end_point_len, lengths[i]);
		assert_memory_equal(seen.end_point, c.end_point, lengths[i]);
	}
}

static void test_versions(void **state)
{
	static const int old[] = {TLS1_VERSION, TLS1_1_VERSION};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(old); i++) {
		struct tls_client c = {.max_version = old[i]};
		struct fx f;

		meet(0, true, &c, &f);
		assert_false(c.shaken);
		assert_int_equal(f.last_why, CONN_TLS_FAILED);
		assert_int_equal(echo_secured, 0);
	}
	{
		struct tls_client c = {.max_version = TLS1_2_VERSION, .say = "x"};
		struct fx f;

		meet(0, true, &c, &f);
		assert_true(c.shaken);
		assert_string_equal(seen.version, "TLSv1.2");
		assert_int_equal(seen.exporter_result, -JD_ENOENT);
	}
}

/* Whoever can have nothing else is refused before we have computed anything. */
static void test_finite_fields(void **state)
{
	struct tls_client c = {.groups = "ffdhe8192"};
	struct fx f;

	(void)state;
	meet(0, true, &c, &f);
	assert_false(c.shaken);
	assert_int_equal(f.last_why, CONN_TLS_FAILED);
}

/* -- ALPN ------------------------------------------------------------------------------------ */

static enum tls_alpn offered;

static void accept_with_alpn(struct io_thread *t, void *arg)
{
	struct fx_birth *b = arg;
	struct conn *c = conn_new(t, b->fd, b->tls, true);

	conn_set_alpn(c, offered);
	echo_accepted(c, NULL);
}

static void test_alpn(void **state)
{
	static const struct {
		enum tls_alpn server;
		const char *client, *chosen; /* chosen NULL: refused */
	} rows[] = {
		{TLS_ALPN_XMPP_CLIENT, NULL, ""},
		{TLS_ALPN_XMPP_CLIENT, "\x0bxmpp-client", "xmpp-client"},
		{TLS_ALPN_XMPP_CLIENT, "\x02h2\x0bxmpp-client", "xmpp-client"},
		{TLS_ALPN_XMPP_CLIENT, "\x0bxmpp-server", NULL},
		{TLS_ALPN_XMPP_CLIENT, "\x0axmpp-clien", NULL},
		{TLS_ALPN_XMPP_SERVER, "\x0bxmpp-server", "xmpp-server"},
		{TLS_ALPN_XMPP_SERVER, "\x0bxmpp-client", NULL},
		{TLS_ALPN_HTTP, "\x02h2\x08http/1.1", "http/1.1"},
		{TLS_ALPN_HTTP, "\x02h2", NULL},
		{TLS_ALPN_HTTP, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(rows); i++) {
		struct tls_client c = {.alpn = rows[i].client, .say = rows[i].chosen ? "x" : NULL};
		struct fx_birth b = {.tls = store};
		struct fx f;
		int fds[2];

		fx_start(&f, 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
		b.fd = fds[0];
		offered = rows[i].server;
		io_each(f.io, accept_with_alpn, &b, fx_born);
		fx_run_client(&f, tls_client_run, fds[1], &c);
		fx_until(&f, f.closed == 1);
		fx_stop(&f);
		assert_int_equal(c.shaken, rows[i].chosen != NULL);
		if (rows[i].chosen)
			assert_string_equal(c.chosen, rows[i].chosen);
		else
			assert_non_null(strstr(c.reason, "no application protocol"));
	}
}

/* -- STARTTLS -----------------------------------------------------------------------------------
 */

static void test_starttls(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct tls_client c = {
			.before = "starttls", .answer = "proceed", .say = "hello", .volume = 90000};
		struct fx f;

		meet(threads, false, &c, &f);
		assert_true(c.shaken);
		assert_int_equal(f.bytes, 5 + 90000);
	}
}

/* Behind the word, in the same write: never seen. */
static void test_injection(void **state)
{
	struct tls_client c = {
		.before = "starttls", .inject = "INJECTED", .answer = "proceed", .say = "hello"};
	struct fx f;

	(void)state;
	meet(1, false, &c, &f);
	assert_true(c.shaken);
	assert_int_equal(f.bytes, 5);
}

/* After the word, in the clear: that is no handshake. */
static void talk_on(int fd, void *arg)
{
	char buf[64];

	(void)arg;
	write_all(fd, "starttls", 8);
	CHECK(read_all(fd, buf, 7) == 7);
	write_all(fd, "INJECTED IN THE CLEAR AND LONG ENOUGH FOR A HEADER", 50);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	close(fd);
}

static void test_no_handshake(void **state)
{
	struct fx f;
	int fd;

	(void)state;
	proto = echo_proto;
	proto.data = starttls_data;
	fx_start(&f, 1);
	fd = fx_connect_as(&f, (struct fx_birth){.tls = store, .proto = &proto});
	fx_run_client(&f, talk_on, fd, NULL);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_TLS_FAILED);
	assert_int_equal(f.bytes, 0);
	fx_stop(&f);
}

/* Our answer is stuck behind bytes that the client does not read; meanwhile it talks in the
 * clear. Nothing of that may be heard, and the handshake meets it as garbage. */
static void hello_stuffed(struct fx *f, struct link *link)
{
	static char much[2000000];
	struct piece *p = link_piece(0);

	(void)f;
	p->body = much;
	p->body_len = sizeof(much);
	assert_int_equal(link_send(link, p), 0);
}

static void read_to_the_end(int fd, void *arg)
{
	char buf[4096];

	(void)arg;
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	close(fd);
}

static void test_stuffed(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct fx f;
		int fd;

		proto = echo_proto;
		proto.data = starttls_data;
		fx_start(&f, threads);
		f.hello = hello_stuffed;
		fd = fx_connect_as(&f, (struct fx_birth){.tls = store, .proto = &proto});
		fx_until(&f, f.hellos == 1);
		write_all(fd, "starttls", 8);
		/* A call to every thread and back: the word has been read by then. */
		for (int i = 0; i < 3; i++)
			close(fx_connect(&f, 0));
		write_all(fd, "INJECTED IN THE CLEAR AND LONG ENOUGH FOR A HEADER", 50);
		for (int i = 0; i < 3; i++)
			close(fx_connect(&f, 0));
		fx_run_client(&f, read_to_the_end, fd, NULL);
		fx_until(&f, f.closed == 7);
		assert_int_equal(f.bytes, 0);
		fx_stop(&f);
	}
}

/* Logic says the word; what it sends behind it goes out encrypted. */
static void hello_starttls(struct fx *f, struct link *link)
{
	(void)f;
	assert_int_equal(link_control(link, OP_PAUSE, NULL, NULL), 0);
	assert_int_equal(link_send(link, fx_piece("pro", 3)), 0);
	assert_int_equal(link_control(link, OP_SAY, (void *)"ceed", NULL), 0);
	assert_int_equal(link_control(link, OP_TLS, NULL, NULL), 0);
	assert_int_equal(link_send(link, fx_piece("sec", 3)), 0);
	assert_int_equal(link_control(link, OP_SAY, (void *)"ret", NULL), 0);
}

static void test_order(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct tls_client c = {
			.before = "", .answer = "proceed", .first = "secret", .say = "x"};
		struct fx f;
		int fd;

		fx_start(&f, threads);
		f.hello = hello_starttls;
		fd = fx_connect_as(&f, (struct fx_birth){.tls = store});
		fx_run_client(&f, tls_client_run, fd, &c);
		fx_until(&f, f.closed == 1);
		assert_true(c.shaken);
		fx_stop(&f);
	}
}

/* -- pausing and ends
 * ------------------------------------------------------------------------------ */

/* Takes one read, pauses, and is resumed by logic for the next. */
static void pausing_data(void *p, char *bytes, size_t n)
{
	struct echo *e = p;

	CHECK(!conn_paused(e->c));
	conn_pause(e->c);
	echo_data(p, bytes, n);
}

static void resume(struct fx *f, const struct io_msg *msg)
{
	(void)f;
	if (msg->kind == MSG_BYTES)
		assert_int_equal(link_control(msg->link, OP_RESUME, NULL, NULL), 0);
}

static void test_pause(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct tls_client c = {.say = "x", .volume = 600000};
		struct fx f;
		int fd;

		proto = echo_proto;
		proto.data = pausing_data;
		fx_start(&f, threads);
		f.other = resume;
		fd = fx_connect_as(
			&f, (struct fx_birth){.tls = store, .direct_tls = true, .proto = &proto});
		fx_run_client(&f, tls_client_run, fd, &c);
		fx_until(&f, f.closed == 1);
		fx_stop(&f);
	}
}

static void close_after_bytes(struct fx *f, const struct io_msg *msg)
{
	(void)f;
	if (msg->kind == MSG_BYTES)
		link_close(msg->link);
}

/* Our last words, then close_notify. */
static void test_close_notify(void **state)
{
	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_client c = {
			.say = "x", .last = "BYE", .wait_close = true, .max_version = version};
		struct fx f;
		int fd;

		fx_start(&f, 1);
		f.other = close_after_bytes;
		fd = fx_connect_as(&f, (struct fx_birth){.tls = store, .direct_tls = true});
		fx_run_client(&f, tls_client_run, fd, &c);
		assert_true(c.clean_end);
		fx_until(&f, f.closed == 1);
		assert_int_equal(f.last_why, CONN_WE_CLOSED);
		fx_stop(&f);
	}
}

#define T0 (1000 * JD_USEC_PER_SEC)

static void pass(struct fx *f, jd_usec usec)
{
	for (jd_usec t = 0; t < usec; t += JD_USEC_PER_SEC / 16) {
		clock_fake_advance(JD_USEC_PER_SEC / 16);
		loop_turn(f->logic, false);
	}
	for (int i = 0; i < 5; i++)
		loop_turn(f->logic, false);
}

/* Ten seconds for the handshake, counted from its beginning, whatever is dribbled. */
static void test_deadline(void **state)
{
	(void)state;
	for (int direct = 0; direct < 2; direct++) {
		struct fx f;
		int fd;

		proto = echo_proto;
		proto.data = starttls_data;
		clock_fake(T0, T0);
		fx_start(&f, 0);
		fd = fx_connect_as(
			&f, (struct fx_birth){.tls = store, .direct_tls = direct, .proto = &proto});
		if (!direct) {
			write_all(fd, "starttls", 8);
			fx_expect(&f, fd, "proceed");
		}
		for (int i = 0; i < 9; i++) {
			pass(&f, JD_USEC_PER_SEC);
			write_all(fd, &"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[i], 1);
		}
		assert_int_equal(f.closed, 0);
		pass(&f, 3 * JD_USEC_PER_SEC);
		assert_int_equal(f.closed, 1);
		assert_int_equal(f.last_why, CONN_TIMEOUT);
		close(fd);
		fx_stop(&f);
		clock_fake_stop();
	}
}

/* Stopping with handshakes half done and sessions open. */
static void test_stop(void **state)
{
	struct fx_client clients[2];
	struct tls_client c[2] = {{.say = "x", .last = "BYE", .wait_close = true},
				  {.say = "x", .last = "BYE", .wait_close = true}};
	struct fx f;
	int idle;

	(void)state;
	fx_start(&f, 2);
	for (unsigned i = 0; i < 2; i++)
		fx_client_start(&f, &clients[i], tls_client_run,
				fx_connect_as(&f, (struct fx_birth){.tls = store,
								    .direct_tls = true,
								    .thread = i}),
				&c[i]);
	idle = fx_connect_as(&f, (struct fx_birth){.tls = store, .direct_tls = true});
	fx_until(&f, f.bytes == 2);
	io_stop(f.io);
	assert_int_equal(f.closed, 3);
	for (int i = 0; i < 2; i++)
		pthread_join(clients[i].thread, NULL);
	loop_free(f.logic);
	assert_true(c[0].clean_end && c[1].clean_end);
	close(idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_stores),    cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_echo),          cmocka_unit_test(test_names),
		cmocka_unit_test(test_bindings),      cmocka_unit_test(test_versions),
		cmocka_unit_test(test_finite_fields), cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_starttls),      cmocka_unit_test(test_injection),
		cmocka_unit_test(test_no_handshake),  cmocka_unit_test(test_order),
		cmocka_unit_test(test_stuffed),       cmocka_unit_test(test_pause),
		cmocka_unit_test(test_close_notify),  cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
