/* SPDX-License-Identifier: MIT
 *
 * Connections: one write for what one turn says, pausing, closing in all its
 * ways, and deadlines with a clock that the test turns.
 */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "net_fixture.h"

static struct link *begin(struct fx *f, unsigned threads, int *ret_fd)
{
	fx_start(f, threads);
	*ret_fd = fx_connect(f, 0);
	fx_until(f, f->hellos == 1);
	return f->last;
}

static void control(struct link *link, uint16_t op)
{
	assert_int_equal(link_control(link, op, NULL, NULL), 0);
}

static void say(struct link *link, const char *text)
{
	assert_int_equal(link_control(link, OP_SAY, (void *)text, NULL), 0);
}

static uint64_t writes(struct fx *f)
{
	struct io_stats stats;

	io_stats(f->io, &stats);
	return stats.writes;
}

/* -- writing ------------------------------------------------------------------------ */

static void test_one_write(void **state)
{
	struct link *link;
	struct fx f;
	uint64_t before;
	int fd;

	(void)state;
	link = begin(&f, 0, &fd);
	before = writes(&f);
	/* Pieces of logic and words of the I/O thread, in one turn. */
	for (int i = 0; i < 10; i++) {
		say(link, "a");
		assert_int_equal(link_send(link, fx_piece("b", 1)), 0);
	}
	fx_expect(&f, fd, "abababababababababab");
	assert_int_equal(writes(&f), before + 1);
	/* An echo is one read and one write. */
	for (int i = 0; i < 100; i++) {
		write_all(fd, "ping", 4);
		fx_expect(&f, fd, "ping");
	}
	assert_int_equal(writes(&f), before + 101);
	close(fd);
	fx_stop(&f);
}

/* More pieces than one call takes, and more bytes than the socket holds. */
static void read_numbers(int fd, void *arg)
{
	char text[16], in[16];

	for (unsigned i = 0; i < *(unsigned *)arg; i++) {
		int n = snprintf(text, sizeof(text), "%u,", i);

		CHECK(read_all(fd, in, (size_t)n) == (size_t)n);
		CHECK(memcmp(in, text, (size_t)n) == 0);
	}
}

static void test_many_pieces(void **state)
{
	unsigned n = 25000;

	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct link *link;
		struct fx f;
		int fd;

		link = begin(&f, threads, &fd);
		for (unsigned i = 0; i < n; i++) {
			char text[16];

			snprintf(text, sizeof(text), "%u,", i);
			assert_int_equal(link_send(link, fx_piece(text, strlen(text))), 0);
		}
		fx_run_client(&f, read_numbers, fd, &n);
		fx_until(&f, link_queued(link) == 0);
		close(fd);
		fx_stop(&f);
	}
}

static _Atomic bool overrun;

static void say_too_much(void *p, char *bytes, size_t n)
{
	struct echo *e = p;
	static char much[100000];

	(void)bytes;
	(void)n;
	while (!overrun) {
		conn_write(e->c, much, sizeof(much));
		overrun = conn_unsent(e->c) > CONN_UNSENT_MAX - sizeof(much);
	}
	/* One more than the bound. */
	conn_write(e->c, much, sizeof(much));
}

static void test_unsent_bound(void **state)
{
	struct conn_proto proto = echo_proto;
	struct fx f;
	int fd;

	(void)state;
	proto.data = say_too_much;
	overrun = false;
	fx_start(&f, 1);
	fd = fx_connect_as(&f, (struct fx_birth){.proto = &proto});
	write_all(fd, "x", 1);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_RESET);
	close(fd);
	fx_stop(&f);
}

/* -- pausing ------------------------------------------------------------------------- */

static void test_pause(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads < 2; threads++) {
		struct link *link;
		struct fx f;
		int fd;

		link = begin(&f, threads, &fd);
		control(link, OP_PAUSE);
		say(link, "paused");
		fx_expect(&f, fd, "paused");
		write_all(fd, "1", 1);
		for (int i = 0; i < 200; i++)
			loop_turn(f.logic, false);
		/* A barrier: what is said after it comes back after its doorbell was answered. */
		say(link, ".");
		fx_expect(&f, fd, ".");
		assert_int_equal(f.bytes, 0);
		/* Pausing and resuming in one turn leaves things as they are. */
		control(link, OP_RESUME);
		control(link, OP_PAUSE);
		say(link, ".");
		fx_expect(&f, fd, ".");
		assert_int_equal(f.bytes, 0);
		control(link, OP_RESUME);
		fx_expect(&f, fd, "1");
		close(fd);
		fx_stop(&f);
	}
}

/* -- ends ------------------------------------------------------------------------------ */

static void test_peer_closes(void **state)
{
	struct fx f;
	int fd;

	(void)state;
	(void)begin(&f, 1, &fd);
	write_all(fd, "last", 4);
	fx_expect(&f, fd, "last");
	/* Half a close is a close: an XMPP stream is over when one side has gone. */
	shutdown(fd, SHUT_WR);
	fx_expect_eof(&f, fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_PEER_CLOSED);
	assert_int_equal(f.bytes, 4);
	assert_int_equal(echo_ended, 1);
	close(fd);
	fx_stop(&f);
}

/* Who has ended its side and reads nothing is told of at once, not when the flush is given up. */
static void test_half_closed_unread(void **state)
{
	static char much[2000000];
	struct piece *p;
	struct link *link;
	struct fx f;
	int fd;

	(void)state;
	link = begin(&f, 0, &fd);
	p = link_piece(0);
	p->body = much;
	p->body_len = sizeof(much);
	assert_int_equal(link_send(link, p), 0);
	write_all(fd, "last", 4);
	shutdown(fd, SHUT_WR);
	fx_until(&f, echo_ended == 1);
	fx_until(&f, f.bytes == 4);
	assert_int_equal(f.closed, 0);
	close(fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(echo_ended, 1);
	fx_stop(&f);
}

static void test_close_flushes(void **state)
{
	static char much[1000000];
	struct piece *p;
	struct link *link;
	struct fx f;
	size_t got = 0;
	int fd;

	(void)state;
	link = begin(&f, 0, &fd);
	p = link_piece(0);
	p->body = much;
	p->body_len = sizeof(much);
	assert_int_equal(link_send(link, p), 0);
	link_close(link);
	alarm(60);
	for (;;) {
		static char in[65536];
		ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else
			loop_turn(f.logic, false);
	}
	alarm(0);
	assert_int_equal(got, sizeof(much) + 3);
	assert_int_equal(f.closed, 0);
	/* What the peer still says is heard by nobody. */
	write_all(fd, "what?", 5);
	for (int i = 0; i < 10; i++)
		loop_turn(f.logic, false);
	assert_int_equal(f.bytes, 0);
	close(fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_WE_CLOSED);
	assert_int_equal(echo_said_goodbye, 1);
	fx_stop(&f);
}

static void test_abort(void **state)
{
	struct link *link;
	struct fx f;
	int fd;

	(void)state;
	link = begin(&f, 1, &fd);
	assert_int_equal(link_send(link, fx_piece("never", 5)), 0);
	control(link, OP_ABORT);
	control(link, OP_CLOSE);
	fx_expect_eof(&f, fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_WE_CLOSED);
	close(fd);
	fx_stop(&f);
}

/* Closes and goes on talking, all within data(). */
static void close_and_talk(void *p, char *bytes, size_t n)
{
	struct echo *e = p;

	(void)n;
	conn_write(e->c, "1", 1);
	if (bytes[0] == 'a')
		conn_abort(e->c, CONN_TIMEOUT);
	else
		conn_close(e->c, CONN_TIMEOUT);
	conn_write(e->c, "2", 1);
	conn_close(e->c, CONN_WE_CLOSED);
	conn_pause(e->c);
	conn_resume(e->c);
	assert_true(conn_last_read(e->c) > 0);
}

static void test_close_in_data(void **state)
{
	struct conn_proto proto = echo_proto;
	struct fx f;
	int fd;

	(void)state;
	proto.data = close_and_talk;
	fx_start(&f, 0);
	fd = fx_connect_as(&f, (struct fx_birth){.proto = &proto});
	write_all(fd, "c", 1);
	fx_expect(&f, fd, "12");
	fx_expect_eof(&f, fd);
	close(fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_TIMEOUT);
	fd = fx_connect_as(&f, (struct fx_birth){.proto = &proto});
	write_all(fd, "a", 1);
	fx_expect_eof(&f, fd);
	fx_until(&f, f.closed == 2);
	assert_int_equal(f.last_why, CONN_TIMEOUT);
	close(fd);
	fx_stop(&f);
}

static void test_reset(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};
	struct fx_birth b = {.thread = 0};
	socklen_t len = sizeof(addr);
	int lfd, fd;
	struct fx f;

	(void)state;
	fx_start(&f, 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	lfd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(lfd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(lfd, 1), 0);
	assert_int_equal(getsockname(lfd, (struct sockaddr *)&addr, &len), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	b.io = f.io;
	b.fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(b.fd >= 0);
	io_each(f.io, fx_give_birth, &b, fx_born);
	fx_until(&f, f.hellos == 1);
	assert_true(conn_is_local(f.last->conn));
	assert_string_equal(conn_peer(f.last->conn).p, "127.0.0.1");
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
	fx_until(&f, f.closed == 1);
	assert_int_equal(f.last_why, CONN_RESET);
	close(lfd);
	fx_stop(&f);
}

/* -- time -------------------------------------------------------------------------------- */

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

static void test_tick(void **state)
{
	struct fx f;
	int fds[20];

	(void)state;
	clock_fake(T0, T0);
	fx_start(&f, 0);
	for (int i = 0; i < 20; i++)
		fds[i] = fx_connect(&f, 0);
	pass(&f, 10 * JD_USEC_PER_SEC);
	/* Ten seconds, each connection once a second. */
	assert_in_range(echo_ticks, 9 * 20, 11 * 20);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	fx_until(&f, f.closed == 20);
	/* Nobody there: nothing ticks. */
	pass(&f, JD_USEC_PER_SEC);
	echo_ticks = 0;
	pass(&f, 3 * JD_USEC_PER_SEC);
	assert_int_equal(echo_ticks, 0);
	fx_stop(&f);
	clock_fake_stop();
}

/* The peer takes nothing: after 5 s it is over. */
static void test_flush_deadline(void **state)
{
	static char much[3000000];
	struct link *link;
	struct piece *p;
	struct fx f;
	int fd;

	(void)state;
	clock_fake(T0, T0);
	link = begin(&f, 0, &fd);
	p = link_piece(0);
	p->body = much;
	p->body_len = sizeof(much);
	assert_int_equal(link_send(link, p), 0);
	link_close(link);
	pass(&f, 4 * JD_USEC_PER_SEC);
	assert_int_equal(f.closed, 0);
	pass(&f, 3 * JD_USEC_PER_SEC);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.last_why, CONN_WE_CLOSED);
	close(fd);
	fx_stop(&f);
	clock_fake_stop();
}

/* The peer leaves its end open: we don't wait for ever. */
static void test_linger_deadline(void **state)
{
	struct link *link;
	struct fx f;
	int fd;

	(void)state;
	clock_fake(T0, T0);
	link = begin(&f, 0, &fd);
	link_close(link);
	fx_expect(&f, fd, "BYE");
	pass(&f, JD_USEC_PER_SEC);
	assert_int_equal(f.closed, 0);
	pass(&f, 3 * JD_USEC_PER_SEC);
	assert_int_equal(f.closed, 1);
	close(fd);
	fx_stop(&f);
	clock_fake_stop();
}

static void test_times(void **state)
{
	struct link *link;
	struct fx f;
	int fd;

	(void)state;
	clock_fake(T0, T0);
	link = begin(&f, 0, &fd);
	pass(&f, 7 * JD_USEC_PER_SEC);
	assert_true(conn_last_read(link->conn) < T0 + JD_USEC_PER_SEC);
	write_all(fd, "x", 1);
	fx_expect(&f, fd, "x");
	assert_true(conn_last_read(link->conn) >= T0 + 7 * JD_USEC_PER_SEC);
	assert_true(conn_last_write(link->conn) >= T0 + 7 * JD_USEC_PER_SEC);
	assert_int_equal(conn_unsent(link->conn), 0);
	assert_null(conn_tls(link->conn));
	assert_false(conn_can_tls(link->conn));
	close(fd);
	fx_stop(&f);
	clock_fake_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_write),
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_unsent_bound),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_peer_closes),
		cmocka_unit_test(test_half_closed_unread),
		cmocka_unit_test(test_close_flushes),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_close_in_data),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_flush_deadline),
		cmocka_unit_test(test_linger_deadline),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
