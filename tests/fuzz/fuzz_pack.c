/* SPDX-License-Identifier: MIT
 *
 * Fuzzing packed bytes, as they could stand in a damaged database.  Whatever comes out is as
 * long as was promised and within the bound, and every run of bytes that gets packed
 * comes back from it.
 */
#include <stdint.h>

#include <jackdaw/pack.h>

#include "util/mem.h"
#include "util/zstd.h"

#define MOST      65536
#define N_SAMPLES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jd_dictionary *d;

static struct jd_dictionary *dictionary(void)
{
	static char samples[N_SAMPLES * 64], bytes[2048];
	static size_t sizes[N_SAMPLES];
	size_t len = 0;

	for (uint32_t i = 0; i < sizeof(samples); i++)
		samples[i] = "<message type='chat'><body></body>"[(i + i / 64 * 7) % 34];
	for (unsigned i = 0; i < N_SAMPLES; i++)
		sizes[i] = 64;
	JD_ASSERT(zstd_train(5, samples, sizes, N_SAMPLES, bytes, sizeof(bytes), &len) == 0);
	return jd_dictionary_new(5, (struct jd_str){bytes, len});
}

static void check_unpack(struct jd_str in)
{
	size_t promised = jd_packed_size(in);
	struct jd_str out;

	if (jd_unpack(d, in, MOST, &out) == 0)
		JD_ASSERT(out.len == promised && out.len <= MOST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jd_str in = {(const char *)data, size}, out, packed;
	char *copy;

	if (!d)
		d = dictionary();
	check_unpack(in);
	if (jd_pack(d, in, &packed) < 0)
		return 0;
	JD_ASSERT(packed.len <= size - size / 8 && jd_packed_size(packed) == size);
	copy = mem_alloc_raw(packed.len);
	memcpy(copy, packed.p, packed.len);
	packed.p = copy;
	JD_ASSERT(jd_unpack(d, packed, size, &out) == 0 && jd_str_eq(in, out));
	JD_ASSERT(jd_unpack(d, packed, size - 1, &out) == -JD_ELIMIT);
	copy[data[0] % packed.len] ^= (char)data[size / 2];
	check_unpack(packed);
	mem_free(copy);
	return 0;
}
