/* SPDX-License-Identifier: MIT
 *
 * Writing JSON (RFC 8259).
 */
#pragma once

#include "util/buf.h"

/* s in quotes. What is not UTF-8 becomes U+FFFD. -JD_ELIMIT, -JD_ENOMEM: nothing useful was put. */
int json_put_str(struct buf *b, struct jd_str s) JD_MUST_USE;
