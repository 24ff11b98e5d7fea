/* SPDX-License-Identifier: MIT
 *
 * Digests, HMAC and PBKDF2 against published answers (FIPS 180, RFC 2202,
 * RFC 4231, RFC 6070); random, comparison, hex.
 */
#include "util/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
