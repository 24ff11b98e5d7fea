/* SPDX-License-Identifier: MIT
 *
 * Packing: what goes in comes out, with and without a dictionary; what is damaged, claims to
 * be large or needs another dictionary is refused; dictionaries come from a worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jackdaw/pack.h>

#include "core/core.h"
#include "replay/world.h"
#include "util/owner.h"
#include "util/zstd.h"

#define N_SAMPLES 400
#define MOST      4096

static struct jd_owner owner;
static char samples[N_SAMPLES * 400];
static size_t sizes[N_SAMPLES], n_bytes;
static unsigned answers;
static struct jd_str trained;
static struct jd_dictionary *d; /* of those */
static struct jd_str made;

static struct jd_str sample(unsigned i)
{
	static char text[400];
	int n = snprintf(text, sizeof(text),
			 "<message from='%08x@montague.example' to='%08x@capulet.example' "
			 "type='chat' id='%08x'><body>%u</body><origin-id xmlns='urn:xmpp:sid:0' "
			 "id='%08x'/><request xmlns='urn:xmpp:receipts'/></message>",
			 i * 2654435761u, i * 40503u, i * 77777777u, i, i * 77777777u);

	return (struct jd_str){text, (size_t)n};
}

static int make_dictionary(void **state)
{
	static char bytes[MOST];
	size_t len;

	(void)state;
	n_bytes = 0;
	for (unsigned i = 0; i < N_SAMPLES; i++) {
		struct jd_str s = sample(i);

		memcpy(samples + n_bytes, s.p, s.len);
		n_bytes += s.len;
		sizes[i] = s.len;
	}
	assert_int_equal(zstd_train(7, samples, sizes, N_SAMPLES, bytes, sizeof(bytes), &len), 0);
	trained = (struct jd_str){bytes, len};
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world_start(NULL);
	owner_init(&owner);
	answers = 0;
	d = jd_dictionary_new(7, trained);
	assert_non_null(d);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	owner_cancel_all(&owner);
	jd_dictionary_free(d);
	world_stop();
	free((void *)made.p);
	made = JD_STR_NULL;
	return 0;
}

static void on_made(void *arg, struct jd_str bytes)
{
	char *copy = malloc(bytes.len + 1);

	assert_ptr_equal(arg, &answers);
	answers++;
	memcpy(copy, bytes.p ? bytes.p : "", bytes.len);
	made = (struct jd_str){copy, bytes.len};
}

static struct jd_str samples_str(void)
{
	return (struct jd_str){samples, n_bytes};
}

/* In an allocation of its own, so that a byte too far is noticed. */
static struct jd_str own(struct jd_str s)
{
	char *p = malloc(s.len + !s.len);

	memcpy(p, s.p, s.len);
	return (struct jd_str){p, s.len};
}

static struct jd_str packed_own(struct jd_str bytes)
{
	struct jd_str out;

	assert_int_equal(jd_pack(d, bytes, &out), 0);
	assert_int_equal(jd_packed_size(out), bytes.len);
	return own(out);
}

/* -- bytes ---------------------------------------------------------------------------------- */

static void test_roundtrip(void **state)
{
	static const size_t lens[] = {100, 1000, 65535, 65536, 70000, 1000000, 200};

	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(lens); i++) {
		char *text = malloc(lens[i]);
		struct jd_str in = {text, lens[i]}, packed, out;

		for (size_t k = 0; k < lens[i]; k++)
			text[k] = "abcdefgh"[k * k % 7];
		packed = packed_own(in);
		assert_true(packed.len < lens[i]);
		assert_int_equal(jd_unpack(d, packed, lens[i], &out), 0);
		assert_true(jd_str_eq(in, out));
		free((void *)packed.p);
		free(text);
	}
}

static void test_not_worth_it(void **state)
{
	struct jd_str out = JD_STR("untouched");
	char noise[500];

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)(i * i * 2654435761u >> 13);
	assert_int_equal(jd_pack(d, (struct jd_str){noise, sizeof(noise)}, &out), -JD_ELIMIT);
	assert_int_equal(jd_pack(d, JD_STR("short"), &out), -JD_ELIMIT);
	assert_int_equal(jd_pack(d, JD_STR(""), &out), -JD_ELIMIT);
	assert_true(jd_str_is(out, "untouched"));
	assert_int_equal(jd_pack(d, sample(1), &out), 0); /* it goes on after that */
}

/* A few bytes may promise a lot. */
static void test_bound(void **state)
{
	static char zeros[1 << 20];
	struct jd_str packed, out = JD_STR("untouched"), huge;
	char head[64];

	(void)state;
	packed = packed_own((struct jd_str){zeros, sizeof(zeros)});
	assert_true(packed.len < 200);
	assert_int_equal(jd_unpack(d, packed, sizeof(zeros) - 1, &out), -JD_ELIMIT);
	assert_true(jd_str_is(out, "untouched"));
	assert_int_equal(jd_unpack(d, packed, sizeof(zeros), &out), 0);
	free((void *)packed.p);

	/* magic, "the size has eight bytes", 2^60 bytes */
	memset(head, 0, sizeof(head));
	memcpy(head, "\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x10", 13);
	huge = (struct jd_str){head, sizeof(head)};
	assert_int_equal(jd_packed_size(huge), (size_t)1 << 60);
	assert_int_equal(jd_unpack(d, huge, 2 << 20, &out), -JD_ELIMIT);
}

static void test_damaged(void **state)
{
	struct jd_str in = own(sample(1000)), good = packed_own(in), bad, out;
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < good.len; i++) {
		bad = own((struct jd_str){good.p, i});
		assert_true(jd_unpack(d, bad, 4096, &out) < 0);
		free((void *)bad.p);
		for (unsigned bit = 0; bit < 8; bit++) {
			int r;

			bad = own(good);
			((char *)bad.p)[i] ^= (char)(1 << bit);
			r = jd_unpack(d, bad, 4096, &out);
			refused += r < 0;
			if (r == 0)
				assert_true(jd_str_eq(out, in));
			free((void *)bad.p);
		}
	}
	assert_true(refused > 7 * good.len);
	assert_int_equal(jd_unpack(d, JD_STR(""), 10, &out), -JD_EINVAL);
	assert_int_equal(jd_unpack(d, JD_STR("<message/>"), 99, &out), -JD_EINVAL);
	assert_int_equal(jd_packed_size(JD_STR("<message/>")), 0);
	free((void *)good.p);
	free((void *)in.p);
}

/* -- dictionaries --------------------------------------------------------------------------- */

static int try_train(uint32_t number, size_t most, struct jd_str bytes, size_t n)
{
	return jd_dictionary_train(&owner, number, most, bytes, sizes, n, on_made, &answers);
}

static void test_training(void **state)
{
	struct jd_dictionary *other;
	struct jd_str in, packed, out;

	(void)state;
	assert_int_equal(try_train(300, MOST, samples_str(), N_SAMPLES), 0);
	assert_int_equal(answers, 0); /* not beneath the call */
	while (!answers)
		loop_turn(server.loop, true);
	assert_true(made.len > 0 && made.len <= MOST);
	other = jd_dictionary_new(300, made);
	assert_non_null(other);
	for (unsigned i = 1000; i < 1100; i++) {
		in = own(sample(i));
		assert_int_equal(jd_pack(other, in, &packed), 0);
		assert_true(packed.len * 2 < in.len);
		packed = own(packed);
		assert_int_equal(jd_unpack(other, packed, in.len, &out), 0);
		assert_true(jd_str_eq(in, out));
		assert_int_equal(jd_unpack(d, packed, in.len, &out), -JD_EINVAL);
		free((void *)packed.p);
		free((void *)in.p);
	}
	jd_dictionary_free(other);
	jd_dictionary_free(NULL);
}

/* The wrong one is noticed, whatever it would have made of the bytes. */
static void test_numbers(void **state)
{
	struct jd_dictionary *other;
	struct jd_str in = own(sample(1)), packed = packed_own(in), out, bytes = own(trained);

	(void)state;
	assert_null(jd_dictionary_new(8, bytes));
	assert_null(jd_dictionary_new(0, bytes));
	assert_null(jd_dictionary_new(7, JD_STR("nonsense")));
	assert_null(jd_dictionary_new(7, JD_STR("")));
	((char *)bytes.p)[4] = 8;
	other = jd_dictionary_new(8, bytes);
	assert_non_null(other);
	assert_int_equal(jd_unpack(other, packed, in.len, &out), -JD_EINVAL);
	free((void *)bytes.p);
	free((void *)packed.p);
	free((void *)in.p);
	jd_dictionary_free(other);
}

/* Damage behind the number must not bring anything down. */
static void test_damaged_dictionary(void **state)
{
	struct jd_str in = own(sample(5)), out;

	(void)state;
	for (size_t i = 8; i < 200 && i < trained.len; i++) {
		struct jd_str bytes = own(trained);
		struct jd_dictionary *bad;

		((char *)bytes.p)[i] ^= 0x55;
		bad = jd_dictionary_new(7, bytes);
		if (bad && jd_pack(bad, in, &out) == 0)
			assert_true(out.len < in.len);
		jd_dictionary_free(bad);
		free((void *)bytes.p);
	}
	free((void *)in.p);
}

static void test_training_refused(void **state)
{
	struct jd_str shorter = {samples, n_bytes - 1}, longer = {samples, n_bytes + 1};

	(void)state;
	assert_int_equal(try_train(0, MOST, samples_str(), N_SAMPLES), -JD_EINVAL);
	assert_int_equal(try_train(2, 10, samples_str(), N_SAMPLES), -JD_EINVAL);
	assert_int_equal(try_train(2, MOST, shorter, N_SAMPLES), -JD_EINVAL);
	assert_int_equal(try_train(2, MOST, longer, N_SAMPLES), -JD_EINVAL);
	assert_int_equal(try_train(2, MOST, samples_str(), JD_SAMPLES_MIN - 1), -JD_EINVAL);
	world_settle();
	assert_int_equal(answers, 0);
}

/* Nobody waits any more: the worker ends, and nobody is told. */
static void test_training_cancelled(void **state)
{
	(void)state;
	assert_int_equal(try_train(2, MOST, samples_str(), N_SAMPLES), 0);
	owner_cancel_all(&owner);
	world_settle();
	assert_int_equal(answers, 0);
}

/* Samples that have nothing to say are answered, too. */
static void test_training_fails(void **state)
{
	(void)state;
	memset(sizes, 0, sizeof(sizes));
	assert_int_equal(try_train(2, MOST, JD_STR(""), N_SAMPLES), 0);
	while (!answers)
		loop_turn(server.loop, true);
	assert_int_equal(made.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roundtrip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_worth_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_training, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_dictionary, setup, teardown),
		cmocka_unit_test_setup_teardown(test_training_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_training_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_training_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, make_dictionary, NULL);
}
