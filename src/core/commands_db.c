/* SPDX-License-Identifier: MIT
 *
 * The core's commands about the database.
 */
#include "core/command_priv.h"
#include "core/conf.h"
#include "db/db.h"

static struct jd_stmt find_version = {
	.name = "core.find_version",
	.lane = JD_LANE_READ,
	.sql = "SELECT COALESCE(max(version), 0) FROM schema_migration WHERE component = 'core'",
};

static void on_version(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct db_stats stats;

	db_stats(server.db, &stats);
	jd_out_str(c, "driver", jd_cstr(server.conf->database.driver));
	jd_out_bool(c, "answers", status == JD_DB_OK);
	if (status == JD_DB_OK)
		jd_out_int(c, "tables", jd_row_int(rows, 0, 0));
	jd_out_int(c, "waiting", (int64_t)stats.waiting);
	jd_out_int(c, "waiting_bytes", (int64_t)stats.waiting_bytes);
	jd_out_int(c, "units", (int64_t)stats.units);
	jd_out_int(c, "commits", (int64_t)stats.commits);
	jd_out_int(c, "failures", (int64_t)stats.failures);
	jd_command_done(c);
}

/* Also answers when the database doesn't: the question is one of it. */
static void cmd_db_status(struct jd_command *c)
{
	if (jd_db_query(jd_command_pending(c), &find_version, JD_NO_PARAMS, on_version, c) < 0)
		on_version(c, JD_DB_FAILED, NULL);
}

const struct jd_command_def commands_db[] = {
	{.name = "db status", .help = "Shows the state of the database.", .run = cmd_db_status},
	{.name = NULL},
};
