/* SPDX-License-Identifier: MIT
 *
 * Points in time on the wire: XEP-0082 date and time, and XEP-0203 delayed
 * delivery.  jd_time_text() in core.h writes one as text.
 *
 * Any thread, but for the writer.
 */
#pragma once

#include <jackdaw/jid.h>
#include <jackdaw/xml.h>

/* A full date and time with a zone, years 1970 to 9999; digits of the second beyond the sixth
 * are dropped. -JD_EINVAL for anything else. */
JD_EXPORT int jd_time_parse(struct jd_str in, jd_usec *ret_at) JD_MUST_USE;

/* <delay xmlns='urn:xmpp:delay' from='..' stamp='..'/>; no from when the JID is none. */
JD_EXPORT void jd_delay_write(struct jd_xml *x, struct jd_jid from, jd_usec at);
