/* SPDX-License-Identifier: MIT
 *
 * Banning: an account that may not log in.  It keeps its data, its name and what others
 * send to it; whoever proves to be it is told account-disabled (RFC 6120 6.5.1).
 */
#include "core/command_priv.h"
#include "util/clock.h"

#define PAGE "1000"

static struct jd_stmt ban = {
	.name = "core.ban",
	.lane = JD_LANE_WRITE,
	.sqlite = "INSERT INTO account_ban (owner, since, reason)"
		  " SELECT owner, $3, $4 FROM account WHERE host = $1 AND name = $2 AND true"
		  " ON CONFLICT (owner) DO UPDATE SET since = excluded.since, reason = "
		  "excluded.reason",
	.pgsql = "INSERT INTO account_ban (owner, since, reason)"
		 " SELECT owner, $3::bigint, $4::text FROM account WHERE host = $1 AND name = $2"
		 " ON CONFLICT (owner) DO UPDATE SET since = excluded.since,"
		 " reason = excluded.reason",
};

static struct jd_stmt unban = {
	.name = "core.unban",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM account_ban WHERE owner ="
	       " (SELECT owner FROM account WHERE host = $1 AND name = $2)",
};

static struct jd_stmt list_bans = {
	.name = "core.list_bans",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.host, a.name, b.since, b.reason FROM account_ban b"
	       " JOIN account a ON a.owner = b.owner ORDER BY b.since DESC, b.owner LIMIT " PAGE,
};

static struct jd_stmt list_bans_of = {
	.name = "core.list_bans_of",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.host, a.name, b.since, b.reason FROM account_ban b"
	       " JOIN account a ON a.owner = b.owner WHERE a.host = $1"
	       " ORDER BY b.since DESC, b.owner LIMIT " PAGE,
};

static struct jd_stmt count_bans = {
	.name = "core.count_bans",
	.lane = JD_LANE_READ,
	.sql = "SELECT count(*) FROM account_ban b JOIN account a ON a.owner = b.owner"
	       " WHERE a.host = $1 OR $1 = ''",
};

static void done(struct jd_command *c, enum jd_db_status status, const struct jd_rows *rows,
		 const char *otherwise)
{
	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
	} else if (jd_rows_affected(rows) == 0) {
		jd_command_fail(c, "%.*s %s.", JD_FMT(jd_jid_str(jd_arg_jid(c, 0))), otherwise);
	} else {
		jd_out_str(c, "jid", jd_jid_str(jd_arg_jid(c, 0)));
		jd_command_done(c);
	}
}

/* Who is logged in, or about to be bound, goes when the ban is durable. */
static void on_banned(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_jid jid = jd_arg_jid(c, 0);
	struct jd_host *host = host_find(jd_jid_domain(jid));

	if (status == JD_DB_OK && host) {
		account_end_sessions(host, jd_jid_local(jid), STREAM_NOT_AUTHORIZED);
		auth_revoke(host, jd_jid_local(jid));
	}
	done(c, status, rows, "is no account");
}

static void on_unbanned(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	done(arg, status, rows, "is not banned");
}

static void run(struct jd_command *c, struct jd_stmt *stmt, struct jd_params params, jd_db_fn fn)
{
	if (jd_db_query(jd_command_pending(c), stmt, params, fn, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

static void cmd_ban(struct jd_command *c)
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	run(c, &ban,
	    JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid)),
		      jd_int((int64_t)clock_real()), jd_text(jd_arg_text(c, 1))),
	    on_banned);
}

static void cmd_unban(struct jd_command *c)
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	run(c, &unban, JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid))),
	    on_unbanned);
}

static void on_bans(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_arena *arena = jd_command_arena(c);

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	jd_out_list(c, "bans");
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		struct jd_str host = jd_row_str(rows, i, 0), name = jd_row_str(rows, i, 1);

		jd_out_record(c);
		jd_out_str(c, "jid",
			   jd_arena_printf(arena, "%.*s@%.*s", JD_FMT(name), JD_FMT(host)));
		jd_out_str(c, "since", jd_time_text(arena, (jd_usec)jd_row_int(rows, i, 2)));
		if (!jd_row_null(rows, i, 3))
			jd_out_str(c, "reason", jd_row_str(rows, i, 3));
	}
	jd_out_end(c);
	jd_command_done(c);
}

/* The number first: the list has an end. */
static void on_count(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_jid host = jd_arg_jid(c, 0);

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	jd_out_int(c, "banned", jd_row_int(rows, 0, 0));
	if (jd_arg_given(c, 0))
		run(c, &list_bans_of, JD_PARAMS(jd_text(jd_jid_domain(host))), on_bans);
	else
		run(c, &list_bans, JD_NO_PARAMS, on_bans);
}

static void cmd_bans(struct jd_command *c)
{
	struct jd_str host = jd_arg_given(c, 0) ? jd_jid_domain(jd_arg_jid(c, 0)) : JD_STR("");

	run(c, &count_bans, JD_PARAMS(jd_text(host)), on_count);
}

static const struct jd_arg args_ban[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_TEXT, "REASON", true, "Why, for whoever reads the list."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_bans[] = {
	{JD_ARG_HOST, "HOST", true, "Of this host only; default: of all."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_unban[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_ban[] = {
	{.name = "ban",
	 .help = "Forbids an account to log in and ends its sessions.",
	 .args = args_ban,
	 .run = cmd_ban},
	{.name = "bans",
	 .help = "Lists banned accounts, the newest first.",
	 .args = args_bans,
	 .run = cmd_bans},
	{.name = "unban",
	 .help = "Allows a banned account to log in again.",
	 .args = args_unban,
	 .run = cmd_unban},
	{.name = NULL},
};
