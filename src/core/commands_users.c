/* SPDX-License-Identifier: MIT
 *
 * The core's own commands about accounts.
 */
#include "core/command_priv.h"

#define PAGE       500
#define MAX_LISTED 10000

/* -- making, changing, deleting -------------------------------------------------------------- */

/* The core's account functions call back exactly once and cannot be cancelled: the command
 * stays in memory until then, even if nobody waits for it any more. */

static struct jd_str jid_text(struct jd_command *c)
{
	return jd_jid_str(jd_arg_jid(c, 0));
}

static void say_failure(struct jd_command *c, int result)
{
	switch (result) {
	case -JD_ENOENT:
		jd_command_fail(c, "There is no account %.*s.", JD_FMT(jid_text(c)));
		break;
	case -JD_EEXIST:
		jd_command_fail(c,
				"The name %.*s belongs to an account, or did so until that was "
				"deleted; --force gives the name of a deleted one out again.",
				JD_FMT(jid_text(c)));
		break;
	case -JD_EINVAL:
		jd_command_fail(c, "This password cannot be used: it is empty, too long or has "
				   "characters that are not allowed in one.");
		break;
	case -JD_ELIMIT:
		jd_command_fail(c, "The server is busy; try again.");
		break;
	default:
		jd_command_fail(c, "It did not work: %s.", jd_strerror(result));
		break;
	}
}

static void on_changed(void *arg, int result)
{
	struct jd_command *c = arg;

	if (!c->ended && result) {
		say_failure(c, result);
	} else if (!c->ended) {
		jd_out_str(c, "jid", jid_text(c));
		jd_command_done(c);
	}
	command_unref(c);
}

/* What the function that was called with command_ref(c) has returned. */
static void begun(struct jd_command *c, int err)
{
	if (!err)
		return;
	say_failure(c, err);
	command_unref(c);
}

static struct jd_host *host_of(struct jd_command *c)
{
	return host_find(jd_jid_domain(jd_arg_jid(c, 0)));
}

static void cmd_adduser(struct jd_command *c)
{
	begun(c, account_set_password(host_of(c), jd_arg_jid(c, 0), jd_arg_text(c, 1), true,
				      jd_arg_flag(c, 2), on_changed, command_ref(c)));
}

static void cmd_passwd(struct jd_command *c)
{
	begun(c, account_set_password(host_of(c), jd_arg_jid(c, 0), jd_arg_text(c, 1), false, false,
				      on_changed, command_ref(c)));
}

static void cmd_deluser(struct jd_command *c)
{
	begun(c, account_delete(host_of(c), jd_arg_jid(c, 0), on_changed, command_ref(c)));
}

/* -- listing -------------------------------------------------------------------------------------
 */

static struct jd_stmt list_users = {
	.name = "core.list_users",
	.lane = JD_LANE_READ,
	.sql = "SELECT host, name, created_at FROM account WHERE (host, name) > ($1, $2)"
	       " AND kind = 0 AND name NOT LIKE '@%' ORDER BY host, name LIMIT 500",
};

static struct jd_stmt list_users_of = {
	.name = "core.list_users_of",
	.lane = JD_LANE_READ,
	.sql = "SELECT host, name, created_at FROM account WHERE host = $1 AND name > $2"
	       " AND kind = 0 AND name NOT LIKE '@%' ORDER BY name LIMIT 500",
};

struct users {
	struct jd_str host, name; /* of the last account listed */
	size_t listed;
};

static void ask_page(struct jd_command *c);

static void users_end(struct jd_command *c, const struct users *u, bool more)
{
	jd_out_end(c);
	if (more)
		jd_out_str(c, "more",
			   jd_arena_printf(jd_command_arena(c), "--after %.*s@%.*s",
					   JD_FMT(u->name), JD_FMT(u->host)));
	jd_command_done(c);
}

static void out_user(struct jd_command *c, const struct jd_rows *rows, size_t i)
{
	struct jd_arena *arena = jd_command_arena(c);
	struct jd_str host = jd_row_str(rows, i, 0), name = jd_row_str(rows, i, 1);

	jd_out_record(c);
	jd_out_str(c, "jid", jd_arena_printf(arena, "%.*s@%.*s", JD_FMT(name), JD_FMT(host)));
	jd_out_str(c, "created", jd_time_text(arena, (jd_usec)jd_row_int(rows, i, 2)));
}

static void on_page(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct users *u = jd_command_data(c, sizeof(*u));
	size_t n;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	n = jd_rows_count(rows);
	for (size_t i = 0; i < n; i++)
		out_user(c, rows, i);
	u->listed += n;
	if (n) {
		u->host = jd_arena_str(jd_command_arena(c), jd_row_str(rows, n - 1, 0));
		u->name = jd_arena_str(jd_command_arena(c), jd_row_str(rows, n - 1, 1));
	}
	/* A million accounts neither fill the memory nor keep others waiting. */
	if (n < PAGE || u->listed >= MAX_LISTED)
		users_end(c, u, n == PAGE);
	else
		ask_page(c);
}

static void ask_page(struct jd_command *c)
{
	struct users *u = jd_command_data(c, sizeof(*u));
	struct jd_stmt *stmt = jd_arg_given(c, 0) ? &list_users_of : &list_users;

	if (jd_db_query(jd_command_pending(c), stmt, JD_PARAMS(jd_text(u->host), jd_text(u->name)),
			on_page, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

/* True: the command has failed. */
static bool no_users(struct jd_command *c)
{
	const struct jd_host *host = jd_arg_given(c, 0) ? host_find(jd_arg_text(c, 0)) : NULL;

	if (!host || !host->component)
		return false;
	jd_command_fail(c, "%s is a component: it has no users.", host->name);
	return true;
}

static void cmd_users(struct jd_command *c)
{
	struct users *u = jd_command_data(c, sizeof(*u));
	struct jd_jid after = jd_arg_jid(c, 1);

	if (no_users(c))
		return;
	u->host = jd_arg_given(c, 0) ? jd_arg_text(c, 0) : JD_STR("");
	u->name = JD_STR("");
	if (jd_jid_ok(after)) {
		if (!jd_arg_given(c, 0))
			u->host = jd_jid_domain(after);
		u->name = jd_jid_local(after);
	}
	jd_out_list(c, "users");
	ask_page(c);
}

/* -- counting ---------------------------------------------------------------------------- */

static struct jd_stmt count_users = {
	.name = "core.count_users",
	.lane = JD_LANE_READ,
	.sql = "SELECT COUNT(*) FROM account WHERE kind = 0 AND name NOT LIKE '@%'",
};

static struct jd_stmt count_users_of = {
	.name = "core.count_users_of",
	.lane = JD_LANE_READ,
	.sql = "SELECT COUNT(*) FROM account WHERE host = $1 AND kind = 0 AND name NOT LIKE '@%'",
};

static void on_counted(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_host *host = jd_arg_given(c, 0) ? host_find(jd_arg_text(c, 0)) : NULL;
	int64_t online = 0, sessions = 0;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	for (struct list *n = server.sessions.next; n != &server.sessions; n = n->next) {
		const struct jd_session *s = container_of(n, struct jd_session, all);

		if (!s->bound || (host && s->host != host))
			continue;
		sessions++;
		/* Its account is counted with the first of its sessions. */
		online += s->account->sessions.next == &s->node;
	}
	jd_out_int(c, "registered", jd_row_int(rows, 0, 0));
	jd_out_int(c, "online", online);
	jd_out_int(c, "sessions", sessions);
	jd_command_done(c);
}

static void cmd_count(struct jd_command *c)
{
	bool one = jd_arg_given(c, 0);
	int err;

	if (no_users(c))
		return;
	if (one)
		err = jd_db_query(jd_command_pending(c), &count_users_of,
				  JD_PARAMS(jd_text(jd_arg_text(c, 0))), on_counted, c);
	else
		err = jd_db_query(jd_command_pending(c), &count_users, JD_NO_PARAMS, on_counted, c);
	if (err < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

/* -- the table
 * ----------------------------------------------------------------------------------------- */

static const struct jd_arg args_adduser[] = {
	{JD_ARG_BARE_JID, "JID", false, "The new account: user@host."},
	{JD_ARG_SECRET, "PASSWORD", false, "Its password."},
	{JD_ARG_FLAG, "force", true, "Also when the name was a deleted account's."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_passwd[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_SECRET, "PASSWORD", false, "The new password."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_deluser[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_count[] = {
	{JD_ARG_HOST, "HOST", true, "Only those of this host."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_users[] = {
	{JD_ARG_HOST, "HOST", true, "Only accounts of this host."},
	{JD_ARG_BARE_JID, "AFTER", true,
	 "Begin behind this account: at most 10 000 are listed at once."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_users[] = {
	{"adduser", "Makes an account.", args_adduser, cmd_adduser},
	{"count", "Counts accounts, those that are online, and sessions.", args_count, cmd_count},
	{"deluser", "Deletes an account and what belongs to it.", args_deluser, cmd_deluser},
	{"passwd", "Changes the password of an account.", args_passwd, cmd_passwd},
	{"users", "Lists accounts by name.", args_users, cmd_users},
	{NULL, NULL, NULL, NULL},
};
