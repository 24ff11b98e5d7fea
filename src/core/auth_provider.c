/* SPDX-License-Identifier: MIT
 *
 * The modules that are asked before the database, one for a host.  A list: there
 * are as many as hosts that have one.
 */
#include "core/auth_provider.h"

struct provider {
	struct list node;
	struct jd_instance *mi;
	unsigned can;
	jd_auth_fn fn;
	struct list open; /* struct auth_question.node */
};

static struct list providers = LIST_INIT(providers);

static struct provider *find(const struct jd_host *host)
{
	for (struct list *n = providers.next; n != &providers; n = n->next) {
		struct provider *p = container_of(n, struct provider, node);

		if (p->mi->host == host)
			return p;
	}
	return NULL;
}

int jd_auth_provide(struct jd_instance *mi, unsigned can, jd_auth_fn fn)
{
	struct provider *p;

	ROLE_ASSERT(ROLE_LOGIC);
	if (!mi->host)
		return -JD_EINVAL;
	if (find(mi->host))
		return -JD_EEXIST;
	p = mem_new(struct provider);
	p->mi = mi;
	p->can = can;
	p->fn = fn;
	list_init(&p->open);
	list_append(&providers, &p->node);
	return 0;
}

unsigned auth_provider_can(const struct jd_host *host)
{
	const struct provider *p = find(host);

	return p ? p->can : 0;
}

bool auth_provider_ask(struct auth_question *q)
{
	struct provider *p = find(q->pub.host);

	if (!p || !(p->can & JD_AUTH_CAN(q->pub.what)))
		return false;
	list_append(&p->open, &q->node);
	p->fn(p->mi, &q->pub);
	return true;
}

static bool keys_ok(const struct jd_auth *q, const struct jd_auth_keys *k)
{
	size_t n = crypto_digest_size((enum crypto_hash)q->hash);

	return k && k->salt.len && k->salt.len <= AUTH_SALT_MAX && k->iterations >= 4096 &&
	       k->iterations <= INT32_MAX && k->stored_key.len == n && k->server_key.len == n;
}

void jd_auth_answer(struct jd_auth *question, enum jd_auth_status status,
		    const struct jd_auth_keys *keys)
{
	struct auth_question *q = (struct auth_question *)question;

	ROLE_ASSERT(ROLE_LOGIC);
	JD_ASSERT(list_linked(&q->node)); /* answered once */
	list_remove(&q->node);
	if (status == JD_AUTH_YES && question->what == JD_AUTH_KEYS && !keys_ok(question, keys)) {
		jd_log(JD_LOG_ERROR, "a module gave SCRAM keys of a wrong shape",
		       jd_kv_str("host", jd_host_name(question->host)));
		status = JD_AUTH_FAILED;
	}
	q->answered(q, status, keys);
}

void auth_providers_remove(struct jd_instance *mi)
{
	struct provider *p = mi->host ? find(mi->host) : NULL;

	if (!p || p->mi != mi)
		return;
	list_remove(&p->node); /* nobody asks it any more */
	while (!list_empty(&p->open))
		jd_auth_answer(&container_of(p->open.next, struct auth_question, node)->pub,
			       JD_AUTH_FAILED, NULL);
	mem_free(p);
}
