/* SPDX-License-Identifier: MIT
 *
 * Result Set Management (XEP-0059): a page of a long result.
 *
 *     struct jd_rsm rsm;
 *     struct jd_error error;
 *     if (jd_rsm_read(iq->query, iq->st->arena, &rsm, &error) < 0)
 *             jd_iq_error(iq, &error);
 *     limit = jd_rsm_limit(&rsm, 50, 100);
 *
 * What the uids mean is the caller's business.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/stanza.h>
#include <jackdaw/xml.h>

#define JD_NS_RSM "http://jabber.org/protocol/rsm"

/* Bytes of a uid that is believed to be one. */
#define JD_RSM_UID_MAX 1023

struct jd_rsm {
	bool given;           /* there was a <set/> */
	bool limited;         /* it had a <max/> */
	unsigned max;         /* that; 0: only the count is wanted */
	bool backwards;       /* <before/>: the page that ends in front of `before`... */
	struct jd_str before; /* ...or the last page of all, when this is absent (p NULL) */
	struct jd_str after;  /* the page that begins behind it; p NULL: not said */
};

/*
 * Reads the <set/> among the children of parent; none is an empty request.  An
 * empty <after/> says nothing.  -JD_EINVAL: ret_error is bad-request with a
 * sentence (what is no number, or is there twice) or feature-not-implemented (a
 * page by <index/>).  Texts are in the arena.
 */
JD_EXPORT int jd_rsm_read(struct jd_el parent, struct jd_arena *arena, struct jd_rsm *ret_rsm,
			  struct jd_error *ret_error) JD_MUST_USE;

/* How many items to return at most: what was asked for, `usual` if nothing was, never more than
 * `most`. */
JD_EXPORT unsigned jd_rsm_limit(const struct jd_rsm *rsm, unsigned usual, unsigned most);

/* What a page was. */
struct jd_rsm_page {
	struct jd_str first, last; /* p NULL: an empty page */
	int64_t index;             /* of the first; < 0: not said */
	int64_t count;             /* of the whole result; < 0: not said */
};

JD_EXPORT void jd_rsm_write(struct jd_xml *x, const struct jd_rsm_page *page);
