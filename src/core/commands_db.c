/* SPDX-License-Identifier: MIT
 *
 * The core's commands about the database.
 */
#include <limits.h>
#include <stdio.h>

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

/* -- backup ------------------------------------------------------------------------------ */

struct backup {
	struct worker_job job; /* first */
	struct jd_command *command;
	struct db_settings settings;
	struct db_error error;
	int result;
	char to[PATH_MAX];
};

static bool backing_up; /* one at a time: each keeps a worker busy */

static void backup_work(struct worker_job *job)
{
	struct backup *b = (struct backup *)job;

	b->result = db_backup(&b->settings, b->to, &b->error);
}

static void backup_done(struct worker_job *job)
{
	struct backup *b = (struct backup *)job;
	struct jd_command *c = b->command;

	backing_up = false;
	if (!c->ended && b->result) {
		jd_command_fail(c, "%s.", b->error.text);
	} else if (!c->ended) {
		jd_out_str(c, "file", jd_cstr(b->to));
		jd_command_done(c);
	}
	command_unref(c);
	mem_free(b);
}

static void cmd_backup(struct jd_command *c)
{
	struct jd_str file = jd_arg_text(c, 0);
	bool absolute = file.len && file.p[0] == '/';
	struct backup *b;

	if (backing_up) {
		jd_command_fail(c, "Another backup is being made.");
		return;
	}
	b = mem_new(struct backup);
	conf_db_settings(server.conf, &b->settings);
	if ((size_t)snprintf(b->to, sizeof(b->to), "%s%s%.*s", absolute ? "" : server.conf->run_dir,
			     absolute ? "" : "/", JD_FMT(file)) >= sizeof(b->to)) {
		mem_free(b);
		jd_command_fail(c, "The file's name is too long.");
		return;
	}
	b->command = command_ref(c);
	b->job.work = backup_work;
	b->job.done = backup_done;
	backing_up = true;
	if (worker_submit(server.workers, &b->job) == 0)
		return;
	backing_up = false;
	command_unref(c);
	mem_free(b);
	jd_command_fail(c, "The server is busy; try again.");
}

static const struct jd_arg args_backup[] = {
	{JD_ARG_FILE, "FILE", false,
	 "A new file on the server's machine; relative to run_dir if it has no leading slash."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_db[] = {
	{.name = "backup",
	 .help = "Copies the SQLite database into a file while the server runs.",
	 .args = args_backup,
	 .run = cmd_backup},
	{.name = "db status", .help = "Shows the state of the database.", .run = cmd_db_status},
	{.name = NULL},
};
