/* SPDX-License-Identifier: MIT
 *
 * Archives of accounts (XEP-0313): every device finds what was said, for ever.
 * The parts are listed in archive.h; here is what ties them together and what an
 * administrator can ask.
 */
#include "archive.h"

static const char *const keeps[] = {
	[KEEP_NEVER] = "never", [KEEP_ALWAYS] = "always", [KEEP_ROSTER] = "roster", NULL};

static const struct jd_option options[] = {
	JD_OPT_CHOICE("default", struct archive, keep, "always", keeps,
		      "What is kept of an account that has not said what it wants."),
	JD_OPT_INT(
		"undelivered", struct archive, quota, "1000", 0, 1000000,
		"How many messages that are not kept may wait for being delivered to an account."),
	JD_OPT_END,
};

/* -- the command ---------------------------------------------------------------------- */

static struct jd_stmt stats = {
	.name = "archive.stats",
	.lane = JD_LANE_LONG,
	.sql = "SELECT (SELECT COUNT(*) FROM archive WHERE owner = a.owner AND " VISIBLE "),"
	       " (SELECT at FROM archive WHERE owner = a.owner ORDER BY id LIMIT 1),"
	       " (SELECT at FROM archive WHERE owner = a.owner ORDER BY id DESC LIMIT 1),"
	       " (SELECT SUM(length(stanza)) FROM archive WHERE owner = a.owner)"
	       " FROM account a WHERE a.host = $1 AND a.name = $2",
};

static void on_stats(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_arena *arena = jd_command_arena(c);

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	if (!jd_rows_count(rows)) {
		jd_command_fail(c, "There is no account %.*s.",
				JD_FMT(jd_jid_str(jd_arg_jid(c, 0))));
		return;
	}
	jd_out_int(c, "messages", jd_row_int(rows, 0, 0));
	jd_out_int(c, "bytes", jd_row_int(rows, 0, 3));
	if (!jd_row_null(rows, 0, 1)) {
		jd_out_str(c, "oldest", jd_time_text(arena, (jd_usec)jd_row_int(rows, 0, 1)));
		jd_out_str(c, "newest", jd_time_text(arena, (jd_usec)jd_row_int(rows, 0, 2)));
	}
	jd_command_done(c);
}

static void cmd_stats(struct jd_command *c)
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	if (jd_db_query(jd_command_pending(c), &stats,
			JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid))),
			on_stats, c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

static const struct jd_arg jid_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def commands[] = {
	{"archive stats", "Shows how much the archive of an account holds.", jid_args, cmd_stats},
	{NULL, NULL, NULL, NULL},
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
	static struct jd_stmt *const all[] = {&stats};
	static int (*const parts[])(struct jd_instance *) = {
		archive_log_start,     archive_write_start, archive_read_start,
		archive_retract_start, archive_query_start, archive_service_start};
	bool rooms = jd_host_is_component(jd_instance_host(mi));
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	for (size_t i = 0; i < JD_ARRAY_SIZE(parts) && r == 0; i++)
		r = parts[i](mi);
	if (r == 0 && !rooms)
		r = start_accounts(mi);
	if (r == 0 && !rooms)
		r = jd_commands(mi, commands);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, NS_MAM);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, NS_EXTENDED);
	jd_feature(mi, rooms ? JD_TO_ROOM : JD_TO_ACCOUNT, JD_NS_SID);
	return r;
}

static void stop(struct jd_instance *mi)
{
	archive_read_stop(mi);
	archive_log_stop(mi);
}

JD_MODULE(archive, .summary = "Archives of messages (XEP-0313)",
	  .scope = JD_PER_HOST | JD_PER_COMPONENT, .data_size = sizeof(struct archive),
	  .account_size = sizeof(struct home), .session_size = sizeof(struct asker),
	  .session_free = archive_asker_free, .options = options, .account_free = archive_home_free,
	  .start = start, .stop = stop);
