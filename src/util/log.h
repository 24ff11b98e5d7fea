/* SPDX-License-Identifier: MIT
 *
 * Where log lines go: the settings behind <jackdaw/log.h>.
 */
#pragma once

#include <jackdaw/log.h>

enum log_format { LOG_TEXT, LOG_JSON };

struct log_settings {
	enum jd_log_level level;
	enum log_format format;
	int fd; /* lines are written whole with one write(2); default 2 */
};

/* Before threads start, and at a reload from the logic thread (atomics inside). */
void log_configure(const struct log_settings *settings);

/* "error" ... "debug"; -JD_EINVAL for anything else. */
int log_level_parse(struct jd_str name, enum jd_log_level *ret_level) JD_MUST_USE;

/* A name for the calling thread, shown in debug lines and given to the system. */
void log_thread_name(const char *name);

/* Tests: every line is handed to fn instead of being written; NULL ends it. */
void log_capture(void (*fn)(enum jd_log_level level, const char *line, void *arg), void *arg);
