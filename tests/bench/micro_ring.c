/* SPDX-License-Identifier: MIT
 *
 * What the way between two threads costs: nanoseconds of CPU time an entry for a
 * ring by itself, published one by one and by thirty-two. Both ends are on this
 * thread, so what is seen is the ring and not the scheduler or the memory bus.
 * Prints, judges nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rt/ring.h"

/* As large as a message of an I/O thread. */
struct entry {
	uint64_t words[4];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double measure(unsigned rounds, unsigned batch)
{
	struct ring *r = ring_new(1024, sizeof(struct entry), NULL);
	struct entry in = {{1, 2, 3, 4}}, out;
	uint64_t sum = 0;
	double t = now();

	for (unsigned i = 0; i < rounds; i += batch) {
		for (unsigned k = 0; k < batch; k++)
			if (!ring_push(r, &in))
				abort();
		ring_publish(r);
		while (ring_pop(r, &out))
			sum += out.words[0];
	}
	t = (now() - t) / rounds;
	if (sum < rounds)
		abort();
	ring_free(r);
	return t;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000000;

	for (int i = 0; i < 3; i++)
		printf("ring: %.1f ns an entry by one, %.1f ns by thirty-two\n", measure(rounds, 1),
		       measure(rounds, 32));
	return 0;
}
