/* SPDX-License-Identifier: MIT
 *
 * Service Discovery (XEP-0030): shows what the modules of a host have said about
 * themselves.  There is no list here: each module registers its own features,
 * identities and items with the core.
 *
 * What an account's bare address can do is told to its owner and to contacts who
 * may see its presence; others get the same answer as for an account that does
 * not exist (XEP-0030 section 8).
 */
#include <jackdaw/caps.h>
#include <jackdaw/roster.h>

#define NS_INFO  JD_NS_DISCO_INFO
#define NS_ITEMS JD_NS_DISCO_ITEMS

struct disco {
	const char *name;
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("name", struct disco, name, "Jackdaw", "What the server is called in lists."),
	JD_OPT_END,
};

/* The schema wants them in this order: identities, features, forms. */
static void write_identity(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_IDENTITY)
		return;
	jd_xml_start(x, NULL, "identity");
	jd_xml_attr(x, "category", d->category);
	jd_xml_attr(x, "type", d->type);
	jd_xml_attr(x, "name", d->name.len ? d->name : JD_STR_NULL);
	jd_xml_end(x);
}

static void write_feature(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_FEATURE)
		return;
	jd_xml_start(x, NULL, "feature");
	jd_xml_attr(x, "var", d->var);
	jd_xml_end(x);
}

static void write_field(struct jd_xml *x, struct jd_str var, const char *type,
			const char *const *values)
{
	jd_xml_start(x, NULL, "field");
	jd_xml_attr(x, "var", var);
	jd_xml_attr(x, "type", jd_cstr(type));
	for (; *values; values++)
		jd_xml_leaf(x, JD_NS_DATAFORM, "value", jd_cstr(*values));
	jd_xml_end(x);
}

static void write_form(const struct jd_disco *d, void *arg)
{
	const char *const form_type[] = {d->var.p, NULL};
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_FORM)
		return;
	jd_xml_start(x, JD_NS_DATAFORM, "x");
	jd_xml_attr(x, "type", JD_STR("result"));
	write_field(x, JD_STR("FORM_TYPE"), "hidden", form_type);
	for (size_t i = 0; i < d->n_fields; i++)
		write_field(x, jd_cstr(d->fields[i].var), d->fields[i].type, d->fields[i].values);
	jd_xml_end(x);
}

static void write_item(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_ITEM)
		return;
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "jid", d->jid);
	jd_xml_attr(x, "node", d->node.len ? d->node : JD_STR_NULL);
	jd_xml_attr(x, "name", d->name.len ? d->name : JD_STR_NULL);
	jd_xml_end(x);
}

/* True when the asker must not learn anything about the account; answered then. */
static bool refused(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct jd_roster_ops *roster;
	struct jd_instance *provider;
	struct jd_contact contact;

	if (!iq->account || iq->own)
		return false;
	roster = jd_service(mi, "roster", &provider);
	if (roster &&
	    roster->find(provider, iq->account, jd_jid_bare_str(iq->st->from), &contact) &&
	    contact.subscription & JD_SUB_FROM)
		return false;
	jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	return true;
}

/* A node of somebody else or of nobody, answered; not the one by which the host's caps are asked
 * for. */
static bool other_node(struct jd_instance *mi, struct jd_iq *iq, bool info)
{
	struct jd_str node = jd_el_attr(iq->query, "node");
	const struct jd_caps_ops *caps;
	struct jd_instance *provider;

	if (!node.len) /* what a component has is often no list that could be registered */
		return jd_host_is_component(iq->host) && jd_disco_node(iq);
	caps = jd_service(mi, "caps", &provider);
	if (info && !iq->account && caps && caps->own_node(provider, node, iq->st->arena))
		return false;
	if (!jd_disco_node(iq))
		jd_iq_fail(iq, JD_ITEM_NOT_FOUND, NULL);
	return true;
}

static struct jd_xml *result_start(struct jd_iq *iq, const char *ns)
{
	struct jd_str node = jd_el_attr(iq->query, "node");
	struct jd_xml *x = jd_iq_result(iq);

	jd_xml_start(x, ns, "query");
	jd_xml_attr(x, "node", node.len ? node : JD_STR_NULL);
	return x;
}

static enum jd_verdict on_info(struct jd_instance *mi, struct jd_iq *iq)
{
	enum jd_target target = iq->account ? JD_TO_ACCOUNT : JD_TO_HOST;
	struct jd_xml *x;

	if (refused(mi, iq))
		return JD_DONE;
	if (other_node(mi, iq, true))
		return JD_ASYNC; /* or answered already */
	x = result_start(iq, NS_INFO);
	jd_disco_each(iq->host, target, write_identity, x);
	jd_disco_each(iq->host, target, write_feature, x);
	jd_disco_each(iq->host, target, write_form, x);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static enum jd_verdict on_items(struct jd_instance *mi, struct jd_iq *iq)
{
	enum jd_target target = iq->account ? JD_TO_ACCOUNT : JD_TO_HOST;
	struct jd_xml *x;

	if (refused(mi, iq))
		return JD_DONE;
	if (other_node(mi, iq, false))
		return JD_ASYNC; /* or answered already */
	x = result_start(iq, NS_ITEMS);
	jd_disco_each(iq->host, target, write_item, x);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static int start(struct jd_instance *mi)
{
	const struct disco *d = jd_data(mi);
	unsigned both = JD_TO_HOST | JD_TO_ACCOUNT;
	int r;

	if (!jd_host_is_component(jd_instance_host(mi))) { /* what that is, others say */
		jd_identity(mi, JD_TO_HOST, "server", "im", d->name);
		jd_identity(mi, JD_TO_ACCOUNT, "account", "registered", NULL);
	}
	jd_feature(mi, both, NS_INFO);
	jd_feature(mi, both, NS_ITEMS);
	r = jd_on_iq(mi, JD_TYPE_GET, both, NS_INFO, "query", on_info);
	if (r < 0)
		return r;
	return jd_on_iq(mi, JD_TYPE_GET, both, NS_ITEMS, "query", on_items);
}

JD_MODULE(disco, .summary = "Service discovery (XEP-0030)", .scope = JD_PER_HOST | JD_PER_COMPONENT,
	  .after = "roster", .data_size = sizeof(struct disco), .options = options, .start = start);
