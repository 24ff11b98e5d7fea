/* SPDX-License-Identifier: MIT
 *
 * Entity Time (XEP-0202): the server's clock and the offset of its time zone.
 */
#include <jackdaw/module.h>

#include <stdlib.h>
#include <time.h>

#define NS_TIME "urn:xmpp:time"

/* "Z", or "+01:30". */
static struct jd_str zone_offset(struct jd_arena *arena, jd_usec now)
{
	time_t t = (time_t)(now / JD_USEC_PER_SEC);
	struct tm tm;
	long minutes;

	if (!localtime_r(&t, &tm) || tm.tm_gmtoff / 60 == 0)
		return JD_STR("Z");
	minutes = tm.tm_gmtoff / 60;
	return jd_arena_printf(arena, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', labs(minutes) / 60,
			       labs(minutes) % 60);
}

static enum jd_verdict on_time(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_arena *arena = iq->st->arena;
	struct jd_xml *x = jd_iq_result(iq);
	jd_usec now = jd_now();

	(void)mi;
	jd_xml_start(x, NS_TIME, "time");
	jd_xml_leaf(x, NULL, "tzo", zone_offset(arena, now));
	jd_xml_leaf(x, NULL, "utc", jd_time_text(arena, now));
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static int start(struct jd_instance *mi)
{
	jd_feature(mi, JD_TO_HOST, NS_TIME);
	return jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, NS_TIME, "time", on_time);
}

JD_MODULE(time, .summary = "Tells the server's time (XEP-0202)",
	  .scope = JD_PER_HOST | JD_PER_COMPONENT, .start = start);
