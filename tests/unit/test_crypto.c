/* SPDX-License-Identifier: MIT
 *
 * Digests, HMAC and PBKDF2 against published answers (FIPS 180, RFC 2202,
 * RFC 4231, RFC 6070, RFC 5869, FIPS 197, GCM, RFC 8291); random, comparison, hex.
 */
#include "util/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/base64.h"

static void expect(enum crypto_hash hash, const uint8_t *got, const char *want)
{
	char hex[2 * CRYPTO_MAX_DIGEST + 1];

	crypto_hex(got, crypto_digest_size(hash), hex);
	assert_string_equal(hex, want);
}

static void test_digest(void **state)
{
	uint8_t out[CRYPTO_MAX_DIGEST];

	(void)state;
	crypto_digest(CRYPTO_SHA1, "abc", 3, out);
	expect(CRYPTO_SHA1, out, "a9993e364706816aba3e25717850c26c9cd0d89d");
	crypto_digest(CRYPTO_SHA256, "abc", 3, out);
	expect(CRYPTO_SHA256, out,
	       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_digest(CRYPTO_SHA256, NULL, 0, out);
	expect(CRYPTO_SHA256, out,
	       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_digest(CRYPTO_SHA512, "abc", 3, out);
	expect(CRYPTO_SHA512, out,
	       "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_hmac(void **state)
{
	static const char data[] = "what do ya want for nothing?";
	uint8_t out[CRYPTO_MAX_DIGEST];

	(void)state;
	crypto_hmac(CRYPTO_SHA1, "Jefe", 4, data, strlen(data), out);
	expect(CRYPTO_SHA1, out, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	crypto_hmac(CRYPTO_SHA256, "Jefe", 4, data, strlen(data), out);
	expect(CRYPTO_SHA256, out,
	       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	crypto_hmac(CRYPTO_SHA256, NULL, 0, "", 0, out);
	expect(CRYPTO_SHA256, out,
	       "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_pbkdf2(void **state)
{
	uint8_t out[CRYPTO_MAX_DIGEST];

	(void)state;
	crypto_pbkdf2(CRYPTO_SHA1, JD_STR("password"), "salt", 4, 1, out);
	expect(CRYPTO_SHA1, out, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
	crypto_pbkdf2(CRYPTO_SHA1, JD_STR("password"), "salt", 4, 4096, out);
	expect(CRYPTO_SHA1, out, "4b007901b765489abead49d926f721d065a429c1");
	crypto_pbkdf2(CRYPTO_SHA256, JD_STR("password"), "salt", 4, 4096, out);
	expect(CRYPTO_SHA256, out,
	       "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
}

static void test_random(void **state)
{
	char a[23], b[23];
	uint8_t x[32], y[32];

	(void)state;
	crypto_random(x, sizeof(x));
	crypto_random(y, sizeof(y));
	assert_memory_not_equal(x, y, sizeof(x));
	crypto_random_id(a, 16);
	crypto_random_id(b, 16);
	assert_int_equal(strlen(a), 22);
	assert_string_not_equal(a, b);
	for (const char *p = a; *p; p++)
		assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_",
				       *p));
}

/* FIPS 197 appendix C.1. */
static void test_block(void **state)
{
	uint8_t key[CRYPTO_BLOCK_LEN], text[CRYPTO_BLOCK_LEN], block[CRYPTO_BLOCK_LEN];
	char hex[2 * CRYPTO_BLOCK_LEN + 1];
	struct crypto_block *cipher;

	(void)state;
	for (unsigned i = 0; i < CRYPTO_BLOCK_LEN; i++) {
		key[i] = (uint8_t)i;
		text[i] = (uint8_t)(i * 0x11);
	}
	cipher = crypto_block_new(key);
	for (int again = 0; again < 2; again++) {
		crypto_block_encrypt(cipher, text, block);
		crypto_hex(block, sizeof(block), hex);
		assert_string_equal(hex, "69c4e0d86a7b0430d8cdb78070b4c55a");
		crypto_block_decrypt(cipher, block, block);
		assert_memory_equal(block, text, sizeof(text));
	}
	crypto_block_free(cipher);
	crypto_block_free(NULL);
}

static void from_hex(const char *hex, uint8_t *out)
{
	for (; *hex; hex += 2, out++) {
		unsigned n;

		assert_int_equal(sscanf(hex, "%2x", &n), 1);
		*out = (uint8_t)n;
	}
}

static void from_url(const char *text, uint8_t *out, size_t n)
{
	size_t len;

	assert_int_equal(base64url_decode(jd_cstr(text), out, n, &len), 0);
	assert_int_equal(len, n);
}

/* RFC 5869 appendix A, the first and the third case, as far as one digest goes. */
static void test_hkdf(void **state)
{
	uint8_t secret[22], salt[13], info[10], out[32];

	(void)state;
	memset(secret, 0x0b, sizeof(secret));
	from_hex("000102030405060708090a0b0c", salt);
	from_hex("f0f1f2f3f4f5f6f7f8f9", info);
	crypto_hkdf(CRYPTO_SHA256, (struct jd_str){(const char *)salt, sizeof(salt)},
		    (struct jd_str){(const char *)secret, sizeof(secret)},
		    (struct jd_str){(const char *)info, sizeof(info)}, out, sizeof(out));
	expect(CRYPTO_SHA256, out,
	       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
	crypto_hkdf(CRYPTO_SHA256, JD_STR_NULL,
		    (struct jd_str){(const char *)secret, sizeof(secret)}, JD_STR_NULL, out,
		    sizeof(out));
	expect(CRYPTO_SHA256, out,
	       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

/* The second test case of the specification of GCM. */
static void test_seal(void **state)
{
	const uint8_t zero[16] = {0};
	uint8_t out[16 + CRYPTO_SEAL_TAG];
	char hex[2 * sizeof(out) + 1];

	(void)state;
	crypto_seal(zero, zero, zero, sizeof(zero), out);
	crypto_hex(out, sizeof(out), hex);
	assert_string_equal(hex, "0388dace60b6a392f328c2b971b2fe78"
				 "ab6e47d42cec13bdf53a67b21257bddf");
	crypto_seal(zero, zero, "", 0, out);
	crypto_hex(out, CRYPTO_SEAL_TAG, hex);
	assert_string_equal(hex, "58e2fccefa7e3061367f1d57a4e7455a");
}

/* The keys of RFC 8291 appendix A. */
static void test_ec(void **state)
{
	uint8_t ours[CRYPTO_EC_PRIVATE], peer[CRYPTO_EC_PUBLIC], public[CRYPTO_EC_PUBLIC];
	uint8_t want[CRYPTO_EC_PUBLIC], shared[CRYPTO_EC_SHARED];

	(void)state;
	from_url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw", ours, sizeof(ours));
	from_url("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK"
		 "6PBru3jl7A8",
		 want, sizeof(want));
	assert_int_equal(crypto_ec_public(ours, public), 0);
	assert_memory_equal(public, want, sizeof(public));
	from_url("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6S"
		 "RpkNtoIAiw4",
		 peer, sizeof(peer));
	assert_int_equal(crypto_ec_shared(ours, peer, shared), 0);
	from_url("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs", want, sizeof(shared));
	assert_memory_equal(shared, want, sizeof(shared));
}

/* Points beside the curve, at infinity and in other words; numbers that are none. */
static void test_ec_refuses(void **state)
{
	uint8_t ours[CRYPTO_EC_PRIVATE], theirs[CRYPTO_EC_PRIVATE], public[CRYPTO_EC_PUBLIC];
	uint8_t shared[CRYPTO_EC_SHARED], same[CRYPTO_EC_SHARED];
	uint8_t mine[CRYPTO_EC_PUBLIC], signature[CRYPTO_EC_SIGNATURE];

	(void)state;
	crypto_ec_make(ours, mine);
	crypto_ec_make(theirs, public);
	assert_int_equal(crypto_ec_shared(ours, public, shared), 0);
	assert_int_equal(crypto_ec_shared(theirs, mine, same), 0);
	assert_memory_equal(shared, same, sizeof(same));
	public[64] ^= 1;
	assert_int_equal(crypto_ec_shared(ours, public, shared), -JD_EINVAL);
	public[64] ^= 1;
	public[0] = 2;
	assert_int_equal(crypto_ec_shared(ours, public, shared), -JD_EINVAL);
	memset(public, 0, sizeof(public));
	assert_int_equal(crypto_ec_shared(ours, public, shared), -JD_EINVAL);
	public[0] = 4;
	assert_int_equal(crypto_ec_shared(ours, public, shared), -JD_EINVAL);
	assert_int_equal(crypto_ec_sign(ours, "x", 1, signature), 0);
	memset(ours, 0, sizeof(ours));
	assert_int_equal(crypto_ec_public(ours, public), -JD_EINVAL);
	assert_int_equal(crypto_ec_sign(ours, "x", 1, signature), -JD_EINVAL);
	memset(ours, 0xff, sizeof(ours));
	assert_int_equal(crypto_ec_public(ours, public), -JD_EINVAL);
	assert_int_equal(crypto_ec_sign(ours, "x", 1, signature), -JD_EINVAL);
}

static void test_small(void **state)
{
	char secret[] = "secret", hex[7];

	(void)state;
	assert_true(crypto_equal("abc", "abc", 3));
	assert_false(crypto_equal("abc", "abd", 3));
	assert_true(crypto_equal(NULL, NULL, 0));
	crypto_wipe(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
	crypto_hex("\x00\xa5\xff", 3, hex);
	assert_string_equal(hex, "00a5ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest), cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_pbkdf2), cmocka_unit_test(test_random),
		cmocka_unit_test(test_small),  cmocka_unit_test(test_block),
		cmocka_unit_test(test_hkdf),   cmocka_unit_test(test_seal),
		cmocka_unit_test(test_ec),     cmocka_unit_test(test_ec_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
