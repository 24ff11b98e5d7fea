/* SPDX-License-Identifier: MIT
 *
 * Log lines: form, escaping, cutting, levels, the limit for what peers cause,
 * and the held clock that makes their stamps known.
 */
#include "util/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"

#define STAMP "2026-11-22T04:45:00.123Z"

static char last[8192];
static int lines;

static void on_line(enum jd_log_level level, const char *line, void *arg)
{
	(void)level;
	assert_ptr_equal(arg, &lines);
	snprintf(last, sizeof(last), "%s", line);
	lines++;
}

static void use(enum jd_log_level level, enum log_format format)
{
	struct log_settings s = {level, format, STDERR_FILENO};

	log_configure(&s);
	lines = 0;
	last[0] = '\0';
}

static int setup(void **state)
{
	(void)state;
	clock_fake(5000000, 1795322700123456ULL);
	log_capture(on_line, &lines);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_capture(NULL, NULL);
	clock_fake_stop();
	return 0;
}

static void test_text(void **state)
{
	char bom[] = "\xef\xbb\xbf";

	(void)state;
	use(JD_LOG_INFO, LOG_TEXT);
	jd_log(JD_LOG_INFO, "text", jd_kv_cstr("key", "value"), jd_kv_cstr("key", "with space"));
	assert_string_equal(last, STAMP " info  text key=value key=\"with space\"");
	jd_log(JD_LOG_WARNING, "no keys at all");
	assert_string_equal(last, STAMP " warning no keys at all");
	jd_log(JD_LOG_ERROR, "t", jd_kv_int("n", INT64_MIN), jd_kv_cstr("e", ""));
	assert_string_equal(last, STAMP " error t n=-9223372036854775808 e=\"\"");
	jd_log(JD_LOG_INFO, "t", jd_kv_cstr("a", "x\ny"), jd_kv_cstr("b", "q\"\\"),
	       jd_kv_cstr("c", "\xff\xc3"), jd_kv_cstr("d", "b\xc3\xbc"), jd_kv_cstr("e", bom),
	       jd_kv_cstr("f", "\xe2\x80\xae\xd8\x9c"), jd_kv_cstr("g", "\x1b[2J\xc2\x9b"));
	assert_string_equal(last, STAMP " info  t a=\"x\\x0ay\" b=\"q\\x22\\x5c\" c=\\xff\\xc3 "
					"d=b\xc3\xbc e=\\xef\\xbb\\xbf f=\\xe2\\x80\\xae\\xd8\\x9c "
					"g=\"\\x1b[2J\\xc2\\x9b\"");
}

static void test_json(void **state)
{
	(void)state;
	use(JD_LOG_DEBUG, LOG_JSON);
	jd_log(JD_LOG_NOTICE, "said \"hi\"", jd_kv_int("n", -3), jd_kv_cstr("v", "a\"b\\\n\xfe"));
	assert_string_equal(last, "{\"time\":\"" STAMP "\",\"level\":\"notice\","
				  "\"text\":\"said \\u0022hi\\u0022\",\"n\":-3,"
				  "\"v\":\"a\\u0022b\\u005c\\u000a\\\\xfe\"}");
}

/* Cut at 256 bytes and never inside a character; a key that does not fit is left out. */
static void test_cut(void **state)
{
	char big[1000];
	const char *p;
	int keys = 0;

	(void)state;
	use(JD_LOG_INFO, LOG_TEXT);
	memset(big, 'a', sizeof(big));
	memcpy(big + 255, "\xc3\xbc", 2);
	jd_log(JD_LOG_INFO, "t", jd_kv_str("k", (struct jd_str){big, 256 + 1}));
	p = strchr(last, '=') + 1;
	assert_int_equal(strlen(p), 255 + 3);
	assert_string_equal(p + 255, "...");
	jd_log(JD_LOG_INFO, "t", jd_kv_str("k", (struct jd_str){big, 255}));
	assert_int_equal(strlen(strchr(last, '=') + 1), 255);

	use(JD_LOG_INFO, LOG_JSON);
	memset(big, 1, sizeof(big));
	jd_log(JD_LOG_INFO, "t", jd_kv_str("k", (struct jd_str){big, 256}),
	       jd_kv_str("k", (struct jd_str){big, 256}), jd_kv_str("k", (struct jd_str){big, 256}),
	       jd_kv_int("last", 1));
	assert_true(strlen(last) < 4096);
	assert_int_equal(last[strlen(last) - 1], '}');
	for (p = last; (p = strstr(p, "\"k\":")); p++)
		keys++;
	assert_int_equal(keys, 2);
	assert_non_null(strstr(last, "\"last\":1}"));
}

static void test_levels(void **state)
{
	static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
	enum jd_log_level level = JD_LOG_ERROR;

	(void)state;
	use(JD_LOG_NOTICE, LOG_TEXT);
	jd_log(JD_LOG_INFO, "not written");
	jd_log_write(JD_LOG_INFO, "nor this", NULL);
	assert_int_equal(lines, 0);
	jd_log(JD_LOG_NOTICE, "written");
	assert_int_equal(lines, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(log_level_parse(jd_cstr(names[i]), &level), 0);
		assert_int_equal(level, i);
	}
	assert_int_equal(log_level_parse(JD_STR("Error"), &level), -JD_EINVAL);
	assert_int_equal(log_level_parse(JD_STR_NULL, &level), -JD_EINVAL);
	assert_int_equal(level, JD_LOG_DEBUG);
}

static void test_peer(void **state)
{
	(void)state;
	use(JD_LOG_INFO, LOG_TEXT);
	clock_fake_advance(10 * JD_USEC_PER_SEC);
	for (int i = 0; i < 25; i++)
		jd_log_peer(JD_LOG_INFO, "noise");
	assert_int_equal(lines, 10);
	assert_null(strstr(last, "suppressed"));
	jd_log_peer(JD_LOG_DEBUG, "below the level, not counted");
	clock_fake_advance(999999);
	jd_log_peer(JD_LOG_INFO, "noise");
	assert_int_equal(lines, 10);
	clock_fake_advance(1);
	jd_log_peer(JD_LOG_INFO, "noise", jd_kv_int("port", 5222));
	assert_int_equal(lines, 11);
	assert_non_null(strstr(last, " info  noise suppressed=16 port=5222"));
	jd_log_peer(JD_LOG_INFO, "noise");
	assert_null(strstr(last, "suppressed"));
}

static void test_thread_name(void **state)
{
	(void)state;
	use(JD_LOG_DEBUG, LOG_TEXT);
	log_thread_name("a-name-that-is-too-long");
	jd_log(JD_LOG_DEBUG, "t", jd_kv_int("n", 1));
	assert_non_null(strstr(last, " debug t thread=a-name-that-is- n=1"));
	jd_log(JD_LOG_INFO, "t");
	assert_null(strstr(last, "thread"));
	use(JD_LOG_DEBUG, LOG_JSON);
	jd_log(JD_LOG_INFO, "t");
	assert_non_null(strstr(last, ",\"thread\":\"a-name-that-is-\",\"text\":\"t\"}"));
}

static void test_fd(void **state)
{
	struct log_settings s = {JD_LOG_INFO, LOG_TEXT, -1};
	char got[256] = "";
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	s.fd = fd[1];
	log_configure(&s);
	log_capture(NULL, NULL);
	jd_log(JD_LOG_INFO, "out");
	log_capture(on_line, &lines);
	assert_int_equal(read(fd[0], got, sizeof(got) - 1), strlen(STAMP " info  out\n"));
	close(fd[0]);
	close(fd[1]);
	use(JD_LOG_INFO, LOG_TEXT);
}

static void test_clock(void **state)
{
	jd_usec mono = clock_mono(), real = clock_real();

	(void)state;
	clock_fake_advance(7);
	assert_int_equal(clock_mono(), mono + 7);
	assert_int_equal(clock_real(), real + 7);
	clock_fake_stop();
	mono = clock_mono();
	assert_true(clock_mono() >= mono);
	assert_true(clock_real() > 1700000000 * JD_USEC_PER_SEC);
	clock_fake(mono, real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),        cmocka_unit_test(test_json),
		cmocka_unit_test(test_cut),         cmocka_unit_test(test_levels),
		cmocka_unit_test(test_fd),          cmocka_unit_test(test_clock),
		cmocka_unit_test(test_thread_name), cmocka_unit_test(test_peer),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
