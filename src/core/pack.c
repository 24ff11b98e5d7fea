/* SPDX-License-Identifier: MIT
 *
 * Packing for modules.  The logic thread has one set of contexts and one buffer for
 * results, made when first needed, so that a row costs no allocation.  A buffer that something
 * unusual has made large goes with the next call.
 *
 * Dictionaries are trained on a worker.
 */
#include <jackdaw/pack.h>

#include "core/core.h"
#include "util/zstd.h"

/* The buffer is kept up to this size. */
#define BUFFER_KEPT ((size_t)64 << 10)
#define SAMPLES_N   ((size_t)1 << 20)

static struct zstd *contexts;
static char *buffer;
static size_t buffer_size;

/* NULL: there is no room for so much. */
static char *buffer_for(size_t size)
{
	if (buffer_size > BUFFER_KEPT || size > buffer_size) {
		mem_free(buffer);
		buffer_size = size > BUFFER_KEPT ? size : BUFFER_KEPT;
		buffer = mem_try_alloc(buffer_size);
		if (!buffer)
			buffer_size = 0;
	}
	if (!contexts)
		contexts = zstd_new();
	return buffer;
}

void pack_fini(void)
{
	zstd_free(contexts);
	mem_free(buffer);
	contexts = NULL;
	buffer = NULL;
	buffer_size = 0;
}

/* -- packing -------------------------------------------------------------------------------- */

int jd_pack(struct jd_dictionary *d, struct jd_str bytes, struct jd_str *ret_packed)
{
	size_t worth = bytes.len - bytes.len / 8, len;
	char *out = buffer_for(worth);
	int r = out ? zstd_pack(contexts, d, bytes, out, worth, &len) : -JD_ENOMEM;

	if (r == 0)
		*ret_packed = (struct jd_str){out, len};
	return r;
}

size_t jd_packed_size(struct jd_str packed)
{
	uint64_t size;

	if (zstd_size(packed, &size) < 0)
		return 0;
	return size > SIZE_MAX ? SIZE_MAX : (size_t)size;
}

int jd_unpack(const struct jd_dictionary *d, struct jd_str packed, size_t most,
	      struct jd_str *ret_bytes)
{
	uint64_t size;
	char *out;
	int r = zstd_size(packed, &size);

	if (r < 0)
		return r;
	if (size > most)
		return -JD_ELIMIT;
	out = buffer_for((size_t)size);
	if (!out)
		return -JD_ENOMEM;
	r = zstd_unpack(contexts, d, packed, out, (size_t)size);
	if (r == 0)
		*ret_bytes = (struct jd_str){out, (size_t)size};
	return r;
}

/* -- training ------------------------------------------------------------------------------- */

struct training {
	struct worker_job job;
	struct pending pending;
	jd_dictionary_fn fn; /* NULL: nobody waits for it any more */
	void *arg;
	uint32_t number;
	char *samples, *out;
	size_t *sizes;
	size_t n, most, len; /* len 0: nothing came of it */
};

static void on_cancel(struct pending *p)
{
	container_of(p, struct training, pending)->fn = NULL;
}

static void training_free(struct training *t)
{
	mem_free(t->samples);
	mem_free(t->sizes);
	mem_free(t->out);
	mem_free(t);
}

static void train_work(struct worker_job *job)
{
	struct training *t = container_of(job, struct training, job);

	if (zstd_train(t->number, t->samples, t->sizes, (unsigned)t->n, t->out, t->most, &t->len) <
	    0)
		t->len = 0;
}

static void train_done(struct worker_job *job)
{
	struct training *t = container_of(job, struct training, job);

	if (t->fn) {
		list_remove(&t->pending.node);
		t->fn(t->arg, (struct jd_str){t->len ? t->out : NULL, t->len});
	}
	training_free(t);
}

static bool is_good(size_t most, struct jd_str samples, const size_t *sizes, size_t n)
{
	size_t sum = 0;

	if (n < JD_SAMPLES_MIN || n > SAMPLES_N || samples.len > JD_SAMPLES_MAX || most < 1024 ||
	    most > JD_SAMPLES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (sizes[i] > samples.len - sum)
			return false;
		sum += sizes[i];
	}
	return sum == samples.len;
}

static struct training *training_new(uint32_t number, size_t most, struct jd_str samples,
				     const size_t *sizes, size_t n)
{
	struct training *t = mem_new(struct training);

	t->number = number;
	t->most = most;
	t->n = n;
	t->samples = mem_alloc_raw(samples.len);
	memcpy(t->samples, samples.p, samples.len);
	t->sizes = mem_alloc_raw(n * sizeof(*sizes));
	memcpy(t->sizes, sizes, n * sizeof(*sizes));
	t->out = mem_alloc_raw(most);
	t->job.work = train_work;
	t->job.done = train_done;
	return t;
}

int jd_dictionary_train(struct jd_owner *owner, uint32_t number, size_t most, struct jd_str samples,
			const size_t *sizes, size_t n, jd_dictionary_fn fn, void *arg)
{
	struct training *t;
	int r;

	if (!number || !is_good(most, samples, sizes, n))
		return -JD_EINVAL;
	t = training_new(number, most, samples, sizes, n);
	r = worker_submit(server.workers, &t->job);
	if (r < 0) {
		training_free(t);
		return r;
	}
	t->fn = fn;
	t->arg = arg;
	t->pending.cancel = on_cancel;
	t->pending.code = (void (*)(void))fn;
	owner_add(owner, &t->pending);
	return 0;
}
