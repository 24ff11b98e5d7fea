/* SPDX-License-Identifier: MIT
 *
 * Links: nothing is lost, doubled or out of order between logic and the I/O
 * threads, whatever is full; slots come back clean.  Every test runs with the
 * I/O on the logic loop, on one thread and on two.
 */
#include "net_fixture.h"

static const unsigned thread_counts[] = {0, 1, 2};

#define each_count(threads)                                                                        \
	for (size_t i_ = 0; i_ < JD_ARRAY_SIZE(thread_counts); i_++)                               \
		for (unsigned once_ = 1, threads = thread_counts[i_]; once_; once_ = 0)

/* -- pieces ------------------------------------------------------------------------ */

static size_t dropped, released;

static void count_drop(void *arg)
{
	assert_ptr_equal(arg, &dropped);
	dropped++;
}

static void count_release(struct shared *s)
{
	(void)s;
	released++;
}

static void test_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, 256, 257, 1024, 1025, 100000};
	struct shared body;

	(void)state;
	role_take(ROLE_LOGIC);
	dropped = released = 0;
	shared_init(&body, count_release);
	for (size_t i = 0; i < JD_ARRAY_SIZE(sizes); i++) {
		struct piece *p = link_piece(sizes[i]);

		assert_true(!p->next && !p->kind && !p->op && !p->head_len && !p->body_len);
		assert_true(!p->tail_len && !p->body && !p->body_ref && !p->arg && !p->drop);
		memset(p->text, 'x', sizes[i]);
		p->arg = &dropped;
		p->drop = count_drop;
		p->body_ref = shared_ref(&body);
		piece_free(p);
		assert_int_equal(dropped, i + 1);
	}
	assert_int_equal(released, 0);
	shared_unref(&body);
	assert_int_equal(released, 1);
	piece_free(NULL);
}

/* -- echo --------------------------------------------------------------------------- */

/* Lines with numbers, many in flight, come back in order. */
static void count_lines(int fd, void *arg)
{
	const unsigned lines = *(unsigned *)arg;
	char out[64], in[64];
	unsigned sent = 0;

	for (unsigned got = 0; got < lines; got++) {
		while (sent < lines && sent - got < 100) {
			snprintf(out, sizeof(out), "%09u\n", sent++);
			write_all(fd, out, 10);
		}
		CHECK(read_all(fd, in, 10) == 10);
		snprintf(out, sizeof(out), "%09u\n", got);
		CHECK(memcmp(in, out, 10) == 0);
	}
	close(fd);
}

static void test_echo(void **state)
{
	unsigned lines = 20000;

	(void)state;
	each_count(threads)
	{
		struct fx_client clients[4];
		struct fx f;

		fx_start(&f, threads);
		for (unsigned i = 0; i < 4; i++)
			fx_client_start(&f, &clients[i], count_lines,
					fx_connect(&f, threads ? i % threads : 0), &lines);
		for (unsigned i = 0; i < 4; i++)
			fx_client_wait(&f, &clients[i]);
		fx_until(&f, f.closed == 4);
		assert_int_equal(f.bytes, 4 * 10 * lines);
		assert_int_equal(f.last_why, CONN_PEER_CLOSED);
		fx_stop(&f);
		assert_int_equal(echo_closed, 4);
	}
}

/* The same through an inward ring of four places and with a reader of small bites. */
static void test_full_ring(void **state)
{
	unsigned lines = 3000;

	(void)state;
	each_count(threads)
	{
		struct fx_client clients[4];
		struct fx f;

		fx_start_ring(&f, threads, 10, 4);
		for (unsigned i = 0; i < 4; i++)
			fx_client_start(&f, &clients[i], count_lines, fx_connect(&f, 0), &lines);
		for (unsigned i = 0; i < 4; i++)
			fx_client_wait(&f, &clients[i]);
		fx_until(&f, f.closed == 4);
		assert_int_equal(f.bytes, 4 * 10 * lines);
		fx_stop(&f);
	}
}

/* Logic does nothing while the ring fills up: refused posts come later, CLOSED last. */
static void test_refused_posts(void **state)
{
	enum { CONNS = 30 };

	(void)state;
	each_count(threads)
	{
		int fds[CONNS];
		struct fx f;

		fx_start_ring(&f, threads, CONNS, 2);
		f.mute = true;
		for (int i = 0; i < CONNS; i++)
			fds[i] = fx_connect(&f, 0);
		for (int i = 0; i < CONNS; i++)
			write_all(fds[i], "hello", 5);
		fx_until(&f, f.bytes == CONNS * 5);
		assert_int_equal(f.hellos, CONNS);
		assert_true(threads > 0 || echo_refused > 0);
		for (int i = 0; i < CONNS; i++)
			close(fds[i]);
		fx_until(&f, f.closed == CONNS);
		fx_stop(&f);
	}
}

/* -- what a piece is made of -------------------------------------------------------- */

static void send_parts(struct fx *f, struct link *link)
{
	static struct shared body;
	struct piece *p = link_piece(16);

	(void)f;
	shared_init(&body, count_release);
	memcpy(p->text, "<head></tail>", 13);
	p->head_len = 6;
	p->tail_len = 7;
	p->body = "body";
	p->body_len = 4;
	p->body_ref = &body;
	assert_int_equal(link_send(link, p), 0);
	assert_int_equal(link_send(link, link_piece(0)), 0);
	assert_int_equal(link_control(link, OP_SAY, (void *)" said ", NULL), 0);
	assert_int_equal(link_send(link, fx_piece("last", 4)), 0);
	link_close(link);
	/* After the end: dropped. */
	assert_int_equal(link_send(link, fx_piece("never", 5)), 0);
}

static void test_parts(void **state)
{
	(void)state;
	each_count(threads)
	{
		struct fx f;
		int fd;

		fx_start(&f, threads);
		f.hello = send_parts;
		released = 0;
		fd = fx_connect(&f, 0);
		fx_expect(&f, fd, "<head>body</tail> said lastBYE");
		fx_expect_eof(&f, fd);
		close(fd);
		fx_until(&f, f.closed == 1);
		assert_int_equal(f.last_why, CONN_WE_CLOSED);
		assert_int_equal(released, 1);
		fx_stop(&f);
	}
}

static size_t frame_length(void *p, uint64_t n, char out[14])
{
	(void)p;
	return (size_t)snprintf(out, 14, "[%u]", (unsigned)n);
}

static void send_frames(struct fx *f, struct link *link)
{
	(void)f;
	assert_int_equal(link_send(link, fx_piece("one", 3)), 0);
	assert_int_equal(link_send(link, fx_piece("three", 5)), 0);
}

static void test_frames(void **state)
{
	struct conn_proto framed = echo_proto;

	(void)state;
	framed.frame = frame_length;
	each_count(threads)
	{
		struct fx f;
		int fd;

		fx_start(&f, threads);
		f.hello = send_frames;
		fd = fx_connect_as(&f, (struct fx_birth){.proto = &framed});
		fx_expect(&f, fd, "[3]one[5]three");
		fx_until(&f, link_queued(f.last) == 0);
		close(fd);
		fx_stop(&f);
	}
}

/* -- bounds ----------------------------------------------------------------------------- */

static char block[5000];

static void read_blocks(int fd, void *arg)
{
	size_t n = *(size_t *)arg;
	char in[sizeof(block)];

	for (size_t i = 0; i < n; i++) {
		unsigned number;

		CHECK(read_all(fd, in, sizeof(in)) == sizeof(in));
		memcpy(&number, in, sizeof(number));
		CHECK(number == i);
	}
}

/* Nobody reads: the bound refuses, and what was accepted before it arrives whole. */
static void test_slow_reader(void **state)
{
	(void)state;
	each_count(threads)
	{
		size_t sent = 0, most = 0;
		struct link *link;
		struct fx f;
		int fd, r;

		fx_start(&f, threads);
		fd = fx_connect(&f, 0);
		fx_until(&f, f.hellos == 1);
		link = f.last;
		for (;;) {
			unsigned number = (unsigned)sent;

			memcpy(block, &number, sizeof(number));
			r = link_send(link, fx_piece(block, sizeof(block)));
			if (r)
				break;
			sent++;
			most = link_queued(link) > most ? link_queued(link) : most;
			loop_turn(f.logic, false);
		}
		assert_int_equal(r, -JD_ELIMIT);
		assert_true(most <= LINK_HARD_BYTES);
		assert_true(sent >= LINK_HARD_BYTES / (sizeof(block) + PIECE_COST));
		/* What is no data passes still. */
		assert_int_equal(link_control(link, OP_PAUSE, NULL, NULL), 0);
		link_want_drain(link, 0);
		fx_run_client(&f, read_blocks, fd, &sent);
		fx_until(&f, f.drained == 1);
		assert_int_equal(link_queued(link), 0);
		close(fd);
		/* Paused, it doesn't see the end of the file before it is resumed. */
		assert_int_equal(link_control(link, OP_RESUME, NULL, NULL), 0);
		fx_until(&f, f.closed == 1);
		fx_stop(&f);
	}
}

static void test_many_tiny(void **state)
{
	struct fx f;
	size_t sent = 0;
	int fd;

	(void)state;
	fx_start(&f, 0);
	fd = fx_connect(&f, 0);
	fx_until(&f, f.hellos == 1);
	/* No turn of the loop: all of them are in memory. */
	while (link_send(f.last, fx_piece("x", 1)) == 0)
		sent++;
	assert_true(sent <= LINK_HARD_BYTES / PIECE_COST);
	close(fd);
	fx_until(&f, f.closed == 1);
	fx_stop(&f);
}

/* One answer per wish: at once when it is so already, later when it is not. */
static void test_drain(void **state)
{
	(void)state;
	each_count(threads)
	{
		struct fx f;
		size_t n = 0;
		int fd;

		fx_start(&f, threads);
		fd = fx_connect(&f, 0);
		fx_until(&f, f.hellos == 1);
		for (size_t i = 1; i <= 50; i++) {
			link_want_drain(f.last, 0);
			fx_until(&f, f.drained == i);
		}
		while (link_queued(f.last) < 2u << 20) {
			unsigned number = (unsigned)n++;

			memcpy(block, &number, sizeof(number));
			assert_int_equal(link_send(f.last, fx_piece(block, sizeof(block))), 0);
		}
		link_want_drain(f.last, 1u << 20);
		for (int i = 0; i < 1000; i++)
			loop_turn(f.logic, false);
		assert_int_equal(f.drained, 50);
		fx_run_client(&f, read_blocks, fd, &n);
		fx_until(&f, f.drained == 51);
		fx_until(&f, link_queued(f.last) == 0);
		for (int i = 0; i < 100; i++)
			loop_turn(f.logic, false);
		assert_int_equal(f.drained, 51);
		close(fd);
		fx_stop(&f);
	}
}

/* A producer that goes by drain events alone comes to its end. */
static void produce(struct fx *f, const struct io_msg *msg)
{
	static size_t made;

	if (msg->kind == MSG_HELLO)
		made = 0;
	if (msg->kind != MSG_HELLO && msg->kind != IO_DRAINED)
		return;
	(void)f;
	while (link_queued(msg->link) < LINK_SOFT_BYTES && made < 2000) {
		unsigned number = (unsigned)made++;

		memcpy(block, &number, sizeof(number));
		assert_int_equal(link_send(msg->link, fx_piece(block, sizeof(block))), 0);
	}
	if (made < 2000)
		link_want_drain(msg->link, LINK_SOFT_BYTES / 2);
}

static void test_producer(void **state)
{
	size_t n = 2000;

	(void)state;
	each_count(threads)
	{
		struct fx f;

		fx_start(&f, threads);
		f.other = produce;
		fx_run_client(&f, read_blocks, fx_connect(&f, 0), &n);
		fx_stop(&f);
	}
}

/* -- the life of a slot ------------------------------------------------------------------- */

static void test_reuse(void **state)
{
	(void)state;
	each_count(threads)
	{
		struct link *first = NULL;
		uint32_t generation = 0;
		struct fx f;

		fx_start_ring(&f, threads, 1, 0);
		for (size_t i = 1; i <= 200; i++) {
			int fd = fx_connect(&f, 0);

			assert_true(fd >= 0);
			fx_until(&f, f.hellos == i);
			first = first ? first : f.last;
			assert_ptr_equal(f.last, first);
			assert_true(f.last->generation != generation);
			assert_null(f.last->user);
			generation = f.last->generation;
			f.last->user = &f;
			close(fd);
			/* For a link that may be closed or not, and a wish that may be granted or
			 * not. */
			dropped = 0;
			for (int k = 0; k < 5; k++) {
				assert_int_equal(link_send(first, fx_piece("stale", 5)), 0);
				assert_int_equal(link_control(first, 0, &dropped, count_drop), 0);
			}
			link_want_drain(first, 0);
			/* The one slot is taken until it was released. */
			f.hoard = true;
			fx_until(&f, f.closed == i);
			assert_int_equal(fx_connect(&f, 0), -1);
			assert_int_equal(link_send(first, fx_piece("stale", 5)), 0);
			f.hoard = false;
			link_release(first);
			do
				fd = fx_connect(&f, 0);
			while (fd < 0);
			/* Nothing of what was said to the one before. */
			write_all(fd, "fresh", 5);
			fx_expect(&f, fd, "fresh");
			assert_int_equal(dropped, 5);
			close(fd);
			f.hellos = i;
			fx_until(&f, f.closed == i + 1);
			f.closed = i;
			generation = first->generation;
		}
		fx_stop(&f);
	}
}

static void test_thousand(void **state)
{
	enum { CONNS = 1000 };

	(void)state;
	each_count(threads)
	{
		static int fds[CONNS];
		struct io_stats stats;
		struct fx f;

		fx_start(&f, threads);
		for (int i = 0; i < CONNS; i++)
			fds[i] = fx_connect(&f, threads ? (unsigned)i % threads : 0);
		for (int round = 0; round < 3; round++) {
			for (int i = 0; i < CONNS; i++)
				write_all(fds[i], "ping", 4);
			for (int i = 0; i < CONNS; i++)
				fx_expect(&f, fds[i], "ping");
		}
		io_stats(f.io, &stats);
		assert_int_equal(stats.links, CONNS);
		assert_int_equal(stats.accepted, CONNS);
		assert_int_equal(stats.bytes_in, 3 * 4 * CONNS);
		assert_int_equal(stats.bytes_out, 3 * 4 * CONNS);
		for (int i = 0; i < CONNS; i += 2)
			close(fds[i]);
		fx_until(&f, f.closed == CONNS / 2);
		/* Half of them are still open: each is told good-bye. */
		fx_stop(&f);
		assert_int_equal(f.closed, CONNS);
		assert_int_equal(f.last_why, CONN_SHUTDOWN);
		assert_int_equal(echo_said_goodbye, CONNS / 2);
		for (int i = 1; i < CONNS; i += 2) {
			char buf[4];

			assert_int_equal(recv(fds[i], buf, 4, 0), 3);
			close(fds[i]);
		}
	}
}

/* -- calls on all threads --------------------------------------------------------------------- */

enum { CALLS = 300 };
static _Atomic unsigned ran;
static unsigned finished;

static void call_fn(struct io_thread *t, void *arg)
{
	CHECK(io_current() == t && role_is(ROLE_IO));
	CHECK(arg == &finished);
	ran++;
}

static void call_done(void *arg)
{
	(void)arg;
	finished++;
}

static void test_each(void **state)
{
	(void)state;
	each_count(threads)
	{
		struct fx f;

		fx_start(&f, threads);
		ran = finished = 0;
		assert_int_equal(io_count(f.io), threads ? threads : 1);
		for (unsigned i = 0; i < CALLS; i++) {
			io_each(f.io, call_fn, &finished, i % 3 ? call_done : NULL);
			assert_int_equal(finished, 0);
		}
		fx_until(&f, finished == CALLS / 3 * 2);
		assert_int_equal(ran, CALLS * io_count(f.io));
		/* Those under way are finished by the end. */
		io_each(f.io, call_fn, &finished, call_done);
		fx_stop(&f);
		assert_int_equal(finished, CALLS / 3 * 2 + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),      cmocka_unit_test(test_echo),
		cmocka_unit_test(test_full_ring),   cmocka_unit_test(test_refused_posts),
		cmocka_unit_test(test_parts),       cmocka_unit_test(test_frames),
		cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_many_tiny),
		cmocka_unit_test(test_drain),       cmocka_unit_test(test_producer),
		cmocka_unit_test(test_reuse),       cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
