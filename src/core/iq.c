/* SPDX-License-Identifier: MIT
 *
 * IQ dispatch: one look into a hash table by (type, target, namespace, element),
 * then the handler.  What nobody handles is answered service-unavailable; a
 * handler answers exactly once, now, after waiting, or later (ASYNC), and the
 * core sees to it.
 */
#include "core/core.h"
#include "core/registry.h"

#define ASYNC_DEADLINE (30 * JD_USEC_PER_SEC)

struct iq_handler {
	struct hash_node node;
	struct jd_instance *mi; /* NULL: the core's own */
	jd_iq_fn fn;
	enum jd_type type;
	enum jd_target target;
	char *ns;
	char *name;
};

/* A request being handled: in the stanza's arena. */
struct iq {
	struct jd_iq pub; /* first */
	const struct jd_instance *mi;
	struct jd_owner owner;
	struct list node;      /* in server.asyncs */
	struct share *charged; /* while it is */
	bool answered, async;
};

/* -- the table --------------------------------------------------------------------------------- */

struct iq_key {
	enum jd_type type;
	enum jd_target target;
	struct jd_str ns, name;
};

static bool key_eq(const struct hash_node *node, const void *key)
{
	const struct iq_handler *h = container_of(node, struct iq_handler, node);
	const struct iq_key *k = key;

	return h->type == k->type && h->target == k->target && jd_str_is(k->ns, h->ns) &&
	       jd_str_is(k->name, h->name);
}

static uint64_t key_hash(const struct iq_key *k)
{
	return hash_str(k->ns) + 31 * hash_str(k->name) + (unsigned)k->type * 8u +
	       (unsigned)k->target;
}

static struct iq_handler *iq_find(struct jd_host *host, const struct iq_key *k)
{
	struct hash_node *n = hash_find(&host->iqs, key_hash(k), key_eq, k);

	return n ? container_of(n, struct iq_handler, node) : NULL;
}

static int handler_add(struct jd_host *host, struct jd_instance *mi, const struct iq_key *k,
		       jd_iq_fn fn)
{
	struct iq_handler *h;

	if (iq_find(host, k))
		return -JD_EEXIST;
	h = mem_new(struct iq_handler);
	h->mi = mi;
	h->fn = fn;
	h->type = k->type;
	h->target = k->target;
	h->ns = jd_strdup(k->ns);
	h->name = jd_strdup(k->name);
	hash_insert(&host->iqs, &h->node, key_hash(k));
	return 0;
}

int iq_handler_add(struct jd_host *host, struct jd_instance *mi, enum jd_type type,
		   unsigned targets, const char *ns, const char *name, jd_iq_fn fn)
{
	struct iq_key k = {.type = type, .ns = jd_cstr(ns), .name = jd_cstr(name)};

	JD_ASSERT(type == JD_TYPE_GET || type == JD_TYPE_SET);
	for (unsigned t = JD_TO_HOST; t <= JD_TO_ROOM; t <<= 1) {
		int r;

		k.target = (enum jd_target)t;
		if (targets & t && (r = handler_add(host, mi, &k, fn)) < 0)
			return r;
	}
	return 0;
}

static void handler_free(struct jd_host *host, struct iq_handler *h)
{
	hash_remove(&host->iqs, &h->node);
	mem_free(h->ns);
	mem_free(h->name);
	mem_free(h);
}

static void host_handlers_remove(struct jd_host *host, const struct jd_instance *mi, bool all)
{
	struct hash_iter it = {0};
	struct hash_node *n;

	while ((n = hash_each(&host->iqs, &it)) != NULL) {
		struct iq_handler *h = container_of(n, struct iq_handler, node);

		if (all || h->mi == mi)
			handler_free(host, h);
	}
}

void iq_host_fini(struct jd_host *host)
{
	host_handlers_remove(host, NULL, true);
	hash_fini(&host->iqs);
}

/* -- a request
 * ------------------------------------------------------------------------------------- */

/* An IQ that was to be answered later lets go of what it held. */
static void async_end(struct iq *iq)
{
	struct jd_stanza *st = iq->pub.st;
	struct jd_account *a = iq->pub.account;

	list_remove(&iq->node);
	owner_cancel_all(&iq->owner);
	share_leave(&iq->charged);
	if (a)
		account_unpin(a);
	jd_stanza_unref(st);
}

static void iq_send(struct iq *iq, struct jd_stanza *reply)
{
	struct jd_session *s = iq->pub.st->origin;

	JD_ASSERT(!iq->answered);
	iq->answered = true;
	if (s && s->bound && iq->pub.own)
		(void)jd_session_send(s, reply);
	else
		jd_route(reply);
	jd_stanza_unref(reply);
	if (iq->async)
		async_end(iq);
}

static void on_async_deadline(void *arg)
{
	struct iq *iq = arg;

	jd_log(JD_LOG_ERROR, "handler did not answer an IQ in time",
	       jd_kv_cstr("module", iq->mi ? iq->mi->module->name : "core"),
	       jd_kv_str("ns", jd_el_ns(iq->pub.query)));
	jd_iq_fail(&iq->pub, JD_INTERNAL_SERVER_ERROR, "This took too long.");
}

static void iq_go_async(struct iq *iq)
{
	jd_stanza_ref(iq->pub.st);
	if (iq->pub.account)
		account_pin(iq->pub.account);
	iq->async = true;
	iq->charged = share_enter(iq->pub.call->mailbox->share);
	list_append(&server.asyncs, &iq->node);
	(void)jd_timer_start(&iq->owner, ASYNC_DEADLINE, on_async_deadline, iq);
}

static void iq_end(struct jd_call *call, enum jd_verdict verdict)
{
	struct iq *iq = (struct iq *)call->iq;

	if (verdict == JD_ASYNC && !iq->answered) {
		iq_go_async(iq);
		return;
	}
	owner_cancel_all(&iq->owner);
	if (iq->answered)
		return;
	if (verdict == JD_PASS)
		jd_iq_fail(&iq->pub, JD_SERVICE_UNAVAILABLE, NULL);
	else
		jd_iq_fail(&iq->pub, JD_INTERNAL_SERVER_ERROR, NULL);
}

static struct iq *iq_new(struct jd_call *call, struct jd_el query, const struct jd_instance *mi)
{
	struct iq *iq = jd_arena_new(call->ev.st->arena, struct iq);
	struct jd_session *s = call->ev.st->origin;

	owner_init(&iq->owner);
	iq->mi = mi;
	iq->pub.st = call->ev.st;
	iq->pub.query = query;
	iq->pub.host = call->ev.host;
	iq->pub.account = call->ev.account;
	iq->pub.own = s && s->bound && s->account == call->ev.account;
	if (s && s->bound && (iq->pub.own || !call->ev.account))
		iq->pub.session = s;
	iq->pub.call = call;
	call->iq = &iq->pub;
	return iq;
}

void iq_dispatch(struct mailbox *mailbox, const struct jd_stanza_event *ev, enum jd_target target)
{
	struct jd_el query = jd_el_first(jd_stanza_root(ev->st));
	struct iq_key k = {ev->st->type, target, jd_el_ns(query), jd_el_name(query)};
	struct iq_handler *h = jd_el_ok(query) ? iq_find(ev->host, &k) : NULL;
	struct jd_call *call;
	struct iq *iq;

	if (!h) {
		jd_bounce(ev->st, jd_el_ok(query) ? JD_SERVICE_UNAVAILABLE : JD_BAD_REQUEST, NULL);
		return;
	}
	call = call_new(mailbox, ev, iq_end);
	call->at.mi = h->mi;
	iq = iq_new(call, query, h->mi);
	call_verdict(call, h->fn(h->mi, &iq->pub));
}

/* What it waits for would call the module, on whose behalf another one has taken the request. */
static bool waits_for(const struct iq *iq, const struct jd_instance *mi)
{
	const struct list *head = &iq->owner.pending;

	if (mi->host && iq->pub.host != mi->host)
		return false;
	for (const struct list *n = head->next; n != head; n = n->next)
		if (module_has_code(mi->module, container_of(n, struct pending, node)->code))
			return true;
	return false;
}

void iqs_abandon(const struct jd_instance *mi)
{
	struct list *next;

	for (struct list *n = server.asyncs.next; n != &server.asyncs; n = next) {
		struct iq *iq = container_of(n, struct iq, node);

		next = n->next;
		if (!mi || iq->mi == mi || waits_for(iq, mi))
			jd_iq_fail(&iq->pub, JD_SERVICE_UNAVAILABLE, NULL);
	}
}

void iq_handlers_remove(struct jd_instance *mi)
{
	iqs_abandon(mi);
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		host_handlers_remove(container_of(n, struct jd_host, node), mi, false);
}

/* -- answers
 * -------------------------------------------------------------------------------------------- */

struct jd_owner *jd_iq_pending(struct jd_iq *iq)
{
	return &((struct iq *)iq)->owner;
}

struct jd_xml *jd_iq_result(struct jd_iq *iq)
{
	return stanza_build(server.stanzas, JD_IQ, JD_TYPE_RESULT, iq->st->to, iq->st->from,
			    iq->st->id);
}

void jd_iq_reply(struct jd_iq *iq, struct jd_xml *x)
{
	struct jd_stanza *reply = stanza_built(x);

	if (reply)
		iq_send((struct iq *)iq, reply);
	else
		jd_iq_fail(iq, JD_RESOURCE_CONSTRAINT, "The answer would be too large.");
}

void jd_iq_ok(struct jd_iq *iq)
{
	jd_iq_reply(iq, jd_iq_result(iq));
}

void jd_iq_error(struct jd_iq *iq, const struct jd_error *error)
{
	struct jd_stanza *reply = stanza_error(server.stanzas, iq->st, error);

	JD_ASSERT(reply);
	iq_send((struct iq *)iq, reply);
}

void jd_iq_fail(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	struct jd_error error = {.condition = condition, .text = text};

	jd_iq_error(iq, &error);
}

void iq_refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	if (!((struct iq *)iq)->answered)
		jd_iq_fail(iq, condition, text);
}

/* -- the core's own
 * ------------------------------------------------------------------------------------------ */

/* RFC 3921 session establishment: nothing to do, but old clients ask for it. */
static enum jd_verdict on_session(struct jd_instance *mi, struct jd_iq *iq)
{
	(void)mi;
	jd_iq_ok(iq);
	return JD_DONE;
}

void iq_builtin(struct jd_host *host)
{
	int r = iq_handler_add(host, NULL, JD_TYPE_SET, JD_TO_HOST | JD_TO_ACCOUNT, JD_NS_SESSION,
			       "session", on_session);

	JD_ASSERT(r == 0);
}
