/* SPDX-License-Identifier: MIT
 *
 * Asking a session whether it is still there (XEP-0199), when its I/O thread has
 * heard nothing for a while.
 *
 * Nobody waits for the answer: that anything comes is what counts, and the I/O
 * thread sees it come.  It is addressed to the host and answers nothing that the
 * host remembers, so it goes nowhere, be it a result or an error.
 */
#include "core/sm.h"

void session_ping(struct jd_session *s)
{
	struct jd_stanza *st;
	struct jd_xml *x;

	if (s->sm) { /* it has a cheaper question */
		sm_request(s);
		return;
	}
	x = jd_stanza_new(JD_IQ, JD_TYPE_GET, s->host->jid, s->jid, JD_STR_NULL);
	jd_xml_start(x, "urn:xmpp:ping", "ping");
	jd_xml_end(x);
	st = jd_built(x);
	(void)jd_session_send(s, st);
	jd_stanza_unref(st);
}
