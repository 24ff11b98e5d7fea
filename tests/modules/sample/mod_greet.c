/* SPDX-License-Identifier: MIT
 *
 * A greeting for everybody who logs in, and a count of how often that was.
 */
#include <jackdaw/module.h>

#define NS_GREETING "urn:example:greeting"

struct greet {
	const char *text;
	bool enabled;
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("text", struct greet, text, "Welcome!", "What is said."),
	JD_OPT_BOOL("enabled", struct greet, enabled, "true", "Say it at all."),
	JD_OPT_END,
};

/* -- what is kept ------------------------------------------------------------------- */

#define TABLE                                                                                      \
	"CREATE TABLE greet_count ("                                                               \
	" owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (owner),"                           \
	" times INTEGER NOT NULL)"

static const struct jd_migration migrations[] = {
	{1, TABLE, TABLE},
	{0, NULL, NULL},
};

static struct jd_stmt count_one = {
	.name = "greet.count_one",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO greet_count (owner, times) VALUES ($1, 1)"
	       " ON CONFLICT (owner) DO UPDATE SET times = greet_count.times + 1",
};
static struct jd_stmt get_count = {
	.name = "greet.get_count",
	.lane = JD_LANE_READ,
	.sql = "SELECT times FROM greet_count WHERE owner = $1",
};
static struct jd_stmt forget = {
	.name = "greet.forget",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM greet_count WHERE owner = $1",
};
static struct jd_stmt sum = {
	.name = "greet.sum",
	.lane = JD_LANE_LONG,
	.sql = "SELECT sum(times) FROM greet_count",
};

/* -- when somebody logs in ------------------------------------------------------------ */

/* What the module keeps of each session. */
struct greeted {
	struct jd_instance *mi;
	struct jd_session *session;
};

static void on_counted(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	const struct greeted *gd = arg;
	const struct greet *g = jd_data(gd->mi);
	struct jd_xml *x;

	(void)rows;
	if (status != JD_DB_OK)
		jd_log(JD_LOG_WARNING, "a greeting was not counted");
	x = jd_stanza_new(JD_MESSAGE, JD_TYPE_HEADLINE, jd_host_jid(jd_instance_host(gd->mi)),
			  jd_session_jid(gd->session), JD_STR_NULL);
	jd_xml_leaf(x, JD_NS_STANZA, "body", jd_cstr(g->text));
	jd_send(x);
}

static void on_bound(struct jd_instance *mi, struct jd_session_event *ev)
{
	const struct greet *g = jd_data(mi);
	struct greeted *gd = jd_session_data(mi, ev->session);
	int64_t owner = (int64_t)jd_account_owner(ev->account);

	gd->mi = mi;
	gd->session = ev->session;
	if (g->enabled && jd_db_query(jd_session_pending(ev->session), &count_one,
				      JD_PARAMS(jd_int(owner)), on_counted, gd) < 0)
		jd_log(JD_LOG_WARNING, "somebody was not greeted: the database is busy");
}

/* -- when somebody asks ------------------------------------------------------------------ */

static void on_count(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_iq *iq = arg;
	struct jd_xml *x;

	if (status != JD_DB_OK) {
		jd_iq_fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
		return;
	}
	x = jd_iq_result(iq);
	jd_xml_start(x, NS_GREETING, "greeting");
	jd_xml_attr_int(x, "times", jd_rows_count(rows) ? jd_row_int(rows, 0, 0) : 0);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

static enum jd_verdict on_query(struct jd_instance *mi, struct jd_iq *iq)
{
	(void)mi;
	if (!iq->own) {
		jd_iq_fail(iq, JD_FORBIDDEN, "Only your own greetings are counted for you.");
		return JD_DONE;
	}
	if (jd_db_query(jd_iq_pending(iq), &get_count,
			JD_PARAMS(jd_int((int64_t)jd_account_owner(iq->account))), on_count,
			iq) < 0) {
		jd_iq_fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
		return JD_DONE;
	}
	return JD_ASYNC;
}

/* -- when an account goes, and what an operator can ask --------------------------------------- */

static void on_deleting(struct jd_instance *mi, struct jd_account_event *ev)
{
	(void)mi;
	jd_unit_add(ev->unit, &forget, JD_PARAMS(jd_int((int64_t)ev->owner)));
}

static void on_sum(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	jd_out_int(c, "greetings", jd_row_int(rows, 0, 0));
	jd_command_done(c);
}

static void cmd_greetings(struct jd_command *c)
{
	if (jd_db_query(jd_command_pending(c), &sum, JD_NO_PARAMS, on_sum, c) < 0)
		jd_command_fail(c, "The server is busy; try again.");
}

static const struct jd_command_def commands[] = {
	{"greetings", "Tells how many greetings have been said.", NULL, cmd_greetings},
	{NULL, NULL, NULL, NULL},
};

/* -- the module
 * ------------------------------------------------------------------------------------ */

static int start(struct jd_instance *mi)
{
	static struct jd_stmt *const stmts[] = {&count_one, &get_count, &forget, &sum};
	int err = jd_statements(mi, stmts, JD_ARRAY_SIZE(stmts));

	if (!err)
		err = jd_on(mi, session_bound, JD_PRIO_NORMAL, on_bound);
	if (!err)
		err = jd_on(mi, account_deleting, JD_PRIO_NORMAL, on_deleting);
	if (!err)
		err = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_GREETING, "greeting", on_query);
	if (!err)
		err = jd_commands(mi, commands);
	jd_feature(mi, JD_TO_ACCOUNT, NS_GREETING);
	return err;
}

JD_MODULE(greet, .summary = "Greets whoever logs in", .data_size = sizeof(struct greet),
	  .session_size = sizeof(struct greeted), .options = options, .migrations = migrations,
	  .start = start);
