/* SPDX-License-Identifier: MIT
 *
 * Stanza errors as RFC 6120 section 8.3 defines them: names, the type that goes
 * with each condition, the element, and when a stanza is answered with one.
 */
#include "xmpp/stanza.h"

struct condition {
	const char *name;
	enum jd_errtype type;
};

/* Where the RFC leaves a choice of types, the first that it names. */
static const struct condition conditions[] = {
	[JD_BAD_REQUEST] = {"bad-request", JD_ERRTYPE_MODIFY},
	[JD_CONFLICT] = {"conflict", JD_ERRTYPE_CANCEL},
	[JD_FEATURE_NOT_IMPLEMENTED] = {"feature-not-implemented", JD_ERRTYPE_CANCEL},
	[JD_FORBIDDEN] = {"forbidden", JD_ERRTYPE_AUTH},
	[JD_GONE] = {"gone", JD_ERRTYPE_CANCEL},
	[JD_INTERNAL_SERVER_ERROR] = {"internal-server-error", JD_ERRTYPE_CANCEL},
	[JD_ITEM_NOT_FOUND] = {"item-not-found", JD_ERRTYPE_CANCEL},
	[JD_JID_MALFORMED] = {"jid-malformed", JD_ERRTYPE_MODIFY},
	[JD_NOT_ACCEPTABLE] = {"not-acceptable", JD_ERRTYPE_MODIFY},
	[JD_NOT_ALLOWED] = {"not-allowed", JD_ERRTYPE_CANCEL},
	[JD_NOT_AUTHORIZED] = {"not-authorized", JD_ERRTYPE_AUTH},
	[JD_POLICY_VIOLATION] = {"policy-violation", JD_ERRTYPE_MODIFY},
	[JD_RECIPIENT_UNAVAILABLE] = {"recipient-unavailable", JD_ERRTYPE_WAIT},
	[JD_REDIRECT] = {"redirect", JD_ERRTYPE_MODIFY},
	[JD_REGISTRATION_REQUIRED] = {"registration-required", JD_ERRTYPE_AUTH},
	[JD_REMOTE_SERVER_NOT_FOUND] = {"remote-server-not-found", JD_ERRTYPE_CANCEL},
	[JD_REMOTE_SERVER_TIMEOUT] = {"remote-server-timeout", JD_ERRTYPE_WAIT},
	[JD_RESOURCE_CONSTRAINT] = {"resource-constraint", JD_ERRTYPE_WAIT},
	[JD_SERVICE_UNAVAILABLE] = {"service-unavailable", JD_ERRTYPE_CANCEL},
	[JD_SUBSCRIPTION_REQUIRED] = {"subscription-required", JD_ERRTYPE_AUTH},
	[JD_UNDEFINED_CONDITION] = {"undefined-condition", JD_ERRTYPE_CANCEL},
	[JD_UNEXPECTED_REQUEST] = {"unexpected-request", JD_ERRTYPE_WAIT},
};

static const char *const errtypes[] = {
	[JD_ERRTYPE_AUTH] = "auth",         [JD_ERRTYPE_CANCEL] = "cancel",
	[JD_ERRTYPE_CONTINUE] = "continue", [JD_ERRTYPE_MODIFY] = "modify",
	[JD_ERRTYPE_WAIT] = "wait",
};

static const struct condition *lookup(enum jd_condition c)
{
	if ((size_t)c >= JD_ARRAY_SIZE(conditions))
		c = JD_UNDEFINED_CONDITION;
	return &conditions[c];
}

const char *jd_condition_name(enum jd_condition c)
{
	return lookup(c)->name;
}

static const char *errtype_name(const struct jd_error *error)
{
	enum jd_errtype type = error->type;

	if (type == JD_ERRTYPE_DEFAULT || (size_t)type >= JD_ARRAY_SIZE(errtypes))
		type = lookup(error->condition)->type;
	return errtypes[type];
}

void stanza_write_error(struct jd_xml *x, const struct jd_error *error)
{
	jd_xml_start(x, JD_NS_STANZA, "error");
	jd_xml_attr(x, "type", jd_cstr(errtype_name(error)));
	jd_xml_start(x, JD_NS_STANZA_ERRORS, jd_condition_name(error->condition));
	jd_xml_end(x);
	if (error->text) {
		jd_xml_start(x, JD_NS_STANZA_ERRORS, "text");
		jd_xml_attr_ns(x, JD_NS_XML, "lang", JD_STR("en"));
		jd_xml_text(x, jd_cstr(error->text));
		jd_xml_end(x);
	}
	if (error->app_ns && error->app_name) {
		jd_xml_start(x, error->app_ns, error->app_name);
		jd_xml_end(x);
	}
	jd_xml_end(x);
}

/*
 * An error is never answered by an error, or two servers would talk for ever;
 * nor is an answer.  A probe or "unavailable" gets silence: telling the sender
 * that there is nobody would tell who is there (RFC 6121 sections 4.3 and 4.5).
 */
static bool is_answered(const struct jd_stanza *st)
{
	switch (st->type) {
	case JD_TYPE_ERROR:
	case JD_TYPE_RESULT:
	case JD_TYPE_UNAVAILABLE:
	case JD_TYPE_PROBE:
		return false;
	default:
		return true;
	}
}

struct jd_stanza *stanza_error(struct stanza_pool *pool, struct jd_stanza *st,
			       const struct jd_error *error)
{
	struct jd_xml *x;

	if (!is_answered(st))
		return NULL;
	x = stanza_build(pool, st->kind, JD_TYPE_ERROR, st->to, st->from, st->id);
	stanza_write_error(x, error);
	return stanza_built(x);
}
