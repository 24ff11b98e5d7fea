/* SPDX-License-Identifier: MIT
 *
 * Commands that load, unload and reload modules.  Who asks may himself be a
 * module on the stack, so the work is done from the top of the loop, a moment
 * later; and a command that its front end has left goes on all the same.
 */
#include <stdio.h>

#include "core/command_priv.h"

typedef int (*live_fn)(struct jd_host *host, const char *name, char *err, size_t err_size);

struct work {
	live_fn fn;
	const char *done;
};

static void on_time(void *arg)
{
	struct jd_command *c = arg;
	const struct work *w = jd_command_data(c, sizeof(*w));
	struct jd_host *host = host_find(jd_jid_domain(jd_arg_jid(c, 0)));
	struct jd_str name = jd_arg_text(c, 1);
	char text[41], err[2048] = "";

	if (name.len >= sizeof(text)) {
		jd_command_fail(c, "That is not the name of a module.");
		return;
	}
	snprintf(text, sizeof(text), "%.*s", JD_FMT(name));
	if (w->fn(host, text, err, sizeof(err)) < 0) {
		jd_command_fail(c, "%s", err);
		return;
	}
	jd_log(JD_LOG_NOTICE, "modules have changed", jd_kv_cstr("module", text),
	       jd_kv_cstr("host", host->name), jd_kv_cstr("done", w->done));
	jd_out_str(c, w->done, name);
	jd_command_done(c);
}

static void later(struct jd_command *c, live_fn fn, const char *done)
{
	struct work *w = jd_command_data(c, sizeof(*w));

	*w = (struct work){fn, done};
	jd_timer_start(jd_command_pending(c), 0, on_time, c);
}

static void cmd_load(struct jd_command *c)
{
	later(c, live_load, "loaded");
}

static void cmd_unload(struct jd_command *c)
{
	later(c, live_unload, "unloaded");
}

static void cmd_reload(struct jd_command *c)
{
	later(c, live_reload, "reloaded");
}

static const struct jd_arg args_module[] = {
	{JD_ARG_HOST, "HOST", false, "The host; a module for all hosts is named with any of them."},
	{JD_ARG_TEXT, "MODULE", false, "Its name, as in the configuration file."},
	{JD_ARG_END, NULL, false, NULL},
};

const struct jd_command_def commands_modules[] = {
	{.name = "module load",
	 .help = "Starts a module, with the options that the configuration file has now.",
	 .args = args_module,
	 .run = cmd_load},
	{.name = "module reload",
	 .help = "Replaces a module by what its file and its options are now.",
	 .args = args_module,
	 .run = cmd_reload},
	{.name = "module unload",
	 .help = "Stops a module that no other one needs.",
	 .args = args_module,
	 .run = cmd_unload},
	{.name = NULL},
};
