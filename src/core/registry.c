/* SPDX-License-Identifier: MIT
 *
 * What instances register besides handlers: service discovery, stream features,
 * services for each other.  Each entry is in the list of its host, where it is
 * looked up, and in that of its instance, by which it is undone.  What a global
 * instance registers is noted on every host.
 */
#include "core/registry.h"
#include "util/arena.h"
#include "util/buf.h"
#include "xml/escape.h"

struct entry {
	struct list mine; /* in mi->registered */
	struct list node; /* in the host's list */
	struct jd_instance *mi;
	unsigned targets;
	struct jd_disco disco;
	struct jd_str name, ns;
	const void *ops;
	jd_attrs_fn attrs; /* of a stream feature; NULL: it has none */
	jd_bind_fn bind;
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

static void uses_forget(struct jd_instance *mi);

void registered_remove(struct jd_instance *mi)
{
	uses_forget(mi);
	while (!list_empty(&mi->registered)) {
		struct entry *e = container_of(mi->registered.next, struct entry, mine);

		list_remove(&e->mine);
		list_remove(&e->node);
		mem_free((void *)(uintptr_t)e->disco.fields);
		mem_free(e);
	}
}

/* -- service discovery ---------------------------------------------------------------------- */

struct disco_request {
	struct jd_instance *mi;
	unsigned targets;
	int kind;
	const char *category, *type, *name, *var, *jid, *node;
	const struct jd_disco_field *fields;
	size_t n_fields;
	const struct jd_disco_nodes *nodes;
};

static size_t values_count(const struct jd_disco_field *f)
{
	size_t n = 0;

	while (f->values[n])
		n++;
	return n;
}

/* The fields in one block: structs, then lists, then text. */
static struct jd_disco_field *fields_copy(const struct jd_disco_field *from, size_t n)
{
	size_t pointers = 0, bytes = 0;
	struct jd_disco_field *to;
	const char **list;
	char *text;

	for (size_t i = 0; i < n; i++) {
		pointers += values_count(&from[i]) + 1;
		bytes += strlen(from[i].var) + 1 + (from[i].type ? strlen(from[i].type) + 1 : 0);
		for (size_t k = 0; from[i].values[k]; k++)
			bytes += strlen(from[i].values[k]) + 1;
	}
	to = mem_alloc(n * sizeof(*to) + pointers * sizeof(*list) + bytes);
	list = (const char **)(void *)(to + n);
	text = (char *)(list + pointers);
	for (size_t i = 0; i < n; i++) {
		to[i].var = memcpy(text, from[i].var, strlen(from[i].var) + 1);
		text += strlen(text) + 1;
		if (from[i].type) {
			to[i].type = memcpy(text, from[i].type, strlen(from[i].type) + 1);
			text += strlen(text) + 1;
		}
		to[i].values = list;
		for (size_t k = 0; from[i].values[k]; k++) {
			const char *value = from[i].values[k];

			*list++ = memcpy(text, value, strlen(value) + 1);
			text += strlen(text) + 1;
		}
		*list++ = NULL;
	}
	return to;
}

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
	if (rq->n_fields) {
		e->disco.fields = fields_copy(rq->fields, rq->n_fields);
		e->disco.n_fields = rq->n_fields;
	}
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

void jd_disco_form(struct jd_instance *mi, unsigned targets, const char *form_type,
		   const struct jd_disco_field *fields, size_t n)
{
	struct disco_request rq = {.mi = mi,
				   .targets = targets,
				   .kind = JD_DISCO_FORM,
				   .var = form_type,
				   .fields = fields,
				   .n_fields = n};

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

/* The components of a host are its items. */
static void components_each(const struct jd_host *host,
			    void (*fn)(const struct jd_disco *entry, void *arg), void *arg)
{
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		const struct jd_host *other = container_of(n, struct jd_host, node);
		struct jd_disco item = {.kind = JD_DISCO_ITEM, .jid = jd_host_name(other)};

		if (other->component && host_above(other) == host)
			fn(&item, arg);
	}
}

void jd_disco_each(struct jd_host *host, enum jd_target target,
		   void (*fn)(const struct jd_disco *entry, void *arg), void *arg)
{
	for (struct list *n = host->disco.next; n != &host->disco; n = n->next) {
		struct entry *e = container_of(n, struct entry, node);

		if (e->targets & (unsigned)target && !disco_told(host, e, (unsigned)target))
			fn(&e->disco, arg);
	}
	if (target == JD_TO_HOST && !host->component)
		components_each(host, fn, arg);
}

static int nodes_add(struct jd_host *host, void *arg)
{
	const struct disco_request *rq = arg;
	struct entry *e = entry_new(rq->mi, NULL, 0);

	e->ops = rq->nodes;
	list_append(&host->disco_nodes, &e->node);
	return 0;
}

void jd_on_disco_node(struct jd_instance *mi, const struct jd_disco_nodes *nodes)
{
	struct disco_request rq = {.mi = mi, .nodes = nodes};

	instance_each_host(mi, nodes_add, &rq);
}

bool jd_disco_node(struct jd_iq *iq)
{
	struct jd_str node = jd_el_attr(iq->query, "node");
	bool items = jd_str_is(jd_el_ns(iq->query), JD_NS_DISCO_ITEMS);

	for (struct list *n = iq->host->disco_nodes.next; n != &iq->host->disco_nodes;
	     n = n->next) {
		const struct entry *e = container_of(n, struct entry, node);
		const struct jd_disco_nodes *nodes = e->ops;

		if (items ? nodes->items && nodes->items(e->mi, iq, node)
			  : nodes->info && nodes->info(e->mi, iq, node))
			return true;
	}
	return false;
}

/* -- stream features -------------------------------------------------------------------------- */

struct feature_request {
	struct jd_instance *mi;
	const char *ns, *name;
	jd_attrs_fn attrs;
};

static int feature_add(struct jd_host *host, void *arg)
{
	const struct feature_request *rq = arg;
	const struct entry_text texts[] = {TEXT(name, rq->name), TEXT(ns, rq->ns)};
	struct entry *e = entry_new(rq->mi, texts, JD_ARRAY_SIZE(texts));

	e->attrs = rq->attrs;
	list_append(&host->stream_features, &e->node);
	return 0;
}

void jd_stream_feature_attrs(struct jd_instance *mi, const char *ns, const char *name,
			     jd_attrs_fn attrs)
{
	struct feature_request rq = {mi, ns, name, attrs};

	/* These are literals of a module's source, written into every stream as they are. */
	JD_ASSERT(!strpbrk(ns, "'\"<>&") && !strpbrk(name, "'\"<>&/ :"));
	instance_each_host(mi, feature_add, &rq);
}

void jd_stream_feature(struct jd_instance *mi, const char *ns, const char *name)
{
	jd_stream_feature_attrs(mi, ns, name, NULL);
}

static int value_write(struct buf *b, struct jd_str value)
{
	while (value.len) {
		size_t n = escape_plain(value.p, value.len, ESCAPE_ATTR);
		struct jd_str ref;

		if (buf_append(b, value.p, n) < 0)
			return -JD_ELIMIT;
		value = (struct jd_str){value.p + n, value.len - n};
		if (!value.len)
			break;
		ref = escape_ref(value.p[0]);
		if (buf_append(b, ref.p, ref.len) < 0)
			return -JD_ELIMIT;
		value = (struct jd_str){value.p + 1, value.len - 1};
	}
	return 0;
}

static int attrs_write(struct buf *b, struct jd_host *host, const struct entry *e)
{
	struct jd_attr attrs[JD_ATTRS_MAX];
	struct jd_arena arena;
	size_t n;
	int r = 0;

	arena_init(&arena, NULL, 0);
	n = e->attrs ? e->attrs(e->mi, host, &arena, attrs) : 0;
	JD_ASSERT(n <= JD_ATTRS_MAX);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = buf_printf(b, " %s='", attrs[i].name);
		if (r == 0)
			r = value_write(b, attrs[i].value);
		if (r == 0)
			r = buf_append(b, "'", 1);
	}
	arena_fini(&arena);
	return r;
}

static int feature_write(struct buf *b, struct jd_host *host, const struct entry *e)
{
	if (buf_printf(b, "<%s xmlns='%s'", e->name.p, e->ns.p) < 0 || attrs_write(b, host, e) < 0)
		return -JD_ELIMIT;
	return buf_append(b, "/>", 2);
}

char *host_stream_features(struct jd_host *host)
{
	struct buf b;
	char *text;

	buf_init(&b, 64 << 10);
	for (struct list *n = host->stream_features.next; n != &host->stream_features;
	     n = n->next) {
		size_t before = b.len;

		/* Whole elements only: what does not fit is not offered. */
		if (feature_write(&b, host, container_of(n, struct entry, node)) < 0) {
			b.len = before;
			break;
		}
	}
	text = jd_strdup(b.p ? buf_str(&b) : JD_STR(""));
	buf_free(&b);
	return text;
}

/* -- Bind 2 ------------------------------------------------------------------------------------ */

struct bind_request {
	struct jd_instance *mi;
	const char *ns;
	jd_bind_fn fn;
};

static int bind_feature_add(struct jd_host *host, void *arg)
{
	const struct bind_request *rq = arg;
	const struct entry_text texts[] = {TEXT(ns, rq->ns)};
	struct entry *e = entry_new(rq->mi, texts, JD_ARRAY_SIZE(texts));

	e->bind = rq->fn;
	list_append(&host->bind_features, &e->node);
	return 0;
}

void jd_bind_feature(struct jd_instance *mi, const char *ns, jd_bind_fn fn)
{
	struct bind_request rq = {mi, ns, fn};

	JD_ASSERT(!strpbrk(ns, "'\"<>&"));
	instance_each_host(mi, bind_feature_add, &rq);
}

char *host_bind_features(struct jd_host *host)
{
	struct buf b;
	char *text;

	buf_init(&b, 64 << 10);
	for (struct list *n = host->bind_features.next; n != &host->bind_features; n = n->next) {
		const struct entry *e = container_of(n, struct entry, node);

		if (buf_printf(&b, "<feature var='%s'/>", e->ns.p) < 0)
			break;
	}
	text = jd_strdup(b.p ? buf_str(&b) : JD_STR(""));
	buf_free(&b);
	return text;
}

void bind_features_run(struct jd_session *s, struct jd_el request, struct jd_xml *answer)
{
	struct list *features = &s->host->bind_features;

	JD_EL_EACH(el, request)
	{
		for (struct list *n = features->next; n != features; n = n->next) {
			const struct entry *e = container_of(n, struct entry, node);

			if (jd_str_eq(jd_el_ns(el), e->ns) && !e->mi->draining)
				e->bind(e->mi, s, el, answer);
		}
	}
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

/* Who has asked for a service may keep it as long as he runs. */
struct use {
	struct list node; /* in the services of who asked */
	struct jd_instance *provider;
};

static void use_note(struct jd_instance *mi, struct jd_instance *provider)
{
	struct use *u;

	if (mi == provider || instance_uses(mi, provider))
		return;
	u = mem_new(struct use);
	u->provider = provider;
	list_append(&mi->services, &u->node);
}

bool instance_uses(const struct jd_instance *mi, const struct jd_instance *provider)
{
	for (const struct list *n = mi->services.next; n != &mi->services; n = n->next)
		if (container_of(n, struct use, node)->provider == provider)
			return true;
	return false;
}

static void uses_forget(struct jd_instance *mi)
{
	while (!list_empty(&mi->services)) {
		struct use *u = container_of(mi->services.next, struct use, node);

		list_remove(&u->node);
		mem_free(u);
	}
}

const void *jd_service(struct jd_instance *mi, const char *service,
		       struct jd_instance **ret_provider)
{
	struct jd_host *host =
		mi->host ? mi->host : container_of(server.hosts.next, struct jd_host, node);
	struct entry *e = service_find(host, service);

	if (!e || e->mi->draining)
		return NULL;
	use_note(mi, e->mi);
	if (ret_provider)
		*ret_provider = e->mi;
	return e->ops;
}
