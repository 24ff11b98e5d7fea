/* SPDX-License-Identifier: MIT
 *
 * jackdawctl push: what an account has registered, and whether its services take
 * a notification now.  A test changes nothing.
 */
#include "push.h"

static struct jd_stmt list = {
	.name = "push.list",
	.lane = JD_LANE_READ,
	.sql = "SELECT p.jid, p.node, p.client, p.since, p.ended, p.result, p.result_at, p.request"
	       " FROM account a LEFT JOIN push_registration p ON p.owner = a.owner"
	       " WHERE a.host = $1 AND a.name = $2 ORDER BY p.since LIMIT 1000",
};

/* One service being tested. */
struct probe {
	struct jd_command *command;
	struct jd_str jid, node;
	char result[RESULT_MAX];
};

struct test {
	struct probe *probes;
	size_t n, waiting;
};

/* NULL: there was an error, which has been said. */
static const struct jd_rows *checked(struct jd_command *c, enum jd_db_status status,
				     const struct jd_rows *rows)
{
	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return NULL;
	}
	if (!jd_rows_count(rows)) {
		jd_command_fail(c, "There is no account %.*s.",
				JD_FMT(jd_jid_str(jd_arg_jid(c, 0))));
		return NULL;
	}
	return rows;
}

static void ask(struct jd_command *c, jd_db_fn fn)
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	if (jd_db_query(jd_command_pending(c), &list,
			JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid))), fn,
			c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

/* -- list ------------------------------------------------------------------------------------- */

static void out_registration(struct jd_command *c, const struct jd_rows *rows, size_t i)
{
	struct jd_arena *arena = jd_command_arena(c);

	jd_out_record(c);
	jd_out_str(c, "service", jd_row_str(rows, i, 0));
	jd_out_str(c, "node", jd_row_str(rows, i, 1));
	jd_out_str(c, "client", jd_row_str(rows, i, 2));
	jd_out_str(c, "since", jd_time_text(arena, (jd_usec)jd_row_int(rows, i, 3)));
	jd_out_bool(c, "enabled", jd_row_null(rows, i, 4));
	if (jd_row_null(rows, i, 5))
		return;
	jd_out_str(c, "result", jd_row_str(rows, i, 5));
	jd_out_str(c, "at", jd_time_text(arena, (jd_usec)jd_row_int(rows, i, 6)));
}

static void on_list(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;

	if (!checked(c, status, rows))
		return;
	jd_out_list(c, "registrations");
	for (size_t i = 0; i < jd_rows_count(rows); i++)
		if (!jd_row_null(rows, i, 0))
			out_registration(c, rows, i);
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_list(struct jd_command *c)
{
	ask(c, on_list);
}

/* -- test ------------------------------------------------------------------------------------- */

static void end_test(struct jd_command *c)
{
	const struct test *t = jd_command_data(c, sizeof(*t));

	jd_out_list(c, "results");
	for (size_t i = 0; i < t->n; i++) {
		jd_out_record(c);
		jd_out_str(c, "service", t->probes[i].jid);
		jd_out_str(c, "node", t->probes[i].node);
		jd_out_str(c, "result", jd_cstr(t->probes[i].result));
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void on_answer(void *arg, struct jd_stanza *answer)
{
	struct probe *p = arg;
	struct test *t = jd_command_data(p->command, sizeof(*t));

	(void)push_refused(answer, p->result);
	if (--t->waiting == 0)
		end_test(p->command);
}

static void probe(struct jd_command *c, struct test *t, const struct jd_rows *rows, size_t i)
{
	struct jd_arena *arena = jd_command_arena(c);
	struct probe *p = &t->probes[t->n++];
	const struct news news = {.count = 1, .body = JD_STR("This is a test.")};

	p->command = c;
	p->jid = jd_arena_str(arena, jd_row_str(rows, i, 0));
	p->node = jd_arena_str(arena, jd_row_str(rows, i, 1));
	if (push_publish(jd_command_instance(c), jd_command_pending(c), jd_row_str(rows, i, 7),
			 &news, on_answer, p) == 0)
		t->waiting++;
	else
		(void)memcpy(p->result, "not sent", sizeof("not sent"));
}

static void on_test(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	struct test *t = jd_command_data(c, sizeof(*t));

	if (!checked(c, status, rows))
		return;
	t->probes = jd_arena_alloc(jd_command_arena(c), jd_rows_count(rows) * sizeof(*t->probes));
	for (size_t i = 0; i < jd_rows_count(rows); i++)
		if (!jd_row_null(rows, i, 0) && jd_row_null(rows, i, 4))
			probe(c, t, rows, i);
	if (!t->waiting)
		end_test(c);
}

static void cmd_test(struct jd_command *c)
{
	ask(c, on_test);
}

static const struct jd_arg jid_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def commands[] = {
	{"push list", "Lists the push services of an account.", jid_args, cmd_list},
	{"push test", "Sends a notification to the push services of an account.", jid_args,
	 cmd_test},
	{NULL, NULL, NULL, NULL},
};

int push_commands_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&list};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	return r < 0 ? r : jd_commands(mi, commands);
}
