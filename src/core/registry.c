/* SPDX-License-Identifier: MIT
 *
 * What instances register besides handlers: service discovery, stream features,
 * services for each other.  Each entry is in the list of its host, where it is
 * looked up, and in that of its instance, by which it is undone.  What a global
 * instance registers is noted on every host.
 */
#include "core/registry.h"
#include "util/buf.h"

struct entry {
	struct list mine; /* in mi->registered */
	struct list node; /* in the host's list */
	struct jd_instance *mi;
	unsigned targets;
	struct jd_disco disco;
	struct jd_str name, ns;
	const void *ops;
	char text[]; /* what the strings above point to */
};

/* The strings of a new entry, to be copied behind it. */
struct entry_text {
	size_t offset; /* of a struct jd_str in struct entry */
	const char *from;
};

#define TEXT(member, value)                                                                        \
	{                                                                                          \
		offsetof(struct entry, member), value                                              \
	}

static struct entry *entry_new(struct jd_instance *mi, const struct entry_text *texts, size_t n)
{
	size_t size = 0;
	struct entry *e;
	char *at;

	for (size_t i = 0; i < n; i++)
		size += texts[i].from ? strlen(texts[i].from) + 1 : 0;
	e = mem_alloc(sizeof(*e) + size);
	e->mi = mi;
	at = e->text;
	for (size_t i = 0; i < n; i++) {
		struct jd_str *to = (struct jd_str *)(void *)((char *)e + texts[i].offset);
		size_t len = texts[i].from ? strlen(texts[i].from) : 0;

		if (!texts[i].from)
			continue;
		memcpy(at, texts[i].from, len + 1);
		*to = (struct jd_str){at, len};
		at += len + 1;
	}
	list_append(&mi->registered, &e->mine);
	return e;
}

int instance_each_host(struct jd_instance *mi, int (*fn)(struct jd_host *host, void *arg),
		       void *arg)
{
	if (mi->host)
		return fn(mi->host, arg);
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		int err = fn(container_of(n, struct jd_host, node), arg);

		if (err)
			return err;
	}
	return 0;
}

void registered_remove(struct jd_instance *mi)
{
	while (!list_empty(&mi->registered)) {
		struct entry *e = container_of(mi->registered.next, struct entry, mine);

		list_remove(&e->mine);
		list_remove(&e->node);
		mem_free(e);
	}
}

/* -- service discovery ---------------------------------------------------------------------- */

struct disco_request {
	struct jd_instance *mi;
	unsigned targets;
	int kind;
	const char *category, *type, *name, *var, *jid, *node;
};

static int disco_add(struct jd_host *host, void *arg)
{
	const struct disco_request *rq = arg;
	const struct entry_text texts[] = {
		TEXT(disco.category, rq->category), TEXT(disco.type, rq->type),
		TEXT(disco.name, rq->name),         TEXT(disco.var, rq->var),
		TEXT(disco.jid, rq->jid),           TEXT(disco.node, rq->node),
	};
	struct entry *e = entry_new(rq->mi, texts, JD_ARRAY_SIZE(texts));

	memcpy(&e->disco.kind, &rq->kind, sizeof(e->disco.kind));
	e->targets = rq->targets;
	list_append(&host->disco, &e->node);
	return 0;
}

void jd_feature(struct jd_instance *mi, unsigned targets, const char *var)
{
	struct disco_request rq = {
		.mi = mi, .targets = targets, .kind = JD_DISCO_FEATURE, .var = var};

	instance_each_host(mi, disco_add, &rq);
}

void jd_identity(struct jd_instance *mi, unsigned targets, const char *category, const char *type,
		 const char *name)
{
	struct disco_request rq = {.mi = mi,
				   .targets = targets,
				   .kind = JD_DISCO_IDENTITY,
				   .category = category,
				   .type = type,
				   .name = name};

	instance_each_host(mi, disco_add, &rq);
}

void jd_item(struct jd_instance *mi, const char *jid, const char *node, const char *name)
{
	struct disco_request rq = {.mi = mi,
				   .targets = JD_TO_HOST,
				   .kind = JD_DISCO_ITEM,
				   .jid = jid,
				   .node = node,
				   .name = name};

	instance_each_host(mi, disco_add, &rq);
}

static bool disco_same(const struct jd_disco *a, const struct jd_disco *b)
{
	return a->kind == b->kind && jd_str_eq(a->category, b->category) &&
	       jd_str_eq(a->type, b->type) && jd_str_eq(a->var, b->var) &&
	       jd_str_eq(a->jid, b->jid) && jd_str_eq(a->node, b->node);
}

/* XEP-0030 wants nothing twice, and two modules may well offer the same. */
static bool disco_told(const struct jd_host *host, const struct entry *e, unsigned target)
{
	for (struct list *n = host->disco.next; n != &e->node; n = n->next) {
		const struct entry *other = container_of(n, struct entry, node);

		if (other->targets & target && disco_same(&other->disco, &e->disco))
			return true;
	}
	return false;
}

void jd_disco_each(struct jd_host *host, enum jd_target target,
		   void (*fn)(const struct jd_disco *entry, void *arg), void *arg)
{
	for (struct list *n = host->disco.next; n != &host->disco; n = n->next) {
		struct entry *e = container_of(n, struct entry, node);

		if (e->targets & (unsigned)target && !disco_told(host, e, (unsigned)target))
			fn(&e->disco, arg);
	}
}

/* -- stream features -------------------------------------------------------------------------- */

struct feature_request {
	struct jd_instance *mi;
	const char *ns, *name;
};

static int feature_add(struct jd_host *host, void *arg)
{
	const struct feature_request *rq = arg;
	const struct entry_text texts[] = {TEXT(name, rq->name), TEXT(ns, rq->ns)};

	list_append(&host->stream_features, &entry_new(rq->mi, texts, JD_ARRAY_SIZE(texts))->node);
	return 0;
}

void jd_stream_feature(struct jd_instance *mi, const char *ns, const char *name)
{
	struct feature_request rq = {mi, ns, name};

	/* These are literals of a module's source, written into every stream as they are. */
	JD_ASSERT(!strpbrk(ns, "'\"<>&") && !strpbrk(name, "'\"<>&/ :"));
	instance_each_host(mi, feature_add, &rq);
}

char *host_stream_features(struct jd_host *host)
{
	struct buf b;
	char *text;

	buf_init(&b, 64 << 10);
	for (struct list *n = host->stream_features.next; n != &host->stream_features;
	     n = n->next) {
		const struct entry *e = container_of(n, struct entry, node);

		if (buf_printf(&b, "<%s xmlns='%s'/>", e->name.p, e->ns.p) < 0)
			break; /* whole elements only: what does not fit is not offered */
	}
	text = jd_strdup(b.p ? buf_str(&b) : JD_STR(""));
	buf_free(&b);
	return text;
}

/* -- services for each other ---------------------------------------------------------------------
 */

struct service_request {
	struct jd_instance *mi;
	const char *name;
	const void *ops;
};

static struct entry *service_find(struct jd_host *host, const char *name)
{
	for (struct list *n = host->services.next; n != &host->services; n = n->next) {
		struct entry *e = container_of(n, struct entry, node);

		if (jd_str_is(e->name, name))
			return e;
	}
	return NULL;
}

static int service_add(struct jd_host *host, void *arg)
{
	const struct service_request *rq = arg;
	const struct entry_text texts[] = {TEXT(name, rq->name)};
	struct entry *e;

	if (service_find(host, rq->name))
		return -JD_EEXIST;
	e = entry_new(rq->mi, texts, JD_ARRAY_SIZE(texts));
	e->ops = rq->ops;
	list_append(&host->services, &e->node);
	return 0;
}

int jd_provide(struct jd_instance *mi, const char *service, const void *ops)
{
	struct service_request rq = {mi, service, ops};

	return instance_each_host(mi, service_add, &rq);
}

const void *jd_service(struct jd_instance *mi, const char *service,
		       struct jd_instance **ret_provider)
{
	struct jd_host *host =
		mi->host ? mi->host : container_of(server.hosts.next, struct jd_host, node);
	struct entry *e = service_find(host, service);

	if (!e || e->mi->draining)
		return NULL;
	if (ret_provider)
		*ret_provider = e->mi;
	return e->ops;
}
