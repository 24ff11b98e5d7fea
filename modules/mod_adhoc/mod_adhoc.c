/* SPDX-License-Identifier: MIT
 *
 * Ad-hoc commands (XEP-0050): the protocol, for commands that other modules
 * offer (<jackdaw/adhoc.h>).
 *
 * Whether somebody may run a command is asked at each stage anew: who is no
 * administrator any more can't finish what he began as one.  A session belongs to
 * the full address that began it.  Requests are answered later (ASYNC), since a
 * command may take its time and the host's mailbox must not wait for it.
 */
#include "adhoc_priv.h"

#define DEADLINE (25 * JD_USEC_PER_SEC) /* before the core's own, which is an error */
#define NODE_MAX 1024

static const struct jd_option options[] = {
	JD_OPT_INT("max_sessions", struct adhoc, max_sessions, "1000", 1, 100000,
		   "Commands that may be under way at once."),
	JD_OPT_INT("max_per_account", struct adhoc, max_per_account, "10", 1, 1000,
		   "Those of one account among them."),
	JD_OPT_TIME("timeout", struct adhoc, timeout, "10min", 60 * 1000000LL, 86400 * 1000000LL,
		    "A command that nobody goes on with ends after this time."),
	JD_OPT_END,
};

struct stage {
	struct jd_adhoc_stage pub; /* first */
	struct session *session;
};

static const struct {
	const char *name;
	enum jd_adhoc_action action;
} actions[] = {{"prev", JD_ADHOC_PREV}, {"next", JD_ADHOC_NEXT}, {"complete", JD_ADHOC_COMPLETE}};

/* -- sources ------------------------------------------------------------------------- */

static int offer(struct jd_instance *adhoc, struct jd_instance *mi,
		 const struct jd_adhoc_source *source)
{
	struct adhoc *a = jd_data(adhoc);

	if (a->n_sources == MAX_SOURCES)
		return -JD_ELIMIT;
	a->sources[a->n_sources].mi = mi;
	a->sources[a->n_sources++].source = source;
	if (source->targets & JD_TO_ACCOUNT)
		jd_feature(adhoc, JD_TO_ACCOUNT, NS_COMMANDS);
	return 0;
}

static void withdraw(struct jd_instance *adhoc, struct jd_instance *mi)
{
	struct adhoc *a = jd_data(adhoc);
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_sources; i++)
		if (a->sources[i].mi != mi)
			a->sources[n++] = a->sources[i];
	a->n_sources = n;
}

/* An account's commands are its own. */
static bool is_offered(const struct jd_adhoc_source *source, const struct jd_iq *iq)
{
	if (!iq->account)
		return source->targets & JD_TO_HOST;
	return (source->targets & JD_TO_ACCOUNT) && iq->own;
}

static enum jd_adhoc_access find(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node,
				 unsigned *ret_source, struct jd_str *ret_name)
{
	const struct adhoc *a = jd_data(mi);

	for (unsigned i = 0; i < a->n_sources; i++) {
		enum jd_adhoc_access access = JD_ADHOC_UNKNOWN;

		if (is_offered(a->sources[i].source, iq))
			access = a->sources[i].source->find(a->sources[i].mi, iq, node, ret_name);
		*ret_source = i;
		if (access != JD_ADHOC_UNKNOWN)
			return access;
	}
	return JD_ADHOC_UNKNOWN;
}

/* -- answers ------------------------------------------------------------------------- */

static struct stage *stage_of(struct jd_adhoc_stage *pub)
{
	return (struct stage *)pub;
}

static void refuse(struct jd_iq *iq, enum jd_condition condition, const char *specific,
		   const char *text)
{
	struct jd_error error = {
		.condition = condition,
		.text = text,
		.app_ns = specific ? NS_COMMANDS : NULL,
		.app_name = specific,
	};

	/* XEP-0050 3.4.6 has types of its own for these. */
	if (condition == JD_FORBIDDEN)
		error.type = JD_ERRTYPE_CANCEL;
	jd_iq_error(iq, &error);
}

/* Before the answer goes out, since that may be the end of the stage's memory. */
static void answered(struct stage *st, bool over)
{
	struct session *s = st->session;

	s->busy = false;
	if (over || s->gone)
		adhoc_session_end(s);
}

static struct jd_xml *command_start(struct stage *st, const char *status)
{
	struct jd_xml *x = jd_iq_result(st->pub.iq);

	jd_xml_start(x, NS_COMMANDS, "command");
	jd_xml_attr(x, "node", st->pub.node);
	jd_xml_attr(x, "sessionid", jd_cstr(st->session->id));
	jd_xml_attr(x, "status", jd_cstr(status));
	return x;
}

static struct jd_xml *executing(struct jd_adhoc_stage *pub, unsigned number, unsigned allowed,
				enum jd_adhoc_action execute)
{
	struct stage *st = stage_of(pub);
	struct jd_xml *x = command_start(st, "executing");

	st->session->number = number;
	st->session->actions = allowed;
	st->session->execute = execute;
	jd_xml_start(x, NULL, "actions");
	for (size_t i = 0; i < JD_ARRAY_SIZE(actions); i++)
		if (actions[i].action == execute)
			jd_xml_attr(x, "execute", jd_cstr(actions[i].name));
	for (size_t i = 0; i < JD_ARRAY_SIZE(actions); i++)
		if (actions[i].action & allowed)
			jd_xml_leaf(x, NULL, actions[i].name, JD_STR_NULL);
	jd_xml_end(x);
	return x;
}

static struct jd_xml *completed(struct jd_adhoc_stage *pub)
{
	stage_of(pub)->session->gone = true;
	return command_start(stage_of(pub), "completed");
}

static void note(struct jd_xml *x, const char *type, struct jd_str text)
{
	jd_xml_start(x, NS_COMMANDS, "note");
	jd_xml_attr(x, "type", jd_cstr(type));
	jd_xml_text(x, text);
	jd_xml_end(x);
}

static void send(struct jd_adhoc_stage *pub, struct jd_xml *x)
{
	struct jd_iq *iq = pub->iq;

	answered(stage_of(pub), false);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

static void fail(struct jd_adhoc_stage *pub, enum jd_condition condition, const char *specific,
		 const char *text)
{
	struct stage *st = stage_of(pub);
	struct jd_iq *iq = pub->iq;

	/* What never got beyond its first stage is not a session that goes on. */
	answered(st, st->session->actions == 0);
	refuse(iq, condition, specific, text);
}

static void *data(struct jd_adhoc_stage *pub, size_t size)
{
	struct session *s = stage_of(pub)->session;

	if (!s->data)
		s->data = jd_alloc(size);
	return s->data;
}

static const struct jd_adhoc_ops ops = {
	.offer = offer,
	.withdraw = withdraw,
	.executing = executing,
	.completed = completed,
	.note = note,
	.send = send,
	.fail = fail,
	.data = data,
};

/* -- requests ------------------------------------------------------------------------ */

static void on_deadline(void *arg)
{
	fail(arg, JD_REMOTE_SERVER_TIMEOUT, NULL,
	     "There was no answer in time; what was begun may still happen.");
}

static void run(struct jd_instance *mi, unsigned source, struct session *s, struct jd_iq *iq,
		enum jd_adhoc_action action)
{
	const struct adhoc *a = jd_data(mi);
	struct stage *st = jd_arena_new(iq->st->arena, struct stage);

	st->pub.iq = iq;
	st->pub.node = jd_el_attr(iq->query, "node");
	st->pub.action = action;
	st->pub.number = s->number;
	st->pub.form = jd_el_child(iq->query, JD_NS_DATAFORM, "x");
	st->session = s;
	s->busy = true;
	adhoc_session_touch(s);
	(void)jd_timer_start(jd_iq_pending(iq), DEADLINE, on_deadline, st);
	a->sources[source].source->run(a->sources[source].mi, &st->pub);
}

/* -JD_EINVAL: no action of the protocol. Cancel is JD_ADHOC_EXECUTE with *ret_cancel. */
static int read_action(struct jd_el command, enum jd_adhoc_action *ret_action, bool *ret_cancel)
{
	struct jd_str s = jd_el_attr(command, "action");

	*ret_action = JD_ADHOC_EXECUTE;
	*ret_cancel = jd_str_is(s, "cancel");
	if (!s.p || *ret_cancel || jd_str_is(s, "execute"))
		return 0;
	for (size_t i = 0; i < JD_ARRAY_SIZE(actions); i++) {
		if (jd_str_is(s, actions[i].name)) {
			*ret_action = actions[i].action;
			return 0;
		}
	}
	return -JD_EINVAL;
}

static void begin(struct jd_instance *mi, unsigned source, struct jd_iq *iq, bool first)
{
	struct session *s;

	if (!first) {
		refuse(iq, JD_BAD_REQUEST, "bad-action", "A command begins with 'execute'.");
		return;
	}
	s = adhoc_session_new(mi, iq, jd_el_attr(iq->query, "node"));
	if (s)
		run(mi, source, s, iq, JD_ADHOC_EXECUTE);
	else
		refuse(iq, JD_RESOURCE_CONSTRAINT, NULL, "Too many commands are under way.");
}

static void cancel(struct session *s, struct jd_iq *iq)
{
	struct jd_xml *x = jd_iq_result(iq);

	jd_xml_start(x, NS_COMMANDS, "command");
	jd_xml_attr(x, "node", jd_cstr(s->node));
	jd_xml_attr(x, "sessionid", jd_cstr(s->id));
	jd_xml_attr(x, "status", JD_STR("canceled"));
	jd_xml_end(x);
	adhoc_session_end(s);
	jd_iq_reply(iq, x);
}

static void go_on(struct jd_instance *mi, unsigned source, struct jd_iq *iq,
		  enum jd_adhoc_action action, bool cancelled)
{
	struct jd_str id = jd_el_attr(iq->query, "sessionid");
	struct session *s = adhoc_session_find(mi, id, iq->st->from);

	if (!s && adhoc_session_has_ended(mi, id)) {
		refuse(iq, JD_NOT_ALLOWED, "session-expired", NULL);
		return;
	}
	if (!s || !jd_str_is(jd_el_attr(iq->query, "node"), s->node)) {
		refuse(iq, JD_BAD_REQUEST, "bad-sessionid", NULL);
		return;
	}
	if (cancelled) {
		cancel(s, iq);
		return;
	}
	if (s->busy) {
		refuse(iq, JD_UNEXPECTED_REQUEST, NULL, "The stage before is not done yet.");
		return;
	}
	if (action == JD_ADHOC_EXECUTE)
		action = s->execute;
	if (!(s->actions & (unsigned)action))
		refuse(iq, JD_BAD_REQUEST, "bad-action", NULL);
	else
		run(mi, source, s, iq, action);
}

static enum jd_verdict on_command(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_str node = jd_el_attr(iq->query, "node"), name;
	enum jd_adhoc_access access;
	enum jd_adhoc_action action;
	unsigned source = 0;
	bool cancelled;

	if (iq->account && !iq->own) { /* as if there were no such account */
		refuse(iq, JD_SERVICE_UNAVAILABLE, NULL, NULL);
		return JD_DONE;
	}
	if (!node.len || node.len > NODE_MAX) {
		refuse(iq, JD_BAD_REQUEST, NULL, "A command has a node.");
		return JD_DONE;
	}
	if (read_action(iq->query, &action, &cancelled) < 0) {
		refuse(iq, JD_BAD_REQUEST, "malformed-action", NULL);
		return JD_DONE;
	}
	access = find(mi, iq, node, &source, &name);
	if (access == JD_ADHOC_UNKNOWN)
		refuse(iq, JD_ITEM_NOT_FOUND, NULL, NULL);
	else if (access == JD_ADHOC_FORBIDDEN)
		refuse(iq, JD_FORBIDDEN, NULL, NULL);
	else if (jd_el_attr(iq->query, "sessionid").p)
		go_on(mi, source, iq, action, cancelled);
	else
		begin(mi, source, iq, action == JD_ADHOC_EXECUTE && !cancelled);
	return JD_ASYNC;
}

/* -- service discovery --------------------------------------------------------------- */

static struct jd_xml *query_start(struct jd_iq *iq, const char *ns, struct jd_str node)
{
	struct jd_xml *x = jd_iq_result(iq);

	jd_xml_start(x, ns, "query");
	jd_xml_attr(x, "node", node);
	return x;
}

static void query_end(struct jd_iq *iq, struct jd_xml *x)
{
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

static void write_identity(struct jd_xml *x, const char *type, struct jd_str name)
{
	jd_xml_start(x, NULL, "identity");
	jd_xml_attr(x, "category", JD_STR("automation"));
	jd_xml_attr(x, "type", jd_cstr(type));
	jd_xml_attr(x, "name", name);
	jd_xml_end(x);
}

static void write_feature(struct jd_xml *x, const char *var)
{
	jd_xml_start(x, NULL, "feature");
	jd_xml_attr(x, "var", jd_cstr(var));
	jd_xml_end(x);
}

static bool disco_info(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node)
{
	bool list = jd_str_is(node, NS_COMMANDS);
	struct jd_str name = JD_STR("Commands");
	enum jd_adhoc_access access = JD_ADHOC_ALLOWED;
	struct jd_xml *x;
	unsigned source;

	if (iq->account && !iq->own)
		return false;
	if (!list)
		access = find(mi, iq, node, &source, &name);
	if (access == JD_ADHOC_UNKNOWN)
		return false;
	if (access == JD_ADHOC_FORBIDDEN) {
		refuse(iq, JD_FORBIDDEN, NULL, NULL);
		return true;
	}
	x = query_start(iq, JD_NS_DISCO_INFO, node);
	write_identity(x, list ? "command-list" : "command-node", name);
	write_feature(x, NS_COMMANDS);
	if (!list)
		write_feature(x, JD_NS_DATAFORM);
	query_end(iq, x);
	return true;
}

struct items {
	struct jd_xml *x;
	struct jd_str jid;
};

static void write_item(void *arg, struct jd_str node, struct jd_str name)
{
	const struct items *items = arg;

	jd_xml_start(items->x, NULL, "item");
	jd_xml_attr(items->x, "jid", items->jid);
	jd_xml_attr(items->x, "node", node);
	jd_xml_attr(items->x, "name", name);
	jd_xml_end(items->x);
}

static bool disco_items(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node)
{
	const struct adhoc *a = jd_data(mi);
	struct items items = {.jid = jd_jid_str(iq->st->to)};
	enum jd_adhoc_access access;
	struct jd_str name;
	unsigned source;

	if (iq->account && !iq->own)
		return false;
	if (!jd_str_is(node, NS_COMMANDS)) {
		access = find(mi, iq, node, &source, &name);
		if (access == JD_ADHOC_ALLOWED) /* a command has no items */
			query_end(iq, query_start(iq, JD_NS_DISCO_ITEMS, node));
		return access == JD_ADHOC_ALLOWED;
	}
	items.x = query_start(iq, JD_NS_DISCO_ITEMS, node);
	for (unsigned i = 0; i < a->n_sources; i++)
		if (is_offered(a->sources[i].source, iq))
			a->sources[i].source->each(a->sources[i].mi, iq, write_item, &items);
	query_end(iq, items.x);
	return true;
}

static const struct jd_disco_nodes nodes = {.info = disco_info, .items = disco_items};

/* -- the module ---------------------------------------------------------------------- */

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	adhoc_sessions_end_of(mi, jd_session_jid(ev->session));
}

static int start(struct jd_instance *mi)
{
	unsigned both = JD_TO_HOST | JD_TO_ACCOUNT;
	int r = jd_provide(mi, "adhoc", &ops);

	jd_feature(mi, JD_TO_HOST, NS_COMMANDS);
	jd_on_disco_node(mi, &nodes);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, both, NS_COMMANDS, "command", on_command);
	return r;
}

static void stop(struct jd_instance *mi)
{
	adhoc_sessions_free(mi);
}

JD_MODULE(adhoc, .summary = "Ad-hoc commands (XEP-0050)", .data_size = sizeof(struct adhoc),
	  .options = options, .start = start, .stop = stop);
