/* SPDX-License-Identifier: MIT
 *
 * Points in time on the wire: XEP-0082 date and time, XEP-0203 delayed delivery.
 * Pure functions, any thread.
 */
#pragma once

#include <jackdaw/jid.h>
#include <jackdaw/xml.h>

#define DELAY_STAMP_LEN 24

/* 2026-11-22T04:45:00.123Z: UTC, milliseconds, not terminated; up to the year 9999. */
struct jd_str delay_format(jd_usec at, char out[DELAY_STAMP_LEN]);

/* A full date and time with a zone, years 1970 to 9999; digits of the second beyond
 * the sixth are dropped. -JD_EINVAL for anything else. */
int delay_parse(struct jd_str in, jd_usec *ret_at) JD_MUST_USE;

/* <delay xmlns='urn:xmpp:delay' from='..' stamp='..'/>; no from when the JID is none. */
void delay_write(struct jd_xml *x, struct jd_jid from, jd_usec at);
