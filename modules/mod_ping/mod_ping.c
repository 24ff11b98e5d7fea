/* SPDX-License-Identifier: MIT
 *
 * XMPP Ping (XEP-0199), the answering side: for the host and, on behalf of its
 * owner, for the account itself.
 */
#include <jackdaw/module.h>

#define NS_PING "urn:xmpp:ping"

static enum jd_verdict on_ping(struct jd_instance *mi, struct jd_iq *iq)
{
	(void)mi;
	if (iq->account && !iq->own) /* says nothing about an account to others */
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	else
		jd_iq_ok(iq);
	return JD_DONE;
}

static int start(struct jd_instance *mi)
{
	jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT, NS_PING);
	return jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST | JD_TO_ACCOUNT, NS_PING, "ping", on_ping);
}

JD_MODULE(ping, .summary = "Answers pings (XEP-0199)", .scope = JD_PER_HOST | JD_PER_COMPONENT,
	  .start = start);
