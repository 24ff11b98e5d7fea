/* SPDX-License-Identifier: MIT
 *
 * What the files of mod_register share.
 */
#pragma once

#include <jackdaw/module.h>

#define ADDRESSES 1024 /* remembered at once */

/* Who has tried to register lately, by address (IPv6: by its first 64 bits). */
struct register_tries {
	uint8_t prefix[8];
	jd_usec since; /* monotonic; 0: unused */
	int64_t count;
};

struct options {
	bool registration;
	int64_t min_password;
	int64_t per_address;
	int64_t per_host;
	jd_usec period;
	const char **reserved;
	const char *instructions;
	struct register_tries *tries; /* ADDRESSES of them */
	struct register_tries all;
};

/* Counts an attempt; false: there were too many. */
bool register_may_try(struct options *o, struct jd_str peer, jd_usec now);
