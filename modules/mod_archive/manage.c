/* SPDX-License-Identifier: MIT
 *
 * What an administrator can ask for: how much there is, and that what is old goes or
 * all of it is written into a file.  Each takes as many steps as there are rows for it,
 * and holds up nobody.
 */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct jd_stmt find_owner = {
	.name = "archive.find_owner",
	.lane = JD_LANE_READ,
	.sql = "SELECT owner FROM account WHERE host = $1 AND name = $2",
};

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

/* -- whose -------------------------------------------------------------------------------- */

/* Data of a command about one account. */
struct job {
	struct jd_command *c;
	uint64_t owner;
	jd_usec before;
	int64_t n;
	uint64_t after;
	FILE *file;
	struct jd_promise *promise; /* which closes it, whatever becomes of the command */
	void (*go)(struct job *j);
};

static void too_much(struct jd_command *c)
{
	jd_command_fail(c, "The database has too much to do; try again.");
}

static void on_owner(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct job *j = arg;

	if (status != JD_DB_OK) {
		jd_command_fail(j->c, "The database does not answer.");
	} else if (!jd_rows_count(rows)) {
		jd_command_fail(j->c, "There is no account %.*s.",
				JD_FMT(jd_jid_str(jd_arg_jid(j->c, 0))));
	} else {
		j->owner = (uint64_t)jd_row_int(rows, 0, 0);
		j->go(j);
	}
}

static void with_owner(struct job *j, struct jd_command *c, void (*go)(struct job *j))
{
	struct jd_jid jid = jd_arg_jid(c, 0);

	j->c = c;
	j->go = go;
	if (jd_db_query(jd_command_pending(c), &find_owner,
			JD_PARAMS(jd_text(jd_jid_domain(jid)), jd_text(jd_jid_local(jid))),
			on_owner, j) < 0)
		too_much(c);
}

/* -- trim --------------------------------------------------------------------------------- */

static void trim_step(struct job *j);

static void on_trimmed(void *arg, int result, uint64_t id, jd_usec at)
{
	struct job *j = arg;

	(void)at;
	j->n += result < 0 ? 0 : (int64_t)id;
	if (result < 0 && result != -JD_ENOENT) {
		jd_command_fail(j->c, "The database failed after %lld messages were erased.",
				(long long)j->n);
	} else if (result == 0 && id) {
		trim_step(j);
	} else {
		jd_out_int(j->c, "erased", j->n);
		jd_command_done(j->c);
	}
}

static void trim_step(struct job *j)
{
	if (archive_trim(jd_command_instance(j->c), jd_command_pending(j->c), j->owner, j->before,
			 on_trimmed, j) < 0)
		too_much(j->c);
}

static void cmd_trim(struct jd_command *c)
{
	struct job *j = jd_command_data(c, sizeof(*j));

	if (jd_time_parse(jd_arg_text(c, 1), &j->before) < 0)
		jd_command_fail(c, "BEFORE is a time such as 2026-01-31T00:00:00Z.");
	else
		with_owner(j, c, trim_step);
}

/* -- export ------------------------------------------------------------------------------- */

#define EXPORT_STEP 100

static void write_row(struct job *j, const struct jd_archived *row)
{
	struct jd_arena *arena = row->st->arena;
	struct jd_str text = jd_stanza_bytes(row->st, arena);

	(void)fprintf(j->file,
		      "<result xmlns='" NS_MAM "' id='%.*s'><forwarded xmlns='" NS_FORWARD "'>"
		      "<delay xmlns='urn:xmpp:delay' stamp='%.*s'/>",
		      JD_FMT(jd_stanza_id_encode(arena, j->owner, row->id)),
		      JD_FMT(jd_time_text(arena, row->at)));
	(void)fwrite(text.p, 1, text.len, j->file);
	(void)fputs("</forwarded></result>\n", j->file);
	j->n++;
}

static void close_file(void *arg)
{
	struct job *j = arg;

	(void)fclose(j->file);
	j->file = NULL;
}

static void export_end(struct job *j)
{
	bool good;

	(void)fputs("</archive></user></host></server-data>\n", j->file);
	good = fflush(j->file) == 0 && !ferror(j->file);
	jd_promise_end(j->promise);
	close_file(j);
	if (!good) {
		jd_command_fail(j->c, "The file could not be written.");
		return;
	}
	jd_out_int(j->c, "messages", j->n);
	jd_command_done(j->c);
}

static void export_step(struct job *j);

static void on_rows(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct job *j = arg;

	if (result < 0 || ferror(j->file)) {
		jd_promise_end(j->promise);
		close_file(j);
		jd_command_fail(j->c, result < 0 ? "The database does not answer."
						 : "The file could not be written.");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		j->after = rows[i].id;
		if (rows[i].st)
			write_row(j, &rows[i]);
	}
	if (more && n)
		export_step(j);
	else
		export_end(j);
}

static void export_step(struct job *j)
{
	const struct jd_archive_read read = {
		.owner = j->owner, .after = j->after, .limit = EXPORT_STEP};

	if (archive_read(jd_command_instance(j->c), jd_command_pending(j->c), &read, on_rows, j) <
	    0)
		on_rows(j, -JD_ELIMIT, NULL, 0, false);
}

/* For its owner alone, and never over what is there. */
static void export_begin(struct job *j)
{
	struct jd_str name = jd_arg_text(j->c, 1);
	struct jd_jid jid = jd_arg_jid(j->c, 0);
	const char *path = jd_arena_str(jd_command_arena(j->c), name).p;
	int fd;

	if (path[0] != '/') {
		jd_command_fail(j->c, "FILE begins with a slash.");
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	j->file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!j->file) {
		jd_command_fail(j->c, "The file cannot be made: %s.",
				errno == EEXIST ? "it exists already" : "see its folder");
		if (fd >= 0)
			close(fd);
		return;
	}
	j->promise =
		jd_promise_new(jd_command_pending(j->c), (void (*)(void))close_file, close_file, j);
	(void)fprintf(j->file,
		      "<?xml version='1.0' encoding='UTF-8'?>\n"
		      "<server-data xmlns='urn:xmpp:pie:0'><host jid='%.*s'><user name='%.*s'>"
		      "<archive xmlns='urn:xmpp:pie:0#mam'>\n",
		      JD_FMT(jd_jid_domain(jid)), JD_FMT(jd_jid_local(jid)));
	export_step(j);
}

static void cmd_export(struct jd_command *c)
{
	with_owner(jd_command_data(c, sizeof(struct job)), c, export_begin);
}

/* -- the commands --------------------------------------------------------------------------- */

static const struct jd_arg jid_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg trim_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_TEXT, "BEFORE", false, "Messages from before this time go (2026-01-31T00:00:00Z)."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg export_args[] = {
	{JD_ARG_BARE_JID, "JID", false, "The account."},
	{JD_ARG_FILE, "FILE", false, "A file that does not exist, on the server's machine."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg dictionary_args[] = {
	{JD_ARG_TEXT, "WHAT", true, "list, which is the default, or train: makes one now."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def commands[] = {
	{"archive stats", "Shows how much the archive of an account holds.", jid_args, cmd_stats},
	{"archive trim", "Erases what is older than a time from the archive of an account.",
	 trim_args, cmd_trim},
	{"archive export", "Writes the archive of an account into a file (XEP-0227).", export_args,
	 cmd_export},
	{"archive dictionary", "Lists the dictionaries of packed archives, or makes a new one.",
	 dictionary_args, archive_cmd_dictionary},
	{NULL, NULL, NULL, NULL},
};

int archive_manage_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&find_owner, &stats};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	return r ? r : jd_commands(mi, commands);
}
