/* SPDX-License-Identifier: MIT
 *
 * Archives of accounts (XEP-0313): every device finds what was said, for ever.
 * The parts are listed in archive.h; here is what ties them together.
 */
#include "archive.h"

static const char *const keeps[] = {
	[KEEP_NEVER] = "never", [KEEP_ALWAYS] = "always", [KEEP_ROSTER] = "roster", NULL};

static const struct jd_option options[] = {
	JD_OPT_CHOICE("default", struct archive, keep, "always", keeps,
		      "What is kept of an account that has not said what it wants."),
	JD_OPT_TIME("expire", struct archive, expire, "0s", 0, 0,
		    "Messages older than this are erased; 0s: they are kept for ever."),
	JD_OPT_BOOL("search", struct archive, search, "false",
		    "Archives can be searched for words (XEP-0431), for which an index is kept."),
	JD_OPT_INT(
		"undelivered", struct archive, quota, "1000", 0, 1000000,
		"How many messages that are not kept may wait for being delivered to an account."),
	JD_OPT_BOOL("compress", struct archive, compress, "true",
		    "New messages are stored packed, as soon as there is a dictionary."),
	JD_OPT_END,
};

/* -- the module ----------------------------------------------------------------------- */

/* Accounts keep what passes; the rows of a room are put by the module that is the room. */
static int start_accounts(struct jd_instance *mi)
{
	int r = archive_prefs_start(mi);

	if (r == 0)
		r = archive_store_start(mi);
	if (r == 0)
		r = archive_bound_start(mi);
	return r ? r : archive_query_handle(mi);
}

static int start(struct jd_instance *mi)
{
	static int (*const parts[])(struct jd_instance *) = {
		archive_log_start,     archive_write_start,  archive_read_start,
		archive_retract_start, archive_query_start,  archive_service_start,
		archive_trim_start,    archive_search_start, archive_index_start,
		archive_train_start};
	bool rooms = jd_host_is_component(jd_instance_host(mi));
	int r = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(parts) && r == 0; i++)
		r = parts[i](mi);
	if (r == 0 && !rooms)
		r = start_accounts(mi);
	if (r == 0 && !rooms)
		r = archive_manage_start(mi);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, NS_MAM);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, NS_EXTENDED);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, JD_NS_SID);
	return r ? r : archive_pack_start(mi);
}

static void stop(struct jd_instance *mi)
{
	archive_index_stop(mi);
	archive_train_stop(mi);
	archive_trim_stop(mi);
	archive_read_stop(mi);
	archive_log_stop(mi);
	archive_pack_stop();
}

JD_MODULE(archive, .summary = "Archives of messages (XEP-0313)",
	  .scope = JD_PER_HOST | JD_PER_COMPONENT, .data_size = sizeof(struct archive),
	  .account_size = sizeof(struct home), .session_size = sizeof(struct asker),
	  .session_free = archive_asker_free, .options = options, .account_free = archive_home_free,
	  .start = start, .stop = stop);
