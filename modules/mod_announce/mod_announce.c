/* SPDX-License-Identifier: MIT
 *
 * Announcements and the message of the day: by command, and by a message from an
 * administrator to one of the host's addresses, as is the custom:
 * HOST/announce/online, HOST/announce/motd and HOST/announce/motd/delete.
 */
#include "announce.h"

static const struct jd_option options[] = {
	JD_OPT_SIZE("max_bytes", struct announce, max_bytes, "10k", 1, 100 * 1024,
		    "How long an announcement may be."),
	JD_OPT_END,
};

static const char too_many[] = "too many announcements are still under way";
static const char not_stored[] = "it could not be stored and is shown until the server stops";

static bool too_long(struct jd_instance *mi, struct text text)
{
	const struct announce *a = jd_data(mi);

	return text.body.len + text.subject.len > (size_t)a->max_bytes;
}

/* -- commands --------------------------------------------------------------------------- */

enum { HOST, TEXT };

static const struct jd_arg host_args[] = {
	[HOST] = {JD_ARG_HOST, "HOST", false, "The host whose users are meant."},
	{JD_ARG_END, NULL, false, NULL},
};

static const struct jd_arg text_args[] = {
	[HOST] = {JD_ARG_HOST, "HOST", false, "The host whose users are meant."},
	[TEXT] = {JD_ARG_TEXT, "TEXT", false, "What they are told."},
	{JD_ARG_END, NULL, false, NULL},
};

/* False: the command has been told what is wrong with it. */
static bool good_text(struct jd_command *c, struct text *ret_text)
{
	struct text text = {JD_STR_NULL, jd_arg_text(c, TEXT)};

	if (!text.body.len)
		jd_command_fail(c, "there is no text");
	else if (too_long(jd_command_instance(c), text))
		jd_command_fail(c, "the text is longer than the option max_bytes allows");
	else
		*ret_text = text;
	return text.body.len && !too_long(jd_command_instance(c), text);
}

static void cmd_announce(struct jd_command *c)
{
	struct text text;
	int64_t n;

	if (!good_text(c, &text))
		return;
	n = crowd_tell(jd_command_instance(c), text);
	if (n < 0) {
		jd_command_fail(c, "%s", too_many);
		return;
	}
	jd_out_int(c, "sessions", n);
	jd_command_done(c);
}

static void on_stored(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;

	(void)rows;
	if (status == JD_DB_OK)
		jd_command_done(c);
	else
		jd_command_fail(c, "%s", not_stored);
}

static void set(struct jd_command *c, struct text text)
{
	if (motd_set(jd_command_instance(c), jd_command_pending(c), text, on_stored, c) < 0)
		jd_command_fail(c, "the database is busy; nothing was changed");
}

static void cmd_motd_set(struct jd_command *c)
{
	struct text text;

	if (good_text(c, &text))
		set(c, text);
}

static void cmd_motd_clear(struct jd_command *c)
{
	set(c, (struct text){JD_STR_NULL, JD_STR_NULL});
}

static void cmd_motd_show(struct jd_command *c)
{
	const struct announce *a = jd_data(jd_command_instance(c));
	const struct motd *m = &a->motd;

	if (m->id) {
		jd_out_str(c, "since", jd_time_text(jd_command_arena(c), (jd_usec)m->id));
		if (m->subject)
			jd_out_str(c, "subject", jd_cstr(m->subject));
		jd_out_str(c, "text", jd_cstr(m->body));
	}
	jd_command_done(c);
}

static const struct jd_command_def commands[] = {
	{"announce", "Sends a message to all who are online.", text_args, cmd_announce},
	{"motd set", "Sets the message that each account gets once, when it comes next.", text_args,
	 cmd_motd_set},
	{"motd show", "Shows the message of the day.", host_args, cmd_motd_show},
	{"motd clear", "Removes the message of the day.", host_args, cmd_motd_clear},
	{NULL, NULL, NULL, NULL},
};

/* -- messages ----------------------------------------------------------------------------- */

static enum jd_verdict refuse(struct jd_stanza *st, enum jd_condition condition, const char *text)
{
	jd_bounce(st, condition, text);
	return JD_DROP;
}

static void on_call_stored(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_call *call = arg;

	(void)rows;
	if (status != JD_DB_OK)
		jd_bounce(jd_call_stanza(call), JD_INTERNAL_SERVER_ERROR, not_stored);
	jd_resume(call, status == JD_DB_OK ? JD_DONE : JD_DROP);
}

static enum jd_verdict set_by(struct jd_instance *mi, struct jd_stanza_event *ev, struct text text)
{
	if (motd_set(mi, jd_call_pending(ev->call), text, on_call_stored, ev->call) < 0)
		return refuse(ev->st, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

static enum jd_verdict obey(struct jd_instance *mi, struct jd_stanza_event *ev, struct jd_str what)
{
	struct jd_el root = jd_stanza_root(ev->st);
	struct jd_el subject = jd_el_child(root, JD_NS_STANZA, "subject");
	struct text text = {JD_STR_NULL,
			    jd_el_text(jd_el_child(root, JD_NS_STANZA, "body"), ev->st->arena)};

	if (jd_el_text_chars(subject))
		text.subject = jd_el_text(subject, ev->st->arena);
	if (jd_str_is(what, "announce/motd/delete"))
		return set_by(mi, ev, (struct text){JD_STR_NULL, JD_STR_NULL});
	if (!text.body.len)
		return refuse(ev->st, JD_BAD_REQUEST, "There is no text.");
	if (too_long(mi, text))
		return refuse(ev->st, JD_POLICY_VIOLATION, "The text is too long.");
	if (jd_str_is(what, "announce/motd"))
		return set_by(mi, ev, text);
	if (crowd_tell(mi, text) < 0)
		return refuse(ev->st, JD_RESOURCE_CONSTRAINT, too_many);
	return JD_DONE;
}

static enum jd_verdict on_host(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_str what = jd_jid_resource(ev->st->to);

	if (ev->st->kind != JD_MESSAGE || ev->st->type == JD_TYPE_ERROR ||
	    (!jd_str_is(what, "announce/online") && !jd_str_is(what, "announce/motd") &&
	     !jd_str_is(what, "announce/motd/delete")))
		return JD_PASS;
	if (!jd_is_admin(ev->host, ev->st->from))
		return refuse(ev->st, JD_FORBIDDEN, NULL);
	return obey(mi, ev, what);
}

/* -- the module --------------------------------------------------------------------------- */

static int start(struct jd_instance *mi)
{
	int r = jd_commands(mi, commands);

	if (r == 0)
		r = crowd_start(mi);
	if (r == 0)
		r = motd_start(mi);
	if (r == 0)
		r = jd_on(mi, host_in, JD_PRIO_NORMAL, on_host);
	return r;
}

static void stop(struct jd_instance *mi)
{
	crowd_stop(mi);
	motd_stop(mi);
}

JD_MODULE(announce, .summary = "Announcements and the message of the day",
	  .data_size = sizeof(struct announce), .account_size = sizeof(struct seen),
	  .session_size = sizeof(struct online), .options = options, .session_free = crowd_forget,
	  .start = start, .stop = stop);
