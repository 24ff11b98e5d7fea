/* SPDX-License-Identifier: MIT
 *
 * What a push service is told (XEP-0357 section 6): an item published to the
 * registration's node, with as much of a summary as the configuration allows, and
 * with the options that the client gave for it.
 */
#include "push.h"

#include <stdio.h>

enum { F_COUNT, F_SENDER, F_BODY };

static const struct jd_form_field fields[] = {
	[F_COUNT] = {.type = JD_FIELD_TEXT, .var = "message-count", .data = JD_DATA_INTEGER},
	[F_SENDER] = {.type = JD_FIELD_JID, .var = "last-message-sender"},
	[F_BODY] = {.type = JD_FIELD_TEXT_MULTI, .var = "last-message-body"},
	JD_FORM_FIELDS_END,
};
static const struct jd_form_def summary = {.form_type = "urn:xmpp:push:summary", .fields = fields};

static void write_summary(struct jd_xml *x, struct jd_arena *arena, const struct options *o,
			  const struct news *news)
{
	struct jd_form form;
	struct jd_jid sender;

	if (o->summary == SUMMARY_NONE)
		return;
	jd_form_init(&form, &summary, arena);
	jd_form_set_int(&form, F_COUNT, news->count);
	if (news->sender.p && jd_jid_parse(arena, news->sender, &sender) == 0)
		jd_form_set_jid(&form, F_SENDER, sender);
	if (news->body.p && o->summary == SUMMARY_BODY)
		jd_form_add_text(&form, F_BODY, news->body);
	jd_form_write_submit(x, &form);
}

static void write_publish(struct jd_xml *x, struct jd_instance *mi, struct jd_stanza *kept,
			  const struct news *news)
{
	struct jd_el enable = jd_el_first(jd_stanza_root(kept));
	struct jd_el options = jd_el_child(enable, JD_NS_DATAFORM, "x");

	jd_xml_start(x, NS_PUBSUB, "pubsub");
	jd_xml_start(x, NULL, "publish");
	jd_xml_attr(x, "node", jd_el_attr(enable, "node"));
	jd_xml_start(x, NULL, "item");
	jd_xml_start(x, NS_PUSH, "notification");
	write_summary(x, kept->arena, jd_data(mi), news);
	jd_xml_end(x);
	jd_xml_end(x);
	jd_xml_end(x);
	if (jd_el_ok(options)) {
		jd_xml_start(x, NULL, "publish-options");
		jd_xml_copy(x, options);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

int push_publish(struct jd_instance *mi, struct jd_owner *owner, struct jd_str request,
		 const struct news *news, jd_answer_fn fn, void *arg)
{
	struct jd_stanza *kept = jd_stanza_parse(request);
	struct jd_jid to;
	struct jd_xml *x;

	if (!kept || jd_jid_parse(kept->arena, jd_el_attr(jd_el_first(jd_stanza_root(kept)), "jid"),
				  &to) < 0) {
		jd_stanza_unref(kept);
		return -JD_EINVAL;
	}
	x = jd_stanza_new(JD_IQ, JD_TYPE_SET, jd_host_jid(jd_instance_host(mi)), to, JD_STR_NULL);
	write_publish(x, mi, kept, news);
	jd_stanza_unref(kept);
	return jd_ask(owner, x, ANSWER_TIMEOUT, fn, arg);
}

/* What no later attempt can mend. */
static bool is_final(const char *condition)
{
	static const enum jd_condition final[] = {JD_ITEM_NOT_FOUND, JD_FORBIDDEN, JD_NOT_ALLOWED,
						  JD_GONE};

	for (size_t i = 0; i < JD_ARRAY_SIZE(final); i++)
		if (strcmp(condition, jd_condition_name(final[i])) == 0)
			return true;
	return false;
}

bool push_refused(struct jd_stanza *answer, char ret_result[RESULT_MAX])
{
	struct jd_el error;
	struct jd_str name = JD_STR("undefined-condition");

	if (!answer || answer->type == JD_TYPE_RESULT) {
		(void)snprintf(ret_result, RESULT_MAX, "%s", answer ? "ok" : "no answer");
		return false;
	}
	error = jd_el_child(jd_stanza_root(answer), JD_NS_STANZA, "error");
	JD_EL_EACH_IS(el, error, JD_NS_STANZA_ERRORS, NULL)
	{
		if (jd_el_is(el, NULL, "text"))
			continue;
		name = jd_el_name(el);
		break;
	}
	(void)snprintf(ret_result, RESULT_MAX, "%.*s", JD_FMT(name));
	return is_final(ret_result);
}
