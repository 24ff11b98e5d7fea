/* SPDX-License-Identifier: MIT
 *
 * What an administrator can see: where an account is in its log, and how much waits.
 * It is read from the database, so it may be some seconds old.
 */
#include "offline.h"

#define COUNTED_STR "10000"

static struct jd_stmt find = {
	.name = "offline.find",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.owner, COALESCE(p.position, 0), COALESCE(p.taken, '') FROM account a"
	       " LEFT JOIN offline_position p ON p.owner = a.owner"
	       " WHERE a.host = $1 AND a.name = $2",
};

static struct jd_stmt waiting = {
	.name = "offline.waiting",
	.lane = JD_LANE_LONG,
	.sql = "SELECT id, at, CASE WHEN flags & 2 = 2 THEN 1 ELSE 0 END FROM archive"
	       " WHERE owner = $1 AND id > $2 AND direction = 0 ORDER BY id LIMIT " COUNTED_STR,
};

/* Data of the command. */
struct status {
	uint64_t base;
	struct jd_str ranges;
};

struct counted {
	int64_t rows, hidden, oldest;
};

static struct counted count(const struct status *s, const struct jd_rows *rows)
{
	struct counted c = {0, 0, 0};
	struct idset taken = {.base = s->base};

	idset_add_text(&taken, s->ranges);
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		if (idset_has(&taken, (uint64_t)jd_row_int(rows, i, 0)))
			continue;
		if (!c.rows++)
			c.oldest = jd_row_int(rows, i, 1);
		c.hidden += jd_row_int(rows, i, 2);
	}
	idset_fini(&taken);
	return c;
}

static void on_waiting(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	const struct status *s = jd_command_data(c, sizeof(*s));
	struct counted counted;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	counted = count(s, rows);
	jd_out_int(c, "position", (int64_t)s->base);
	jd_out_str(c, "taken", s->ranges);
	jd_out_int(c, "waiting", counted.rows);
	jd_out_int(c, "hidden", counted.hidden);
	if (counted.rows)
		jd_out_str(c, "oldest", jd_time_text(jd_command_arena(c), (jd_usec)counted.oldest));
	jd_command_done(c);
}

static void on_found(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct status *s = jd_command_data(c, sizeof(*s));

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	if (!jd_rows_count(rows)) {
		jd_command_fail(c, "There is no account %.*s.",
				JD_FMT(jd_jid_str(jd_arg_jid(c, 0))));
		return;
	}
	s->base = (uint64_t)jd_row_int(rows, 0, 1);
	s->ranges = jd_arena_str(jd_command_arena(c), jd_row_str(rows, 0, 2));
	if (jd_db_query(jd_command_pending(c), &waiting,
			JD_PARAMS(jd_int(jd_row_int(rows, 0, 0)), jd_int((int64_t)s->base)),
			on_waiting, c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

static void cmd_status(struct jd_command *c)
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	if (jd_db_query(jd_command_pending(c), &find,
			JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid))),
			on_found, c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

static const struct jd_arg jid_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def commands[] = {
	{"offline status", "Shows how many messages wait for an account.", jid_args, cmd_status},
	{NULL, NULL, NULL, NULL},
};

int offline_status_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&find, &waiting};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	return r == 0 ? jd_commands(mi, commands) : r;
}
