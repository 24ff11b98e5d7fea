/* SPDX-License-Identifier: MIT
 *
 * Slabs: objects do not overlap, chunks come and go, and a second thread gives
 * objects back while the owner goes on allocating.
 */
#include "util/slab.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rt/ring.h"
#include "util/mem.h"

#define MANY 1000

static void test_objects(void **state)
{
	struct slab *slab = slab_new("test", 100, 65536);
	unsigned char *p[MANY];
	struct slab_stats st;
	size_t chunks;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		p[i] = slab_get(slab);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)(i & 255), 100);
	}
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(p[i][0], i & 255);
		assert_int_equal(p[i][99], i & 255);
	}
	slab_stats(slab, &st);
	assert_int_equal(st.used, MANY);
	assert_int_equal(st.chunks, 2); /* 584 in each */
	assert_int_equal(st.bytes, st.chunks * 65536);
	chunks = st.chunks;
	/* Half of them back and out again needs no chunk. */
	for (size_t i = 0; i < MANY; i += 2)
		slab_put(p[i]);
	for (size_t i = 0; i < MANY; i += 2)
		p[i] = slab_get(slab);
	slab_trim(slab);
	slab_stats(slab, &st);
	assert_int_equal(st.used, MANY);
	assert_int_equal(st.chunks, chunks);
	for (size_t i = 0; i < MANY; i++)
		slab_put(p[i]);
	slab_stats(slab, &st);
	assert_int_equal(st.used, 0);
	assert_int_equal(st.chunks, chunks);
	slab_trim(slab);
	slab_stats(slab, &st);
	assert_int_equal(st.chunks, 1);
	slab_free(slab);
	slab_free(NULL);
}

static void test_sizes(void **state)
{
	static const struct {
		size_t object, chunk, bytes;
	} sizes[] = {
		{0, 0, 4096},      {1, 4096, 4096},         {4096, 4096, 8192},
		{16384, 1, 20480}, {65536, 200000, 200704}, {1024, SLAB_CHUNK_MAX, SLAB_CHUNK_MAX},
	};
	struct slab_stats st;

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(sizes); i++) {
		struct slab *slab = slab_new("test", sizes[i].object, sizes[i].chunk);
		char *p = slab_get(slab), *q = slab_get(slab);

		memset(p, 1, sizes[i].object);
		memset(q, 2, sizes[i].object);
		slab_put(p);
		slab_stats(slab, &st);
		assert_int_equal(st.bytes / st.chunks, sizes[i].bytes);
		slab_put(q);
		slab_free(slab);
	}
}

/* A leak is a bug: the process ends. */
static void test_leak(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct slab *slab = slab_new("test", 32, 4096);

		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		slab_get(slab);
		slab_free(slab);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#define PASSED 200000

struct message {
	uint64_t number;
	uint64_t check;
};

struct relay {
	struct ring *ring;
	bool good;
};

/* Reads each object and gives it back to the thread that made it. */
static void *consume(void *arg)
{
	struct relay *relay = arg;
	uint64_t next = 0;
	struct message *m;

	while (next < PASSED) {
		if (!ring_pop(relay->ring, &m)) {
			sched_yield();
			continue;
		}
		if (m->number != next || m->check != ~next)
			relay->good = false;
		m->check = 0;
		next++;
		slab_put(m);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct slab *slab = slab_new("test", sizeof(struct message), 16384);
	struct relay relay = {ring_new(256, sizeof(struct message *), NULL), true};
	struct slab_stats st;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, consume, &relay), 0);
	for (uint64_t i = 0; i < PASSED; i++) {
		struct message *m = slab_get(slab), *own = slab_get(slab);

		m->number = i;
		m->check = ~i;
		slab_put(own);
		while (!ring_push(relay.ring, &m))
			sched_yield();
		ring_publish(relay.ring);
		if (i % 1000 == 0)
			slab_trim(slab);
	}
	pthread_join(thread, NULL);
	slab_trim(slab);
	slab_stats(slab, &st);
	assert_int_equal(st.used, 0);
	assert_int_equal(st.chunks, 1);
	assert_true(relay.good);
	ring_free(relay.ring);
	slab_free(slab);
}

/* Objects outlive their owner's thread: whoever waited for its end frees the slab. */
static void *fill(void *arg)
{
	void **p = arg;

	p[1] = slab_get(p[0]);
	p[2] = slab_get(p[0]);
	slab_put(p[2]);
	return NULL;
}

static void test_owner_ends(void **state)
{
	void *p[3] = {slab_new("test", 64, 4096), NULL, NULL};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, fill, p), 0);
	pthread_join(thread, NULL);
	slab_put(p[1]);
	slab_free(p[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),    cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_leak),       cmocka_unit_test(test_threads),
		cmocka_unit_test(test_owner_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
