/* SPDX-License-Identifier: MIT
 *
 * Structured logging.  One line per event, written once, by whoever has the
 * context; library functions return errors and do not log.
 *
 *     jd_log(JD_LOG_NOTICE, "account created", jd_kv_str("jid", bare));
 *
 * Levels: error = an operator must act; warning = something is wrong and was
 * handled; notice = life cycle of the server; info = per session; debug.
 * Text is a constant without values in it, so that lines can be counted.
 * Values are escaped and cut at 256 bytes.  Passwords, tokens and the text of
 * messages are never logged.  What a peer can cause at will goes through
 * jd_log_peer(), which counts and lets through at most a few lines a second.
 *
 * Any thread.
 */
#pragma once

#include <jackdaw/types.h>

enum jd_log_level { JD_LOG_ERROR, JD_LOG_WARNING, JD_LOG_NOTICE, JD_LOG_INFO, JD_LOG_DEBUG };

struct jd_kv {
	const char *key;
	enum { JD_KV_STR, JD_KV_INT } kind;
	struct jd_str str;
	int64_t num;
};

static inline struct jd_kv jd_kv_str(const char *key, struct jd_str value)
{
	return (struct jd_kv){key, JD_KV_STR, value, 0};
}

static inline struct jd_kv jd_kv_cstr(const char *key, const char *value)
{
	return (struct jd_kv){key, JD_KV_STR, jd_cstr(value), 0};
}

static inline struct jd_kv jd_kv_int(const char *key, int64_t value)
{
	return (struct jd_kv){key, JD_KV_INT, JD_STR_NULL, value};
}

#define JD_KV_END ((struct jd_kv){NULL, JD_KV_STR, JD_STR_NULL, 0})

/* True when a line of this level would be written: guards costly arguments. */
JD_EXPORT bool jd_log_on(enum jd_log_level level);

/* The functions behind the macros; kv ends with an entry whose key is NULL. */
JD_EXPORT void jd_log_write(enum jd_log_level level, const char *text, const struct jd_kv *kv);
JD_EXPORT void jd_log_write_peer(enum jd_log_level level, const char *text, const struct jd_kv *kv);

#define jd_log(level, text, ...)                                                                   \
	do {                                                                                       \
		if (jd_log_on(level))                                                              \
			jd_log_write(                                                              \
				level, text,                                                       \
				(const struct jd_kv[]){__VA_ARGS__ __VA_OPT__(, ) JD_KV_END});     \
	} while (0)

#define jd_log_peer(level, text, ...)                                                              \
	do {                                                                                       \
		if (jd_log_on(level))                                                              \
			jd_log_write_peer(                                                         \
				level, text,                                                       \
				(const struct jd_kv[]){__VA_ARGS__ __VA_OPT__(, ) JD_KV_END});     \
	} while (0)
