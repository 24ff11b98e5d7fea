/* SPDX-License-Identifier: MIT
 *
 * The core's own commands about the tokens of devices (XEP-0484).  A token itself
 * is never shown.
 */
#include "core/command_priv.h"
#include "core/tokens.h"

static struct jd_stmt list_tokens = {
	.name = "core.list_tokens",
	.lane = JD_LANE_READ,
	.sql = "SELECT t.agent, t.mechanism, t.issued_at, t.expires_at, t.used_at, t.software,"
	       " t.device, t.slot FROM account a LEFT JOIN fast_token t ON t.owner = a.owner"
	       " WHERE a.host = $1 AND a.name = $2 ORDER BY t.agent, t.slot LIMIT 1000",
};

static struct jd_stmt has_account = {
	.name = "core.has_account",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
};

static struct jd_stmt revoke_all = {
	.name = "core.revoke_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 RETURNING agent, slot",
};

static struct jd_stmt revoke_client = {
	.name = "core.revoke_client_tokens",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM fast_token WHERE owner = $1 AND agent = $2 RETURNING agent, slot",
};

static struct jd_params who(struct jd_command *c, struct jd_param out[2])
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	out[0] = jd_text(jd_jid_domain(jid));
	out[1] = jd_text(jd_jid_local(jid));
	return (struct jd_params){out, 2};
}

/* Failed, and said so. */
static bool no_account(struct jd_command *c, enum jd_db_status status, const struct jd_rows *rows)
{
	if (status != JD_DB_OK)
		jd_command_fail(c, "The database does not answer.");
	else if (!jd_rows_count(rows))
		jd_command_fail(c, "There is no account %.*s.",
				JD_FMT(jd_jid_str(jd_arg_jid(c, 0))));
	else
		return false;
	return true;
}

/* -- listing ------------------------------------------------------------------------------- */

static void out_text(struct jd_command *c, const char *key, struct jd_str text)
{
	if (text.len)
		jd_out_str(c, key, text);
}

static void out_token(struct jd_command *c, const struct jd_rows *rows, size_t i)
{
	struct jd_arena *arena = jd_command_arena(c);
	jd_usec issued = (jd_usec)jd_row_int(rows, i, 2), expires = (jd_usec)jd_row_int(rows, i, 3);

	jd_out_record(c);
	jd_out_str(c, "client", jd_row_str(rows, i, 0));
	out_text(c, "software", jd_row_str(rows, i, 5));
	out_text(c, "device", jd_row_str(rows, i, 6));
	jd_out_str(c, "mechanism", jd_row_str(rows, i, 1));
	jd_out_str(c, "issued", jd_time_text(arena, issued));
	jd_out_str(c, "expires", jd_time_text(arena, expires));
	if (!jd_row_null(rows, i, 4))
		jd_out_str(c, "used", jd_time_text(arena, (jd_usec)jd_row_int(rows, i, 4)));
}

static void on_list(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;

	if (no_account(c, status, rows))
		return;
	jd_out_list(c, "tokens");
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		if (!jd_row_null(rows, i, 0)) /* the one row of who has none */
			out_token(c, rows, i);
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_list(struct jd_command *c)
{
	struct jd_param params[2];

	if (jd_db_query(jd_command_pending(c), &list_tokens, who(c, params), on_list, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

/* -- revoking ------------------------------------------------------------------------------ */

/* Whoever has lost a device wants it out of the account now. Logins that are not bound yet go all:
 * which of them was by this token is not known here, and the others just come again. */
static void end_sessions(struct jd_command *c)
{
	struct jd_jid jid = jd_arg_jid(c, 0);
	struct jd_host *host = host_find(jd_jid_domain(jid));
	struct jd_account *a = account_peek(host, jd_jid_local(jid));
	struct jd_str device = jd_arg_given(c, 1) ? jd_arg_text(c, 1) : JD_STR_NULL;
	struct jd_session *next;

	auth_revoke(host, jd_jid_local(jid));
	for (struct jd_session *s = a ? jd_session_next(a, NULL) : NULL; s; s = next) {
		next = jd_session_next(a, s);
		if (s->device_len && (!device.p || jd_str_eq(session_device(s), device)))
			session_end(s, STREAM_NOT_AUTHORIZED, "The token has been revoked.");
	}
}

static void on_revoked(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	size_t devices = 0;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	/* A device may have had two. */
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= jd_str_eq(jd_row_str(rows, i, 0), jd_row_str(rows, k, 0));
		devices += !again;
	}
	end_sessions(c);
	jd_out_int(c, "revoked", (int64_t)devices);
	jd_command_done(c);
}

static void on_owner(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct jd_param params[2];
	struct jd_unit *unit;
	uint64_t owner;

	if (no_account(c, status, rows))
		return;
	owner = (uint64_t)jd_row_int(rows, 0, 0);
	params[0] = jd_int((int64_t)owner);
	params[1] = jd_text(jd_arg_text(c, 1));
	unit = jd_unit_new();
	jd_unit_key(unit, owner);
	if (jd_arg_given(c, 1))
		jd_unit_add(unit, &revoke_client, (struct jd_params){params, 2});
	else
		jd_unit_add(unit, &revoke_all, (struct jd_params){params, 1});
	if (jd_unit_submit(unit, jd_command_pending(c), on_revoked, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

static void cmd_revoke(struct jd_command *c)
{
	struct jd_param params[2];

	if (jd_db_query(jd_command_pending(c), &has_account, who(c, params), on_owner, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

/* -- the table ----------------------------------------------------------------------------- */

static const struct jd_arg args_list[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_END, NULL, false, NULL},
};
static const struct jd_arg args_revoke[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account: user@host."},
	{JD_ARG_TEXT, "CLIENT", true, "Only this device: its id in the list."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_tokens[] = {
	{"token list", "Lists the devices that can log in by a token.", args_list, cmd_list},
	{"token revoke", "Ends tokens, and the sessions of the devices that had them.", args_revoke,
	 cmd_revoke},
	{NULL, NULL, NULL, NULL},
};
