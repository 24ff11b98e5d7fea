/* SPDX-License-Identifier: MIT
 *
 * The text of the configuration file before libconfuse sees it; for conf_read.c.
 */
#pragma once

#include "util/mem.h"

#define CONF_MAX_BYTES (256 * 1024)

/* A regular file, whole and terminated; mem_free() it. -JD_ECONF with a reason in err. */
int conf_load_text(const char *file, char **ret_text, size_t *ret_len, char *err,
		   size_t err_size) JD_MUST_USE;

/* Comments become spaces; lines stay where they are. -JD_ECONF with line and sentence for what is
 * not UTF-8, and for comments and quotes that have no end. */
int conf_blank_comments(char *text, size_t len, int *ret_line, const char **ret_wrong) JD_MUST_USE;
