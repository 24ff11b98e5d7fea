/* SPDX-License-Identifier: MIT
 *
 * A push service (XEP-0357) for clients that are reached by Web Push or UnifiedPush:
 * what is published to it becomes an encrypted request to the endpoint that the
 * client has got from its browser or distributor.
 *
 * It keeps nothing about clients.  Endpoint and keys are the publish-options that
 * the client gives to its own server with <enable/>, so they come along with each
 * notification, and are forgotten with it.  What identifies this service is a key
 * made from the installation's secret.
 *
 * Endpoints are what strangers say: where a request may go is the HTTP client's
 * business, and only servers are listened to.
 */
#include <jackdaw/form.h>
#include <jackdaw/http_client.h>
#include <jackdaw/module.h>

#include <stdio.h>

#include "webpush.h"

#define NS_PUSH    "urn:xmpp:push:0"
#define NS_PUBSUB  "http://jabber.org/protocol/pubsub"
#define NS_SUMMARY "urn:xmpp:push:summary"
#define NS_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"
#define NS_WEBPUSH "urn:jackdaw:webpush"

#define ENDPOINT_MAX 2048
#define KEY_TEXT_MAX 128
#define NODE_MAX     256
#define SENDER_MAX   512

struct webpush {
	const char *contact;
	const char **servers;
	jd_usec ttl;
	/* not options: */
	uint8_t private[JD_EC_PRIVATE];
	char key[JD_BASE64URL_SIZE(JD_EC_PUBLIC)]; /* the public one, as text */
	const char *keys[2];
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("contact", struct webpush, contact, NULL,
		    "Whom push services may ask about it: \"mailto:...\" or \"https:...\"."),
	JD_OPT_LIST("servers", struct webpush, servers, "",
		    "Domains of other servers that may publish, besides the hosts of this one."),
	JD_OPT_TIME("ttl", struct webpush, ttl, "1d", 0, 28ULL * 86400 * JD_USEC_PER_SEC,
		    "How long push services keep a notification for a device that is off."),
	JD_OPT_END,
};

/* -- what is asked ---------------------------------------------------------------------------- */

enum { O_ENDPOINT, O_P256DH, O_AUTH };

static const struct jd_form_field option_fields[] = {
	[O_ENDPOINT] = {.type = JD_FIELD_TEXT,
			.var = "endpoint",
			.flags = JD_FIELD_REQUIRED,
			.max_bytes = ENDPOINT_MAX},
	[O_P256DH] = {.type = JD_FIELD_TEXT,
		      .var = "p256dh",
		      .flags = JD_FIELD_REQUIRED,
		      .max_bytes = KEY_TEXT_MAX},
	[O_AUTH] = {.type = JD_FIELD_TEXT,
		    .var = "auth",
		    .flags = JD_FIELD_REQUIRED,
		    .max_bytes = KEY_TEXT_MAX},
	JD_FORM_FIELDS_END,
};
static const struct jd_form_def option_def = {.form_type = NS_OPTIONS, .fields = option_fields};

enum { S_COUNT, S_SENDER, S_BODY };

static const struct jd_form_field summary_fields[] = {
	[S_COUNT] = {.type = JD_FIELD_TEXT, .var = "message-count", .data = JD_DATA_INTEGER},
	[S_SENDER] = {.type = JD_FIELD_TEXT, .var = "last-message-sender"},
	[S_BODY] = {.type = JD_FIELD_TEXT_MULTI, .var = "last-message-body"},
	JD_FORM_FIELDS_END,
};
static const struct jd_form_def summary_def = {.form_type = NS_SUMMARY, .fields = summary_fields};

/* In the stanza's arena. */
struct publish {
	struct jd_iq *iq;
	struct jd_str endpoint, origin, node;
	struct receiver to;
	struct jd_el notification;
};

static bool refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return false;
}

/* A server: one of our hosts with users, or one that is named. */
static bool may_publish(const struct webpush *w, const struct jd_stanza *st)
{
	struct jd_str domain = jd_jid_domain(st->from);
	const struct jd_host *host = jd_host_find(domain);

	if (st->from.local_len || st->from.resource_len)
		return false;
	if (host && !jd_host_is_component(host))
		return true;
	for (size_t i = 0; w->servers && w->servers[i]; i++)
		if (jd_str_is(domain, w->servers[i]))
			return true;
	return false;
}

/* What is wrong here stays wrong: the registration shall end. */
static bool read_options(struct publish *p, struct jd_el x)
{
	struct jd_arena *arena = p->iq->st->arena;
	struct jd_form form;

	if (jd_form_read(x, &option_def, arena, &form) != JD_FORM_OK)
		return refuse(p->iq, JD_NOT_ALLOWED,
			      "The publish-options need endpoint, p256dh and auth.");
	p->endpoint = jd_form_text(&form, O_ENDPOINT);
	p->origin = webpush_origin(arena, p->endpoint);
	if (!p->origin.p)
		return refuse(p->iq, JD_NOT_ALLOWED, "The endpoint is no https address.");
	if (jd_base64url_read(jd_form_text(&form, O_P256DH), p->to.p256dh, sizeof(p->to.p256dh)) <
		    0 ||
	    jd_base64url_read(jd_form_text(&form, O_AUTH), p->to.auth, sizeof(p->to.auth)) < 0)
		return refuse(p->iq, JD_NOT_ALLOWED, "These are no keys of Web Push.");
	return true;
}

static bool read_publish(struct publish *p)
{
	struct jd_el publish = jd_el_child(p->iq->query, NS_PUBSUB, "publish");
	struct jd_el opts = jd_el_child(p->iq->query, NS_PUBSUB, "publish-options");
	struct jd_el item = jd_el_child(publish, NS_PUBSUB, "item");

	p->notification = jd_el_child(item, NS_PUSH, "notification");
	p->node = jd_el_attr(publish, "node");
	if (!jd_el_ok(publish))
		return refuse(p->iq, JD_FEATURE_NOT_IMPLEMENTED, NULL);
	if (!jd_el_ok(p->notification))
		return refuse(p->iq, JD_BAD_REQUEST, "There is no notification.");
	return read_options(p, jd_el_child(opts, JD_NS_DATAFORM, "x"));
}

/* -- what is sent ----------------------------------------------------------------------------- */

/* At most so many bytes, and whole characters. */
static struct jd_str cut(struct jd_str s, size_t max)
{
	if (s.len <= max)
		return s;
	s.len = max;
	while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

static struct jd_str member(struct jd_arena *arena, struct jd_str before, const char *name,
			    struct jd_str value, size_t max)
{
	if (!value.p)
		return before;
	return jd_arena_printf(arena, "%.*s,\"%s\":%.*s", JD_FMT(before), name,
			       JD_FMT(webpush_json(arena, cut(value, max))));
}

/* What the client's worker gets. Escaping makes at most six bytes of one, so the rest of
 * the record bounds the text. */
static struct jd_str make_text(struct publish *p)
{
	struct jd_arena *arena = p->iq->st->arena;
	struct jd_form form;
	struct jd_str text =
		jd_arena_printf(arena, "{\"server\":%.*s",
				JD_FMT(webpush_json(arena, jd_jid_domain(p->iq->st->from))));

	text = member(arena, text, "node", p->node, NODE_MAX);
	if (jd_form_read(jd_el_child(p->notification, JD_NS_DATAFORM, "x"), &summary_def, arena,
			 &form) == JD_FORM_OK) {
		struct jd_str body = jd_form_text(&form, S_BODY);

		if (jd_form_given(&form, S_COUNT))
			text = jd_arena_printf(arena, "%.*s,\"count\":%lld", JD_FMT(text),
					       (long long)jd_form_int(&form, S_COUNT));
		text = member(arena, text, "from", jd_form_text(&form, S_SENDER), SENDER_MAX);
		if (text.len < TEXT_MAX)
			text = member(arena, text, "body", body, (TEXT_MAX - text.len) / 6);
	}
	return jd_arena_printf(arena, "%.*s}", JD_FMT(text));
}

static const struct jd_error waits = {.condition = JD_RESOURCE_CONSTRAINT, .type = JD_ERRTYPE_WAIT};

/* The answers of RFC 8030, in words that XEP-0357 understands. */
static void answer_status(struct jd_iq *iq, unsigned status)
{
	struct jd_error other = {
		.condition = JD_UNDEFINED_CONDITION,
		.type = JD_ERRTYPE_CANCEL,
		.text = jd_arena_printf(iq->st->arena, "The push service said %u.", status).p};

	if (status >= 200 && status < 300)
		jd_iq_ok(iq);
	else if (status == 404)
		jd_iq_fail(iq, JD_ITEM_NOT_FOUND, "The push service does not know the endpoint.");
	else if (status == 410)
		jd_iq_error(iq, &(struct jd_error){.condition = JD_GONE,
						   .text = "The endpoint is gone."});
	else if (status == 401 || status == 403)
		jd_iq_fail(iq, JD_FORBIDDEN, "The push service does not accept this sender.");
	else if (status == 429 || status >= 500)
		jd_iq_error(iq, &waits);
	else
		jd_iq_error(iq, &other);
}

static void on_answer(void *arg, int result, unsigned status, struct jd_str answer,
		      const char *reason)
{
	struct publish *p = arg;
	const struct jd_error unreached = {.condition = JD_REMOTE_SERVER_TIMEOUT,
					   .type = JD_ERRTYPE_WAIT};

	(void)answer;
	if (result == 0 || (result == -JD_ELIMIT && status)) {
		answer_status(p->iq, status);
		return;
	}
	jd_log(JD_LOG_INFO, "a push service was not reached", jd_kv_str("service", p->origin),
	       jd_kv_cstr("reason", reason));
	if (result == -JD_EACCESS)
		jd_iq_fail(p->iq, JD_NOT_ALLOWED, "The endpoint is not public.");
	else
		jd_iq_error(p->iq, &unreached);
}

static int post(const struct webpush *w, struct publish *p, struct jd_str body)
{
	struct jd_arena *arena = p->iq->st->arena;
	const struct jd_str headers[] = {
		webpush_vapid(arena, w->private, p->origin, jd_cstr(w->contact), jd_now()),
		JD_STR("Content-Type: application/octet-stream"),
		JD_STR("Content-Encoding: aes128gcm"),
		JD_STR("Urgency: high"),
		jd_arena_printf(arena, "TTL: %llu", (unsigned long long)(w->ttl / JD_USEC_PER_SEC)),
	};
	const struct jd_http_request request = {.url = p->endpoint,
						.headers = headers,
						.n_headers = JD_ARRAY_SIZE(headers),
						.body = body};

	return jd_http_post(jd_iq_pending(p->iq), &request, on_answer, p);
}

static enum jd_verdict on_publish(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct webpush *w = jd_data(mi);
	struct publish *p = jd_arena_new(iq->st->arena, struct publish);
	struct sender sender;
	struct jd_str body;
	int r;

	p->iq = iq;
	if (!may_publish(w, iq->st)) {
		jd_iq_fail(iq, JD_FORBIDDEN, "Only servers may publish.");
		return JD_DONE;
	}
	if (!read_publish(p))
		return JD_DONE;
	webpush_sender(&sender);
	r = webpush_encrypt(iq->st->arena, &p->to, &sender, make_text(p), &body);
	if (r == 0)
		r = post(w, p, body);
	if (r == 0)
		return JD_ASYNC;
	if (r == -JD_ELIMIT)
		jd_iq_error(iq, &waits);
	else
		jd_iq_fail(iq, JD_NOT_ALLOWED, "The endpoint or its keys cannot be used.");
	return JD_DONE;
}

/* -- the module ------------------------------------------------------------------------------- */

/* The key is the same as long as the secret of the installation is, since clients have
 * subscribed with it. */
static void make_key(struct jd_instance *mi)
{
	struct webpush *w = jd_data(mi);
	struct jd_str name = jd_host_name(jd_instance_host(mi));
	char purpose[300];
	uint8_t public[JD_EC_PUBLIC];

	for (unsigned i = 0;; i++) {
		(void)snprintf(purpose, sizeof(purpose), "webpush %u %.*s", i, JD_FMT(name));
		jd_installation_key(purpose, w->private);
		if (jd_ec_public(w->private, public) == 0)
			break; /* nearly every number is a key */
	}
	(void)jd_base64url(public, sizeof(public), w->key);
	w->keys[0] = w->key;
}

static const char *check(const void *data)
{
	const struct webpush *w = data;

	if (w->contact && strncmp(w->contact, "mailto:", 7) != 0 &&
	    strncmp(w->contact, "https:", 6) != 0)
		return "'contact' must begin with \"mailto:\" or \"https:\"";
	return NULL;
}

static int start(struct jd_instance *mi)
{
	struct webpush *w = jd_data(mi);
	int r = jd_http_ready();
	struct jd_disco_field field = {.var = "vapid-public-key", .values = w->keys};

	if (r < 0)
		return r;
	make_key(mi);
	jd_identity(mi, JD_TO_HOST, "pubsub", "push", NULL);
	jd_feature(mi, JD_TO_HOST, NS_PUSH);
	jd_disco_form(mi, JD_TO_HOST, NS_WEBPUSH, &field, 1);
	return jd_on_iq(mi, JD_TYPE_SET, JD_TO_HOST, NS_PUBSUB, "pubsub", on_publish);
}

JD_MODULE(webpush, .summary = "A push service for Web Push and UnifiedPush (XEP-0357)",
	  .scope = JD_PER_COMPONENT, .data_size = sizeof(struct webpush), .options = options,
	  .check = check, .start = start);
