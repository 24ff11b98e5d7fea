/* SPDX-License-Identifier: MIT
 *
 * Log lines.  A line is put together in one buffer on the stack and leaves with
 * one write(2), so that lines of different threads never mix.  The buffer is no
 * larger than what a pipe takes in one piece; a key that does not fit any more
 * is left out whole, so that a JSON line stays an object.
 *
 * Values may come from anybody: they are cut and everything that could forge a
 * line or steer a terminal is written as \xNN.
 */
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/utf8.h"

#define LINE_MAX_BYTES ((size_t)4096)
#define VALUE_MAX      ((size_t)256)
#define PEER_PER_SEC   10

static const char *const level_names[] = {"error", "warning", "notice", "info", "debug"};

static _Atomic int log_level = JD_LOG_INFO;
static _Atomic int log_format = LOG_TEXT;
static _Atomic int log_fd = STDERR_FILENO;

static pthread_mutex_t capture_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool capturing;
static void (*capture_fn)(enum jd_log_level level, const char *line, void *arg);
static void *capture_arg;

static _Thread_local char thread_name[16];

/* A line being written; over is set instead of writing past the end. */
struct line {
	char p[LINE_MAX_BYTES];
	size_t len;
	bool over;
};

/* Kept free for what ends a line: brace, newline and the capture's terminator. */
#define LINE_TAIL ((size_t)3)

static void put(struct line *l, const char *s, size_t n)
{
	if (n > LINE_MAX_BYTES - LINE_TAIL - l->len) {
		l->over = true;
		return;
	}
	memcpy(l->p + l->len, s, n);
	l->len += n;
}

static void put_cstr(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Characters that steer terminals or the direction of the text behind them. */
static bool unprintable(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x061c ||
	       (cp >= 0x200e && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

static void put_escaped_bytes(struct line *l, const char *s, size_t n, const char *prefix)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char x[2] = {hex[c >> 4], hex[c & 15]};

		put_cstr(l, prefix);
		put(l, x, 2);
	}
}

/* The value's characters, at most VALUE_MAX bytes of it; json tells how to escape. */
static void put_value(struct line *l, struct jd_str v, bool json)
{
	const char *raw = json ? "\\\\x" : "\\x";
	size_t i = 0, n;
	uint32_t cp = 0;

	while (i < v.len) {
		n = utf8_decode(v.p + i, v.len - i, &cp);
		if (i + (n ? n : 1) > VALUE_MAX) {
			put_cstr(l, "...");
			return;
		}
		if (n == 0)
			put_escaped_bytes(l, v.p + i, n = 1, raw);
		else if (cp == '"' || cp == '\\')
			put_escaped_bytes(l, v.p + i, 1, json ? "\\u00" : "\\x");
		else if (unprintable(cp))
			put_escaped_bytes(l, v.p + i, n, json && cp < 0x80 ? "\\u00" : raw);
		else
			put(l, v.p + i, n);
		i += n;
	}
}

static bool needs_quotes(struct jd_str v)
{
	if (v.len == 0)
		return true;
	for (size_t i = 0; i < v.len && i < VALUE_MAX; i++) {
		if ((unsigned char)v.p[i] <= ' ' || v.p[i] == '=' || v.p[i] == '"')
			return true;
	}
	return false;
}

static void put_int(struct line *l, int64_t num)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, num);
	put_cstr(l, text);
}

static void put_kv_text(struct line *l, const struct jd_kv *kv)
{
	bool quote = kv->kind == JD_KV_STR && needs_quotes(kv->str);

	put_cstr(l, " ");
	put_cstr(l, kv->key);
	put_cstr(l, quote ? "=\"" : "=");
	if (kv->kind == JD_KV_INT)
		put_int(l, kv->num);
	else
		put_value(l, kv->str, false);
	if (quote)
		put_cstr(l, "\"");
}

static void put_kv_json(struct line *l, const struct jd_kv *kv)
{
	put_cstr(l, ",\"");
	put_value(l, jd_cstr(kv->key), true);
	put_cstr(l, "\":");
	if (kv->kind == JD_KV_INT) {
		put_int(l, kv->num);
		return;
	}
	put_cstr(l, "\"");
	put_value(l, kv->str, true);
	put_cstr(l, "\"");
}

static void put_kv(struct line *l, struct jd_kv kv, bool json)
{
	size_t before = l->len;

	if (json)
		put_kv_json(l, &kv);
	else
		put_kv_text(l, &kv);
	if (l->over)
		l->len = before;
	/* A shorter one behind it may still fit. */
	l->over = false;
}

static void put_time(struct line *l)
{
	jd_usec now = clock_real();
	time_t sec = (time_t)(now / JD_USEC_PER_SEC);
	unsigned msec = (unsigned)(now % JD_USEC_PER_SEC / JD_USEC_PER_MSEC);
	char text[64];
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ", msec);
	put_cstr(l, text);
}

static void put_head_text(struct line *l, enum jd_log_level level, const char *text)
{
	char name[16];

	put_time(l);
	snprintf(name, sizeof(name), " %-5s ", level_names[level]);
	put_cstr(l, name);
	put_value(l, jd_cstr(text), false);
	if (level == JD_LOG_DEBUG && thread_name[0])
		put_kv(l, jd_kv_cstr("thread", thread_name), false);
}

static void put_head_json(struct line *l, enum jd_log_level level, const char *text)
{
	put_cstr(l, "{\"time\":\"");
	put_time(l);
	put_cstr(l, "\",\"level\":\"");
	put_cstr(l, level_names[level]);
	put_cstr(l, "\"");
	if (thread_name[0])
		put_kv(l, jd_kv_cstr("thread", thread_name), true);
	put_kv(l, jd_kv_cstr("text", text), true);
}

/* Hands the line to the test that wants it; false when nobody does. */
static bool capture(struct line *l, enum jd_log_level level)
{
	bool taken = false;

	if (!atomic_load_explicit(&capturing, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&capture_lock);
	if (capture_fn) {
		l->p[l->len] = '\0';
		capture_fn(level, l->p, capture_arg);
		taken = true;
	}
	pthread_mutex_unlock(&capture_lock);
	return taken;
}

static void emit(enum jd_log_level level, const char *text, const struct jd_kv *kv,
		 uint64_t suppressed)
{
	bool json = atomic_load_explicit(&log_format, memory_order_relaxed) == LOG_JSON;
	struct line l;
	ssize_t r;

	l.len = 0;
	l.over = false;
	if (json)
		put_head_json(&l, level, text);
	else
		put_head_text(&l, level, text);
	if (suppressed)
		put_kv(&l, jd_kv_int("suppressed", (int64_t)suppressed), json);
	for (; kv && kv->key; kv++)
		put_kv(&l, *kv, json);
	if (json)
		l.p[l.len++] = '}';
	if (capture(&l, level))
		return;
	l.p[l.len++] = '\n';
	/* A log that cannot be written must not stop the server: other errors are let go. */
	do
		r = write(atomic_load_explicit(&log_fd, memory_order_relaxed), l.p, l.len);
	while (r < 0 && errno == EINTR);
}

bool jd_log_on(enum jd_log_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

void jd_log_write(enum jd_log_level level, const char *text, const struct jd_kv *kv)
{
	if (jd_log_on(level))
		emit(level, text, kv, 0);
}

/* Whether one more line may be written in this second; then also how many were not before. */
static bool peer_may(uint64_t *ret_suppressed)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static jd_usec begin;
	static unsigned written;
	static uint64_t suppressed;
	jd_usec now = clock_mono();
	bool may;

	pthread_mutex_lock(&lock);
	/* A clock that a test turned back also begins a new second. */
	if (written == 0 || now < begin || now - begin >= JD_USEC_PER_SEC) {
		begin = now;
		written = 0;
	}
	may = written < PEER_PER_SEC;
	if (may) {
		written++;
		*ret_suppressed = suppressed;
		suppressed = 0;
	} else {
		suppressed++;
	}
	pthread_mutex_unlock(&lock);
	return may;
}

void jd_log_write_peer(enum jd_log_level level, const char *text, const struct jd_kv *kv)
{
	uint64_t suppressed = 0;

	if (jd_log_on(level) && peer_may(&suppressed))
		emit(level, text, kv, suppressed);
}

void log_configure(const struct log_settings *settings)
{
	atomic_store(&log_level, (int)settings->level);
	atomic_store(&log_format, (int)settings->format);
	atomic_store(&log_fd, settings->fd);
}

int log_level_parse(struct jd_str name, enum jd_log_level *ret_level)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(level_names); i++) {
		if (jd_str_is(name, level_names[i])) {
			*ret_level = (enum jd_log_level)i;
			return 0;
		}
	}
	return -JD_EINVAL;
}

void log_thread_name(const char *name)
{
	/* The system takes 15 characters; a longer name is cut to what it would show. */
	snprintf(thread_name, sizeof(thread_name), "%s", name);
	pthread_setname_np(pthread_self(), thread_name);
}

void log_capture(void (*fn)(enum jd_log_level level, const char *line, void *arg), void *arg)
{
	pthread_mutex_lock(&capture_lock);
	capture_fn = fn;
	capture_arg = arg;
	atomic_store(&capturing, fn != NULL);
	pthread_mutex_unlock(&capture_lock);
}
